"""Glue job: Customers who consent to research."""

from stedi.cli.glue import job

job("customer_trusted")

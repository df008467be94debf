"""Glue job: Customers who consent and have acceleration records."""

from stedi.cli.glue import job

job("customer_curated")

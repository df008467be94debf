"""Glue job: Acceleration records of customers who consent to research."""

from stedi.cli.glue import job

job("accelerometer_trusted")

"""Glue job: Distance readings of customers in customer_curated."""

from stedi.cli.glue import job

job("step_trainer_trusted")

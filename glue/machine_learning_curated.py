"""Glue job: Distance and acceleration of the same instant, to train on."""

from stedi.cli.glue import job

job("machine_learning_curated")

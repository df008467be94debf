"""Glue job: Distance and acceleration with the same timestamp, to train on."""

from stedi.cli.glue import job

job("machine_learning_curated")

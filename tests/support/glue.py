"""The five Glue jobs, as the workflow has them."""

from __future__ import annotations

IN_ORDER = [
    "customer_landing_to_trusted",
    "accelerometer_landing_to_trusted",
    "customer_trusted_to_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
]

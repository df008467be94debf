"""The counts of the public starter data, which are known."""

from __future__ import annotations

from collections.abc import Callable

from stedi import Lakehouse

Run = Callable[[str], Lakehouse]

SEED = {
    "customer_landing": 956,
    "accelerometer_landing": 81_273,
    "step_trainer_landing": 28_680,
    "customer_trusted": 482,
    "accelerometer_trusted": 40_981,
    "step_trainer_trusted": 14_460,
    "customer_curated": 482,
    "machine_learning_curated": 43_681,
}
STRICT = {
    **SEED,
    "accelerometer_trusted": 32_025,
    "customer_curated": 464,
    "step_trainer_trusted": 11_297,
    "machine_learning_curated": 32_025,
}

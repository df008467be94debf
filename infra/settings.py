"""What differs from one deployment to the next: stage, names, tags, how long things are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Stage = Literal["dev", "test", "prod"]

JOBS = {
    "customer_landing_to_trusted": "customer_trusted",
    "accelerometer_landing_to_trusted": "accelerometer_trusted",
    "customer_trusted_to_curated": "customer_curated",
    "step_trainer_trusted": "step_trainer_trusted",
    "machine_learning_curated": "machine_learning_curated",
}
"""The scripts in `glue/` in the order in which they run, each with the table that it builds."""

LOGGED: Mapping[str, tuple[str, str]] = {
    "RunFailed": ("job.failed", "A run ended with 1; its message is in the log."),
    "Remark": ("remark", "A run could not do something, or passed over something."),
    "Withheld": ("publication.withheld", "A table is published empty: too few people."),
    "SetAside": ("source.refused", "More of a source was quarantined than its contract allows."),
    "Stale": ("data.late", "A landing file has waited longer than declared."),
}
"""Alarms by the event in a job's log that rings them, and what that means."""
LOCKED = "is being worked on by"
"""How stedi's message has it that another run holds the lakehouse."""


@dataclass(frozen=True)
class Settings:
    """One deployment. `name` begins the name of everything in it.

    Days are kept whole: access logs for `log_days`, a job's output for `output_days`, query results
    for `result_days`. A run is late after `late_hours` (alarm). Jobs run on `workers` workers of
    `worker` each; `flex` lets Glue start them later, for a third less. `glue_version` 5.1 has
    Spark 3.5 and Python 3.11, 6.0 has Spark 4.1 and Python 3.13. `schedule` is in UTC. `keeps_data`
    leaves bucket, key and secret behind when the stack is deleted. With `jobs_rewrite_raw`, jobs
    may cut records out of raw files, as runs do after an erasure. `partition` is another one in
    China and GovCloud.
    """

    stage: Stage = "prod"
    name: str = "stedi"
    log_days: int = 400
    output_days: int = 90
    result_days: int = 1
    late_hours: int = 26
    worker: str = "G.1X"
    workers: int = 2
    timeout_minutes: int = 60
    flex: bool = False
    glue_version: str = "5.1"
    schedule: str = "cron(0 2 * * ? *)"
    wait_seconds: int = 1800
    gather_seconds: int = 300
    scanned_gb: int = 100
    published_scanned_gb: int = 10
    keeps_data: bool = True
    jobs_rewrite_raw: bool = False
    partition: str = "aws"

    @property
    def database(self) -> str:
        """The Glue database of all tables."""
        return self.name.replace("-", "_")

    @property
    def published(self) -> str:
        """The Glue database of published tables alone."""
        return f"{self.database}_published"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every resource that has tags."""
        return {"application": "stedi", "stage": self.stage}


PROD = Settings()
STAGES: dict[Stage, Settings] = {
    "dev": replace(
        PROD, stage="dev", name="stedi-dev", flex=True, keeps_data=False, output_days=7, log_days=30
    ),
    "test": replace(PROD, stage="test", name="stedi-test", flex=True, keeps_data=False),
    "prod": PROD,
}
"""The committed template is that of `prod`; `make infra STAGE=test` writes another beside it."""

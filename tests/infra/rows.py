"""Who may what in the account, place by place, as docs/aws.md says it: a row for each role."""

from __future__ import annotations

from tests.infra.rights import ADMINISTRATOR

LANDING = ["customer/landing", "accelerometer/landing", "step_trainer/landing"]
TYPED = ["customer/typed", "accelerometer/typed", "step_trainer/typed"]
TRUSTED = ["customer/trusted", "accelerometer/trusted", "step_trainer/trusted"]
CURATED = "customer/curated"
PUBLISHED = "step_trainer/curated"
SYNTHETIC = "step_trainer/synthetic"
OWN = ["_stedi/loads", "_stedi/quarantine", "_stedi/erased"]
TABLES = [*TYPED, *TRUSTED, CURATED, PUBLISHED, SYNTHETIC, *OWN]
WORKGROUPS = ["stewards", "analysis", "research", "synthetic"]

Row = dict[str, str]
FULL = "read add replace delete"
ROWS: dict[str, Row] = {
    "job": {
        **dict.fromkeys(LANDING, "read"),
        **dict.fromkeys(TABLES, FULL),
        "code": "read",
        "secret": "read",
    },
    "erasure": {**dict.fromkeys([*LANDING, *TABLES], FULL), "secret": "read"},
    "ingest-customer": {"customer/landing": "add"},
    "ingest-accelerometer": {"accelerometer/landing": "add"},
    "ingest-step-trainer": {"step_trainer/landing": "add"},
    "steward": {
        **dict.fromkeys([*TRUSTED, CURATED, PUBLISHED, SYNTHETIC], "read"),
        "results of stewards": "read add replace",
    },
    "analyst": {"results of analysis": "read add replace"},
    "data-scientist": {PUBLISHED: "read", "results of research": "read add replace"},
    "synthetic-reader": {SYNTHETIC: "read", "results of synthetic": "read add replace"},
    "lake-formation": dict.fromkeys([CURATED, PUBLISHED], "read"),
    "nightly-service": {"jobs": "start"},
    "schedule-service": {"nightly": "start"},
    "arrivals-service": {"nightly": "start"},
    # May everything by its own policy: what is left is what bucket, key and secret don't forbid.
    ADMINISTRATOR: {
        "code": FULL,
        "logs": "read delete add replace",
        "jobs": "start",
        "nightly": "start",
    },
}
VERBS = ("read", "add", "replace", "delete")

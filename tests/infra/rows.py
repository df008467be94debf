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

LAKE_KEY = {"the lake's key, through S3": "use"}
RESULTS_KEY = {"the results' key, through S3": "use"}

Row = dict[str, str]
FULL = "read add replace delete"
ROWS: dict[str, Row] = {
    "job": {
        **dict.fromkeys(LANDING, "read"),
        **dict.fromkeys(TABLES, FULL),
        "code": "read",
        "page": "read add replace",
        "secret": "read",
        **LAKE_KEY,
        **RESULTS_KEY,
    },
    "erasure": {**dict.fromkeys([*LANDING, *TABLES], FULL), "secret": "read", **LAKE_KEY},
    "ingest-customer": {"customer/landing": "add", **LAKE_KEY},
    "ingest-accelerometer": {"accelerometer/landing": "add", **LAKE_KEY},
    "ingest-step-trainer": {"step_trainer/landing": "add", **LAKE_KEY},
    "steward": {
        **dict.fromkeys([*TRUSTED, CURATED, PUBLISHED, SYNTHETIC], "read"),
        "results of stewards": "read add replace",
        "page": "read",
        **LAKE_KEY,
        **RESULTS_KEY,
    },
    # Lake Formation reads for them: no object of the lake, and none of its key.
    "analyst": {"results of analysis": "read add replace", "page": "read", **RESULTS_KEY},
    "data-scientist": {
        PUBLISHED: "read",
        "results of research": "read add replace",
        "page": "read",
        **LAKE_KEY,
        **RESULTS_KEY,
    },
    "synthetic-reader": {
        SYNTHETIC: "read",
        "results of synthetic": "read add replace",
        **LAKE_KEY,
        **RESULTS_KEY,
    },
    "lake-formation": {**dict.fromkeys([CURATED, PUBLISHED], "read"), **LAKE_KEY},
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

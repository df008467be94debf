"""A landing zone small enough to be counted by hand, with every case that is easy to get wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Records = list[dict[str, Any]]


def customer(name: str, serial: str, updated: int, consent: int | None = None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "customerName": name.title(),
        "email": f"{name}@example.com",
        "phone": "555",
        "birthDay": "1980-01-01",
        "serialNumber": serial,
        "registrationDate": 50,
        "lastUpdateDate": updated,
    }
    if consent is not None:
        record["shareWithResearchAsOfDate"] = consent
    return record


def acceleration(name: str, time: int, x: float) -> dict[str, Any]:
    return {"user": f"{name}@example.com", "timestamp": time, "x": x, "y": 0.5, "z": -1.0}


def reading(serial: str, time: int, distance: int) -> dict[str, Any]:
    return {"sensorReadingTime": time, "serialNumber": serial, "distanceFromObject": distance}


CUSTOMERS = [
    customer("ann", "S1", 100, consent=100),
    customer("ben", "S2", 100),
    customer("cat", "S3", 100, consent=100),
    customer("cat", "S3", 200),  # withdrew
    customer("dan", "S4", 100, consent=90),
    customer("dan", "S4", 100),  # as new as the other, without consent: this one counts
    customer("eve", "S5", 1000, consent=1000),  # consented late
    customer("fay", "S6", 100, consent=100),  # shares S6 with gus, who consents too
    customer("gus", "S6", 300, consent=300),
    customer("hal", "S7", 100, consent=100),  # shares S7 with ivy, who doesn't consent
    customer("ivy", "S7", 100),
    customer("jon", "S8", 100, consent=100),  # has S9 now
    customer("jon", "S9", 200, consent=150),
    customer("kim", "S10", 100),  # had S10 before lee, and doesn't consent
    customer("kim", "S11", 200),
    customer("lee", "S10", 100, consent=100),
    customer("mia", "S12", 100, consent=0),  # not positive: no consent
    customer("ned", "S13", 100, consent=100),  # never measured
]

ACCELEROMETER = [
    acceleration("ann", 1000, 0.1),
    acceleration("ann", 1000, 0.2),
    acceleration("ann", 2000, 0.3),
    acceleration("ben", 1000, 1.0),
    acceleration("cat", 1000, 1.0),
    acceleration("dan", 1000, 1.0),
    acceleration("eve", 500, 0.4),
    acceleration("eve", 1500, 0.5),
    acceleration("eve", 2000, 0.6),  # at the same time as ann
    acceleration("fay", 400, 0.7),
    acceleration("gus", 200, 0.8),
    acceleration("gus", 400, 0.9),
    acceleration("hal", 600, -0.1),
    acceleration("ivy", 600, 1.0),
    acceleration("jon", 700, -0.2),
    acceleration("kim", 800, 1.0),
    acceleration("lee", 900, -0.3),
    acceleration("mia", 1000, 1.0),
    acceleration("nobody", 1000, 1.0),
]

STEP_TRAINER = [
    reading("S1", 1000, 210),
    reading("S1", 2000, 220),
    reading("S1", 3000, 230),
    reading("S2", 1000, 900),
    reading("S3", 1000, 900),
    reading("S4", 1000, 900),
    reading("S5", 500, 240),
    reading("S5", 1500, 250),
    reading("S6", 200, 260),
    reading("S6", 400, 270),
    reading("S7", 600, 280),
    reading("S8", 700, 900),
    reading("S9", 700, 290),
    reading("S10", 900, 300),
    reading("S11", 800, 900),
    reading("S12", 1000, 900),
    reading("S13", 1000, 900),
]


def land(root: Path) -> None:
    """Write the landing zone of a lakehouse folder."""
    write(root, "customer", CUSTOMERS)
    write(root, "accelerometer", ACCELEROMETER)
    write(root, "step_trainer", STEP_TRAINER)


def write(root: Path, source: str, content: Records | bytes, name: str = "one.json") -> Path:
    """Write records, or bytes as they are, as a landing file of a source."""
    path = root / source / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in content))
    return path


LANDED = {"customer_landing": 18, "accelerometer_landing": 19, "step_trainer_landing": 17}

SEED = {
    **LANDED,
    "customer_trusted": 8,  # ann eve fay gus hal jon lee ned
    "accelerometer_trusted": 12,  # ann 3, eve 3, gus 2, fay hal jon lee 1
    "customer_curated": 7,  # all but ned
    "step_trainer_trusted": 10,  # S1 3, S5 2, S6 2, S7 S9 S10 1
    "machine_learning_curated": 12,
}
SEED_PAIRS = sorted(
    [
        (210.0, 0.1, 0.5, -1.0),
        (210.0, 0.2, 0.5, -1.0),
        (220.0, 0.3, 0.5, -1.0),
        (220.0, 0.6, 0.5, -1.0),  # ann's step with eve's acceleration
        (240.0, 0.4, 0.5, -1.0),  # before eve's consent
        (250.0, 0.5, 0.5, -1.0),
        (260.0, 0.8, 0.5, -1.0),  # before gus's consent
        (270.0, 0.7, 0.5, -1.0),
        (270.0, 0.9, 0.5, -1.0),
        (280.0, -0.1, 0.5, -1.0),
        (290.0, -0.2, 0.5, -1.0),
        (300.0, -0.3, 0.5, -1.0),
    ]
)
NOT_ALLOWED = {
    "user does not consent": 4,  # ben ivy kim mia
    "after withdrawal": 2,  # cat dan
    "unknown user": 1,
}
SEED_DROPPED = {
    "customer_trusted": {"not the newest record of its customer": 4, "no consent to research": 6},
    "accelerometer_trusted": {**NOT_ALLOWED},
    "customer_curated": {"no accelerometer record": 1},
    "step_trainer_trusted": {"serial number of no curated customer": 7},
    "machine_learning_curated": {},
}
SEED_NOTES = {
    "weaker_than_recommended": 1,  # what publishes so few people
    "instant_out_of_range": 18,  # all of them: just after 1970
    "shared_serial_numbers": 2,  # S6 and S7
    "accelerometer_before_consent": 2,  # eve at 500, gus at 200
    "step_trainer_before_consent": 2,  # S5 at 500, S6 at 200
    "cross_owner_pairs": 1,
    "pairs_before_consent": 2,
}

STRICT = {
    **LANDED,
    "customer_trusted": 8,
    "accelerometer_trusted": 10,
    "customer_curated": 7,
    "step_trainer_trusted": 6,  # S1 3, S5 at 1500, S6 at 400, S9
    "machine_learning_curated": 5,
}
STRICT_PAIRS = sorted(
    [
        (210.0, 0.1, 0.5, -1.0),
        (210.0, 0.2, 0.5, -1.0),
        (220.0, 0.3, 0.5, -1.0),
        (250.0, 0.5, 0.5, -1.0),
        (290.0, -0.2, 0.5, -1.0),
    ]
)
STRICT_DROPPED = {
    "customer_trusted": {"not the newest record of its customer": 4, "no consent to research": 6},
    "accelerometer_trusted": {**NOT_ALLOWED, "taken before consent": 2},
    "customer_curated": {"no accelerometer record": 1},
    "step_trainer_trusted": {
        "serial number of no curated customer": 7,
        "serial number also of a customer who does not consent": 2,  # S7 and S10
        "taken before consent": 2,
    },
    "machine_learning_curated": {
        "serial number of several owners": 2,  # S6 at 400, twice
        "readings of two people": 1,
    },
}

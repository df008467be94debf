"""The public starter data: known counts, and the strict profile worked out independently."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from tests.conftest import counts
from tests.support.starter import SEED, STRICT, Run


def read(starter: Path, source: str) -> list[dict[str, Any]]:
    files = sorted((starter / source / "landing").iterdir())
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def strict_counts(starter: Path) -> dict[str, int]:
    """Design section 2's strict column over the starter data, in plain Python.

    There e-mails and serial numbers are unique, so every record is its customer's newest and every
    serial number has one owner.
    """
    customers = read(starter, "customer")
    assert (
        len({c["email"] for c in customers}) == len({c["serialNumber"] for c in customers}) == 956
    )
    consent = {
        c["email"]: c["shareWithResearchAsOfDate"]
        for c in customers
        if c.get("shareWithResearchAsOfDate", 0) > 0
    }
    owner = {c["serialNumber"]: c["email"] for c in customers}
    accelerations = [
        a
        for a in read(starter, "accelerometer")
        if a["user"] in consent and a["timestamp"] >= consent[a["user"]]
    ]
    curated = {a["user"] for a in accelerations}
    steps = [
        s
        for s in read(starter, "step_trainer")
        if (email := owner.get(s["serialNumber"])) in curated
        and s["sensorReadingTime"] >= consent[email]
    ]
    at: dict[tuple[int, str], int] = defaultdict(int)
    for a in accelerations:
        at[a["timestamp"], a["user"]] += 1
    pairs = sum(at[s["sensorReadingTime"], owner[s["serialNumber"]]] for s in steps)
    return {
        "customer_trusted": len(consent),
        "accelerometer_trusted": len(accelerations),
        "customer_curated": len(curated),
        "step_trainer_trusted": len(steps),
        "machine_learning_curated": pairs,
    }


def test_the_seed_profile_gives_the_known_counts(starter_run: Run) -> None:
    assert counts(starter_run("seed")) == SEED


def test_the_seed_profile_notes_matches_of_two_people_and_readings_before_consent(
    starter: Path, starter_run: Run
) -> None:
    notes = {note.code: note.count for note in starter_run("seed").status().notes}
    strict = strict_counts(starter)
    assert notes["cross_owner_pairs"] == 2_700
    before = SEED["accelerometer_trusted"] - strict["accelerometer_trusted"]
    assert notes["accelerometer_before_consent"] == before == 8_956
    assert "shared_serial_numbers" not in notes


def test_the_strict_profile_gives_what_plain_python_gives(starter: Path, starter_run: Run) -> None:
    expected = strict_counts(starter)
    assert {**SEED, **expected} == STRICT
    assert counts(starter_run("strict")) == STRICT


@pytest.mark.parametrize("profile", ["seed", "strict"])
def test_everything_reconciles(starter_run: Run, profile: str) -> None:
    status = starter_run(profile).status(verify=True)
    assert status.ok, status.problems
    assert all(step.adds_up for step in status.steps.values())


def test_ingesting_twice_changes_nothing(starter: Path, tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    assert len(lakehouse.ingest(starter).copied) == 13
    again = lakehouse.ingest(starter)
    assert (again.copied, len(again.present)) == ((), 13)

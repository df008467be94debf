"""`stedi ingest --look`: what is in a delivery, before anything is copied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.look import SourceLook
from tests.conftest import already_run
from tests.support import small
from tests.support.processes import stedi

HOUR = 3_600_000
NOON = 1_700_000_000_000


def delivered(folder: Path, records: list[dict[str, Any]] | bytes, source: str) -> Path:
    return small.write(folder, source, records, "new.json").parents[2]


def looked(
    lakehouse: Lakehouse, tmp_path: Path, records: list[dict[str, Any]] | bytes, source: str
) -> SourceLook:
    [one] = lakehouse.look(delivered(tmp_path / "delivery", records, source)).sources
    assert one.source == source
    return one


def accelerations(times: list[Any]) -> list[dict[str, Any]]:
    return [{**small.acceleration("ann", 1, n / 8), "timestamp": t} for n, t in enumerate(times)]


@already_run
def test_a_look_reports_people_overlap_and_times_and_changes_nothing(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    before = small_lakehouse.status()
    new = [
        small.acceleration(name, NOON + n * HOUR, 0.5)
        for n, name in enumerate(["ann", *["zoe"] * 7])
    ]
    one = looked(small_lakehouse, tmp_path, [*small.ACCELEROMETER[:5], *new], "accelerometer")
    assert (one.files, one.records, one.loaded, one.set_aside) == (1, 13, 8, {})
    assert (one.known, one.new, one.present) == (3, 1, 5)  # ann, ben and cat; zoe
    assert [(t.key, t.last) for t in one.times] == [("timestamp", "2023-11-15T05:13:20Z")]
    assert small_lakehouse.status() == before


@pytest.mark.parametrize(
    ("times", "unit", "loaded"),
    [
        ([1_700_000_000 + n for n in range(5)], "seconds", 5),
        ([1_700_000_000_000_000 + n for n in range(5)], "microseconds", 0),
        ([1_700_000_000_000_000_000 + n for n in range(5)], "nanoseconds", 0),
        ([f"2023-11-14T22:13:2{n}Z" for n in range(5)], "ISO times", 0),
        ([f"2023-11-14 22:13:2{n}" for n in range(5)], "ISO times", 0),
        ([f"170000000000{n}" for n in range(5)], "numbers in quotes", 0),
    ],
)
def test_a_look_tells_units(
    lakehouse: Lakehouse, tmp_path: Path, times: list[Any], unit: str, loaded: int
) -> None:
    one = looked(lakehouse, tmp_path, accelerations(times), "accelerometer")
    assert one.loaded == loaded
    assert any(f"timestamp is given in {unit}: deliver it in epoch" in a for a in one.advice)
    if loaded:
        assert (one.times[0].first, one.times[0].unit) == ("2023-11-14T22:13:20Z", unit)


@pytest.mark.parametrize(
    ("source", "records", "advice"),
    [
        (
            "customer",
            json.dumps({"Records": small.CUSTOMERS}).encode(),
            "`recordsUnder: Records` in the contract customer_landing reads them",
        ),
        (
            "customer",
            json.dumps({"took": 5, "hits": {"total": 8, "hits": small.CUSTOMERS}}).encode(),
            "`recordsUnder: hits.hits` in the contract customer_landing reads them",
        ),
        (
            "step_trainer",
            [{"sensorReadingTime": 5, "serialNumber": "S", "distance_from_object": 3}],
            "`jsonKey: distance_from_object` for the column distancefromobject of "
            "step_trainer_landing reads records without the key distanceFromObject",
        ),
        (
            "accelerometer",
            [{"user": "ann@e.com", "timestamp": 5, "x": 1.0, "y": 1.0}],
            "`required: false` for the column z of accelerometer_landing reads them, if no rule "
            "needs it",
        ),
    ],
)
def test_a_look_tells_which_change_of_contract_would_read_it(
    lakehouse: Lakehouse, tmp_path: Path, source: str, records: Any, advice: str
) -> None:
    one = looked(lakehouse, tmp_path, records, source)
    assert one.loaded == 0
    assert advice in one.advice


def test_a_look_names_keys_but_nobody(lakehouse: Lakehouse, tmp_path: Path) -> None:
    record = small.acceleration("ann", 5, 0.5)
    records = [record | {"time_stamp": 1, "ann@example.com": 2, "x42424242": 3}, record]
    one = looked(lakehouse, tmp_path, records, "accelerometer")
    assert one.notes == [
        "key that the contract lacks: time_stamp (accelerometer, 1 record, like timestamp)",
        "key that the contract lacks: x00000000 (accelerometer, 1 record)",
        "key that the contract lacks: xxx@xxxxxxx.xxx (accelerometer, 1 record)",
    ]


def test_ingest_says_in_a_line_what_does_not_fit(tmp_path: Path) -> None:
    records = accelerations(["2023-11-14T22:13:20Z"] * 3)
    folder = delivered(tmp_path / "delivery", records, "accelerometer")
    told = stedi("ingest", folder, "--root", tmp_path / "root")
    assert (
        "Source accelerometer: 3 of the first 3 records would be quarantined, most because of text "
        "where a number belongs at the key timestamp; `stedi ingest PATH --look` says more." in told
    )
    told = stedi("ingest", folder, "--look", "--root", tmp_path / "root")
    assert "accelerometer: 1 file, 3 records: 0 to load, 3 to quarantine" in told
    assert "to do: timestamp is given in ISO times" in told
    assert json.loads(stedi("ingest", folder, "--look", "--json", "--root", tmp_path / "root"))

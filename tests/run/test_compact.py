"""Small runs leave few files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.run.compact import to_merge
from stedi.storage.warehouse import DataFile
from tests.conftest import Land, already_run, counts, on, rows
from tests.support import small
from tests.support.tables import declare, files, strays


@pytest.mark.slow
@pytest.mark.parametrize("runs", [12, 300])
def test_many_small_runs_leave_a_handful_of_files(
    small_lakehouse: Lakehouse, folder: Path, land: Land, runs: int
) -> None:
    for table in small.SEED:
        if table != "machine_learning_curated":
            declare(folder, table, "snapshotDays: 0")
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    for n in range(runs):
        land("accelerometer", [small.acceleration("ann", 3000 + n, 0.9)], name=f"a{n}.json")
        land("step_trainer", [small.reading("S1", 3000 + n, 210)], name=f"s{n}.json")
        if n % 7 == 0:
            land("customer", [small.customer("ben", "S2", 900 + n, 1 - n % 2)], name="b.json")
        lakehouse.run()
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.tables["accelerometer_landing"].rows == 19 + runs
    for table in small.SEED:
        assert len(files(lakehouse, table)) < 10, table
        folder_ = Path(status.tables[table].location.removeprefix("file://"))
        assert len(list(folder_.rglob("*.parquet"))) < 10
        assert len(list((folder_ / "metadata").glob("*"))) < 30
        folders = [path for path in folder_.rglob("*") if path.is_dir()]
        assert [path for path in folders if not any(path.iterdir())] == []
    assert strays(lakehouse) == []
    (lakehouse.root / "accelerometer" / "landing" / "a3.json").unlink()
    lakehouse.run()
    assert rows(lakehouse, "SELECT COUNT(*) FROM accelerometer_landing") == [(18 + runs,)]
    assert lakehouse.status(verify=True).ok


def test_what_is_merged_at_once_makes_a_file_of_the_usual_size() -> None:
    sizes = [4_000_000, *(900_000 + n for n in range(30)), 10]
    files = [DataFile(f"{rows}", Path(f"{rows}"), 1, rows) for rows in sizes]
    merged = to_merge(files)
    assert [file.rows for file in merged] == [10, 900_000, 900_001, 900_002, 900_003]
    assert to_merge(files[:8]) == ()
    few = [DataFile(f"{rows}", Path(f"{rows}"), 1, rows) for rows in (5, 4, 3, 2, 1, 9, 8, 7)]
    assert {file.rows for file in to_merge([*few, files[0]])} == {1, 2, 3, 4, 5, 7, 8, 9}


@already_run
def test_what_was_merged_is_known_wherever_it_is_noted(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of many merged files are no part of a table's metadata, which has all snapshots'."""
    monkeypatch.setattr("stedi.run.compact._MOST_IN_TIER", 3)
    monkeypatch.setattr("stedi.storage.warehouse._MOST_MERGED", 1)
    root = small_lakehouse.root
    for number in range(3):
        record = small.acceleration("ann", 5000 + number, 0.9)
        land("accelerometer", [record], name=f"more-{number}.json")
        small_lakehouse.run()
    assert [*(root / "_stedi" / "notes").glob("accelerometer_landing-*")]
    metadata = sorted((root / "accelerometer/typed/metadata").glob("*.metadata.json"))
    newest = json.loads(metadata[-1].read_text())["snapshots"][-1]["summary"]
    assert "stedi.kept-as" in newest and "stedi.merged" not in newest
    land("accelerometer", [small.acceleration("ann", 6000, 0.9)] * 2, name="more-1.json")
    report = small_lakehouse.run()
    assert {b.table: b.how for b in report.built}["accelerometer_landing"] == "swap"
    rows_now = small.SEED["accelerometer_landing"] + 4
    assert counts(small_lakehouse)["accelerometer_landing"] == rows_now
    assert small_lakehouse.status(verify=True).ok
    assert strays(small_lakehouse) == []
    for number in range(3):
        record = small.acceleration("ann", 7000 + number, 0.9)
        land("accelerometer", [record], name=f"again-{number}.json")
        small_lakehouse.run()
    for path in (root / "_stedi" / "notes").glob("accelerometer_landing-*"):
        path.unlink()
    assert small_lakehouse.status().tables["accelerometer_landing"].freshness == "stale"
    small_lakehouse.run()
    assert counts(small_lakehouse)["accelerometer_landing"] == rows_now + 3
    assert small_lakehouse.status(verify=True).ok

"""Snapshots can be asked, and are kept for the declared time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import QueryError, UsageError
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land, already_run, on, rows
from tests.support import small
from tests.support.processes import started
from tests.support.tables import declare, files, strays


def test_tables_can_be_asked_as_they_were(small_lakehouse: Lakehouse, land: Land) -> None:
    early = datetime.now(UTC)
    time.sleep(0.01)
    small_lakehouse.run()
    when = datetime.now(UTC)
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    time.sleep(0.01)
    small_lakehouse.run()
    sql = "SELECT COUNT(*) FROM accelerometer_trusted"
    now = small.SEED["accelerometer_trusted"] + 1
    assert rows(small_lakehouse, sql) == [(now,)]
    assert small_lakehouse.query(sql, as_of=when).to_arrow().to_pylist()[0].popitem()[1] == now - 1
    with pytest.raises(QueryError, match="no snapshot of"):
        small_lakehouse.query(sql, as_of=early)
    with pytest.raises(QueryError, match="no snapshot of 2020-01-01 00:00:00"):
        small_lakehouse.query(sql, as_of="2020-01-01")
    with pytest.raises(UsageError, match="--as-of 'yesterday'"):
        small_lakehouse.query(sql, as_of="yesterday")
    with pytest.raises(UsageError, match="as in 2026"):
        small_lakehouse.query(sql, as_of=5)  # type: ignore[arg-type]
    as_of = ("--as-of", "2020-01-01")
    done = started("query", "--root", small_lakehouse.root, *as_of, sql).ended()
    assert done.returncode == 2
    assert "no snapshot of 2020-01-01" in done.stderr


def test_snapshots_are_kept_for_the_declared_time(
    small_lakehouse: Lakehouse, folder: Path, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(folder, "accelerometer_trusted", "snapshotDays: 2")
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    first = files(lakehouse, "accelerometer_trusted")
    small_lakehouse_files = set((lakehouse.root / "accelerometer").rglob("*.avro"))
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)] * 2, name="two.json")
    lakehouse.run(full=True)
    assert len(Warehouse(open_root(lakehouse.root)).history("accelerometer_trusted")) == 2
    now = time.time_ns()
    for days, kept in ((1, 2), (3, 1)):
        later = now + int(timedelta(days=days).total_seconds() * 1e9)
        monkeypatch.setattr("stedi.storage.withdrawals.time.time_ns", lambda later=later: later)
        lakehouse.run()
        assert len(Warehouse(open_root(lakehouse.root)).history("accelerometer_trusted")) == kept
        assert len(Warehouse(open_root(lakehouse.root)).history("accelerometer_landing")) == 2
    assert not any(Path(uri.removeprefix("file://")).exists() for uri in first)
    gone = [path for path in small_lakehouse_files if "trusted" in path.parts and path.exists()]
    assert gone == []
    assert strays(lakehouse) == []
    assert lakehouse.status(verify=True).ok


@already_run
def test_however_often_it_runs_a_table_has_a_bounded_number_of_snapshots_and_files(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.storage.expire.MOST_SNAPSHOTS", 4)
    monkeypatch.setattr("stedi.storage.expire.KEPT_SNAPSHOTS", 2)
    early = datetime.now(UTC)
    lengths, metadata = [], []
    for number in range(7):
        land("accelerometer", [small.acceleration("ann", 3000 + number, 0.9)], f"{number}.json")
        small_lakehouse.run()
        history = Warehouse(open_root(small_lakehouse.root)).history("accelerometer_landing")
        lengths.append(len(history))
        metadata.append(len([*(small_lakehouse.root / "accelerometer/typed/metadata").iterdir()]))
    assert lengths == [2, 3, 4, 2, 3, 4, 2]
    assert metadata[3] < metadata[2] and metadata[6] < metadata[5]
    sql = "SELECT COUNT(*) FROM accelerometer_landing"
    assert rows(small_lakehouse, sql) == [(small.SEED["accelerometer_landing"] + 7,)]
    with pytest.raises(QueryError, match="no snapshot of"):
        small_lakehouse.query(sql, as_of=early)
    assert small_lakehouse.status(verify=True).ok
    assert strays(small_lakehouse) == []

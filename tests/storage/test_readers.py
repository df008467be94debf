"""Readers that aren't ours see the same rows: ClickHouse's Iceberg reader, and Polars'."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stedi import Lakehouse
from tests.conftest import Land, already_run, rows
from tests.support import small

# chdb lives in a process of its own: it reads only below its working folder, once set.
CHDB = """
import json, sys
import chdb
out = {}
for path, expression in json.load(sys.stdin):
    sql = f"SELECT {expression} FROM icebergLocal('{path}') FORMAT JSONCompact"
    out[path] = json.loads(str(chdb.query(sql, "JSONCompact")))["data"][0]
print(json.dumps(out))
"""

SUMS = {
    "customer_landing": "sum(lastupdatedate), sum(length(email))",
    "customer_trusted": "sum(sharewithresearchasofdate), sum(length(email))",
    "customer_curated": "sum(sharewithresearchasofdate), sum(length(email))",
    "accelerometer_landing": 'sum("timestamp"), sum(x)',
    "accelerometer_trusted": 'sum("timestamp"), sum(x)',
    "step_trainer_landing": "sum(sensorreadingtime), sum(distancefromobject)",
    "step_trainer_trusted": "sum(sensorreadingtime), sum(distancefromobject)",
    "machine_learning_curated": "sum(distancefromobject), sum(x)",
}


def ours(lakehouse: Lakehouse) -> dict[str, list[float]]:
    return {
        table: [
            float(value or 0)
            for value in rows(lakehouse, f"SELECT COUNT(*), {sums} FROM {table}")[0]
        ]
        for table, sums in SUMS.items()
    }


def assert_same(theirs: dict[str, list[float]], ours: dict[str, list[float]]) -> None:
    assert theirs.keys() == ours.keys()
    for table, sums in ours.items():
        assert theirs[table] == pytest.approx(sums), table


def by_clickhouse(lakehouse: Lakehouse) -> dict[str, list[float]]:
    locations = {
        name: table.location.removeprefix("file://")
        for name, table in lakehouse.status().tables.items()
    }
    questions = [(locations[table], f"count(), {sums}") for table, sums in SUMS.items()]
    done = subprocess.run(
        [sys.executable, "-c", CHDB],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        cwd=lakehouse.root,
        check=True,
    )
    found = json.loads(done.stdout)
    return {table: [float(v) for v in found[locations[table]]] for table in SUMS}


def by_polars(lakehouse: Lakehouse) -> dict[str, list[float]]:
    found = {}
    for table, sums in SUMS.items():
        frame = scan(lakehouse, table).collect()
        values: list[Any] = [frame.height]
        for one in sums.split(", "):
            column = one.removeprefix("sum(").replace("length(", "").rstrip(")").replace('"', "")
            series = frame[column]
            values.append((series.str.len_chars() if "length" in one else series).sum())
        found[table] = [float(value) for value in values]
    return found


def scan(lakehouse: Lakehouse, table: str) -> pl.LazyFrame:
    folder = Path(lakehouse.status().tables[table].location.removeprefix("file://"))
    newest = max((folder / "metadata").glob("*.metadata.json"))  # names begin with the version
    return pl.scan_iceberg(f"file://{newest}")


@already_run
@pytest.mark.parametrize("reader", [by_clickhouse, by_polars])
def test_other_readers_see_the_same_small_tables(
    small_lakehouse: Lakehouse, land: Land, reader: Callable[[Lakehouse], dict[str, list[float]]]
) -> None:
    assert_same(reader(small_lakehouse), ours(small_lakehouse))
    # … and again after an append and rebuilds
    land("step_trainer", [small.reading("S1", 1000, 215)], name="two.json")
    small_lakehouse.run()
    assert ours(small_lakehouse)["machine_learning_curated"][0] == 14
    assert_same(reader(small_lakehouse), ours(small_lakehouse))


@pytest.mark.parametrize("reader", [by_clickhouse, by_polars])
def test_other_readers_see_the_same_starter_tables(
    starter_run: Callable[[str], Lakehouse],
    reader: Callable[[Lakehouse], dict[str, list[float]]],
) -> None:
    assert_same(reader(starter_run("seed")), ours(starter_run("seed")))


def test_the_published_table_has_four_doubles_and_nothing_else(
    starter_run: Callable[[str], Lakehouse],
) -> None:
    frame = scan(starter_run("seed"), "machine_learning_curated").collect()
    assert frame.schema == dict.fromkeys(["distancefromobject", "x", "y", "z"], pl.Float64)
    assert frame.rows() == sorted(frame.rows())


@already_run
def test_manifests_keep_no_bounds_of_direct_columns(small_lakehouse: Lakehouse) -> None:
    for folder in small_lakehouse.root.rglob("metadata"):
        for path in folder.iterdir():
            assert b"@example.com" not in path.read_bytes(), path

"""Fixtures: what a lakehouse has, read past it; and erasures of who was counted by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from stedi import Lakehouse
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse
from tests.support import small

Rows = dict[str, Counter[tuple[object, ...]]]


def rows_on_disk(root: Path) -> Rows:
    """Every row of the typed and derived tables, straight from the Parquet files."""
    warehouse, found = Warehouse(open_root(root)), {}
    with duckdb.connect() as db:
        for table in small.SEED:
            version = warehouse.version(table)
            paths = [str(file.path) for file in version.files] if version else []
            rows = db.execute("SELECT * FROM read_parquet(?)", [paths]).fetchall() if paths else []
            found[table] = Counter(rows)
    return found


def without(rows: Rows, *words: object) -> Rows:
    """The rows of tables that name somebody, but for those with one of these words."""
    return {
        table: Counter({row: n for row, n in counted.items() if not {*row} & {*words}})
        for table, counted in rows.items()
        if table != "machine_learning_curated"
    }


def named(rows: Rows) -> Rows:
    """The rows of all tables but the published one, which names nobody."""
    return {table: counted for table, counted in rows.items() if "machine" not in table}


Erase = Callable[..., None]


@pytest.fixture
def ran(small_lakehouse: Lakehouse) -> Lakehouse:
    """The small landing zone, run once."""
    small_lakehouse.run()
    return small_lakehouse


def assert_whole(lakehouse: Lakehouse) -> None:
    """It reconciles, files are as noted, and a run has nothing to do."""
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert {table.freshness for table in status.tables.values()} == {"fresh"}
    assert lakehouse.run().built == ()
    assert not (lakehouse.root / "_stedi" / "scratch").exists()
    assert not (lakehouse.root / "_stedi" / "erasure.json").exists()

"""`export --duckdb`: views that plain DuckDB reads, of the rows that the tables have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from stedi import Lakehouse, UsageError
from tests.conftest import already_run
from tests.support.processes import stedi


@already_run
def test_plain_duckdb_reads_every_table_from_any_folder(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    file = tmp_path / "lakehouse.duckdb"
    told = stedi("export", "--duckdb", file, "--root", small_lakehouse.root)
    assert "customer_trusted" in told and str(file) in told
    script = (
        "import duckdb, sys\n"
        "with duckdb.connect(sys.argv[1], read_only=True) as c:\n"
        "    for name, in c.execute('SELECT view_name FROM duckdb_views() WHERE NOT internal').fetchall():\n"
        "        print(name, *c.execute(f'SELECT COUNT(*) FROM \"{name}\"').fetchone())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, file], capture_output=True, text=True, cwd="/", check=True
    )
    counted = {
        name: int(rows) for name, rows in (line.split() for line in done.stdout.splitlines())
    }
    tables = small_lakehouse.status().tables
    assert {name: counted[name] for name in tables} == {n: t.rows for n, t in tables.items()}
    assert counted["loads"] == 3
    with duckdb.connect(file, read_only=True) as connection:
        rows = connection.execute("SELECT email FROM customer_trusted ORDER BY email").fetchall()
    expected = small_lakehouse.query("SELECT email FROM customer_trusted ORDER BY email")
    assert rows == [(row["email"],) for row in expected]
    assert file.stat().st_mode & 0o077 == 0


@already_run
def test_an_earlier_export_is_replaced_and_nothing_else(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    file = tmp_path / "lakehouse.duckdb"
    small_lakehouse.export_duckdb(file)
    assert small_lakehouse.export_duckdb(file).tables["customer_trusted"] > 0
    other = tmp_path / "mine.duckdb"
    with duckdb.connect(other) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    for path, said in (
        (other, "is no export"),
        (tmp_path / "notes.txt", "name it FILE.duckdb"),
        (tmp_path / "none" / "x.duckdb", "no folder"),
        (small_lakehouse.root / "x.duckdb", "lies in the lakehouse"),
    ):
        with pytest.raises(UsageError, match=said):
            small_lakehouse.export_duckdb(path)
    with duckdb.connect(other, read_only=True) as connection:
        assert connection.execute("SELECT one FROM mine").fetchall() == [(1,)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_without_tables_there_is_nothing_to_export(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no table is built yet"):
        small_lakehouse.export_duckdb(tmp_path / "x.duckdb")
    assert "--duckdb FILE is missing" in stedi("export", check=2)

"""What the embedded engine does when it can't go on."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot

from stedi import EngineFailed
from stedi.columns import Column
from stedi.engines.duckdb import DuckDBEngine
from stedi.parquet import Field, write_query


def test_a_declared_table_replaces_one_that_was_worked_out(tmp_path: Path) -> None:
    engine = DuckDBEngine(tmp_path / "scratch")
    number = [Field("n", "long", 1)]
    [path] = write_query(engine._connection, "SELECT 1 AS n", number, tmp_path / "t")
    engine.materialise("t", select("SELECT 2 AS n, 'Ann' AS person"))
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 2, "person": "Ann"}]
    engine.declare("t", [Column("n", "long", "none")], [str(path)])
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 1}]
    assert engine.gather("t", select("SELECT n + 2 AS n FROM t")).to_pylist() == [{"n": 3}]
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 3}]
    engine.materialise("t", select("SELECT 4 AS n"))
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 4}]


def select(sql: str) -> sqlglot.exp.Query:
    tree = sqlglot.parse_one(sql, dialect="athena")
    assert isinstance(tree, sqlglot.exp.Query)
    return tree


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT CAST(name AS BIGINT) AS n FROM people", "ConversionException"),
        ("SELECT * FROM gone", "could not read or write"),
    ],
)
def test_a_failure_is_ours_and_holds_no_values(tmp_path: Path, sql: str, said: str) -> None:
    engine = DuckDBEngine(tmp_path / "scratch")
    name = [Field("name", "string", 1)]
    [path] = write_query(engine._connection, "SELECT 'Ann' AS name", name, tmp_path / "people")
    engine.declare("people", [Column("name", "string", "direct")], [str(path)])
    [gone] = write_query(engine._connection, "SELECT 'Ann' AS name", name, tmp_path / "gone")
    engine.declare("gone", [Column("name", "string", "direct")], [str(gone)])
    gone.unlink()
    with pytest.raises(EngineFailed, match=said) as caught:
        engine.fetch(select(sql))
    assert "Ann" not in str(caught.value)

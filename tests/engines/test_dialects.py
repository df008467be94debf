"""Athena's SQL means the same on every engine: values worked out by hand from Trino's manual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stedi import EngineFailed
from stedi.columns import Column
from stedi.engines import Engine
from stedi.parquet import Field, arrow_schema, write_batches
from tests.conftest import both_engines
from tests.support.athena import (
    COLUMNS,
    DOUBLE,
    LETTERS,
    QUERIES,
    ROWS,
    SPACES,
    VALUES,
    WORTHLESS,
    lower,
    select,
    upper,
)

pytestmark = both_engines


def value(engine: Engine, expression: str) -> Any:
    [row] = engine.fetch(select(f"SELECT {expression} AS v")).to_pylist()
    return row["v"]


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_an_expression_has_the_value_that_athena_gives(
    working: Engine, expression: str, expected: Any
) -> None:
    found = value(working, expression)
    assert found == expected
    assert isinstance(found, float) == isinstance(expected, float)


def test_no_zero_that_was_rounded_is_negative(working: Engine) -> None:
    """Here Trino differs by function, and both engines are the same."""
    low = [f"ROUND({DOUBLE(-0.4)})", f"CEIL({DOUBLE(-0.5)})", f"FLOOR({DOUBLE(-0.0)})"]
    for expression in [*low, f"ROUND({DOUBLE(-0.04)}, 1)", f"ROUND({DOUBLE(-2.5)}, -1)"]:
        assert str(value(working, expression)) == "0.0", expression


def test_every_letter_is_turned_by_itself(over_letters: Engine) -> None:
    """As Trino does it: the case of one letter, never of a text or a language."""
    found = over_letters.fetch(select("SELECT s, UPPER(s) AS u, LOWER(s) AS l FROM t")).to_pylist()
    assert len(found) == len(LETTERS)
    assert [row for row in found if row["u"] != upper(row["s"])] == []
    assert [row for row in found if row["l"] != lower(row["s"])] == []


def test_white_space_is_what_java_takes_for_it(over_letters: Engine) -> None:
    blank = over_letters.fetch(select("SELECT s FROM t WHERE TRIM(s) = '' ORDER BY s")).to_pylist()
    assert [row["s"] for row in blank] == sorted(SPACES)


@pytest.mark.parametrize("expression", WORTHLESS)
def test_what_has_no_value_fails_instead_of_becoming_another(
    working: Engine, expression: str
) -> None:
    with pytest.raises(EngineFailed):
        value(working, expression)


@pytest.fixture
def over_letters(working: Engine, tmp_path: Path) -> Engine:
    columns = [Column("s", "string", "none")]
    fields = [Field("s", "string", 1)]
    path = tmp_path / "t.parquet"
    batch = pa.RecordBatch.from_arrays([pa.array(LETTERS)], schema=arrow_schema(fields))
    write_batches([batch], fields, path)
    working.declare("t", columns, [str(path)])
    return working


@pytest.fixture
def over_rows(working: Engine, tmp_path: Path) -> Engine:
    fields = [Field(c.name, c.type, n) for n, c in enumerate(COLUMNS, 1)]
    path = tmp_path / "t.parquet"
    columns = [pa.array(list(values)) for values in zip(*ROWS, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, schema=arrow_schema(fields))
    write_batches([batch], fields, path)
    working.declare("t", COLUMNS, [str(path)])
    return working


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_a_query_returns_the_rows_that_athena_returns(
    over_rows: Engine, sql: str, expected: list[Any]
) -> None:
    found = [next(iter(row.values())) for row in over_rows.fetch(select(sql)).to_pylist()]
    assert found == expected

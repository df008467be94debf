"""Declared SQL that engines disagree on is refused, and names what to write instead."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from stedi import DeclarationError
from stedi.contracts import Column
from stedi.declared import packaged, read_declarations
from stedi.engines.duckdb import DuckDBEngine
from stedi.fit import check
from stedi.portable import disagreements
from stedi.transforms import typed

COLUMNS = (
    Column("n", "long", "none"),
    Column("x", "double", "none"),
    Column("s", "string", "none"),
)


def found(select: str, rest: str = "FROM t") -> list[str]:
    tree = sqlglot.parse_one(f"SELECT {select} AS v {rest}", dialect="athena")
    assert isinstance(tree, exp.Query)
    return list(disagreements(typed(tree, {"t": COLUMNS}, "a query")))


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ("RANDOM()", "something else each time"),
        ("NOW()", "something else each time"),
        ("CURRENT_DATE", "something else each time"),
        ("LN(x)", "aren't positive"),
        ("LOG10(x)", "aren't positive"),
        ("DAY_OF_WEEK(FROM_UNIXTIME(n))", "first day"),
        ("SHA256(TO_UTF8(s))", "bytes"),
        ("REGEXP_REPLACE(s, '(a)', '$1')", "groups"),
        ("MAX_BY(s, n)", "blanks"),
        ("ARRAY_AGG(s ORDER BY n)", "order"),
        ("APPROX_DISTINCT(s)", "estimate"),
        ("1.0 / 3", "1e0"),
        ("AVG(CAST(x AS DECIMAL(10, 2)))", "DOUBLE"),
        ("x % 2e0", "of doubles"),
        ("FLOOR(n)", "whole number"),
        ("SIGN(n)", "another type"),
        ("TRY(1 / n)", "TRY_CAST"),
        ("DATE_DIFF('month', FROM_UNIXTIME(n), FROM_UNIXTIME(n))", "when a month is over"),
    ],
)
def test_what_engines_disagree_on_is_refused(select: str, says: str) -> None:
    [problem] = found(select)
    assert says in problem


@pytest.mark.parametrize(
    "select",
    [
        "1e0 / 3",
        "n / 3",
        "n % 3",
        "FLOOR(x)",
        "AVG(x)",
        "MAX(s)",
        "TRY_CAST(s AS BIGINT)",
        "ROW_NUMBER() OVER (PARTITION BY s ORDER BY n)",
        "DATE_DIFF('day', FROM_UNIXTIME(n), FROM_UNIXTIME(n))",
        "COALESCE(s, 'x')",
    ],
)
def test_what_they_agree_on_is_not(select: str) -> None:
    assert found(select) == []


def test_unnest_is_refused_where_it_numbers_or_fills() -> None:
    numbered = found("u.e", "FROM t CROSS JOIN UNNEST(ARRAY[1]) WITH ORDINALITY AS u(e, i)")
    assert any("WITH ORDINALITY" in one for one in numbered)
    filled = found("u.e", "FROM t LEFT JOIN UNNEST(ARRAY[1]) AS u(e) ON TRUE")
    assert any("LEFT JOIN UNNEST" in one for one in filled)


def test_check_names_the_transform(tmp_path: object) -> None:
    import shutil
    from pathlib import Path

    folder = Path(str(tmp_path)) / "declarations"
    shutil.copytree(str(packaged()), folder)
    transform = folder / "transforms" / "customer_curated.sql"
    text = transform.read_text()
    transform.write_text(text.replace("WHERE", "WHERE LN(2e0) > 0 AND", 1))
    engine = DuckDBEngine(Path(str(tmp_path)) / "scratch")
    with pytest.raises(DeclarationError, match=r"customer_curated.sql: LN: .*aren't positive"):
        check(read_declarations(folder), engine)
    engine.close()

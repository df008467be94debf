"""Declared SQL that engines disagree on is refused, and names what to write instead."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from stedi import DeclarationError
from stedi.check import check
from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.engines.duckdb import DuckDBEngine
from stedi.sql.portable import HELD, disagreements
from stedi.sql.tree import typed
from tests.support.athena import QUERIES, VALUES, select

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
        ("DATE_DIFF('month', FROM_UNIXTIME(n), FROM_UNIXTIME(n))", "when a unit is over"),
        ("DATE_DIFF('day', FROM_UNIXTIME(n), FROM_UNIXTIME(n))", "days between two dates"),
        ("FROM_UNIXTIME(x)", "isn't whole"),
        ("FROM_UNIXTIME(n) + INTERVAL '1' DAY", "another type"),
        ("EXTRACT(DOW FROM FROM_UNIXTIME(n))", "MINUTE"),
        ("REVERSE(s)", "a letter"),
        ("EXP(x)", "last digit"),
        ("REPLACE(s, '', 'x')", "write it out"),
        ("SPLIT_PART(s, s, 1)", "write it out"),
        ("SPLIT_PART(s, ',', 0)", "from 1 on"),
        ("SPLIT(s, ',')[1]", "ELEMENT_AT"),
        ("CHR(n)", "written out"),
        ("REGEXP_LIKE(s, s)", "written out"),
        ("REGEXP_LIKE(s, 'a.c')", "written out"),
        ("REGEXP_LIKE(s, 'a$')", "written out"),
        ("REGEXP_LIKE(s, '(?i)a')", "written out"),
        ("REGEXP_LIKE(s, '\\w')", "written out"),
        ("REGEXP_LIKE(s, 'a++')", "written out"),
        ("REGEXP_LIKE(s, '[[:alpha:]]')", "written out"),
        ("REGEXP_LIKE(s, '^(a+)+\\z')", "for ever"),
        ("REGEXP_LIKE(s, '(a|aa)*b')", "for ever"),
        ("REGEXP_LIKE(s, '((a*b)c)+')", "for ever"),
        ("REGEXP_LIKE(s, '(([ab]+))*')", "for ever"),
        ("REGEXP_LIKE(s, 'x((y|yz)x)+z')", "for ever"),
        ("REGEXP_LIKE(s, '(a*(b)c)*')", "for ever"),
        ("REGEXP_LIKE(s, '([ab]|a)*')", "for ever"),
        ("CAST(s AS VARCHAR(2))", "SUBSTR"),
        ("CAST(x AS VARCHAR)", "differently"),
        ("CAST(FROM_UNIXTIME(n) AS VARCHAR)", "differently"),
        ("CAST(x AS DECIMAL(10, 2))", "DOUBLE"),
        ("CAST(s AS DATE)", "read text differently"),
        ("CAST(s AS BOOLEAN)", "read text differently"),
        ("STDDEV(x)", "none of the functions"),
        ("MADE_UP(x)", "MADE_UP: none of the functions"),
    ],
)
def test_what_engines_disagree_on_is_refused(select: str, says: str) -> None:
    assert any(says in problem for problem in found(select))


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
        "DATE_DIFF('day', CAST(FROM_UNIXTIME(n) AS DATE), DATE '2022-06-15')",
        "REGEXP_LIKE(s, '^[a-z0-9._-]+@example\\.(com|org)\\z')",
        "REGEXP_LIKE(s, '^(ab\\+)+(a+|b)(x|y|\\.)*\\z')",
        "SPLIT_PART(s, '@', 2)",
        "ELEMENT_AT(SPLIT(s, CHR(10)), 1)",
        "COALESCE(s, 'x')",
    ],
)
def test_what_they_agree_on_is_not(select: str) -> None:
    assert found(select) == []


def test_what_is_allowed_is_what_engines_are_held_to() -> None:
    """Every function that a declared query may use has values of its own in test_dialects."""
    queries = [select(f"SELECT {expression} AS v") for expression, _ in VALUES]
    queries += [select(sql) for sql, _ in QUERIES]
    assert [found for query in queries for found in disagreements(query)] == []
    held = {type(node) for query in queries for node in query.walk()}
    assert [kind for kind in HELD if kind not in held] == []


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

"""Functions and operators of other dialects are told from Athena's: what runs here runs there."""

from __future__ import annotations

import pytest
import sqlglot

from stedi.sql.spelling import misspelt
from stedi.sql.tree import DIALECT
from tests.support.edges import EDGES, FAILS


def found(sql: str) -> str | None:
    return misspelt(sql, sqlglot.parse_one(sql, dialect=DIALECT))


def test_what_trino_runs_of_what_queries_call_is_spelled_right() -> None:
    known = [edge for edge in EDGES if edge.value != FAILS and edge.function != "with_literals"]
    assert len(known) > 1_000
    assert {e.expression for e in known if found(f"SELECT {e.expression}")} == set()


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("ifnull(1, 2)", "ifnull"),
        ("nvl(NULL, 2)", "nvl"),
        ("1 + len('a')", "len"),
        ("\"len\"('a')", "len"),
        ("LCASE ('A')", "LCASE"),
        ("instr('abc', 'b')", "instr"),
        ("startswith('abc', 'a')", "startswith"),
        ("initcap('abc')", "initcap"),
        ("string_agg('a', ',')", "string_agg"),
        ("group_concat('a')", "group_concat"),
        ("array_contains(ARRAY[1], 1)", "array_contains"),
        ("to_char(TIMESTAMP '2020-02-29 13:04:05', 'yyyy-mm-dd')", "to_char"),
        ("sha2('a', 256)", "sha2"),
        ("trunc(1.5)", "trunc"),
        ("'abc' RLIKE 'b'", "RLIKE"),
        ("'abc' ILIKE 'B'", "ILIKE"),
        ("'a' SIMILAR TO 'a'", "SIMILAR TO"),
        ("1 :: varchar", "::"),
        ("5 DIV 2", "DIV"),
        ("a DIV (2)", "DIV"),
        ("a RLIKE b", "RLIKE"),
        ("5 ^ 2", "^"),
        ("5 & 1", "&"),
        ("1 <=> 1", "<=>"),
        ("!true", "!"),
        ("1 == 1", "=="),
    ],
)
def test_words_of_other_dialects_are_told(expression: str, word: str) -> None:
    assert found(f"SELECT {expression}") == word


@pytest.mark.parametrize(
    "sql",
    [
        "WITH len (x) AS (SELECT 1), b(y) AS (SELECT (2)) SELECT x FROM len, b WHERE x IN (1)",
        "SELECT * FROM (VALUES (1, 2)) t (a, b) JOIN (SELECT 1) AS u(c) ON (a = c)",
        "SELECT div FROM (SELECT 1 AS div) AS nvl(div)",
        "SELECT v FROM UNNEST(ARRAY[1]) WITH ORDINALITY t(v, n) WHERE NOT EXISTS (SELECT 1)",
        "SELECT CAST('1' AS DECIMAL(3, 1)), CAST('a' AS VARCHAR(3)), 'len(1) :: text'",
        "SELECT COUNT(*) FILTER (WHERE (1 = 1)) OVER (PARTITION BY (a) ORDER BY (b)) FROM t",
        "SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ()) HAVING (count(*)) > 1",
        "SELECT listagg(a, ',') WITHIN GROUP (ORDER BY a) FROM t",
    ],
)
def test_names_and_keywords_before_a_parenthesis_are_no_functions(sql: str) -> None:
    assert found(sql) is None

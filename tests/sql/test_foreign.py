"""Syntax of other dialects that would run here is refused, as Athena refuses it."""

from __future__ import annotations

import pytest
import sqlglot

from stedi.errors import QueryError
from stedi.sql.foreign import refuse_foreign, refuse_own_names
from stedi.sql.tree import DIALECT
from tests.support.edges import EDGES, FAILS


def refuse(sql: str) -> None:
    refuse_foreign(sql, sqlglot.parse_one(sql, dialect=DIALECT))


def test_what_trino_runs_is_not_refused() -> None:
    known = [edge for edge in EDGES if edge.value != FAILS and edge.function != "with_literals"]
    assert len(known) > 1_000
    for edge in known:
        refuse(f"SELECT {edge.expression}")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT x FROM t ORDER BY x FETCH FIRST 2 ROWS WITH TIES", "WITH TIES"),
        ("SELECT x FROM t FETCH FIRST 20 PERCENT ROWS ONLY", "no percentage"),
        ("SELECT x FROM t LIMIT 10%", "no percentage"),
        ("SELECT x FROM t LIMIT 10 PERCENT", "no percentage"),
        ("SELECT x FROM t LIMIT 1 + 1", "a whole number of rows"),
        ("SELECT x FROM t LIMIT 1.5", "a whole number of rows"),
        ("SELECT x FROM t LIMIT 1, 2", "OFFSET"),
        ("SELECT 1_000", "1_000: "),
        ("SELECT x > 1, 0b11 FROM t", "0b11: "),
        ("SELECT 1 + 0x1F", "0x1F: "),
        ("SELECT 0o17", "0o17: "),
        ("SELECT 1a", "1a: "),
        ("SELECT COUNT(DISTINCT x, y) FROM t", "ROW(a, b)"),
        ("SELECT DISTINCT ON (x) x, y FROM t", "DISTINCT ON"),
        ("SELECT x, COUNT(*) FROM t GROUP BY ALL", "GROUP BY ALL"),
        ("SELECT x, COUNT(*) FROM t GROUP BY x WITH ROLLUP", "WITH ROLLUP"),
        ("SELECT x, COUNT(*) FROM t GROUP BY x WITH CUBE", "WITH CUBE"),
        ("SELECT x FROM t ORDER BY ALL", "ORDER BY ALL"),
        ("SELECT 1 BETWEEN SYMMETRIC 2 AND 0", "BETWEEN SYMMETRIC"),
        ("SELECT 1 BETWEEN ASYMMETRIC 0 AND 2", "BETWEEN SYMMETRIC"),
        ("TABLE t", "SELECT * FROM before the name"),
        ("FROM t", "FROM without SELECT"),
        ("SELECT * FROM (FROM t) u", "FROM without SELECT"),
        ("WITH u AS (SELECT 1 AS x) FROM u", "FROM without SELECT"),
        ("SELECT COUNT(*) FROM t UNION ALL FROM u", "FROM without SELECT"),
        ("SELECT x FROM t USING SAMPLE 10", "TABLESAMPLE"),
        ("SELECT x FROM t TABLESAMPLE BERNOULLI (10)", "TABLESAMPLE"),
        ("SELECT x FROM t TABLESAMPLE (10)", "TABLESAMPLE"),
        ("SELECT x FROM t SEMI JOIN u ON t.a = u.a", "the joins"),
        ("SELECT x FROM t ANTI JOIN u ON t.a = u.a", "the joins"),
        ("SELECT x FROM t LEFT SEMI JOIN u ON t.a = u.a", "the joins"),
        ("SELECT x FROM t ASOF JOIN u ON t.a >= u.a", "the joins"),
        ("SELECT * REPLACE (1 AS x) FROM t", "name the columns"),
        ("SELECT * EXCLUDE (x) FROM t", "name the columns"),
        ("SELECT t.* EXCEPT (x) FROM t", "name the columns"),
        ("SELECT {'a': 1}", "{…}"),
        ("SELECT [1, 2]", "write ARRAY[…]"),
        ("SELECT 1 WHERE 1 IN [1, 2]", "write ARRAY[…]"),
        ("SELECT CONTAINS([x], 1) FROM t", "write ARRAY[…]"),
        ("SELECT 'a' 'b'", "|| joins them"),
        ("SELECT SUM(x) OVER (ORDER BY x ROWS UNBOUNDED PRECEDING EXCLUDE TIES) FROM t", "EXCLUDE"),
        ("SELECT 1 AS a UNION BY NAME SELECT 2 AS a", "BY NAME"),
        ("SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS a", "BY NAME"),
        ("SELECT INTERVAL 1 DAY", "in quotes"),
        ("SELECT * FROM t PIVOT (SUM(x) FOR y IN (1, 2))", "PIVOT"),
        ("SELECT x FROM t FOR UPDATE", "FOR UPDATE"),
        ("SELECT x AS 'y' FROM t", "double quotes"),
        ("SELECT x IN y FROM t", "in parentheses"),
        ("SELECT x FROM t WHERE x LIKE ANY ('a', 'b')", "ANY and ALL"),
        ("SELECT x ISNULL FROM t", "IS NULL"),
        ("SELECT x IS TRUE FROM t", "IS NOT DISTINCT FROM TRUE"),
        ("SELECT (x > 1) IS NOT FALSE FROM t", "IS FALSE"),
        ("SELECT 1 WHERE x IS UNKNOWN", "IS UNKNOWN"),
        ("SELECT CAST(x AS STRING) FROM t", "no type STRING in Athena's SQL; write VARCHAR"),
        ("SELECT TRY_CAST(x AS text)", "no type TEXT in Athena's SQL; write VARCHAR"),
        ("SELECT CAST(f(x, CAST(y AS FLOAT)) AS DOUBLE)", "write DOUBLE or REAL"),
        ("SELECT CAST(x AS NUMERIC(5, 2))", "write DECIMAL"),
        ("SELECT CAST(x AS ARRAY(INT64))", "write BIGINT"),
        ("SELECT CAST(x AS ROW(text VARCHAR, b BOOL))", "write BOOLEAN"),
        ("SELECT CAST(x AS MAP(VARCHAR, DATETIME))", "write TIMESTAMP"),
        ("SELECT CAST(x AS HUGEINT)", "no type HUGEINT in Athena's SQL"),
    ],
)
def test_syntax_of_other_dialects_is_refused_with_what_to_write(sql: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        refuse(sql)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT x FROM t ORDER BY x FETCH FIRST 2 ROWS ONLY",
        "SELECT x FROM t OFFSET 1 LIMIT ALL",
        "SELECT x['a'], ARRAY[1][1], f(x)[1], \"x\"[1], timestamp[1] FROM t",
        "SELECT 1e5, 1.5e-3, 1.5, .5, X'00ff', COUNT(*), 2*3, t.*, '{1_0}' FROM t",
        "SELECT x IN (1), x IN (SELECT 1), x = ANY (SELECT 1), COUNT(DISTINCT (x, y)) FROM t",
        "SELECT x FROM t GROUP BY CUBE (x), ROLLUP (a), GROUPING SETS ((x), ())",
        "SELECT 'a' AS x, 'b' || 'c', DATE '2020-01-01', INTERVAL '1' DAY, TRIM(BOTH 'a' FROM x) FROM t",
        "WITH v (x) AS (VALUES 1, 2) SELECT * FROM v NATURAL JOIN (VALUES 1) AS w (x)",
        'SELECT 1 AS "all" FROM t CROSS JOIN u LEFT OUTER JOIN v ON TRUE FULL JOIN w USING (x)',
        "SELECT SUM(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT 1 UNION ALL (SELECT 2 EXCEPT SELECT 3) INTERSECT SELECT 4",
        'SELECT CAST(x AS ROW(text VARCHAR, "string" DOUBLE PRECISION, t TIMESTAMP(3) WITH TIME ZONE))',
        "SELECT CAST((SELECT text AS string FROM t AS float) AS DECIMAL(5, 2)) AS text",
        "SELECT TRY_CAST(x AS MAP(VARCHAR(3), ARRAY(BIGINT))), x IS NOT DISTINCT FROM TRUE, 'IS TRUE'",
    ],
)
def test_syntax_of_athena_passes(sql: str) -> None:
    refuse(sql)


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        ("SELECT x + 1 AS a FROM t WHERE a > 0", "WHERE"),
        ("SELECT x + 1 AS a FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.x = a)", "WHERE"),
        ("SELECT x + 1 AS a, COUNT(*) FROM t GROUP BY a", "GROUP BY"),
        ("SELECT x, COUNT(*) AS a FROM t GROUP BY x HAVING a > 1", "HAVING"),
        ("SELECT x + 1 AS a, a + 1 AS b FROM t", "another column"),
        ("SELECT x AS a, (SELECT A) AS b FROM t", "another column"),
        ("SELECT v.x + 1 AS a FROM t AS v JOIN t AS w ON w.x = a", "ON"),
        ("SELECT 1 FROM (SELECT x + 1 AS a FROM t WHERE a > 0) u", "WHERE"),
    ],
)
def test_a_name_of_the_same_select_is_refused_outside_of_order_by(sql: str, where: str) -> None:
    with pytest.raises(QueryError, match=rf"(?i)^a is a name .* in {where};"):
        refuse_own_names(with_t(sql), {})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT x + 1 AS a FROM t ORDER BY a, a + 1",
        "SELECT x + 1 AS x, x + 2 AS b FROM t WHERE x > 1 GROUP BY x HAVING MAX(x) > 0 ORDER BY x",
        "SELECT x + 1 AS x FROM t GROUP BY x HAVING x > 1 AND 1 IN (SELECT MAX(x) FROM t)",
        "SELECT a + 1 AS b FROM (SELECT x + 1 AS a FROM t) u WHERE a > 1 GROUP BY a",
        "SELECT COUNT(*) AS a FROM t GROUP BY x, 1 + x ORDER BY COUNT(*)",
        "SELECT x + 1 AS a FROM t AS v WHERE EXISTS (SELECT a FROM (SELECT x AS a FROM t) w)",
        "SELECT TRANSFORM(ARRAY[x], a -> a + 1) AS a FROM t",
    ],
)
def test_names_that_athena_knows_pass(sql: str) -> None:
    refuse_own_names(with_t(sql), {})


def with_t(sql: str) -> sqlglot.exp.Query:
    tree = sqlglot.parse_one(f"WITH t (x) AS (VALUES 1, 2) {sql}", dialect=DIALECT)
    assert isinstance(tree, sqlglot.exp.Query)
    return tree

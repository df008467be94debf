"""What Athena's SQL means: values worked out by hand from Trino's manual."""

from __future__ import annotations

import sys
from typing import Any
from unicodedata import ucd_3_2_0

import sqlglot
from sqlglot import exp

from stedi.columns import Column
from stedi.sql.tree import typed

COLUMNS = [
    Column("n", "long", "none"),
    Column("m", "long", "none"),
    Column("x", "double", "none"),
    Column("s", "string", "none"),
]
BIG = 9_223_372_036_854_775_807


def select(sql: str) -> exp.Query:
    tree = sqlglot.parse_one(sql, dialect="athena")
    assert isinstance(tree, exp.Query)
    return typed(tree, {"t": tuple(COLUMNS)}, "a query")


LONG, DOUBLE = "CAST({} AS BIGINT)".format, "CAST({} AS DOUBLE)".format


VALUES: list[tuple[str, Any]] = [
    # Whole numbers: division cuts, remainders keep the sign, all exact.
    (f"{LONG(7)} / {LONG(2)}", 3),
    (f"{LONG(-7)} / {LONG(2)}", -3),
    (f"{LONG(BIG)} / {LONG(1)}", BIG),
    (f"{LONG(9007199254740993)} / {LONG(1)}", 9007199254740993),
    (f"{LONG(-7)} % {LONG(3)}", -1),
    (f"{LONG(-7)} * {LONG(3)}", -21),
    (f"ABS({LONG(-7)})", 7),
    # Decimal numbers follow IEEE 754.
    (f"{DOUBLE(1)} / {DOUBLE(0)}", float("inf")),
    (f"{DOUBLE(-1)} / {DOUBLE(0)}", float("-inf")),
    (f"{DOUBLE(1)} / {DOUBLE(3)}", 1 / 3),
    (f"{DOUBLE(7)} / {LONG(2)}", 3.5),
    (f"{LONG(7)} / {DOUBLE(2)}", 3.5),
    # Rounding is away from zero, of the number and not of its decimal spelling.
    (f"ROUND({DOUBLE(2.5)})", 3.0),
    (f"ROUND({DOUBLE(-2.5)})", -3.0),
    (f"ROUND({DOUBLE(0.49999999999999994)})", 0.0),
    (f"ROUND({DOUBLE(1.005)}, 2)", 1.0),  # 1.005 is a little less than it looks
    (f"ROUND({DOUBLE(2.675)}, 2)", 2.68),  # 267.5 is a half, once multiplied
    (f"ROUND({DOUBLE(-1.25)}, 1)", -1.3),
    (f"ROUND({DOUBLE(1234.5)}, -2)", 1200.0),
    (f"FLOOR({DOUBLE(-1.5)})", -2.0),
    (f"FLOOR({DOUBLE('1e300')})", 1e300),
    (f"CEIL({DOUBLE(1.5)})", 2.0),
    (f"CEIL({DOUBLE(-1.5)})", -1.0),
    # Casts: to the nearest whole number; text only where it is one.
    (f"CAST({DOUBLE(2.5)} AS BIGINT)", 3),
    (f"CAST({DOUBLE(-2.5)} AS BIGINT)", -3),
    (f"CAST({DOUBLE(3.5)} AS BIGINT)", 4),
    (f"CAST({DOUBLE(1.9)} AS BIGINT)", 2),
    ("CAST('12' AS BIGINT)", 12),
    ("CAST('-12' AS BIGINT)", -12),
    ("TRY_CAST('1.5' AS BIGINT)", None),
    ("TRY_CAST('1e3' AS BIGINT)", None),
    ("TRY_CAST(' \t12\n' AS BIGINT)", 12),  # Java trims all that isn't printed
    ("TRY_CAST('1 2' AS BIGINT)", None),
    ("TRY_CAST('1_2' AS BIGINT)", None),
    (f"TRY_CAST({DOUBLE(BIG)} AS BIGINT)", None),  # which is 2^63
    ("TRY_CAST('' AS BIGINT)", None),
    ("TRY_CAST('99999999999999999999' AS BIGINT)", None),
    ("TRY_CAST('1.5' AS DOUBLE)", 1.5),
    ("TRY_CAST('\t.5e1d ' AS DOUBLE)", 5.0),  # as Java reads it
    ("TRY_CAST('5.' AS DOUBLE)", 5.0),
    ("TRY_CAST('1_0' AS DOUBLE)", None),
    ("TRY_CAST('inf' AS DOUBLE)", None),
    ("TRY_CAST('-Infinity' AS DOUBLE)", float("-inf")),
    ("TRY_CAST('1e400' AS DOUBLE)", float("inf")),
    ("TRY_CAST('' AS DOUBLE)", None),
    ("CAST(DATE '2022-06-15' AS VARCHAR)", "2022-06-15"),
    ("CAST(TRUE AS BIGINT)", 1),
    (f"CAST({LONG(-12)} AS VARCHAR)", "-12"),
    # Nulls.
    (f"GREATEST({LONG(1)}, CAST(NULL AS BIGINT))", None),
    (f"LEAST(CAST(NULL AS BIGINT), {LONG(1)})", None),
    (f"GREATEST({LONG(1)}, {LONG(3)}, {LONG(2)})", 3),
    (f"COALESCE(CAST(NULL AS BIGINT), {LONG(2)})", 2),
    (f"NULLIF({LONG(2)}, {LONG(2)})", None),
    ("'a' || CAST(NULL AS VARCHAR)", None),
    ("CAST(NULL AS VARCHAR) IS DISTINCT FROM 'a'", True),
    ("1 IN (2, NULL)", None),
    # Text: compared by code points, counted in them.
    ("'B' < 'a'", True),
    ("'Z' < 'É'", True),
    ("'\uffff' < '\U0001f600'", True),  # UTF-16 would have it the other way round
    ("'a' = 'a '", False),
    ("LENGTH('é👍')", 2),
    ("SUBSTR('né👍x', 2, 2)", "é👍"),
    ("SUBSTR('abc', -2)", "bc"),
    ("SUBSTR('abc', -4)", ""),
    ("SUBSTR('abc', 0)", ""),
    ("SUBSTR('abc', 0, 2)", ""),
    ("SUBSTR('abc', 3000000000)", ""),
    ("SUBSTR('abc', 2, LENGTH('') - 1)", ""),
    ("SUBSTR('abc', -4, CAST(NULL AS BIGINT))", None),
    ("SUBSTR(CAST(NULL AS VARCHAR), 0)", None),
    (f"SUBSTR('abc', {LONG(2)}, {LONG(3000000000)})", "bc"),
    ("CONCAT('a', CAST(NULL AS VARCHAR))", None),
    ("STARTS_WITH('é', '')", True),
    ("CHR(128077)", "👍"),
    ("STRPOS('a👍b', 'b')", 3),
    ("STRPOS('abc', 'z')", 0),
    ("REPLACE('a.b.c', '.', '')", "abc"),
    ("LOWER('ABCÉ')", "abcé"),
    ("UPPER('abcé')", "ABCÉ"),
    # Letter by letter, whatever stands around it, and one for one.
    ("UPPER('straße')", "STRAßE"),
    ("UPPER('ŉǰᾳﬁ𐐨')", "ŉǰᾼﬁ𐐀"),
    ("UPPER('ıſǆ')", "ISǄ"),
    ("LOWER('ΛΣ')", "λσ"),
    ("LOWER('İẞK')", "ißk"),
    ("UPPER('')", ""),
    ("UPPER(CAST(NULL AS VARCHAR))", None),
    ("TRIM(' \t\u3000a b\u2003\x1f\n')", "a b"),
    ("LTRIM('\ta ')", "a "),
    ("RTRIM(' a\r\n')", " a"),
    ("TRIM(CAST(NULL AS VARCHAR))", None),
    ("TRIM(BOTH 'xy' FROM 'yxaxby')", "axb"),
    ("SPLIT_PART('a,b', ',', 2)", "b"),
    ("SPLIT_PART('a,', ',', 2)", ""),
    ("SPLIT_PART('a,b', ',', 3)", None),
    ("ELEMENT_AT(SPLIT('a,b', ','), 2)", "b"),
    ("ELEMENT_AT(SPLIT('a,b', ','), 3)", None),
    ("CARDINALITY(ARRAY[1, NULL])", 2),
    ("'a_b' LIKE 'a_b'", True),
    ("'axb' LIKE 'a\\_b'", False),
    ("'50%' LIKE '50x%' ESCAPE 'x'", True),
    ("REGEXP_LIKE('abc', 'b')", True),
    ("REGEXP_LIKE('a.c', '^a\\.[a-d]+\\z')", True),
    ("REGEXP_LIKE('a.c\n', '^a\\.(b|c)*\\z')", False),
    ("'a\\b'", "a\\b"),
    ("'it''s'", "it's"),
    ("CARDINALITY(SPLIT('a.b.c', '.'))", 3),
    (f"CASE {DOUBLE(1)} WHEN 1.5e0 THEN 'y' ELSE 'n' END", "n"),
    (f"IF({LONG(1)} > 1 OR {LONG(1)} < 0, 'y', 'n')", "n"),
    (f"SQRT({DOUBLE(2)})", 2**0.5),
    (f"{LONG(1)} > 1 AND CAST(NULL AS BIGINT) > 1", False),
    # Time stands still at Greenwich.
    (f"YEAR(FROM_UNIXTIME({LONG(-1)}))", 1969),
    (f"QUARTER(FROM_UNIXTIME({LONG(1655296678)}))", 2),
    (f"MONTH(FROM_UNIXTIME({LONG(1655296678)}))", 6),
    (f"DAY(FROM_UNIXTIME({LONG(1655296678)}))", 15),
    (f"MINUTE(FROM_UNIXTIME({LONG(1655296678)}))", 37),
    (f"SECOND(FROM_UNIXTIME({LONG(253402300799)}))", 59),
    (f"EXTRACT(SECOND FROM FROM_UNIXTIME({LONG(1655296678)}))", 58),
    ("EXTRACT(YEAR FROM FROM_UNIXTIME(CAST(NULL AS BIGINT)))", None),
    (f"DATE_DIFF('day', DATE '2020-03-01', CAST(FROM_UNIXTIME({LONG(0)}) AS DATE))", -18322),
    (f"HOUR(FROM_UNIXTIME({LONG(1655296678)}))", 12),
    (f"CAST(CAST(FROM_UNIXTIME({LONG(1655296678)}) AS DATE) AS VARCHAR)", "2022-06-15"),
]
"""Expressions in Athena's SQL, and what they are worth."""

WORTHLESS = [
    f"{LONG(BIG)} + {LONG(1)}",
    f"{LONG(BIG)} * {LONG(2)}",
    f"-{LONG(-BIG)} + {LONG(1)}",
    f"{LONG(1)} / {LONG(0)}",
    f"{LONG(1)} % {LONG(0)}",
    f"CAST({DOUBLE('1e300')} AS BIGINT)",
    f"CAST({DOUBLE(0)} / {DOUBLE(0)} AS BIGINT)",
    "CAST('1.5' AS BIGINT)",
    "CAST('x' AS BIGINT)",
    "CAST('x' AS DOUBLE)",
    f"FROM_UNIXTIME({LONG(BIG)})",
    f"(SELECT SUM({LONG(BIG)} / u.n) FROM (SELECT 1 AS n UNION ALL SELECT 1 AS n) AS u)",
]
"""Expressions that have no value."""


ROWS = [
    (1, 10, 0.5, "b"),
    (1, None, -0.0, "B"),
    (2, 30, 0.0, "é"),
    (2, 9007199254740993, float("inf"), None),
    (None, 9007199254740995, None, ""),
    (3, -5, -1.5, "a"),
]


LETTERS = [
    chr(n)
    for n in range(1, sys.maxunicode + 1)
    if ucd_3_2_0.category(chr(n)) not in ("Cn", "Cs") and chr(n) not in "ƛɤ"
]
"""Those of Unicode 3.2, which all know alike, but for two that got an upper case in Unicode 16."""


SPACES = {letter for letter in LETTERS if letter.isspace() and letter not in "\x85\xa0\u2007\u202f"}
"""`Character.isWhitespace`: Unicode's, but for those that don't break a line and U+0085."""


def upper(letter: str) -> str:
    """Unicode's simple mapping: Python's is the full one, which can make several letters of one."""
    return next((one for one in (letter.upper(), letter.title()) if len(one) == 1), letter)


def lower(letter: str) -> str:
    return letter.lower()[0]


QUERIES: list[tuple[str, list[Any]]] = [
    ("SELECT n FROM t ORDER BY n, m", [1, 1, 2, 2, 3, None]),
    ("SELECT n FROM t ORDER BY n DESC, m", [3, 2, 2, 1, 1, None]),
    ("SELECT s FROM t ORDER BY s", ["", "B", "a", "b", "é", None]),
    ("SELECT m FROM t ORDER BY m NULLS FIRST LIMIT 2", [None, -5]),
    ("SELECT x FROM t ORDER BY x DESC, n", [float("inf"), 0.5, 0.0, 0.0, -1.5, None]),
    ("SELECT COUNT(*) FROM t GROUP BY x ORDER BY x", [1, 2, 1, 1, 1]),  # -0.0 is 0.0
    ("SELECT COUNT(DISTINCT x) FROM t", [4]),
    ("SELECT AVG(m) FROM t WHERE m > 1000", [9007199254740994.0]),
    ("SELECT AVG(m) FROM t WHERE m > 9007199254740995", [None]),
    ("SELECT SUM(m) FROM t WHERE n = 1", [10]),
    ("SELECT SUM(n) OVER (ORDER BY m) FROM t WHERE m < 100 ORDER BY m", [3, 4, 6]),
    ("SELECT MIN(s) FROM t", [""]),
    ("SELECT MAX(s) FROM t", ["é"]),
    ("SELECT COUNT(*) FROM t WHERE n NOT IN (SELECT n FROM t WHERE n = 1)", [3]),
    ("SELECT COUNT(*) FROM t WHERE n NOT IN (SELECT n FROM t)", [0]),  # a null among them
    ("SELECT COUNT(*) FROM t a INNER JOIN t b ON a.x = b.x", [7]),
    ("SELECT COUNT(*) FROM t WHERE NOT (m > 10)", [2]),
    ("SELECT s FROM t WHERE s < 'a' ORDER BY s", ["", "B"]),
    ("SELECT n FROM t GROUP BY n HAVING COUNT(*) > 1 ORDER BY n", [1, 2]),
    ("SELECT u.p FROM t CROSS JOIN UNNEST(SPLIT(s, 'b')) AS u (p) WHERE n = 1 ORDER BY u.p",
     ["", "", "B"]),
    ("SELECT COUNT(*) FILTER (WHERE x > 0) FROM t", [2]),
    ("SELECT SUM(n) FILTER (WHERE n IS NULL) FROM t", [None]),
    ("SELECT AVG(n) FILTER (WHERE n IS NULL) FROM t", [None]),
    ("SELECT n FROM (SELECT n FROM t EXCEPT SELECT n FROM t WHERE n < 3) AS u ORDER BY n",
     [3, None]),
    ("SELECT COUNT_IF(x > 0) FROM t", [2]),
    ("SELECT BOOL_AND(n > 0) FROM t", [True]),
    ("SELECT BOOL_OR(n > 3) FROM t", [False]),
    ("SELECT BOOL_OR(n > 3) FROM t WHERE n IS NULL", [None]),
    ("SELECT FIRST_VALUE(m) OVER (ORDER BY n, s) AS v FROM t ORDER BY n, s", [None] * 6),
    ("SELECT LAST_VALUE(s) OVER (ORDER BY m) AS v FROM t ORDER BY m",
     ["a", "b", "é", None, "", "B"]),
    ("SELECT RANK() OVER (ORDER BY n) AS v FROM t ORDER BY v", [1, 1, 3, 3, 5, 6]),
    ("SELECT DENSE_RANK() OVER (ORDER BY n) AS v FROM t ORDER BY v", [1, 1, 2, 2, 3, 4]),
    ("SELECT ROW_NUMBER() OVER (PARTITION BY n ORDER BY m) AS v FROM t ORDER BY v",
     [1, 1, 1, 1, 2, 2]),
    ("SELECT LAG(m) OVER (ORDER BY m) AS v FROM t ORDER BY m",
     [None, -5, 10, 30, 9007199254740993, 9007199254740995]),
    ("SELECT LEAD(s, 1, 'z') OVER (ORDER BY m) AS v FROM t ORDER BY m",
     ["b", "é", None, "", "B", "z"]),
    ("SELECT n FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.m = t.n + 9)", [1, 1]),
    ("SELECT n FROM ((WITH a AS (SELECT 1 AS n) SELECT n FROM a) UNION ALL"
     " (WITH a AS (SELECT 2 AS n) SELECT n FROM a)) AS s ORDER BY n", [1, 2]),
    ("SELECT n FROM t WHERE n IN (WITH b AS (SELECT MAX(n) AS n FROM t) SELECT n FROM b)", [3]),
    # The innermost CTE of a name is meant, but not by its own SELECT.
    ("WITH a AS (SELECT 1 AS n) SELECT n FROM (WITH a AS (SELECT 2 AS n) SELECT n FROM a) AS s",
     [2]),
    ("WITH a AS (SELECT 1 AS n) SELECT n FROM (SELECT n FROM a UNION ALL"
     " (WITH a AS (SELECT 2 AS n) SELECT n FROM a)) AS s ORDER BY n", [1, 2]),
    ("WITH a AS (SELECT 1 AS n), b AS (WITH a AS (SELECT n + 4 AS n FROM a) SELECT n FROM a)"
     " SELECT a.n + b.n AS n FROM a CROSS JOIN b", [6]),
    ("WITH t AS (SELECT n FROM t WHERE n > 1) SELECT n FROM t"
     " WHERE EXISTS (WITH t AS (SELECT 5 AS n) SELECT 1 FROM t) ORDER BY n", [2, 2, 3]),
]  # fmt: skip
"""Queries of the table that ROWS are of, and the first column of what they give."""

"""Functions return Trino's values, or fail, or a note says so: at the edges of arguments, too.

tests/support/edges.json has what Trino 476 returned for each expression, which
tests/roots/s3/test_trino.py asks it again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import duckdb
import pytest

from stedi import QueryError, parquet
from stedi.engines import athena_functions
from stedi.errors import DeclarationError, StediError
from stedi.shown import shown
from stedi.sql.asked import for_query
from stedi.sql.functions import refused
from stedi.sql.spelling import misspelt
from stedi.sql.statement import read_only
from stedi.sql.strict import refuse_mixed
from stedi.sql.told import differences
from stedi.sql.tree import typed
from tests.support.edges import EDGES, FAILS, Edge

LENIENT = {
    "from_hex('0')",
    "-2147483648 - 1",  # numbers that are written out are integers there
    "-(-2147483648)",
    "array_position(ARRAY[1,2,2],2,2)",
    "filter(ARRAY[1],x -> NULL)",
    "12345678901234567890",
    "json_extract_scalar('[1,2]','$[-1]')",
    "abs(-2147483648)",
    "-(-9223372036854775807 - 1)",
    "ARRAY[1] || ARRAY[NULL]",
}
"""What has a value here, and none on Trino."""
OTHERWISE = {
    "sign(nan())": "0",
    "TIMESTAMP '2020-01-01 10:00:00.123456'": "2020-01-01 10:00:00.123456",
    "CAST(0.1e0+0.2e0 AS VARCHAR)": "0.30000000000000004",
    "array_max(ARRAY[1e0,nan()])": "NaN",
}
"""What has another value here: a list that may only get shorter."""
LEFT_OUT = {"with_literals", "compare", "arithmetic", "logic", "interval", "json_cast", "now",
            "sum_over", "max_n", "unnest", "nan"}  # fmt: skip
"""Groups of expressions that aren't functions, or are of values that no column has."""


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    made = parquet.connect(tmp_path_factory.mktemp("scratch"))
    athena_functions.register(made)
    return made


class Told(Exception):
    """A value that is said to differ."""


def value(connection: duckdb.DuckDBPyConnection, expression: str) -> str | None:
    """What an expression is worth here, as Athena shows it."""
    sql = f"SELECT {expression} AS v"
    tree = read_only(sql, set())
    if refused(tree) or misspelt(sql, tree):
        raise QueryError("not among the functions")
    understood = typed(tree, {}, "a query")
    refuse_mixed(understood)
    column = connection.sql(for_query(understood)).to_arrow_table().column(0)
    found = shown(column[0].as_py(), column.type)
    if told := differences(understood):
        raise Told(f"{found}, of which is told: {told}")
    return found


def is_alike(found: str | None, edge: Edge) -> bool:
    """Equal; of doubles but for the last digits, and of maps in any order."""
    if found is None or edge.value is None or found == edge.value:
        return found == edge.value
    if edge.type.startswith("map"):
        one, other = (sorted(text.strip("{}").split(", ")) for text in (found, edge.value))
        return one == other
    if edge.type.startswith(("varchar", "char", "array", "row", "date", "time")):
        return False
    try:
        return math.isclose(float(found), float(edge.value), rel_tol=1e-12)
    except ValueError:
        return False


def test_what_queries_call_has_trinos_values(connection: duckdb.DuckDBPyConnection) -> None:
    wrong, held = list[str](), defaultdict[str, int](int)
    for edge in EDGES:
        if edge.expression in LENIENT:
            continue
        try:
            found = value(connection, edge.expression)
        except (StediError, duckdb.Error, Told):
            continue  # a note says so
        if edge.value == FAILS:
            wrong.append(f"{edge.expression}: {found}, and Trino fails")
        elif found != OTHERWISE.get(edge.expression, found) or (
            edge.expression not in OTHERWISE and not is_alike(found, edge)
        ):
            wrong.append(f"{edge.expression}: {found}, and Trino has {edge.value}")
        else:
            held[edge.function] += 1
    assert wrong == []
    assert sum(held.values()) > 1_300
    functions = {edge.function for edge in EDGES} - LEFT_OUT
    never = sorted(name for name in functions if not held[name])
    assert " ".join(never) == NEVER_HELD


NEVER_HELD = (
    "approx_distinct approx_most_frequent approx_percentile at_timezone from_iso8601_timestamp "
    "json_format json_parse numeric_histogram regexp_count regexp_extract regexp_extract_all "
    "regexp_replace regexp_split"
)
"""Functions that are refused, fail or have a note, whatever their arguments."""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("array_join(ARRAY[1.5, 2.25], ',')", "1.50,2.25"),
        ("array_join(ARRAY[-1.5, 2.25, NULL], ',', '-')", "-1.50,2.25,-"),
        ("array_join(ARRAY[1.5, 2e0], ',')", "1.5E0,2.0E0"),
        ("array_join(transform(ARRAY[1e0, 2e0], x -> x / 2), ',')", "5.0E-1,1.0E0"),
        ("array_join(ARRAY[CAST(0.1 AS REAL)], ',')", "1.0E-1"),
        ("array_join(split('a b', ' '), ',')", "a,b"),
        ("json_extract_scalar('{\"a\":1e2}', '$.a')", "1e2"),
        ("json_extract_scalar('{\"a\":-0}', '$.a')", "-0"),
        ("json_extract_scalar('{\"a\":\"0\"}', '$.a')", "0"),
        ("json_extract_scalar('[0, {\"b\":2.500}]', '$[1].b')", "2.500"),
        ("json_extract_scalar('{\"a.b\":[1E+2]}', '$[\"a.b\"][0]')", "1E+2"),
        ("json_extract_scalar('1.0', '$')", "1.0"),
        ("cbrt(27)", "3.0"),
        ("cbrt(-27)", "-3.0"),
        ("cbrt(1000000e0)", "100.0"),
        ("cbrt(0.001e0)", "0.1"),
        ("round(5.0)", "5"),
        ("floor(5.5)", "5"),
        ("ceil(-5.5)", "-5"),
        ("round(CAST('7.5' AS DECIMAL(5, 2)))", "8"),
        ("floor(5.5e0)", "5.0"),
    ],
)
def test_numbers_are_written_with_the_digits_that_trino_writes(
    connection: duckdb.DuckDBPyConnection, expression: str, expected: str
) -> None:
    assert value(connection, expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TRY(CAST('x' AS BIGINT))", None),
        ("TRY(CAST('7' AS BIGINT))", "7"),
        ("TRY(CAST('x' AS BOOLEAN))", None),
        ("TRY(CAST('x' AS DOUBLE))", None),
        ("TRY(ARRAY[1][5])", None),
        ("TRY(ARRAY[1, 2][2])", "2"),
        ("TRY(MAP(ARRAY['a'], ARRAY[1])['b'])", None),
        ("TRY(1 / 0)", None),
        ("TRY(9223372036854775807 + 1)", None),
        ("TRY(url_decode('%zz'))", None),
        ("COALESCE(TRY(CAST('x' AS BIGINT)), 0)", "0"),
        ("TRY(COALESCE(CAST('x' AS BIGINT), 0))", None),
        ("transform(ARRAY['1', 'x'], t -> TRY_CAST(t AS BIGINT))", "[1, null]"),
        ("TRY(date('2020-13-01'))", None),
        ("TRY(sequence(1, 5, 0))", None),
    ],
)
def test_try_is_null_where_what_it_tries_fails(
    connection: duckdb.DuckDBPyConnection, expression: str, expected: str | None
) -> None:
    assert value(connection, expression) == expected


@pytest.mark.parametrize("expression", ["TRY(MAX(1) / 0)", "TRY((SELECT 1 / 0))", "TRY(random())"])
def test_what_cannot_be_tried_is_refused(
    connection: duckdb.DuckDBPyConnection, expression: str
) -> None:
    with pytest.raises(QueryError, match=r"^TRY of .* can't be had here"):
        value(connection, expression)


@pytest.mark.parametrize(
    ("expression", "is_told"),
    [
        ("ROUND(5.0) / 2", True),
        ("FLOOR(5.5) / 2", True),
        ("CEIL(-5.5) / 2", True),
        ("ABS(-5.0) / 2", True),
        ("GREATEST(5.0, 1.5) / 2", True),
        ("CASE WHEN TRUE THEN 5.0 END / 2", True),
        ("COALESCE(5.0, 1.0) / 2", True),
        ("(5.0 + 1) / 2", True),
        ("7 / (2 * 1.5)", True),
        ("ROUND(5e0) / 2", False),
        ("5.0 / 2e0", False),
        ("CAST(5.0 AS DOUBLE) / 2", False),
        ("SQRT(4.0) / 2", False),
        ("7 / 2", False),
    ],
)
def test_divided_decimals_have_a_note(expression: str, is_told: bool) -> None:
    tree = typed(read_only(f"SELECT {expression}", set()), {}, "a query")
    assert bool(differences(tree)) == is_told


ALIKE = {
    "varchar": "'x'", "char": "'x'", "bigint": "1", "integer": "1", "double": "1e0", "real": "1e0",
    "decimal": "1", "boolean": "true", "date": "DATE '2020-01-01'", "varbinary": "X'00'",
    "timestamp": "TIMESTAMP '2020-01-01 00:00:00'",
}  # fmt: skip
"""What a value of a type may be compared with, by the beginning of its name."""


def test_what_athena_compares_is_not_refused() -> None:
    wrong = []
    for edge in EDGES:
        kind = edge.type.partition("(")[0].partition(" ")[0]
        if kind not in ALIKE or "||" in edge.expression:
            continue
        sql = f"SELECT ({edge.expression}) = {ALIKE[kind]}"
        try:
            refuse_mixed(typed(read_only(sql, set()), {}, "a query"))
        except DeclarationError:
            continue  # whose types aren't known
        except QueryError as error:
            wrong.append(str(error))
    assert wrong == []


@pytest.mark.parametrize("expression", sorted(LENIENT))
def test_what_is_lenient_still_is(connection: duckdb.DuckDBPyConnection, expression: str) -> None:
    assert value(connection, expression) is not None


def test_functions_in_python_fail_without_what_was_given(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for expression in ("from_base('secret!', 10)", "format('%d', 'secret')", "url_decode('%zz')"):
        with pytest.raises(duckdb.Error):
            value(connection, expression)

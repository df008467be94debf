"""`query` at its edges, as on Athena: what tables there are, names, parameters, what values look like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, QueryError
from tests.conftest import on, rows
from tests.support import small

TABLES = ["accelerometer_landing", "accelerometer_trusted", "customer_curated"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    root = tmp_path_factory.mktemp("done") / "root"
    small.land(root)
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    return lakehouse


def first(lakehouse: Lakehouse, sql: str, parameters: Sequence[Any] = ()) -> Any:
    """The first value of the first row."""
    [row] = lakehouse.query(sql, parameters=parameters)
    return next(iter(row.values()))


def test_from_unixtime_takes_todays_seconds(done: Lakehouse) -> None:
    assert first(done, "SELECT from_unixtime(1700000100)") == datetime(
        2023, 11, 14, 22, 15, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT date_diff('month', DATE '2020-01-31', DATE '2020-02-01')", 0),
        ("SELECT date_add('day', 1, DATE '2020-02-28')", date(2020, 2, 29)),
        ("SELECT format('%05d', 3)", "00003"),
        ("SELECT width_bucket(5.3e0, 0e0, 10e0, 5)", 3),
        ("SELECT zip_with(ARRAY[1, 2], ARRAY[3, 4], (x, y) -> x * y)", [3, 8]),
        ("SELECT format_datetime(from_unixtime(0), 'yyyy-MM')", "1970-01"),
        ("SELECT date_parse('2020-02-09', '%Y-%m-%d')", datetime(2020, 2, 9)),
        ("SELECT current_timezone()", "UTC"),
        ("SELECT hour(at_timezone(from_unixtime(0), 'Europe/Berlin'))", 1),
        ("SELECT numeric_histogram(3, x) FROM (VALUES 1e0, 1e0, 5e0) t (x)", [(1, 2), (5, 1)]),
        ("SELECT approx_most_frequent(1, s, 9) FROM (VALUES 'a', 'b', 'b') t (s)", [("b", 2)]),
        ("SELECT map_agg(k, v) FROM (VALUES ('a', 1), ('b', 2)) t (k, v)", [("a", 1), ("b", 2)]),
        ("SELECT cardinality(approx_percentile(x, ARRAY[0.5, 0.9])) FROM accelerometer_landing", 2),
        ("SELECT count_if(x > 99) FROM accelerometer_landing WHERE x > 99", 0),
    ],
)
def test_functions_as_on_athena(done: Lakehouse, sql: str, expected: Any) -> None:
    assert first(done, sql) == expected


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM accelerometer_landing WHERE x = '1'", "'1' is a text, and a number"),
        ('SELECT * FROM accelerometer_landing WHERE "user" = 1', "a text belongs there"),
        ("SELECT x || 'm' FROM accelerometer_landing", "is a number, and a text"),
        ("SELECT * FROM accelerometer_landing WHERE x IN (1, '2')", "'2' is a text"),
        ('SELECT sum("user") FROM accelerometer_landing', "is a text, and a number"),
        ("SELECT upper(x) FROM accelerometer_landing", "is a number, and a text"),
        ("SELECT coalesce(x, 'none') FROM accelerometer_landing", "'none' is a text"),
        ("SELECT date_diff('hour', DATE '2020-01-01', DATE '2020-01-02')", "a date has no hour"),
        ("SELECT from_unixtime(0, 'Europe/Berlin')", "--athena"),
        ("SELECT median(x) FROM accelerometer_landing", "median can't be called"),
        ("SELECT nvl(x, 0) FROM accelerometer_landing", "nvl can't be called"),
        ("SELECT x :: bigint FROM accelerometer_landing", ":: is no operator"),
        ("SELECT 1 FROM accelerometer_landing WHERE \"user\" ilike 'A%'", "ILIKE is no operator"),
    ],
)
def test_what_athena_does_not_do_is_an_error(done: Lakehouse, sql: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        done.query(sql).to_arrow()
    assert said in str(caught.value)


def test_a_position_that_is_not_there_is_an_error(done: Lakehouse) -> None:
    for sql in ("SELECT ARRAY[1, 2][3]", "SELECT MAP(ARRAY['a'], ARRAY[1])['b']"):
        with pytest.raises(QueryError):
            done.query(sql).to_arrow()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 7.0 / 3", "decimals"),
        ("SELECT avg(n) FROM (VALUES 1.5, 2.25) AS t(n)", "decimals"),
        ("SELECT n / 3 FROM (SELECT 1.5 AS n) AS t", "decimals"),
        ("SELECT regexp_extract(email, '@.*') FROM customer_landing", "RE2"),
        ("SELECT approx_distinct(email) FROM customer_landing", "estimate"),
        ("SELECT at_timezone(from_unixtime(0), 'UTC')", "zone"),
        ("SELECT date_parse('20', '%y')", "1969"),
    ],
)
def test_what_may_differ_is_told(done: Lakehouse, sql: str, told: str) -> None:
    [notice] = done.query(sql).notices
    assert told in notice


def test_what_is_the_same_is_not_told(done: Lakehouse) -> None:
    sql = "SELECT regexp_like(email, '^a'), avg(lastupdatedate), 7 / 2e0 FROM customer_landing GROUP BY 1"
    assert done.query(sql).notices == ()


def test_tables_are_shown(done: Lakehouse) -> None:
    shown = [row["tab_name"] for row in done.query("SHOW TABLES")]
    assert shown == sorted(shown)
    assert shown[:3] == TABLES
    for sql in ("show tables in stedi", "SHOW TABLES FROM stedi;"):
        assert [row["tab_name"] for row in done.query(sql)] == shown
    for sql in ("SHOW TABLES LIKE 'customer_*'", "SHOW TABLES '*r_*ed|customer_l*'"):
        assert "customer_landing" in [row["tab_name"] for row in done.query(sql)]
        assert "loads" not in [row["tab_name"] for row in done.query(sql)]
    assert rows(done, "SHOW DATABASES") == [("stedi",)]


def test_columns_are_shown(done: Lakehouse) -> None:
    names = ["user", "timestamp", "x", "y", "z"]
    for sql in (
        "SHOW COLUMNS FROM accelerometer_trusted",
        "SHOW COLUMNS IN stedi.Accelerometer_Trusted",
    ):
        assert [row["field"] for row in done.query(sql)] == names
    for sql in ("DESCRIBE accelerometer_trusted", 'desc stedi."accelerometer_trusted"'):
        described = [tuple(row.values())[:2] for row in done.query(sql)]
        assert described == [*zip(names, ["string", "bigint", *["double"] * 3], strict=True)]


def test_the_information_schema(done: Lakehouse) -> None:
    assert rows(
        done,
        "SELECT table_schema, table_type FROM information_schema.tables "
        "WHERE table_name = 'customer_trusted'",
    ) == [("stedi", "BASE TABLE")]
    assert rows(
        done,
        "SELECT c.column_name, c.ordinal_position, columns.data_type "
        "FROM information_schema.columns c JOIN information_schema.columns ON "
        "c.column_name = columns.column_name AND c.table_name = columns.table_name "
        "WHERE c.table_name = 'machine_learning_curated' ORDER BY 2",
    ) == [("distancefromobject", 1, "double"), ("x", 2, "double"), ("y", 3, "double"), ("z", 4, "double")]  # fmt: skip


def test_snapshots_and_files(done: Lakehouse) -> None:
    [(snapshot, committed)] = rows(
        done, 'SELECT snapshot_id, committed_at FROM "customer_trusted$snapshots"'
    )
    assert str(snapshot) == done.status().tables["customer_trusted"].snapshot
    assert (datetime.now(UTC) - committed).total_seconds() < 3600
    [(count, path)] = rows(
        done, 'SELECT sum(record_count), max(file_path) FROM stedi."customer_trusted$files"'
    )
    assert count == small.SEED["customer_trusted"]
    assert path.startswith("file://")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM stedi.customer_landing",
        'SELECT COUNT(*) FROM "stedi"."customer_landing"',
        "SELECT COUNT(*) FROM AwsDataCatalog.STEDI.customer_landing c",
        "SELECT COUNT(stedi.customer_landing.email) FROM stedi.customer_landing",
        "WITH stedi AS (SELECT 1 AS n) SELECT COUNT(*) FROM stedi.customer_landing, stedi",
    ],
)
def test_a_database_may_stand_before_a_table(done: Lakehouse, sql: str) -> None:
    assert first(done, sql) == 18


def test_columns_without_a_name(done: Lakehouse) -> None:
    for sql, names in {
        "SELECT 1": ["_col0"],
        "SELECT email, count(*), 'a' AS b, 1 + 1 FROM customer_landing GROUP BY 1": [
            *("email", "_col1", "b", "_col3")
        ],
        "SELECT *, 1 FROM (SELECT 1 AS a, 2 AS b) t": ["a", "b", "_col2"],
        "SELECT 1 UNION ALL SELECT 2": ["_col0"],
        "SELECT count(*) FROM information_schema.tables": ["_col0"],
    }.items():
        assert done.query(sql).schema.names == names


def test_parameters(done: Lakehouse) -> None:
    values = ["ann@example.com", None, True, -1.5, Decimal("2.50"), date(2020, 1, 2), 7]
    sql = "SELECT email, ?, ?, ?, ?, ?, ? FROM customer_landing WHERE email = ?"
    [row] = done.query(sql, parameters=[*values[1:], values[0]])
    assert [*row.values()] == values
    moment = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert first(done, "SELECT ?", [moment]) == moment
    assert first(done, "SELECT ?", ["' OR 1 = 1 --"]) == "' OR 1 = 1 --"
    sql = "WITH t AS (SELECT ? AS n) SELECT n || '?' || ? FROM t WHERE n = ? ORDER BY n || ?"
    assert first(done, sql, ["a", "b", "a", "c"]) == "a?b"
    assert first(done, "SELECT count(*) FROM customer_landing WHERE email IN (?, ?)",
                 ["ann@example.com", "ben@example.com"]) == 2  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "parameters", "said"),
    [
        ("SELECT ?", [], "no value for parameter 1"),
        ("SELECT ?, ?", [1], "no value for parameter 2"),
        ("SELECT ?", [1, 2], "2 parameters for 1 question mark"),
        ("SELECT 1", [1], "1 parameter for 0 question marks"),
        ("SELECT :name", [], "without names"),
        ("SELECT ?", [object()], "parameter 1: a object can't be one"),
        ("SELECT * FROM accelerometer_landing WHERE x = ?", ["1"], "is a text, and a number"),
    ],
)
def test_parameters_that_do_not_fit(
    done: Lakehouse, sql: str, parameters: Sequence[Any], said: str
) -> None:
    with pytest.raises(QueryError) as caught:
        done.query(sql, parameters=parameters)
    assert said in str(caught.value)


def test_rows_in_python(done: Lakehouse) -> None:
    sql = "SELECT email, sharewithresearchasofdate AS since FROM customer_trusted ORDER BY email"
    result = done.query(sql)
    assert [row["email"][:3] for row in result] == [
        *("ann", "eve", "fay", "gus", "hal", "jon", "lee", "ned")
    ]
    with pytest.raises(QueryError, match="taken already"):
        list(result)
    result = done.query(sql)
    html = result._repr_html_()
    assert "<th>since</th>" in html
    assert html.count("<tr>") == 9
    assert result.to_arrow().num_rows == len([*result]) == 8
    assert done.query("SELECT '<b>'")._repr_html_().count("<b>") == 0


def test_rows_as_data_frames(done: Lakehouse) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    sql = "SELECT x FROM accelerometer_landing ORDER BY x LIMIT 2"
    assert isinstance(done.query(sql).to_pandas(), pandas.DataFrame)
    assert done.query(sql).to_pandas()["x"].tolist() == [-0.3, -0.2]
    assert isinstance(done.query(sql).to_polars(), polars.DataFrame)
    assert done.query(sql).to_polars()["x"].to_list() == [-0.3, -0.2]

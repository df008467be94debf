"""Queries read declared tables, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, QueryError
from stedi.errors import StorageError, UsageError
from tests.conftest import already_run, on, rows
from tests.support import small


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    root = tmp_path_factory.mktemp("done") / "root"
    small.land(root)
    small.write(root, "step_trainer", b"nonsense\n", "bad.json")
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    return lakehouse


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT COUNT(*) FROM customer_landing", [(18,)]),
        ("select count(*) from CUSTOMER_LANDING", [(18,)]),
        ("SELECT source, reason FROM quarantine", [("step_trainer", "not JSON")]),
        ("SELECT COUNT(*) FROM loads WHERE state = 'read'", [(4,)]),
        ("WITH t AS (SELECT 1 AS n) SELECT n + 1 FROM t", [(2,)]),
        ("SELECT x FROM UNNEST(ARRAY[1, 2]) AS t (x) ORDER BY x", [(1,), (2,)]),
        ("SELECT x FROM UNNEST(ARRAY[ARRAY[1], NULL]) AS t (x) WHERE x IS NOT NULL", [([1],)]),
        ("SELECT ROW(x, y) = ROW(y, x) FROM (VALUES (1, 2)) t (x, y)", [(False,)]),
        ("SELECT ROW(x, y) = ROW(x, y) FROM (VALUES (1, 2)) t (x, y)", [(True,)]),
        ("SELECT CAST(ROW(y, x) AS ROW(x INT, y INT)).x FROM (VALUES (1, 2)) t (x, y)", [(2,)]),
        ("SELECT 3 > ALL (SELECT 1), 'a' = ANY (SELECT 'a')", [(True, True)]),
        ("SELECT 1 UNION ALL SELECT 2 ORDER BY 1", [(1,), (2,)]),
        (
            'SELECT "user", "timestamp" FROM accelerometer_trusted WHERE x = 0.3',
            [("ann@example.com", 2000)],
        ),
        ("SELECT TRY_CAST('x' AS BIGINT)", [(None,)]),
        ("SELECT 7 / 2", [(3,)]),
        ("SELECT TRY(CAST(x AS BIGINT)) FROM (VALUES '1', 'a') t (x)", [(1,), (None,)]),
        ("SELECT SUM(TRY(1 / x)) FROM (VALUES 0, 1) t (x)", [(1,)]),
        ("SELECT date_format(from_unixtime(0), '%Y')", [("1970",)]),
        ("SELECT CHR(CAST(66 AS INTEGER))", [("B",)]),
        ("SELECT YEAR(FROM_UNIXTIME(1.5e0)), YEAR(FROM_UNIXTIME(1))", [(1970, 1970)]),
        ("SELECT approx_distinct(email) FROM customer_curated", [(7,)]),
    ],
)
def test_athenas_sql_runs(done: Lakehouse, sql: str, expected: list[tuple[object, ...]]) -> None:
    assert rows(done, sql) == expected


@pytest.mark.parametrize(
    ("sql", "names", "expected"),
    [
        ("SELECT x, COUNT(*) FROM t GROUP BY x ORDER BY 2 DESC", "x _col1", [(3, 2), (1, 1)]),
        ("SELECT x, COUNT(*) FROM t GROUP BY 1 ORDER BY COUNT(*)", "x _col1", [(1, 1), (3, 2)]),
        ("SELECT -x FROM t ORDER BY 1", "_col0", [(-3,), (-3,), (-1,)]),
        ("SELECT -x FROM t ORDER BY -x", "_col0", [(-3,), (-3,), (-1,)]),
        (
            "SELECT -x, SUM(x) FROM t GROUP BY 1 HAVING SUM(x) > 1 ORDER BY 1",
            "_col0 _col1",
            [(-3, 6)],
        ),
        ("SELECT DISTINCT -x FROM t ORDER BY 1 DESC", "_col0", [(-1,), (-3,)]),
        ("SELECT *, -x FROM t WHERE x < 3 ORDER BY 2", "x _col1", [(1, -1)]),
        ("SELECT u.*, 1 FROM (SELECT 2, 3) u ORDER BY 3", "_col0 _col1 _col2", [(2, 3, 1)]),
        (
            "SELECT x, ROW_NUMBER() OVER (ORDER BY -x, 1) FROM t ORDER BY 2 LIMIT 1",
            "x _col1",
            [(3, 1)],
        ),
        ("SELECT 1 + 1 UNION ALL SELECT 1 ORDER BY 1", "_col0", [(1,), (2,)]),
        ("SELECT 7 / 2 UNION SELECT 1 ORDER BY 1 DESC", "_col0", [(3,), (1,)]),
        ("SELECT * FROM (SELECT -x FROM t ORDER BY 1 LIMIT 1) u", "_col0", [(-3,)]),
        ("SELECT 1 FROM (SELECT -x FROM t) u ORDER BY 1 LIMIT 1", "_col0", [(1,)]),
        ("SELECT (SELECT MAX(x) FROM t) ORDER BY 1", "_col0", [(3,)]),
        ("SELECT (SELECT MAX(x) FROM t) AS m, (SELECT 2) ORDER BY m, 2", "m _col1", [(3, 2)]),
    ],
)
def test_columns_without_a_name_can_be_sorted_by(
    done: Lakehouse, sql: str, names: str, expected: list[tuple[object, ...]]
) -> None:
    result = done.query(f"WITH t (x) AS (VALUES 3, 1, 3) {sql}")
    assert result.schema.names == names.split()
    assert [tuple(row.values()) for row in result] == expected
    assert result.notices == ()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT -x AS x FROM t ORDER BY x", [-3, -3, -1]),
        ("SELECT -x AS x FROM t ORDER BY -x", [-1, -3, -3]),
        ("SELECT -x AS x FROM t ORDER BY x + 0 DESC", [-1, -3, -3]),
        ("SELECT -x AS y FROM t ORDER BY -x", [-3, -3, -1]),
        ("SELECT -x AS x FROM t ORDER BY t.x", [-1, -3, -3]),
        ("SELECT -SUM(x) AS x FROM t GROUP BY t.x ORDER BY ABS(x)", [-1, -6]),
    ],
)
def test_order_by_takes_the_name_that_the_select_gives_before_a_column(
    done: Lakehouse, sql: str, expected: list[int]
) -> None:
    assert rows(done, f"WITH t (x) AS (VALUES 3, 1, 3) {sql}") == [(x,) for x in expected]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT DATE '2020-01-01' + 1",
        "SELECT current_date - 1",
        "SELECT 1 + TIMESTAMP '2020-01-01 00:00:00'",
        "SELECT now() - 1.5e0",
        "SELECT 1 FROM customer_landing WHERE date(from_unixtime(lastupdatedate)) > current_date - 7",
    ],
)
def test_a_time_moves_by_an_interval_and_by_no_number(done: Lakehouse, sql: str) -> None:
    with pytest.raises(QueryError, match="a time moves by an INTERVAL"):
        done.query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT email AS e FROM customer_landing WHERE e <> ''",
        "SELECT x FROM (VALUES 1, 1, 2) t (x) ORDER BY x FETCH FIRST 1 ROW WITH TIES",
        "SELECT 1_000",
        "FROM customer_landing",
    ],
)
def test_what_athena_refuses_is_refused_here(done: Lakehouse, sql: str) -> None:
    with pytest.raises(QueryError):
        done.query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM 'secret.csv'",
        'SELECT * FROM "secret.csv"',
        'SELECT * FROM "{folder}/secret.csv"',
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM TABLE(read_text('{folder}/secret.csv'))",
        "SELECT (SELECT content FROM read_text('{folder}/secret.csv'))",
        "SELECT * FROM customer_landing, LATERAL (SELECT * FROM read_text('{folder}/secret.csv'))",
        "SELECT * FROM customer_landing WHERE email IN (SELECT content FROM read_text('x'))",
        "SELECT * FROM range(5)",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM main.customer_landing",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM information_schema.schemata",
        "SELECT * FROM awsdatacatalog.other.customer_landing",
        "SELECT * FROM other.stedi.customer_landing",
        'SELECT * FROM "customer_landing$partitions"',
        'SELECT * FROM "secret$files"',
        "SHOW TABLES FROM main",
        "SHOW COLUMNS FROM secret",
        "SHOW CREATE TABLE customer_landing",
        "DESCRIBE main.customer_landing",
        "SELECT * FROM sqlite_master",
        "WITH a AS (SELECT 1) SELECT * FROM b",
        "SELECT * FROM a, (WITH a AS (SELECT 1) SELECT * FROM a) t",
        "COPY customer_landing TO '{folder}/out.csv'",
        "INSERT INTO customer_landing SELECT * FROM customer_landing",
        "DELETE FROM customer_landing",
        "DROP TABLE customer_landing",
        "CREATE TABLE t AS SELECT 1",
        "ATTACH '{folder}/x.db'",
        "SET memory_limit = '1GB'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN DELETE FROM customer_landing",
        "EXPLAIN EXPLAIN SELECT 1",
        "EXPLAIN SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT 1; SELECT 2",
        "INSTALL httpfs",
        "",
    ],
)
def test_anything_else_is_refused(done: Lakehouse, tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    with pytest.raises(QueryError) as caught:
        done.query(sql.format(folder=tmp_path)).to_arrow()
    assert "secret\n" not in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_the_engine_behind_a_query_is_locked_in_by_itself(done: Lakehouse, tmp_path: Path) -> None:
    """Even a statement that slipped past the tree could reach no file."""
    import duckdb

    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    result = done.query("SELECT COUNT(*) FROM customer_landing")
    for sql in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "SET enable_external_access = true",
        f"ATTACH '{tmp_path}/x.db'",
    ):
        with pytest.raises(duckdb.Error):
            result._connection.cursor().execute(sql)


def test_explain_shows_the_plan_of_the_engine_and_says_whose_it_is(done: Lakehouse) -> None:
    result = done.query(
        "EXPLAIN SELECT email FROM customer_landing WHERE email = ?", parameters=["a"]
    )
    assert result.schema.names == ["Query Plan"]
    lines = [row["Query Plan"] for row in result]
    assert len(lines) > 2 and not any("\n" in line for line in lines)
    assert any("READ_PARQUET" in line or "Empty" in line for line in lines)
    [notice] = result.notices
    assert notice.startswith("EXPLAIN: this is the plan of DuckDB")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT (SELECT x FROM (VALUES 1, 2) t (x))", "returned several rows; MAX(…) or LIMIT 1"),
        ("SELECT 1 WHERE 1 = (SELECT x FROM (VALUES 1, 2) t (x))", "returned several rows"),
        ("SELECT cardinality(1)", "values of these types: INTEGER; CAST converts"),
        ("SELECT contains('a', 'b')", "values of these types: VARCHAR, VARCHAR; CAST"),
        ("SELECT json_extract(1, '$.a')", "values of these types: INTEGER; CAST"),
        ("SELECT 1 + ARRAY[1]", "values of these types: INTEGER, INTEGER[]; CAST"),
        ("SELECT a.x FROM (VALUES 1) t (x)", "there is no table a in this statement"),
        ("SELECT emial FROM customer_landing", "there is no column emial in the tables"),
        ("SELECT 1 FROM customer_landing TABLESAMPLE BERNOULLI (10)", "TABLESAMPLE can't be had"),
    ],
)
def test_errors_are_in_words_of_sql_and_not_of_the_engine(
    done: Lakehouse, sql: str, said: str
) -> None:
    with pytest.raises(QueryError) as caught:
        done.query(sql).to_arrow()
    assert said in str(caught.value)
    assert not any(word in str(caught.value) for word in ("Candidate", "Did you mean", "_LITERAL"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parameters": {"a": 1}}, "parameters: must be a list .* not a dict"),
        ({"parameters": "a"}, "parameters: must be a list .* not a str"),
        ({"parameters": 5}, "parameters: must be a list .* not a int"),
        ({"timeout": "x"}, "--timeout 'x': must be more than 0 seconds"),
        ({"timeout": 0}, "--timeout 0: must be more than 0 seconds"),
        ({"timeout": math.nan}, "--timeout nan: must be more than 0 seconds"),
        ({"memory": "1GB"}, "--memory '1GB': must be a number of bytes"),
        ({"memory": -1}, "--memory -1: must be a number of bytes"),
    ],
)
def test_wrong_options_are_usage_errors(
    done: Lakehouse, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        done.query("SELECT ?", **options)


def test_a_table_that_no_run_builds_names_the_command_that_builds_it(done: Lakehouse) -> None:
    assert ("machine_learning_synthetic",) in rows(done, "SHOW TABLES")
    with pytest.raises(QueryError, match="`stedi release DIR --private` builds it"):
        done.query("SELECT * FROM machine_learning_synthetic")


def test_a_syntax_error_shows_the_place(done: Lakehouse) -> None:
    with pytest.raises(QueryError) as caught:
        done.query("SELECT *\nFROM customer_landing\nWHERE email = = 'x'")
    first, line, caret = str(caught.value).splitlines()
    assert first.startswith("line 3, column 15: ")
    assert line.strip() == "WHERE email = = 'x'"
    assert caret.index("^") - 2 == 14


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT x FROM", "line 1"),
        ("SHOW FUNCTIONS", "only SELECT can be run here, not SHOW"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN ANALYZE: only EXPLAIN SELECT can be run here"),
        ("SHOW PARTITIONS loads", "SHOW COLUMNS, SHOW DATABASES, DESCRIBE and EXPLAIN"),
        ("SHOW CREATE TABLE customer_trusted", "`stedi ddl TABLE` prints the statement"),
        ("TABLE loads", "write SELECT * FROM before the name"),
        ("SELECT fil FROM loads", "similar are file"),
        ('SELECT file FROM loads WHERE file = "ann"', "a text is in single quotes"),
        ("SELECT split_to_map('a=1', ',', '=')", "the function split_to_map can't be called"),
        ("SELECT a FROM UNNEST(ARRAY[1], ARRAY[2]) AS t (a, b)", "UNNEST of several arrays"),
        ("SELECT k FROM UNNEST(MAP(ARRAY[1], ARRAY[2])) AS t (k, v)", "UNNEST takes an array"),
        ("SELECT r FROM UNNEST(ARRAY[ROW(1, 2)]) AS t (r)", "a column of each field"),
        ("SELECT r FROM UNNEST(ZIP(ARRAY[1], ARRAY[2])) AS t (r, s)", "a column of each field"),
        ("SELECT file FROM loads LIMIT 5 OFFSET 2", "line 1, column 32: OFFSET comes before LIMIT"),
        ("SELECT nix FROM loads", "there is no column nix in the tables of this statement"),
        ("SELECT l.nix FROM loads l", "there is no column l.nix in the tables of this statement"),
        ("SELECT * FROM glob('/etc/*')", "line 1"),
    ],
)
def test_what_is_said_is_about_the_statement(done: Lakehouse, sql: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        done.query(sql)
    assert said in str(caught.value)
    assert "sqlglot" not in str(caught.value)
    assert "Token" not in str(caught.value)


def test_a_misspelt_table_gets_a_hint(done: Lakehouse) -> None:
    with pytest.raises(QueryError, match="did you mean customer_landing"):
        done.query("SELECT * FROM customer_lading")


def test_a_misspelt_column_is_named(done: Lakehouse) -> None:
    with pytest.raises(QueryError, match="emial"):
        done.query("SELECT emial FROM customer_landing")


def test_an_error_holds_no_persons_data(done: Lakehouse) -> None:
    with pytest.raises(QueryError) as caught:
        done.query("SELECT CAST(email AS BIGINT) FROM customer_landing").to_arrow()
    assert "@" not in str(caught.value)


@already_run
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT v.* FROM (SELECT 1 AS a) c, LATERAL duckdb_settings() v",
        "SELECT v.* FROM (SELECT 1 AS a) c CROSS JOIN LATERAL query('SELECT 1') v",
        "SELECT * FROM (SELECT 1 AS a) c, LATERAL parquet_metadata('x.parquet') v",
        "SELECT current_setting('allowed_paths')",
        "SELECT * FROM (DESCRIBE customer_trusted)",
    ],
)
def test_nothing_is_revealed_about_the_engine(small_lakehouse: Lakehouse, sql: str) -> None:
    with pytest.raises(QueryError):
        small_lakehouse.query(sql)


@already_run
def test_names_of_a_with_clause_are_the_same_in_any_case(small_lakehouse: Lakehouse) -> None:
    assert rows(
        small_lakehouse, "WITH T AS (SELECT * FROM customer_trusted) SELECT COUNT(*) FROM t"
    ) == [(8,)]


@already_run
def test_a_file_that_was_replaced_meanwhile_is_told_plainly(small_lakehouse: Lakehouse) -> None:
    data = small_lakehouse.root / "step_trainer" / "curated" / "data"
    [path] = data.rglob("*.parquet")
    path.unlink()
    with pytest.raises(StorageError, match="ask again"):
        small_lakehouse.query("SELECT * FROM machine_learning_curated").to_arrow()

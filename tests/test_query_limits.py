"""A query takes limited time and memory, calls only functions that read, and stops when asked."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
import sqlglot
from sqlglot.errors import SqlglotError

from stedi import Lakehouse, QueryError
from stedi.engines.memory import size_in_bytes
from stedi.errors import EngineFailed, StorageError, UsageError
from stedi.sql.functions import _NAMED, NAMES, refused
from tests.conftest import on, rows
from tests.support import small
from tests.support.processes import started

HUGE = "UNNEST(SEQUENCE(1, 100000)) AS {0} (n)"
ENDLESS = {
    "cross join": "SELECT COUNT(*) FROM {a}, {b}, {c} WHERE a.n + b.n + c.n < 0",
    "sort": "SELECT a.n FROM {a}, {b} ORDER BY a.n * b.n % 7919, b.n OFFSET 999999999 LIMIT 1",
    "distinct": "SELECT COUNT(DISTINCT a.n * 100000 + b.n) FROM {a}, {b}",
    "window": "SELECT MAX(r) FROM (SELECT SUM(a.n) OVER (ORDER BY b.n) AS r FROM {a}, {b})",
    "recursion": "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 - n % 2 FROM t WHERE n > 0) SELECT COUNT(*) FROM t",
    "texts": "SELECT MAX(REGEXP_REPLACE(CAST(a.n AS VARCHAR), '[0-9]', 'x')) FROM {a}, {b}, {c}",
}


def endless(kind: str) -> str:
    return ENDLESS[kind].format(**{name: HUGE.format(name) for name in "abc"})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    root = tmp_path_factory.mktemp("limits") / "root"
    small.land(root)
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    return lakehouse


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_statement_is_stopped_when_its_time_is_over(done: Lakehouse, kind: str) -> None:
    begin = time.monotonic()
    with pytest.raises(EngineFailed, match=r"stopped after 0.3 seconds.*--timeout"):
        done.query(endless(kind), timeout=0.3).to_arrow()
    assert time.monotonic() - begin < 5
    assert not (done.root / "_stedi" / "scratch").exists()


LONG = {
    "sum": "SELECT " + "+".join(["1"] * 20_000),
    "union": " UNION ALL ".join(["SELECT 1 AS x"] * 10_000),
    "conditions": "SELECT 1 FROM customer_trusted WHERE "
    + " AND ".join(["lastupdatedate > 1"] * 10_000),
    "cases": "SELECT CASE " + " ".join(f"WHEN {n} = 2 THEN {n}" for n in range(8_000)) + " END",
    "joins": "SELECT 1 FROM customer_trusted AS t "
    + " ".join(f"JOIN customer_trusted AS t{n} ON t{n}.email = t.email" for n in range(3_000)),
}


@pytest.mark.parametrize("kind", LONG)
def test_reading_a_long_statement_is_within_its_time(done: Lakehouse, kind: str) -> None:
    begin = time.monotonic()
    with pytest.raises((EngineFailed, QueryError), match=r"stopped after 1 seconds|nests too deep"):
        done.query(LONG[kind], timeout=1).to_arrow()
    assert time.monotonic() - begin < 10  # on a machine with other work


@pytest.mark.parametrize("kind", ["cross join", "sort", "recursion"])
def test_an_interrupt_stops_it_at_once(done: Lakehouse, kind: str) -> None:
    process = started("query", endless(kind), "--root", done.root)
    time.sleep(2)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    ended = process.ended()
    assert time.monotonic() - begin < 5
    assert ended.returncode == 130
    assert ended.stderr.startswith("stedi: stopping\nstedi: stopped; nothing was changed")
    assert "should not happen" not in ended.stderr
    assert not (done.root / "_stedi" / "scratch").exists()


@pytest.mark.parametrize(
    "sql",
    [
        endless("distinct"),
        "SELECT LENGTH(LISTAGG(LPAD('x', 1000000, 'y'), '')) FROM " + HUGE.format("a"),
        "SELECT CARDINALITY(ARRAY_AGG(a.n)) FROM {a}, {b}".format(
            **{name: HUGE.format(name) for name in "ab"}
        ),
        "SELECT LENGTH(LPAD('x', 2000000000, 'y'))",
        "SELECT CARDINALITY(SEQUENCE(1, 1000000000))",
        "WITH a AS (SELECT LPAD('x', 1000000, 'y') AS s), b AS (SELECT s || s || s || s || s || s || s || s AS s FROM a), "
        "c AS (SELECT s || s || s || s || s || s || s || s AS s FROM b), d AS (SELECT s || s || s || s || s || s || s || s AS s FROM c) "
        "SELECT LENGTH(s) FROM d",
    ],
)
def test_a_statement_gets_no_more_memory_than_it_may_have(done: Lakehouse, sql: str) -> None:
    ended = started(
        "query", sql, "--root", done.root, "--memory", "128MiB", "--timeout", "4"
    ).ended()
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "--memory SIZE" in ended.stderr or "--timeout SECONDS" in ended.stderr


@pytest.mark.parametrize(
    "call",
    [
        *("pg_sleep(60)", "sleep_ms(60000)", "write_log('x')", "getenv('HOME')", '"pg_sleep"(1)'),
        *("pg_catalog.pg_sleep(1)", "main.write_log('x')", "current_setting('threads')"),
        *("nextval('s')", "setseed(0.5e0)", "version()", "error('x')", "read_text('/etc/passwd')"),
        *("current_query()", "current_database()", "query('SELECT 1')", "repeat('x', 1000000000)"),
        *("stats(1)", "txid_current()", "add_parquet_key('a', 'b')", "made_up(1)"),
        *("json_execute_serialized_sql('x')", "TRANSFORM(ARRAY[1], x -> pg_sleep(x))"),
        "(SELECT MAX(pg_sleep(1)) FROM customer_landing)",
    ],
)
def test_functions_that_do_more_than_read_are_not_reached(done: Lakehouse, call: str) -> None:
    begin = time.monotonic()
    for sql in (f"SELECT {call}", f"SELECT 1 FROM customer_landing WHERE {call} IS NULL"):
        with pytest.raises(QueryError, match=r"can't be called|table functions"):
            done.query(sql).to_arrow()
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("ROUND(STDDEV_POP(n), 3)", 1.0),
        ("LISTAGG(CAST(n AS VARCHAR), '-') WITHIN GROUP (ORDER BY n)", "1-3"),
        ("MAX(DATE_FORMAT(FROM_UNIXTIME(n), '%Y'))", "1970"),
        ("APPROX_DISTINCT(n)", 2),
        ("MAX(BIT_COUNT(n, 64))", 2),
        ("MAX(URL_ENCODE('a b'))", "a+b"),
        ("MAX(TO_HEX(MD5(TO_UTF8('a'))))", "0CC175B9C0F1B6A831C399E269772661"),
        ("MAX(CARDINALITY(FILTER(SEQUENCE(1, 5), x -> x > 3)))", 2),
    ],
)
def test_functions_that_read_are(done: Lakehouse, call: str, expected: object) -> None:
    assert rows(done, f"SELECT {call} FROM (VALUES (1), (3)) AS t (n)") == [(expected,)]


def test_the_functions_are_listed_for_people() -> None:
    text = (Path(__file__).parents[1] / "docs" / "reference" / "sql.md").read_text()
    section = text.partition("**In `stedi query`**")[2].partition("\n**")[0]
    listed = set(re.findall(r"`([a-z_0-9]+)`", section))
    assert sorted(_NAMED - listed) == []
    assert sorted(set(NAMES) - listed) == []
    assert sorted(listed - set(NAMES)) == []
    assert len(listed) > 150
    assert [name for name in listed if not is_callable(name)] == []


def is_callable(name: str) -> bool:
    """Whether a statement may call it, with as many arguments as it takes."""
    for arguments in ("a", "a, b", "a, b, c", "", "day FROM a", "a AS bigint"):
        try:
            tree = sqlglot.parse_one(f"SELECT {name}({arguments})", dialect="athena")
        except SqlglotError:
            continue
        return refused(tree) is None
    return name in ("current_date", "current_time", "current_timestamp", "localtime")


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {'(' * 5_000}1{')' * 5_000}",
        f"SELECT {'1 + ' * 4_000}1",
        f"SELECT {'NOT ' * 5_000}true",
        f"{'SELECT * FROM (' * 2_000}SELECT 1 AS n{') t' * 2_000}",
        f"SELECT {'CASE WHEN true THEN ' * 2_000}1{' END' * 2_000}",
        f"SELECT {'ARRAY[' * 3_000}1{']' * 3_000}",
        f"SELECT {'-' * 1}{'(-' * 3_000}1{')' * 3_000}",
        "SELECT " + " UNION ALL SELECT ".join(["1"] * 20_000),
        "SELECT '" + "x" * 300_000 + "'",
    ],
)
def test_a_statement_that_nests_too_deep_is_wrong_use(done: Lakehouse, sql: str) -> None:
    """Where it isn't too deep after all, it gives its rows."""
    try:
        done.query(sql).to_arrow()
    except QueryError as error:
        assert error.exit_status == 2
        assert len(str(error)) < 500


@pytest.mark.parametrize(
    "as_of",
    [
        "0001-01-01",
        "0001-01-01T00:00",
        "9999-12-31T23:59:59",
        "0001-01-01T00:00+14:00",
        "0800-02-01",
        "",
        "yesterday",
        "1e9",
        "2026-13-01",
    ],
)
def test_a_time_that_no_table_can_be_of_is_wrong_use(done: Lakehouse, as_of: str) -> None:
    try:
        done.query("SELECT COUNT(*) FROM customer_landing", as_of=as_of)
    except UsageError as error:
        assert error.exit_status == 2
        assert "should not happen" not in str(error)
    else:
        assert as_of.startswith("9999")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1GB", 10**9),
        ("1 GiB", 1 << 30),
        ("512mb", 512 * 10**6),
        ("1.5GiB", 3 << 29),
        ("200000000", 200_000_000),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert size_in_bytes(text, "--memory") == expected


@pytest.mark.parametrize(
    "text", ["", "much", "-1GB", "1KB", "0", "1e9", "4 PB", "1GB;", "\u0661GB"]
)
def test_a_size_that_is_none_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="--memory"):
        size_in_bytes(text, "--memory")


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_no_time_at_all_is_wrong_use(done: Lakehouse, timeout: float) -> None:
    with pytest.raises(UsageError, match="--timeout"):
        done.query("SELECT 1", timeout=timeout)


def test_a_damaged_table_is_no_wrong_use(done: Lakehouse) -> None:
    [path] = (done.root / "customer" / "curated" / "data").rglob("*.parquet")
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PAR1" * 10):
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"damaged|was changed") as caught:
            done.query("SELECT * FROM customer_curated").to_arrow()
        assert caught.value.exit_status == 1
    path.write_bytes(content)

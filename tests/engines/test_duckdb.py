"""What the embedded engine does when it can't go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
import sqlglot

from stedi import EngineFailed
from stedi.columns import Column
from stedi.engines.attended import Attended
from stedi.engines.duckdb import DuckDBEngine
from stedi.parquet import Field, write_query


def test_a_declared_table_replaces_one_that_was_worked_out(tmp_path: Path) -> None:
    engine = DuckDBEngine(tmp_path / "scratch")
    number = [Field("n", "long", 1)]
    [path] = write_query(engine._connection, "SELECT 1 AS n", number, tmp_path / "t")
    engine.materialise("t", select("SELECT 2 AS n, 'Ann' AS person"))
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 2, "person": "Ann"}]
    engine.declare("t", [Column("n", "long", "none")], [str(path)])
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 1}]
    assert engine.gather("t", select("SELECT n + 2 AS n FROM t")).to_pylist() == [{"n": 3}]
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 3}]
    engine.materialise("t", select("SELECT 4 AS n"))
    assert engine.fetch(select("SELECT * FROM t")).to_pylist() == [{"n": 4}]


def select(sql: str) -> sqlglot.exp.Query:
    tree = sqlglot.parse_one(sql, dialect="athena")
    assert isinstance(tree, sqlglot.exp.Query)
    return tree


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT CAST(name AS BIGINT) AS n FROM people", "ConversionException"),
        ("SELECT * FROM gone", "could not read or write"),
    ],
)
def test_a_failure_is_ours_and_holds_no_values(tmp_path: Path, sql: str, said: str) -> None:
    engine = DuckDBEngine(tmp_path / "scratch")
    name = [Field("name", "string", 1)]
    [path] = write_query(engine._connection, "SELECT 'Ann' AS name", name, tmp_path / "people")
    engine.declare("people", [Column("name", "string", "direct")], [str(path)])
    [gone] = write_query(engine._connection, "SELECT 'Ann' AS name", name, tmp_path / "gone")
    engine.declare("gone", [Column("name", "string", "direct")], [str(gone)])
    gone.unlink()
    with pytest.raises(EngineFailed, match=said) as caught:
        engine.fetch(select(sql))
    assert "Ann" not in str(caught.value)


ENDLESS = (
    "SELECT MAX(a.n + b.n) AS n FROM UNNEST(SEQUENCE(1, 200000)) AS a (n), "
    "UNNEST(SEQUENCE(1, 200000)) AS b (n), UNNEST(SEQUENCE(1, 200000)) AS c (n) WHERE a.n + b.n < c.n"
)


@pytest.mark.parametrize("is_handed_over", [False, True])
def test_an_interrupt_while_work_is_handed_to_its_thread_leaves_nothing_at_work(
    monkeypatch: pytest.MonkeyPatch, is_handed_over: bool
) -> None:
    connection = duckdb.connect()
    attended = Attended(connection)
    hand_over = ThreadPoolExecutor.submit

    def interrupted(pool: ThreadPoolExecutor, work: Callable[[], object]) -> None:
        if is_handed_over:
            hand_over(pool, work)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            attended.call(connection.execute, ENDLESS)
    assert attended.call(lambda: connection.execute("SELECT 1").fetchall()) == [(1,)]
    attended.close()


# Signals are of the whole process, and other tests' libraries handle them, too: a process of its own
# is interrupted in tests/test_query_limits.py, with every `make test`.
@pytest.mark.slow
@pytest.mark.parametrize(
    "work",
    [
        lambda engine, folder: engine.fetch(select(ENDLESS)),
        lambda engine, folder: engine.materialise("t", select(ENDLESS)),
        lambda engine, folder: engine.gather("t", select(ENDLESS)),
        lambda engine, folder: engine.write(select(ENDLESS), [Field("n", "long", 1)], folder / "t"),
    ],
)
def test_an_interrupt_reaches_it_at_once_and_stays_one(
    tmp_path: Path, work: Callable[[DuckDBEngine, Path], object]
) -> None:
    """And it can be used again, so that a run can put in order what was begun."""
    engine = DuckDBEngine(tmp_path / "scratch")
    # A library that another test of this process has loaded may have put its own in its place.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work(engine, tmp_path)
    assert time.monotonic() - begin < 5
    assert engine.fetch(select("SELECT 1 AS n")).to_pylist() == [{"n": 1}]
    engine.close()

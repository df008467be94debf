"""Spark numbers people by many tasks, and they have the numbers that one task would give them."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse
from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.engines.duckdb import DuckDBEngine
from stedi.engines.spark import SparkEngine
from stedi.engines.spark.numbering import numbered, numberings
from stedi.lakehouse import EngineName
from stedi.simulate import simulate
from stedi.sql.tree import parse, typed
from tests.conftest import on
from tests.support.contents import contents, published_bytes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ENGINES: tuple[EngineName, ...] = ("duckdb", "spark")
COLUMNS = (Column("s", "string", "none"), Column("n", "long", "none"))
NUMBERED = (
    "WITH p AS (SELECT s, ROW_NUMBER() OVER (ORDER BY s) AS person, MAX(n) AS most FROM t GROUP BY s) "
    "SELECT t.n, t.s, p.person, p.most FROM t LEFT JOIN p ON p.s = t.s"
)


def keys(seed: int) -> pa.Table:
    """Texts of all planes, some of them often, some null."""
    rng = np.random.default_rng(seed)
    letters = ["a", "B", "z", "0", "é", "ß", "\uffff", "\U0001f600", " ", "\x00", ""]
    texts = ["".join(rng.choice(letters, rng.integers(0, 4))) for _ in range(600)]
    blank = [None if rng.random() < 0.02 else text for text in texts]
    return pa.table({"s": pa.array(blank, pa.string()), "n": rng.integers(0, 1000, 600)})


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 9])
def test_many_tasks_give_the_numbers_of_one(spark: None, tmp_path: Path, parts: int) -> None:
    query = typed(parse(NUMBERED, "test"), {"t": COLUMNS}, "test")
    at_work = SparkEngine(tmp_path / "scratch")
    at_work.session.conf.set("spark.sql.shuffle.partitions", parts)
    with closing(DuckDBEngine(tmp_path / "other")) as duckdb, closing(at_work) as engine:
        for seed in range(3):  # the last numbers are of another table than these
            pq.write_table(keys(seed), tmp_path / f"{seed}.parquet")
            for one in (duckdb, engine):
                one.declare("t", COLUMNS, [str(tmp_path / f"{seed}.parquet")])
            engine._small.clear()  # as if there were too many of them for one task
            expected = sorted(map(str, duckdb.fetch(query).to_pylist()))
            assert sorted(map(str, engine.fetch(query).to_pylist())) == expected
            assert "SinglePartition" not in engine.plan(query)
        engine._small.add("t")
        assert sorted(map(str, engine.fetch(query).to_pylist())) == expected
        assert "SinglePartition" in engine.plan(query)  # few are numbered by one task
        engine.session.conf.set("spark.sql.shuffle.partitions", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_a_run_with_many_people_publishes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def noted(rows: DataFrame, number: str) -> DataFrame:
        asked.append(number)
        return numbered(rows, number)

    monkeypatch.setattr("stedi.engines.spark.numbered", noted)
    monkeypatch.setattr("stedi.engines.spark._MOST_BROADCAST_BYTES", 0)
    simulate(tmp_path / "landing", customers=400, seed=5, people=True, defects=9)
    made: list[Lakehouse] = []
    for name in ENGINES:
        shutil.copytree(tmp_path / "landing", tmp_path / name)  # with the times of its files
        lakehouse = on(name, tmp_path / name)
        lakehouse.run()
        made.append(lakehouse)
    assert set(asked) == {"person"}
    assert contents(made[1]) == contents(made[0])
    assert published_bytes(made[1]) == published_bytes(made[0])


@pytest.mark.parametrize("profile", ["seed", "strict", "shielded"])
def test_the_people_of_the_published_table_are_numbered_so(profile: str) -> None:
    declarations, table = read_declarations(packaged(), profile), "machine_learning_curated"
    identities = declarations.identities(table)
    assert identities is not None
    for query in (declarations.select(table), identities):
        [found] = numberings(query)
        assert (found.number, found.tables) == ("person", {"customer_trusted"})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT s, ROW_NUMBER() OVER (ORDER BY MAX(n)) AS person FROM t GROUP BY s",
        "SELECT s, ROW_NUMBER() OVER (ORDER BY s DESC) AS person FROM t GROUP BY s",
        "SELECT s, ROW_NUMBER() OVER (ORDER BY s NULLS FIRST) AS person FROM t GROUP BY s",
        "SELECT s, ROW_NUMBER() OVER (PARTITION BY s ORDER BY s) AS person FROM t GROUP BY s",
        "SELECT s, RANK() OVER (ORDER BY s) AS person FROM t GROUP BY s",
        "SELECT s, n, ROW_NUMBER() OVER (ORDER BY s) AS person FROM t GROUP BY s, n",
        "SELECT s, 1 + ROW_NUMBER() OVER (ORDER BY s) AS person FROM t GROUP BY s",
        "SELECT s, ROW_NUMBER() OVER (ORDER BY s) AS person FROM t GROUP BY s LIMIT 3",
        "SELECT DISTINCT s, ROW_NUMBER() OVER (ORDER BY s) AS person FROM t GROUP BY s",
        "SELECT s, ROW_NUMBER() OVER (ORDER BY s) AS person FROM t",
        "WITH c AS (SELECT s FROM t) "
        "SELECT s, ROW_NUMBER() OVER (ORDER BY s) AS person FROM c GROUP BY s",
    ],
)
def test_other_numbers_are_left_to_spark(sql: str) -> None:
    assert [*numberings(typed(parse(sql, "test"), {"t": COLUMNS}, "test"))] == []

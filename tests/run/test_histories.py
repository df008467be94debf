"""Whatever happens to a landing zone, tables are what a rebuild from nothing would give."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from stedi import Lakehouse
from stedi.lakehouse import EngineName
from stedi.roots import open_root
from stedi.status import Status
from stedi.storage.warehouse import Warehouse
from tests.conftest import on
from tests.support import redelivered, small
from tests.support.rebuild import LATE, Row, rebuild

NAMES = ("ann", "ben", "cat", "dan")
SERIALS = ("S1", "S2", "S3")
TIMES = st.sampled_from([100, 200, 300])
FILES = st.sampled_from(["a.json", "b.json", "c.json"])
ENGINES: list[EngineName] = ["duckdb"]

SPELLINGS = st.sampled_from(
    [str, str, str, str.upper, str.title, lambda email: f"{email} ", lambda email: f"a\u200b{email[1:]}"]
)  # fmt: skip


def spelled(record: dict[str, Any], spell: Callable[[str], str]) -> dict[str, Any]:
    who = "email" if "email" in record else "user"
    return record | {who: spell(record[who])}


customers = st.builds(
    spelled,
    st.builds(
        small.customer,
        st.sampled_from(NAMES),
        st.sampled_from(SERIALS),
        st.sampled_from([100, 200, 300, 100, 200, 300, LATE]),
        st.sampled_from([None, 0, 100, 250, 100, 250, LATE]),
    ),
    SPELLINGS,
)
accelerations = st.builds(
    spelled,
    st.builds(
        small.acceleration, st.sampled_from(NAMES), TIMES, st.sampled_from([0.0, -0.0, 0.25])
    ),
    SPELLINGS,
).flatmap(lambda r: st.sampled_from([r, r | {"note": "n"}]))
readings = st.builds(small.reading, st.sampled_from(SERIALS), TIMES, st.sampled_from([200, 300]))
deliveries = st.one_of(
    st.tuples(st.just("customer"), st.lists(customers, max_size=4)),
    st.tuples(st.just("accelerometer"), st.lists(accelerations, max_size=6)),
    st.tuples(st.just("step_trainer"), st.lists(readings, max_size=6)),
)


class Killed(BaseException):
    """Ends a run as `kill -9` would: nothing of ours is called any more."""


class History(RuleBasedStateMachine):
    """A landing zone to which things happen, and runs in between, some of them killed."""

    declarations: dict[bool, Path]
    engines: tuple[EngineName, ...] = ("duckdb",)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "root"
        self.root.mkdir()
        self.profile, self.has_notes, self.runs = "seed", False, 0

    def teardown(self) -> None:
        try:
            if self.runs:
                self.bring_up_to_date("duckdb")
                self.compare_with_rebuild()
        finally:
            shutil.rmtree(self.folder)

    @rule(delivery=deliveries, name=FILES)
    def deliver(self, delivery: tuple[str, list[dict[str, Any]]], name: str) -> None:
        """A new file, or another one in the place of a file."""
        source, records = delivery
        text = "".join(json.dumps(record) + "\n" for record in records)
        self.write(source, name, text)

    @rule(name=FILES, who=st.sampled_from(NAMES))
    def deliver_cut_off(self, name: str, who: str) -> None:
        """A customer record that was cut off, beside a whole one."""
        whole = json.dumps(small.customer("eve", "S1", 100, 100))
        self.write("customer", name, f'{whole}\n{{"email": "{who}@example.com", "lastUpda')

    @rule(source=st.sampled_from(["customer", "accelerometer", "step_trainer"]), name=FILES)
    def take_away(self, source: str, name: str) -> None:
        (self.root / source / "landing" / name).unlink(missing_ok=True)

    @rule(source=st.sampled_from(["customer", "accelerometer"]), one=FILES, other=FILES)
    def deliver_again(self, source: str, one: str, other: str) -> None:
        """The same bytes under another name."""
        path = self.root / source / "landing" / one
        if path.exists() and one != other:
            shutil.copy(path, path.with_name(other))

    @rule(profile=st.sampled_from(["seed", "strict"]))
    def change_profile(self, profile: str) -> None:
        self.profile = profile

    @rule()
    def change_contract(self) -> None:
        """Accelerometer records have a column more, or less, than before."""
        self.has_notes = not self.has_notes

    @rule(data=st.data())
    def run(self, data: st.DataObject) -> None:
        self.bring_up_to_date(data.draw(st.sampled_from(self.engines)))
        self.compare()

    @rule(data=st.data(), step=st.integers(0, 12), at=st.sampled_from(["before", "after"]))
    def run_and_be_killed(self, data: st.DataObject, step: int, at: str) -> None:
        """Die right before or after some commit; what is there then are whole tables."""
        with pytest.MonkeyPatch.context() as patch:
            commit, steps = Warehouse.commit, iter(range(1000))

            def dying(self: Warehouse, *args: Any, **options: Any) -> Any:
                is_last = next(steps) == step
                if is_last and at == "before":
                    raise Killed
                version = commit(self, *args, **options)
                if is_last:
                    raise Killed
                return version

            patch.setattr(Warehouse, "commit", dying)
            patch.setattr("stedi.run.execute.sweep", lambda *_: (_ for _ in ()).throw(Killed))
            with contextlib.suppress(Killed):
                self.bring_up_to_date(data.draw(st.sampled_from(self.engines)))
        self.lakehouse().status()

    @precondition(lambda self: self.runs)
    @rule()
    def look(self) -> None:
        self.lakehouse().status()

    def write(self, source: str, name: str, text: str) -> None:
        path = self.root / source / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.now = getattr(self, "now", 1_700_000_000) + 1
        os.utime(path, (self.now, self.now))

    def lakehouse(self, engine: EngineName = "duckdb") -> Lakehouse:
        return on(engine, self.root, self.declarations[self.has_notes])

    def bring_up_to_date(self, engine: EngineName) -> None:
        self.runs += 1
        self.lakehouse(engine).run(profile=self.profile)

    def compare(self) -> None:
        """Every table with what a plain computation gives."""
        expected = rebuild(self.root, self.profile, notes=self.has_notes)
        pairs = expected.pop("pairs")
        for table, rows in expected.items():
            assert exact(held(self.root, table, but="arrived")) == exact(rows), table
        assert len(held(self.root, "machine_learning_curated")) == len(pairs)
        status = self.lakehouse().status(verify=True)
        assert status.ok, status.problems
        assert all(table.freshness == "fresh" for table in status.tables.values())
        assert strays(self.root) == []

    def compare_with_rebuild(self) -> None:
        """Sums, notes and the published bytes with those of a rebuilt lakehouse."""
        self.compare()
        other = self.folder / "other"
        other.mkdir()
        for source in ("customer", "accelerometer", "step_trainer"):
            if (self.root / source / "landing").exists():
                shutil.copytree(self.root / source / "landing", other / source / "landing")
        anew = on("duckdb", other, self.declarations[self.has_notes])
        anew.run(profile=self.profile)
        one, two = self.lakehouse().status(), anew.status()
        assert one.steps == two.steps
        assert one.notes == two.notes
        assert without_copies(one) == without_copies(
            two
        )  # either of two copies may be the one read
        assert published(self.root) == published(other)


def without_copies(status: Status) -> dict[str, Any]:
    return {
        name: source.model_dump() | {"copies": len(source.copies)}
        for name, source in status.sources.items()
    }


def held(root: Path, table: str, but: str = "") -> list[Row]:
    version = Warehouse(open_root(root)).version(table)
    assert version is not None
    tables = (pq.read_table(file.path) for file in version.files)
    kept = (table.select([c for c in table.column_names if c != but]) for table in tables)
    return [tuple(row.values()) for table in kept for row in table.to_pylist()]


def exact(rows: Iterable[Row]) -> Counter[str]:
    """Rows by how they are written: -0.0 is not 0.0, though they are equal."""
    return Counter(map(repr, rows))


def published(root: Path) -> list[bytes]:
    folder = root / "step_trainer" / "curated" / "data"
    return sorted(path.read_bytes() for path in folder.rglob("*.parquet"))


def strays(root: Path) -> list[Path]:
    """Files below the tables' folders that no snapshot refers to."""
    warehouse = Warehouse(open_root(root))
    referenced: set[Path] = set()
    tables = ["loads", "quarantine", "suspended", "machine_learning_curated", "customer_trusted"]
    tables += ["customer_landing", "accelerometer_landing", "step_trainer_landing"]
    tables += ["customer_curated", "accelerometer_trusted", "step_trainer_trusted"]
    for table in tables:
        referenced |= warehouse.referenced(table)
    found = [p for part in ("data", "metadata") for p in root.glob(f"**/{part}/**/*")]
    return [path for path in found if path.is_file() and path not in referenced]


@pytest.fixture(scope="module")
def declarations(not_anonymous: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Declarations by whether accelerometer records have a column `note`.

    Records are loaded each time they are delivered, as the rebuild has them;
    test_redelivered.py has those that are loaded once.
    """
    plain = tmp_path_factory.mktemp("each-time") / "declarations"
    shutil.copytree(not_anonymous, plain)
    redelivered.each_time(plain)
    other = tmp_path_factory.mktemp("with-notes") / "declarations"
    shutil.copytree(plain, other)
    contract = other / "contracts" / "accelerometer_landing.yaml"
    text = contract.read_text()
    note = (
        "      - {name: note, logicalType: string, physicalType: string, classification: none,\n"
        "         customProperties: [{property: jsonKey, value: note}]}\n"
    )
    assert "    quality:\n" in text
    contract.write_text(text.replace("    quality:\n", f"{note}    quality:\n", 1))
    return {False: plain, True: other}


def run_histories(declarations: dict[bool, Path], engines: tuple[EngineName, ...], n: int) -> None:
    machine = type("Histories", (History,), {"declarations": declarations, "engines": engines})
    case = machine.TestCase  # type: ignore[attr-defined]
    case.settings = settings(
        max_examples=n,
        stateful_step_count=12,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    case("runTest").runTest()


def test_any_history_ends_as_a_rebuild_would(declarations: dict[bool, Path]) -> None:
    run_histories(declarations, ("duckdb",), settings().max_examples // 25)


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_any_history_on_both_engines_in_turn(declarations: dict[bool, Path]) -> None:
    run_histories(declarations, ("duckdb", "spark"), 30)

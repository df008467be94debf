"""Runs that die in the middle leave whole tables, and the next run does what is missing."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import Locked
from stedi.lakehouse import EngineName
from stedi.storage.warehouse import Warehouse
from tests.conftest import PLACES, Land, already_run, counts, rows
from tests.support import small
from tests.support.dying import run_and_stop, run_as_nobody
from tests.support.processes import Process, started, stedi
from tests.support.tables import strays


def killed_after(lakehouse: Lakehouse, seconds: float) -> bool:
    """Kill a run after so many seconds; gives whether it was still at work."""
    process = started("run", "--full", "--quiet", "--root", lakehouse.root)
    time.sleep(seconds)
    at_work = process.runs
    done = process.kill()
    assert at_work or done.returncode == 0, done.stderr
    return at_work


def assert_whole(lakehouse: Lakehouse) -> None:
    """It holds what the fixture gives, each record once, and nothing is left over."""
    assert counts(lakehouse) == small.SEED
    assert lakehouse.status(verify=True).ok
    assert strays(lakehouse) == []


@pytest.fixture(scope="module")
def length(run_once: Callable[[EngineName], Path], not_anonymous: Path) -> float:
    """How long a run takes here, in seconds."""
    root, env = run_once("duckdb"), {"STEDI_DECLARATIONS": str(not_anonymous)}
    stedi("--version")  # what others are forked from is there now
    begun = time.monotonic()
    assert started("run", "--full", "--root", root, env=env).ended().returncode == 0
    return time.monotonic() - begun


KILLS = [(PLACES[n % 2], n) for n in range(250)]


@pytest.mark.parametrize(
    ("place", "seed"),
    [*KILLS[:6], *(pytest.param(*kill, marks=pytest.mark.slow) for kill in KILLS[6:])],
    indirect=["place"],
)
def test_a_killed_run_loses_and_doubles_nothing(
    small_lakehouse: Lakehouse, length: float, seed: int
) -> None:
    random.seed(seed)
    for _ in range(2):
        while not killed_after(small_lakehouse, random.uniform(0, length)):
            pass  # it was done before
        there = {name: n for name, n in counts(small_lakehouse).items() if n is not None}
        assert there == {name: small.SEED[name] for name in there}
        counted = " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {name}" for name in there)
        assert not there or dict(rows(small_lakehouse, counted)) == there
    small_lakehouse.run()
    assert_whole(small_lakehouse)
    assert not (small_lakehouse.root / "_stedi" / "scratch").exists()


@already_run
def test_a_run_that_fails_leaves_others_what_they_use(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = small_lakehouse.query("SELECT email FROM customer_landing")
    [used] = (small_lakehouse.root / "_stedi" / "scratch").iterdir()
    abandoned = used.with_name("train-of-a-process-that-died")
    abandoned.mkdir()
    monkeypatch.setattr("stedi.run.execute.compact", lambda work: 1 / 0)
    land("customer", [small.customer("new", "S99", 100)], name="new.json")
    with pytest.raises(ZeroDivisionError):
        small_lakehouse.run()
    assert used.exists()
    assert not abandoned.exists()
    assert result.to_arrow().num_rows == small.SEED["customer_landing"]
    assert not used.parent.exists()


@already_run
@pytest.mark.parametrize("step", range(9))
def test_a_run_that_stops_before_any_commit_is_finished_by_the_next(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    land("customer", b"bad\n", name="bad.json")
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    commit, calls = Warehouse.commit, iter(range(100))

    def dying(self: Warehouse, *args: object, **kwargs: object) -> object:
        if next(calls) == step:
            raise KeyboardInterrupt
        return commit(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Warehouse, "commit", dying)
    if step < 8:
        with pytest.raises(KeyboardInterrupt):
            small_lakehouse.run()
    monkeypatch.undo()
    small_lakehouse.run()
    expected = dict(small.SEED)
    expected["accelerometer_landing"] += 1
    expected["accelerometer_trusted"] += 1
    expected["machine_learning_curated"] += 1  # S1 measured at 3000
    assert counts(small_lakehouse) == expected
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.sources["customer"].quarantined == {"not JSON": 1}
    assert strays(small_lakehouse) == []


@pytest.mark.parametrize(
    ("place", "most"),
    [(PLACES[most % 2], most) for most in (0, 1, 3, 8, 30, 200, 1000)],
    indirect=["place"],
)
def test_a_disk_that_is_full_is_said_plainly_and_leaves_whole_tables(
    small_lakehouse: Lakehouse, land: Land, most: int
) -> None:
    """No file can grow beyond so many kilobytes: as on a full disk, some write fails."""
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)] * 3000, name="more.json")
    done = started("run", "--root", small_lakehouse.root, largest_file=most << 10).ended()
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 1
        assert done.stderr.startswith("stedi: ")
        assert "should not happen" not in done.stderr
    small_lakehouse.status()
    small_lakehouse.run()
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.tables["accelerometer_trusted"].rows == small.SEED["accelerometer_trusted"] + 3000
    assert strays(small_lakehouse) == []


@already_run
@pytest.mark.parametrize(
    "closed_below",
    [
        "",
        "_stedi",
        *(
            pytest.param(of, marks=pytest.mark.slow)
            for of in ("customer/trusted", "step_trainer/curated/data")
        ),
    ],
)
def test_a_folder_that_is_read_only_is_said_plainly(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path, not_anonymous: Path, closed_below: str
) -> None:
    declarations = shutil.copytree(not_anonymous, small_lakehouse.root / "declarations")
    warm = Path(shutil.copytree(small_lakehouse.root / "customer" / "landing", tmp_path / "warm"))
    land("customer", [small.customer("ann", "S1", 900, 100)], name="newer.json")
    root = small_lakehouse.root
    above = [path for path in root.parents if "pytest" in str(path)]  # pytest's own alone
    for path in [root, *root.rglob("*"), *above]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    closed = [p for p in [root / closed_below, *(root / closed_below).rglob("*")] if p.is_dir()]
    for path in closed:
        path.chmod(0o555)
    done = Process(run_as_nobody, str(warm), str(root), declarations).ended()
    for path in closed:
        path.chmod(0o777)
    assert done.returncode == 0, done.stderr
    assert done.stdout, "it could write"
    assert "read-only" in done.stdout
    small_lakehouse.status()
    small_lakehouse.run()
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.tables["customer_landing"].rows == small.SEED["customer_landing"] + 1
    assert strays(small_lakehouse) == []


def test_status_works_before_the_first_table_is_there(small_lakehouse: Lakehouse) -> None:
    status = small_lakehouse.status()
    assert status.ok
    assert {table.freshness for table in status.tables.values()} == {"missing"}


def stopped_at(lakehouse: Lakehouse, step: int) -> Process:
    """A run that has stopped itself before its commit number `step`, and holds the lock."""
    process = Process(run_and_stop, str(lakehouse.root), str(lakehouse._declarations), step)
    assert process.stdout.readline() == "stopped\n"
    return process


@pytest.mark.parametrize("step", [0, 5, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 9))])
def test_a_second_run_stops_or_waits_as_told_and_nothing_is_doubled(
    small_lakehouse: Lakehouse, step: int
) -> None:
    first = stopped_at(small_lakehouse, step)
    with pytest.raises(Locked, match=f"worked on by process {first.pid}"):
        small_lakehouse.run()
    second = started("run", "--quiet", "--wait", "60", "--root", small_lakehouse.root)
    time.sleep(1)
    assert second.runs
    first.send_signal(signal.SIGCONT)
    assert first.ended().stdout == "done\n"
    assert second.ended().returncode == 0
    assert_whole(small_lakehouse)


@pytest.mark.parametrize("step", [2, 6])
def test_the_lock_of_a_run_that_died_is_recognised(small_lakehouse: Lakehouse, step: int) -> None:
    first = stopped_at(small_lakehouse, step)
    first.kill()
    small_lakehouse.run()
    assert_whole(small_lakehouse)


@already_run
def test_who_reads_in_the_middle_of_a_run_sees_whole_tables(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each commit another reader looks: every table is as before the run, or as after it."""
    before = contents(small_lakehouse)
    land("customer", [small.customer("ann", "S1", 900)], name="withdrawn.json")
    land("accelerometer", [small.acceleration("fay", 400, 0.75)], name="two.json")
    seen: list[dict[str, list[tuple[object, ...]]]] = []
    commit = Warehouse.commit

    def watched(self: Warehouse, *args: object, **options: object) -> object:
        seen.append(contents(small_lakehouse))
        done = commit(self, *args, **options)  # type: ignore[arg-type]
        seen.append(contents(small_lakehouse))
        return done

    monkeypatch.setattr(Warehouse, "commit", watched)
    small_lakehouse.run()
    after = contents(small_lakehouse)
    assert len(seen) >= 14
    for look in seen:
        for table, held in look.items():
            assert held in (before[table], after[table]), table


def contents(lakehouse: Lakehouse) -> dict[str, list[tuple[object, ...]]]:
    other = type(lakehouse)(lakehouse.root)
    return {table: sorted(rows(other, f"SELECT * FROM {table}"), key=repr) for table in small.SEED}


@already_run
def test_a_folder_that_can_not_be_written_is_said_plainly(small_lakehouse: Lakehouse) -> None:
    (small_lakehouse.root / "customer" / "trusted" / "data").rename(small_lakehouse.root / "aside")
    (small_lakehouse.root / "customer" / "trusted" / "data").write_text("a file where a folder was")
    done = started("run", "--root", small_lakehouse.root).ended()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("stedi: ")

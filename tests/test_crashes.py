"""Runs that die in the middle leave whole tables, and the next run does what is missing."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import Locked
from stedi.files.disk import Disk
from stedi.storage.warehouse import Warehouse
from tests import small
from tests.conftest import Land, counts, rows

STEDI = Path(sys.executable).with_name("stedi")


def killed_after(lakehouse: Lakehouse, seconds: float) -> None:
    process = subprocess.Popen(
        [STEDI, "run", "--full", "--quiet", "--root", lakehouse.root], env={**os.environ}
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def strays(lakehouse: Lakehouse) -> list[Path]:
    """Files below the tables' folders that no snapshot refers to."""
    warehouse = Warehouse(Disk(lakehouse.root))
    found: list[Path] = []
    for name, table in lakehouse.status().tables.items():
        folder = Path(table.location.removeprefix("file://"))
        referenced = warehouse.referenced(name)
        found += [p for p in folder.rglob("*") if p.is_file() and p not in referenced]
    return found


def assert_whole(lakehouse: Lakehouse) -> None:
    """It holds what the fixture gives, each record once, and nothing is left over."""
    assert counts(lakehouse) == small.SEED
    assert lakehouse.status(verify=True).ok
    assert strays(lakehouse) == []


@pytest.mark.parametrize(
    "seed", [*range(10), *(pytest.param(n, marks=pytest.mark.slow) for n in range(10, 250))]
)
def test_a_killed_run_loses_and_doubles_nothing(small_lakehouse: Lakehouse, seed: int) -> None:
    random.seed(seed)
    if seed % 2:
        small_lakehouse.run()
    for _ in range(2):
        killed_after(small_lakehouse, random.uniform(0.3, 1.6))
        status = small_lakehouse.status()
        for name, table in status.tables.items():
            assert table.rows in (None, small.SEED[name])
            if table.rows is not None:
                assert rows(small_lakehouse, f"SELECT COUNT(*) FROM {name}") == [(table.rows,)]
    small_lakehouse.run()
    assert_whole(small_lakehouse)
    assert not (small_lakehouse.root / "_stedi" / "scratch").exists()


@pytest.mark.parametrize("step", range(9))
def test_a_run_that_stops_before_any_commit_is_finished_by_the_next(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    small_lakehouse.run()
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
    monkeypatch.setenv("STEDI_SECRET", "a secret of the tests")
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


@pytest.mark.parametrize("most", [0, 1, 3, 8, 30, 200, 1000])
def test_a_disk_that_is_full_is_said_plainly_and_leaves_whole_tables(
    small_lakehouse: Lakehouse, land: Land, most: int
) -> None:
    """No file can grow beyond so many kilobytes: as on a full disk, some write fails."""
    if most % 2:
        small_lakehouse.run()
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)] * 3000, name="more.json")
    done = subprocess.run(
        [STEDI, "run", "--root", small_lakehouse.root],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most << 10, most << 10)),
    )
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


AS_NOBODY = """
import os, sys
from stedi import Lakehouse
from stedi.errors import StediError
warm, root = (Lakehouse(name, declarations=sys.argv[3]) for name in sys.argv[1:3])
warm.run()  # everything is imported now: nobody may not read this Python's folder
if os.geteuid() == 0:  # who may write anywhere
    os.setgid(65534)
    os.setuid(65534)
try:
    root.run()
except StediError as error:
    print(error)
"""


@pytest.mark.parametrize("place", ["", "_stedi", "customer/trusted", "step_trainer/curated/data"])
def test_a_folder_that_is_read_only_is_said_plainly(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path, not_anonymous: Path, place: str
) -> None:
    small_lakehouse.run()
    declarations = shutil.copytree(not_anonymous, small_lakehouse.root / "declarations")
    warm = Path(shutil.copytree(small_lakehouse.root / "customer" / "landing", tmp_path / "warm"))
    land("customer", [small.customer("ann", "S1", 900, 100)], name="newer.json")
    root = small_lakehouse.root
    above = [path for path in root.parents if "pytest" in str(path)]  # pytest's own alone
    for path in [root, *root.rglob("*"), *above]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    closed = [p for p in [root / place, *(root / place).rglob("*")] if p.is_dir()]
    for path in closed:
        path.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, warm, root, declarations],
        capture_output=True,
        text=True,
        check=False,
    )
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


def stopped_at(lakehouse: Lakehouse, step: int) -> subprocess.Popen[str]:
    """A run that has stopped itself before its commit number `step`, and holds the lock."""
    code = (
        "import os, signal, sys\n"
        "from stedi import Lakehouse\n"
        "from stedi.storage.warehouse import Warehouse\n"
        "commit, steps = Warehouse.commit, iter(range(100))\n"
        "def stopping(self, *args, **options):\n"
        "    if next(steps) == int(sys.argv[2]):\n"
        "        print('stopped', flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    return commit(self, *args, **options)\n"
        "Warehouse.commit = stopping\n"
        "Lakehouse(sys.argv[1], declarations=os.environ['STEDI_DECLARATIONS']).run()\n"
        "print('done', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, lakehouse.root, str(step)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    return process


@pytest.mark.parametrize("step", [0, 3, 5, 9])
def test_a_second_run_stops_or_waits_as_told_and_nothing_is_doubled(
    small_lakehouse: Lakehouse, step: int
) -> None:
    first = stopped_at(small_lakehouse, step)
    with pytest.raises(Locked, match=f"worked on by process {first.pid}"):
        small_lakehouse.run()
    command = [str(STEDI), "run", "--quiet", "--wait", "60", "--root", str(small_lakehouse.root)]
    second = subprocess.Popen(command)
    time.sleep(1)
    assert second.poll() is None
    first.send_signal(signal.SIGCONT)
    assert first.communicate()[0] == "done\n"
    assert second.wait() == 0
    assert_whole(small_lakehouse)


@pytest.mark.parametrize("step", [2, 6])
def test_the_lock_of_a_run_that_died_is_recognised(small_lakehouse: Lakehouse, step: int) -> None:
    first = stopped_at(small_lakehouse, step)
    first.kill()
    first.communicate()
    small_lakehouse.run()
    assert_whole(small_lakehouse)


def test_who_reads_in_the_middle_of_a_run_sees_whole_tables(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each commit another reader looks: every table is as before the run, or as after it."""
    small_lakehouse.run()
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


def test_a_folder_that_can_not_be_written_is_said_plainly(small_lakehouse: Lakehouse) -> None:
    small_lakehouse.run()
    (small_lakehouse.root / "customer" / "trusted" / "data").rename(small_lakehouse.root / "aside")
    (small_lakehouse.root / "customer" / "trusted" / "data").write_text("a file where a folder was")
    done = subprocess.run(
        [STEDI, "run", "--root", small_lakehouse.root], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("stedi: ")

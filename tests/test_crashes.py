"""Runs that die in the middle leave whole tables, and the next run does what is missing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stedi import Lakehouse
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
    warehouse = Warehouse(lakehouse.root)
    found: list[Path] = []
    for name, table in lakehouse.status().tables.items():
        folder = Path(table.location.removeprefix("file://"))
        referenced = warehouse.referenced(name)
        found += [p for p in folder.rglob("*") if p.is_file() and p not in referenced]
    return found


@pytest.mark.parametrize("seed", range(8))
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
    assert counts(small_lakehouse) == small.SEED
    assert small_lakehouse.status(verify=True).ok
    assert strays(small_lakehouse) == []
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

"""Erasures that die at any point leave whole tables and files, and the next command finishes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from tests.conftest import Land, already_run
from tests.rights.conftest import assert_whole, named, rows_on_disk, without
from tests.support import small
from tests.support.dying_erasure import erase_and_die
from tests.support.processes import Process, started, stedi
from tests.support.traces import holding

ANN, S1 = "ann@example.com", "S1"
ABOUT_EVENTS = 250
"""How many things an erasure of the small landing zone does to files."""


def killed_at(lakehouse: Lakehouse, step: int) -> bool:
    """Whether an erasure was killed there; it may have been done before."""
    done = Process(
        erase_and_die, str(lakehouse.root), str(lakehouse._declarations), ANN, step
    ).ended()
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


def assert_raw_files_whole(root: Path) -> None:
    """Each raw file is as it was, or as it is to be."""
    for source, records in (
        ("customer", small.CUSTOMERS),
        ("accelerometer", small.ACCELEROMETER),
        ("step_trainer", small.STEP_TRAINER),
    ):
        path = root / source / "landing" / "one.json"
        text = path.read_text()
        assert text.count("\n") in (len(records), len(records) - (1 if source == "customer" else 3))


def receipts(lakehouse: Lakehouse) -> list[Mapping[str, Any]]:
    """What receipts say, oldest first; each is checked."""
    folder = lakehouse.root / "_stedi" / "receipts"
    return sorted(map(lakehouse.check_receipt, folder.glob("*")), key=lambda one: one["begun"])


def assert_receipt_without_proof(lakehouse: Lakehouse) -> None:
    """There is one receipt: of what was done, and that nobody has looked since."""
    [receipt] = receipts(lakehouse)
    assert receipt["removed"]["records"] == ANNS
    assert receipt["done"] >= receipt["begun"]
    assert receipt["verified"] == {"at": None, "proven": False}
    [path] = (lakehouse.root / "_stedi" / "receipts").iterdir()
    assert "**Not verified yet.**" in path.read_text()
    assert "the proof was NOT made yet" in stedi(
        "erase", "--receipt", path, "--root", lakehouse.root
    )


ANNS = {"accelerometer": 3, "customer": 1, "step_trainer": 3}
STEPS = [1, 25, 61, 170]
EVERY = [n for n in range(1, ABOUT_EVENTS) if n not in STEPS]


@already_run
@pytest.mark.parametrize(
    "step", [*STEPS, *(pytest.param(n, marks=pytest.mark.slow) for n in EVERY)]
)
def test_a_killed_erasure_is_finished_by_the_next_run_or_erasure(
    small_lakehouse: Lakehouse, step: int
) -> None:
    before = rows_on_disk(small_lakehouse.root)
    was_killed = killed_at(small_lakehouse, step)
    assert was_killed or step > 60
    assert_raw_files_whole(small_lakehouse.root)
    small_lakehouse.status()
    is_begun = (small_lakehouse.root / "_stedi" / "erasure.json").exists()
    assert not (is_begun and receipts(small_lakehouse))
    if is_begun and step % 2:
        small_lakehouse.run()
        assert_receipt_without_proof(small_lakehouse)
        assert small_lakehouse.prove_erased([("email", ANN)]).holds
        assert_receipt_without_proof(small_lakehouse)  # of S1 nothing was proven
        assert small_lakehouse.prove_erased([("email", ANN), ("serial-number", S1)]).holds
        [receipt] = receipts(small_lakehouse)
        assert receipt["verified"]["proven"] is True
    else:
        forgotten = small_lakehouse.erase([("email", ANN)])
        assert forgotten
        assert forgotten.proof.holds, forgotten.proof
        assert receipts(small_lakehouse)[-1]["verified"]["proven"] is True
        assert not is_begun or receipts(small_lakehouse)[0]["removed"]["records"] == ANNS
    assert holding(small_lakehouse.root, ANN, '"S1"') == []
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    dropped = {name: s.dropped for name, s in small_lakehouse.status().sources.items()}
    assert dropped == {
        "customer": {"erased": 1}, "accelerometer": {"erased": 3}, "step_trainer": {"erased": 3},
    }  # fmt: skip
    assert_whole(small_lakehouse)


@already_run
def test_a_delivery_between_a_kill_and_the_next_run_does_not_bring_them_back(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    assert killed_at(small_lakehouse, 60)
    small.land(small_lakehouse.root)
    land("customer", [small.customer("ann", "S9", 300, consent=300)], name="more.json")
    small_lakehouse.run()
    assert holding(small_lakehouse.root, ANN) == []
    assert_whole(small_lakehouse)


@already_run
@pytest.mark.parametrize("most", [0, 1, 4])
def test_a_disk_that_is_full_is_said_plainly_and_the_next_finishes(
    small_lakehouse: Lakehouse, most: int
) -> None:
    before = rows_on_disk(small_lakehouse.root)
    done = started(
        "erase", "--email", ANN, "--yes", "--root", small_lakehouse.root, largest_file=most << 10
    ).ended()
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert done.stderr.startswith("stedi: ")
    assert "should not happen" not in done.stderr
    assert ANN not in done.stderr
    assert_raw_files_whole(small_lakehouse.root)
    small_lakehouse.erase([("email", ANN)])
    assert holding(small_lakehouse.root, ANN) == []
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    assert_whole(small_lakehouse)

"""A run compares the files that it reads with what a run wrote, and rebuilds what was changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stedi import Lakehouse
from tests.conftest import Land, already_run, counts
from tests.support import small


def tamper(path: Path) -> None:
    """Change one byte: of somebody's e-mail, where that stands in the file as it is."""
    before = path.read_bytes()
    at = max(before.find(b"ann@example.com"), len(before) // 3)
    path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])


@already_run
@pytest.mark.parametrize(
    ("table", "new"),
    [
        ("customer/typed", "customer"),  # read whole to say who consents
        ("customer/trusted", "accelerometer"),  # a lookup table
        ("accelerometer/trusted", "accelerometer"),  # to be published
        ("_stedi/loads", "customer"),
    ],
)
def test_a_run_that_reads_a_changed_file_rebuilds_its_table(
    small_lakehouse: Lakehouse, land: Land, table: str, new: str
) -> None:
    root = small_lakehouse.root
    more = {
        "customer": [small.customer("pat", "S20", 100)],
        "accelerometer": [small.acceleration("ann", 3000, 0.7)],
    }
    land(new, more[new], "two.json")
    [path, *_] = (root / table / "data").glob("*/*.parquet")
    tamper(path)
    report = small_lakehouse.run()
    assert any(path.name in remark and "changed" in remark for remark in report.remarks)
    expected = {**small.SEED}
    expected[f"{new}_landing"] += 1
    if new == "accelerometer":
        expected["accelerometer_trusted"] += 1
        expected["machine_learning_curated"] += 1
    assert counts(small_lakehouse) == expected
    assert small_lakehouse.status(verify=True).ok
    assert small_lakehouse.run().built == ()


@already_run
def test_no_changed_file_is_merged_with_others(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.run.compact._MOST_IN_TIER", 2)
    [path] = (small_lakehouse.root / "step_trainer/typed/data").glob("*/*.parquet")
    tamper(path)
    land("step_trainer", [small.reading("S2", 5000, 900)], "two.json")
    report = small_lakehouse.run()
    assert any(path.name in remark for remark in report.remarks)
    assert small_lakehouse.status(verify=True).problems == []
    assert counts(small_lakehouse)["step_trainer_landing"] == small.SEED["step_trainer_landing"] + 1


@already_run
def test_a_file_that_no_run_reads_whole_is_left_to_verify(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    [path] = (small_lakehouse.root / "step_trainer/typed/data").glob("*/*.parquet")
    tamper(path)
    land("step_trainer", [small.reading("S2", 5000, 900)], "two.json")
    small_lakehouse.run()
    [problem] = small_lakehouse.status(verify=True).problems
    assert path.name in problem and "stedi run --full" in problem


@already_run
def test_landing_files_restored_with_other_times_are_the_same_to_verify(
    small_lakehouse: Lakehouse,
) -> None:
    for path in small_lakehouse.root.glob("*/landing/*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert len(small_lakehouse.status().problems) == 3
    assert small_lakehouse.status(verify=True).problems == []
    path.write_bytes(path.read_bytes().replace(b"ann", b"anx").replace(b"S1", b"S0"))
    [problem] = small_lakehouse.status(verify=True).problems
    assert path.name in problem and "changed since it was read" in problem

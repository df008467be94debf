"""Simulated people walk, stand and balance, change their minds, and share Step Trainers."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stedi.arrays import Bools, Float64s
from stedi.simulate import simulate
from stedi.simulate.motion import BALANCING, STANDING, WALKING, Motion, draw_motion, measured
from stedi.simulate.population import batches, moments
from tests.support.contents import digest

NEAR_MM = 250


def records(root: Path, source: str) -> list[dict[str, Any]]:
    files = sorted((root / source / "landing").iterdir())
    return [
        json.loads(line)
        for file in files
        if "again" not in file.name
        for line in file.read_text().splitlines()
    ]


def auc(score: Float64s, positive: Bools) -> float:
    """How often the score puts one positive and one negative in order."""
    rank = np.argsort(np.argsort(score)) + 1.0
    count = int(positive.sum())
    above: float = rank[positive].sum() - count * (count + 1) / 2
    return above / (count * (len(score) - count))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    simulate(folder, customers=1_000, seed=4, people=True)
    return folder


@pytest.fixture(scope="module")
def motion() -> Motion:
    [people] = batches(1_000, seed=4)
    return draw_motion(people.rng, moments(people), 1_000)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, customers=80, seed=seed, people=True, defects=2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    truths = [(tmp_path / name / "truth.json").read_text() for name in "ab"]
    assert truths[0] == truths[1]


def test_a_reading_has_several_accelerometer_records_of_the_same_time(root: Path) -> None:
    readings = Counter((r["user"], r["timestamp"]) for r in records(root, "accelerometer"))
    assert set(readings.values()) == {2, 3, 4}
    assert len(readings) == 30_000


def test_accelerations_are_decimals_of_a_few_g(root: Path) -> None:
    accelerations = [r[axis] for r in records(root, "accelerometer") for axis in "xyz"]
    assert all(isinstance(value, float) and abs(value) <= 3 for value in accelerations)
    assert len(set(accelerations)) > 5_000


def test_all_three_activities_occur_and_most_time_is_spent_walking(motion: Motion) -> None:
    shares = np.bincount(motion.activity) / len(motion.activity)
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.03)
    per_person = motion.activity.reshape(1_000, 30)
    changes = (np.diff(per_person, axis=1) != 0).sum(axis=1)
    assert changes.max() == 2, "each activity is one bout"


def test_a_phone_at_rest_feels_gravity_and_a_walking_one_more(motion: Motion) -> None:
    strength = np.sqrt(motion.x**2 + motion.y**2 + motion.z**2)
    spread = [strength[motion.activity == a].std() for a in (STANDING, BALANCING, WALKING)]
    assert strength[motion.activity == STANDING].mean() == pytest.approx(1, abs=0.01)
    assert 0.005 < spread[0] < spread[1] < 0.1 < spread[2]


def test_only_a_walking_foot_comes_near_the_device(motion: Motion) -> None:
    is_near = motion.distance < NEAR_MM
    assert not is_near[motion.activity != WALKING].any()
    assert is_near[motion.activity == WALKING].mean() == pytest.approx(0.5, abs=0.1)


def test_acceleration_tells_something_of_the_distance_but_not_all(motion: Motion) -> None:
    [people] = batches(1_000, seed=4)
    measurements = measured(people.rng, motion)
    is_near = (motion.distance < NEAR_MM)[measurements.reading]
    x, y, z = (
        np.array(axis.to_pylist()).astype(float)
        for axis in (measurements.x, measurements.y, measurements.z)
    )
    assert 0.6 < auc(x, is_near) < 0.9
    assert 0.6 < auc(abs(np.sqrt(x**2 + y**2 + z**2) - 1), is_near) < 0.9


def test_consent_comes_late_changes_and_is_withdrawn(root: Path) -> None:
    histories: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for record in records(root, "customer"):
        is_given = bool(record.get("shareWithResearchAsOfDate"))
        histories[record["email"]].append((record["lastUpdateDate"], is_given))
    found = {tuple(given for _, given in sorted(history)) for history in histories.values()}
    assert {(False, True), (True, False), (True, True), (True, False, True)} <= found
    assert any(
        len(history) == 2 and history[0][0] == history[1][0] for history in histories.values()
    ), "two records of one instant"


def test_no_consent_is_spelled_in_every_way(root: Path) -> None:
    spelled = {
        repr(r.get("shareWithResearchAsOfDate", "absent")) for r in records(root, "customer")
    }
    assert {"'absent'", "None", "''", "0"} <= spelled


def test_records_of_a_customer_lie_in_any_file_and_order(root: Path) -> None:
    main, later = (
        [json.loads(line)["email"] for line in path.read_text().splitlines()]
        for path in (
            root / "customer" / "landing" / "customer-00000.json",
            root / "customer" / "landing" / "customer-00000-later.json",
        )
    )
    assert set(main) & set(later)
    assert main != sorted(main)


def test_some_step_trainers_belong_to_two_or_three_customers(root: Path) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for record in records(root, "customer"):
        owners[record["serialNumber"]].add(record["email"])
    shared = Counter(len(emails) for emails in owners.values())
    assert shared[2] >= 10
    assert shared[3] >= 3
    assert shared[1] > 900


def test_some_files_are_delivered_twice(root: Path) -> None:
    for source in ("customer", "accelerometer", "step_trainer"):
        folder = root / source / "landing"
        again = (folder / f"{source}-00000-again.json").read_bytes()
        assert again == (folder / f"{source}-00000.json").read_bytes()

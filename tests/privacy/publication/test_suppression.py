"""Rows that can't be published: as few as it takes are left out, as far as a contract lets it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stedi import Lakehouse, NotAnonymous
from stedi.declared import packaged
from stedi.privacy.publication.search import points, shortcomings
from stedi.privacy.publication.suppression import OVER_CAP, SUPPRESSED, suppress
from tests.conftest import Land
from tests.support import small
from tests.support.attacked import TWO_SIDES


@given(
    seed=st.integers(0, 2**32 - 1), count=st.integers(1, 300), people=st.integers(2, 40),
    share=st.sampled_from([0.0, 0.02, 0.2, 0.9]), cap=st.sampled_from([None, 3, 20]),
)  # fmt: skip
def test_what_is_left_is_good_and_what_is_left_out_is_counted_and_bounded(
    seed: int, count: int, people: int, share: float, cap: int | None
) -> None:
    rng = np.random.default_rng(seed)
    declared = replace(TWO_SIDES, suppress=share, rows_per_person=cap)
    columns = {
        "t": rng.choice([5.0, 30.0, 40.0], count, p=[0.02, 0.5, 0.48]),
        "x": rng.integers(-8, 8, count).astype(float),
        "y": rng.integers(0, 8, count).astype(float),
    }
    sides = [rng.geometric(min(3 / people, 0.6), count) for _ in range(2)]
    found = points(declared, columns, sides)
    fewer = suppress(found, declared)
    assert sum(fewer.reasons.values()) == count - fewer.kept.sum()
    assert fewer.reasons.get(SUPPRESSED, 0) <= share * count
    is_good = not any(shortcomings(found, declared))
    assert not is_good or fewer.kept.all() or OVER_CAP in fewer.reasons
    for side in sides:
        most = np.unique(side[fewer.kept], return_counts=True)[1].max(initial=0)
        assert cap is None or most <= cap
    if SUPPRESSED in fewer.reasons:
        assert not any(shortcomings(fewer.points, declared))
    if cap is None and share == 0:
        assert fewer.kept.all()
    order = rng.permutation(count)
    other = suppress(
        points(declared, {n: c[order] for n, c in columns.items()}, [s[order] for s in sides]),
        declared,
    )
    left, as_left = (np.sort(f.points.rows.view([("", "i4")] * 6), axis=0) for f in (fewer, other))
    assert (left == as_left).all()


def landed(land: Land, readings: list[tuple[str, int]]) -> None:
    """Land a matched reading for each: a person, and a distance."""
    people = sorted({name for name, _ in readings})
    land("customer", [small.customer(name, f"S{name}", 100, consent=100) for name in people])
    times = [(name, 1000 + n, distance) for n, (name, distance) in enumerate(readings)]
    land("accelerometer", [small.acceleration(name, time, 0.5) for name, time, _ in times])
    land("step_trainer", [small.reading(f"S{name}", time, mm) for name, time, mm in times])


EVERYBODY = [(f"p{n}", 300) for n in range(40) for _ in range(10)]


@pytest.mark.parametrize(
    ("more", "reason", "left_out"),
    [
        ([("p7", 249)], SUPPRESSED, 1),
        ([("p7", 249), ("p8", 3), ("p9", 17)], SUPPRESSED, 3),
        ([("p7", 300)] * 1_700, OVER_CAP, 850),
        ([("p7", 300)] * 860, OVER_CAP, 10),  # though nobody has too large a share
    ],
)
def test_one_person_no_longer_withholds_the_table_from_everybody(
    land: Land, tmp_path: Path, more: list[tuple[str, int]], reason: str, left_out: int
) -> None:
    readings = EVERYBODY if reason == SUPPRESSED else EVERYBODY * 15
    landed(land, [*readings, *more])
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.run()
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    step = status.steps["machine_learning_curated"]
    assert step.dropped == {reason: left_out}
    assert step.in_ == len(readings) + len(more) == step.kept + left_out
    audit = lakehouse.audit()
    assert audit.ok, audit.problems
    assert audit.suppressed == left_out
    assert audit.rows == step.kept
    lakehouse.release(tmp_path / "release")
    sheet = (tmp_path / "release" / "README.md").read_text()
    assert "some were left out" in sheet
    assert reason not in sheet  # its count would be of one person


def test_more_than_the_contract_lets_is_withheld(land: Land, tmp_path: Path) -> None:
    landed(land, [*EVERYBODY, *[("p7", 249)] * 5])
    with pytest.raises(NotAnonymous, match="there are rows of 1 person, and 5 are needed"):
        Lakehouse(tmp_path / "root").run()


def test_without_a_word_of_the_contract_nothing_is_left_out(land: Land, tmp_path: Path) -> None:
    declarations = tmp_path / "declarations"
    shutil.copytree(str(packaged()), declarations)
    contract = declarations / "contracts" / "machine_learning_curated.yaml"
    lines = contract.read_text().splitlines(keepends=True)
    contract.write_text("".join(line for line in lines if "suppress:" not in line))
    landed(land, [*EVERYBODY, ("p7", 249)])
    with pytest.raises(NotAnonymous, match="there are rows of 1 person, and 5 are needed"):
        Lakehouse(tmp_path / "root", declarations=declarations).run()

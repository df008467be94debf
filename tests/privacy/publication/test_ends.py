"""Where axes end: one person's outermost readings move nothing that is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stedi import Lakehouse
from stedi.arrays import Float64s, Int64s
from stedi.privacy.audit.checks import problems
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication.boxes import Range, table_of_boxes
from stedi.privacy.publication.ends import draw_in
from stedi.privacy.publication.search import points, search, shortcomings
from tests.support.attacked import PUBLICATION, TWO_SIDES, evidence_of, rows_around


def published(columns: dict[str, Float64s], sides: list[Int64s]) -> dict[str, Range] | None:
    on_grid = points(TWO_SIDES, columns, sides)
    if any(shortcomings(on_grid, TWO_SIDES)):
        return None
    return table_of_boxes(TWO_SIDES, search(on_grid, TWO_SIDES))


def test_ends_are_nobodys_values() -> None:
    rng = np.random.default_rng(8)
    people = rng.permutation(np.repeat(np.arange(60), 40))
    rows = np.zeros((2_400, 5), np.int32)
    rows[:, 2] = rows[:, 3] = people
    rows[:, 4] = rng.normal(50_000, 9_000, 2_400)
    measured = set(rows[:, 4].tolist())
    ends = draw_in(rows, 60, 1, np.zeros((1, 2), np.int32), 5, 10)
    [[least, most]] = ends.axes.tolist()
    assert not measured & {least, most}
    assert least % 1_024 == most % 1_024 == 0  # a round number among those that will do


def test_somebody_with_many_rows_does_not_keep_everybody_in_one_box() -> None:
    rng = np.random.default_rng(9)
    for rows_of_one, people_below in ((450, 60), (500, 80), (1_200, 290), (40, 12)):
        side = np.concatenate([np.repeat(np.arange(300), 40), np.full(rows_of_one, 7)])
        count = len(side)
        t = np.where((side < people_below) & (rng.random(count) < 0.5), 5.0, 30.0)
        columns = {
            "t": t,
            "x": np.rint(rng.normal(0, 200, count)).clip(-1_000, 1_000),
            "y": np.rint(rng.normal(1_000, 200, count)).clip(0, 2_000),
        }
        declared = replace(TWO_SIDES, k=5, people_per_box=20)
        on_grid = points(declared, columns, [side, side])
        assert not any(shortcomings(on_grid, declared))
        assert len(search(on_grid, declared).regions) > 20


def people_beyond(values: Float64s, side: Int64s, least: float, most: float) -> tuple[int, int]:
    """How many people have values as far out as these, on either end."""
    return len(set(side[values <= least].tolist())), len(set(side[values >= most].tolist()))


@given(
    seed=st.integers(0, 2**32 - 1), count=st.integers(20, 400), people=st.integers(3, 60),
    tail=st.sampled_from([0.0, 1.5, 3.0]),
)  # fmt: skip
def test_people_have_readings_beyond_whatever_is_published(
    seed: int, count: int, people: int, tail: float
) -> None:
    rng = np.random.default_rng(seed)
    spread = np.exp(tail * rng.normal(size=count))
    columns = {
        "t": rng.integers(0, 64, count).astype(float),
        "x": np.rint(rng.normal(0, 4 * spread)).clip(-1_000, 1_000),
        "y": np.rint(rng.normal(1_000, 20 * spread)).clip(0, 2_000),
    }
    sides = [rng.integers(0, people, count) for _ in range(2)]
    ranges = published(columns, sides)
    if ranges is None:
        return
    for name, values in columns.items():
        told = ranges[name].values
        for side in sides if told.min() < told.max() else ():
            assert min(people_beyond(values, side, told.min(), told.max())) >= TWO_SIDES.k
        assert ranges[name].begins.min() == -np.inf  # whatever lies further out belongs there, too
        assert ranges[name].ends.max() == np.inf


@pytest.mark.parametrize(
    "outlier",
    [
        ("x", 900.0),
        ("x", -900.0),
        ("y", 2_000.0),
        ("y", 0.0),
        ("t", 63.0),
        ("x", 57.5),
        ("x", 1e300),
    ],
)
def test_one_reading_however_far_out_moves_no_published_value(outlier: tuple[str, float]) -> None:
    rng = np.random.default_rng(5)
    side = np.repeat(np.arange(50), 20)
    columns = {
        "t": rng.integers(0, 40, 1_000).astype(float),
        "x": np.rint(rng.normal(0, 8, 1_000)),
        "y": np.rint(rng.normal(1_000, 30, 1_000)),
    }
    name, value = outlier
    is_low = value < np.median(columns[name])
    place = int(np.argmin(columns[name]) if is_low else np.argmax(columns[name]))
    before = published(columns, [side, side])
    moved = {**columns, name: columns[name].copy()}
    moved[name][place] = value
    after = published(moved, [side, side])
    assert before is not None
    assert after is not None
    for column in columns:
        assert (before[column].values == after[column].values).all()


def test_the_audit_finds_published_values_that_only_one_person_reaches() -> None:
    rng = np.random.default_rng(2)
    places = rng.uniform(300, 600, (40, 3))
    raw, others = (rows_around(places + n, rng, 30, 10) for n in range(2))
    raw.columns["x"][7] = 998
    evidence = evidence_of(raw, others)
    assert problems(evidence, [], [], [])["ends"] == []
    far = {n: np.repeat(v, evidence.stored.counts) for n, v in evidence.stored.columns.items()}
    far["x"][0] = 990
    stored = Stored.of([far])
    changed = Evidence.of_rows(PUBLICATION, stored, evidence.values, raw, others, evidence.boxes)
    found = problems(changed, [], [], [])["ends"]
    assert found == ["as far out as the greatest value of x are readings of only 1 person"]


def edited(root: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the accelerometer records of a landing zone, one by one."""
    for file in (root / "accelerometer" / "landing").iterdir():
        records = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
        for record in records:
            change(record)
        file.write_text("\n".join(map(json.dumps, records)))


def test_readings_that_cannot_be_are_warned_of_and_change_next_to_nothing(tmp_path: Path) -> None:
    means = []
    for name, value in (("as it was", None), ("far out", 100.0)):
        lakehouse = Lakehouse(tmp_path / name)
        lakehouse.simulate(lakehouse.root, customers=300, seed=5, people=True)
        edited(lakehouse.root, partial(move_one, value, {}))
        lakehouse.run()
        audit = lakehouse.audit()
        assert audit.ok, audit.problems
        [[mean, most]] = rows(lakehouse)
        means.append((mean, most))
        told = {note.code for note in lakehouse.status().notes}
        assert ("acceleration_out_of_range" in told) == (value is not None)
    assert means[1][0] == pytest.approx(means[0][0], abs=0.01)
    assert means[1][1] == pytest.approx(means[0][1], abs=0.05)


def move_one(value: float | None, seen: dict[str, int], record: dict[str, object]) -> None:
    """Set x of one record: the fifth of the eighth person."""
    user = str(record["user"])
    seen[user] = seen.get(user, 0) + 1
    if value is not None and seen[user] == 5 and len(seen) == 8:
        record["x"] = value


def rows(lakehouse: Lakehouse) -> list[list[float]]:
    table = lakehouse.query("SELECT AVG(x) AS mean, MAX(x) AS most FROM machine_learning_curated")
    return [[float(v) for v in row.values()] for row in table.to_arrow().to_pylist()]


def test_a_column_that_is_spread_otherwise_than_before_is_warned_of(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=300, seed=5, people=True)
    phones: dict[str, int] = {}

    def change(record: dict[str, object]) -> None:
        phone = phones.setdefault(str(record["user"]), len(phones))
        if phone % 20 == 0:  # one in twenty measures a hundred times too much
            record["z"] = float(str(record["z"])) * 100

    edited(lakehouse.root, change)
    lakehouse.run()
    [note] = [n for n in lakehouse.status().notes if n.code == "z_spread"]
    assert "smaller than the raw one" in note.text
    [warning] = [w for w in lakehouse.audit().warnings if "of z " in w]
    assert "smaller than the raw one" in warning

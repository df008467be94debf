"""Two publications compared: what a reader can infer about people who joined or left in between."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stedi import Lakehouse
from stedi.declared.contract import Coarsened, Publication
from stedi.privacy.comparison import Edition, compared, narrow, regions_of
from stedi.privacy.publication.boxes import Range, table_of_boxes
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.search import points, search
from tests.support import small

SMALL = Publication(
    k=2,
    people_per_box=4,
    people=("person",),
    target=Coarsened("t", 0, 63, 1, edges=(32,)),
    axes=(Coarsened("x", 0, 63, 1), Coarsened("y", -8, 7.5, 0.5)),
    working_columns=(),
    controls=None,
)


def round_parts(least: int, most: int) -> dict[int, list[tuple[int, int]]]:
    """All parts of a range that have round ends, by their doubled middle: at most five steps."""
    found: dict[int, list[tuple[int, int]]] = {}
    step = 1
    while step < 4 * (most - least + 1):
        for first in range(least // step, most // step + 1):
            for steps in range(1, 6):
                low, high = max(least, first * step), min(most, (first + steps) * step - 1)
                found.setdefault(low + high, []).append((low, high))
        step *= 2
    return found


@given(st.integers(0, 100), st.integers(0, 70))
def test_a_published_value_narrows_its_range_to_the_widest_that_it_can_stand_for(
    least: int, more: int
) -> None:
    parts = round_parts(least, least + more)
    halves = np.array(sorted(parts))
    low = np.full(len(halves), least, np.int32)
    high = np.full(len(halves), least + more, np.int32)
    narrow(low, high, halves)
    widest = [max(parts[half], key=lambda part: part[1] - part[0]) for half in sorted(parts)]
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == widest


def test_a_value_that_stands_for_no_part_tells_nothing() -> None:
    low, high = np.array([8], np.int32), np.array([20], np.int32)
    narrow(low, high, np.array([90]))
    assert (low[0], high[0]) == (8, 20)


def test_regions_are_the_smallest_that_are_unions_of_classes_in_both() -> None:
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(60), 4)
    columns = {
        "t": rng.integers(0, 64, 240).astype(float),
        "x": rng.integers(0, 64, 240).astype(float),
        "y": rng.integers(-16, 16, 240) / 2,
    }
    left, came = person < 4, person >= 50
    editions, classes, cells = [], [], []
    for is_there in (~came, ~left):
        own = {name: column[is_there] for name, column in columns.items()}
        partition = search(points(SMALL, own, [person[is_there]]), SMALL)
        boxes = table_of_boxes(SMALL, partition)
        editions.append(Edition(boxes, partition.counts))
        stayed = {name: column[~came & ~left] for name, column in columns.items()}
        coded = points(SMALL, stayed, [person[~came & ~left]])
        classes.append(Coder(boxes, coded).classes_of(coded.rows))
        cells.append(knowable(boxes))
    before, now = editions
    regions = regions_of(SMALL, before, now)
    first, second = regions[: len(before.counts)], regions[len(before.counts) :]
    # Who stayed is in the same region in both.
    assert (first[classes[0]] == second[classes[1]]).all()
    expected = components(*cells)
    assert len(set(expected)) > 5
    assert len(set(zip(expected, regions.tolist(), strict=True))) == len(set(expected))
    assert len(set(regions.tolist())) == len(set(expected))


Cells = list[list[tuple[int, int]]]


def knowable(boxes: dict[str, Range]) -> Cells:
    """Where the rows of each class can lie, column by column, in numbers of its grid."""
    found = []
    for grid in (*SMALL.axes, SMALL.target):
        assert grid is not None
        one, size = boxes[grid.column], round((grid.maximum - grid.minimum) / grid.grid)

        def number(value: float, grid: Coarsened = grid) -> float:
            return (value - grid.minimum) / grid.grid

        column = []
        for begin, end, value in zip(one.begins, one.ends, one.values, strict=True):
            least = 0 if np.isinf(begin) else round(number(begin) + 0.5)
            most = size if np.isinf(end) else round(number(end) - 0.5)
            if np.isinf(begin) or np.isinf(end):  # what lies beyond an end is published as there
                column.append((least, most))
                continue
            parts = round_parts(least, most)[round(2 * number(value))]
            column.append(max(parts, key=lambda part: part[1] - part[0]))
        found.append(column)
    return [list(one) for one in zip(*found, strict=True)]


def components(before: Cells, now: Cells) -> list[int]:
    """The connected components of classes that overlap, found by relabelling until all is still."""
    label = list(range(len(before) + len(now)))
    everything = [*before, *now]
    pairs = [
        (a, b)
        for a, b in combinations(range(len(everything)), 2)
        if (a < len(before) <= b)
        and all(
            one[0] <= other[1] and other[0] <= one[1]
            for one, other in zip(everything[a], everything[b], strict=True)
        )
    ]
    changed = True
    while changed:
        changed = False
        for a, b in pairs:
            if label[a] != label[b]:
                label[a] = label[b] = min(label[a], label[b])
                changed = True
    return label


def test_who_came_elsewhere_does_not_hide_who_left(tmp_path: Path) -> None:
    def land(people: range, distance: int, name: str) -> None:
        who = [(f"p{n}", f"s{n}", 1000 + n) for n in people]
        consents = [small.customer(person, serial, 1, 1) for person, serial, _ in who]
        small.write(tmp_path, "customer", consents, name)
        phones = [small.acceleration(person, time, 0.5) for person, _, time in who]
        small.write(tmp_path, "accelerometer", phones, name)
        readings = [small.reading(serial, time, distance) for _, serial, time in who]
        small.write(tmp_path, "step_trainer", readings, name)

    lakehouse = Lakehouse(tmp_path)
    land(range(40), 100, "near.json")
    land(range(40, 80), 300, "far.json")
    lakehouse.run()
    land(range(80, 92), 5000, "b.json")
    small.write(tmp_path, "customer", [small.customer("p7", "s7", 2)], "c.json")
    told = lakehouse.run().withdrawn
    assert told is not None
    assert told.difference == {
        "rows_before": 80,
        "rows_now": 91,
        "regions": 2,
        "changed": 2,
        "few": 1,
    }


def test_counts_are_compared_region_by_region() -> None:
    axis = Coarsened("x", 0, 7, 1)
    publication = Publication(5, 20, ("person",), None, (axis,), (), None)

    def edition(edges: list[float], values: list[float], counts: list[int]) -> Edition:
        begins, ends = np.array([-np.inf, *edges]), np.array([*edges, np.inf])
        return Edition({"x": Range(begins, ends, np.array(values))}, np.array(counts))

    before = edition([1.5, 3.5, 5.5], [0.5, 2.5, 4.5, 6.5], [10, 10, 10, 10])
    now = edition([1.5, 4.5, 5.5], [0.5, 3, 5, 6.5], [10, 12, 5, 20])
    # Regions: 0 and 1, 2 to 5 (10 + 10 before, 12 + 5 now), 6 and 7.
    found = compared(publication, before, now)
    assert (found.regions, found.changed, found.few) == (3, 2, 1)
    assert (found.rows_before, found.rows_now) == (40, 47)

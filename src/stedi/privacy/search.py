"""Searches for boxes and classes: a set of rows in, a partition out, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from stedi.contracts import Publication
from stedi.privacy import mondrian
from stedi.privacy.grid import Grid
from stedi.privacy.mondrian import AXES, BAND, REGION, SIDES, TARGET, Floats, Found, Ints, Longs

_SHARE = 16
"""Parts of the rows that are handed out to the cores, at least."""


@dataclass(frozen=True)
class Points:
    """Rows on the grids, as `mondrian` takes them; `beyond` counts values off a grid by column."""

    rows: Ints
    target: Grid | None
    axes: tuple[Grid, ...]
    people: int
    beyond: dict[str, int]

    @property
    def bands(self) -> Ints:
        """The first and last number of the target in each band."""
        return self.target.bands if self.target else np.zeros((1, 2), np.int32)


@dataclass(frozen=True)
class Partition:
    """Boxes that fill all of space, and in each the classes that fill the target.

    `regions` and `parts` have, by box and axis, a first and last number: all that belongs to the
    box, and the part of it that isn't empty. `boxes` names the box of each class, `targets` are
    its first and last number likewise, `target_parts` the part that isn't empty, `counts` its rows.
    They are in the order of their edges, whatever order the rows were in.
    """

    regions: Ints
    parts: Ints
    boxes: Longs
    targets: Ints
    target_parts: Ints
    counts: Longs


def points(publication: Publication, columns: dict[str, Floats], people: Sequence[Longs]) -> Points:
    """Rows of a table on the grids of its publication; `people` by side, any numbers."""
    target = Grid(publication.target) if publication.target else None
    axes = tuple(Grid(axis) for axis in publication.axes)
    rows: Ints = np.zeros((len(people[0]), AXES + len(axes)), np.int32)
    beyond = {}
    for place, grid in ((TARGET, target), *enumerate(axes, start=AXES)):
        if grid is not None:
            rows[:, place], beyond[grid.column] = grid.numbers(columns[grid.column])
    if target is not None:
        rows[:, BAND] = target.band(rows[:, TARGET])
    sides, known = _numbered(people)
    for side in range(AXES - SIDES):
        rows[:, SIDES + side] = sides[min(side, len(sides) - 1)]
    return Points(rows, target, axes, known, {name: n for name, n in beyond.items() if n})


def _numbered(people: Sequence[Longs]) -> tuple[list[Longs], int]:
    """People numbered from 0, and how many there are."""
    least = min((int(side.min(initial=0)) for side in people), default=0)
    most = max((int(side.max(initial=0)) for side in people), default=0)
    if most - least > 16 * sum(map(len, people)):  # far apart: a table of all numbers is too large
        known, numbers = np.unique(np.concatenate(people), return_inverse=True)
        return np.split(numbers, len(people)), len(known)
    seen = np.zeros(most - least + 1, np.bool_)
    for side in people:
        seen[side - least] = True
    places = np.cumsum(seen) - 1
    return [places[side - least] for side in people], int(seen.sum())


def shortcomings(found: Points, publication: Publication) -> Iterator[str]:
    """Why no partition at all is good, a sentence each; nothing where there is one."""
    k, rows = publication.k, found.rows
    for band, (first, last) in enumerate(found.bands):
        inside = rows[rows[:, BAND] == band]
        for side, name in enumerate(publication.people):
            counts = np.bincount(inside[:, SIDES + side], minlength=1)
            people, most = int(np.count_nonzero(counts)), int(counts.max())
            where = _where(found.target, int(first), int(last), len(found.bands))
            if len(inside) and people < k:
                yield f"{where} there are rows of {people} people by {name}, and {k} are needed"
            elif most * k > len(inside):
                share, limit = most / len(inside), 1 / k
                yield (
                    f"{where} {share:.0%} of the rows are of one person by {name}, and {limit:.0%} "
                    "is the most"
                )


def search(found: Points, publication: Publication) -> Partition:
    """Cut space into boxes and classes, each good; `found.rows` are put in another order.

    Rows must be good as a whole: see `shortcomings`.
    """
    cores = os.cpu_count() or 1
    rows, axes = found.rows, len(found.axes)
    sizes: Longs = np.array([grid.size for grid in found.axes], np.int64)
    whole = np.array([[0, size - 1] for size in sizes], np.int64).ravel()
    root: Longs = np.array([[0, len(rows), *whole]], np.int64)
    later: Longs = np.empty((4 * _SHARE * cores, REGION + 2 * axes), np.int64)

    def cut(nodes: Longs, stop: int) -> tuple[Found, int]:
        size = int(nodes[:, 1].max() - nodes[:, 0].min())
        result = mondrian.found(size // publication.k + 1, axes)
        left = mondrian.split(
            rows, nodes, later, stop, found.bands, sizes, publication.people_per_box,
            publication.k, mondrian.room(size, found.people, len(found.bands), axes), result,
        )  # fmt: skip
        return result, left

    first, left = cut(root, len(rows) // (_SHARE * cores))
    nodes = sorted(later[:left].copy(), key=lambda node: int(node[0] - node[1]))  # largest first
    with ThreadPoolExecutor(cores) as pool:
        others = pool.map(lambda node: cut(node[None], 0)[0], nodes)
        return _united([first, *others], axes)


def _united(found: Sequence[Found], axes: int) -> Partition:
    boxes = np.concatenate([one.boxes[: one.numbers[0]] for one in found])
    offsets = np.cumsum([0, *(one.numbers[0] for one in found)])
    classes = np.concatenate([one.classes[: one.numbers[1]] for one in found])
    classes[:, 0] += np.repeat(offsets[:-1], [one.numbers[1] for one in found])
    by_edges = np.lexsort(boxes[:, 2 * axes - 1 :: -1].T) if axes else np.arange(len(boxes))
    place = np.empty(len(boxes), np.int64)
    place[by_edges] = np.arange(len(boxes))
    classes[:, 0] = place[classes[:, 0]]
    boxes, classes = boxes[by_edges], classes[np.lexsort((classes[:, 1], classes[:, 0]))]
    return Partition(
        regions=boxes[:, : 2 * axes].reshape(-1, axes, 2),
        parts=boxes[:, 2 * axes :].reshape(-1, axes, 2),
        boxes=classes[:, 0].copy(),
        targets=classes[:, 1:3].astype(np.int32),
        target_parts=classes[:, 3:5].astype(np.int32),
        counts=classes[:, 5].copy(),
    )


def _where(target: Grid | None, first: int, last: int, bands: int) -> str:
    if target is None or bands == 1:
        return "in all"
    ends = np.array([first, last], np.int32)
    least, most = target.midpoints(ends, ends)
    return f"where {target.column} is {least:.15g} to {most:.15g},"

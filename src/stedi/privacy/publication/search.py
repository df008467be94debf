"""Searches for boxes and classes: a set of rows in, a partition out, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from stedi.arrays import Float64s, Int32s, Int64s
from stedi.declared.contract import Coarsened, Publication
from stedi.parquet.compiled import compiled
from stedi.privacy.publication.ends import Ends, draw_in
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.mondrian import (
    AXES,
    BAND,
    SIDES,
    TARGET,
    Leaves,
    Needs,
    Room,
    new_leaves,
    new_room,
    split,
)

Block = tuple[Mapping[str, Float64s], Sequence[Int64s]]
"""Some rows: their columns by name, and the people of each side."""

_PEOPLE_AN_END = 10
"""Of so many people, one has values beyond the end of an axis: tails make boxes long and empty."""
_PEOPLE_A_BAND = 100
"""Of so many people, one must be in each band of a box, but of half as many people as in a box at
least: the fewer people, the finer the boxes."""
BLOCK_ROWS = 1 << 16
"""So many rows stay in a core's cache while they are worked on."""
_SHARE = 16
"""A box with a smaller part than this of a core's rows is cut to the end at once."""


@dataclass(frozen=True)
class Points:
    """Rows on the grids, as `mondrian` takes them; `beyond` counts values off a grid by column.

    `people` is how many there are, `most` the most rows that one of them has on a side.
    """

    rows: Int32s
    target: Grid | None
    axes: tuple[Grid, ...]
    people: int
    most: int
    beyond: dict[str, int]

    @property
    def grids(self) -> Sequence[tuple[int, Grid]]:
        """The grid of each column of the rows that has one, with that column's place."""
        target = [(TARGET, self.target)] if self.target else []
        return [*target, *enumerate(self.axes, start=AXES)]

    @property
    def bands(self) -> Int32s:
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

    regions: Int32s
    parts: Int32s
    boxes: Int64s
    targets: Int32s
    target_parts: Int32s
    counts: Int64s


def points(
    publication: Publication, columns: dict[str, Float64s], people: Sequence[Int64s]
) -> Points:
    """Rows of a table on the grids of its publication; `people` by side, any numbers."""
    blocks = [
        (
            {name: column[begin : begin + BLOCK_ROWS] for name, column in columns.items()},
            [side[begin : begin + BLOCK_ROWS] for side in people],
        )
        for begin in range(0, len(people[0]), BLOCK_ROWS)
    ]
    return points_of(publication, blocks)


def points_of(publication: Publication, blocks: Sequence[Block]) -> Points:
    """Rows that come in blocks likewise; a block is worked on as a whole while it is at hand."""
    target = Grid(publication.target) if publication.target else None
    axes = tuple(Grid(axis) for axis in publication.axes)
    grids = [*enumerate(axes, start=AXES), *([(TARGET, target)] if target else [])]
    ends = np.cumsum([0, *(len(people[0]) for _, people in blocks)])
    rows: Int32s = np.zeros((ends[-1], AXES + len(axes)), np.int32)
    numbering = _Numbering([people for _, people in blocks])

    def place_block(number: int) -> list[int]:
        columns, people = blocks[number]
        block = rows[ends[number] : ends[number + 1]]
        beyond = [grid.write_numbers(columns[grid.column], block[:, at]) for at, grid in grids]
        if target is not None:
            block[:, BAND] = target.band(block[:, TARGET])
        for side in range(AXES - SIDES):
            block[:, SIDES + side] = numbering.numbers(people[min(side, len(people) - 1)])
        return beyond

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        beyond_by_block = list(pool.map(place_block, range(len(blocks))))
        counts = pool.map(lambda at: occurrences(rows[:, at], numbering.count), range(SIDES, AXES))
        most = max(int(side.max(initial=0)) for side in counts)
    beyond = np.array(beyond_by_block, np.int64).reshape(len(blocks), len(grids)).sum(axis=0)
    beyond_by_column = {g.column: int(n) for (_, g), n in zip(grids, beyond, strict=True) if n}
    return Points(rows, target, axes, numbering.count, most, beyond_by_column)


class _Numbering:
    """The people of all blocks, numbered from 0 in their order; `count` is how many there are."""

    def __init__(self, blocks: Sequence[Sequence[Int64s]]) -> None:
        sides = [side for block in blocks for side in block if len(side)]
        self._least = min((int(side.min()) for side in sides), default=0)
        most = max((int(side.max()) for side in sides), default=0)
        self._ordered: Int64s | None = None
        if most - self._least > 16 * sum(map(len, sides)):  # too far apart for a table of them all
            self._ordered = np.unique(np.concatenate([np.unique(side) for side in sides]))
            self.count = len(self._ordered)
            return
        seen = np.zeros(most - self._least + 1, np.bool_)
        for side in sides:
            seen[side - self._least] = True
        self._places = np.cumsum(seen) - 1
        self.count = int(seen.sum()) if sides else 0

    def numbers(self, people: Int64s) -> Int64s:
        """The number of each."""
        if self._ordered is not None:
            return np.searchsorted(self._ordered, people)
        return self._places[people - self._least]


def occurrences(numbers: Int32s, size: int) -> Int64s:
    """How often each number from 0 to below `size` occurs."""
    counts = np.zeros(size, np.int64)
    _count(numbers, counts)
    return counts


@compiled
def _count_bands(rows: Int32s, side: int, counts: Int64s) -> None:
    for n in range(len(rows)):
        counts[rows[n, BAND], rows[n, side]] += 1


@compiled
def _count(numbers: Int32s, counts: Int64s) -> None:
    for number in numbers:
        counts[number] += 1


def shortcomings(on_grid: Points, publication: Publication) -> Iterator[str]:
    """Why no partition at all is good, a sentence each; nothing where there is one."""
    rows_by_band = occurrences(on_grid.rows[:, BAND], len(on_grid.bands))
    for band, (first, last) in enumerate(on_grid.bands):
        if rows_by_band[band] >= publication.k * on_grid.most:
            continue  # so nobody has more than 1/k of them, and there are k people
        inside = on_grid.rows[on_grid.rows[:, BAND] == band]
        where = _where(on_grid.target, int(first), int(last), len(on_grid.bands))
        sides: dict[str, list[str]] = {}
        for side, name in enumerate(publication.people):
            missing = _shortcoming(inside[:, SIDES + side], publication.k)
            if missing:
                sides.setdefault(missing, []).append(name)
        for missing, names in sides.items():
            yield f"{where} {missing} (people by {' and by '.join(names)})"


def _shortcoming(people: Int32s, k: int) -> str | None:
    counts = np.bincount(people, minlength=1)
    known, most = int(np.count_nonzero(counts)), int(counts.max())
    if len(people) and known < k:
        return f"there are rows of {known} people, and {k} are needed"
    if most * k > len(people):
        share = most / len(people)
        return f"{share:.0%} of the rows are of one person, and {1 / k:.0%} is the most"
    return None


def search(on_grid: Points, publication: Publication) -> Partition:
    """Cut space into boxes and classes, each good; `on_grid.rows` are put in another order.

    Their values are drawn in to the ends of the axes and the target (`Ends`). Rows must be good as
    a whole: see `shortcomings`.
    """
    ends = draw_in(
        on_grid.rows, on_grid.people, len(on_grid.axes), on_grid.bands, publication.k,
        _PEOPLE_AN_END,
    )  # fmt: skip
    work = _Work(on_grid, publication, ends)
    whole = ends.axes.astype(np.int64).ravel()
    waiting = {work.submit(np.array([[0, len(on_grid.rows), *whole]], np.int64))}
    results = []
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            result, left = future.result()
            results.append(result)
            waiting |= {work.submit(node[None]) for node in left}
    work.pool.shutdown()
    return _opened(_united(results, len(on_grid.axes)), on_grid, ends)


def needs(publication: Publication, on_grid: Points) -> Needs:
    """For how many people a box must be good: for fewer where otherwise nothing could be cut.

    Somebody with a twentieth of the rows would else keep everybody's in one box, and so would few
    people on one side of an edge.
    """
    k, most = publication.k, publication.people_per_box
    whole = min(max(len(on_grid.rows) // (2 * on_grid.most), k), most)
    band = max(on_grid.people // _PEOPLE_A_BAND, most // 2)
    counts = np.zeros((len(on_grid.bands), on_grid.people), np.int64)
    for side in range(SIDES, AXES):
        counts[:] = 0
        _count_bands(on_grid.rows, side, counts)
        for rows in counts[counts.any(axis=1)]:
            people, most_rows = int(np.count_nonzero(rows)), int(rows.max())
            band = min(band, people // 2, int(rows.sum()) // (2 * most_rows))
    return Needs(whole, min(max(band, k), whole))


def prepare() -> None:
    """Let everything that is compiled be compiled now: for set-up, since it takes ten seconds."""
    axis, target = Coarsened("x", 0, 7, 1), Coarsened("t", 0, 7, 1)
    publication = Publication(1, 2, ("person",), target, (axis,), (), None)
    values = np.arange(64).astype(np.float64) % 8
    search(points(publication, {"x": values, "t": values}, [np.arange(64)]), publication)


class _Work:
    """Cuts boxes on all cores: a large one in two, which then wait, a small one to the end."""

    def __init__(self, on_grid: Points, publication: Publication, ends: Ends) -> None:
        cores, axes = os.cpu_count() or 1, len(on_grid.axes)
        self.pool = ThreadPoolExecutor(cores)
        self._on_grid, self._publication = on_grid, publication
        self._needs, self._bands = needs(publication, on_grid), ends.within(on_grid.bands)
        self._sizes: Int64s = np.array([grid.size for grid in on_grid.axes], np.int64)
        self._small = len(on_grid.rows) // (_SHARE * cores)
        self._rooms: SimpleQueue[Room] = SimpleQueue()
        size = (len(on_grid.rows), on_grid.people, len(on_grid.bands), axes, on_grid.most)
        for _ in range(cores):  # memory is taken only as far as it is used
            self._rooms.put(new_room(*size))

    def submit(self, node: Int64s) -> Future[tuple[Leaves, Int64s]]:
        """Begin to cut a box; returns the boxes that are done, and those that are left."""
        return self.pool.submit(self._cut, node)

    def _cut(self, node: Int64s) -> tuple[Leaves, Int64s]:
        size = int(node[0, 1] - node[0, 0])
        result = new_leaves(size // self._publication.k + 1, len(self._sizes))
        later: Int64s = np.empty((2, node.shape[1]), np.int64)
        stop = size - 1 if size > self._small else 0
        room = self._rooms.get()
        left = split(
            self._on_grid.rows, node, later, stop, self._bands, self._sizes, self._needs,
            self._publication.k, room, result,
        )  # fmt: skip
        self._rooms.put(room)
        return result, later[:left]


def _united(leaves: Sequence[Leaves], axes: int) -> Partition:
    boxes = np.concatenate([part.boxes[: part.numbers[0]] for part in leaves])
    offsets = np.cumsum([0, *(part.numbers[0] for part in leaves)])
    classes = np.concatenate([part.classes[: part.numbers[1]] for part in leaves])
    classes[:, 0] += np.repeat(offsets[:-1], [part.numbers[1] for part in leaves])
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


def _opened(partition: Partition, on_grid: Points, ends: Ends) -> Partition:
    """The same partition with outermost boxes and classes that reach to the ends of the grids."""
    sizes: Int32s = np.array([grid.size for grid in on_grid.axes], np.int32)
    regions, targets = partition.regions, partition.targets
    regions[:, :, 0] = np.where(regions[:, :, 0] == ends.axes[:, 0], 0, regions[:, :, 0])
    regions[:, :, 1] = np.where(regions[:, :, 1] == ends.axes[:, 1], sizes - 1, regions[:, :, 1])
    for side, inner in enumerate(ends.target):
        [band] = ends.band_of(inner, on_grid.bands)
        targets[:, side] = np.where(targets[:, side] == inner, band[side], targets[:, side])
    return partition


def _where(target: Grid | None, first: int, last: int, bands: int) -> str:
    if target is None or bands == 1:
        return "in all"
    ends = np.array([first, last], np.int32)
    least, most = target.midpoints(ends, ends)
    return f"where {target.column} is {least:.15g} to {most:.15g},"

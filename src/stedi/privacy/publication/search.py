"""Searches for boxes and classes: a set of rows in, a partition out, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
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
from stedi.text import counted

Block = tuple[Mapping[str, Float64s], Sequence[Int64s]]
"""Some rows: their columns by name, and the people of each side."""

PEOPLE_AN_END = 10
"""Of so many people, one has values beyond the end of an axis: tails make boxes long and empty."""
_PEOPLE_A_BAND = 100
"""Of so many people, one must be in each band of a box, but of half as many people as in a box at
least: the fewer people, the finer the boxes."""
BLOCK_ROWS = 1 << 16
"""So many rows stay in a core's cache while they are worked on."""
_SHARE = 16
"""A box with a smaller part than this of a core's rows is cut to the end at once."""


@dataclass(frozen=True)
class Grids:
    """The grids of what is published: of its target, where there is one, and of its axes."""

    target: Grid | None
    axes: tuple[Grid, ...]

    @classmethod
    def of(cls, publication: Publication) -> Grids:
        """Those that a publication declares."""
        target = Grid(publication.target) if publication.target else None
        return cls(target, tuple(Grid(axis) for axis in publication.axes))

    @property
    def placed(self) -> Sequence[tuple[int, Grid]]:
        """Each grid behind the column that its numbers have among those of `mondrian`'s rows."""
        target = [(TARGET, self.target)] if self.target else []
        return [*target, *enumerate(self.axes, start=AXES)]

    @property
    def bands(self) -> Int32s:
        """The first and last number of the target in each band."""
        return self.target.bands if self.target else np.zeros((1, 2), np.int32)


@dataclass(frozen=True)
class Points:
    """Rows on the grids, as `mondrian` takes them; `beyond` counts values off a grid by column.

    `people` is how many there are, `most` the most rows that one of them has on a side. `measured`
    has the columns as they were, where it is known which rows they are of: they order rows that are
    equal on the grids.
    """

    rows: Int32s
    target: Grid | None
    axes: tuple[Grid, ...]
    people: int
    most: int
    beyond: dict[str, int]
    measured: tuple[Float64s, ...] = ()

    @property
    def grids(self) -> Grids:
        """The grids that they are on."""
        return Grids(self.target, self.axes)

    @property
    def bands(self) -> Int32s:
        """The first and last number of the target in each band."""
        return self.grids.bands


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
    measured = tuple(columns[column.column] for column in publication.coarsened)
    return replace(points_of(publication, blocks), measured=measured)


def points_of(publication: Publication, blocks: Sequence[Block]) -> Points:
    """Rows that come in blocks likewise; a block is worked on as a whole while it is in memory."""
    grids = Grids.of(publication)
    target, axes, placed = grids.target, grids.axes, grids.placed
    ends = np.cumsum([0, *(len(people[0]) for _, people in blocks)])
    rows: Int32s = np.zeros((ends[-1], AXES + len(axes)), np.int32)
    numbering = Numbering([people for _, people in blocks])

    def place_block(number: int) -> list[int]:
        columns, people = blocks[number]
        block = rows[ends[number] : ends[number + 1]]
        beyond = [grid.write_numbers(columns[grid.column], block[:, at]) for at, grid in placed]
        if target is not None:
            block[:, BAND] = target.band(block[:, TARGET])
        for side in range(AXES - SIDES):
            block[:, SIDES + side] = numbering.numbers(people[min(side, len(people) - 1)])
        return beyond

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        beyond_by_block = list(pool.map(place_block, range(len(blocks))))
        counts = pool.map(lambda at: occurrences(rows[:, at], numbering.count), range(SIDES, AXES))
        most = max(int(side.max(initial=0)) for side in counts)
    beyond = np.array(beyond_by_block, np.int64).reshape(len(blocks), len(placed)).sum(axis=0)
    beyond_by_column = {g.column: int(n) for (_, g), n in zip(placed, beyond, strict=True) if n}
    return Points(rows, target, axes, numbering.count, most, beyond_by_column)


class Numbering:
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
def _count(numbers: Int32s, counts: Int64s) -> None:
    for number in numbers:
        counts[number] += 1


@dataclass(frozen=True)
class Crowds:
    """Who has the rows.

    `figures` are by side and band: how many rows, people, and rows of one person at most. `people`
    is how many there are on either side, `most` the most rows that one of them has on a side.
    """

    figures: Int64s
    people: int
    most: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.figures[0, :, 0].sum())


def crowds(on_grid: Points) -> Crowds:
    """Who has the rows, counted."""
    bands = len(on_grid.bands)
    figures: Int64s = np.zeros((AXES - SIDES, bands, 3), np.int64)
    counts: Int64s = np.zeros((bands, on_grid.people), np.int64)
    for side in range(AXES - SIDES):
        counts[:] = 0
        _count_bands(on_grid.rows, SIDES + side, counts)
        figures[side] = np.array(
            [counts.sum(axis=1), np.count_nonzero(counts, axis=1), counts.max(axis=1, initial=0)]
        ).T
    return Crowds(figures, on_grid.people, on_grid.most)


@compiled
def _count_bands(rows: Int32s, side: int, counts: Int64s) -> None:
    for n in range(len(rows)):
        counts[rows[n, BAND], rows[n, side]] += 1


def shortcomings(on_grid: Points, publication: Publication) -> Iterator[str]:
    """Why no partition at all is good, a sentence each; nothing where there is one."""
    rows_by_band = occurrences(on_grid.rows[:, BAND], len(on_grid.bands))
    if (rows_by_band < publication.k * on_grid.most).any():
        # Elsewise nobody has more than 1/k of a band, and there are k people in it.
        yield from shortcomings_of(crowds(on_grid), on_grid.target, publication)


def shortcomings_of(found: Crowds, target: Grid | None, publication: Publication) -> Iterator[str]:
    """The same, where the rows are counted."""
    bands = Grids(target, ()).bands
    for band, (first, last) in enumerate(bands):
        where = _where(target, int(first), int(last), len(bands))
        sides: dict[str, list[str]] = {}
        for side, name in enumerate(publication.people):
            rows, people, most = map(int, found.figures[side, band])
            missing = _shortcoming(rows, people, most, publication.k)
            if missing:
                sides.setdefault(missing, []).append(name)
        for missing, names in sides.items():
            yield f"{where} {missing} (people by {' and by '.join(names)})"


def _shortcoming(rows: int, people: int, most: int, k: int) -> str | None:
    if rows and people < k:
        return f"there are rows of {counted(people, 'person', 'people')}, and {k} are needed"
    if most * k > rows:
        share = most / rows
        return f"{share:.0%} of the rows are of one person, and {1 / k:.0%} is the most"
    return None


@dataclass(frozen=True)
class Cutting:
    """What all rows together decide before any are cut; see `mondrian.split`.

    `bands` and the rows are drawn in to the ends of their columns; `most` is the most rows that one
    person has on a side.
    """

    bands: Int32s
    sizes: Int64s
    needs: Needs
    k: int
    most: int

    @classmethod
    def of(cls, publication: Publication, found: Crowds, ends: Ends, grids: Grids) -> Cutting:
        """What rows decide that are counted, and whose ends are known."""
        sizes: Int64s = np.array([grid.size for grid in grids.axes], np.int64)
        bands = ends.within(grids.bands)
        return cls(bands, sizes, needs(publication, found), publication.k, found.most)


def search(on_grid: Points, publication: Publication) -> Partition:
    """Cut space into boxes and classes, each good; `on_grid.rows` are put in another order.

    Their values are drawn in to the ends of the axes and the target (`Ends`). Rows must be good as
    a whole: see `shortcomings`.
    """
    grids = on_grid.grids
    ends = draw_in(
        on_grid.rows, on_grid.people, len(on_grid.axes), grids.bands, publication.k, PEOPLE_AN_END
    )
    cutting = Cutting.of(publication, crowds(on_grid), ends, grids)
    leaves = cut(on_grid.rows, on_grid.people, ends.axes, cutting)
    return partition_of([leaves], ends, grids)


def cut(rows: Int32s, people: int, region: Int32s, cutting: Cutting) -> Leaves:
    """Cut a box with all rows in its `region` (from and to, by axis) on all cores.

    Rows are put in another order. What a part of all rows is cut into doesn't depend on the others.
    """
    work = _Work(rows, people, cutting)
    node = np.array([[0, len(rows), *region.astype(np.int64).ravel()]], np.int64)
    waiting = {work.submit(node)}
    results = []
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            result, left = future.result()
            results.append(result)
            waiting |= {work.submit(node[None]) for node in left}
    work.pool.shutdown()
    return _united(results)


def needs(publication: Publication, found: Crowds) -> Needs:
    """For how many people a box must be good: for fewer where otherwise nothing could be cut.

    Somebody with a twentieth of the rows would else keep everybody's in one box, and so would few
    people on one side of an edge.
    """
    k, most = publication.k, publication.people_per_box
    whole = min(max(found.rows // (2 * found.most), k), most)
    band = max(found.people // _PEOPLE_A_BAND, most // 2)
    for rows, people, most_rows in found.figures.reshape(-1, 3):
        if rows:
            band = min(band, int(people) // 2, int(rows) // (2 * int(most_rows)))
    return Needs(whole, min(max(band, k), whole))


def prepare() -> None:
    """Let everything that is compiled be compiled now: for set-up, since it takes ten seconds."""
    axis, target = Coarsened("x", 0, 7, 1), Coarsened("t", 0, 7, 1)
    publication = Publication(1, 2, ("person",), target, (axis,), (), None)
    values = np.arange(64).astype(np.float64) % 8
    search(points(publication, {"x": values, "t": values}, [np.arange(64)]), publication)


class _Work:
    """Cuts boxes on all cores: a large one in two, which then wait, a small one to the end."""

    def __init__(self, rows: Int32s, people: int, cutting: Cutting) -> None:
        cores, axes = os.cpu_count() or 1, len(cutting.sizes)
        self.pool = ThreadPoolExecutor(cores)
        self._rows, self._cutting = rows, cutting
        self._small = len(rows) // (_SHARE * cores)
        self._rooms: SimpleQueue[Room] = SimpleQueue()
        size = (len(rows), people, len(cutting.bands), axes, cutting.most)
        for _ in range(cores):  # memory is taken only as far as it is used
            self._rooms.put(new_room(*size))

    def submit(self, node: Int64s) -> Future[tuple[Leaves, Int64s]]:
        """Begin to cut a box; returns the boxes that are done, and those that are left."""
        return self.pool.submit(self._cut, node)

    def _cut(self, node: Int64s) -> tuple[Leaves, Int64s]:
        size = int(node[0, 1] - node[0, 0])
        of = self._cutting
        result = new_leaves(size // of.k + 1, len(of.sizes))
        later: Int64s = np.empty((2, node.shape[1]), np.int64)
        stop = size - 1 if size > self._small else 0
        room = self._rooms.get()
        left = split(
            self._rows, node, later, stop, of.bands, of.sizes, of.needs, of.k, room, result
        )  # fmt: skip
        self._rooms.put(room)
        return result, later[:left]


def _united(leaves: Sequence[Leaves]) -> Leaves:
    """Leaves as one, in memory of their own size."""
    offsets = np.cumsum([0, *(part.numbers[0] for part in leaves)])
    classes = np.concatenate([part.classes[: part.numbers[1]] for part in leaves])
    classes[:, 0] += np.repeat(offsets[:-1], [part.numbers[1] for part in leaves])
    boxes = np.concatenate([part.boxes[: part.numbers[0]] for part in leaves])
    return Leaves(boxes, classes, np.array([len(boxes), len(classes)], np.int64))


def partition_of(leaves: list[Leaves], ends: Ends, grids: Grids) -> Partition:
    """The partition that leaves are of; its outermost boxes and classes end with the grids.

    The list is emptied, since memory for all of it is needed more than once.
    """
    boxes, classes, _ = _united(leaves)
    leaves.clear()
    axes = len(grids.axes)
    by_edges = np.lexsort(boxes[:, 2 * axes - 1 :: -1].T) if axes else np.arange(len(boxes))
    place = np.empty(len(boxes), np.int64)
    place[by_edges] = np.arange(len(boxes))
    classes[:, 0] = place[classes[:, 0]]
    boxes, classes = boxes[by_edges], classes[np.lexsort((classes[:, 1], classes[:, 0]))]
    partition = Partition(
        regions=boxes[:, : 2 * axes].reshape(len(boxes), axes, 2),
        parts=boxes[:, 2 * axes :].reshape(len(boxes), axes, 2),
        boxes=classes[:, 0].astype(np.int64),
        targets=classes[:, 1:3].copy(),
        target_parts=classes[:, 3:5].copy(),
        counts=classes[:, 5].astype(np.int64),
    )
    return _opened(partition, ends, grids)


def _opened(partition: Partition, ends: Ends, grids: Grids) -> Partition:
    """The same partition with outermost boxes and classes that reach to the ends of the grids."""
    sizes: Int32s = np.array([grid.size for grid in grids.axes], np.int32)
    regions, targets = partition.regions, partition.targets
    regions[:, :, 0] = np.where(regions[:, :, 0] == ends.axes[:, 0], 0, regions[:, :, 0])
    regions[:, :, 1] = np.where(regions[:, :, 1] == ends.axes[:, 1], sizes - 1, regions[:, :, 1])
    for side, inner in enumerate(ends.target):
        [band] = ends.band_of(inner, grids.bands)
        targets[:, side] = np.where(targets[:, side] == inner, band[side], targets[:, side])
    return partition


def _where(target: Grid | None, first: int, last: int, bands: int) -> str:
    if target is None or bands == 1:
        return "in all"
    ends = np.array([first, last], np.int32)
    least, most = target.midpoints(ends, ends)
    return f"where {target.column} is {least:.15g} to {most:.15g},"

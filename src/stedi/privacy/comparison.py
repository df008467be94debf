"""What a comparison of two publications reveals about people who joined or left in between.

Each publication divides space in its own way. A decoder finds the smallest regions that are unions
of classes in both, by where their rows can lie, and compares their counts. Where fewer than k rows
were added or removed in a region, the comparison is about fewer people than either publication.

The edges of its box and its published value, which is the middle of a range with round ends, show
where the rows of a class can lie. The result is a lower bound: anyone who knows some of the rows
can infer more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stedi.arrays import Int32s, Int64s
from stedi.declared.contract import Coarsened, Publication
from stedi.parquet.compiled import compiled, inlined
from stedi.privacy.publication import Classes
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.mondrian import ROUNDING


@dataclass(frozen=True)
class Comparison:
    """What could be told from two publications.

    `regions` can be compared; in `changed` of them the number of rows differs, and in `few` of
    those by less than k. `rows_before` and `rows_now` are all rows.
    """

    rows_before: int
    rows_now: int
    regions: int
    changed: int
    few: int


@dataclass(frozen=True)
class Edition:
    """A publication, as its readers have it: the table of boxes, and rows by class.

    With noise, these are not how many rows there were, and can be none.
    """

    boxes: Mapping[str, Range]
    counts: Int64s

    @classmethod
    def of(
        cls,
        boxes: Mapping[str, Range],
        published: Classes,
        *,
        is_noisy: bool = False,
    ) -> Edition:
        """The rows of each class, as they are published.

        Where counts are noisy, classes may have none. Raises `ValueError` where rows and boxes are
        not of one publication.
        """
        classes = np.column_stack([boxes[name].values for name in published.values])
        distinct = np.column_stack([*published.values.values()])
        known, place = np.unique(np.concatenate([classes, distinct]), axis=0, return_inverse=True)
        missing = len(classes) - len(distinct)
        if len(known) != len(classes) or missing < 0 or (missing and not is_noisy):
            raise ValueError("the table of boxes is of another publication")
        by_value = np.zeros(len(known), np.int64)
        by_value[place[len(classes) :]] = published.counts
        return cls(boxes, by_value[place[: len(classes)]])


def compared(publication: Publication, before: Edition, now: Edition) -> Comparison:
    """Compare two publications that were made under the same declaration."""
    regions = regions_of(publication, before, now)
    counts = np.concatenate([-before.counts, now.counts])
    change = np.bincount(regions, weights=counts)
    changed = change != 0
    return Comparison(
        rows_before=int(before.counts.sum()),
        rows_now=int(now.counts.sum()),
        regions=len(change),
        changed=int(changed.sum()),
        few=int((changed & (np.abs(change) < publication.k)).sum()),
    )


def regions_of(
    publication: Publication, before: Edition, now: Edition, *, most_rows: bool = False
) -> Int64s:
    """The region of each class, of those before and then of those now, numbered from 0.

    Regions of `most_rows` are smaller, and a few people's rows may lie in others.
    """
    cells = [ranges_of(publication.axes, edition, most_rows=most_rows) for edition in (before, now)]
    if publication.target is None:
        targets = [np.zeros((len(ranges), 2), np.int32) for ranges in cells]
    else:
        target = (publication.target,)
        targets = [ranges_of(target, edition, most_rows=most_rows) for edition in (before, now)]
    first, second = map(_by_box, cells, targets)
    joined = np.arange(len(first.order) + len(second.order))
    _join(
        first.boxes, second.boxes, first.begins, second.begins, first.targets, second.targets,
        joined,
    )  # fmt: skip
    regions = np.empty(len(joined), np.int64)
    places = np.concatenate([first.order, len(first.order) + second.order])
    regions[places] = np.unique(joined, return_inverse=True)[1]
    return regions


class _ByBox(NamedTuple):
    """Classes in the order of their boxes, which are sorted and differ, and then of their targets.

    `begins` says where the classes of each box begin, and at last where all end; `order` is the
    place that each class had.
    """

    boxes: Int32s
    begins: Int64s
    targets: Int32s
    order: Int64s


def _by_box(cells: Int32s, targets: Int32s) -> _ByBox:
    boxes, box = np.unique(cells, axis=0, return_inverse=True)
    order = np.lexsort((targets[:, 0], box))
    begins = np.searchsorted(box[order], np.arange(len(boxes) + 1))
    return _ByBox(boxes, begins, targets[order], order)


def ranges_of(columns: Sequence[Coarsened], edition: Edition, *, most_rows: bool = False) -> Int32s:
    """The first and last number that rows of each class can have in these columns.

    Or that `most_rows` have: a few people's lie beyond the ends of axes, nobody knows how far.
    """
    ranges: list[Int32s] = []
    for column in columns:
        box, grid = edition.boxes[column.column], Grid(column)
        least, most = grid.ranges(box.begins, box.ends)
        halves = grid.halves(box.values)
        if not most_rows:  # what lies beyond an end is published as if it were there
            is_open = np.isinf(box.begins) | np.isinf(box.ends)
            halves[is_open] = (least + most)[is_open]
        narrow(least, most, halves)
        ranges += [least, most]
    return np.column_stack(ranges)


@compiled
def narrow(least: Int32s, most: Int32s, halves: Int64s) -> None:
    """Narrow each range to the widest part of it that can have this middle, given doubled.

    Parts are as Mondrian trims them: as many steps of a power of two as `ROUNDING` allows, from a
    whole step to another, unless the range ends before. A middle that no part has tells nothing.
    """
    for n in range(len(halves)):
        width = _widest(int(least[n]), int(most[n]), int(halves[n]))
        if width >= 0:
            least[n], most[n] = (halves[n] - width) // 2, (halves[n] + width) // 2


@inlined
def _widest(least: int, most: int, halves: int) -> int:
    """How much more the last number of that part is than the first; or -1."""
    if halves == least + most:
        return most - least
    widest = -1
    begins_with_range, ends_with_range = halves - 2 * least, 2 * most - halves
    step = 1
    while step <= 2 * (most - least + 1):
        limit = (ROUNDING + 1) * step - 1
        if (halves - least + 1) % step == 0 and begins_with_range <= min(limit, most - least):
            widest = max(widest, begins_with_range)
        if (halves - most) % step == 0 and ends_with_range <= min(limit, most - least):
            widest = max(widest, ends_with_range)
        for width in range(step - 1, limit + 1, step):
            begin = halves - width
            if begin % (2 * step) == 0 and 2 * least <= begin and begin + 2 * width <= 2 * most:
                widest = max(widest, width)
        step *= 2
    return widest


@compiled
def _join(
    before: Int32s, now: Int32s, begins: Int64s, begins_now: Int64s, targets: Int32s,
    targets_now: Int32s, joined: Int64s,
) -> None:  # fmt: skip
    """Give classes that overlap the same number, and so those that these overlap, and so on.

    Boxes are sorted by their first column, targets within their box.
    """
    count = len(targets)
    for a in range(len(before)):
        for b in range(len(now)):
            if now[b, 0] > before[a, 1]:
                break
            overlap = True
            for column in range(0, before.shape[1], 2):
                if before[a, column] > now[b, column + 1] or now[b, column] > before[a, column + 1]:
                    overlap = False
                    break
            if not overlap:
                continue
            n, m = begins[a], begins_now[b]
            while n < begins[a + 1] and m < begins_now[b + 1]:
                if targets[n, 1] < targets_now[m, 0]:
                    n += 1
                elif targets_now[m, 1] < targets[n, 0]:
                    m += 1
                else:
                    first, second = _root(joined, n), _root(joined, count + m)
                    joined[max(first, second)] = min(first, second)
                    if targets[n, 1] < targets_now[m, 1]:
                        n += 1
                    else:
                        m += 1
    for n in range(len(joined)):
        joined[n] = _root(joined, n)


@inlined
def _root(joined: Int64s, n: int) -> int:
    root = n
    while joined[root] != root:
        joined[root] = joined[joined[root]]
        root = joined[root]
    return root

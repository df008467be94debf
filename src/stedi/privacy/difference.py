"""What a comparison of two publications tells about those who came or left in between.

Each publication divides space in its own way. A decoder finds the smallest regions that are unions
of classes in both, by the edges of their boxes, and compares their counts. Where fewer rows than k
came or went in a region, the comparison tells of fewer people than any one publication does. It is
a lower bound: published values tell where in its box a class lies, so that smaller regions can be
compared, in which fewer rows came or went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stedi.compiled import compiled, inlined
from stedi.contracts import Coarsened, Publication
from stedi.privacy.boxes import Range, sorted_classes
from stedi.privacy.grid import Grid
from stedi.privacy.mondrian import Floats, Ints, Longs


@dataclass(frozen=True)
class Difference:
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
class Release:
    """A publication, as its readers have it: the table of boxes, and rows by class."""

    boxes: Mapping[str, Range]
    counts: Longs

    @classmethod
    def of(cls, boxes: Mapping[str, Range], published: Mapping[str, Floats]) -> Release:
        """Count the rows of each class, of rows in the order of their columns.

        Raises `ValueError` where rows and boxes are not of one publication.
        """
        columns = list(published.values())
        is_new = np.zeros(len(columns[0]), np.bool_)
        is_new[:1] = True
        for column in columns:
            is_new[1:] |= column[1:] != column[:-1]
        begins = np.flatnonzero(is_new)
        counts = np.diff(begins, append=len(is_new))
        order = sorted_classes(boxes, list(published))
        if len(counts) != len(order) or any(
            (published[name][begins] != boxes[name].values[order]).any() for name in published
        ):
            raise ValueError("the table of boxes is of another publication")
        by_class = np.empty(len(order), np.int64)
        by_class[order] = counts
        return cls(boxes, by_class)


def difference(publication: Publication, before: Release, now: Release) -> Difference:
    """Compare two publications that were made under the same declaration."""
    regions = _regions(publication, before, now)
    counts = np.concatenate([-before.counts, now.counts])
    change = np.bincount(regions, weights=counts)
    changed = change != 0
    return Difference(
        rows_before=int(before.counts.sum()),
        rows_now=int(now.counts.sum()),
        regions=len(change),
        changed=int(changed.sum()),
        few=int((changed & (np.abs(change) < publication.k)).sum()),
    )


def _regions(publication: Publication, before: Release, now: Release) -> Longs:
    """The region of each class, of those before and then of those now, numbered from 0."""
    cells = [_ranges(publication.axes, release) for release in (before, now)]
    boxes, box_of_class = zip(
        *(np.unique(one, axis=0, return_inverse=True) for one in cells), strict=True
    )
    joined = np.arange(len(boxes[0]) + len(boxes[1]))
    _join(boxes[0], boxes[1], joined)  # np.unique has sorted them by their first column
    behind = (
        np.concatenate(
            [joined[: len(boxes[0])][box_of_class[0]], joined[len(boxes[0]) :][box_of_class[1]]]
        ).astype(np.int64)
        << 32
    )
    if publication.target is None:
        return np.asarray(np.unique(behind, return_inverse=True)[1])
    targets = np.concatenate([_ranges((publication.target,), one) for one in (before, now)])
    begins, ends = behind + targets[:, 0], behind + targets[:, 1]
    order = np.argsort(begins, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    is_new = np.concatenate([[False], begins[order][1:] > reached[:-1]])
    found = np.empty(len(order), np.int64)
    found[order] = np.cumsum(is_new)
    return found


def _ranges(columns: Sequence[Coarsened], release: Release) -> Ints:
    """The first and last number of each class in these columns."""
    found: list[Ints] = []
    for one in columns:
        box = release.boxes[one.column]
        found += Grid(one).ranges(box.begins, box.ends)
    return np.column_stack(found)


@compiled
def _join(before: Ints, now: Ints, joined: Longs) -> None:
    """Give boxes that overlap the same number, and so those that these overlap, and so on."""
    count = len(before)
    for a in range(count):
        for b in range(len(now)):
            if now[b, 0] > before[a, 1]:
                break
            overlap = True
            for column in range(0, before.shape[1], 2):
                if before[a, column] > now[b, column + 1] or now[b, column] > before[a, column + 1]:
                    overlap = False
                    break
            if overlap:
                first, second = _root(joined, a), _root(joined, count + b)
                joined[max(first, second)] = min(first, second)
    for n in range(len(joined)):
        joined[n] = _root(joined, n)


@inlined
def _root(joined: Longs, n: int) -> int:
    root = n
    while joined[root] != root:
        joined[root] = joined[joined[root]]
        root = joined[root]
    return root

"""Codes raw rows with a table of boxes: which class each row belongs to.

Independent of the search that cut the boxes: the audit checks that search by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stedi.arrays import Float64s, Int32s, Int64s
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.mondrian import AXES, TARGET
from stedi.privacy.publication.search import Grids, Points


class BoxesOverlap(Exception):
    """Boxes that are no partition: a row could be coded in several ways, or in none."""


class Cut(NamedTuple):
    """A plane between boxes: on an axis, those on its `low` side end below `at`, others don't."""

    axis: int
    at: int
    low: Int64s
    high: Int64s


class Coder:
    """The classes of a table of boxes, ready to code rows that lie on the same grids."""

    def __init__(self, ranges: Mapping[str, Range], grids: Grids | Points) -> None:
        self._grids = grids
        columns = [grid.ranges(*_edges(ranges[grid.column])) for grid in grids.axes]
        least, most = np.array([c[0] for c in columns]), np.array([c[1] for c in columns])
        edges = np.concatenate([least, most]).T
        boxes, self.box_of_class = np.unique(edges, axis=0, return_inverse=True)
        self.boxes = len(boxes)
        """How many boxes there are; `box_of_class` numbers them from 0, by class."""
        self._least, self._most = boxes[:, : len(columns)], boxes[:, len(columns) :]
        self._classes, self._begins, self._ends = self._targets(ranges)

    def boxes_of(self, rows: Int32s) -> Int64s:
        """The box of each row; raises `BoxesOverlap`."""
        box_of_row = np.full(len(rows), -1, np.int64)
        waiting = [(np.arange(self.boxes), np.arange(len(rows)))]
        while waiting:
            boxes, places = waiting.pop()
            if len(boxes) == 1:
                box_of_row[places] = boxes[0]
                continue
            cut = self.cut(boxes)
            is_low = rows[places, AXES + cut.axis] < cut.at
            waiting.append((cut.low, places[is_low]))
            waiting.append((cut.high, places[~is_low]))
        self._refuse_strays(box_of_row, rows)
        return box_of_row

    def classes_of(self, rows: Int32s) -> Int64s:
        """The class of each row, by its place in the table of boxes; raises `BoxesOverlap`."""
        classes = self.classes_if_any(rows)
        if (classes < 0).any():
            raise BoxesOverlap("a row belongs to no class")
        return classes

    def classes_if_any(self, rows: Int32s) -> Int64s:
        """The same of rows that needn't be published: -1 where the target has no class in a box."""
        boxes = self.boxes_of(rows)
        keys = (boxes << 32) + rows[:, TARGET]
        places = np.searchsorted(self._begins, keys, side="right") - 1
        return np.where((places < 0) | (self._ends[places] < keys), -1, self._classes[places])

    def _targets(self, ranges: Mapping[str, Range]) -> tuple[Int64s, Int64s, Int64s]:
        """Classes by box and target, with the first and last target of each, behind their boxes."""
        target = self._grids.target
        if target is None:
            least = most = np.zeros(len(self.box_of_class), np.int32)
        else:
            least, most = target.ranges(*_edges(ranges[target.column]))
        order = np.lexsort((least, self.box_of_class))
        behind = self.box_of_class[order].astype(np.int64) << 32
        begins, ends = behind + least[order], behind + most[order]
        if (begins[1:] <= ends[:-1]).any():
            raise BoxesOverlap("classes of one box overlap")
        return order, begins, ends

    def cut(self, boxes: Int64s, weights: Int64s | None = None) -> Cut:
        """A plane between boxes that none lies across, with as much on either side as can be.

        By default each box weighs as much. Raises `BoxesOverlap`.
        """
        best, axis_of_best, at = np.inf, -1, 0
        for axis in range(self._least.shape[1]):
            order = boxes[np.argsort(self._least[boxes, axis], kind="stable")]
            begins = self._least[order, axis]
            ends = np.maximum.accumulate(self._most[order, axis])
            possible = np.flatnonzero(ends[:-1] < begins[1:])
            if len(possible):
                if weights is None:
                    uneven = np.abs(2 * (possible + 1) - len(boxes))
                else:
                    upto = np.cumsum(weights[order])
                    uneven = np.abs(2 * upto[possible] - upto[-1])
                n = int(np.argmin(uneven))
                if uneven[n] < best:
                    best, axis_of_best = float(uneven[n]), axis
                    at = int(begins[possible[n] + 1])
        if axis_of_best < 0:
            raise BoxesOverlap("boxes overlap")
        is_low = self._most[boxes, axis_of_best] < at
        return Cut(axis_of_best, at, boxes[is_low], boxes[~is_low])

    def _refuse_strays(self, boxes: Int64s, rows: Int32s) -> None:
        for axis in range(self._least.shape[1]):
            values = rows[:, AXES + axis]
            outside = (values < self._least[boxes, axis]) | (values > self._most[boxes, axis])
            if outside.any():
                raise BoxesOverlap("a row belongs to no box")


def _edges(values: Range) -> tuple[Float64s, Float64s]:
    return values.begins, values.ends

"""Where axes end: at least k people have values as far out, or further, on each side of a match.

One person's outermost reading would move the midpoint of the outermost box, and be told by it. So
whatever lies further out than such an end is taken for the end itself. An end is no one's value: it
is the roundest number (in binary) between what n people and what twice as many have at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stedi.arrays import Int32s, Int64s
from stedi.parquet.compiled import compiled
from stedi.privacy.publication.mondrian import AXES, SIDES, TARGET


@dataclass(frozen=True)
class Ends:
    """The first and last number that rows have on each axis (a row an axis), and of the target."""

    axes: Int32s
    target: tuple[int, int]

    def within(self, bands: Int32s) -> Int32s:
        """Bands of the target, given by their first and last numbers, that end where it ends."""
        drawn_in = bands.copy()
        for side, end in enumerate(self.target):
            drawn_in[_holds(bands, end), side] = end
        return drawn_in

    def band_of(self, number: int, bands: Int32s) -> Int32s:
        """The band that a number of the target lies in: one row."""
        return bands[_holds(bands, number)]


def draw_in(
    rows: Int32s, people: int, axes: int, bands: Int32s, k: int, people_an_end: int
) -> Ends:
    """Draw the values of rows in to the ends of their columns, and return these.

    `rows` have the columns that `mondrian` names; they have `people` people, numbered from 0. Of
    one in `people_an_end` of those on a side, and of `k` at least, values lie at each end of an
    axis or further out; of `k` at each end of the target, which stays in its band.
    """
    columns: Int64s = np.array([TARGET, *range(AXES, AXES + axes)], np.int64)
    outermost: Int32s = np.empty((len(columns), AXES - SIDES, 2, people), np.int32)
    outermost[:, :, 0], outermost[:, :, 1] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
    _write_outermost(rows, columns, outermost)
    reaches = [
        [_reaches(side, k, people_an_end if n else people) for side in column]
        for n, column in enumerate(outermost)
    ]
    ends = ends_of(reaches, k, bands)
    _clip(rows, columns, np.array([ends.target, *ends.axes], np.int32))
    return ends


class EndOfColumn(NamedTuple):
    """How far out people's values lie at one end of a column.

    The value of the person whose lies furthest, then the value that `enough` people have or go
    beyond, and the one that twice as many do. At the upper end they are negated.
    """

    outermost: int
    enough: int
    twice: int


Reaches = Sequence[Sequence[tuple[EndOfColumn, EndOfColumn]]]
"""Reaches at the lower and the upper end, by column, the target first, and by side."""


def ends_of(reaches: Reaches, k: int, bands: Int32s) -> Ends:
    """The ends of columns, from how far out people's values lie."""
    target, *axes = (_ends(column, k, None if n else bands) for n, column in enumerate(reaches))
    return Ends(np.array(axes, np.int32).reshape(-1, 2), target)


def _ends(
    reaches: Sequence[tuple[EndOfColumn, EndOfColumn]], k: int, bands: Int32s | None = None
) -> tuple[int, int]:
    """The ends of one column, from its reaches by side."""
    if k == 1:  # a class may be of one person, so an end may be, too
        return min(low.outermost for low, _ in reaches), max(-high.outermost for _, high in reaches)
    least, further_in = (max(low[n] for low, _ in reaches) for n in (1, 2))
    most, less = (min(-high[n] for _, high in reaches) for n in (1, 2))
    if bands is not None:
        further_in = min(further_in, int(bands[_holds(bands, least), 1][0]))
        less = max(less, int(bands[_holds(bands, most), 0][0]))
    middle = (least + most) // 2
    if least > most:  # so many people are all there are, and nobody's values go from end to end
        return middle, middle
    return _roundest(least, min(further_in, middle)), -_roundest(-most, -max(less, middle))


def enough(people: int, k: int, people_an_end: int) -> int:
    """Of how many people of a side an end must have values, or values beyond it."""
    return max(k, people // people_an_end)


def _reaches(outermost: Int32s, k: int, people_an_end: int) -> tuple[EndOfColumn, EndOfColumn]:
    """The reaches of one side, from the least and greatest value of each person."""
    least, most = outermost[:, outermost[0] <= outermost[1]]  # of people who have any
    return _reach(least, k, people_an_end), _reach(-most, k, people_an_end)


def _reach(values: Int32s, k: int, people_an_end: int) -> EndOfColumn:
    count = enough(len(values), k, people_an_end)
    ranks = [0, min(count, len(values)) - 1, min(2 * count, len(values)) - 1]
    ordered = np.partition(values, ranks)
    return EndOfColumn(*(int(ordered[rank]) for rank in ranks))


def _roundest(first: int, last: int) -> int:
    """The roundest number behind the first, up to the last; the first where they are the same."""
    step = 1 << 31
    while step > 1 and last // step * step <= first:
        step //= 2
    return max(first, last // step * step)


def _holds(bands: Int32s, number: int) -> Int64s:
    return np.flatnonzero((bands[:, 0] <= number) & (number <= bands[:, 1]))


@compiled
def _write_outermost(rows: Int32s, columns: Int64s, outermost: Int32s) -> None:
    for n in range(len(rows)):
        for side in range(AXES - SIDES):
            person = rows[n, SIDES + side]
            for c in range(len(columns)):
                value = rows[n, columns[c]]
                if value < outermost[c, side, 0, person]:
                    outermost[c, side, 0, person] = value
                if value > outermost[c, side, 1, person]:
                    outermost[c, side, 1, person] = value


@compiled
def _clip(rows: Int32s, columns: Int64s, ends: Int32s) -> None:
    for n in range(len(rows)):
        for c in range(len(columns)):
            value = rows[n, columns[c]]
            if value < ends[c, 0]:
                rows[n, columns[c]] = ends[c, 0]
            elif value > ends[c, 1]:
                rows[n, columns[c]] = ends[c, 1]

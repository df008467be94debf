"""Columns on their declared grids: values as whole numbers, and back, as midpoints of ranges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stedi.contracts import Coarsened
from stedi.privacy.mondrian import Floats, Ints

Bools = npt.NDArray[np.bool_]


class Grid:
    """The grid of one column: `size` values from `minimum` to `maximum`, numbered from 0."""

    def __init__(self, declared: Coarsened) -> None:
        self.column = declared.column
        self._grid, self._origin = declared.grid, declared.origin
        self._first = _nearest((declared.minimum - declared.origin) / declared.grid)
        self.size = _nearest((declared.maximum - declared.origin) / declared.grid) - self._first + 1
        # 1,000 values to 1 are exact, of a thousandth there is no double.
        per_unit = round(1 / declared.grid)
        self._per_unit = per_unit if abs(per_unit * declared.grid - 1) < 1e-12 else 0
        edges = sorted(self._number(np.array([edge]))[0] for edge in declared.edges)
        begins = [0, *(int(edge) for edge in edges if 0 < edge < self.size)]
        ends = [*(begin - 1 for begin in begins[1:]), self.size - 1]
        self.bands: Ints = np.array([begins, ends], np.int32).T.copy()
        """The first and last number of each band between declared edges."""

    def numbers(self, values: Floats) -> tuple[Ints, int]:
        """The nearest number on the grid of each value, and how many values lay beyond the grid.

        Those become the first or last number of the grid.
        """
        numbers = self._number(values)
        beyond = int(np.count_nonzero((numbers < 0) | (numbers >= self.size)))
        return np.clip(numbers, 0, self.size - 1).astype(np.int32), beyond

    def band(self, numbers: Ints) -> Ints:
        """The band that each number lies in."""
        after = np.searchsorted(self.bands[:, 0], numbers, side="right")
        found: Ints = (after - 1).astype(np.int32)
        return found

    def midpoints(self, least: Ints, most: Ints) -> Floats:
        """The values half-way between numbers, as exact as doubles are."""
        return self._values(least.astype(np.float64) + most)

    def positions(self, values: Floats) -> Floats:
        """Where values lie among the numbers of the grid, which they may lie between."""
        found: Floats = (values - self._origin) / self._grid - self._first
        return found

    def edges(self, least: Ints, most: Ints) -> tuple[Floats, Floats]:
        """The least value that belongs to each range of numbers, and the least that doesn't.

        Ranges that begin or end with the grid go on for ever, since what lies beyond belongs there.
        """
        begins = self._values(2 * least.astype(np.float64) - 1)
        ends = self._values(2 * most.astype(np.float64) + 1)
        begins[least == 0] = -np.inf
        ends[most == self.size - 1] = np.inf
        return begins, ends

    def ranges(self, begins: Floats, ends: Floats) -> tuple[Ints, Ints]:
        """The numbers between edges, as `edges` gives them."""
        least, _ = self.numbers(np.where(np.isneginf(begins), 0, begins + self._grid / 2))
        most, _ = self.numbers(np.where(np.isposinf(ends), 0, ends - self._grid / 2))
        least[np.isneginf(begins)] = 0
        most[np.isposinf(ends)] = self.size - 1
        return least, most

    def is_midpoint(self, values: Floats) -> Bools:
        """Whether each value is half-way between two numbers of the grid."""
        halves = 2 * ((values - self._origin) / self._grid - self._first)
        whole = np.rint(halves)
        inside = (whole >= 0) & (whole <= 2 * (self.size - 1))
        # Compared as doubles: a value that is a trifle off was not made by halving.
        found: Bools = inside & (self._values(whole) == values)
        return found

    def _number(self, values: Floats) -> Floats:
        with np.errstate(over="ignore"):
            numbers: Floats = np.floor((values - self._origin) / self._grid + 0.5) - self._first
            # Half-way between two numbers rounding decides; an edge is told by comparison, always.
            numbers += values >= self._values(2 * numbers + 1)
            numbers -= values < self._values(2 * numbers - 1)
        return numbers

    def _values(self, halves: Floats) -> Floats:
        """The values of numbers that are given doubled."""
        doubled = halves + 2.0 * self._first
        steps = doubled / (2 * self._per_unit) if self._per_unit else doubled * (self._grid / 2)
        values: Floats = self._origin + steps
        return values


def _nearest(number: float) -> int:
    return int(np.floor(number + 0.5))

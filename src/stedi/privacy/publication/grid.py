"""Columns on their declared grids: values as whole numbers, and back, as midpoints of ranges."""

from __future__ import annotations

import numpy as np

from stedi.arrays import Bools, Float64s, Int32s, Int64s
from stedi.declared.contract import Coarsened
from stedi.parquet.compiled import compiled, inlined


class Grid:
    """The grid of one column: `size` values from `minimum` to `maximum`, numbered from 0."""

    def __init__(self, declared: Coarsened) -> None:
        self.column = declared.column
        self.step, self.origin = declared.grid, declared.origin
        self.first = _nearest((declared.minimum - declared.origin) / declared.grid)
        self.size = _nearest((declared.maximum - declared.origin) / declared.grid) - self.first + 1
        # 1,000 values to 1 are exact, of a thousandth there is no double.
        per_unit = round(1 / declared.grid)
        self.per_unit = per_unit if abs(per_unit * declared.grid - 1) < 1e-12 else 0
        edges = sorted(
            _nearest((edge - declared.origin) / declared.grid) for edge in declared.edges
        )
        begins = [0, *(edge - self.first for edge in edges if edge > self.first)]
        ends = [*(begin - 1 for begin in begins[1:]), self.size - 1]
        self.bands: Int32s = np.array([begins, ends], np.int32).T.copy()
        """The first and last number of each band between declared edges."""

    def numbers(self, values: Float64s) -> tuple[Int32s, int]:
        """The nearest number on the grid of each value, and how many values lay beyond the grid.

        Those become the first or last number of the grid.
        """
        numbers = np.empty(len(values), np.int32)
        return numbers, self.write_numbers(values, numbers)

    def write_numbers(self, values: Float64s, numbers: Int32s) -> int:
        """Write the numbers of values to an array; returns how many lay beyond the grid."""
        return _number(
            values, self.origin, self.step, self.per_unit, self.first, self.size, numbers
        )

    def band(self, numbers: Int32s) -> Int32s:
        """The band that each number lies in."""
        after = np.searchsorted(self.bands[:, 0], numbers, side="right")
        bands: Int32s = (after - 1).astype(np.int32)
        return bands

    def midpoints(self, least: Int32s, most: Int32s) -> Float64s:
        """The values half-way between numbers, as exact as doubles are."""
        return self._values(least.astype(np.float64) + most)

    def deviation(self, numbers: Int32s) -> float:
        """The standard deviation of the values of numbers."""
        count = len(numbers)
        mean = float(numbers.sum(dtype=np.int64)) / count
        return float(np.sqrt(_squares(numbers, mean) / count)) * self.step

    def positions(self, values: Float64s) -> Float64s:
        """Where values lie among the numbers of the grid, which they may lie between."""
        positions: Float64s = (values - self.origin) / self.step - self.first
        return positions

    def halves(self, values: Float64s) -> Int64s:
        """Where values lie among the numbers of the grid, doubled and rounded."""
        halves: Int64s = np.rint(2 * self.positions(values)).astype(np.int64)
        return halves

    def edges(self, least: Int32s, most: Int32s) -> tuple[Float64s, Float64s]:
        """The least value that belongs to each range of numbers, and the least that doesn't.

        Ranges that begin or end with the grid go on for ever, since what lies beyond belongs there.
        """
        begins = self._values(2 * least.astype(np.float64) - 1)
        ends = self._values(2 * most.astype(np.float64) + 1)
        begins[least == 0] = -np.inf
        ends[most == self.size - 1] = np.inf
        return begins, ends

    def ranges(self, begins: Float64s, ends: Float64s) -> tuple[Int32s, Int32s]:
        """The numbers between edges, as `edges` returns them."""
        least, _ = self.numbers(np.where(np.isneginf(begins), 0, begins + self.step / 2))
        most, _ = self.numbers(np.where(np.isposinf(ends), 0, ends - self.step / 2))
        least[np.isneginf(begins)] = 0
        most[np.isposinf(ends)] = self.size - 1
        return least, most

    def is_midpoint(self, values: Float64s) -> Bools:
        """Whether each value is half-way between two numbers of the grid."""
        halves = 2 * self.positions(values)
        whole = np.rint(halves)
        inside = (whole >= 0) & (whole <= 2 * (self.size - 1))
        # Compared as doubles: a value that is a trifle off was not made by halving.
        is_midpoint: Bools = inside & (self._values(whole) == values)
        return is_midpoint

    def _values(self, halves: Float64s) -> Float64s:
        """The values of numbers that are given doubled."""
        doubled = halves + 2.0 * self.first
        steps = doubled / (2 * self.per_unit) if self.per_unit else doubled * (self.step / 2)
        values: Float64s = self.origin + steps
        return values


def _nearest(number: float) -> int:
    return int(np.floor(number + 0.5))


@compiled
def _number(
    values: Float64s,
    origin: float,
    grid: float,
    per_unit: int,
    first: int,
    size: int,
    numbers: Int32s,
) -> int:
    beyond = 0
    for n in range(len(values)):
        value = values[n]
        number = np.floor((value - origin) / grid + 0.5)
        # Half-way between two numbers rounding decides; an edge is told by comparison, always.
        if value >= _value(2 * number + 1, origin, grid, per_unit):
            number += 1
        elif value < _value(2 * number - 1, origin, grid, per_unit):
            number -= 1
        number -= first
        if number < 0:
            beyond += 1
            numbers[n] = 0
        elif number >= size:
            beyond += 1
            numbers[n] = size - 1
        else:
            numbers[n] = np.int32(number)
    return beyond


@compiled
def _squares(numbers: Int32s, mean: float) -> float:
    total = 0.0
    for number in numbers:
        total += (number - mean) ** 2
    return total


@inlined
def _value(doubled: float, origin: float, grid: float, per_unit: int) -> float:
    if per_unit:
        return origin + doubled / (2 * per_unit)
    return origin + doubled * (grid / 2)

"""The vector that a private release is made from: for each person, a function of their rows alone.

The total is a plain sum over people, of `vector_of` of each. `docs/sensitivity.md` shows from this
file that adding or removing any person moves it by at most `Spectrum.sensitivity` (L2), and that
nothing that people have decides anything else. So whatever is done here has to be exact: sums are
of whole numbers, which no order of rows changes, and each value is computed by itself, since
functions over many values at once may round differently by where a value stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.declared.private import Private, Resolution
from stedi.parquet.compiled import compiled
from stedi.privacy.publication import Raw
from stedi.progress import advance, expect

STEPS = 64
"""Whole numbers to one unit of a person's vector."""
_FINE = 1 << 24
"""Whole numbers to one unit of a row's coefficient."""
_SHRINK = 1 - 2.0**-10
SQRT2 = math.sqrt(2)


@dataclass(frozen=True)
class Spectrum:
    """Which coefficients there are, and where values lie among them: public constants alone.

    The vector has those of each band of the target (see `Publication`), one band after the other.
    """

    publication: Publication
    private: Private
    resolution: Resolution

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The axes, and the target if there is one."""
        target = self.publication.target
        axes = (axis.column for axis in self.publication.axes)
        return (*axes, *((target.column,) if target else ()))

    @cached_property
    def waves(self) -> list[tuple[int, ...]]:
        """The frequencies of each coefficient of a band: of the axes, then of the target."""
        waves = self.resolution.waves(len(self.publication.axes))
        return waves if self.publication.target else [wave for wave in waves if not wave[-1]]

    @cached_property
    def edges(self) -> tuple[float, ...]:
        """Where bands of the target begin and end, in its unit; without a target, one band."""
        target = self.publication.target
        if target is None:
            return (-math.inf, math.inf)
        inner = sorted(edge for edge in target.edges if edge > target.minimum)
        return (target.minimum, *inner, target.maximum)

    @property
    def bands(self) -> int:
        """How many bands the target has."""
        return len(self.edges) - 1

    @property
    def size(self) -> int:
        """How many numbers the vector has."""
        return self.bands * len(self.waves)

    @property
    def sensitivity(self) -> int:
        """How far, at most (L2), adding or removing one person moves the vector."""
        return math.floor(self.resolution.clip * STEPS)

    def vector_of(self, values: Float64s) -> Int64s:
        """One person's vector, from their rows alone: an array of rows by `columns`.

        Its length is at most `sensitivity`, whatever the values are. Rows with a value that is no
        number count as none. The order of rows makes no difference.
        """
        sums = np.zeros((self.bands, len(self.waves)), np.int64)
        rows = _add_rows(
            np.ascontiguousarray(values, np.float64), *self._constants,
            np.zeros((self._frequencies.shape[1], int(self._frequencies.max()) + 1)), sums,
        )  # fmt: skip
        weight = min(1.0, self.private.rows_per_person / rows) if rows else 0.0
        units: Float64s = sums.reshape(-1).astype(np.float64) * (weight / _FINE)
        return clipped(units, self.sensitivity)

    def total(self, raw: Raw) -> Int64s:
        """The sum of everybody's vectors, of the rows that are one person's on every side."""
        own = np.flatnonzero(np.logical_and.reduce([s == raw.people[0] for s in raw.people]))
        own = own[np.argsort(raw.people[0][own], kind="stable")]
        people = raw.people[0][own]
        values = np.column_stack([raw.columns[name][own] for name in self.columns])
        total = np.zeros(self.size, np.int64)
        expect(len(values), "rows")
        for of_one in np.split(values, np.flatnonzero(np.diff(people)) + 1):
            total += self.vector_of(of_one)
            advance(len(of_one))
        return total

    @cached_property
    def _frequencies(self) -> Int64s:
        waves = np.array(self.waves, np.int64)
        return waves if self.publication.target else waves[:, :-1].copy()

    @cached_property
    def _constants(self) -> tuple[Float64s, Float64s, Float64s, Int64s]:
        warps = [self.private.warp(name) for name in self.columns]
        edges = np.array(self.edges)
        ends = np.array([0.0, 1.0])
        if self.publication.target:
            ends = np.array([phi((edge - warps[-1].centre) / warps[-1].spread) for edge in edges])
        map_ = np.array([(warp.centre, warp.spread) for warp in warps])
        return map_, edges, ends, self._frequencies


def clipped(vector: Float64s, sensitivity: int) -> Int64s:
    """A vector in steps, cut to whole numbers, of a length (L2) of at most `sensitivity`.

    The length is checked on the whole numbers, exactly; a vector that is still too long is made
    shorter until it isn't.
    """
    steps = vector * float(STEPS)
    length = math.sqrt(math.fsum(steps * steps))
    whole: Int64s = np.trunc(steps * min(1.0, sensitivity / length) if length else steps).astype(
        np.int64
    )
    while int((whole * whole).sum()) > sensitivity**2:
        whole = np.trunc(whole * _SHRINK).astype(np.int64)
    return whole


def phi(value: float) -> float:
    """The normal distribution's share below a value."""
    return 0.5 * math.erfc(-value / SQRT2)


@compiled
def _add_rows(
    values: Float64s,
    warps: Float64s,
    edges: Float64s,
    ends: Float64s,
    waves: Int64s,
    cosines: Float64s,
    sums: Int64s,
) -> int:
    """Add each row's coefficients, as whole numbers, to its band's; returns how many rows count.

    `cosines` is room for those of one row: by column and frequency.
    """
    counted = 0
    columns, bands = values.shape[1], sums.shape[0]
    is_targeted = len(ends) == len(edges) and edges[0] > -np.inf
    for row in range(len(values)):
        band = 0
        is_number = True
        for column in range(columns):
            value = values[row, column]
            if np.isnan(value):
                is_number = False
                break
            position = 0.5 * math.erfc((warps[column, 0] - value) / (warps[column, 1] * SQRT2))
            if is_targeted and column == columns - 1:
                while band < bands - 1 and value >= edges[band + 1]:
                    band += 1
                width = ends[band + 1] - ends[band]
                position = (position - ends[band]) / width if width > 0 else 0.5
                position = min(max(position, 0.0), 1.0)
            once = math.cos(math.pi * position)
            before, now = 1.0, once
            cosines[column, 0] = 1.0
            for n in range(1, cosines.shape[1]):
                cosines[column, n] = SQRT2 * now
                before, now = now, 2 * once * now - before
        if not is_number:
            continue
        counted += 1
        for wave in range(len(waves)):
            coefficient = 1.0
            for column in range(columns):
                coefficient *= cosines[column, waves[wave, column]]
            sums[band, wave] += int(coefficient * _FINE)
    return counted

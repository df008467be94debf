"""What is declared of a private release: constants that are public, and a budget for a lifetime."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product

LEAST_EPSILON, MOST_EPSILON = 0.01, 20.0


@dataclass(frozen=True)
class Warp:
    """A public map of a column onto 0 to 1: the normal distribution's Φ((value - centre) / spread).

    Centre and spread are in the column's unit. They come from what is known of the sensor, never
    from the data.
    """

    column: str
    centre: float
    spread: float


@dataclass(frozen=True)
class Resolution:
    """Which cosine coefficients are released from an `epsilon` on, and where people are clipped.

    A coefficient has a frequency for each axis (whole numbers from 0) and for the target.
    `frequencies` bounds the length of the axes' frequencies as a vector. `target` bounds the
    target's frequency by the sum of the axes': its first number where that is 0, its second where
    it is 1, and so on. `clip` bounds the length (L2) of one person's vector.
    """

    epsilon: float
    frequencies: float
    target: tuple[int, ...]
    clip: float

    def waves(self, axes: int) -> list[tuple[int, ...]]:
        """The frequencies of each coefficient: of the axes, then of the target."""
        least = range(int(self.frequencies) + 1)
        inside = [
            wave
            for wave in product(least, repeat=axes)
            if sum(n * n for n in wave) <= self.frequencies**2
        ]
        return [(*wave, 0) for wave in inside] + [
            (*wave, n)
            for wave in inside
            if sum(wave) < len(self.target)
            for n in range(1, self.target[sum(wave)] + 1)
        ]


@dataclass(frozen=True)
class Private:
    """How a published table is released under person-level differential privacy.

    Synthetic rows go to the table `table` at `location` (relative to the lakehouse folder), too. Of
    a person, rows together count as at most `rows_per_person`. `epsilon` is the default of one
    release, at `delta`. All releases together stay within `lifetime_epsilon` at that delta, for
    ever. Whatever changes after one takes effect in a release that is at least `days` later.
    """

    table: str
    location: str
    warps: tuple[Warp, ...]
    resolutions: tuple[Resolution, ...]
    rows_per_person: int
    epsilon: float
    delta: float
    lifetime_epsilon: float
    days: float

    def resolution(self, epsilon: float) -> Resolution:
        """The one for an epsilon: the finest that is declared for so little, or the coarsest."""
        fitting = [r for r in self.resolutions if r.epsilon <= epsilon]
        return fitting[-1] if fitting else self.resolutions[0]

    def warp(self, column: str) -> Warp:
        """The map of a column."""
        return next(warp for warp in self.warps if warp.column == column)

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same rows could give another vector."""
        parts = (self.warps, self.resolutions, self.rows_per_person, self.delta, _METHOD)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


_METHOD = 1
"""Counted up when the same rows would give another vector."""

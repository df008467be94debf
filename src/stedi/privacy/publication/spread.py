"""How far the values of a column are spread, before it is published and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a column, in its unit, before and after."""

    before: float
    after: float

    @property
    def change(self) -> float:
        """By which share of itself it changed."""
        if self.before == self.after:
            return 0.0
        return self.after / self.before - 1 if self.before else np.inf


def deviation(values: Float64s, counts: Int64s | None = None) -> float:
    """The standard deviation of values that occur so often each; of one each by default."""
    unit = max(float(np.abs(values).max(initial=0)), 1.0)  # squares of large doubles are none
    scaled = values / unit
    mean = np.average(scaled, weights=counts)
    return float(np.sqrt(np.average((scaled - mean) ** 2, weights=counts)) * unit)


def changed(spreads: Mapping[str, Spread], publication: Publication) -> Iterator[tuple[str, str]]:
    """The columns whose spread changed by more than the contract allows, and by how much."""
    for column, spread in spreads.items():
        if abs(spread.change) > publication.spread_margin:
            percent = f"{min(abs(spread.change), 99.99):.0%}"
            yield (
                column,
                f"the published standard deviation of {column} is {percent} "
                f"{'larger' if spread.change > 0 else 'smaller'} than the raw one; the contract "
                f"allows {publication.spread_margin:.0%}. Look for impossible raw values",
            )

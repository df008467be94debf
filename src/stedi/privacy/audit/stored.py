"""What is stored of a published table, as runs of equal rows: never a row by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.privacy.publication import Classes, classes_of


@dataclass(frozen=True)
class Stored:
    """The values of each run of equal rows by column, in their order, and how many rows it has."""

    columns: Mapping[str, Float64s]
    counts: Int64s

    @classmethod
    def of(cls, blocks: Iterable[Mapping[str, Float64s]]) -> Stored:
        """The runs of rows that come in blocks."""
        runs = classes_of(blocks)
        return cls(runs.values, runs.counts)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.counts.sum())

    @property
    def disorder(self) -> int:
        """How many rows are less than the one before them."""
        columns = [*self.columns.values()]
        earlier = np.zeros(max(len(self.counts) - 1, 0), np.bool_)
        undecided = ~earlier
        for column in columns:
            earlier |= undecided & (column[1:] < column[:-1])
            undecided &= column[1:] == column[:-1]
        return int(earlier.sum())

    @property
    def classes(self) -> Classes:
        """The runs as classes, which they are where rows are in order."""
        return Classes(dict(self.columns), self.counts)

    def quantiles(self, name: str, shares: Sequence[float]) -> list[float]:
        """Quantiles of a column's values, as `numpy.quantile` finds them of the rows."""
        return [*quantiles(self.columns[name], self.counts, shares)]


def quantiles(values: Float64s, counts: Int64s, shares: Sequence[float]) -> Iterator[float]:
    """Quantiles of values that occur so often each: between two of them, on a straight line."""
    order = np.argsort(values, kind="stable")
    values, ends = values[order], np.cumsum(counts[order])
    for share in shares:
        place = share * (int(ends[-1]) - 1)
        below = int(np.floor(place))
        low, high = (
            float(values[np.searchsorted(ends, at, side="right")])
            for at in (below, min(below + 1, int(ends[-1]) - 1))
        )
        along = place - below
        # As NumPy does it, so that it is the same double.
        yield high - (high - low) * (1 - along) if along >= 0.5 else low + (high - low) * along

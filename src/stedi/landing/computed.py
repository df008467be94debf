"""Columns that landing works out: an identifier folded, and when the file arrived.

They stand in the contract among those that are delivered, and are written with them, so that no
engine has its own idea of letters or of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import pyarrow as pa

from stedi.arrays import Int64s
from stedi.declared.contract import Contract
from stedi.landing.fold import fold, folded
from stedi.landing.records import Value

NS_PER_MS = 1_000_000


class Computed:
    """Puts rows together: delivered values, in the order of the contract with what is computed."""

    def __init__(self, contract: Contract) -> None:
        places = {column.name: n for n, column in enumerate(contract.delivered)}
        self._columns = [
            None if c.is_arrival else (c.folded_from is not None, places[c.folded_from or c.name])
            for c in contract.columns
        ]

    @cached_property
    def _is_none(self) -> bool:
        return all(column is not None and not column[0] for column in self._columns)

    def row(self, values: tuple[Value, ...], arrived: int) -> tuple[Value, ...]:
        """One row; `arrived` is in epoch milliseconds."""
        if self._is_none:
            return values
        row: list[Value] = []
        for column in self._columns:
            value = arrived if column is None else values[column[1]]
            is_folded = column is not None and column[0]
            row.append(fold(value) if is_folded and isinstance(value, str) else value)
        return tuple(row)

    def arrays(self, delivered: Sequence[pa.Array], arrived: Int64s) -> list[pa.Array]:
        """Many rows, by column; `arrived` has one value a row."""
        when = pa.Array.from_buffers(pa.int64(), len(arrived), [None, pa.py_buffer(arrived)])
        arrays = []
        for column in self._columns:
            array = when if column is None else delivered[column[1]]
            arrays.append(folded(array) if column is not None and column[0] else array)
        return arrays

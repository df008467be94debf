"""Rows that the compiled scan reads, looked at for some texts and then let go of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from stedi.arrays import Bools
from stedi.declared.contract import Contract
from stedi.landing.columns import Scanned, TypedRows
from stedi.landing.records import Record
from stedi.landing.window import Window
from stedi.parquet import ParquetFile

Among = Callable[[str, Sequence[str]], Sequence[bool]]
"""Which texts of a column are sought."""


class SightedRows(TypedRows):
    """Rows of one table of which only the sought ones are told, by where their records begin."""

    def __init__(self, contract: Contract, sought: Mapping[str, Among]) -> None:
        super().__init__(contract, _NOWHERE)
        names = [column.name for column in contract.delivered]
        self._sought = {names.index(name): (name, among) for name, among in sought.items()}
        self._seen = 0
        self._begins: list[int] = []

    def sight(self, window: Window) -> tuple[list[int], Scanned]:
        """Scan once: where records begin that may be sought, and how scanning ended."""
        self._begins = []
        scanned = self.scan(window, window.end)
        self._look()
        return self._begins, scanned

    def teach(self, record: Record) -> None:
        """Have scans know the keys of a record that was read by itself."""
        self._vocabulary.teach(record.keys)

    def flush(self) -> None:
        """Let go of the rows."""
        self._look()
        self._kept[: self._rows] = True
        self._rows = self._seen = 0

    def _look(self) -> None:
        first, count = self._seen, self._rows - self._seen
        self._seen = self._rows
        if not count:
            return
        hits: Bools = np.zeros(count, np.bool_)
        for slot, (name, among) in self._sought.items():
            texts = self._array(slot, first).dictionary_encode()
            sought = np.array([*among(name, texts.dictionary.to_pylist()), False], np.bool_)
            if sought.any():
                codes = np.asarray(texts.indices.fill_null(len(sought) - 1))
                hits |= sought[codes]
        hits &= self._kept[first : self._rows]
        self._begins += self._columns.begins[first : self._rows][hits].tolist()


class _Nowhere(ParquetFile):
    """What nothing is written to."""

    def __init__(self) -> None:
        self.schema = pa.schema([])
        self.rows = 0


_NOWHERE = _Nowhere()

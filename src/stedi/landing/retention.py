"""Expired records: those kept for as long as their contract declares.

A record expires when its time (`retentionColumn`) is `retentionDays` days ago. A quarantined record
expires when every such time that can be read in it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stedi.declared.contract import Contract
from stedi.landing.records import Piece

KEPT = "kept long enough"
"""Why records are dropped whose time is over."""
_DAY = 86_400_000


@dataclass(frozen=True)
class Over:
    """Tells records of one source that are over `now` (epoch ms), as `locate` asks."""

    contract: Contract
    now: int

    @property
    def column(self) -> str:
        """The column that says of when a record is."""
        assert self.contract.retention.record_column is not None
        return self.contract.retention.record_column

    @property
    def until(self) -> float:
        """Records of this time (epoch ms) or before it are over."""
        assert self.contract.retention.record_days is not None
        return self.now - self.contract.retention.record_days * _DAY

    @property
    def columns(self) -> Sequence[str]:
        """The column by which records are told."""
        return [self.column]

    def among(self, _: str, values: Sequence[object]) -> Sequence[bool]:
        """Which times are over."""
        until = self.until
        return [isinstance(value, int) and value <= until for value in values]

    def record(self, values: Mapping[str, object]) -> bool:
        """Whether a record is over."""
        return self.among(self.column, [values[self.column]])[0]

    def piece(self, piece: Piece) -> bool:
        """Whether an invalid record has expired, as far as its times can be read."""
        return self.raw(piece.raw)

    def raw(self, raw: bytes) -> bool:
        """Whether an invalid record with these bytes has expired."""
        times = [int(time) for time in self._times.findall(raw)]
        return bool(times) and all(self.among(self.column, times))

    @cached_property
    def _times(self) -> re.Pattern[bytes]:
        """A whole number behind the key, in quotes or not."""
        column = self.contract.column(self.column)
        key = re.escape(str(column.json_key if column else "").encode())
        return re.compile(rb'(?i)"' + key + rb'"\s*:\s*"?\s*(-?[0-9]{1,18})(?![0-9.eE])')

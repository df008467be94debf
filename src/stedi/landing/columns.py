"""Typed rows on their way from raw bytes into Parquet, a row group at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from stedi.arrays import Bools, Bytes, Int32s
from stedi.columns import Column
from stedi.declared.contract import Contract
from stedi.declared.patterns import matching
from stedi.landing import scan
from stedi.landing.computed import Computed
from stedi.landing.oddities import Noticing
from stedi.landing.records import LONG_MAX, LONG_MIN, Record
from stedi.landing.window import PADDING, WINDOW_BYTES, Window
from stedi.parquet import ParquetFile

TYPED_GROUP_ROWS = 1 << 17
"""Rows of a row group that landing writes, at most."""
_TEXT_BYTES = 8 * WINDOW_BYTES
_OPEN_NUMBERS = 1 << 14
_PASSED = 1 << 6
"""After so many scans learn what keys they had, if they were right."""
_LONGEST_KEY = 256
_MOST_SPELLINGS = 128
_KINDS = {"long": scan.LONG, "double": scan.DOUBLE, "string": scan.TEXT}
_NOT_AS_IT_STANDS = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')


class Vocabulary:
    """The keys that a scan knows: the contract's, and spellings and unknown keys it is taught."""

    def __init__(self, columns: Sequence[Column], passes: bool = True) -> None:
        self._columns, self._passes = columns, passes
        self._slots = {(c.json_key or c.name).lower(): n for n, c in enumerate(columns)}
        self._spellings = {c.json_key or c.name: n for n, c in enumerate(columns)}
        self.unknown: list[str] = []
        """Keys that the contract lacks, by their slots behind the columns'."""
        self.keys = self._keys()

    def teach(self, spellings: Sequence[str]) -> None:
        """Take up the keys of a record, as far as there is room."""
        n_known = len(self._spellings)
        for spelling in spellings:
            if len(self._spellings) == _MOST_SPELLINGS:
                break
            key = spelling.lower()
            if (
                spelling not in self._spellings
                and (key in self._slots or len(self._slots) < scan.MOST_SLOTS)
                and len(spelling) <= _LONGEST_KEY
                and not _NOT_AS_IT_STANDS.search(spelling)
            ):
                if key not in self._slots:
                    self.unknown.append(spelling)
                self._spellings[spelling] = self._slots.setdefault(key, len(self._slots))
        if len(self._spellings) > n_known:
            self.keys = self._keys()

    def _keys(self) -> scan.Keys:
        columns = self._columns
        texts = [spelling.encode() for spelling in self._spellings]
        unknown = [scan.UNKNOWN] * (len(self._slots) - len(columns))
        return scan.Keys(
            text=np.array(bytearray(b"".join(texts)), np.uint8),
            ends=np.cumsum([0, *map(len, texts)], dtype=np.int64),
            slots=np.array(list(self._spellings.values()), np.int64),
            kinds=np.array([_KINDS[c.type] for c in columns] + unknown, np.int64),
            required=np.array([c.required for c in columns], np.bool_),
            least_long=np.array([_least_long(c) for c in columns], np.int64),
            most_long=np.array([_most_long(c) for c in columns], np.int64),
            least_double=np.array([_or(c.minimum, -math.inf) for c in columns], np.float64),
            most_double=np.array([_or(c.maximum, math.inf) for c in columns], np.float64),
            least_length=np.array([_or(c.min_length, 0) for c in columns], np.int64),
            most_length=np.array([_or(c.max_length, LONG_MAX) for c in columns], np.int64),
            passes=self._passes,
        )


def _or(limit: float | None, otherwise: float) -> float:
    return otherwise if limit is None else limit


def _least_long(column: Column) -> int:
    return LONG_MIN if column.minimum is None else max(LONG_MIN, math.ceil(column.minimum))


def _most_long(column: Column) -> int:
    return LONG_MAX if column.maximum is None else min(LONG_MAX, math.floor(column.maximum))


class Scanned(NamedTuple):
    """How one scan ended: whether at something that it can't read.

    `invalid` are the places of records whose values turned out not to fit, `passed` of what it
    passed over: where it begins and ends, how many newlines lie before, and what it is (of `scan`).
    None is loaded.
    """

    is_unclear: bool
    invalid: Sequence[int]
    passed: Sequence[tuple[int, int, int, int]]


def prepare() -> None:
    """Load the compiled parser, or compile it when a machine first uses it."""
    nothing = np.zeros(PADDING, np.uint8)
    scan.scan(nothing, 0, 0, Vocabulary(()).keys, _buffers(0, 0), 0)


class TypedRows:
    """Rows of one table, collected by column and written a row group at a time.

    `records` counts them, `unknown_keys` those with keys that the contract lacks; `noticing` counts
    what else is odd. `arrived` is to be set: when the file arrived that comes next, epoch ms.
    """

    def __init__(self, contract: Contract, file: ParquetFile) -> None:
        columns = self._contract = contract.delivered
        self._computed = Computed(contract)
        self._file = file
        self._vocabulary = Vocabulary(columns, contract.records_under is None)
        self.noticing = Noticing(contract)
        self._texts = [n for n, column in enumerate(columns) if column.type == "string"]
        self._patterns = [(n, c.pattern) for n, c in enumerate(columns) if c.pattern is not None]
        self._columns = _buffers(len(columns), _TEXT_BYTES)
        self._kept = np.ones(TYPED_GROUP_ROWS, np.bool_)
        self._arrived = np.zeros(TYPED_GROUP_ROWS, np.int64)
        self._rows = 0
        self.records = self.unknown_keys = self.arrived = 0

    def scan(self, window: Window, end: int) -> Scanned:
        """Read records that begin before `end`, while they are clear and there is room."""
        self._reserve(window.end - window.at)
        first, columns = self._rows, self._columns
        status, at, self._rows, lines, n_open, n_passed = scan.scan(
            window.array, window.at, end, self._vocabulary.keys, columns, first
        )
        window.advance(at, lines)
        invalid = self._remove_invalid(first, n_open)
        self.records += self._rows - first - len(invalid)
        new = slice(first, self._rows)
        self._arrived[new] = self.arrived
        self._notice(new)
        if status == scan.FULL:
            self.flush()
        return Scanned(status == scan.UNCLEAR, invalid, columns.passed[:n_passed].tolist())

    def add(self, record: Record) -> None:
        """Add a record that the strict parser read; the compiled parser learns its keys."""
        values = record.values
        self._reserve(sum(4 * len(value) for value in values if isinstance(value, str)))
        row, columns = self._rows, self._columns
        for slot, (value, column) in enumerate(zip(values, self._contract, strict=True)):
            columns.valid[slot, row] = value is not None
            begin = int(columns.text_ends[slot, row])
            text = value.encode() if isinstance(value, str) else b""
            columns.text[slot, begin : begin + len(text)] = np.frombuffer(text, np.uint8)
            columns.text_ends[slot, row + 1] = begin + len(text)
            if column.type == "long":
                columns.longs[slot, row] = value or 0
            elif column.type == "double":
                columns.doubles[slot, row] = 0.0 if value is None else value
        self._arrived[row] = self.arrived
        self._rows += 1
        self._vocabulary.teach(record.keys)
        self.records += 1
        self.unknown_keys += record.has_unknown_keys
        self.noticing.record(record)

    def close(self) -> list[Path]:
        """Finish the file; returns its path, or nothing where there were no rows."""
        self.flush()
        return self._file.close()

    def flush(self) -> None:
        """Write what was collected as a row group."""
        if self._rows:
            delivered = [self._array(slot, 0) for slot in range(len(self._contract))]
            arrays = self._computed.arrays(delivered, self._arrived[: self._rows])
            batch = pa.RecordBatch.from_arrays(arrays, schema=self._file.schema)
            kept = self._kept[: self._rows]
            self._file.write(batch if kept.all() else batch.filter(_mask(kept)))
            kept[:] = True
        self._rows = 0

    def _notice(self, new: slice) -> None:
        """Count what is odd about rows that a scan read."""
        kept, columns = self._kept[new], self._columns
        for slot in self.noticing.lenient:
            blank = (columns.valid[slot, new] == 0) & kept
            self.noticing.blank(slot, int(np.count_nonzero(blank)))
        unknown = columns.unknown[new][kept]
        if count := int(np.count_nonzero(unknown)):
            self.unknown_keys += count
            for n, key in enumerate(self._vocabulary.unknown):
                if count := int(np.count_nonzero(unknown >> n & 1)):
                    self.noticing.unknown(key, count)

    def _reserve(self, size: int) -> None:
        """Have room for one more row, and `size` more bytes of each text."""
        used = max((int(self._columns.text_ends[n, self._rows]) for n in self._texts), default=0)
        room, needed = self._columns.text.shape[1], max(size, _TEXT_BYTES)
        if self._rows == TYPED_GROUP_ROWS or used + size > room or room != needed:
            self.flush()
        if room != needed:
            self._columns = _buffers(len(self._contract), needed)

    def _remove_invalid(self, first: int, n_open: int) -> list[int]:
        """Drop new rows whose values turn out to be invalid; returns where their records began."""
        if self._rows == first or not (n_open or self._patterns):
            return []
        is_valid = self._convert_open(n_open, first)
        for slot, pattern in self._patterns:
            is_valid &= self._matches(slot, pattern, first)
        self._kept[first : self._rows] = is_valid
        return [int(begin) for begin in self._columns.begins[first : self._rows][~is_valid]]

    def _convert_open(self, count: int, first: int) -> Bools:
        """Convert decimal numbers that the compiled parser left; returns which new rows' fit."""
        columns = self._columns
        is_valid = np.ones(self._rows - first, np.bool_)
        texts = _strings(count, None, columns.open_ends, columns.open_text)
        numbers = np.from_dlpack(texts.cast(pa.float64()))
        rows, slots = columns.open_rows[:count], columns.open_columns[:count]
        columns.doubles[slots, rows] = numbers
        keys = self._vocabulary.keys
        in_range = (keys.least_double[slots] <= numbers) & (numbers <= keys.most_double[slots])
        is_valid[rows[~in_range] - first] = False
        return is_valid

    def _matches(self, slot: int, pattern: str, first: int) -> Bools:
        """Which new rows' texts match a pattern; each text is looked at once."""
        texts = self._array(slot, first).dictionary_encode()
        matches = matching(pattern, texts.dictionary).take(texts.indices).fill_null(True)
        return np.asarray(matches.to_numpy(zero_copy_only=False))

    def _array(self, slot: int, first: int) -> pa.Array:
        columns, count = self._columns, self._rows - first
        valid = columns.valid[slot, first : self._rows]
        bits = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
        if slot in self._texts:
            return _strings(count, bits, columns.text_ends[slot, first:], columns.text[slot])
        is_long = self._contract[slot].type == "long"
        values = (columns.longs if is_long else columns.doubles)[slot, first : self._rows]
        type_ = pa.int64() if is_long else pa.float64()
        return pa.Array.from_buffers(type_, count, [bits, pa.py_buffer(values)])


def _mask(truths: Bools) -> pa.Array:
    bits = pa.py_buffer(np.packbits(truths, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(truths), [None, bits])


def _strings(count: int, bits: pa.Buffer | None, ends: Int32s, text: Bytes) -> pa.Array:
    offsets = pa.py_buffer(ends[: count + 1])
    return pa.Array.from_buffers(pa.string(), count, [bits, offsets, pa.py_buffer(text)])


def _buffers(n_columns: int, text_bytes: int) -> scan.Columns:
    return scan.Columns(
        longs=np.empty((n_columns, TYPED_GROUP_ROWS), np.int64),
        doubles=np.empty((n_columns, TYPED_GROUP_ROWS), np.float64),
        text=np.empty((n_columns, text_bytes), np.uint8),
        text_ends=np.zeros((n_columns, TYPED_GROUP_ROWS + 1), np.int32),
        valid=np.ones((n_columns, TYPED_GROUP_ROWS), np.uint8),
        begins=np.empty(TYPED_GROUP_ROWS, np.int64),
        unknown=np.empty(TYPED_GROUP_ROWS, np.int64),
        passed=np.empty((_PASSED, 4), np.int64),
        open_rows=np.empty(_OPEN_NUMBERS, np.int64),
        open_columns=np.empty(_OPEN_NUMBERS, np.int64),
        open_text=np.empty(_OPEN_NUMBERS * scan.LONGEST_NUMBER, np.uint8),
        open_ends=np.zeros(_OPEN_NUMBERS + 1, np.int32),
    )

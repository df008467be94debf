"""Splits a Parquet file in two: row groups that have some rows, and all others.

Row groups are copied as they are, byte for byte, as Iceberg's own rewriting of files merges
row groups (apache/iceberg, pull request 14435), and behind them their Bloom filters; only the
footer is written again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from stedi.arrays import Bools, Int64s

_MAGIC = b"PAR1"
_COPIED_AT_ONCE = 8 << 20


@dataclass(frozen=True)
class Split:
    """Two files of the same columns: `having` has the rows, `lacking` has none of them."""

    having: Path
    lacking: Path | None


class _Place(NamedTuple):
    """Where something begins and ends in a file."""

    begin: int
    end: int


class _Group(NamedTuple):
    """A row group's number, where its pages and its Bloom filters lie, and how many rows it has."""

    number: int
    pages: _Place
    filters: _Place | None
    rows: int


def split(path: Path, rows: Int64s, having: Path, lacking: Path) -> Split:
    """Split a file by whether row groups have one of these rows, which are counted from 0.

    Nothing is written where nearly all have: the file itself is returned then, and nothing lacks
    them. Raises `ValueError` or PyArrow's errors for what is no Parquet file.
    """
    metadata = pq.read_metadata(path)
    groups = [_group(metadata, number) for number in range(metadata.num_row_groups)]
    has = _having(groups, rows)
    if 8 * has.sum() > 7 * len(groups):
        return Split(path, None)
    with path.open("rb") as source:
        footer = _footer(source)
        _write(source, footer, [group for group in groups if has[group.number]], having)
        _write(source, footer, [group for group in groups if not has[group.number]], lacking)
    return Split(having, lacking)


def copy_lacking(path: Path, rows: Int64s, target: Path) -> Bools:
    """Copy the row groups of a file that have none of these rows, counted from 0, to another.

    Returns which have some; all are said to where nearly all have, and nothing is copied then.
    Raises `ValueError` or PyArrow's errors for what is no Parquet file.
    """
    metadata = pq.read_metadata(path)
    groups = [_group(metadata, number) for number in range(metadata.num_row_groups)]
    has = _having(groups, rows)
    if 8 * has.sum() > 7 * len(groups):
        return np.ones(len(groups), np.bool_)
    with path.open("rb") as source:
        lacking = [group for group in groups if not has[group.number]]
        _write(source, _footer(source), lacking, target)
    return has


def prepare() -> None:
    """Load what is compiled, which takes half a second, before it is needed."""
    from stedi.parquet import footer

    footer.prepare()


def _having(groups: Sequence[_Group], rows: Int64s) -> Bools:
    """Which row groups have one of these rows."""
    ends = np.cumsum([group.rows for group in groups])
    has: Bools = np.zeros(len(groups), np.bool_)
    has[np.searchsorted(ends, rows, "right")] = True
    return has


def _group(metadata: pq.FileMetaData, number: int) -> _Group:
    group = metadata.row_group(number)
    pages, filters = [], []
    for column in range(group.num_columns):
        chunk = group.column(column)
        places = (chunk.dictionary_page_offset, chunk.data_page_offset)
        begin = min(place for place in places if place)  # 0 is none, too
        pages.append(_Place(begin, begin + chunk.total_compressed_size))
        if chunk.bloom_filter_offset:
            begin = chunk.bloom_filter_offset
            filters.append(_Place(begin, begin + (chunk.bloom_filter_length or 0)))
    return _Group(number, _from_to(pages), _together(filters), group.num_rows)


def _from_to(places: Sequence[_Place]) -> _Place:
    return _Place(min(place.begin for place in places), max(place.end for place in places))


def _together(places: Sequence[_Place]) -> _Place | None:
    """Where they lie if one follows the other, as writers have it; else they are not copied."""
    if not places or any(place.end <= place.begin for place in places):
        return None
    whole = _from_to(places)
    size = sum(place.end - place.begin for place in places)
    return whole if size == whole.end - whole.begin else None


def _footer(file: BinaryIO) -> bytes:
    """A file's footer."""
    end = file.seek(-8, 2)
    size, magic = struct.unpack("<I4s", file.read(8))
    if magic != _MAGIC or size > end:
        raise ValueError("not a Parquet file with a plain footer")
    file.seek(end - size)
    return file.read(size)


def _write(source: BinaryIO, footer: bytes, groups: Sequence[_Group], target: Path) -> None:
    """Write a file of some of the row groups of another, with its footer."""
    from stedi.parquet.footer import GONE, Moved, for_groups  # which loads what is compiled

    with target.open("wb") as file:
        file.write(_MAGIC)
        pages = [_copy(source, group.pages, file) for group in groups]
        filters = [
            _copy(source, group.filters, file) if group.filters else GONE for group in groups
        ]
        numbers = np.array([group.number for group in groups], np.int64)
        moved = Moved(np.array(pages, np.int64), np.array(filters, np.int64))
        written = for_groups(footer, numbers, moved, sum(group.rows for group in groups))
        file.write(written + struct.pack("<I", len(written)) + _MAGIC)


def _copy(source: BinaryIO, place: _Place, file: BinaryIO) -> int:
    """Copy bytes to the file's position; returns how many bytes further than before that is."""
    moved = file.tell() - place.begin
    source.seek(place.begin)
    remaining = place.end - place.begin
    while remaining > 0:
        read = source.read(min(remaining, _COPIED_AT_ONCE))
        if not read:
            raise EOFError("a row group ends behind its file")
        file.write(read)
        remaining -= len(read)
    return moved

"""Splits a Parquet file in two: row groups that have some rows, and all others.

Row groups are copied as they are, byte for byte, as Iceberg's own rewriting of files merges
row groups (apache/iceberg, pull request 14435); only the footer is written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from stedi.footer import Ints

_MAGIC = b"PAR1"
_COPIED_AT_ONCE = 8 << 20


@dataclass(frozen=True)
class Split:
    """Two files of the same columns: `having` has the rows, `lacking` has none of them."""

    having: Path
    lacking: Path | None


class _Group(NamedTuple):
    """A row group's number, where it begins and ends in the file, and how many rows it has."""

    number: int
    begin: int
    end: int
    rows: int


def split(path: Path, rows: Ints, having: Path, lacking: Path) -> Split:
    """Split a file by whether row groups have one of these rows, which are counted from 0.

    Nothing is written where nearly all have: the file stands for both then. Raises `ValueError`
    or PyArrow's errors for what is no Parquet file.
    """
    metadata = pq.read_metadata(path)
    groups = [_group(metadata, number) for number in range(metadata.num_row_groups)]
    ends = np.cumsum([group.rows for group in groups])
    has: npt.NDArray[np.bool_] = np.zeros(len(groups), np.bool_)
    has[np.searchsorted(ends, rows, "right")] = True
    if 8 * has.sum() > 7 * len(groups):
        return Split(path, None)
    with path.open("rb") as source:
        footer = _footer(source)
        _write(source, footer, [group for group in groups if has[group.number]], having)
        _write(source, footer, [group for group in groups if not has[group.number]], lacking)
    return Split(having, lacking)


def prepare() -> None:
    """Load what is compiled, which takes half a second, before it is needed."""
    from stedi import footer

    footer.prepare()


def _group(metadata: pq.FileMetaData, number: int) -> _Group:
    group = metadata.row_group(number)
    begins, ends = [], []
    for column in range(group.num_columns):
        chunk = group.column(column)
        places = (chunk.dictionary_page_offset, chunk.data_page_offset)
        begins.append(min(place for place in places if place))  # 0 is none, too
        ends.append(begins[-1] + chunk.total_compressed_size)
    return _Group(number, min(begins), max(ends), group.num_rows)


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
    from stedi.footer import for_groups  # which loads what is compiled

    moved = []
    with target.open("wb") as file:
        file.write(_MAGIC)
        for group in groups:
            moved.append(file.tell() - group.begin)
            _copy(source, group, file)
        numbers = np.array([group.number for group in groups], np.int64)
        rows = sum(group.rows for group in groups)
        written = for_groups(footer, numbers, np.array(moved, np.int64), rows)
        file.write(written + struct.pack("<I", len(written)) + _MAGIC)


def _copy(source: BinaryIO, group: _Group, file: BinaryIO) -> None:
    """Copy a row group to where a file stands."""
    source.seek(group.begin)
    left = group.end - group.begin
    while left > 0:
        read = source.read(min(left, _COPIED_AT_ONCE))
        if not read:
            raise EOFError("a row group ends behind its file")
        file.write(read)
        left -= len(read)

"""Splits a Parquet file in two: row groups that may have rows of some keys, and all others.

Row groups are copied as they are, byte for byte, as Iceberg's own rewriting of files merges
row groups (apache/iceberg, pull request 14435). What is read and written again is the footer: a
Thrift struct in the compact protocol, by the specification of Apache Thrift, with the fields of
parquet.thrift of Apache Parquet. Fields that are not known here stay what they are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_COPIED_AT_ONCE = 8 << 20

# Fields of parquet.thrift.
_NUM_ROWS, _ROW_GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_OFFSET, _GROUP_SIZE, _ORDINAL = 1, 5, 6, 7  # of RowGroup
_GROUP_ROWS = 3
_CHUNK_OFFSET, _CHUNK = 2, 3  # of ColumnChunk
_INDEXES = (4, 5, 6, 7)  # of ColumnChunk: where its page indexes lie, outside of the row group
_CHUNK_SIZE, _DATA_OFFSET, _INDEX_OFFSET, _DICTIONARY_OFFSET = 7, 9, 10, 11  # of ColumnMetaData
_BLOOM_FILTER = (14, 15)  # of ColumnMetaData: where its Bloom filter lies

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY = 1, 2, 3, 4, 5, 6, 7, 8
_LIST, _SET, _MAP, _STRUCT = 9, 10, 11, 12

Fields = dict[int, tuple[int, Any]]
"""A Thrift struct: type and value of each of its fields by their ids, which rise."""


@dataclass(frozen=True)
class Split:
    """Two files of the same columns: `having` may have rows of the keys, `lacking` has none."""

    having: Path
    lacking: Path | None


def split(path: Path, key: str, keys: pa.Array, having: Path, lacking: Path) -> Split | None:
    """Split a file by whether row groups may have one of the values `keys` in the column `key`.

    Nothing is written where none has, which gives None, or nearly all have: the file stands for
    both then.
    """
    coded = [key] if pa.types.is_string(keys.type) else []
    with pq.ParquetFile(path, read_dictionary=coded) as file:
        groups = range(file.num_row_groups)
        hit = {n for n in groups if _may_have(file.read_row_group(n, [key], False), keys)}
    if 8 * len(hit) > 7 * len(groups):
        return Split(path, None)
    if not hit:
        return None
    with path.open("rb") as source:
        footer = _footer(source)
        given = footer[_ROW_GROUPS][1][1]
        _write(source, footer, [given[n] for n in groups if n in hit], having)
        _write(source, footer, [given[n] for n in groups if n not in hit], lacking)
    return Split(having, lacking)


def _may_have(rows: pa.Table, keys: pa.Array) -> bool:
    """Whether a column may have some of these values: of one with a dictionary, by that alone."""
    for chunk in rows.column(0).chunks:
        values = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
        if pc.any(pc.is_in(values, value_set=keys)).as_py():
            return True
    return False


def _write(source: BinaryIO, footer: Fields, groups: Sequence[Fields], target: Path) -> None:
    """Write a file of some of the row groups of another, with its footer."""
    with target.open("wb") as file:
        file.write(_MAGIC)
        for number, group in enumerate(groups):
            _copy(source, group, file)
            if _ORDINAL in group:
                group[_ORDINAL] = (_I16, number)
        footer[_ROW_GROUPS] = (_LIST, (_STRUCT, groups))
        footer[_NUM_ROWS] = (_I64, sum(group[_GROUP_ROWS][1] for group in groups))
        written = bytearray()
        _put_struct(written, footer)
        file.write(written + struct.pack("<I", len(written)) + _MAGIC)


def _copy(source: BinaryIO, group: Fields, file: BinaryIO) -> None:
    """Copy a row group to where a file stands, and let it say that it is there."""
    chunks = [chunk[_CHUNK][1] for chunk in group[_COLUMNS][1][1]]
    begins = [min(one[o][1] for o in (_DATA_OFFSET, _DICTIONARY_OFFSET) if o in one and one[o][1])
              for one in chunks]  # fmt: skip
    begin = min(begins)
    end = max(at + one[_CHUNK_SIZE][1] for at, one in zip(begins, chunks, strict=True))
    moved = file.tell() - begin
    source.seek(begin)
    while begin < end:
        read = source.read(min(end - begin, _COPIED_AT_ONCE))
        if not read:
            raise EOFError("a row group ends behind its file")
        file.write(read)
        begin += len(read)
    _move(group, _GROUP_OFFSET, moved)
    for chunk in group[_COLUMNS][1][1]:
        _move(chunk, _CHUNK_OFFSET, moved)
        for gone in _INDEXES:
            chunk.pop(gone, None)
        for offset in (_DATA_OFFSET, _INDEX_OFFSET, _DICTIONARY_OFFSET):
            _move(chunk[_CHUNK][1], offset, moved)
        for gone in _BLOOM_FILTER:
            chunk[_CHUNK][1].pop(gone, None)


def _move(fields: Fields, offset: int, moved: int) -> None:
    """Set a place in a file anew; 0 is none."""
    if offset in fields and fields[offset][1]:
        fields[offset] = (fields[offset][0], fields[offset][1] + moved)


def _footer(file: BinaryIO) -> Fields:
    """A file's footer."""
    end = file.seek(-8, 2)
    size, magic = struct.unpack("<I4s", file.read(8))
    if magic != _MAGIC or size > end:
        raise ValueError("not a Parquet file with a plain footer")
    file.seek(end - size)
    fields, _ = _struct(file.read(size), 0)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _value(data: bytes, at: int, type_: int) -> tuple[Any, int]:
    if _I16 <= type_ <= _I64:
        value, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
        return (value >> 1) ^ -(value & 1), at
    if type_ == _BINARY:
        size, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
        return data[at : at + size], at + size
    if type_ == _STRUCT:
        return _struct(data, at)
    if type_ in (_LIST, _SET):
        return _list(data, at)
    if type_ in (_TRUE, _FALSE, _BYTE):
        return data[at], at + 1  # as it stands in a list
    if type_ == _DOUBLE:
        return data[at : at + 8], at + 8
    raise ValueError(f"a Parquet footer has no values of Thrift's type {type_}")


def _list(data: bytes, at: int) -> tuple[tuple[int, list[Any]], int]:
    size, type_ = data[at] >> 4, data[at] & 0x0F
    at += 1
    if size == 0x0F:
        size, at = _varint(data, at)
    values = []
    for _ in range(size):
        value, at = _value(data, at, type_)
        values.append(value)
    return (type_, values), at


def _struct(data: bytes, at: int) -> tuple[Fields, int]:
    fields: Fields = {}
    id_ = 0
    while (head := data[at]) != 0:
        at += 1
        type_ = head & 0x0F
        if head >> 4:
            id_ += head >> 4
        else:
            id_, at = _value(data, at, _I16)
        if type_ <= _FALSE:
            fields[id_] = (type_, None)
        else:
            value, at = _value(data, at, type_)
            fields[id_] = (type_, value)
    return fields, at + 1


def _put_varint(into: bytearray, value: int) -> None:
    while value > 0x7F:
        into.append(value & 0x7F | 0x80)
        value >>= 7
    into.append(value)


def _put_value(into: bytearray, type_: int, value: Any) -> None:
    if _I16 <= type_ <= _I64:
        _put_varint(into, value << 1 if value >= 0 else (-value << 1) - 1)
    elif type_ == _BINARY:
        _put_varint(into, len(value))
        into += value
    elif type_ == _STRUCT:
        _put_struct(into, value)
    elif type_ in (_LIST, _SET):
        element, values = value
        into.append(min(len(values), 0x0F) << 4 | element)
        if len(values) >= 0x0F:
            _put_varint(into, len(values))
        for one in values:
            _put_value(into, element, one)
    elif type_ == _DOUBLE:
        into += value
    else:
        into.append(value)


def _put_struct(into: bytearray, fields: Fields) -> None:
    before = 0
    for id_, (type_, value) in fields.items():
        if 0 < id_ - before <= 0x0F:
            into.append(id_ - before << 4 | type_)
        else:
            into.append(type_)
            _put_value(into, _I16, id_)
        if type_ > _FALSE:
            _put_value(into, type_, value)
        before = id_
    into.append(0)

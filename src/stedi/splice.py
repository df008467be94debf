"""Splits a Parquet file in two: row groups that may have rows of some keys, and all others.

Row groups are copied as they are, byte for byte, as Iceberg's own rewriting of files merges
row groups (apache/iceberg, pull request 14435). What is read and written again is the footer: a
Thrift struct in the compact protocol, by the specification of Apache Thrift, with the fields of
parquet.thrift of Apache Parquet. Fields that are not known here stay what they are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
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
"""A Thrift struct: type and value of each of its fields by their ids, which rise.

Values are whole numbers, structs, lists of structs, and all else as the bytes that it is.
"""
_Parts = Mapping[int, "_Parts"]
"""The fields of a struct whose structs are looked into; what is in others stays as it is."""
_FOOTER: _Parts = {_ROW_GROUPS: {_COLUMNS: {_CHUNK: {}}}}


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
        given = footer[_ROW_GROUPS][1]
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
        footer[_ROW_GROUPS] = (_LIST, groups)
        footer[_NUM_ROWS] = (_I64, sum(group[_GROUP_ROWS][1] for group in groups))
        written = bytearray()
        _put_struct(written, footer)
        file.write(written + struct.pack("<I", len(written)) + _MAGIC)


def _copy(source: BinaryIO, group: Fields, file: BinaryIO) -> None:
    """Copy a row group to where a file stands, and let it say that it is there."""
    chunks = [chunk[_CHUNK][1] for chunk in group[_COLUMNS][1]]
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
    for chunk in group[_COLUMNS][1]:
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
    fields, _ = _struct(file.read(size), 0, _FOOTER)
    return fields


def _struct(data: bytes, at: int, parts: _Parts) -> tuple[Fields, int]:
    """The struct at a place, and where it ends."""
    fields: Fields = {}
    id_ = 0
    while (head := data[at]) != 0:
        at += 1
        type_ = head & 0x0F
        if head >> 4:
            id_ += head >> 4
        else:
            id_, at = _integer(data, at)
        if _I16 <= type_ <= _I64:
            value, at = _integer(data, at)
            fields[id_] = (type_, value)
        elif id_ in parts and type_ == _STRUCT:
            inner, at = _struct(data, at, parts[id_])
            fields[id_] = (type_, inner)
        elif id_ in parts and type_ == _LIST:
            size, element, at = _list_head(data, at)
            if element != _STRUCT:
                raise ValueError("a list in a Parquet footer that should be one of structs")
            structs = []
            for _ in range(size):
                inner, at = _struct(data, at, parts[id_])
                structs.append(inner)
            fields[id_] = (type_, structs)
        else:
            end = at if type_ <= _FALSE else _behind(data, at, type_)
            fields[id_] = (type_, data[at:end])
            at = end
    return fields, at + 1


def _behind(data: bytes, at: int, type_: int) -> int:
    """Where a value ends."""
    if _I16 <= type_ <= _I64:
        while data[at] >= 0x80:
            at += 1
        return at + 1
    if type_ == _BINARY:
        size, at = _varint(data, at)
        return at + size
    if type_ == _STRUCT:
        while (head := data[at]) != 0:
            at += 1
            if not head >> 4:
                at = _behind(data, at, _I16)
            if head & 0x0F > _FALSE:
                at = _behind(data, at, head & 0x0F)
        return at + 1
    if type_ in (_LIST, _SET):
        size, element, at = _list_head(data, at)
        for _ in range(size):
            at = _behind(data, at, element)
        return at
    if type_ in (_TRUE, _FALSE, _BYTE):
        return at + 1  # as it stands in a list
    if type_ == _DOUBLE:
        return at + 8
    raise ValueError(f"a Parquet footer has no values of Thrift's type {type_}")


def _list_head(data: bytes, at: int) -> tuple[int, int, int]:
    """A list's size, the type of its elements, and where they begin."""
    size, type_ = data[at] >> 4, data[at] & 0x0F
    if size < 0x0F:
        return size, type_, at + 1
    size, at = _varint(data, at + 1)
    return size, type_, at


def _integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def _put_struct(into: bytearray, fields: Fields) -> None:
    before = 0
    for id_, (type_, value) in fields.items():
        if 0 < id_ - before <= 0x0F:
            into.append(id_ - before << 4 | type_)
        else:
            into.append(type_)
            _put_integer(into, id_)
        before = id_
        if isinstance(value, int):
            _put_integer(into, value)
        elif isinstance(value, dict):
            _put_struct(into, value)
        elif isinstance(value, list):
            into.append(min(len(value), 0x0F) << 4 | _STRUCT)
            if len(value) >= 0x0F:
                _put_varint(into, len(value))
            for one in value:
                _put_struct(into, one)
        else:
            into += value
    into.append(0)


def _put_integer(into: bytearray, value: int) -> None:
    _put_varint(into, value << 1 if value >= 0 else (-value << 1) - 1)


def _put_varint(into: bytearray, value: int) -> None:
    while value > 0x7F:
        into.append(value & 0x7F | 0x80)
        value >>= 7
    into.append(value)

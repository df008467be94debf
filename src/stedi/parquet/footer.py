"""The footer of a Parquet file for some of its row groups, which lie elsewhere then; compiled.

A footer is a Thrift struct in the compact protocol, by the specification of Apache Thrift, with the
fields of parquet.thrift of Apache Parquet. Fields that are not known here stay what they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stedi.arrays import Bytes, Int64s
from stedi.parquet.compiled import compiled

# Fields of parquet.thrift.
_NUM_ROWS, _ROW_GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # of RowGroup
_CHUNK_OFFSET, _CHUNK = 2, 3  # of ColumnChunk
_FIRST_INDEX, _LAST_INDEX = 4, 7  # of ColumnChunk: where page indexes lie, outside of the row group
_FIRST_PLACE, _LAST_PLACE = 9, 11  # of ColumnMetaData: where pages lie
_FILTER, _FILTER_LENGTH = 14, 15  # of ColumnMetaData: where its Bloom filter lies

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY = 1, 2, 3, 4, 5, 6, 7, 8
_LIST, _SET, _STRUCT = 9, 10, 12
_DEEPEST = 64
GONE = -(1 << 62)


class Moved(NamedTuple):
    """How many bytes behind where they lay row groups lie, and their Bloom filters, or `GONE`."""

    pages: Int64s
    filters: Int64s


def for_groups(footer: bytes, groups: Int64s, moved: Moved, rows: int) -> bytes:
    """The footer of a file that has these row groups of another, in rising order, and no others.

    They have `rows` rows. Raises `ValueError` for what is no footer.
    """
    data = np.frombuffer(footer + bytes(16), np.uint8)
    out = np.empty(8 * len(data), np.uint8)
    size = _select(data, groups, *moved, rows, out, np.empty(_DEEPEST, np.int64))
    if size < 0:
        raise ValueError("a Parquet footer that can't be read")
    return out[:size].tobytes()


def prepare() -> None:
    """Have it loaded, or compiled when it is first used on a machine."""
    none = np.empty(0, np.int64)
    for_groups(b"\0", none, Moved(none, none), 0)


@compiled
def _select(
    data: Bytes, groups: Int64s, moved: Int64s, filters: Int64s, rows: int, out: Bytes,
    open_: Int64s,
) -> int:  # fmt: skip
    """Write the footer for some row groups; returns its size, or -1."""
    at = to = id_ = last = n = 0
    while at < len(data):
        if data[at] == 0:
            out[to] = 0
            return to + 1 if n == len(groups) else -1
        type_, id_, at = _field(data, at, id_)
        to = _put_field(out, to, id_, last, type_)
        last = id_
        if id_ == _NUM_ROWS:
            at = _behind(data, at, type_, open_)
            to = _put_integer(out, to, rows)
        elif id_ == _ROW_GROUPS:
            size, element, at = _list_head(data, at)
            if type_ != _LIST or element != _STRUCT or size > len(data):
                return -1
            to = _put_list_head(out, to, len(groups))
            for group in range(size):
                if n < len(groups) and groups[n] == group:
                    at, to = _group(data, at, moved[n], filters[n], n, out, to, open_)
                    n += 1
                else:
                    at = _behind(data, at, _STRUCT, open_)
                if at < 0:
                    return -1
        else:
            at, to = _copied(data, at, type_, out, to, open_)
        if at < 0:
            return -1
    return -1


@compiled
def _group(
    data: Bytes, at: int, moved: int, filters: int, ordinal: int, out: Bytes, to: int, open_: Int64s
) -> tuple[int, int]:
    """Write a row group; returns where it ends in both, or -1."""
    id_ = last = 0
    while at < len(data):
        if data[at] == 0:
            out[to] = 0
            return at + 1, to + 1
        type_, id_, at = _field(data, at, id_)
        to = _put_field(out, to, id_, last, type_)
        last = id_
        if id_ == _COLUMNS:
            size, element, at = _list_head(data, at)
            if type_ != _LIST or element != _STRUCT or size > len(data):
                return -1, to
            to = _put_list_head(out, to, size)
            for _ in range(size):
                at, to = _chunk(data, at, moved, filters, out, to, open_)
                if at < 0:
                    return -1, to
        elif id_ == _GROUP_OFFSET:
            at, to = _place(data, at, moved, out, to)
        elif id_ == _ORDINAL:
            at = _behind(data, at, type_, open_)
            to = _put_integer(out, to, ordinal)
        else:
            at, to = _copied(data, at, type_, out, to, open_)
        if at < 0:
            return -1, to
    return -1, to


@compiled
def _chunk(
    data: Bytes, at: int, moved: int, filters: int, out: Bytes, to: int, open_: Int64s
) -> tuple[int, int]:
    """Write a column chunk and the metadata in it, without its page indexes."""
    id_ = last = 0
    within = False  # its metadata
    while 0 <= at < len(data):
        if data[at] == 0:
            out[to] = 0
            at, to = at + 1, to + 1
            if not within:
                return at, to
            within, id_, last = False, _CHUNK, _CHUNK
            continue
        type_, id_, at = _field(data, at, id_)
        is_filter = within and _FILTER <= id_ <= _FILTER_LENGTH
        is_index = not within and _FIRST_INDEX <= id_ <= _LAST_INDEX
        if is_index or (is_filter and filters == GONE):
            at = _behind(data, at, type_, open_)
            continue
        to = _put_field(out, to, id_, last, type_)
        last = id_
        if _FIRST_PLACE <= id_ <= _LAST_PLACE if within else id_ == _CHUNK_OFFSET:
            at, to = _place(data, at, moved, out, to)
        elif within and id_ == _FILTER:
            at, to = _place(data, at, filters, out, to)
        elif not within and id_ == _CHUNK and type_ == _STRUCT:
            within, id_, last = True, 0, 0
        else:
            at, to = _copied(data, at, type_, out, to, open_)
    return -1, to


@compiled
def _place(data: Bytes, at: int, moved: int, out: Bytes, to: int) -> tuple[int, int]:
    """Write a place in the file again; 0 is none."""
    value, at = _integer(data, at)
    return at, _put_integer(out, to, value + moved if value else 0)


@compiled
def _copied(
    data: Bytes, at: int, type_: int, out: Bytes, to: int, open_: Int64s
) -> tuple[int, int]:
    """Copy a value as it is."""
    end = at if type_ <= _FALSE else _behind(data, at, type_, open_)
    for place in range(at, end):
        out[to + place - at] = data[place]
    return end, to + max(end - at, 0)


@compiled
def _behind(data: Bytes, at: int, type_: int, open_: Int64s) -> int:
    """Where a value ends; -1 where there is none of this type, or it doesn't end.

    `open_` has room for the lists and structs that it is within: how many elements of a list are to
    come, or -1 for a struct, and their type. Numba (0.68) can't keep what calls itself.
    """
    depth = 0
    while 0 <= at < len(data):
        if type_ == _STRUCT or type_ in (_LIST, _SET):
            size, element = -1, 0
            if type_ != _STRUCT:
                size, element, at = _list_head(data, at)
            if depth == len(open_) or not -1 <= size <= len(data):
                return -1
            open_[depth], open_[depth + 1] = size, element
            depth += 2
        elif type_ in (_TRUE, _FALSE, _BYTE):
            at += 1  # as it stands in a list
        elif _I16 <= type_ <= _I64:
            _, at = _integer(data, at)
        elif type_ == _DOUBLE:
            at += 8
        elif type_ == _BINARY:
            size, at = _varint(data, at)
            if not 0 <= size <= len(data):
                return -1
            at += size
        else:
            return -1
        type_ = 0
        while depth and type_ == 0:
            if at >= len(data):
                return -1
            if open_[depth - 2] > 0:
                open_[depth - 2] -= 1
                type_ = open_[depth - 1]
            elif open_[depth - 2] < 0 and data[at] != 0:
                type_, _, at = _field(data, at, 0)
                if type_ <= _FALSE:
                    type_ = 0
            else:
                at += open_[depth - 2] < 0
                depth -= 2
        if type_ == 0:
            return at if at < len(data) else -1
    return -1


@compiled
def _field(data: Bytes, at: int, before: int) -> tuple[int, int, int]:
    """A field's type and id, and where its value begins."""
    type_, delta = int(np.int64(data[at])) & 0x0F, int(np.int64(data[at])) >> 4
    if delta:
        return type_, before + delta, at + 1
    id_, at = _integer(data, at + 1)
    return type_, id_, at


@compiled
def _list_head(data: Bytes, at: int) -> tuple[int, int, int]:
    """A list's size, the type of its elements, and where they begin."""
    if at >= len(data):
        return -1, 0, -1
    size, type_ = int(np.int64(data[at])) >> 4, int(np.int64(data[at])) & 0x0F
    if size < 0x0F:
        return size, type_, at + 1
    size, at = _varint(data, at + 1)
    return size, type_, at


@compiled
def _integer(data: Bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


@compiled
def _varint(data: Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and data[at] >= 0x80 and shift < 63:
        value |= (int(np.int64(data[at])) & 0x7F) << shift
        shift += 7
        at += 1
    if at >= len(data):
        return 0, at
    return value | int(np.int64(data[at])) << shift, at + 1


@compiled
def _put_field(out: Bytes, to: int, id_: int, before: int, type_: int) -> int:
    if 0 < id_ - before <= 0x0F:
        out[to] = id_ - before << 4 | type_
        return to + 1
    out[to] = type_
    return _put_integer(out, to + 1, id_)


@compiled
def _put_list_head(out: Bytes, to: int, size: int) -> int:
    out[to] = min(size, 0x0F) << 4 | _STRUCT
    return _put_varint(out, to + 1, size) if size >= 0x0F else to + 1


@compiled
def _put_integer(out: Bytes, to: int, value: int) -> int:
    return _put_varint(out, to, value << 1 if value >= 0 else (-value << 1) - 1)


@compiled
def _put_varint(out: Bytes, to: int, value: int) -> int:
    while value > 0x7F:
        out[to] = value & 0x7F | 0x80
        value >>= 7
        to += 1
    out[to] = value
    return to + 1

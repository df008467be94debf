"""Takes rows out of a Parquet file at the cost of the row groups that hold them.

Other row groups are copied as they are, byte for byte, as Iceberg's own rewriting of files merges
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

from stedi.parquet import Field, ParquetFile, arrow_schema

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
class Spliced:
    """The file that holds what is left of a file, if anything is, and that of what is gone."""

    left: Path | None
    gone: Path


def take_out(
    path: Path, key: str, keys: pa.Array, fields: Sequence[Field], left: Path, gone: Path
) -> Spliced | None:
    """Write a file anew without the rows whose column `key` has one of the values `keys`.

    None where it has no such rows; nothing is written then. The rows that are left stand in no set
    order. `fields` are the file's columns in their order, of which `key` is one. Memory is that of
    a row group.
    """
    coded = [key] if pa.types.is_string(keys.type) else []
    with pq.ParquetFile(path, read_dictionary=coded) as file:
        groups = range(file.num_row_groups)
        hit = [n for n in groups if _may_have(file.read_row_group(n, [key], False), keys)]
        taken = ParquetFile(gone, fields)
        is_begun = _write_rest(file, hit, key, keys, fields, left, taken)
        if not taken.close():
            left.unlink(missing_ok=True)
            return None
        others = [n for n in groups if n not in set(hit)]
        encoded = _encoded(file.schema)
    if others and is_begun and _encoded(pq.read_metadata(left).schema) != encoded:
        raise ValueError("row groups of one file can't be those of another")
    if others:
        _append(path, others, left, is_begun)
    return Spliced(left if others or is_begun else None, gone)


def _encoded(schema: pq.ParquetSchema) -> list[tuple[object, ...]]:
    """What of a schema decides how values of a column are read."""
    columns = [schema.column(n) for n in range(len(schema.names))]
    levels = [(c.max_definition_level, c.max_repetition_level) for c in columns]
    return [(c.name, c.physical_type, *level) for c, level in zip(columns, levels, strict=True)]


def _may_have(rows: pa.Table, keys: pa.Array) -> bool:
    """Whether a column may have some of these values: of one with a dictionary, by that alone."""
    for chunk in rows.column(0).chunks:
        values = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
        if pc.any(pc.is_in(values, value_set=keys)).as_py():
            return True
    return False


def _among(column: pa.ChunkedArray, keys: pa.Array) -> pa.ChunkedArray:
    """Which values of a column are among these; of one with a dictionary, each is asked once."""
    found = []
    for chunk in column.chunks:
        if isinstance(chunk, pa.DictionaryArray):
            values = pc.is_in(chunk.dictionary, value_set=keys)
            found.append(pc.fill_null(pc.take(values, chunk.indices), False))
        else:
            found.append(pc.is_in(chunk, value_set=keys))
    return pa.chunked_array(found, pa.bool_())


def _write_rest(
    file: pq.ParquetFile,
    hit: Sequence[int],
    key: str,
    keys: pa.Array,
    fields: Sequence[Field],
    left: Path,
    gone: ParquetFile,
) -> bool:
    """Write what is left of some row groups, and what isn't; gives whether anything is left."""
    plain = arrow_schema(fields)
    writer = None
    try:
        for n in hit:
            rows = file.read_row_group(n, plain.names, False)
            found = _among(rows.column(key), keys)
            for batch in rows.filter(found).cast(plain).combine_chunks().to_batches():
                gone.write(batch)
            # Not with the dictionary as it was read: who was taken out would stay in there.
            rest = rows.filter(pc.invert(found)).cast(plain)
            if not rest.num_rows:
                continue
            if writer is None:
                # As in the file, whose footer also tells which columns can have blanks.
                is_open = [file.schema_arrow.field(name).nullable for name in plain.names]
                schema = pa.schema(
                    field.with_nullable(open_) for field, open_ in zip(plain, is_open, strict=True)
                )
                writer = pq.ParquetWriter(
                    left,
                    schema,
                    compression="zstd",
                    compression_level=1,
                    use_dictionary=_with_dictionary(file.metadata.row_group(n)),
                    store_schema=False,
                )
            writer.write_table(pa.Table.from_arrays(rest.columns, schema=schema))
    finally:
        if writer is not None:
            writer.close()
    return writer is not None


def _with_dictionary(group: pq.RowGroupMetaData) -> list[str]:
    """The columns that have a dictionary in a row group."""
    chunks = [group.column(n) for n in range(group.num_columns)]
    return [chunk.path_in_schema for chunk in chunks if chunk.dictionary_page_offset]


def _append(path: Path, groups: Sequence[int], target: Path, is_begun: bool) -> None:
    """Copy row groups of a file behind those that `target` has, if it is begun."""
    with path.open("rb") as source, target.open("r+b" if is_begun else "wb") as file:
        footer, _ = _footer(source)
        given = [footer[_ROW_GROUPS][1][1][n] for n in groups]
        if is_begun:
            begun, at = _footer(file)
            row_groups = begun[_ROW_GROUPS][1][1]
            file.seek(at)
            file.truncate()
        else:
            row_groups = []
            file.write(_MAGIC)
        for group in given:
            _copy(source, group, file)
        merged = [*row_groups, *given]
        for number, group in enumerate(merged):
            if _ORDINAL in group:
                group[_ORDINAL] = (_I16, number)
        footer[_ROW_GROUPS] = (_LIST, (_STRUCT, merged))
        footer[_NUM_ROWS] = (_I64, sum(group[_GROUP_ROWS][1] for group in merged))
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


def _footer(file: BinaryIO) -> tuple[Fields, int]:
    """A file's footer, and where it begins."""
    end = file.seek(-8, 2)
    size, magic = struct.unpack("<I4s", file.read(8))
    if magic != _MAGIC or size > end:
        raise ValueError("not a Parquet file with a plain footer")
    file.seek(end - size)
    fields, _ = _struct(file.read(size), 0)
    return fields, end - size


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

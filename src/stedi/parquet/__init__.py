"""Parquet files that carry Iceberg field ids: written from a DuckDB query or from Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stedi.arrays import Float64s
from stedi.columns import TYPES, ColumnType

if TYPE_CHECKING:
    import duckdb

_NUMBERS: dict[pa.DataType, type[np.generic]] = {pa.int64(): np.int64, pa.float64(): np.float64}

GROUP_ROWS = 20_480
"""Rows of a row group, which is what a change to some rows writes again; a multiple of 2,048, as
DuckDB writes them."""
_GROUPS_PER_FILE = 192
_DICTIONARY_VALUES = 1 << 12
"""A column with more values in a row group has no dictionary: timestamps, which repeat seldom."""
_FALSE_HITS = 1e-6
"""Of Bloom filters, some 4 bytes a value: few row groups pass though a thousand are sought."""
_BLOOM_FILTER = {"ndv": 1 << 14, "fpp": _FALSE_HITS}
_FILTERED_GROUP_ROWS = 1 << 15
_FILTERED_PAGE_BYTES = 1 << 15
"""Pages of a filtered row group; DuckDB unpacks only those that have rows it seeks."""
_SOUGHT_AT_ONCE = 1 << 12
"""How many values of a join readers look for in Bloom filters; more are in most row groups."""


@dataclass(frozen=True)
class Field:
    """A column as a Parquet file stores it; `id` is the Iceberg field id."""

    name: str
    type: ColumnType
    id: int


@dataclass(frozen=True)
class Target:
    """Where Parquet goes: a fresh folder, and the fields of its table."""

    folder: Path
    fields: tuple[Field, ...]


def arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    """The Arrow schema of `fields`, every column optional, with field ids in its metadata."""
    return pa.schema(
        pa.field(
            f.name,
            pa.type_for_alias(TYPES[f.type].arrow),
            metadata={b"PARQUET:field_id": str(f.id).encode()},
        )
        for f in fields
    )


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """An embedded DuckDB that spills into `scratch` and keeps no order it wasn't asked for."""
    import duckdb  # which most of those who read Parquet files need not

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = {literal(str(scratch))}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute(f"SET dynamic_or_filter_threshold = {_SOUGHT_AT_ONCE}")
    return connection


def write_query(
    connection: duckdb.DuckDBPyConnection, query: str, fields: Sequence[Field], folder: Path
) -> list[Path]:
    """Write the rows of a DuckDB query, cast to `fields` by name, to new files in a fresh folder.

    Each file has a few million rows, so that a change to some rows rewrites some files.
    """
    columns = ", ".join(
        f"CAST({identifier(f.name)} AS {TYPES[f.type].duckdb}) AS {identifier(f.name)}"
        for f in fields
    )
    ids = ", ".join(f"{identifier(f.name)}: {f.id}" for f in fields)
    folder.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"COPY (SELECT {columns} FROM ({query})) TO {literal(str(folder))} "
        f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {GROUP_ROWS}, "
        f"ROW_GROUPS_PER_FILE {_GROUPS_PER_FILE}, FILENAME_PATTERN 'part-{{i}}', "
        f"DICTIONARY_SIZE_LIMIT {_DICTIONARY_VALUES}, "
        f"BLOOM_FILTER_FALSE_POSITIVE_RATIO {_FALSE_HITS}, "  # of columns with a dictionary
        f"FIELD_IDS {{{ids}}})"
    )
    written = []
    for path in sorted(folder.iterdir()):
        if count_rows(path):
            written.append(path)
        else:
            path.unlink()
    if not written:
        folder.rmdir()
    return written


class ParquetFile:
    """A file that is begun with the first batch written to it.

    `sought` are columns whose values are looked for: each row group has Bloom filters for them, by
    which readers pass over those that lack what they seek.
    """

    def __init__(self, path: Path, fields: Sequence[Field], sought: Sequence[str] = ()) -> None:
        self.path, self.schema = path, arrow_schema(fields)
        self._filters = dict.fromkeys(sought, _BLOOM_FILTER) or None
        self.rows = 0
        self._coded = [f.name for f in fields if f.type != "long"]
        self._measured = [f.name for f in fields if f.type in ("long", "double")]
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch, whose columns are those of `schema`, as a row group, or as several."""
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path,
                self.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=self._coded,
                write_statistics=self._measured,
                bloom_filter_options=self._filters,
                data_page_size=_FILTERED_PAGE_BYTES if self._filters else None,
            )
        self._writer.write_batch(batch, _FILTERED_GROUP_ROWS if self._filters else None)
        self.rows += batch.num_rows

    def close(self) -> list[Path]:
        """Finish the file; returns its path, or nothing where there were no rows."""
        if self._writer is None:
            return []
        self._writer.close()
        return [self.path]


def write_batches(batches: Iterable[pa.RecordBatch], fields: Sequence[Field], path: Path) -> int:
    """Write Arrow record batches of these fields to one new file; returns rows.

    The same rows make the same bytes.
    """
    file = ParquetFile(path, fields)
    for batch in batches:
        file.write(pa.RecordBatch.from_arrays(batch.columns, schema=file.schema))
    file.close()
    return file.rows


def doubles(values: Float64s) -> pa.Array:
    """Doubles as an array; `pyarrow.array` would load pandas here too."""
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.float64(), len(values), [None, buffer])


def as_array(rows: pa.Table | pa.RecordBatch, name: str) -> np.ndarray:
    """A column of numbers without blanks."""
    column = rows[name]
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(np.from_dlpack(array))


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Numbers, texts or bytes as an array; None is null."""
    valid = None
    if None in values:
        is_given = np.array([value is not None for value in values], np.bool_)
        valid = pa.py_buffer(np.packbits(is_given, bitorder="little"))
        nothing = 0 if type_ in _NUMBERS else b""
        values = [nothing if value is None else value for value in values]
    if type_ in _NUMBERS:
        numbers = np.array(values, _NUMBERS[type_])
        return pa.Array.from_buffers(type_, len(values), [valid, pa.py_buffer(numbers)])
    texts = [value.encode() if isinstance(value, str) else value for value in values]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    buffers = [valid, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(type_, len(values), buffers)


class RowWriter:
    """Writes rows to one file; memory is that of a chunk."""

    _CHUNK_BYTES = 32 << 20

    def __init__(self, path: Path, fields: Sequence[Field], sought: Sequence[str] = ()) -> None:
        self._file = ParquetFile(path, fields, sought)
        self._chunk: list[tuple[object, ...]] = []
        self._chunk_bytes = 0

    def add(self, row: tuple[object, ...], size: int) -> None:
        """Add a row of numbers, texts and bytes; `size` is about how many bytes it has."""
        self._chunk.append(row)
        self._chunk_bytes += size
        if self._chunk_bytes > self._CHUNK_BYTES:
            self._flush()

    def close(self) -> list[Path]:
        """Finish the file; returns its path, or nothing where there were no rows."""
        self._flush()
        return self._file.close()

    def _flush(self) -> None:
        if not self._chunk:
            return
        schema = self._file.schema
        # `pyarrow.array` does the same, but loads pandas where that is installed, for 0.2 s.
        arrays = [_array([row[n] for row in self._chunk], f.type) for n, f in enumerate(schema)]
        self._file.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
        self._chunk, self._chunk_bytes = [], 0


def scan(
    paths: Sequence[str], columns: Sequence[tuple[str, ColumnType]], also: Sequence[str] = ()
) -> str:
    """A DuckDB query over Parquet files; over none, one that returns no rows.

    `also` are columns that DuckDB offers beside those of the files.
    """
    if not paths:
        nulls = [f"CAST(NULL AS {TYPES[t].duckdb}) AS {identifier(n)}" for n, t in columns]
        nulls += [f"NULL AS {identifier(name)}" for name in also]
        return f"SELECT {', '.join(nulls)} WHERE false"
    names = ", ".join([*(identifier(name) for name, _ in columns), *also])
    return f"SELECT {names} FROM read_parquet({literals(paths)})"


def identifier(name: str) -> str:
    """`name` quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` quoted as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """A DuckDB list of strings."""
    return "[" + ", ".join(map(literal, texts)) + "]"


def count_rows(file: Path | RawIOBase) -> int:
    """The rows of a file, by its footer."""
    return int(pq.read_metadata(file).num_rows)


def read(file: Path | RawIOBase, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a file; PyArrow's `read_table` loads pandas where that is installed."""
    with pq.ParquetFile(file) as opened:
        return opened.read(columns)


def with_nulls(file: Path | RawIOBase, columns: Sequence[str]) -> list[str]:
    """The columns that have blanks, by a file's footer, or by reading where that doesn't say."""
    metadata = pq.read_metadata(file)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    nullable = []
    for column in columns:
        number = metadata.schema.names.index(column)
        statistics = [group.column(number).statistics for group in groups]
        if any(chunk is None or not chunk.has_null_count for chunk in statistics):
            has_nulls = read(file, [column]).column(0).null_count > 0
        else:
            has_nulls = any(chunk.null_count for chunk in statistics)
        if has_nulls:
            nullable.append(column)
    return nullable

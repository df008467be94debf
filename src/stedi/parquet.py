"""Parquet files that carry Iceberg field ids: written from a DuckDB query or from Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stedi.contracts import ColumnType

_ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "long": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
}
_DUCKDB_TYPES: dict[ColumnType, str] = {
    "long": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
}


@dataclass(frozen=True)
class Field:
    """A column as a Parquet file stores it; `id` is the Iceberg field id."""

    name: str
    type: ColumnType
    id: int


def arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    """The Arrow schema of `fields`, every column optional, with field ids in its metadata."""
    return pa.schema(
        pa.field(f.name, _ARROW_TYPES[f.type], metadata={b"PARQUET:field_id": str(f.id).encode()})
        for f in fields
    )


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """An embedded DuckDB that spills into `scratch` and keeps no order it wasn't asked for."""
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = {literal(str(scratch))}")
    connection.execute("SET enable_progress_bar = false")
    return connection


def write_query(
    connection: duckdb.DuckDBPyConnection, query: str, fields: Sequence[Field], path: Path
) -> int:
    """Write what a DuckDB query gives, cast to `fields` by name, to one new file; returns rows."""
    columns = ", ".join(
        f"CAST({identifier(f.name)} AS {_DUCKDB_TYPES[f.type]}) AS {identifier(f.name)}"
        for f in fields
    )
    ids = ", ".join(f"{identifier(f.name)}: {f.id}" for f in fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    [(rows,)] = connection.execute(
        f"COPY (SELECT {columns} FROM ({query})) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
        f"WRITE_BLOOM_FILTER false, FIELD_IDS {{{ids}}})"
    ).fetchall()
    return int(rows)


class ParquetFile:
    """A file that is begun with the first batch written to it."""

    def __init__(self, path: Path, fields: Sequence[Field]) -> None:
        self.path, self.schema = path, arrow_schema(fields)
        self.rows = 0
        self._coded = [f.name for f in fields if f.type != "long"]
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch, whose columns are those of `schema`, as a row group."""
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path,
                self.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=self._coded,
            )
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def close(self) -> list[Path]:
        """Finish the file; gives its path, or nothing where there were no rows."""
        if self._writer is None:
            return []
        self._writer.close()
        return [self.path]


def write_batches(batches: Iterable[pa.RecordBatch], fields: Sequence[Field], path: Path) -> int:
    """Write Arrow record batches to one new file, the same rows to the same bytes; returns rows."""
    file = ParquetFile(path, fields)
    for batch in batches:
        file.write(batch.cast(file.schema))
    file.close()
    return file.rows


class RowWriter:
    """Writes rows to one file; memory is that of a chunk."""

    _CHUNK_BYTES = 32 << 20

    def __init__(self, path: Path, fields: Sequence[Field]) -> None:
        self._file = ParquetFile(path, fields)
        self._chunk: list[tuple[object, ...]] = []
        self._chunk_bytes = 0

    def add(self, row: tuple[object, ...], size: int) -> None:
        """Add a row; `size` is about how many bytes it has."""
        self._chunk.append(row)
        self._chunk_bytes += size
        if self._chunk_bytes > self._CHUNK_BYTES:
            self._flush()

    def close(self) -> list[Path]:
        """Finish the file; gives its path, or nothing where there were no rows."""
        self._flush()
        return self._file.close()

    def _flush(self) -> None:
        if not self._chunk:
            return
        columns = zip(*self._chunk, strict=True)
        schema = self._file.schema
        arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
        self._file.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
        self._chunk, self._chunk_bytes = [], 0


def scan(paths: Sequence[str], columns: Sequence[tuple[str, ColumnType]]) -> str:
    """A DuckDB query over Parquet files; over none, one that gives no rows."""
    if not paths:
        nulls = ", ".join(
            f"CAST(NULL AS {_DUCKDB_TYPES[t]}) AS {identifier(n)}" for n, t in columns
        )
        return f"SELECT {nulls} WHERE false"
    names = ", ".join(identifier(name) for name, _ in columns)
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


def count_rows(path: Path) -> int:
    """The rows of a file, by its footer."""
    return int(pq.read_metadata(path).num_rows)


def count_nulls(path: Path, column: str) -> int:
    """The blanks in a column of a file, by its footer, or by reading it where that doesn't say."""
    metadata = pq.read_metadata(path)
    number = metadata.schema.names.index(column)
    nulls = 0
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(number).statistics
        if statistics is None or not statistics.has_null_count:
            return int(pq.read_table(path, columns=[column]).column(0).null_count)
        nulls += int(statistics.null_count)
    return nulls

"""The embedded engine: DuckDB in this process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import cast
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from stedi import parquet
from stedi.columns import TYPES, Column, ColumnType
from stedi.engines.attended import Attended
from stedi.engines.crew import Threads
from stedi.engines.delete_rows import Deleted, Deletion, by_query, write_rest
from stedi.engines.parted import files_by_number
from stedi.errors import DeclarationError, EngineFailed
from stedi.parquet import Field, identifier, splice
from stedi.parquet.splice import Split
from stedi.roots import Files
from stedi.sql.dialects import for_duckdb

_TYPES: Mapping[str, ColumnType] = {
    **{names.duckdb: type_ for type_, names in TYPES.items()},
    **{"TINYINT": "long", "SMALLINT": "long", "INTEGER": "long", "FLOAT": "double"},
    "HUGEINT": "long",  # what SUM of a bigint gives, where Athena has a bigint
}
_NO_FILE = (
    "DuckDB could not read or write a file; is the disk full, a folder read-only, or a file "
    "damaged? `stedi status --verify` tells which"
)
_FILE, _ROW = _PLACE = ("file_index", "file_row_number")
"""Columns that DuckDB offers beside a file's own: which of the files, and which of its rows."""
_PART = "_part"
_TABLE, _ROWS = "table", "rows"
_SPILLED = "spilled"
_LARGE = 1 << 23
"""Bytes of a table of which, most likely, some row groups have none of the removed rows."""


class DuckDBEngine:
    """Runs queries over a lakehouse's files in an embedded DuckDB that spills into `scratch`."""

    name = "duckdb"

    def __init__(self, scratch: Path, files: Files | None = None) -> None:
        self._scratch, self._files = scratch, files
        self.crew: Threads = Threads(os.cpu_count() or 1)
        self._connection = parquet.connect(scratch)
        self._attended = Attended(self._connection)
        self._known: dict[str, str] = {}
        """What each name stands for: the query of a view, or what was worked out or handed over."""

    def declare(self, table: str, columns: Sequence[Column], files: Sequence[str]) -> None:
        """Let queries read `table` from these Parquet files; a second call replaces the first."""
        if self._files:
            with _translated_errors():
                self._files.fetch(map(Path, files))
        self._view(table, columns, files)

    def materialise(self, table: str, query: exp.Query) -> None:
        """Work out a query once and let later queries read it as `table`."""
        self._forget(table)
        self._execute(f"DROP VIEW IF EXISTS {identifier(table)}")
        self._execute(f"CREATE TEMP TABLE {identifier(table)} AS {for_duckdb(query)}")
        self._known[table] = _TABLE

    def spill(self, table: str, query: exp.Query) -> None:
        """Like `materialise`, for more rows than memory has room for: into files, in scratch."""
        types = self.types(query)
        if unknown := [name for name, type_ in types.items() if type_ not in TYPES]:
            raise DeclarationError(f"{table}: {', '.join(unknown)}: no type of a column")
        columns = [Column(n, cast(ColumnType, type_), "none") for n, type_ in types.items()]
        fields = [Field(c.name, c.type, number) for number, c in enumerate(columns, start=1)]
        files = self.write(query, fields, self._scratch / f"{_SPILLED}-{uuid4()}")
        self._view(table, columns, [str(file) for file in files])

    def part(self, query: exp.Query, by: str) -> dict[int, list[Path]]:
        """Write rows to Parquet files in scratch, apart by the whole number in one column.

        Returns the files by that number, which is in none of them.
        """
        folder = self._scratch / f"{_SPILLED}-{uuid4()}"
        self._execute(
            f"COPY ({for_duckdb(query)}) TO {parquet.literal(str(folder))} "
            "(FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1, "  # read once, and soon
            f"PARTITION_BY ({identifier(by)}))"
        )
        return files_by_number(folder.rglob("*.parquet"))

    def gather(self, table: str, query: exp.Query) -> pa.Table:
        """The rows of a query, in memory and in no set order; later queries read it as `table`."""
        rows = self.fetch(query)
        self._forget(table)
        with _translated_errors():
            self._connection.register(table, rows)
        self._known[table] = _ROWS
        return rows

    def write(self, query: exp.Query, fields: Sequence[Field], folder: Path) -> list[Path]:
        """Write the rows of a query to new Parquet files in a fresh folder, in no set order."""
        with _translated_errors():
            return self._attended.call(
                parquet.write_query, self._connection, for_duckdb(query), fields, folder
            )

    def delete_rows(self, deletion: Deletion) -> Deleted:
        """Rewrite files without some of their rows; files that have none of them stay.

        Of each file only the row groups that have such rows are read and written again.
        """
        if any(column.name in _PLACE for column in deletion.columns):
            return by_query(self, deletion)  # DuckDB has no other names for them
        if self._files:
            with _translated_errors():
                self._files.fetch(map(Path, deletion.files))
        if sum(Path(file).stat().st_size for file in deletion.files) > _LARGE:
            Thread(target=splice.prepare).start()  # while DuckDB is at work
        self._view(_PART, deletion.columns, deletion.files, _PLACE)
        self.materialise(deletion.deleted, deletion.rows(_PART, deleted=True).select(*_PLACE))
        by_file = exp.select(_FILE, f"ARRAY_AGG({_ROW}) AS {_ROW}").from_(deletion.deleted)
        places = self.fetch(by_file.group_by(_FILE))
        rows = dict(zip(places.column(_FILE).to_pylist(), places.column(_ROW), strict=True))
        hit_groups = self._scratch / deletion.deleted
        shutil.rmtree(hit_groups, ignore_errors=True)
        hit_groups.mkdir(parents=True)
        other_groups = deletion.folder.with_name(f"{deletion.folder.name}-groups")
        other_groups.mkdir(parents=True)

        def split(number: int) -> Split:
            path, name = Path(deletion.files[number]), f"part-{number}.parquet"
            places = np.asarray(np.from_dlpack(rows[number].values), np.int64)
            try:
                return splice.split(path, places, hit_groups / name, other_groups / name)
            except (OSError, EOFError, LookupError, ValueError, pa.ArrowException):
                raise EngineFailed(_NO_FILE) from None

        halves = self.crew.map(split, sorted(rows))
        written = write_rest(self, deletion, [str(half.having) for half in halves])
        shutil.rmtree(hit_groups)
        copied = [half.lacking for half in halves if half.lacking]
        if not copied:
            other_groups.rmdir()
        return Deleted([deletion.files[number] for number in sorted(rows)], [*copied, *written])

    def fetch(self, query: exp.Query) -> pa.Table:
        """The rows of a query, in memory: for counts and other small results."""
        with _translated_errors():
            return self._attended.call(self._fetch, for_duckdb(query))

    def types(self, query: exp.Query) -> Mapping[str, ColumnType | str]:
        """The columns of a query, with their types; types we have no name for as is.

        Raises `DeclarationError` for a query that can't be run.
        """
        try:
            rows = self._attended.call(self._fetch, f"DESCRIBE {for_duckdb(query)}").to_pylist()
        except duckdb.Error as error:
            raise DeclarationError(str(error).split("\n")[0]) from None  # no data was read
        types = {row["column_name"]: row["column_type"] for row in rows}
        return {name: _TYPES.get(type_, type_.lower()) for name, type_ in types.items()}

    def close(self) -> None:
        """Stop what is at work, and let go of memory and scratch files; again does nothing."""
        self.crew.close()
        self._attended.close()

    def _view(
        self, table: str, columns: Sequence[Column], files: Sequence[str], also: Sequence[str] = ()
    ) -> None:
        query = parquet.scan(files, [(column.name, column.type) for column in columns], also)
        if self._known.get(table) != query:
            self._forget(table)
            self._execute(f"CREATE OR REPLACE VIEW {identifier(table)} AS {query}")
            self._known[table] = query

    def _forget(self, table: str) -> None:
        """Let go of what was worked out or handed over, which would hide a view of its name."""
        was = self._known.pop(table, None)
        if was == _ROWS:
            self._connection.unregister(table)
        elif was == _TABLE:
            self._execute(f"DROP TABLE temp.{identifier(table)}")

    def _execute(self, sql: str) -> None:
        with _translated_errors():
            self._attended.call(self._connection.execute, sql)

    def _fetch(self, sql: str) -> pa.Table:
        return self._connection.sql(sql).to_arrow_table()


@contextmanager
def _translated_errors() -> Iterator[None]:
    """DuckDB's errors as ours; their texts could hold values of rows and are left out."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise EngineFailed("DuckDB ran out of memory; free some, or run on fewer records") from None
    except (duckdb.IOException, UnicodeDecodeError):  # whose text has bytes of a damaged file
        raise EngineFailed(_NO_FILE) from None
    except duckdb.Error as error:
        raise EngineFailed(
            f"DuckDB failed with {type(error).__name__}; the table stays as it was"
        ) from None

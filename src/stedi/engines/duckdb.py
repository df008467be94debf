"""The embedded engine: DuckDB in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from stedi import parquet
from stedi.contracts import Column, ColumnType
from stedi.parquet import Field, identifier

_TYPES: Mapping[str, ColumnType] = {
    "TINYINT": "long",
    "SMALLINT": "long",
    "INTEGER": "long",
    "BIGINT": "long",
    "HUGEINT": "long",  # what SUM of a bigint gives, where Athena has a bigint
    "FLOAT": "double",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "BLOB": "binary",
}


class DuckDBEngine:
    """Runs queries in an embedded DuckDB that spills into `scratch`."""

    name = "duckdb"

    def __init__(self, scratch: Path) -> None:
        self._connection = parquet.connect(scratch)

    def declare(self, table: str, columns: Sequence[Column], files: Sequence[str]) -> None:
        """Let queries read `table` from these Parquet files; a second call replaces the first."""
        query = parquet.scan(files, [(column.name, column.type) for column in columns])
        self._connection.execute(f"CREATE OR REPLACE VIEW {identifier(table)} AS {query}")

    def materialise(self, table: str, query: exp.Query) -> None:
        """Work out a query once and let later queries read it as `table`."""
        self._connection.execute(f"DROP VIEW IF EXISTS {identifier(table)}")
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(table)} AS {query.sql('duckdb')}"
        )

    def forget(self, table: str) -> None:
        """Let go of a table that was materialised."""
        self._connection.execute(f"DROP TABLE IF EXISTS {identifier(table)}")

    def write(self, query: exp.Query, fields: Sequence[Field], folder: Path) -> list[Path]:
        """Write what a query gives to new Parquet files in a fresh folder, in no set order."""
        path = folder / "part-0.parquet"
        rows = parquet.write_query(self._connection, query.sql("duckdb"), fields, path)
        if rows == 0:
            path.unlink()
            return []
        return [path]

    def fetch(self, query: exp.Query) -> pa.Table:
        """What a query gives, in memory: for counts and other small results."""
        return self._connection.sql(query.sql("duckdb")).to_arrow_table()

    def types(self, query: exp.Query) -> Mapping[str, ColumnType | str]:
        """The columns that a query gives, with their types; types we have no name for as is."""
        rows = self._connection.execute(f"DESCRIBE {query.sql('duckdb')}").fetchall()
        return {name: _TYPES.get(type_, type_.lower()) for name, type_, *_ in rows}

    def close(self) -> None:
        """Let go of memory and scratch files."""
        self._connection.close()

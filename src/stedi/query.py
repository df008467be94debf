"""Athena's SQL over the declared tables, and over nothing else.

A query is looked at as a tree first: one statement that only reads, from declared tables. Then it
runs in a DuckDB that is locked to the data files of those tables.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from weakref import finalize

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stedi import parquet
from stedi.columns import Column
from stedi.errors import DeclarationError, QueryError, UsageError
from stedi.parquet import identifier, literals
from stedi.roots.scratch import scratch
from stedi.sql.dialects import for_duckdb
from stedi.sql.statement import read_only
from stedi.sql.tree import typed
from stedi.storage.warehouse import Warehouse

_BATCH_ROWS = 1 << 16
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings are about statements we refuse


class Result:
    """The rows of a query, by batches; closes itself when all were taken, or it is let go of."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, stack: ExitStack
    ) -> None:
        self._connection, self._reader = connection, reader
        self._close, self._is_taken = finalize(self, stack.close), False

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, in order."""
        return self._reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._is_taken:
            raise QueryError("the rows of this query were taken already; ask again")
        self._is_taken = True
        try:
            yield from self._reader
        except (duckdb.Error, pa.ArrowException) as error:
            raise QueryError(_message(error)) from None
        finally:
            self._close()

    def to_arrow(self) -> pa.Table:
        """All rows, in memory."""
        return pa.Table.from_batches(list(self), schema=self.schema)


def query(
    sql: str,
    schemas: Mapping[str, tuple[Column, ...]],
    warehouse: Warehouse,
    as_of: datetime | str | None = None,
) -> Result:
    """Run a SELECT in Athena's SQL over tables with these columns, now or as they were `as_of`.

    Raises `QueryError` for anything else than one statement that reads declared tables, and
    `UsageError` for an `as_of` that is no time and no ISO 8601 text of one.
    """
    then = None if as_of is None else _time(as_of)
    tree = read_only(sql, set(schemas))
    if tree.find(exp.Version):
        raise QueryError("FOR … AS OF is Athena's; here all tables are read --as-of TIME")
    named = sorted({node.name for node in tree.find_all(exp.Table)} & set(schemas))
    at = int(then.timestamp() * 1000) if then else None
    versions = {name: version for name in named if (version := warehouse.version(name, at=at))}
    unbuilt = [name for name in named if name not in versions]
    if unbuilt and then is not None:
        raise QueryError(
            f"table {unbuilt[0]}: no snapshot of {then:%Y-%m-%d %H:%M:%S} is kept; it wasn't "
            "there yet, or its time is over"
        )
    if unbuilt:
        raise QueryError(f"table {unbuilt[0]} is not built yet; `stedi run` builds it")
    # Other columns were declared then, or when an earlier version of stedi made the table.
    old = {n: tuple(Column(*c, "none") for c in v.columns) for n, v in versions.items()}
    schemas = {**schemas, **old}
    with ExitStack() as stack:
        connection = parquet.connect(stack.enter_context(scratch(warehouse.root, "query")))
        stack.callback(connection.close)
        try:
            allowed = []
            for name, version in versions.items():
                warehouse.files.fetch([file.path for file in version.files])
                paths = [str(file.path) for file in version.files]
                columns = [(column.name, column.type) for column in schemas[name]]
                view = f"CREATE VIEW {identifier(name)} AS {parquet.scan(paths, columns)}"
                connection.execute(view)
                allowed += paths
            connection.execute(f"SET allowed_paths = {literals(allowed)}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            relation = connection.sql(for_duckdb(_typed(tree, schemas)))
            return Result(connection, relation.to_arrow_reader(_BATCH_ROWS), stack.pop_all())
        except duckdb.Error as error:
            raise QueryError(_message(error)) from None


def _time(as_of: datetime | str) -> datetime:
    try:
        time = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError:
        time = None
    if not isinstance(time, datetime):
        raise UsageError(f"--as-of {as_of!a}: as in 2026-11-26 or 2026-11-26T09:30")
    return time


def _typed(tree: exp.Query, schemas: Mapping[str, tuple[Column, ...]]) -> exp.Query:
    try:
        return typed(tree, schemas, "query")
    except (DeclarationError, SqlglotError):
        return tree  # DuckDB says what it can't bind, or can after all


_OF_FILES = ("IO Error", ".parquet")


def _message(error: Exception) -> str:
    """DuckDB's message without what only makes sense inside it, and without values of rows."""
    if isinstance(error, duckdb.IOException) or any(w in str(error) for w in _OF_FILES):
        return "a file of a table is gone or damaged; if a run has just replaced it, ask again"
    if isinstance(error, duckdb.PermissionException):
        return "the statement asks for what is no declared table"
    if isinstance(error, duckdb.OutOfMemoryException):
        return "there is not memory enough for it; ask for less, or in parts"
    if isinstance(error, duckdb.ParserException | duckdb.NotImplementedException):
        return f"DuckDB can't run it as Athena does ({type(error).__name__}); say it otherwise"
    if not isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return (
            f"the statement failed while it ran ({type(error).__name__}): a value is out of range, "
            "can't be converted, or is divided by zero. TRY_CAST gives NULL instead"
        )
    first = str(error).split("\n\nLINE")[0].strip()
    return first.removeprefix("Binder Error: ").removeprefix("Catalog Error: ")

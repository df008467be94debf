"""Athena's SQL over the declared tables, and over nothing else.

A query is looked at as a tree first: one statement that only reads, from declared tables, by
functions that do nothing else. Then it runs in a DuckDB that is locked to the data files of those
tables, for a limited time, in limited memory, and spills into a limited part of the disk.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from weakref import finalize

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stedi import parquet
from stedi.columns import Column
from stedi.engines import athena_functions
from stedi.engines.attended import Attended, TimeIsOver
from stedi.engines.memory import half_of_memory
from stedi.errors import (
    DeclarationError,
    EngineFailed,
    QueryError,
    StediError,
    StorageError,
    UsageError,
)
from stedi.parquet import identifier, literals
from stedi.roots.scratch import scratch
from stedi.sql.asked import for_query
from stedi.sql.functions import refused
from stedi.sql.statement import read_only
from stedi.sql.tree import typed
from stedi.storage.warehouse import Warehouse

DEFAULT_TIMEOUT = 600.0
_BATCH_ROWS = 1 << 16
_LONGEST = 1 << 18
"""Characters of a statement that are looked at."""
_NESTED = "the statement nests too deep to be read; WITH takes parts of it out"
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings are about statements we refuse


@dataclass(frozen=True)
class Limits:
    """What a query may take: `timeout` seconds of the engine's, and `memory` in bytes.

    What doesn't fit into memory is spilled to disk, up to half of what is free there.
    """

    timeout: float = DEFAULT_TIMEOUT
    memory: int | None = None
    """Half of the machine's by default."""

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise UsageError(f"--timeout {self.timeout:g}: more than 0 seconds")


class Result:
    """The rows of a query, by batches; closes itself when all were taken, or it is let go of."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        attended: Attended,
        reader: pa.RecordBatchReader,
        stack: ExitStack,
        limits: Limits,
    ) -> None:
        self._connection, self._attended, self._reader = connection, attended, reader
        self._limits = limits
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
            with _translated_errors(self._limits):
                while batch := self._attended.call(next, self._reader, None):
                    yield batch
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
    limits: Limits | None = None,
) -> Result:
    """Run a SELECT in Athena's SQL over tables with these columns, now or as they were `as_of`.

    Raises `QueryError` for anything else than one statement that reads declared tables,
    `UsageError` for an `as_of` that is no time and no ISO 8601 text of one, `EngineFailed` where a
    limit is reached, and `StorageError` where a file of a table is damaged.
    """
    limits = limits or Limits()
    then = None if as_of is None else _time(as_of)
    try:
        return _query(sql, schemas, warehouse, then, limits)
    except RecursionError:
        raise QueryError(_NESTED) from None


def _query(
    sql: str,
    schemas: Mapping[str, tuple[Column, ...]],
    warehouse: Warehouse,
    then: datetime | None,
    limits: Limits,
) -> Result:
    if len(sql) > _LONGEST:
        raise QueryError(f"the statement has {len(sql):,} characters; {_LONGEST:,} are read")
    tree = read_only(sql, set(schemas))
    if function := refused(tree):
        raise QueryError(
            f"the function {function} can't be called here: queries call functions of Athena's "
            "that read values and do nothing else; docs/engines.md lists them"
        )
    if tree.find(exp.Version):
        raise QueryError("FOR … AS OF is Athena's; here all tables are read --as-of TIME")
    named = sorted({node.name for node in tree.find_all(exp.Table)} & set(schemas))
    at = _epoch_ms(then) if then else None
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
        attended = Attended(connection, limits.timeout)
        stack.callback(attended.close)
        with _translated_errors(limits):
            athena_functions.register(connection)
            allowed = []
            for name, version in versions.items():
                warehouse.files.fetch([file.path for file in version.files])
                paths = [str(file.path) for file in version.files]
                columns = [(column.name, column.type) for column in schemas[name]]
                view = f"CREATE VIEW {identifier(name)} AS {parquet.scan(paths, columns)}"
                connection.execute(view)
                allowed += paths
            _hold_to(connection, limits, warehouse.root)
            connection.execute(f"SET allowed_paths = {literals(allowed)}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            reader = attended.call(_reader, connection, for_query(_typed(tree, schemas)))
            return Result(connection, attended, reader, stack.pop_all(), limits)


def _reader(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    return connection.sql(sql).to_arrow_reader(_BATCH_ROWS)


def _hold_to(connection: duckdb.DuckDBPyConnection, limits: Limits, root: Path) -> None:
    """Have an engine keep to limits of memory, and of the disk that it spills to."""
    memory = limits.memory or half_of_memory()
    free = shutil.disk_usage(root).free // 2 if root.exists() else 0
    connection.execute(f"SET memory_limit = '{memory}B'")
    connection.execute(f"SET max_temp_directory_size = '{free}B'")


def _time(as_of: datetime | str) -> datetime:
    try:
        time = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError:
        time = None
    if not isinstance(time, datetime):
        raise UsageError(f"--as-of {as_of!a}: as in 2026-11-26 or 2026-11-26T09:30")
    return time


def _epoch_ms(time: datetime) -> int:
    try:
        return int(time.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"--as-of {time.isoformat()}: no clock of this machine's goes there"
        ) from None


def _typed(tree: exp.Query, schemas: Mapping[str, tuple[Column, ...]]) -> exp.Query:
    try:
        return typed(tree, schemas, "query")
    except (DeclarationError, SqlglotError):
        return tree  # DuckDB says what it can't bind, or can after all


_OF_FILES = ("IO Error", ".parquet")


@contextmanager
def _translated_errors(limits: Limits) -> Iterator[None]:
    try:
        yield
    except TimeIsOver:
        raise EngineFailed(
            f"the statement was stopped after {limits.timeout:g} seconds; ask for less, or give it "
            "longer: --timeout SECONDS"
        ) from None
    except (duckdb.Error, pa.ArrowException, MemoryError, RuntimeError) as error:
        if isinstance(error, RecursionError):
            raise
        raise _translated(error) from None


def _translated(error: Exception) -> StediError:
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError) or _is_of_memory(error):
        return EngineFailed(
            "the statement takes more memory than it may have, and more disk to spill to; ask for "
            "less, or in parts, or allow more: --memory SIZE"
        )
    if isinstance(error, duckdb.IOException) or any(w in str(error) for w in _OF_FILES):
        return StorageError(
            "a file of a table is gone or damaged: if a run has just replaced it, ask again; "
            "otherwise `stedi status --verify` tells which, and `stedi run` makes it anew"
        )
    return QueryError(_message(error))


def _is_of_memory(error: Exception) -> bool:
    """Whether an error tells of memory, in words: Arrow and C++ have kinds of their own for it."""
    return any(word in str(error) for word in ("Out of Memory", "bad_alloc", "bad allocation"))


def _message(error: Exception) -> str:
    """DuckDB's message without what only makes sense inside it, and without values of rows."""
    if isinstance(error, duckdb.PermissionException):
        return "the statement asks for what is no declared table"
    if isinstance(error, duckdb.ParserException | duckdb.NotImplementedException):
        return f"DuckDB can't run it as Athena does ({type(error).__name__}); say it otherwise"
    if not isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return (
            f"the statement failed while it ran ({type(error).__name__}): a value is out of range, "
            "can't be converted, or is divided by zero. TRY_CAST gives NULL instead"
        )
    first = str(error).split("\n\nLINE")[0].strip()
    return first.removeprefix("Binder Error: ").removeprefix("Catalog Error: ")

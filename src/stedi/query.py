"""Athena's SQL over the declared tables, and over nothing else.

A query is looked at as a tree first: one statement that only reads, from declared tables, by
functions that do nothing else. Then it runs in a DuckDB that is locked to the data files of those
tables, for a limited time, in limited memory, and spills into a limited part of the disk.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import Any
from weakref import finalize

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stedi import parquet
from stedi.catalogue import Listing, as_select, listing
from stedi.columns import Column, Schemas
from stedi.engines import athena_functions
from stedi.engines.attended import Attended, Clock, TimeIsOver
from stedi.engines.memory import half_of_memory
from stedi.errors import (
    DeclarationError,
    EngineFailed,
    QueryError,
    StediError,
    StorageError,
    Unavailable,
    UsageError,
)
from stedi.parquet import identifier, literals
from stedi.roots.scratch import scratch
from stedi.shown import NULL, shower
from stedi.sql.asked import UNNESTED_ROWS, for_query
from stedi.sql.foreign import refuse_foreign, refuse_own_names, sort_by_own_names
from stedi.sql.functions import refused
from stedi.sql.parameters import Parameter, filled_in
from stedi.sql.spelling import OPERATORS, misspelt
from stedi.sql.statement import LISTINGS, Names, read_only
from stedi.sql.strict import refuse_mixed
from stedi.sql.told import differences
from stedi.sql.tree import typed
from stedi.storage.warehouse import Version, Warehouse
from stedi.text import counted

DEFAULT_TIMEOUT = 600.0
_BATCH_ROWS = 1 << 16
_ROWS_IN_HTML = 50
_LONGEST = 1 << 18
"""Characters of a statement that are looked at."""
_NESTED = "the statement nests too deep to be read; WITH takes parts of it out"
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings are about statements we refuse


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else ascii(value)[:60]


@dataclass(frozen=True)
class Limits:
    """What a query may take: `timeout` seconds of the engine's, and `memory` in bytes.

    What doesn't fit into memory is spilled to disk, up to half of what is free there.
    """

    timeout: float = DEFAULT_TIMEOUT
    memory: int | None = None
    """Half of the machine's by default."""

    def __post_init__(self) -> None:
        if not _is_number(self.timeout) or not self.timeout > 0:
            raise UsageError(f"--timeout {_told(self.timeout)}: must be more than 0 seconds")
        if self.memory is not None and (not _is_number(self.memory) or not self.memory > 0):
            raise UsageError(f"--memory {_told(self.memory)}: must be a number of bytes")


class Result:
    """The rows of a query: by batches as they arrive, row by row, or all at once.

    Batches can be read once. All rows at once, in any form, can be read again.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        attended: Attended,
        reader: pa.RecordBatchReader,
        stack: ExitStack,
        limits: Limits,
        notices: Sequence[str] = (),
    ) -> None:
        self._connection, self._attended, self._reader = connection, attended, reader
        self._limits = limits
        self._close, self._is_taken = finalize(self, stack.close), False
        self._table: pa.Table | None = None
        self.notices = tuple(notices)
        """What may be another value here than on Athena."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, in order."""
        return self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return some thousands of rows at a time, as they are computed."""
        if self._table is not None:
            yield from self._table.to_batches()
            return
        if self._is_taken:
            raise QueryError("the rows of this query were taken already; ask again")
        self._is_taken = True
        try:
            with _translated_errors(self._limits):
                while batch := self._attended.call(next, self._reader, None):
                    for column in batch.columns:
                        _refuse_far_times(column)
                    yield batch
        finally:
            self._close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Return rows one by one, each a dict of its values by column."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def to_arrow(self) -> pa.Table:
        """Return all rows as a PyArrow table."""
        if self._table is None:
            self._table = pa.Table.from_batches(list(self.batches()), schema=self.schema)
        return self._table

    def to_pandas(self) -> Any:
        """Return all rows as a pandas DataFrame. Raises `Unavailable` if pandas isn't installed."""
        try:
            import pandas as pd  # noqa: F401 - PyArrow looks for it itself
        except ImportError:
            raise Unavailable("pandas is not installed; `pip install pandas`") from None
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return all rows as a Polars DataFrame. Raises `Unavailable` if Polars isn't installed."""
        try:
            import polars as pl
        except ImportError:
            raise Unavailable("Polars is not installed; `pip install polars`") from None
        return pl.from_arrow(self.to_arrow())

    def _repr_html_(self) -> str:
        """The first rows as a table, for notebooks."""
        rows = self.to_arrow()
        showers = [shower(field.type) for field in rows.schema]
        head = "".join(f"<th>{escape(name)}</th>" for name in rows.column_names)
        body = []
        for row in zip(*(c.to_pylist() for c in rows.slice(0, _ROWS_IN_HTML).columns), strict=True):
            texts = (show(value) for show, value in zip(showers, row, strict=True))
            cells = (f"<td>{NULL if text is None else escape(text)}</td>" for text in texts)
            body.append(f"<tr>{''.join(cells)}</tr>")
        more = rows.num_rows - _ROWS_IN_HTML
        cut = f"<p>… and {counted(more, 'more row')}</p>" if more > 0 else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{cut}"


_FIRST, _LAST = datetime.min, datetime.max


def _refuse_far_times(column: pa.Array) -> None:
    """Raise `QueryError` where a time is outside of the years that Python has."""
    kind = column.type
    if pa.types.is_map(kind) or pa.types.is_struct(kind) or pa.types.is_list(kind):
        inner = [column.keys, column.items] if pa.types.is_map(kind) else _flattened(column)
        for values in inner:
            _refuse_far_times(values)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return
    zone = UTC if pa.types.is_timestamp(kind) and kind.tz else None
    first, last = (pa.scalar(t.replace(tzinfo=zone), kind) for t in (_FIRST, _LAST))
    found = pc.min_max(column)
    if found["min"].is_valid and (
        found["min"].value < first.value or found["max"].value > last.value
    ):
        raise QueryError(
            "a time is outside of the years 1 to 9999, which is all that can be shown here; "
            "WHERE or CASE leaves it out"
        )


def _flattened(column: pa.Array) -> list[pa.Array]:
    inner = column.flatten()
    return inner if isinstance(inner, list) else [inner]


def query(
    sql: str,
    schemas: Mapping[str, tuple[Column, ...]],
    warehouse: Warehouse,
    as_of: datetime | str | None = None,
    limits: Limits | None = None,
    *,
    database: str = "",
    parameters: Sequence[Parameter] = (),
    released: Collection[str] = (),
) -> Result:
    """Run a SELECT in Athena's SQL over tables with these columns, now or as they were `as_of`.

    SHOW TABLES, SHOW COLUMNS and DESCRIBE are answered, too. Tables may be named with their
    `database` before them; `parameters` are the values of question marks. The tables `released`
    are made by private releases, and by no run.

    Raises `QueryError` for anything else than one statement that reads declared tables,
    `UsageError` for an `as_of` that is no time and no ISO 8601 text of one, `EngineFailed` where a
    limit is reached, and `StorageError` where a file of a table is damaged.
    """
    limits = limits or Limits()
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Sequence):
        raise UsageError(
            f"parameters: must be a list with a value for each question mark, not a "
            f"{type(parameters).__name__}"
        )
    then = None if as_of is None else _time(as_of)
    try:
        names = Names(database)
        return _query(sql, schemas, warehouse, then, limits, names, parameters, released)
    except RecursionError:
        raise QueryError(_NESTED) from None


def _query(
    sql: str,
    schemas: Mapping[str, tuple[Column, ...]],
    warehouse: Warehouse,
    then: datetime | None,
    limits: Limits,
    names: Names,
    parameters: Sequence[Parameter],
    released: Collection[str],
) -> Result:
    if len(sql) > _LONGEST:
        raise QueryError(f"the statement has {len(sql):,} characters; {_LONGEST:,} are read")
    explains, sql = _explained(sql)
    clock = Clock(limits.timeout)
    with _translated_errors(limits):
        tree, word = clock.call(_parsed, sql, schemas, names, parameters)
    if word in OPERATORS:
        raise QueryError(f"{word} is no operator of Athena's SQL")
    if word:
        raise QueryError(
            f"the function {word} can't be called here: queries call functions of Athena's "
            "that read values and do nothing else; docs/reference/sql.md lists them"
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
    if unbuilt and unbuilt[0] in released:
        raise QueryError(
            f"table {unbuilt[0]} is not built yet; `stedi release DIR --private` builds it, and "
            "`stedi run` never does"
        )
    if unbuilt:
        raise QueryError(f"table {unbuilt[0]} is not built yet; `stedi run` builds it")
    # Other columns were declared then, or when an earlier version of stedi made the table.
    old = {n: tuple(Column(*c, "none") for c in v.columns) for n, v in versions.items()}
    schemas = {**schemas, **old}
    asked = {node.name for node in tree.find_all(exp.Table)}
    listed = {
        name: listing(name, schemas, warehouse, names.database)
        for name in asked
        if "$" in name or name in LISTINGS
    }
    with _translated_errors(limits):
        statement, notices = clock.call(_prepared, tree, schemas, listed)
    with ExitStack() as stack:
        connection = parquet.connect(stack.enter_context(scratch(warehouse.root, "query")))
        attended = Attended(connection, clock.left)
        stack.callback(attended.close)
        with _blaming(warehouse, versions), _translated_errors(limits):
            athena_functions.register(connection)
            allowed = []
            for name, version in versions.items():
                warehouse.files.fetch([file.path for file in version.files])
                paths = [str(file.path) for file in version.files]
                columns = [(column.name, column.type) for column in schemas[name]]
                view = f"CREATE VIEW {identifier(name)} AS {parquet.scan(paths, columns)}"
                connection.execute(view)
                allowed += paths
            for name, listed_rows in listed.items():
                connection.register(name, listed_rows.rows)
            _hold_to(connection, limits, warehouse.root)
            connection.execute(f"SET allowed_paths = {literals(allowed)}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            ask = _plan if explains else _reader
            reader = attended.call(ask, connection, statement)
            notices += [_OWN_PLAN] if explains else []
            return Result(connection, attended, reader, stack.pop_all(), limits, notices)


def _parsed(
    sql: str, schemas: Schemas, names: Names, parameters: Sequence[Parameter]
) -> tuple[exp.Query, str | None]:
    """A statement as a tree, and a function or operator of it that there isn't."""
    sql = as_select(sql, set(schemas), names) or sql
    tree = filled_in(sql, lambda text: read_only(text, set(schemas), names), parameters)
    refuse_foreign(sql, tree)
    return tree, refused(tree) or misspelt(sql, tree)


def _prepared(
    tree: exp.Query, schemas: Schemas, listed: Mapping[str, Listing]
) -> tuple[str, list[str]]:
    """What DuckDB is to be asked, and what to tell."""
    understood, notices = _understood(tree, schemas, listed)
    return for_query(understood), notices


def _explained(sql: str) -> tuple[bool, str]:
    """Whether a statement asks for a plan, and of which; raises `QueryError`."""
    match = _EXPLAIN.match(sql)
    if match is None:
        return False, sql
    if match["options"]:
        raise QueryError(
            f"EXPLAIN {match['options'].split()[0].upper()}: only EXPLAIN SELECT can be run here; "
            "Athena's console runs others"
        )
    return True, sql[match.end() :]


_EXPLAIN = re.compile(r"\s*EXPLAIN\b\s*(?P<options>ANALYZE\b|VERBOSE\b|\()?", re.IGNORECASE)
_OWN_PLAN = "EXPLAIN: this is the plan of DuckDB, which runs the statement here; Athena has its own"


def _plan(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    """What an engine would do, a line a row, in a column that is called as Athena calls it."""
    lines = [line for row in connection.execute(f"EXPLAIN {sql}").fetchall() for line in row[1:]]
    plan = pa.table({"Query Plan": pa.array("\n".join(lines).rstrip().split("\n"), pa.string())})
    return plan.to_reader()


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
        raise UsageError(
            f"--as-of {as_of!a}: not a time; write it as in 2026-11-26 or 2026-11-26T09:30"
        )
    return time


def _epoch_ms(time: datetime) -> int:
    try:
        return int(time.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"--as-of {time.isoformat()}: no clock of this machine's goes there"
        ) from None


def _understood(
    tree: exp.Query, schemas: Schemas, listed: Mapping[str, Listing]
) -> tuple[exp.Query, list[str]]:
    """A statement resolved and typed, with names for columns that have none; and what to tell.

    Raises `QueryError` where it mixes types.
    """
    others = {name: listing.types for name, listing in listed.items()}
    for select in [*tree.find_all(exp.Select)]:
        for number, projection in enumerate(select.selects):
            _alias(projection, f"_col_{number}")
    with suppress(SqlglotError):
        refuse_own_names(tree, schemas, others)
    sort_by_own_names(tree)
    try:
        understood = typed(tree, schemas, "query", others)
    except (DeclarationError, SqlglotError):
        # DuckDB says what it can't bind, or can after all.
        _name_columns(tree)
        return tree, [
            "what types the statement's values have isn't known here; they aren't checked"
        ]
    refuse_mixed(understood)
    _name_columns(understood)
    return understood, differences(understood)


def _alias(projection: exp.Expr, name: str) -> None:
    """Name a column that has no name; where it is a SELECT, sqlglot looks elsewhere for one."""
    if isinstance(projection, exp.Subquery):
        value = projection.copy()
        given = value.args.pop("alias", None)
        alias = given.this if given else exp.to_identifier(name)
        projection.replace(exp.Alias(this=value, alias=alias))
    elif not isinstance(projection.unnest(), exp.Alias | exp.Column | exp.Star | exp.Dot):
        alias = exp.to_identifier(name)
        projection.replace(exp.Alias(this=projection.copy(), alias=alias))


def _name_columns(tree: exp.Query) -> None:
    """Name columns that have no name as Athena does, and what sorts by them with them."""
    first, named = _first_select(tree), dict[str, str]()
    for number, projection in enumerate(first.selects):
        if isinstance(projection, exp.Alias) and _UNNAMED.fullmatch(projection.alias):
            named.setdefault(projection.alias, f"_col{number}")
            projection.set("alias", exp.to_identifier(f"_col{number}"))
    query: exp.Expr | None = first
    while isinstance(query, exp.Query):
        for column in (o for o in _sorted_by(query) if not o.table and o.name in named):
            column.set("this", exp.to_identifier(named[column.name]))
        query = query.parent


def _sorted_by(query: exp.Query) -> Iterator[exp.Column]:
    order = query.args.get("order")
    return order.find_all(exp.Column) if order else iter(())


def _first_select(tree: exp.Expr) -> exp.Select:
    """The SELECT that the columns of a statement have their names of."""
    while not isinstance(tree, exp.Select):
        tree = tree.this
    return tree


_UNNAMED = re.compile(r"_col_\d+")
"""What sqlglot calls a column without a name."""
_NO_COLUMN = re.compile(
    r'(?:Referenced column "([^"]+)" not found in FROM clause!'
    r'|(?:Values list|Table) "([^"]+)" does not have a column named "([^"]+)")'
)
_OF_DUCKDB = re.compile(
    r"\s*(?:Candidate (?:functions|tables|bindings)\b|Did you mean\b|You might need to add explicit"
    r"|Either add it to the GROUP BY list|LINE \d+:)"
)
"""What DuckDB suggests: functions, types and settings of its own."""
_NO_FUNCTION = re.compile(r"No function matches the given name and argument types '[^(]*\((.*)\)'")
_NO_NAME = re.compile(
    r'(?:Referenced )?(table|Type) (?:with name )?"?(\w+)"? (?:not found|does not exist)'
)
_OF_FILES = ("IO Error", ".parquet")
_FILE_GONE = (
    "a file of a table is gone or damaged: if a run has just replaced it, ask again; otherwise "
    "`stedi status --verify` tells which, and `stedi run` rebuilds it"
)


@contextmanager
def _translated_errors(limits: Limits) -> Iterator[None]:
    try:
        yield
    except TimeIsOver:
        raise EngineFailed(
            f"the statement was stopped after {limits.timeout:g} seconds; ask for less, or give it "
            "longer: --timeout SECONDS"
        ) from None
    except UnicodeDecodeError:  # the text of an error has bytes of a damaged file
        raise StorageError(_FILE_GONE) from None
    except (duckdb.Error, pa.ArrowException, MemoryError, RuntimeError) as error:
        if isinstance(error, RecursionError):
            raise
        raise _translated(error) from None


@contextmanager
def _blaming(warehouse: Warehouse, versions: Mapping[str, Version]) -> Iterator[None]:
    """Where a statement fails, see whether that is because of a table's files, not of its words."""
    try:
        yield
    except (StediError, OSError) as error:
        for name, version in versions.items():
            if why := warehouse.damage(version):
                raise StorageError(
                    f"table {name}: {why}. If a run has just replaced it, ask again; otherwise "
                    "`stedi status --verify` tells which, and `stedi run` rebuilds it"
                ) from None
        if isinstance(error, OSError):
            raise StorageError(_FILE_GONE) from None
        raise


def _translated(error: Exception) -> StediError:
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError) or _is_of_memory(error):
        return EngineFailed(
            "the statement takes more memory than it may have, and more disk to spill to; ask for "
            "less, or in parts, or allow more: --memory SIZE"
        )
    if isinstance(error, duckdb.IOException) or any(w in str(error) for w in _OF_FILES):
        return StorageError(_FILE_GONE)
    return QueryError(_message(error))


def _is_of_memory(error: Exception) -> bool:
    """Whether an error is about memory, in words: Arrow and C++ have kinds of their own for it."""
    return any(word in str(error) for word in ("Out of Memory", "bad_alloc", "bad allocation"))


def _message(error: Exception) -> str:
    """DuckDB's message without what only makes sense inside it, and without values of rows."""
    if isinstance(error, duckdb.PermissionException):
        return "the statement asks for what is no declared table"
    if isinstance(error, duckdb.ParserException | duckdb.NotImplementedException):
        return f"DuckDB can't run it as Athena does ({type(error).__name__}); say it otherwise"
    if UNNESTED_ROWS in str(error):
        return (
            "UNNEST of an array of rows makes a column of each field on Athena, which can't be had "
            "here; UNNEST one array, or choose a field: TRANSFORM(rows, r -> r.name)"
        )
    if "UNNEST requires a single list" in str(error):
        return (
            "UNNEST takes an array here; of a map, UNNEST(MAP_KEYS(m)) returns the keys, and "
            "m[key] the value of each"
        )
    if "More than one row returned by a subquery" in str(error):
        return (
            "a SELECT that stands for one value returned several rows; MAX(…) or LIMIT 1 in it "
            "leaves one, and IN takes several"
        )
    if not isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return (
            f"the statement failed while it ran ({type(error).__name__}): a value is out of range, "
            "can't be converted, or is divided by zero, or an array or map has no such element. "
            "TRY_CAST and element_at return NULL instead"
        )
    first = str(error).split("\n\nLINE")[0].strip()
    if unknown := _NO_COLUMN.search(first):
        column = unknown[1] or f"{unknown[2]}.{unknown[3]}"
        near = get_close_matches(
            unknown[1] or unknown[3], re.findall(r'"([^"]+)"', first[unknown.end() :])
        )
        similar = (
            f"; similar are {', '.join(near)}"
            if near
            else "; DESCRIBE lists the columns of a table, and a text is in single quotes"
        )
        return f"there is no column {column} in the tables of this statement{similar}"
    first = _OF_DUCKDB.split(first)[0].strip()
    if types := _NO_FUNCTION.search(first):
        named = types[1].replace("_LITERAL", "").replace("STRING", "VARCHAR")
        return (
            f"a function or an operator doesn't take values of these types: {named}; CAST converts"
        )
    if missing := _NO_NAME.search(first):
        return f"there is no {missing[1].lower()} {missing[2]} in this statement"
    return first.removeprefix("Binder Error: ").removeprefix("Catalog Error: ")

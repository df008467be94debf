"""The way of the rows from files to a table: how many arrive, and why and where others are dropped.

A funnel in steps: the records of files, quarantined records, the rows that each SELECT drops. Each
reason has its count, as the run noted it, and an example, which is looked up now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import duckdb
from pydantic import BaseModel, Field
from sqlglot import exp

from stedi import parquet
from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.transform import Transform
from stedi.errors import StorageError, UsageError
from stedi.parquet import identifier
from stedi.places import Places
from stedi.quarantine import quarantine
from stedi.review import masked
from stedi.roots.scratch import scratch
from stedi.sql.dialects import for_duckdb
from stedi.status import SourceStatus, status
from stedi.storage.warehouse import Version, Warehouse
from stedi.text import counted


class Example(BaseModel):
    """A dropped row or a quarantined record, masked or not; `where` names file, byte and line."""

    text: str
    where: str | None


class Dropped(BaseModel):
    """Why rows didn't get on, and how many; no example where none can be found any more."""

    reason: str
    count: int
    example: Example | None


class Side(BaseModel):
    """One side of a join by equal values: how many values, and rows with them, it alone has."""

    table: str
    values_alone: int
    rows_alone: int


class Pairing(BaseModel):
    """A join by equal values of `by`: how many values both sides have, and each alone."""

    by: list[str]
    values_shared: int
    sides: list[Side]


class Stage(BaseModel):
    """One step: rows of `source` come in, some are dropped, the others are in `table`.

    Where its counts are noisy, `noise` is by how many rows that made it more, or fewer.
    """

    table: str
    source: str
    in_: int = Field(serialization_alias="in")
    dropped: list[Dropped]
    kept: int
    pairing: Pairing | None = None
    noise: int | None = None


class Explanation(BaseModel):
    """The way of the rows to a table, the landing files' steps first. `stale` says why, if so."""

    table: str
    profile: str
    stages: list[Stage]
    stale: str | None


def explain(
    warehouse: Warehouse, declarations: Declarations, table: str, *, raw: bool = False
) -> Explanation:
    """Tell the way of the rows to a table; examples are masked unless `raw`.

    Raises `UsageError` for a table that isn't declared, or isn't built, `StorageError` where a
    file of a table can't be read.
    """
    if table not in declarations.contracts:
        raise UsageError(f"no table {table}; there are {', '.join(declarations.contracts)}")
    state = status(warehouse, declarations)
    if state.tables[table].rows is None:
        raise UsageError(f"table {table} is not built yet; `stedi run` builds it")
    stages = []
    with ExitStack() as stack:
        folder = stack.enter_context(scratch(warehouse.root, "explain"))
        connection = parquet.connect(folder)
        stack.callback(connection.close)
        rows = _Rows(warehouse, declarations, connection, raw)
        for name in _way(declarations, table):
            contract = declarations.contracts[name]
            if contract.source is not None:
                source = state.sources[contract.source]
                stages.append(_landing(warehouse, declarations, name, source, raw))
            elif name in state.steps:
                step = state.steps[name]
                transform = declarations.transforms[name]
                stages.append(
                    Stage(
                        table=name,
                        source=_source_of(transform),
                        in_=step.in_,
                        dropped=[*rows.dropped(transform, step.dropped)],
                        kept=step.kept,
                        pairing=rows.pairing(transform),
                        noise=step.noise,
                    )
                )
    stale = state.tables[table].why
    return Explanation(table=table, profile=declarations.profile, stages=stages, stale=stale)


def _way(declarations: Declarations, table: str) -> list[str]:
    """The tables whose rows get to a table, each before those that it is the source of."""
    transform = declarations.transforms.get(table)
    if transform is None:
        return [table]
    before = [name for source in transform.sources for name in _way(declarations, source)]
    return [*dict.fromkeys(before), table]


def _source_of(transform: Transform) -> str:
    return ", matched with ".join(transform.sources)


def _landing(
    warehouse: Warehouse, declarations: Declarations, table: str, source: SourceStatus, raw: bool
) -> Stage:
    name = str(declarations.contracts[table].source)
    dropped = []
    for reason, count in source.quarantined.items():
        found = quarantine(
            warehouse, declarations, source=name, reason=reason, file=None, limit=1, raw=raw
        )
        example = None
        for piece in found.pieces:
            example = Example(text=piece.text, where=f"{piece.place}, line {piece.line:,}")
        dropped.append(Dropped(reason=reason, count=count, example=example))
    files = f"{name}/landing, {counted(source.files, 'file')}"
    return Stage(table=table, source=files, in_=source.records, dropped=dropped, kept=source.loaded)


class _Rows:
    """Looks for rows in tables as the run found them, as far as these are kept."""

    def __init__(
        self,
        warehouse: Warehouse,
        declarations: Declarations,
        connection: duckdb.DuckDBPyConnection,
        raw: bool,
    ) -> None:
        self._warehouse, self._declarations = warehouse, declarations
        self._connection, self._raw = connection, raw
        self._places = Places(warehouse, declarations, connection)

    def dropped(self, transform: Transform, counts: Mapping[str, int]) -> Iterator[Dropped]:
        """Each reason with its count and an example."""
        is_there = self._declare(transform)
        for reason, count in counts.items():
            example = self._example(transform, reason) if is_there else None
            yield Dropped(reason=reason, count=count, example=example)

    def pairing(self, transform: Transform) -> Pairing | None:
        """How many values of a join one side has alone."""
        query = transform.select.one_sided
        if query is None or not self._declare(transform):
            return None
        [both, *alone] = self._fetch(query)[0]
        return Pairing(
            by=[*transform.paired_by],
            values_shared=int(both or 0),
            sides=[
                Side(table=name, values_alone=int(values or 0), rows_alone=int(rows or 0))
                for name, values, rows in zip(
                    transform.sources, alone[::2], alone[1::2], strict=True
                )
            ],
        )

    def _example(self, transform: Transform, reason: str) -> Example | None:
        tree = self._declarations.select(transform.table)
        if transform.select.reasons is None or not any(cte.alias == "judged" for cte in tree.ctes):
            return None
        columns = self._columns_of(transform)
        query = exp.select(*(exp.column(c.name, quoted=True) for c in columns)).from_("judged")
        query = query.where(exp.column("dropped").eq(exp.Literal.string(reason))).limit(1)
        query.set("with_", tree.args["with_"].copy())
        rows = self._fetch(query)
        if not rows:
            return None
        values = {column.name: value for column, value in zip(columns, rows[0], strict=True)}
        with _blaming_files():
            place = self._places.of(transform.sources[0], values)
        return Example(text=self._text(columns, values), where=place.name if place else None)

    def _columns_of(self, transform: Transform) -> tuple[Column, ...]:
        """The columns of the FROM table that are in the CTE `judged`, those that are delivered."""
        tree = self._declarations.select(transform.table)
        [judged] = (cte.this for cte in tree.ctes if cte.alias == "judged")
        given = {projection.alias_or_name for projection in judged.selects}
        columns = self._declarations.schemas[transform.sources[0]]
        return tuple(c for c in columns if c.name in given and not c.is_computed)

    def _text(self, columns: tuple[Column, ...], values: Mapping[str, Any]) -> str:
        shown = (
            f"{c.name} {values[c.name] if self._raw else masked(str(values[c.name]))}"
            for c in columns
            if values[c.name] is not None
        )
        return ", ".join(shown)

    def _declare(self, transform: Transform) -> bool:
        """Let queries read what a table was made from; False where that is no longer kept."""
        version = self._warehouse.version(transform.table)
        inputs = version.inputs if version else {}
        for name in transform.inputs:
            content = inputs.get(name)
            read = self._warehouse.version(name, content=content) if content else None
            if content and read is None:
                return False
            self._view(name, read)
        return True

    def _view(self, name: str, version: Version | None) -> None:
        files = [file.path for file in version.files] if version else []
        self._warehouse.files.fetch(files)
        columns = [(c.name, c.type) for c in self._declarations.schemas[name]]
        if version and version.columns != tuple(columns):
            files = []  # made under another contract: what it was made from can't be asked
        query = parquet.scan([*map(str, files)], columns)
        with _blaming_files():
            self._connection.execute(f"CREATE OR REPLACE VIEW {identifier(name)} AS {query}")

    def _fetch(self, query: exp.Query) -> list[tuple[Any, ...]]:
        with _blaming_files():
            return self._connection.execute(for_duckdb(query)).fetchall()


@contextmanager
def _blaming_files() -> Iterator[None]:
    """A query of ours fails only where a file of a table is damaged, or may not be read."""
    try:
        yield
    except (duckdb.Error, UnicodeDecodeError):  # its text can have bytes of a damaged file
        raise StorageError(
            "a file of a table that this one is made from can't be read; "
            "`stedi status --verify` tells which"
        ) from None

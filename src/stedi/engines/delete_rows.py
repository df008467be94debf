"""Deletes the rows of some keys from Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from stedi.columns import Column
from stedi.parquet import Field

if TYPE_CHECKING:
    from stedi.engines import Engine

KEY = "key"
"""The column of a table of keys."""
_PART, _KEYS = "_part", "_keys"


@dataclass(frozen=True)
class Deletion:
    """Which rows to delete from a table's files: those whose `key` is in a table `keys`.

    `keys` has one column, `KEY`. The remaining rows are written as `fields` into the fresh
    `folder`, and beside it; later queries read the deleted rows as the table `deleted`.
    """

    files: Sequence[str]
    columns: Sequence[Column]
    key: str
    keys: str
    fields: Sequence[Field]
    folder: Path
    deleted: str

    def rows(self, table: str, *, deleted: bool) -> exp.Select:
        """The rows of a table that are to be deleted, or all others."""
        names = (exp.column(column.name, quoted=True) for column in self.columns)
        return among(exp.select(*names).from_(exp.to_table(table)), self.key, self.keys, deleted)


@dataclass(frozen=True)
class Deleted:
    """Which files may have had such rows, and the files that have the rest of their rows."""

    touched: Sequence[str]
    rest: Sequence[Path]


def by_query(engine: Engine, deletion: Deletion) -> Deleted:
    """Have an engine rewrite all files that have such rows."""
    touched = []
    for file in deletion.files:
        engine.declare(_PART, deletion.columns, [file])
        hits = exp.select("COUNT(*)").from_(deletion.rows(_PART, deleted=True).subquery("hits"))
        [count] = engine.fetch(hits).column(0).to_pylist()
        if count:
            touched.append(file)
    engine.declare(_PART, deletion.columns, touched)
    engine.materialise(deletion.deleted, deletion.rows(_PART, deleted=True))
    return Deleted(touched, write_rest(engine, deletion, touched))


def write_rest(engine: Engine, deletion: Deletion, files: Sequence[str]) -> list[Path]:
    """Have an engine write the rest of the rows of some files; returns the new files."""
    if not files:
        return []
    engine.declare(_PART, deletion.columns, files)
    return engine.write(deletion.rows(_PART, deleted=False), deletion.fields, deletion.folder)


def among(rows: exp.Select, column: str, keys: str, truth: bool = True) -> exp.Select:
    """Rows of a table whose column has one of a table of keys, or none of them, as a blank has."""
    table = rows.args["from_"].this.alias_or_name
    own = exp.column(column, table=table, quoted=True)
    key = exp.column(KEY, quoted=True)
    if truth:
        return rows.where(own.isin(query=exp.select(key).from_(exp.to_table(keys))))
    key.set("table", exp.to_identifier(_KEYS))
    matches = exp.select("1").from_(exp.alias_(exp.to_table(keys), _KEYS, table=True))
    return rows.where(exp.not_(exp.Exists(this=matches.where(key.eq(own)))))

"""Takes the rows of some keys out of Parquet files."""

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
class Asked:
    """Which rows are to be taken out of a table's files: those whose `key` is in a table `keys`.

    `keys` has one column, `KEY`. What is left is written as `fields` into the fresh `folder`, and
    beside it; later queries read what was taken out as the table `gone`.
    """

    files: Sequence[str]
    columns: Sequence[Column]
    key: str
    keys: str
    fields: Sequence[Field]
    folder: Path
    gone: str

    def rows(self, table: str, *, gone: bool) -> exp.Select:
        """The rows of a table that are to be taken out, or all others."""
        names = (exp.column(column.name, quoted=True) for column in self.columns)
        return among(exp.select(*names).from_(exp.to_table(table)), self.key, self.keys, gone)


@dataclass(frozen=True)
class TakenOut:
    """Which files may have had such rows, and the files that hold what is left of them."""

    touched: Sequence[str]
    left: Sequence[Path]


def by_query(engine: Engine, asked: Asked) -> TakenOut:
    """Have an engine write again all files that have such rows."""
    touched = []
    for file in asked.files:
        engine.declare(_PART, asked.columns, [file])
        found = exp.select("COUNT(*)").from_(asked.rows(_PART, gone=True).subquery("found"))
        [count] = engine.fetch(found).column(0).to_pylist()
        if count:
            touched.append(file)
    engine.declare(_PART, asked.columns, touched)
    engine.materialise(asked.gone, asked.rows(_PART, gone=True))
    return TakenOut(touched, write_rest(engine, asked, touched))


def write_rest(engine: Engine, asked: Asked, files: Sequence[str]) -> list[Path]:
    """Have an engine write all rows of some files that are not to be taken out; gives the files."""
    engine.declare(_PART, asked.columns, files)
    return engine.write(asked.rows(_PART, gone=False), asked.fields, asked.folder) if files else []


def among(rows: exp.Select, column: str, keys: str, truth: bool = True) -> exp.Select:
    """Rows of a table whose column has one of a table of keys, or none of them, as a blank has."""
    table = rows.args["from_"].this.alias_or_name
    own = exp.column(column, table=table, quoted=True)
    key = exp.column(KEY, quoted=True)
    if truth:
        return rows.where(own.isin(query=exp.select(key).from_(exp.to_table(keys))))
    key.set("table", exp.to_identifier(_KEYS))
    listed = exp.select("1").from_(exp.alias_(exp.to_table(keys), _KEYS, table=True))
    return rows.where(exp.not_(exp.Exists(this=listed.where(key.eq(own)))))

"""Takes the rows of some keys out of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from stedi.contracts import Column
from stedi.parquet import Field

if TYPE_CHECKING:
    from stedi.engines import Engine

_PART = "_part"


@dataclass(frozen=True)
class Asked:
    """Which rows are to be taken out of a table's files: those whose `key` is in a table `keys`.

    `keys` has one column of the name `keys_column`. What is left is written as `fields` into the
    fresh `folder`; later queries read what was taken out as the table `gone`.
    """

    files: Sequence[str]
    columns: Sequence[Column]
    key: str
    keys: str
    keys_column: str
    fields: Sequence[Field]
    folder: Path
    gone: str

    def rows(self, table: str, *, gone: bool) -> exp.Select:
        """The rows of a table that are to be taken out, or all others."""
        names = (exp.column(column.name, quoted=True) for column in self.columns)
        listed = exp.select(exp.column(self.keys_column, quoted=True)).from_(self.keys)
        condition = exp.column(self.key, quoted=True).isin(query=listed)
        rows = exp.select(*names).from_(exp.to_table(table))
        return rows.where(condition if gone else exp.not_(condition))


@dataclass(frozen=True)
class TakenOut:
    """Which files had such rows, and the files that hold what is left of them."""

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
    if not touched:
        return TakenOut((), ())
    left = engine.write(asked.rows(_PART, gone=False), asked.fields, asked.folder)
    return TakenOut(touched, left)

"""Holds a table's new files to its contract before they are committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import RawIOBase
from pathlib import Path

from sqlglot import exp

from stedi import parquet
from stedi.declared import Declarations
from stedi.declared.contract import Contract, Rule
from stedi.engines import Engine
from stedi.errors import RuleBroken
from stedi.storage.notes import Note


def hold_to_contract(
    contract: Contract,
    files: Sequence[Path | RawIOBase],
    declarations: Declarations,
    engine: Engine,
    recount: Callable[[Rule], int] | None = None,
    came: Mapping[str, str] | None = None,
) -> tuple[Note, ...]:
    """Run a contract's assertions on a table, which the engine knows; returns the notes.

    `files` are its new ones. `recount` counts for a rule in a shorter way than by running it,
    where a table was maintained: then no value can repeat where there are no new files. `came`
    names tables that have all new rows by columns of which no new row has an old one's value.
    Raises `RuleBroken` for the first assertion that must hold and doesn't.
    """
    required = [column.name for column in contract.columns if column.required]
    for file in files:
        for name in parquet.with_nulls(file, required):
            raise RuleBroken(f"{contract.name}: column {name} is required and has blanks")
    for column in contract.columns:
        if (
            column.unique
            and (files or not recount)
            and count(engine, _repeated((came or {}).get(column.name, contract.name), column.name))
        ):
            raise RuleBroken(f"{contract.name}: column {column.name} is unique and repeats")
    notes = []
    for rule in contract.rules:
        query = declarations.rule(contract.name, rule)
        broken = recount(rule) if recount else count(engine, query)
        if broken and rule.severity == "error":
            raise RuleBroken(
                f"{contract.name}: {broken:,} {rule.description} (rule {rule.name}). "
                "The table stays as it was"
            )
        if broken:
            notes.append(_note(rule, broken))
    return tuple(notes)


def count(engine: Engine, query: exp.Query) -> int:
    """The one whole number that a query returns."""
    [value] = engine.fetch(query).column(0).to_pylist()
    return int(value or 0)


def count_dropped(engine: Engine, reasons: exp.Query) -> dict[str, int]:
    """Rows dropped by reason, from the query that counts them."""
    rows = engine.fetch(reasons).to_pylist()
    return {row["dropped"]: int(row["rows_dropped"]) for row in rows}


def _repeated(table: str, column: str) -> exp.Select:
    name = exp.column(column, quoted=True)
    groups = exp.select(name).from_(exp.to_table(table)).group_by(name).having("COUNT(*) > 1")
    return exp.select("COUNT(*)").from_(groups.subquery("repeated"))


def _note(rule: Rule, broken: int) -> Note:
    return Note(code=rule.name, count=broken, text=f"{broken:,} {rule.description}")

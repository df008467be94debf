"""Where a column's values come from, and what decides about them, for people."""

from __future__ import annotations

from dataclasses import dataclass

from stedi.columns import Classification
from stedi.declared import Declarations
from stedi.errors import UsageError
from stedi.privacy.proof import Proof
from stedi.sql.lineage import Reach
from stedi.text import counted


@dataclass(frozen=True)
class Origin:
    """A delivered column that reaches another one; `path` has the steps, nearest first.

    `subtypes` are OpenLineage's: the ways in which its value arrives, or in which it has influence.
    """

    column: str
    classification: Classification
    subtypes: tuple[str, ...]
    path: tuple[str, ...]


@dataclass(frozen=True)
class ColumnOrigins:
    """A column, the step it is published through, and where it comes from."""

    column: str
    classification: Classification
    published_through: str | None
    values: tuple[Origin, ...]
    influences: tuple[Origin, ...]


def column_origins(declarations: Declarations, proof: Proof, name: str) -> ColumnOrigins:
    """The origins of `table.column`, or of a column of the published table.

    Raises `UsageError`.
    """
    table, column = _named(declarations, name)
    contract = declarations.contracts[table]
    described = contract.column(column)
    assert described is not None
    through = None
    if contract.publication and column in {
        published.column for published in contract.publication.coarsened
    }:
        through = (
            f"the publication of {contract.place}: ranges of values, each of rows of at least "
            f"{counted(contract.publication.k, 'person', 'people')}"
        )
    delivered = [
        reach
        for reach in proof.origins(table, column)
        if reach.table not in declarations.transforms
    ]
    return ColumnOrigins(
        f"{table}.{column}",
        described.classification,
        through,
        _origins(declarations, [reach for reach in delivered if reach.is_direct]),
        _origins(declarations, [reach for reach in delivered if not reach.is_direct]),
    )


def _named(declarations: Declarations, name: str) -> tuple[str, str]:
    table, _, column = name.rpartition(".")
    contracts = declarations.contracts
    tables = [table] if table else [c.name for c in contracts.values() if c.is_published]
    known = [one for one in tables if one in contracts]
    for one in known:
        if contracts[one].column(column):
            return one, column
    if not known:
        raise UsageError(f"{name}: there is no table {table}; choose {', '.join(contracts)}")
    columns = ", ".join(f"{one}.{c.name}" for one in known for c in contracts[one].columns)
    raise UsageError(f"{name}: there is no such column; choose {columns}")


def _origins(declarations: Declarations, reaches: list[Reach]) -> tuple[Origin, ...]:
    origins = []
    for name in sorted({(reach.table, reach.column) for reach in reaches}):
        ways = [reach for reach in reaches if (reach.table, reach.column) == name]
        column = next(c for c in declarations.schemas[name[0]] if c.name == name[1])
        shortest = min(ways, key=lambda reach: len(reach.path))
        subtypes = tuple(sorted({reach.subtype for reach in ways}))
        origins.append(Origin(".".join(name), column.classification, subtypes, shortest.path))
    return tuple(origins)

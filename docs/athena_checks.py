"""Statements that show in Athena whether the tables are as declared, zone by zone.

Each returns a row of figures, and a comment above it says which are right. `stedi query` runs them
too, except those about what only a catalog on AWS has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import get_args

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.athena import typed_name
from stedi.declared.contract import Contract, Zone
from stedi.parquet import identifier, literal

_WIDTH = 97


@dataclass(frozen=True)
class Check:
    """A SELECT, and what must come out of it.

    `right` is the one row that is right; None where other figures can be. `only_in_athena` says
    that it reads what `stedi query` has not.
    """

    sql: str
    comment: str
    right: tuple[int, ...] | None = None
    only_in_athena: bool = False

    @property
    def text(self) -> str:
        """The statement with its comment above it."""
        where = "In Athena only. " if self.only_in_athena else ""
        lines = wrap(where + self.comment, _WIDTH)
        return "".join(f"-- {line}\n" for line in lines) + f"{self.sql};\n"


def checks(declarations: Declarations, database: str) -> dict[Zone, list[Check]]:
    """The checks of every zone's tables, counts first.

    `database` is the name that the tables have theirs in, in the Glue Data Catalog.
    """
    contracts = tuple(declarations.contracts.values())
    direct = _direct(contracts)
    found: dict[Zone, list[Check]] = {}
    for zone in get_args(Zone):
        tables = [contract for contract in contracts if contract.zone == zone]
        found[zone] = [
            *(check for table in tables for check in _counts(table)),
            *(check for table in tables for check in _contents(table)),
            *(
                check
                for table in tables
                if table.is_published
                for check in _published(table, direct, database)
            ),
        ]
    return found


def script(zone: Zone, found: Iterable[Check]) -> str:
    """The checks of a zone as one file; Athena's console runs the statement that is marked."""
    head = f"-- Checks of the {zone} zone, made from the contracts by make generate.\n"
    return head + "".join(f"\n{check.text}" for check in found)


def _counts(contract: Contract) -> Iterator[Check]:
    if contract.source is None:
        yield Check(
            _count(contract.name), f"{contract.name}. Its rows, as stedi status counts them."
        )
        return
    yield Check(
        _count(contract.name),
        f"{contract.name}. Its records. On AWS, the lines of its files, as Athena reads them.",
    )
    yield Check(
        _count(typed_name(contract.name)),
        f"{typed_name(contract.name)}. Rows that stedi run made of these records, which are all "
        "of them but quarantined ones.",
        only_in_athena=True,
    )


def _contents(contract: Contract) -> Iterator[Check]:
    if any(column.required for column in contract.delivered):
        yield _no_blanks(contract)
    if contract.source:
        yield from (_blanks(contract, c) for c in contract.delivered if not c.required)
    yield from (_no_repeats(contract, column) for column in contract.columns if column.unique)
    for rule in contract.rules:
        if rule.severity == "error":
            comment = f"{contract.name}, {rule.name}. Must be 0: how many {rule.description}."
            yield Check(rule.query, comment, (0,))


def _no_blanks(contract: Contract) -> Check:
    required = [identifier(column.name) for column in contract.delivered if column.required]
    comment = f"{contract.name}. Must be 0: rows that lack a value in a column that needs one."
    if contract.source:
        comment += " On AWS, lines that Athena cannot read show up here."
    blank = " IS NULL\n   OR ".join(required)
    return Check(f"{_count(contract.name)}\nWHERE {blank} IS NULL", comment, (0,))


def _blanks(contract: Contract, column: Column) -> Check:
    return Check(
        f"{_count(contract.name)}\nWHERE {identifier(column.name)} IS NULL",
        f"{contract.name}. Any number: records with a blank {column.json_key or column.name}, "
        "as is allowed here.",
    )


def _no_repeats(contract: Contract, column: Column) -> Check:
    name = identifier(column.name)
    return Check(
        f"SELECT COUNT(*) - COUNT(DISTINCT {name}) FROM {contract.name}",
        f"{contract.name}. Must be 0: rows whose {column.name} another row has already.",
        (0,),
    )


def _published(contract: Contract, direct: Sequence[str], database: str) -> Iterator[Check]:
    assert contract.publication is not None
    names = [column.name for column in contract.columns]
    published = ", ".join(map(identifier, names))
    yield Check(
        f"SELECT COUNT(*) FROM (\n  SELECT 1 FROM {contract.name}\n  GROUP BY {published}\n"
        f"  HAVING COUNT(*) < {contract.publication.k}\n) AS small",
        f"{contract.name}. Must be 0: classes of equal rows with fewer than "
        f"{contract.publication.k} rows, so of fewer than {contract.publication.k} people.",
        (0,),
    )
    yield Check(
        f"SELECT * FROM {contract.name} LIMIT 10",
        f"{contract.name}. Ten rows, with the columns {', '.join(names)} and no other.",
    )
    yield Check(
        f"SELECT\n  COUNT_IF(column_name IN ({_texts(names)})) AS published,\n"
        f"  COUNT_IF(column_name NOT IN ({_texts(names)})) AS others,\n"
        f"  COUNT_IF(column_name IN ({_texts(direct)})) AS personal\n"
        "FROM information_schema.columns\n"
        f"WHERE table_schema = {literal(database)} AND table_name = {literal(contract.name)}",
        f"{contract.name}. Must be {len(names)}, 0, 0: its published columns, any others, and any "
        "that names a person.",
        (len(names), 0, 0),
        only_in_athena=True,
    )


def _direct(contracts: Iterable[Contract]) -> list[str]:
    """Names of columns that name a person, in whichever table."""
    columns = (column for contract in contracts for column in contract.selected_columns)
    return sorted({column.name for column in columns if column.classification == "direct"})


def _count(table: str) -> str:
    return f"SELECT COUNT(*) FROM {table}"


def _texts(names: Iterable[str]) -> str:
    return ", ".join(map(literal, names))

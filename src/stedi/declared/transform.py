"""Transforms: one SELECT a derived table, in Athena's SQL, and the order they run in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from stedi.declared.contract import Contract
from stedi.declared.machinery import MACHINERY
from stedi.declared.texts import Texts
from stedi.errors import DeclarationError

if TYPE_CHECKING:
    from sqlglot import exp

    from stedi.declared.selects import Select


@dataclass(frozen=True)
class Transform:
    """The SELECT of one derived table, which is parsed when it is asked for."""

    table: str
    sql: str
    fingerprint: str
    place: str

    @cached_property
    def select(self) -> Select:
        """The SELECT, parsed."""
        from stedi.declared.selects import Select

        return Select(self.sql, self.place)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tables it reads, in alphabetical order."""
        return self.select.inputs

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The FROM table, whose rows are counted as `in`, and the table of the INNER JOIN."""
        return self.select.sources

    @cached_property
    def paired_columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that the INNER JOIN compares: of the FROM table, and of the other table."""
        return self.select.paired_columns

    @cached_property
    def sums_hold(self) -> bool:
        """Whether each row in is kept or dropped: not so where a SELECT groups or cuts."""
        return self.select.sums_hold

    @property
    def paired_by(self) -> tuple[str, ...]:
        """What the INNER JOIN compares, as in `table.column = table.column`."""
        if not self.paired_columns:
            return ()
        one, other = self.sources
        return tuple(f"{one}.{left} = {other}.{right}" for left, right in self.paired_columns)

    @property
    def tree(self) -> exp.Query:
        """The SELECT as a tree."""
        return self.select.tree


def read_transforms(texts: Texts, contracts: Mapping[str, Contract]) -> dict[str, Transform]:
    """Read the SELECTs of a profile; by table name, each after the tables that it reads.

    Raises `DeclarationError` for SQL that can't be read, tables without a contract or without a
    SELECT, unknown inputs and cycles.
    """
    files = {
        name: (text, f"{place}/{name}")
        for place, named in texts.transforms.items()
        for name, text in named.items()
    }
    problems: list[str] = []
    transforms: dict[str, Transform] = {}
    for name, (text, place) in sorted(files.items()):
        try:
            table = name.removesuffix(".sql")
            transforms[table] = _transform(table, text, place)
        except DeclarationError as error:
            problems.append(str(error))
    problems += _gaps(transforms, contracts, set(files))
    if problems:
        raise DeclarationError("\n".join(problems))
    return {table: transforms[table] for table in _order(transforms)}


def _transform(table: str, text: bytes, place: str) -> Transform:
    try:
        sql = text.decode()
    except UnicodeDecodeError:
        raise DeclarationError(f"{place}: not UTF-8") from None
    transform = Transform(table, sql, hashlib.sha256(text).hexdigest(), place)
    from stedi.sql.tree import not_too_deep

    with not_too_deep(place):
        _ = transform.inputs  # or what is wrong with it would be told by anyone who asks first
    return transform


def _gaps(
    transforms: Mapping[str, Transform], contracts: Mapping[str, Contract], files: set[str]
) -> list[str]:
    problems = []
    readable = {*contracts, *MACHINERY}
    for table, transform in transforms.items():
        if table not in contracts:
            problems.append(f"{transform.place}: no contract contracts/{table}.yaml")
        elif contracts[table].zone == "landing":
            problems.append(f"{transform.place}: a landing table has no SELECT")
        problems += [
            f"{transform.place}: reads {name}, which is not declared"
            for name in transform.inputs
            if name not in readable
        ]
    problems += [
        f"{contract.place}: no SELECT transforms/{name}.sql"
        for name, contract in contracts.items()
        if contract.zone != "landing" and f"{name}.sql" not in files
    ]
    return problems


def _order(transforms: Mapping[str, Transform]) -> list[str]:
    graph = {name: [i for i in t.inputs if i in transforms] for name, t in transforms.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise DeclarationError(
            f"transforms: a cycle, each reads the next: {' → '.join(reversed(error.args[1]))}"
        ) from None

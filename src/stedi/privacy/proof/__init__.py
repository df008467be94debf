"""Proof before data: that nothing of a published table was ever the value of a `direct` column.

From the transforms as trees and the contracts' classifications alone. The lineage of each transform
is followed through all of them, down to what was delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from stedi.columns import STRENGTH, Classification
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import DeclarationError
from stedi.privacy.proof.places import Places
from stedi.sql.lineage import Reach, column_lineage, once

Lineage = Mapping[str, tuple[Reach, ...]]


class Proof:
    """The column lineage of a set of declarations, and what it shows."""

    def __init__(self, declarations: Declarations) -> None:
        self.declarations = declarations
        self._origins: dict[tuple[str, str], tuple[Reach, ...]] = {}
        self._places = Places(declarations)
        self.problems: list[str] = []
        """What couldn't be followed."""
        self.run_by: set[str] = set()
        """The engines that were found to take all that a run asks."""

    @cached_property
    def of_tables(self) -> Mapping[str, Lineage]:
        """For each derived table, the columns of its inputs that reach its columns."""
        lineages = {}
        for table, transform in self.declarations.transforms.items():
            try:
                lineages[table] = column_lineage(self.declarations.select(table), transform.place)
            except DeclarationError as error:
                self.problems.append(str(error))
        return lineages

    def origins(self, table: str, column: str) -> tuple[Reach, ...]:
        """Every column of every table that reaches a column, through all transforms."""
        key = (table, column)
        if key not in self._origins:
            reaches: list[Reach] = []
            for reach in self.of_tables.get(table, {}).get(column, ()):
                further = self.origins(reach.table, reach.column)
                reaches += [reach, *(origin.seen_through(reach) for origin in further)]
            self._origins[key] = once(reaches)
        return self._origins[key]

    def misplaced(self, contract: Contract) -> Iterator[str]:
        """Identifiers that stand where they may not, and people who aren't counted."""
        if contract.name in self.of_tables:  # else it can't be followed, which is told
            yield from self._places.problems(contract)

    def misplaced_beside(self, contract: Contract) -> Iterator[str]:
        """The same of the queries for the control group."""
        yield from self._places.problems_beside(contract)

    def leaks(self, contract: Contract) -> Iterator[str]:
        """Why a published table must not be published, one sentence a leak."""
        for column in contract.columns:
            if column.classification == "direct":
                yield (
                    f"{contract.place}: column {column.name} is classified direct, and the table "
                    "is published"
                )
            for reach in self._worst(contract.name, column.name):
                how = (
                    f"the value of {reach.table}.{reach.column}, which is direct, reaches"
                    if reach.is_direct
                    else f"{reach.table}.{reach.column}, which is direct, could be told from"
                )
                path = "\n    ".join(reach.path)
                yield f"{contract.name}.{column.name}: {how} it:\n    {path}"

    def weakened(self, contract: Contract) -> Iterator[str]:
        """Columns of a derived table that are classified weaker than what they are made from.

        And direct ones whose values come from a column that isn't.
        """
        place = self.declarations.transforms[contract.name].place
        lineage = self.of_tables.get(contract.name, {})
        for column in contract.selected_columns:
            for reach in sorted(lineage.get(column.name, ()), key=lambda r: (r.table, r.column)):
                source = self._classification(reach)
                if reach.carries_value and STRENGTH[source] > STRENGTH[column.classification]:
                    yield (
                        f"{place}: column {column.name} is classified {column.classification}, but "
                        f"the value of {reach.table}.{reach.column}, which is {source}, "
                        f"{'reaches' if reach.is_direct else 'could be told from'} it"
                    )
                if reach.subtype == "IDENTITY" and column.classification == "direct" != source:
                    yield (
                        f"{place}: column {column.name}, which is classified direct, has the "
                        f"values of {reach.table}.{reach.column}, which is {source}: one of both "
                        "is wrong"
                    )

    def told_reasons(self, contract: Contract) -> Iterator[str]:
        """Reasons for which rows are dropped that are people's values: data sheets tell reasons."""
        place = self.declarations.transforms[contract.name].place
        reasons = self.declarations.reasons(contract.name)
        if reasons is None:
            return
        unordered = reasons.copy()
        unordered.set("order", None)  # it is by columns of its own
        reaches = column_lineage(unordered, place)["dropped"]
        for reach in sorted(reaches, key=lambda r: (r.table, r.column)):
            if reach.is_direct and self._classification(reach) != "none":
                yield (
                    f"{place}: reasons for dropping rows have the values of {reach.table}."
                    f"{reach.column}, and data sheets tell reasons: write each one out"
                )

    def _worst(self, table: str, column: str) -> list[Reach]:
        """The direct columns whose values reach a column, each by the shortest path."""
        shortest: dict[tuple[str, str], Reach] = {}
        for reach in self.origins(table, column):
            if reach.carries_value and self._classification(reach) == "direct":
                key = (reach.table, reach.column)
                if key not in shortest or len(reach.path) < len(shortest[key].path):
                    shortest[key] = reach
        # Of a path that goes on, only its end is told.
        ends = [r for r in shortest.values() if r.table not in self.declarations.transforms]
        return ends or list(shortest.values())

    def _classification(self, reach: Reach) -> Classification:
        columns = self.declarations.schemas[reach.table]
        found = (c.classification for c in columns if c.name == reach.column)
        return next(found, "direct")  # COUNT(t.*) has all

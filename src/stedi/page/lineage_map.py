"""Where the columns of all tables come from, and where they go next: one pass over the lineage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from stedi.declared import Declarations
from stedi.privacy.proof import Lineage, Proof

Name = tuple[str, str]
"""A table and a column of it."""


class Origins:
    """The delivered columns that a column is made from, and the derived columns made from it.

    Without the ways between them, of which there can be many more (`Proof.origins` has those).
    """

    def __init__(self, declarations: Declarations, proof: Proof) -> None:
        self._lineages: Mapping[str, Lineage] = proof.of_tables
        self._known: dict[Name, tuple[frozenset[Name], frozenset[Name]]] = {}
        self.next: Mapping[Name, list[Name]] = defaultdict(list)
        """By column, those of other tables that have its values without a table between."""
        for table in declarations.transforms:
            for column, reaches in self._lineages.get(table, {}).items():
                for name in dict.fromkeys((r.table, r.column) for r in reaches if r.is_direct):
                    self.next[name].append((table, column))

    def values(self, table: str, column: str) -> Iterable[Name]:
        """The delivered columns whose values reach a column, in order."""
        return sorted(self._of((table, column))[0] - {(table, column)})

    def influences(self, table: str, column: str) -> Iterable[Name]:
        """The delivered columns that decide about a column by other ways than their values."""
        return sorted(self._of((table, column))[1])

    def _of(self, name: Name) -> tuple[frozenset[Name], frozenset[Name]]:
        if name not in self._known:
            table, column = name
            if table not in self._lineages:  # a landing table, or one that can't be followed
                self._known[name] = frozenset({name}), frozenset()
                return self._known[name]
            values: set[Name] = set()
            influences: set[Name] = set()
            for reach in self._lineages[table].get(column, ()):
                further = self._of((reach.table, reach.column))
                (values if reach.is_direct else influences).update(further[0])
                influences.update(further[1])
            self._known[name] = frozenset(values), frozenset(influences)
        return self._known[name]

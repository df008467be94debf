"""Published tables that are empty because a join on the way to them found almost nothing."""

from __future__ import annotations

from stedi.declared import Declarations
from stedi.storage.warehouse import Warehouse

FEW_MATCHES = "few_matches"
"""The code of a note on a join that found too few partners, though both of its sides have rows."""


def unmatched(warehouse: Warehouse, declarations: Declarations) -> dict[str, str]:
    """Why nothing is published, by table: the notes on joins of the tables that it is made from."""
    found = {}
    for contract in declarations.contracts.values():
        version = warehouse.version(contract.name) if contract.is_published else None
        if version is None or version.rows:
            continue
        notes = [
            note.text
            for name in _way(declarations, contract.name)
            if (made := warehouse.version(name)) and made.derived
            for note in made.derived.notes
            if note.code == FEW_MATCHES
        ]
        if notes:
            found[contract.name] = "nothing is published. " + ". ".join(notes)
    return found


def _way(declarations: Declarations, table: str) -> list[str]:
    """The derived tables that a table is made from, and itself, each once."""
    transform = declarations.transforms.get(table)
    if transform is None:
        return []
    before = [name for read in transform.inputs for name in _way(declarations, read)]
    return [*dict.fromkeys([*before, table])]

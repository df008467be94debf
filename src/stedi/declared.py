"""Everything that is declared for one profile, read together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from stedi.contracts import Column, Contract, read_contracts
from stedi.errors import DeclarationError
from stedi.transforms import MACHINERY_COLUMNS, SEED, Transform, read_transforms


@dataclass(frozen=True)
class Declarations:
    """Contracts by table name, and transforms in the order they run in."""

    profile: str
    contracts: Mapping[str, Contract]
    transforms: Mapping[str, Transform]

    @cached_property
    def landing(self) -> tuple[Contract, ...]:
        """The contracts of the landing tables."""
        return tuple(c for c in self.contracts.values() if c.zone == "landing")

    @cached_property
    def schemas(self) -> Mapping[str, tuple[Column, ...]]:
        """The columns of every table that can be read, machinery's included."""
        return {**MACHINERY_COLUMNS, **{name: c.columns for name, c in self.contracts.items()}}

    @property
    def locations(self) -> Mapping[str, str]:
        """Where every table lies, relative to the root."""
        return {
            **{name: f"_stedi/{name}" for name in MACHINERY_COLUMNS},
            **{name: contract.location for name, contract in self.contracts.items()},
        }

    def candidate_schemas(self, table: str) -> Mapping[str, tuple[Column, ...]]:
        """The columns that the rules of `table` see: its working columns too."""
        return {**self.schemas, table: self.contracts[table].selected_columns}

    def fingerprint(self, table: str) -> str:
        """Changes whenever what is declared of a table does."""
        parts = [self.contracts[table].fingerprint]
        if table in self.transforms:
            parts.append(self.transforms[table].fingerprint)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def packaged() -> Traversable:
    """The declarations of STEDI, which travel in the package."""
    return files("stedi") / "declarations"


def read_declarations(folder: Traversable, profile: str = SEED) -> Declarations:
    """Read `contracts/` and `transforms/` below a folder.

    Raises `DeclarationError`, which lists what is wrong and where.
    """
    for part in ("contracts", "transforms"):
        if not (folder / part).is_dir():
            raise DeclarationError(
                f"{folder}: no folder {part} in it; declarations are contracts/ and transforms/"
            )
    contracts = read_contracts(folder / "contracts")
    return Declarations(
        profile, contracts, read_transforms(folder / "transforms", profile, contracts)
    )

"""Everything that is declared for one profile, read together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from stedi.columns import Schemas
from stedi.declared import compiled
from stedi.declared.contract import Contract, Rule
from stedi.declared.machinery import MACHINERY
from stedi.declared.private import Private
from stedi.declared.profiles import SEED
from stedi.declared.texts import Texts, read_texts
from stedi.declared.transform import Transform, read_transforms
from stedi.errors import DeclarationError

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True, eq=False)  # equal to itself alone, so that what is proved of it can be kept
class Declarations:
    """Contracts by table name, and transforms in the order they run in."""

    profile: str
    contracts: Mapping[str, Contract]
    transforms: Mapping[str, Transform]
    _known: dict[tuple[str, str], exp.Query] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def landing(self) -> tuple[Contract, ...]:
        """The contracts of the landing tables."""
        return tuple(c for c in self.contracts.values() if c.zone == "landing")

    @property
    def sources(self) -> list[str]:
        """The names of the sources, each of a landing table."""
        return [str(contract.source) for contract in self.landing]

    @cached_property
    def schemas(self) -> Schemas:
        """The columns of every table that can be read, machinery's included."""
        declared = {name: c.columns for name, c in self.contracts.items()}
        released = {private.table: c.columns for c, private in self.private}
        return {**MACHINERY, **declared, **released}

    @cached_property
    def private(self) -> tuple[tuple[Contract, Private], ...]:
        """The published tables that are released under differential privacy, and how."""
        publications = ((c, c.publication) for c in self.contracts.values() if c.publication)
        return tuple(
            (c, publication.private) for c, publication in publications if publication.private
        )

    @property
    def locations(self) -> Mapping[str, str]:
        """Where every table lies, relative to the lakehouse folder."""
        return {
            **{name: f"_stedi/{name}" for name in MACHINERY},
            **{name: contract.location for name, contract in self.contracts.items()},
            **{private.table: private.location for _, private in self.private},
        }

    def select(self, table: str) -> exp.Query:
        """The SELECT of a derived table, resolved and typed; raises `DeclarationError`."""
        transform = self.transforms[table]
        return self._typed("SELECT", transform.place, transform.tree, self.schemas)

    def read_by(self, table: str) -> frozenset[str]:
        """The tables that a derived table's SELECT or rules read, itself left out."""
        return frozenset({*self.transforms[table].inputs, *self.read_by_rules[table]} - {table})

    @cached_property
    def read_by_rules(self) -> Mapping[str, tuple[str, ...]]:
        """The tables that each derived table's rules read, in alphabetical order."""
        return {
            table: _tables_read(self.rule(table, rule) for rule in self.contracts[table].rules)
            for table in self.transforms
        }

    @cached_property
    def read_by_suspensions(self) -> tuple[str, ...]:
        """The tables that the query for whose consent is suspended reads, in alphabetical order."""
        query = self.suspensions
        return () if query is None else _tables_read([query])

    def reasons(self, table: str) -> exp.Query | None:
        """The query that counts a derived table's dropped rows by reason, resolved and typed."""
        transform = self.transforms[table]
        reasons = transform.select.reasons
        if reasons is None:
            return None
        return self._typed("reasons", transform.place, reasons, self.schemas)

    def rule(self, table: str, rule: Rule) -> exp.Query:
        """The query of a rule, resolved and typed; it sees the working columns of its table too."""
        contract = self.contracts[table]
        place = f"{contract.place}, rule {rule.name}"
        schemas = {**self.schemas, table: contract.selected_columns}
        return self._typed("rule", place, rule.query, schemas)

    def controls(self, table: str) -> exp.Query | None:
        """The query for rows of people who are not in a published table, resolved and typed."""
        return self._of_publication(table, "controls")

    def identities(self, table: str) -> exp.Query | None:
        """The query for who the people of a published table are, resolved and typed."""
        return self._of_publication(table, "identities")

    @cached_property
    def suspending(self) -> Contract | None:
        """The contract that declares whose consent is suspended."""
        return next((c for c in self.contracts.values() if c.suspensions), None)

    @property
    def suspensions(self) -> exp.Query | None:
        """The query for whose consent is suspended, resolved and typed."""
        contract = self.suspending
        if contract is None or contract.suspensions is None:
            return None
        place = f"{contract.place}, suspensions"
        return self._typed("suspensions", place, contract.suspensions, self.schemas)

    @property
    def suspensions_fingerprint(self) -> str | None:
        """Changes whenever that query does."""
        query = self.suspending.suspensions if self.suspending else None
        return None if query is None else hashlib.sha256(query.encode()).hexdigest()[:16]

    @property
    def weaknesses(self) -> dict[str, str]:
        """How publications are weaker than recommended, and why, by table."""
        declared = ((name, c.publication) for name, c in self.contracts.items() if c.publication)
        return {
            name: publication.weakness for name, publication in declared if publication.weakness
        }

    def _of_publication(self, table: str, what: str) -> exp.Query | None:
        query: str | None = getattr(self.contracts[table].publication, what, None)
        if query is None:
            return None
        place = f"{self.contracts[table].place}, {what}"
        return self._typed(what, place, query, self.schemas)

    def _typed(self, what: str, place: str, query: exp.Query | str, schemas: Schemas) -> exp.Query:
        key = (what, place)
        if key not in self._known:
            from stedi.sql.tree import parse, typed

            tree = parse(query, place) if isinstance(query, str) else query
            self._known[key] = typed(tree, schemas, place)
        return self._known[key]

    def fingerprint(self, table: str) -> str:
        """Changes whenever what is declared of a table does."""
        parts = [self.contracts[table].fingerprint]
        if table in self.transforms:
            parts.append(self.transforms[table].fingerprint)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    @property
    def fingerprint_of_all(self) -> str:
        """Changes whenever anything that is declared does, subjects included."""
        parts = [self.fingerprint(table) for table in self.contracts]
        parts += [
            f"{table}.{column.name}:{column.subject}"
            for table, contract in self.contracts.items()
            for column in contract.columns
            if column.subject
        ]
        parts.append(str(self.suspensions_fingerprint))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def packaged() -> Traversable:
    """The declarations of STEDI, which travel in the package."""
    return files("stedi") / "declarations"


def read_declarations(folder: Traversable, profile: str = SEED) -> Declarations:
    """Read `contracts/` and `transforms/` below a folder.

    The same texts give the same object, so that a process works out once what follows from them.
    Raises `DeclarationError`, which lists what is wrong and where.
    """
    return _read(read_texts(folder, profile))


@lru_cache(maxsize=8)
def _read(texts: Texts) -> Declarations:
    if kept := compiled.read(texts):
        declarations = Declarations(texts.profile, kept.contracts, kept.transforms)
        vars(declarations).update(kept.facts)
        return declarations
    from stedi.declared.odcs import read_contracts

    contracts = read_contracts(texts)
    transforms = read_transforms(texts, contracts)
    of_profile = {
        name: _under(contract, texts.profile, texts.profiles)
        for name, contract in contracts.items()
    }
    declarations = Declarations(texts.profile, of_profile, transforms)
    compiled.keep(texts, declarations)
    return declarations


def _tables_read(queries: Iterable[exp.Query]) -> tuple[str, ...]:
    from stedi.sql.tree import tables_read

    return tuple(sorted({table.name for query in queries for table in tables_read(query)}))


def _under(contract: Contract, profile: str, known: Sequence[str]) -> Contract:
    """A contract as it is under a profile: noise on what is published may be for some only."""
    noise = contract.publication and contract.publication.noise
    if not contract.publication or not noise:
        return contract
    if unknown := [name for name in noise.profiles if name not in known]:
        raise DeclarationError(
            f"{contract.place}: publication.noise.profiles: {unknown[0]} is no profile; there are "
            f"{', '.join(known)}"
        )
    if not noise.profiles or profile in noise.profiles:
        return contract
    return replace(contract, publication=replace(contract.publication, noise=None))

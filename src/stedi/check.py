"""Whether contracts and transforms fit together; no data is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlglot import exp

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.declared.transform import Transform
from stedi.engines import Engine
from stedi.errors import DeclarationError
from stedi.privacy.proof import Proof
from stedi.privacy.proof.places import parts_of
from stedi.roots import Files
from stedi.sql.portable import disagreements
from stedi.sql.tree import not_too_deep, tables_read

if TYPE_CHECKING:
    from stedi.privacy.proof.origins import ColumnOrigins


@dataclass(frozen=True)
class Checked:
    """Declarations that fit together: the tables in the order they are made, and what was proved.

    `events` names the file that the OpenLineage events are in; None where they went elsewhere.
    """

    tables: tuple[str, ...]
    events: str | None
    _declarations: Declarations = field(repr=False)
    _proof: Proof = field(repr=False)

    @property
    def limits(self) -> tuple[str, ...]:
        """Limits of identifiers in landing tables: by spelling, they quarantine records."""
        return tuple(
            f"{contract.name}.{column.name} ({', '.join(_limits(column))})"
            for contract in self._declarations.landing
            for column in contract.columns
            if column.classification == "direct" and _limits(column)
        )

    def explain(self, column: str) -> ColumnOrigins:
        """Tell where a column comes from, given as `table.column`, or by name if it is published.

        Raises `UsageError`.
        """
        from stedi.privacy.proof.origins import column_origins

        return column_origins(self._declarations, self._proof, column)

    def graph(self) -> str:
        """The column lineage of what is published, as an SVG picture."""
        from stedi.privacy.proof.graph import graph

        return graph(self._declarations, self._proof)


def _limits(column: Column) -> list[str]:
    limits = {
        "pattern": column.pattern,
        "minLength": column.min_length,
        "maxLength": column.max_length,
    }
    return [name for name, limit in limits.items() if limit is not None]


def check_and_record(declarations: Declarations, files: Files) -> Checked:
    """Check all that can be known without data, with DuckDB, and record the lineage proved."""
    from stedi.engines.duckdb import DuckDBEngine
    from stedi.privacy.proof.openlineage import record_declared

    with TemporaryDirectory() as folder, closing(DuckDBEngine(Path(folder))) as engine:
        proof = check(declarations, engine)
    events = record_declared(files, declarations, proof)
    tables = [*(contract.name for contract in declarations.landing), *declarations.transforms]
    return Checked(tuple(tables), events, declarations, proof)


def prove(declarations: Declarations) -> Proof:
    """Prove from the declarations alone that no value of a `direct` column is published.

    A process proves it once of the same declarations. Raises `DeclarationError`, which lists the
    leaks and what can't be followed.
    """
    return _proved(declarations)


@lru_cache(maxsize=8)
@not_too_deep("transforms")
def _proved(declarations: Declarations) -> Proof:
    proof = Proof(declarations)
    _refuse(_leaks(proof))
    return proof


def _leaks(proof: Proof) -> list[str]:
    published = (c for c in proof.declarations.contracts.values() if c.is_published)
    problems = [(*proof.leaks(contract), *proof.misplaced(contract)) for contract in published]
    return [*(problem for listed in problems for problem in listed), *proof.problems]


@not_too_deep("transforms")
def check(
    declarations: Declarations,
    engine: Engine,
    *,
    proof: Proof | None = None,
    for_a_run: bool = False,
) -> Proof:
    """Check what can be known without any data.

    Every column resolves, every SELECT returns the contract's columns with their types, no column
    is classified weaker than those it is made from, no value of a `direct` column reaches a
    published table, every rule can be run, and unless it is just for a run the queries that audits
    and training ask. Returns the proof, which may have been made before; raises `DeclarationError`,
    which lists all that is wrong.
    """
    proof = proof or Proof(declarations)
    declare_empty(declarations, engine)
    if for_a_run and engine.name in proof.run_by:
        return proof
    problems = _leaks(proof)
    for transform in declarations.transforms.values():
        problems += _collect(_transform_problems(transform, declarations, engine))
        problems += proof.weakened(declarations.contracts[transform.table])
        problems += _collect(proof.told_reasons(declarations.contracts[transform.table]))
    problems += _collect(_suspension_problems(declarations, engine))
    for contract in declarations.contracts.values():
        problems += _collect(_rule_problems(contract, declarations, engine))
        if not for_a_run:
            problems += _collect(_controls_problems(contract, declarations, engine))
            problems += _collect(proof.misplaced_beside(contract)) if contract.is_published else []
            problems += _collect(_identities_problems(contract, declarations, engine))
    _refuse(problems)
    proof.run_by.add(engine.name)
    return proof


def _refuse(problems: list[str]) -> None:
    if problems:
        raise DeclarationError("\n".join(dict.fromkeys(problems)))


def declare_empty(declarations: Declarations, engine: Engine) -> None:
    """Let an engine know every table, without any rows."""
    for table, columns in declarations.schemas.items():
        engine.declare(table, columns, ())


def _collect(problems: Iterator[str]) -> list[str]:
    collected: list[str] = []
    try:
        collected.extend(problems)
    except DeclarationError as error:
        collected.append(str(error))
    return collected


def _transform_problems(
    transform: Transform, declarations: Declarations, engine: Engine
) -> Iterator[str]:
    contract = declarations.contracts[transform.table]
    select = declarations.select(transform.table)
    yield from _portability_problems(select, transform.place)
    selected = _types(engine, select, transform.place)
    declared = {column.name: column.type for column in contract.selected_columns}
    for name in declared.keys() - selected.keys():
        yield f"{transform.place}: gives no column {name}, which {contract.place} has"
    for name in selected.keys() - declared.keys():
        yield f"{transform.place}: gives column {name}, which {contract.place} lacks"
    for name in declared.keys() & selected.keys():
        if selected[name] != declared[name]:
            yield (
                f"{transform.place}: column {name} is {selected[name]}, {contract.place} says "
                f"{declared[name]}; CAST it"
            )
    if transform.select.pairing is not None:
        _types(engine, transform.select.pairing, transform.place)
    _types(engine, exp.select("COUNT(*)").from_(transform.select.source.copy()), transform.place)


def _portability_problems(query: exp.Query, place: str) -> Iterator[str]:
    return (f"{place}: {problem}" for problem in disagreements(query))


def _types(engine: Engine, query: exp.Query, place: str) -> Mapping[str, str]:
    try:
        return engine.types(query)
    except DeclarationError as error:
        raise DeclarationError(f"{place}: {error}") from None


def _rule_problems(contract: Contract, declarations: Declarations, engine: Engine) -> Iterator[str]:
    engine.declare(contract.name, contract.selected_columns, ())
    for rule in contract.rules:
        place = f"{contract.place}, rule {rule.name}"
        query = declarations.rule(contract.name, rule)
        yield from _portability_problems(query, place)
        read = {table.name for table in tables_read(query)}
        if contract.zone == "landing" and read != {contract.name}:
            yield f"{place}: a landing table's rule reads that table alone"
        elif later := sorted(read & _built_after(contract.name, declarations)):
            yield f"{place}: reads {later[0]}, which is built later; it belongs to that contract"
        if list(_types(engine, query, place).values()) != ["long"]:
            yield f"{place}: a rule counts: it gives one whole number"
    engine.declare(contract.name, contract.columns, ())


def _built_after(table: str, declarations: Declarations) -> set[str]:
    order = [*declarations.transforms]
    return {*order[order.index(table) + 1 :]} if table in order else set()


_SUSPENSIONS = {
    **dict.fromkeys(("subject", "suspect", "why", "question", "evidence"), "string"),
    "until": "long",
}


def _suspension_problems(declarations: Declarations, engine: Engine) -> Iterator[str]:
    """What is wrong with the query for whose consent is suspended, which runs before any SELECT."""
    contract, query = declarations.suspending, declarations.suspensions
    if contract is None or query is None:
        return
    place = f"{contract.place}, suspensions"
    yield from _portability_problems(query, place)
    delivered = {*(landing.name for landing in declarations.landing), "quarantine", "loads"}
    for name in sorted({table.name for table in tables_read(query)} - delivered):
        yield f"{place}: reads {name}; it may read landing tables, quarantine and loads"
    for part in parts_of(query):
        for p in part.selects:
            if p.alias_or_name in ("why", "question") and not p.unalias().is_string:
                yield f"{place}: {p.alias_or_name} must be a text that is written out"
    yield from _columns_problems(query, _SUSPENSIONS, place, engine)


def _controls_problems(
    contract: Contract, declarations: Declarations, engine: Engine
) -> Iterator[str]:
    controls = declarations.controls(contract.name)
    if controls is not None and contract.publication is not None:
        columns = {coarsened.column: "double" for coarsened in contract.publication.coarsened}
        columns |= dict.fromkeys(contract.publication.people, "long")
        yield from _columns_problems(controls, columns, f"{contract.place}, controls", engine)


def _identities_problems(
    contract: Contract, declarations: Declarations, engine: Engine
) -> Iterator[str]:
    identities = declarations.identities(contract.name)
    if identities is not None:
        columns = {"person": "long", "identity": "string"}
        yield from _columns_problems(identities, columns, f"{contract.place}, identities", engine)


def _columns_problems(
    query: exp.Query, columns: Mapping[str, str], place: str, engine: Engine
) -> Iterator[str]:
    if _types(engine, query, place) != columns:
        names = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
        yield f"{place}: gives other columns than these, or other types: {names}"

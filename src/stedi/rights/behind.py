"""Who is behind a published table: people who consent, with a reading on a side of one of its rows.

A person is a row of a table of people who consent (a contract with `withdrawalDays`), and is named
by its key. A side of a published row is a table that its SELECT takes rows from (FROM and INNER
JOIN); the columns there that have a `subject` say whose readings they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from stedi import parquet
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.privacy.published import PublishedTable
from stedi.storage.warehouse import Warehouse

_SIDE = "_side_"
Person = tuple[str, str]
"""A kind of subject, and an identifier of that kind."""


@dataclass(frozen=True)
class Side:
    """A column with an identifier of whose readings a published row has; `name` is its alias."""

    name: str
    subject: str


def person_of(contract: Contract, value: object) -> Person:
    """A person by the key of a table of people who consent."""
    assert contract.key is not None
    column = contract.column(contract.key)
    subject = (column.subject if column else None) or contract.name
    return subject, str(value)


def tables_of_people(declarations: Declarations) -> list[Contract]:
    """The contracts of tables of people who consent."""
    return [
        contract
        for contract in declarations.contracts.values()
        if contract.retention.withdrawal_days is not None
    ]


def who_consents(warehouse: Warehouse, declarations: Declarations) -> frozenset[Person] | None:
    """Everybody who consents, as tables are now; None where no table knows.

    A person who was erased, or whose consent was withdrawn or is suspended, isn't among them.
    """
    people: set[Person] = set()
    contracts = tables_of_people(declarations)
    for contract in contracts:
        rows = _rows(warehouse, contract, [str(contract.key)])
        if rows is None:
            return None
        people.update(person_of(contract, value) for value in rows.column(0).to_pylist())
    return frozenset(people) if contracts else None


def people_behind(published: PublishedTable) -> frozenset[Person] | None:
    """The people on the sides of a published table's rows; None where no table names people.

    Of a device that several people have, all of them are. Where the SELECT doesn't show whose rows
    it has, everybody who consents is.
    """
    warehouse, declarations = published.warehouse, published.declarations
    if published.withheld:
        return frozenset()
    tree = declarations.select(published.contract.name)
    found = with_sides(tree, declarations)
    if found is None:
        return who_consents(warehouse, declarations)
    query, sides = found
    [values] = published.fetch([query])
    people: set[Person] = set()
    contracts = tables_of_people(declarations)
    for contract in contracts:
        by_subject = [(c.name, c.subject) for c in contract.delivered if c.subject]
        columns = [str(contract.key), *(name for name, _ in by_subject)]
        rows = _rows(warehouse, contract, list(dict.fromkeys(columns)))
        if rows is None:
            return None
        is_behind = pa.array([False] * rows.num_rows)
        for column, subject in by_subject:
            for side in (side for side in sides if side.subject == subject):
                own = rows.column(column).combine_chunks()
                is_in = pc.is_in(own, value_set=_texts(values.column(side.name)))
                is_behind = pc.or_(is_behind, pc.and_(is_in, pc.is_valid(own)))
        behind = rows.filter(is_behind).column(str(contract.key)).to_pylist()
        people.update(person_of(contract, value) for value in behind)
    return frozenset(people) if contracts else None


def with_sides(tree: exp.Query, declarations: Declarations) -> tuple[exp.Query, list[Side]] | None:
    """The identifiers of each row's sides, as a query over the same rows that a SELECT returns.

    None for a SELECT of another form than one over declared tables, judged or not.
    """
    query = tree.copy()
    if not isinstance(query, exp.Select):
        return None
    judging = next((cte.this for cte in query.ctes if cte.alias == "judged"), query)
    if not _is_plain(judging) or not _is_plain(query):
        return None
    sides = _sides(judging, declarations, {cte.alias for cte in query.ctes})
    if not sides:
        return None
    query.set("order", None)
    query.set("expressions", [])
    if judging is not query:
        source = query.args["from_"].this
        if query.args.get("joins") or source.name != "judged":
            return None
        for _, side in sides:
            query.select(exp.column(side.name, source.alias_or_name), copy=False)
    for column, side in sides:
        judging.select(column.as_(side.name), copy=False)
    return query.distinct(copy=False), [side for _, side in sides]


def _is_plain(select: exp.Expr) -> bool:
    """Whether a SELECT returns a row for each that it looks at, or none."""
    cuts = ("group", "distinct", "having", "limit", "offset", "laterals")
    return (
        isinstance(select, exp.Select)
        and select.args.get("from_") is not None
        and not any(map(select.args.get, cuts))
    )


def _sides(
    judging: exp.Select, declarations: Declarations, ctes: Collection[str]
) -> list[tuple[exp.Column, Side]]:
    """The identifiers in the tables that a SELECT takes rows from; none where one can't be told."""
    joins = judging.args.get("joins") or ()
    inner = [join.this for join in joins if join.side == ""]
    sides: list[tuple[exp.Column, Side]] = []
    if any(join.side not in ("", "LEFT") for join in joins):
        return []
    for table in [judging.args["from_"].this, *inner]:
        is_declared = isinstance(table, exp.Table) and table.name not in ctes
        contract = declarations.contracts.get(table.name) if is_declared else None
        named = [column for column in contract.delivered if column.subject] if contract else []
        if contract is None or (contract.identifiers and not named):
            return []
        for column in named:
            side = Side(f"{_SIDE}{len(sides)}", str(column.subject))
            sides.append((exp.column(column.name, table.alias_or_name, quoted=True), side))
    return sides


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """Identifiers as text, so that those of two tables can be compared."""
    return column.cast(pa.string()).combine_chunks()


def _rows(warehouse: Warehouse, contract: Contract, columns: list[str]) -> pa.Table | None:
    """Columns of a table as it is now, as text; None where it isn't there."""
    version = warehouse.version(contract.name)
    if version is None:
        return None
    paths = [file.path for file in version.files]
    warehouse.files.fetch(paths)
    schema = pa.schema([(name, pa.string()) for name in columns])
    tables = (parquet.read(path, columns) for path in paths)
    texts = [pa.table([_texts(t.column(n)) for n in columns], schema=schema) for t in tables]
    return pa.concat_tables([schema.empty_table(), *texts])

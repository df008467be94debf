"""That identifiers stand only where they may, and that people are counted by who they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import DeclarationError
from stedi.privacy.proof.expressions import given_clauses
from stedi.privacy.proof.positions import Positions
from stedi.privacy.proof.sides import (
    Cell,
    Kinds,
    Relation,
    delivered_kinds,
    folded_kinds,
    kinds_of_lines,
)
from stedi.privacy.proof.unnumbered import unnumbered

_PUT_TOGETHER = {"with_", "this", "expression", "distinct"}
_OF_IDENTIFIERS = ("evidence", "review")
"""Columns of the suspensions that are worked out of identifiers: where one is, and its hash."""
_OF_FILES = ("source", "file", "arrived")
"""Columns of the loads that say which file it is, and when it came."""
_LENGTHS = ("byte_offset", "byte_length")
"""Columns of the quarantine that depend on how long records are, and so the identifiers in them."""


class Places:
    """What the rule of `positions.py` says of the statements that something published is from."""

    def __init__(self, declarations: Declarations) -> None:
        self.declarations = declarations
        self._known: dict[str, Relation | None] = {}
        self._problems: list[str] = []

    def problems(self, contract: Contract) -> Iterator[str]:
        """What stands where it may not, on the way to a published table, its people included."""
        transform = self.declarations.transforms[contract.name]
        relation = self._followed(self.declarations.select(contract.name), transform.place)
        yield from self._told()
        for column in contract.columns:
            cell = relation.columns.get(column.name)
            if cell is not None and not cell.is_plain:
                yield f"{transform.place}: {column.name} names a person, and is published"
        yield from self._people(contract, relation, transform.place)

    def problems_beside(self, contract: Contract) -> Iterator[str]:
        """The same for the control group, whose people are numbered by themselves."""
        controls = self.declarations.controls(contract.name)
        if controls is not None:
            place = f"{contract.place}, controls"
            relation = self._followed(controls, place, numbers_once=False)
            yield from self._told()
            yield from self._named(contract, relation, place)
            yield from self._known_as_identities(contract, controls, place)

    def _known_as_identities(
        self, contract: Contract, controls: exp.Query, place: str
    ) -> Iterator[str]:
        """That the audit can see whether they are people of the table."""
        assert contract.publication is not None
        identities = self.declarations.identities(contract.name)
        if identities is None:
            return  # which is told where the table is
        relation = self._followed(unnumbered(controls), place, numbers_once=False)
        identity = self._followed(identities, place).columns.get("identity", Cell())
        self._told()  # they were told before
        for name in contract.publication.people:
            cell = relation.columns.get(name, Cell())
            if cell.is_key and (cell.is_number or not cell.named_by(identity)):
                yield (
                    f"{place}: {name} counts others than identities of {contract.place} do: the "
                    "audit can't see that they aren't in the table"
                )

    def _told(self) -> list[str]:
        told, self._problems = self._problems, []
        return list(dict.fromkeys(told))

    def _followed(
        self,
        tree: exp.Query,
        place: str,
        *,
        numbers_once: bool = True,
        table: Callable[[str], Relation | None] | None = None,
    ) -> Relation:
        positions = Positions(place, table or self._table, numbers_once)
        relation = positions.relation(tree)
        self._problems += positions.problems
        return relation

    # People --------------------------------------------------------------------------------------

    def _people(self, contract: Contract, relation: Relation, place: str) -> Iterator[str]:
        yield from self._named(contract, relation, place)
        yield from self._counted_once(contract, relation, place)
        identities = self.declarations.identities(contract.name)
        if identities is None:
            yield (
                f"{contract.place}: declares no `identities`, by which runs and audits see on the "
                "data that each number of people is one person"
            )
            return
        beside = f"{contract.place}, identities"
        declared = self._followed(identities, beside)
        yield from self._told()
        person, identity = (declared.columns.get(name, Cell()) for name in ("person", "identity"))
        if not (person.is_number_of(identity) and person.side == identity.side):
            yield (
                f"{beside}: person must number the identity beside it: ROW_NUMBER() OVER (ORDER BY "
                "key) of groups by that key, which has a subject, of all rows of its table"
            )
            return
        for name in contract.publication.people if contract.publication else ():
            cell = relation.columns.get(name, Cell())
            if cell.is_key and not cell.named_by(person):
                yield (
                    f"{place}: {name} numbers others than identities of {contract.place} do: "
                    "it must be the same number of the same column, of all its table's rows"
                )

    def _named(self, contract: Contract, relation: Relation, place: str) -> Iterator[str]:
        """That each side of a row is counted, by who it is."""
        assert contract.publication is not None
        people = contract.publication.people
        cells = {name: relation.columns.get(name, Cell()) for name in people}
        for name, cell in cells.items():
            if not cell.is_key:
                yield (
                    f"{place}: {name} counts people, but is no identifier of theirs: it must be a "
                    "column with a subject, or its DENSE_RANK or ROW_NUMBER by such a column alone"
                )
        counted = {cell.side for cell in cells.values()}
        if all(cell.is_key for cell in cells.values()) and relation.sides - counted:
            yield (
                f"{place}: rows have people that {' and '.join(people)} don't count: each table "
                "must be joined by an equal identifier to people who are counted"
            )

    @staticmethod
    def _counted_once(contract: Contract, relation: Relation, place: str) -> Iterator[str]:
        """That a person whose values are published has one number on each side."""
        assert contract.publication is not None
        people = contract.publication.people
        for side in relation.sides:
            numbers = {n for n in people if relation.columns.get(n, Cell()).side == side}
            if numbers and not numbers & relation.owners.get(side, frozenset()):
                yield (
                    f"{place}: one person whose values are published may have several numbers as "
                    f"{' or '.join(sorted(numbers))}: join by columns that are unique"
                )

    # Tables --------------------------------------------------------------------------------------

    def _table(self, name: str) -> Relation | None:
        if name not in self._known:
            self._known[name] = None  # none reads itself
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> Relation | None:
        if name == "quarantine":
            delivered = self._quarantine()
            lengths = {n: _made_of_identifiers(delivered.columns[n]) for n in _LENGTHS}
            return replace(delivered, columns={**delivered.columns, **lengths})
        if name == "suspended":
            return self._suspended(name)
        contract = self.declarations.contracts.get(name)
        if contract is None:
            return None
        kinds_of = {c.name: frozenset({c.subject} if c.subject else ()) for c in contract.columns}
        if contract.is_published:
            return Relation({c.name: Cell() for c in contract.columns})
        if name not in self.declarations.transforms:
            self._problems += _of_nobody(contract)
            return _delivered(name, contract.columns, kinds_of, contract.subject)
        try:
            tree = self.declarations.select(name)
        except DeclarationError:
            return None  # which is told where it is followed
        place = self.declarations.transforms[name].place
        relation = self._followed(tree, place)
        return replace(
            relation,
            reads_values=False,  # which of a declared table's identifiers there are, may be asked
            unique=frozenset(column.name for column in contract.columns if column.unique),
            columns={
                column.name: self._kept(column, relation.columns.get(column.name, Cell()), contract)
                for column in contract.columns
            },
        )

    def _quarantine(self) -> Relation:
        name, kinds = "quarantine", frozenset().union(*map(_quarantined, self.declarations.landing))
        columns = self.declarations.schemas[name]
        return _delivered(name, columns, {"subject": kinds_of_lines(kinds)}, "subject")

    def _loads(self) -> Relation:
        """Nobody's rows; sizes and fingerprints of files depend on the identifiers in them."""
        columns = self.declarations.schemas["loads"]
        cells = {c.name: Cell(type_=c.type) for c in columns}
        made = {n: _made_of_identifiers(cell) for n, cell in cells.items() if n not in _OF_FILES}
        return Relation({**cells, **made})

    def _with_places(self, name: str) -> Relation | None:
        """A table, as evidence may have it: it says where a record is."""
        return self._quarantine() if name == "quarantine" else self._of_deliveries(name)

    def _of_deliveries(self, name: str) -> Relation | None:
        """A table, as the suspensions may have it: they can read when a file arrived."""
        return self._loads() if name == "loads" else self._table(name)

    def _suspended(self, name: str) -> Relation:
        """The table that a run makes of the declared suspensions: a row for each subject."""
        columns = self.declarations.schemas[name]
        contract, query = self.declarations.suspending, self.declarations.suspensions
        if contract is None or query is None:
            return _delivered(name, columns, {}, None)
        place = f"{contract.place}, suspensions"
        kinds, names, of_others = None, query.named_selects, set[str]()
        # Which part a row is from may be told: each gives a reason, and names whose it is.
        for part in parts_of(query):
            if part.named_selects != names:
                self._problems.append(
                    f"{place}: each SELECT gives {', '.join(names)} in this order"
                )
            self._followed(_without_evidence(part), place, table=self._of_deliveries)
            followed = self._followed(part, place, table=self._with_places)
            given = followed.columns
            subject = given.get("subject", Cell())
            kinds = subject.kinds if kinds is None else kinds & subject.kinds
            if not subject.is_key or subject.is_optional:
                self._problems.append(
                    f"{place}: subject must be a column that has a subject, and a value in each row"
                )
            suspect = given.get("suspect", Cell())
            is_same = suspect.named_by(subject) or suspect.is_spelled_unlike(subject)
            if not is_same or suspect.side != subject.side:
                self._problems.append(f"{place}: suspect must be the subject, as spelled or folded")
            self._problems += [
                f"{place}: {column.name} names a person"
                for column in columns
                if column.name != "subject" and not given.get(column.name, Cell()).is_plain
            ]
            if not any("subject" in owners for owners in followed.owners.values()):
                of_others |= {p.alias_or_name for p in part.selects if not _is_written_out(p)}
        delivered = _delivered(name, columns, {"subject": kinds or frozenset()}, "subject")
        subject = replace(delivered.columns["subject"], is_optional=False)
        telling = {
            **{n: _of_another(delivered.columns[n]) for n in of_others & {*delivered.columns}},
            **{n: _made_of_identifiers(delivered.columns[n]) for n in _OF_IDENTIFIERS},
        }
        return replace(
            delivered,
            columns={**delivered.columns, **telling, "subject": subject},
            unique=frozenset({"subject"}),
        )

    def _kept(self, column: Column, cell: Cell, contract: Contract) -> Cell:
        """A column of a table that isn't published, as its readers find it."""
        place = self.declarations.transforms[contract.name].place
        if cell.breaks_ties:
            self._problems.append(f"{place}: {column.name} ranks by an identifier, and is kept")
        given = delivered_kinds(cell.kinds)
        if given and column.subject and column.subject not in given:
            self._problems.append(
                f"{contract.place}: {column.name} has the subject {column.subject}, but "
                f"{place} gives {' or '.join(sorted(given))}"
            )
        if cell.is_direct and column.classification != "direct":
            self._problems.append(f"{contract.place}: {column.name} is direct: {place} keeps it")
        return replace(
            cell,
            is_direct=cell.is_direct or column.classification == "direct",
            origin=f"{contract.name}.{column.name}",
            is_optional=cell.is_optional and not column.required,
            type_=column.type,
            copy_of=cell.copy_of or f"{contract.name}.{column.name}",
        )


def _made_of_identifiers(cell: Cell) -> Cell:
    return replace(cell, is_direct=True, is_made_of_identifiers=True)


def _of_another(cell: Cell) -> Cell:
    return replace(cell, is_direct=True, is_of_another_spelling=True)


def _is_written_out(projection: exp.Expr) -> bool:
    return projection.find(exp.Column, exp.Query) is None


def _without_evidence(part: exp.Query) -> exp.Query:
    """A part of the suspensions without its evidence, which nobody reads but people."""
    part = part.copy()
    for given in part.selects:
        if given.alias_or_name == "evidence":
            given.replace(exp.alias_(exp.null(), "evidence"))
    return part


def _quarantined(contract: Contract) -> Kinds:
    """The kinds of identifiers in quarantined records of a table: folded, if it folds."""
    column = contract.column(contract.subject) if contract.subject else None
    kinds = frozenset({column.subject} if column and column.subject else ())
    is_folded = any(c.folded_from == contract.subject for c in contract.columns)
    return folded_kinds(kinds) if is_folded else kinds


def _of_nobody(contract: Contract) -> Iterator[str]:
    """Where a contract doesn't say whom its records are about."""
    about = contract.column(contract.subject) if contract.subject else None
    kinds = sorted({column.subject for column in contract.columns if column.subject})
    if contract.subject and (about is None or about.subject is None):
        yield (
            f"{contract.place}: records are about their {contract.subject}, which must be "
            "classified direct and have a subject"
        )
    elif about is None and len(kinds) > 1:
        yield (
            f"{contract.place}: its records name a {' and a '.join(kinds)}: say by `subject` which "
            "column names whom they are about"
        )


def parts_of(query: exp.Query) -> Iterator[exp.Query]:
    """The SELECTs that a UNION puts one behind the other, each with the CTEs of all.

    A UNION that is ordered or cut, or that goes by the names of columns, is not taken apart.
    """
    if not isinstance(query, exp.Union) or {*given_clauses(query)} - _PUT_TOGETHER:
        yield query
        return
    for side in (query.left, query.right):
        part = side.copy()
        if (with_ := query.args.get("with_")) is not None:
            part.set("with_", with_.copy())
        yield from parts_of(part)


def _kinds(column: Column, kinds: Mapping[str, Kinds]) -> Kinds:
    of_column = kinds.get(column.name, frozenset())
    return of_column if column.folded_from is None else folded_kinds(of_column)


def _delivered(
    name: str,
    columns: tuple[Column, ...],
    kinds: dict[str, frozenset[str]],
    subject: str | None,
) -> Relation:
    """A table as it arrives: a row is about one side, which its identifiers name.

    Two identifiers of one kind name two people: each is of a side of its own.
    """
    named = [c for c in columns if kinds.get(c.name)]
    keys = [column.name for column in named if column.folded_from is None]
    keys.sort(key=lambda key: key != subject)
    sides: dict[str, int] = {}
    for key in keys:
        alike = [kinds[other] & kinds[key] for other in sides if sides[other] == 0]
        sides[key] = len(sides) if any(alike) else 0
    sides |= {c.name: sides[c.folded_from] for c in named if c.folded_from in sides}
    is_of_people = any(column.classification == "direct" for column in columns)
    cells = {
        column.name: Cell(
            column.classification == "direct",
            _kinds(column, kinds),
            sides.get(column.name),
            f"{name}.{column.name}",
            is_optional=not column.required,
            type_=column.type,
            copy_of=f"{name}.{column.name}",
        )
        for column in columns
    }
    own = {side: frozenset(k for k in keys if sides[k] == side) for side in sides.values()}
    if subject in sides:
        own[0] = frozenset({subject})
    unique = frozenset(column.name for column in columns if column.unique)
    people = frozenset(sides.values()) | ({0} if is_of_people else set())
    folded = {c.name: c.folded_from for c in columns if c.folded_from is not None}
    return Relation(cells, people, unique, own, folded=folded)

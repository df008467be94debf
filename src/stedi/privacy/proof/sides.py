"""Whose rows a SELECT has: the people of its tables, joined to sides by equal identifiers.

A side is one person of a row. Each table brings sides of its own; an identifier that is equal to
one of the same kind of subject makes two of them one. To count people by a side's key is to count
all whose values are in the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from stedi.columns import ColumnType

Owners = Mapping[int, frozenset[str]]
Node = tuple[int, str, str]
"""A column of some rows: the rows' id, the table's alias, and its name."""
Kinds = frozenset[str]
"""The kinds of subjects that a column may name: declared ones, or the number of one numbering."""
_NUMBERED = "number of "
_FOLDED = "folded "
_LINES = "lines of "
_new_side = count(1)


@dataclass(frozen=True)
class Cell:
    """What is known of one column of a row.

    `kinds` is empty for a direct column that is nobody's declared identifier. `origin` names the
    table's column whose values these are, all of them; None where some may be missing.
    `breaks_ties` is set for a rank that an identifier has a part in, `is_made_of_identifiers` for
    lengths and hashes: that two are equal tells something, so they stand nowhere. Nor does what
    `is_of_another_spelling`, who may be somebody else. `type_` is that
    of the declared column that it is a copy of; engines differ in the types of expressions.
    `copy_of` names the first declared column that it is a copy of, some of whose values it has.
    """

    is_direct: bool = False
    kinds: Kinds = frozenset()
    side: int | None = None
    origin: str | None = None
    is_optional: bool = False
    breaks_ties: bool = False
    is_made_of_identifiers: bool = False
    type_: ColumnType | None = None
    copy_of: str | None = None
    is_of_another_spelling: bool = False

    @property
    def is_key(self) -> bool:
        """Whether it names a side of its row."""
        return bool(self.kinds) and self.side is not None

    @property
    def is_number(self) -> bool:
        """Whether it is a number that stands for a subject."""
        return any(kind.startswith(_NUMBERED) for kind in self.kinds)

    @property
    def is_plain(self) -> bool:
        """Whether it may stand anywhere."""
        return not self.is_direct and not self.breaks_ties

    def named_by(self, other: Cell) -> bool:
        """Whether both are identifiers of the same kind of subject."""
        return bool(self.kinds & other.kinds)

    def is_compared_with(self, other: Cell) -> bool:
        """Whether it is as good as told which values of both are equal: names of one kind."""
        is_one_column = self.copy_of is not None and self.copy_of == other.copy_of
        return self.named_by(other) or (is_one_column and self.kinds == other.kinds)

    def is_spelled_unlike(self, other: Cell) -> bool:
        """Whether both name the same kind of subject, one of them folded."""
        return not self.named_by(other) and bool(
            delivered_kinds(self.kinds) & delivered_kinds(other.kinds)
        )

    @property
    def lines(self) -> Cell | None:
        """One of the identifiers that it has, one a line; None for what has no lines."""
        kinds = frozenset(k.removeprefix(_LINES) for k in self.kinds if k.startswith(_LINES))
        return replace(self, kinds=kinds, origin=None) if kinds else None

    def is_number_of(self, key: Cell) -> bool:
        """Whether it is the number of this column's place among all that its table has."""
        numbered = (k.removeprefix(_NUMBERED) for k in self.kinds if k.startswith(_NUMBERED))
        return key.origin in {kind.split(", ")[0] for kind in numbered}

    def numbered(self, otherwise: str, order: str) -> Cell:
        """The number of its place among all of its values."""
        kind = f"{_NUMBERED}{self.origin or otherwise}{order}"
        return replace(self, kinds=frozenset({kind}), origin=None, type_=None, copy_of=None)


PLAIN = Cell()


def folded_kinds(kinds: Kinds) -> Kinds:
    """The kinds of folded identifiers: whether one equals that as delivered tells its spelling."""
    return frozenset(f"{_FOLDED}{kind}" for kind in kinds)


def kinds_of_lines(kinds: Kinds) -> Kinds:
    """The kinds of texts that have several identifiers, one a line: equal to none of them."""
    return frozenset(f"{_LINES}{kind}" for kind in kinds)


def delivered_kinds(kinds: Kinds) -> Kinds:
    """The kinds of subjects that identifiers name, folded or as delivered."""
    return frozenset(kind.removeprefix(_FOLDED) for kind in kinds)


@dataclass(frozen=True)
class Relation:
    """The columns of a table or of a SELECT, and the sides of its rows, named by a column or not.

    Sides are numbers that only compare with one another. No value of a `unique` column is in two
    rows. `owners` has for each side the columns that have one value for each person whose values
    are in its rows. `reads_values` is set for a SELECT whose rows depend on more than identifiers.
    `folded` names for each column that is made from another that one.
    """

    columns: Mapping[str, Cell]
    sides: frozenset[int] = frozenset()
    unique: frozenset[str] = frozenset()
    owners: Owners = field(default_factory=dict)
    reads_values: bool = False
    folded: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_list(self) -> bool:
        """Whether it tells nothing but which identifiers there are, not whose they were."""
        return not self.reads_values and len(self.columns) == 1 and {*self.columns} == self.unique


Place = tuple[int, str]
"""A table of some rows: the rows' id, and the table's alias."""


@dataclass(frozen=True)
class LookedUp:
    """What LEFT JOIN holds equal: columns that may be lacking, each with one that is there.

    `depends_on_more` is set where other columns of the row, too, decide whether there is a partner.
    """

    table: Place
    pairs: list[tuple[Node, Node]]
    depends_on_more: bool

    def reached(self, known: set[Node], *, surely: bool, is_present: bool) -> set[Node]:
        """The columns that have one value, or none, where the `known` ones have one each.

        Rows that lack the table have any values of what it was looked up by: only where it
        `is_present` is that known by its columns.
        """
        if is_present:
            return {node for pair in self.pairs if known & {*pair} for node in pair}
        if surely:
            is_found = not self.depends_on_more and all(old in known for _, old in self.pairs)
            return {new for new, _ in self.pairs} if is_found else set()
        return {new for new, old in self.pairs if old in known}


@dataclass
class JoinedRows:
    """The rows that FROM and JOINs make: columns by alias, and which sides are the same.

    `around` has the rows of the statement that a subquery stands in, and `inner` those of the
    subqueries whose values are in these rows. `sought` are the columns that were looked for in
    lists of identifiers that depend on values.
    """

    around: JoinedRows | None = None
    columns: dict[str, Mapping[str, Cell]] = field(default_factory=dict)
    _same: dict[int, int] = field(default_factory=dict)
    _own: set[int] = field(default_factory=set)
    unique: dict[str, frozenset[str]] = field(default_factory=dict)
    owners: dict[str, Owners] = field(default_factory=dict)
    folded: dict[str, Mapping[str, str]] = field(default_factory=dict)
    inner: list[JoinedRows] = field(default_factory=list)
    sought: list[exp.Column] = field(default_factory=list)
    reads_values: bool = False
    _present: set[Place] = field(default_factory=set)
    _equal: list[tuple[Node, Node]] = field(default_factory=list)
    _looked_up: list[LookedUp] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.around is not None:
            self._same = dict(self.around._same)

    def add(self, alias: str, relation: Relation) -> None:
        """Add a table, whose sides are others than those that are there."""
        new = {side: next(_new_side) for side in relation.sides}
        self._own.update(new.values())
        self.unique[alias], self.folded[alias] = relation.unique, relation.folded
        self.reads_values = self.reads_values or relation.reads_values
        self.owners[alias] = {
            new[side]: names
            for side, names in relation.owners.items()
            if side in new and not relation.is_list
        }
        self.columns[alias] = {
            name: cell if cell.side is None else replace(cell, side=new[cell.side])
            for name, cell in relation.columns.items()
        }

    def make_optional(self, aliases: Iterable[str]) -> None:
        """Note that a row may lack these tables."""
        for alias in aliases:
            self.columns[alias] = {
                name: replace(cell, is_optional=True, origin=None)
                for name, cell in self.columns[alias].items()
            }

    def make_present(self, condition: exp.Expr | None) -> None:
        """Note that a condition leaves out rows without some values."""
        for term in _conjuncts(condition):
            asked = term.this if isinstance(term, exp.Not) else None
            asked = asked.unnest() if asked is not None else None
            if isinstance(asked, exp.Is) and isinstance(asked.expression, exp.Null):
                column = asked.this.unnest()
                cell = self.cell(column) if isinstance(column, exp.Column) else None
                if cell is not None and column.table in self.columns:
                    present = {column.name: replace(cell, is_optional=False)}
                    self.columns[column.table] = {**self.columns[column.table], **present}
                    self._present.add((id(self), column.table))

    def cell(self, column: exp.Column) -> Cell | None:
        """What is known of a column; None where it can't be found."""
        rows = self._having(column)
        return None if rows is None else rows.columns[column.table].get(column.name)

    def node(self, column: exp.Column) -> Node:
        """Which column of which rows it is."""
        return id(self._having(column)), column.table, column.name

    def _having(self, column: exp.Column) -> JoinedRows | None:
        return next((rows for rows in self._and_around if column.table in rows.columns), None)

    @property
    def _and_around(self) -> Iterator[JoinedRows]:
        rows: JoinedRows | None = self
        while rows is not None:
            yield rows
            rows = rows.around

    def join(self, condition: exp.Expr | None, optional: str | None = None) -> None:
        """Make the sides one that a condition holds to be the same.

        An engine compares a text with a date, or a whole number with a double, as one of both
        types: several texts are one date. So columns of two types aren't taken for equal.

        Of a table that may be lacking (`optional`), each side joins one that is there; where it is
        lacking, those that are there needn't be the same.
        """
        found = list[tuple[Node, Node]]()
        for left, right, is_null_safe in _equals(condition):
            one, other = self.cell(left), self.cell(right)
            if is_null_safe and not _is_there(one) and not _is_there(other):
                continue  # where both are lacking, they are nobody's
            if optional is not None:
                if (left.table == optional) == (right.table == optional):
                    continue
                if right.table == optional:
                    left, right, one, other = right, left, other, one
            if one is None or other is None:
                continue
            are_named = one.is_key and other.is_key and one.named_by(other)
            is_known = one.type_ is not None and other.type_ is not None
            if one.type_ == other.type_ if is_known else are_named:
                found.append((self.node(left), self.node(right)))
            if not are_named:
                continue
            if optional is None or (one.side is not None and one.side not in self._same):
                self._unite(one.side, other.side)
        if optional is None:
            self._equal += found
        else:
            terms = [*_conjuncts(condition)]
            is_said = len(found) == sum(len([*_equals(term)]) for term in terms)
            depends = not (is_said and all(_is_of(term, optional) for term in terms))
            self._looked_up.append(LookedUp((id(self), optional), found, depends))

    def reached(
        self, known: Iterable[Node], *, surely: bool = False, where: str | None = None
    ) -> set[Node]:
        """The columns that have one value where these have one each, or none.

        `surely` leaves out those that have a value in some rows, and none in others. `where` names
        a table that may be lacking, if only rows that have it matter.
        """
        reached, levels = set(known), [*self._and_around]
        present = self._present_with(where)
        while True:
            more = set[Node]()
            for rows in levels:
                for one, other in rows._equal:
                    if (one in reached) != (other in reached):
                        more |= {one, other}
                for looked_up in rows._looked_up:
                    is_present = looked_up.table in present
                    more |= looked_up.reached(reached, surely=surely, is_present=is_present)
                for alias, unique in rows.unique.items():
                    if any((id(rows), alias, name) in reached for name in unique):
                        more |= rows.nodes(alias)
                for alias, folded in rows.folded.items():
                    for name, source in folded.items():
                        if (id(rows), alias, source) in reached:
                            more.add((id(rows), alias, name))
            if more <= reached:
                return reached
            reached |= more

    def _present_with(self, alias: str | None) -> set[Place]:
        """The tables that rows with a table don't lack: what is equal to a column is there."""
        levels = [*self._and_around]
        holder = next((rows for rows in levels if alias in rows.columns), self)
        present = set() if alias is None else {(id(holder), alias)}
        for rows in levels:
            present |= rows._present
            present |= {node[:2] for pair in rows._equal for node in pair}
        looked_up = [one for rows in levels for one in rows._looked_up]
        while True:
            found = (one for one in looked_up if one.table in present)
            more = {old[:2] for one in found for _, old in one.pairs}
            if more <= present:
                return present
            present |= more

    def nodes(self, alias: str) -> set[Node]:
        """All columns of a table."""
        return {(id(self), alias, name) for name in self.columns[alias]}

    def determined_by(self, alias: str) -> set[str]:
        """The tables of which there is one row at most for a row of this one."""
        reached = self.reached(self.nodes(alias))
        return {alias} | {
            other
            for other, unique in self.unique.items()
            if any((id(self), other, name) in reached for name in unique)
        }

    def _unite(self, one: int | None, other: int | None) -> None:
        """Make two sides one, for which that of the rows further out stands: it is known there."""
        assert one is not None
        assert other is not None
        one, other = self.side(one), self.side(other)
        if self._distance(one) > self._distance(other):
            one, other = other, one
        if one != other:
            self._same[one] = other

    def _distance(self, side: int) -> int:
        """How many rows further out those are that have a side."""
        return next((n for n, rows in enumerate(self._and_around) if side in rows._own), 0)

    def side(self, side: int) -> int:
        """The one that stands for all that are the same."""
        while side in self._same:
            side = self._same[side]
        return side

    @property
    def sides(self) -> set[int]:
        """The sides of these rows that aren't those of the row around."""
        return {self.side(side) for side in self._own} - self._around

    @property
    def _around(self) -> set[int]:
        rows, sides = self.around, set[int]()
        while rows is not None:
            sides |= {self.side(side) for side in rows._own}
            rows = rows.around
        return sides

    def aliases(self, sides: set[int]) -> list[str]:
        """The tables whose rows are of these sides."""
        return [
            alias
            for alias, columns in self.columns.items()
            if any(
                cell.side is not None and self.side(cell.side) in sides for cell in columns.values()
            )
        ]


def _is_there(cell: Cell | None) -> bool:
    """Whether it is an identifier that no row lacks."""
    return cell is not None and cell.is_key and not cell.is_optional


def _is_of(term: exp.Expr, optional: str) -> bool:
    """Whether a condition says what a table's row must be, by equal columns of others at most."""
    for left, right, _ in _equals(term):
        return optional in (left.table, right.table)
    tables = {column.table for column in term.find_all(exp.Column)}
    return tables <= {optional} and term.find(exp.Query) is None


def _conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The conditions all of which must hold."""
    if isinstance(condition, exp.Where | exp.Paren):
        yield from _conjuncts(condition.this)
    elif isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    elif condition is not None:
        yield condition


def _equals(condition: exp.Expr | None) -> Iterator[tuple[exp.Column, exp.Column, bool]]:
    """The columns that a condition has be equal, and whether two that are NULL are equal to it."""
    for term in _conjuncts(condition):
        if isinstance(term, exp.EQ | exp.NullSafeEQ):
            left, right = term.left.unnest(), term.right.unnest()
            if isinstance(left, exp.Column) and isinstance(right, exp.Column):
                yield left, right, isinstance(term, exp.NullSafeEQ)

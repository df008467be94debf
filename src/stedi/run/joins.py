"""Which columns must have an equal in another table, or the SELECT drops the row.

They are found in the SELECT alone: lookup tables whose key a reason asks for, and the join of two
tables. A column is followed through CTEs and transforms to where its values were delivered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlglot import exp

from stedi.declared import Declarations
from stedi.run.incremental import NotIncremental, cte_of, is_cte, is_required, selected


class Place(NamedTuple):
    """A column of a table."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class Joined:
    """A column whose rows are kept only where `other` has an equal value.

    `delivered` is where the values of `other` come from: a column of a landing table, or `other`
    itself for a join of two tables.
    """

    own: Place
    other: Place
    delivered: Place


def pairings(declarations: Declarations, table: str) -> list[Joined]:
    """What the join of two tables sets equal; nothing where a SELECT has none."""
    transform = declarations.transforms[table]
    found = []
    for left, right in transform.paired_columns:
        one, other = transform.sources
        found.append(Joined(Place(one, left), Place(other, right), Place(other, right)))
    return found


def lookups(declarations: Declarations, table: str) -> list[Joined]:
    """The lookup tables without which rows are dropped, one for each two compared columns."""
    tree = declarations.select(table)
    if not is_cte(tree, "judged"):
        return []
    found: dict[tuple[Place, Place], Joined] = {}
    for join in cte_of(tree, "judged").args.get("joins") or ():
        try:
            joined = _lookup(declarations, tree, join)
        except NotIncremental:
            continue  # not a column as it stands: nothing that could be compared
        if joined:
            found.setdefault((joined.own, joined.delivered), joined)
    return [*found.values()]


def _lookup(declarations: Declarations, tree: exp.Query, join: exp.Join) -> Joined | None:
    on = join.args.get("on")
    if join.side != "LEFT" or not isinstance(join.this, exp.Table) or not isinstance(on, exp.EQ):
        return None
    alias = join.this.alias_or_name
    sides = [side for side in (on.left, on.right) if isinstance(side, exp.Column)]
    theirs = [side for side in sides if side.table == alias]
    ours = [side for side in sides if side.table != alias]
    if len(theirs) != 1 or len(ours) != 1 or not is_required(tree, theirs[0]):
        return None
    own = _place(tree, cte_of(tree, "judged"), ours[0])
    other = _traced(tree, Place(join.this.name, theirs[0].name))
    return Joined(own, other, _delivered(declarations, other))


def _place(tree: exp.Query, select: exp.Select, column: exp.Column) -> Place:
    """The table, and its column, that a column of a SELECT is; raises `NotKeyed`."""
    for table in _tables(select):
        if table.alias_or_name == column.table:
            return _traced(tree, Place(table.name, column.name))
    raise NotIncremental(f"{column.name} is not a column of a table")


def _traced(tree: exp.Query, place: Place) -> Place:
    """The same of a column of a table, or of a CTE."""
    if not is_cte(tree, place.table):
        return place
    select = cte_of(tree, place.table)
    return _place(tree, select, selected(select, place.column))


def _delivered(declarations: Declarations, place: Place) -> Place:
    """Where the values of a column were delivered; the column itself where that can't be told."""
    while place.table in declarations.transforms:
        tree = declarations.select(place.table)
        try:
            if not isinstance(tree, exp.Select):
                return place
            place = _place(tree, tree, selected(tree, place.column))
        except NotIncremental:
            return place
    return place


def _tables(select: exp.Select) -> Iterator[exp.Table]:
    sources = [select.args["from_"].this] if select.args.get("from_") else []
    sources += [join.this for join in select.args.get("joins") or ()]
    return (source for source in sources if isinstance(source, exp.Table))

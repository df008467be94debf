"""Notes on joins that keep few rows: what both sides look like, and what would make them meet.

Nothing is asked of the data where a step keeps at least the share of its rows that its contract
declares as `leastMatched`: rows that are kept have found what they were joined to.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from sqlglot import exp

from stedi.declared import Declarations
from stedi.run.joins import Joined, Place, lookups, pairings
from stedi.run.unlike import (
    Change,
    enough,
    numbers_look,
    share_in,
    texts_look,
    texts_would_meet,
    times_would_meet,
)
from stedi.run.work import Work
from stedi.storage.notes import Note
from stedi.storage.unmatched import FEW_MATCHES

_MOST_VALUES = 1_000_000


def few_matches(work: Work, table: str, rows_in: int, rows: int) -> tuple[Note, ...]:
    """Notes on the joins of a derived table that find a partner for too small a share of rows."""
    least = work.declarations.contracts[table].least_matched
    paired = pairings(work.declarations, table)
    if paired:
        return tuple(_of_pairing(work, table, least, paired, rows_in))
    if rows >= least * rows_in:
        return ()
    return tuple(_of_lookups(work, table, least))


def _of_pairing(
    work: Work, table: str, least: float, paired: list[Joined], pairs: int
) -> Iterator[Note]:
    sizes = [_rows(work, side) for side in (paired[0].own, paired[0].other)]
    if all(sizes) and pairs < least * min(sizes):
        for joined in paired:
            yield _note(
                work, table, joined, f"{pairs:,} matches of {sizes[0]:,} and {sizes[1]:,} rows"
            )


def _of_lookups(work: Work, table: str, least: float) -> Iterator[Note]:
    for joined in lookups(work.declarations, table):
        if not all(_rows(work, side) for side in (joined.own, joined.other, joined.delivered)):
            continue
        for place in (joined.own, joined.delivered):
            _declare(work, place.table)
        [counted] = work.engine.fetch(_count(joined)).to_pylist()
        rows, matched = int(counted["every"]), int(counted["matched"])
        if matched < least * rows:
            yield _note(work, table, joined, f"{matched:,} of {rows:,} rows")


def _note(work: Work, table: str, joined: Joined, found: str) -> Note:
    one, other = joined.own, joined.delivered
    text = f"{table}: {found} of {one.table} have a {one.column} that {other} has, too"
    if "pairs" in found:
        text = f"{table}: {found} by {one} = {other}"
    return Note(code=FEW_MATCHES, count=1, text=f"{text}. {_why(work, one, other)}")


def _why(work: Work, one: Place, other: Place) -> str:
    left, right = (_values(work, place) for place in (one, other))
    if pa.types.is_string(left.type) and pa.types.is_string(right.type):
        ours, theirs = left.to_pylist(), right.to_pylist()
        looks = [texts_look(values) for values in (ours, theirs)]
        change = texts_would_meet(ours, theirs) or _elsewhere(work, one, other, {*ours}, {*theirs})
    elif pa.types.is_int64(left.type) and pa.types.is_int64(right.type):
        numbers = [np.asarray(values.to_numpy(), np.int64) for values in (left, right)]
        are_times = [_is_time(work.declarations, place) for place in (one, other)]
        looks = [
            numbers_look(values, are_times=is_time)
            for values, is_time in zip(numbers, are_times, strict=True)
        ]
        change = times_would_meet(*numbers) if all(are_times) else None
    else:
        return "They are of different types"
    told = f"{one} has {looks[0]}; {other} has {looks[1]}"
    return f"{told}. {change.share:.0%} would be equal {change.how}" if change else told


def _elsewhere(
    work: Work, one: Place, other: Place, ours: set[str], theirs: set[str]
) -> Change | None:
    """Whether the values of one side stand in another column of the other's: ids were exchanged."""
    for values, place in ((ours, other), (theirs, one)):
        for column in work.declarations.schemas[place.table]:
            if column.name == place.column or column.type != "string" or column.is_computed:
                continue
            found = Place(place.table, column.name)
            share = share_in(values, {*_values(work, found).to_pylist()})
            if enough(share):
                return Change(share, f"if they were compared with {found}")
    return None


def _values(work: Work, place: Place) -> pa.Array:
    """The values of a column, each once, in order; the first of very many."""
    _declare(work, place.table)
    name = exp.column(place.column, quoted=True)
    query = exp.select(name).distinct().from_(exp.to_table(place.table))
    query = query.where(exp.not_(exp.Is(this=name.copy(), expression=exp.null())))
    rows = work.engine.fetch(query.order_by(name.copy()).limit(_MOST_VALUES))
    return rows.column(0).combine_chunks()


def _count(joined: Joined) -> exp.Select:
    """Counts the rows of one side, and those that have an equal on the other."""
    own, other = (exp.column(place.column, quoted=True) for place in (joined.own, joined.delivered))
    values = exp.select(other.as_("value")).distinct().from_(exp.to_table(joined.delivered.table))
    on = exp.column("value", "others").eq(exp.column(own.this.copy(), "own"))
    return (
        exp.select(exp.Count(this=exp.Star()).as_("every"))
        .select(exp.Count(this=exp.column("value", "others")).as_("matched"))
        .from_(exp.to_table(joined.own.table).as_("own"))
        .join(values.subquery("others"), on=on, join_type="LEFT")
    )


def _rows(work: Work, place: Place) -> int:
    version = work.warehouse.version(place.table)
    return version.rows if version else 0


def _declare(work: Work, table: str) -> None:
    version = work.warehouse.version(table)
    files = [str(file.path) for file in version.files] if version else []
    work.engine.declare(table, work.declarations.schemas[table], files)


def _is_time(declarations: Declarations, place: Place) -> bool:
    """Whether a contract names a column as a time."""
    contract = declarations.contracts.get(place.table)
    return contract is not None and place.column in (
        *(contract.entered_at, contract.changed_at, contract.consent_at),
        contract.retention.record_column,
    )

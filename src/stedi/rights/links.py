"""What people have, and who else has it: links between subjects, as records of people declare them.

A record of a landing table with a column of people and one of things says that this person has that
thing, from when the record was changed (its contract's `changedAt`) until a later record of theirs
says otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import UsageError
from stedi.rights.subjects import Identity, Kind, Period, column_of, linking

ReadRows = Callable[[Contract, Mapping[str, Collection[str]]], Iterable[Mapping[str, object]]]
"""Reads the rows of a landing table that have one of these values in a column; by column."""


@dataclass(frozen=True)
class Shared:
    """A thing of who is asked for that `others` have or had, too.

    `known` says whether it is known since when each of them has it.
    """

    identity: Identity
    others: int
    known: bool


@dataclass(frozen=True)
class _Link:
    """That a person had a thing in a record that was changed at a time, if that is known."""

    person: Identity
    thing: Identity
    changed: int | None


def linked(
    asked: Sequence[Identity],
    declarations: Declarations,
    known: Mapping[str, Kind],
    read: ReadRows,
    *,
    keep_shared: bool = True,
) -> tuple[tuple[Identity, ...], tuple[Shared, ...]]:
    """Who is asked for with all that they have, and what of it others have too.

    Where `keep_shared`, things have the times in which they are others'. Raises `UsageError` for a
    thing that several people have, where none of them is asked for.
    """
    tables = linking(declarations, known)
    links = _Links(tables, known, read)
    people = {i for i in asked if known[i.kind].is_people}
    things = {i for i in asked if not known[i.kind].is_people}
    owners = {link.person for link in links.of(things)}
    for thing in sorted(things, key=lambda i: i.value):
        having = {link.person for link in links.of({thing})}
        if len(having) > 1 and having.isdisjoint(people):
            who = ", ".join(sorted({f"--{known[one.kind].option}" for one in having}))
            raise UsageError(
                f"--{known[thing.kind].option}: {len(having)} people have or had it; say which of "
                f"them is to be forgotten: {who}"
            )
    if not people:  # else what others have is theirs
        people |= {replace(one, asked=False) for one in owners}
    people = _distinct(people)
    things = _distinct([*things, *(replace(t, asked=False) for t in links.things_of(people))])
    asked_for = {(one.kind, one.value) for one in people}
    shared, kept = [], []
    links.of(things)  # all at once
    links.things_of({link.person for link in links.of(things)})
    for thing in sorted(things, key=lambda i: (i.kind, i.value)):
        others = {link.person for link in links.of({thing})}
        others = {one for one in others if (one.kind, one.value) not in asked_for}
        times = [links.times(one, thing) for one in sorted(others, key=lambda i: i.value)]
        spared = tuple(interval for intervals in times for interval in intervals or ())
        if others:
            shared.append(Shared(thing, len(others), all(t is not None for t in times)))
        kept.append(replace(thing, spared=spared) if keep_shared and spared else thing)
    return (*sorted(people, key=lambda i: (i.kind, i.value)), *kept), tuple(shared)


def _distinct(identities: Iterable[Identity]) -> set[Identity]:
    """Each once, as asked for where it is."""
    by_key: dict[tuple[str, str], Identity] = {}
    for one in sorted(identities, key=lambda i: i.asked):
        by_key[one.kind, one.value] = one
    return {*by_key.values()}


def intervals_of(states: Mapping[int, bool]) -> list[Period]:
    """When somebody had a thing, by whether they had it from each of some times on."""
    intervals: list[Period] = []
    for time, has_it in sorted(states.items()):
        is_open = bool(intervals) and intervals[-1].end is None
        if has_it and not is_open:
            intervals.append(Period(time))
        elif is_open and not has_it:
            intervals[-1] = Period(intervals[-1].begin, time)
    return intervals


class _Links:
    def __init__(
        self, tables: Sequence[Contract], known: Mapping[str, Kind], read: ReadRows
    ) -> None:
        self._tables, self._known, self._read = tables, known, read
        self._of_thing: dict[tuple[str, str], set[_Link]] = {}
        self._of_person: dict[tuple[str, str], set[_Link]] = {}

    def of(self, things: Collection[Identity]) -> set[_Link]:
        """The records that have one of these things."""
        return self._having(things, self._of_thing)

    def things_of(self, people: Collection[Identity]) -> set[Identity]:
        """What these people have or had."""
        return {link.thing for link in self._having(people, self._of_person) if link.thing.value}

    def times(self, person: Identity, thing: Identity) -> list[Period] | None:
        """When a person had a thing, as far as that is known; None where it isn't at all."""
        links = self._having({person}, self._of_person)
        of_kind = [link for link in links if link.thing.kind == thing.kind]
        if any(link.changed is None for link in of_kind):
            return None
        states: dict[int, bool] = defaultdict(bool)
        for link in of_kind:
            states[link.changed or 0] |= link.thing.value == thing.value
        return intervals_of(states)

    def _having(
        self, identities: Collection[Identity], cache: dict[tuple[str, str], set[_Link]]
    ) -> set[_Link]:
        missing = [i for i in identities if (i.kind, i.value) not in cache]
        keys = {(one.kind, one.value) for one in missing}
        cache.update((key, set()) for key in keys)
        for table in self._tables if missing else ():
            for link in self._links(table, missing):
                for end in (link.person, link.thing):
                    if (end.kind, end.value) in keys:
                        cache[end.kind, end.value].add(link)
        return {link for i in identities for link in cache[i.kind, i.value]}

    def _links(self, table: Contract, identities: Sequence[Identity]) -> Iterator[_Link]:
        values: dict[str, set[str]] = defaultdict(set)
        for one in identities:
            column = column_of(table, one.kind)
            if column is not None:
                values[column.name].add(one.value)
        for row in self._read(table, values) if values else ():
            changed = row.get(table.changed_at) if table.changed_at else None
            people, things = list[Identity](), list[Identity]()
            for column in table.columns:
                value = row.get(column.name)
                if column.subject and isinstance(value, str) and value:
                    ends = people if self._known[column.subject].is_people else things
                    ends.append(Identity(column.subject, value, asked=False))
            for person in people:
                for thing in things:
                    yield _Link(person, thing, changed if isinstance(changed, int) else None)

"""Who is asked for: kinds of subjects, as contracts declare them, and identities of each kind.

A kind (`subject` of a direct column) is in the columns of several tables. A landing contract's own
`subject` is the column that says whom its records are about: kinds of such columns are people. A
column of another kind beside it is something that a person has or had, such as a device.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import UsageError
from stedi.landing.fold import fold

_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Kind:
    """A kind of subject: what its identities are called by people who give one, as in `e-mail`.

    `option` is how the command line calls it: the JSON key of its column in words, as in
    `serial-number`. `is_people` says whether its identities name people, who may have things of
    other kinds.
    """

    name: str
    option: str
    is_people: bool


@dataclass(frozen=True)
class Period:
    """From `begin` on and before `end`, epoch milliseconds; None is without end."""

    begin: int
    end: int | None = None

    def holds(self, time: int) -> bool:
        """Whether a time lies in it."""
        return self.begin <= time and (self.end is None or time < self.end)


@dataclass(frozen=True)
class Identity:
    """One subject: its kind and its identifier, as delivered.

    Of something that several people have or had, what was taken in the `spared` times is of others.
    `asked` says whether somebody asked for it, rather than that it is linked to who was asked for.
    """

    kind: str
    value: str = field(repr=False)
    spared: tuple[Period, ...] = ()
    asked: bool = True

    def has(self, time: int | None) -> bool:
        """Whether something taken at that time is of whom was asked for; unknown times are."""
        return time is None or not any(interval.holds(time) for interval in self.spared)


@dataclass(frozen=True)
class Deciding:
    """The column of a table that says whose a row is, and the one that says of when it is."""

    column: Column
    entered_at: Column | None

    @property
    def kind(self) -> str:
        """The kind of subject that it names."""
        assert self.column.subject is not None
        return self.column.subject


def kinds(declarations: Declarations) -> dict[str, Kind]:
    """Every kind of subject by its name, those of people first."""
    people, option = set(), dict[str, str]()
    by_weight = sorted(declarations.landing, key=lambda c: -len(_subjects(c)))
    for contract in by_weight:
        for column in _subjects(contract):
            assert column.subject is not None
            if column.name == contract.subject:
                people.add(column.subject)
            key = _WORD_BEGINS.sub("-", column.json_key or column.name)
            option.setdefault(column.subject, key.replace("_", "-").lower())
    for contract in declarations.contracts.values():
        for column in _subjects(contract):
            option.setdefault(str(column.subject), column.name.replace("_", "-"))
    ordered = sorted(option, key=lambda name: (name not in people, name))
    return {name: Kind(name, option[name], name in people) for name in ordered}


def deciding(contract: Contract, known: Mapping[str, Kind]) -> tuple[Deciding, ...]:
    """What says whose the rows of a table are: columns that name people, or else its others.

    None where the table names nobody.
    """
    subjects = _subjects(contract)
    people = [column for column in subjects if known[str(column.subject)].is_people]
    time = contract.column(contract.entered_at) if contract.entered_at else None
    return tuple(Deciding(column, time) for column in people or subjects)


def linking(declarations: Declarations, known: Mapping[str, Kind]) -> list[Contract]:
    """The landing tables with records of which things a person has."""
    return [
        contract
        for contract in declarations.landing
        if len({known[str(column.subject)].is_people for column in _subjects(contract)}) > 1
    ]


def column_of(contract: Contract, kind: str) -> Column | None:
    """The column of a table that has identities of a kind; its own `subject` before others."""
    named = [column for column in contract.delivered if column.subject == kind]
    return next((c for c in named if c.name == contract.subject), named[0] if named else None)


def asked_for(given: Iterable[tuple[str, str]], known: Mapping[str, Kind]) -> tuple[Identity, ...]:
    """Identities of what was given as names of kinds, or of options, with identifiers.

    Raises `UsageError` for a kind that there isn't and for identifiers that name nobody.
    """
    by_option = {kind.option: kind.name for kind in known.values()}
    identities = dict[Identity, None]()
    for name, value in given:
        kind = by_option.get(name, name)
        if kind not in known:
            options = ", ".join(by_option)
            raise UsageError(f"subject {name!a}: no such kind of subject; there are {options}")
        if not fold(value):
            raise UsageError(f"--{known[kind].option}: is empty, and names nobody")
        identities[Identity(kind, value)] = None
    if not identities:
        options = ", ".join(f"--{option}" for option in by_option)
        raise UsageError(f"nobody is named; give {options} or --subjects FILE")
    return tuple(identities)


def read_subjects(lines: Iterable[str], known: Mapping[str, Kind]) -> list[tuple[str, str]]:
    """Who is named in lines as `email=ann@example.com`; without a name it is of the first kind.

    Empty lines and those that begin with # are passed over.
    """
    options = {name for kind in known.values() for name in (kind.option, kind.name)}
    first = next(iter(known.values()), None)
    given = []
    for line in lines:
        text = line.rstrip("\r\n").removeprefix("\ufeff")
        if not text.strip() or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if equals and name.strip() in options:
            given.append((name.strip(), value))
        elif first is not None:
            given.append((first.option, text))
    return given


def _subjects(contract: Contract) -> Sequence[Column]:
    return [column for column in contract.delivered if column.subject]

"""What a run notes with each snapshot that it commits.

    Notes                 of any table: a fingerprint of each data file
    ├── LoadsNotes        which typed tables and quarantine the loads describe
    ├── LandingNotes      of a typed landing table
    ├── SuspendedNotes    what `suspended` was made from, and until when it is right
    └── DerivedNotes      what a derived table was made from, and its sums
        └── PublishedNotes

They are in the snapshot's summary. Those of a landing table that was merged from many files lie
below `_stedi` (`names.notes_file`), since a table's metadata has all snapshots' summaries; so do
those of a published table, which are about people who left: its summary, which its readers see,
has a random name for them and nothing else. Version 0.1.0 had all of these in the summary.

A snapshot that no run has written has `Notes` without any files. Each field is JSON under its own
key (`stedi.` before it), and the keys stay: tables made by earlier versions have them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel

PREFIX = "stedi."
_CONTENT = "content"
_KEPT_AS = "kept-as"
CONTENT = PREFIX + _CONTENT
"""The property of a summary that names the content."""


class Note(BaseModel, frozen=True):
    """Something that isn't wrong, but that one should know: how often, and in words."""

    code: str
    count: int
    text: str


@dataclass(frozen=True)
class Left:
    """Keys that left a table, and the rows they had in it."""

    keys: int
    rows: int

    def __sub__(self, other: Left) -> Left:
        return Left(self.keys - other.keys, self.rows - other.rows)

    def __add__(self, other: Left) -> Left:
        return Left(self.keys + other.keys, self.rows + other.rows)


@dataclass(frozen=True)
class Notes:
    """`files` are fingerprints of data files by their names below the table's data folder."""

    files: Mapping[str, str] = field(default_factory=dict)

    _keys: ClassVar[Mapping[str, str]] = {}
    """Fields that have another name as keys."""

    def summary(self, content: int | None = None) -> dict[str, str]:
        """The properties of a snapshot's summary; what is None is left out unless it always was.

        `content` is given where the snapshot has the rows of one before.
        """
        values = {} if content is None else {_CONTENT: content}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None or f.name in _NULLS:
                values[self._keys.get(f.name, f.name)] = value
        return {PREFIX + key: json.dumps(value, default=_as_json) for key, value in values.items()}


class Figures(BaseModel, frozen=True):
    """Figures after a run: rows by table, and records and those quarantined, by source.

    `declarations` fingerprints what they were made under.
    """

    declarations: str
    rows: Mapping[str, int]
    records: Mapping[str, int]
    set_aside: Mapping[str, int]


@dataclass(frozen=True)
class LoadsNotes(Notes):
    """`typed` and `quarantine` are the contents of the tables that these loads describe.

    `earlier` are the figures of runs before, the newest last.
    """

    typed: Mapping[str, int] = field(default_factory=dict)
    quarantine: int | None = None
    earlier: tuple[Figures, ...] = ()


@dataclass(frozen=True)
class LandingNotes(Notes):
    """`declaration` fingerprints the contract that it was read under.

    `merged` names, by data file, the typed files (as loads name them) whose rows it has.
    """

    declaration: str | None = None
    notes: tuple[Note, ...] = ()
    merged: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class SuspendedNotes(Notes):
    """Of the table `suspended`: the contents that it was `made_from`, and the query's fingerprint.

    A content is None where that table wasn't there.

    `decided` are the decisions that it follows, `due` is when the next consent begins, epoch ms.
    """

    made_from: Mapping[str, int | None] = field(default_factory=dict)
    declaration: str | None = None
    decided: tuple[str, ...] = ()
    due: int | None = None


@dataclass(frozen=True)
class DerivedNotes(Notes):
    """What a derived table was made from and how its sum goes.

    `inputs` are the contents of the tables that it was made from, None where it has to be rebuilt.
    `rows_in` are the rows of its FROM table, and `sums_hold` says whether they are those kept and
    those `dropped`, by reason. `left` counts all that ever left a table with a key. A table of
    people who consent has in `withdrawn` the times (epoch ms) after which earlier snapshots may
    have to go, and the `key` that names people.
    """

    inputs: Mapping[str, int] | None = None
    declaration: str | None = None
    rows_in: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    sums_hold: bool = True
    notes: tuple[Note, ...] = ()
    left: Left | None = None
    withdrawn: tuple[int, ...] | None = None
    key: str | None = None

    _keys: ClassVar[Mapping[str, str]] = {"rows_in": "in", "sums_hold": "sums"}


@dataclass(frozen=True)
class PublishedNotes(DerivedNotes):
    """`boxes` names the file with the table of boxes, `publication` fingerprints how it was made.

    `withheld` says why nothing is published. `last_left` is when somebody left last, by table of
    people who consent; `left_by_then` are all that ever left, `left_since` those since the
    publication before, whose comparison with this one told the `difference`. `noise` is by how many
    rows noise on counts made it more, or fewer; None where counts are true.
    """

    boxes: str | None = None
    publication: str | None = None
    withheld: str | None = None
    last_left: Mapping[str, int] | None = None
    left_by_then: Mapping[str, Left] | None = None
    left_since: Mapping[str, Left] = field(default_factory=dict)
    difference: Mapping[str, int] | None = None
    noise: int | None = None


@dataclass(frozen=True)
class Noted:
    """A snapshot's notes, as those of the kind of table that it is of; None where they aren't.

    `noted` are the notes, or what reads them where they lie beside the table.
    """

    noted: Notes | Callable[[], Notes]

    @cached_property
    def notes(self) -> Notes:
        """The notes, read where they are needed."""
        return self.noted if isinstance(self.noted, Notes) else self.noted()

    @property
    def landing(self) -> LandingNotes | None:
        """Those of a typed landing table."""
        return self.notes if isinstance(self.notes, LandingNotes) else None

    @property
    def derived(self) -> DerivedNotes | None:
        """Those of a derived table."""
        return self.notes if isinstance(self.notes, DerivedNotes) else None

    @property
    def published(self) -> PublishedNotes | None:
        """Those of a published table."""
        return self.notes if isinstance(self.notes, PublishedNotes) else None

    @property
    def inputs(self) -> Mapping[str, int]:
        """The contents of the tables that a derived table was made from."""
        return (self.derived.inputs or {}) if self.derived else {}

    def is_declared_by(self, fingerprint: str) -> bool:
        """Whether it was made under the declarations with this fingerprint."""
        notes = self.landing or self.derived
        return notes is not None and notes.declaration == fingerprint

    def changed_inputs(self, content: Callable[[str], int | None]) -> list[str]:
        """The tables that it was made from that have other rows now; `content` says which."""
        return [table for table in sorted(self.inputs) if content(table) != self.inputs[table]]

    @property
    def withdrawn(self) -> tuple[int, ...]:
        """When people left a table of people who consent, as far as earlier snapshots may go."""
        return (self.derived.withdrawn or ()) if self.derived else ()


_NULLS = frozenset({"quarantine", "boxes", "withheld", "difference"})
"""Fields that are noted as null, too."""


def read_notes(summary: Mapping[str, str]) -> Notes:
    """The notes in the properties of a snapshot's summary; raises `ValueError`, `LookupError`."""
    values = {
        key.removeprefix(PREFIX): json.loads(value)
        for key, value in summary.items()
        if key.startswith(PREFIX)
    }
    kind = _kind(values)
    by_field = {f.name: kind._keys.get(f.name, f.name) for f in fields(kind)}
    return kind(
        **{name: _typed(name, values[key]) for name, key in by_field.items() if key in values}
    )


def refer_to(name: str) -> dict[str, str]:
    """The properties of a snapshot's summary whose notes lie elsewhere, under that name."""
    return {PREFIX + _KEPT_AS: name}


def referred_to(summary: Mapping[str, str]) -> str | None:
    """The name of notes that lie elsewhere; None where they are in the summary."""
    return summary.get(PREFIX + _KEPT_AS)


def read_content(summary: Mapping[str, str], snapshot_id: int) -> int:
    """Which snapshot first had the rows of this one."""
    return int(summary.get(PREFIX + _CONTENT, snapshot_id))


def _kind(values: Mapping[str, Any]) -> type[Notes]:
    if "typed" in values:
        return LoadsNotes
    if "decided" in values:
        return SuspendedNotes
    if "withheld" in values:
        return PublishedNotes
    if "in" in values:
        return DerivedNotes
    return LandingNotes if "declaration" in values else Notes


def _typed(name: str, value: Any) -> Any:
    """What a field has, of what JSON has."""
    if value is None:
        return None
    if name == "notes":
        return tuple(Note(**note) for note in value)
    if name == "earlier":
        return tuple(Figures(**figures) for figures in value)
    if name == "left":
        return Left(*value)
    if name in ("left_by_then", "left_since"):
        return {table: Left(*left) for table, left in value.items()}
    return tuple(value) if name in ("withdrawn", "decided") else value


def _as_json(value: object) -> object:
    """What JSON has for a field."""
    if isinstance(value, Left):
        return [value.keys, value.rows]
    assert isinstance(value, Note | Figures)
    return value.model_dump()


def notes_of(notes: Iterable[Note], code: str) -> int:
    """How much notes of one code count."""
    return sum(note.count for note in notes if note.code == code)

"""What is told to one person of what is held of them, as data: `person.json` has all of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Identifier(BaseModel):
    """By what a person is known: a kind of subject, and the identifier as delivered."""

    kind: str
    value: str
    is_shared: bool


class Field(BaseModel):
    """A column: what it means, and how far it names a person."""

    name: str
    type: str
    description: str
    classification: str
    is_time: bool


class Table(BaseModel):
    """Rows of a person in one table, in files of the folder.

    `rows` are in the table as it is now, `earlier` only in snapshots that are still kept.
    `purpose` says what the table is, `kept` how long its rows are.
    """

    name: str
    zone: str
    purpose: str
    kept: str
    fields: list[Field]
    rows: list[dict[str, Any]]
    earlier: list[dict[str, Any]]
    files: list[str]


class Record(BaseModel):
    """A record as it was delivered: bytes `begin` to `end` of a raw file once unpacked.

    `copy_in` is the file of the folder that has these bytes, from `copy_begin` on; `not_shown` says
    why there is none. `set_aside` is why it isn't in a table.
    """

    source: str
    file: str
    begin: int
    end: int
    is_packed: bool
    set_aside: str | None
    copy_in: str | None
    copy_begin: int | None
    not_shown: str | None


class Consent(BaseModel):
    """That a person consents, as a table of people who do says; `since` is None where it doesn't.

    `meaning` is what the column of that time says.
    """

    table: str
    meaning: str
    is_given: bool
    since: str | None


class Receiver(BaseModel):
    """What was given out that was made from a person's readings; `recipient` may not be named."""

    what: str
    table: str
    snapshot: str
    at: str
    recipient: str | None
    is_certain: bool


class Person(BaseModel):
    """All of it. `published` are tables made from it whose rows name nobody."""

    made_at: str
    identifiers: list[Identifier]
    consents: list[Consent]
    tables: list[Table]
    delivered: list[Record]
    given_out: list[Receiver]
    published: list[str]
    not_shown: list[str]


class Disclosure(BaseModel):
    """What `disclose` wrote, in counts alone: rows by table, records by source, files by name.

    `spelled` counts rows under identifiers that differ by case, spaces or Unicode form alone: they
    may be of the same person, and are not in the folder.
    """

    folder: str
    rows: dict[str, int]
    earlier: dict[str, int]
    records: dict[str, int]
    given_out: int
    spelled: int
    not_shown: list[str]
    files: dict[str, int]

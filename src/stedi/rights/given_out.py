"""What was given out, to whom, and which of it has rows of people who left since."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from pydantic import BaseModel

from stedi.declared import Declarations
from stedi.errors import StorageError
from stedi.rights.behind import who_consents
from stedi.rights.ledger import File, Fingerprints, Kind, Ledger, Noted, PeopleKey
from stedi.rights.letter import letter
from stedi.storage.warehouse import Warehouse

State = Literal["given", "begun"]


class Given(BaseModel):
    """One release, or one model that was kept.

    `state` is "begun" where the command died before it could say that the folder was there: it
    counts as given out. `people` are in it, of whom `left` don't consent any more or were erased;
    None where that can't be told, for the reason in `unknown`. `letter` is for the recipient.
    """

    name: str
    kind: Kind
    state: State
    at: str
    recipient: str | None
    table: str
    snapshot: str
    profile: str
    rows: int
    folder: str
    files: dict[str, File]
    is_early: bool
    people: int | None
    left: int | None
    unknown: str | None
    letter: str | None


class GivenOut(BaseModel):
    """All that was given out, the earliest first; `problems` say what nobody can tell, and why."""

    ok: bool
    given: list[Given]
    problems: list[str]


def given_out(
    warehouse: Warehouse, declarations: Declarations, *, people: Collection[str] | None = None
) -> GivenOut:
    """All entries of the ledger, or those that have rows of one of these people at least.

    `people` are named as `behind.name_of` does. Where nobody can tell whether an entry has rows of
    theirs, it is among them.
    """
    noted, problems = Ledger(warehouse.files).read()
    key = PeopleKey()
    names = who_consents(warehouse, declarations) if noted else None
    consenting = None if names is None else key.fingerprints(names)
    sought = None if people is None else key.fingerprints(people)
    given = [
        _given(one, key, consenting)
        for one in noted
        if sought is None or _may_have(one, key, sought)
    ]
    problems += [str(one.unknown) for one in given if one.unknown and one.people is not None]
    return GivenOut(ok=not problems, given=given, problems=problems)


def _given(noted: Noted, key: PeopleKey, consenting: Fingerprints | None) -> Given:
    entry = noted.entry
    left, unknown = _left(noted, key, consenting)
    return Given(
        name=entry.name,
        kind=entry.kind,
        state="given" if noted.is_done else "begun",
        at=f"{noted.when:%Y-%m-%dT%H:%M:%SZ}",
        recipient=entry.recipient,
        table=entry.table,
        snapshot=entry.snapshot,
        profile=entry.profile,
        rows=entry.rows,
        folder=entry.folder,
        files=entry.files,
        is_early=entry.is_early,
        people=entry.people,
        left=left,
        unknown=unknown,
        letter=letter(noted) if left else None,
    )


def _left(
    noted: Noted, key: PeopleKey, consenting: Fingerprints | None
) -> tuple[int | None, str | None]:
    """How many people in an entry left since, or why nobody can tell."""
    entry = noted.entry
    if entry.people is None:
        return None, "no table named people who consent (withdrawalDays)"
    if entry.key != key.id:
        return None, (
            f"{entry.name}: who left can't be told without the secret that it was noted with; set "
            "STEDI_SECRET to it"
        )
    if consenting is None:
        return None, f"{entry.name}: who left can't be told before `stedi run` has made the tables"
    try:
        people = noted.people
    except StorageError as error:
        return None, str(error)
    assert people is not None
    return len(np.setdiff1d(people, consenting, assume_unique=True)), None


def _may_have(noted: Noted, key: PeopleKey, sought: Fingerprints) -> bool:
    """Whether an entry has rows of people, as far as anybody can tell."""
    if noted.entry.key != key.id:
        return True
    try:
        people = noted.people
    except StorageError:
        return True
    return people is None or bool(np.isin(sought, people, assume_unique=True).any())

"""What was given out, to whom, and which of it has rows of people who left since."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import BaseModel

from stedi.declared import Declarations
from stedi.errors import StorageError
from stedi.landing.erased import Erased, Keyer, read_erased
from stedi.rights.behind import Person, who_consents
from stedi.rights.ledger import (
    File,
    Fingerprints,
    Kind,
    Ledger,
    PrivateCost,
    Recorded,
    coded,
    fingerprints,
)
from stedi.rights.letter import letter
from stedi.storage.warehouse import Warehouse

State = Literal["given", "begun"]
_NOBODY_NAMED = "no table named people who consent (withdrawalDays)"


class Given(BaseModel):
    """One release, or one model that was kept.

    `state` is "begun" where the command died before it could say that the folder was there: it
    counts as given out. `people` are in it, of whom `left` don't consent any more or were erased;
    None where that can't be told, for the reason in `unknown`. `letter` is for the recipient. A
    private release has a `cost`, and nobody's rows: there is nobody in it, and nothing unknown.
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
    cost: PrivateCost | None = None


class GivenOut(BaseModel):
    """All that was given out, the earliest first; `problems` say what nobody can tell, and why."""

    ok: bool
    given: list[Given]
    problems: list[str]


def given_out(
    warehouse: Warehouse, declarations: Declarations, *, people: Collection[Person] | None = None
) -> GivenOut:
    """All entries of the ledger, or those that have rows of one of these people at least.

    Where nobody can tell whether an entry has rows of theirs, it is among them.
    """
    noted, problems = Ledger(warehouse.files).read()
    telling = _Telling(warehouse, declarations)
    sought = None if people is None else fingerprints(telling.keyer, people)
    given = [telling.given(one) for one in noted if sought is None or telling.may_have(one, sought)]
    problems += [one.unknown for one in given if one.unknown and one.unknown != _NOBODY_NAMED]
    return GivenOut(ok=not problems, given=given, problems=problems)


def out_of_reach(
    warehouse: Warehouse, declarations: Declarations, people: Collection[Person]
) -> list[str]:
    """What was given out that has rows of these people, for the receipt of an erasure."""
    told = given_out(warehouse, declarations, people=people)
    texts = []
    for one in told.given:
        perhaps = "" if one.left is not None else " (perhaps: who is in it can't be told)"
        texts.append(
            f"{one.kind} {one.name} of {one.table}, snapshot {one.snapshot}, given to "
            f"{one.recipient or 'somebody who was not named'} at {one.at}, written to {one.folder}"
            f"{perhaps}; `stedi releases` has the text to send"
        )
    return texts


class _Telling:
    """Counts for each entry who left since."""

    def __init__(self, warehouse: Warehouse, declarations: Declarations) -> None:
        self._warehouse, self._declarations = warehouse, declarations
        self.keyer = Keyer.of_user()

    @cached_property
    def _consenting(self) -> Fingerprints | None:
        people = who_consents(self._warehouse, self._declarations)
        return None if people is None else fingerprints(self.keyer, people)

    @cached_property
    def _erased(self) -> Erased:
        return read_erased(self._warehouse.files)

    def given(self, noted: Recorded) -> Given:
        """An entry for who lists it."""
        entry = noted.entry
        left, unknown = self._left(noted)
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
            cost=entry.cost,
        )

    def _left(self, noted: Recorded) -> tuple[int | None, str | None]:
        """How many people in an entry left since, or why nobody can tell.

        Who was erased since has left, though they may have signed up again.
        """
        entry = noted.entry
        try:
            people = noted.who(self.keyer)
            if entry.cost is not None:
                return None, None
            erased = coded(e.exact for e in self._erased.entries if e.at >= entry.at)
        except StorageError as error:
            return None, str(error)
        if people is None:
            return None, _NOBODY_NAMED
        if self._consenting is None:
            return None, (
                f"{entry.name}: who left can't be told before `stedi run` has made the tables"
            )
        has_left = np.isin(people, self._consenting, assume_unique=True, invert=True)
        has_left |= np.isin(people, erased, assume_unique=True)
        return int(has_left.sum()), None

    def may_have(self, noted: Recorded, sought: Fingerprints) -> bool:
        """Whether an entry has rows of people, as far as anybody can tell."""
        try:
            people = noted.who(self.keyer)
        except StorageError:
            return True
        if noted.entry.cost is not None:
            return False
        return people is None or bool(np.isin(sought, people, assume_unique=True).any())

"""Holds a release back while few people joined or left since an earlier release.

Two releases can be compared. If only a few people make the difference, it is about these few. So a
release waits until the declared number of people joined or left since each earlier release. The
first release is never held back, nor is one with the same values as an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stedi.errors import NotAnonymous, StorageError
from stedi.rights.ledger import Handing, Recorded


@dataclass(frozen=True)
class Compared:
    """An earlier release beside this one: how many people are in one of them only.

    `unknown` says why nobody can tell; None where both numbers are known.
    """

    earlier: Recorded
    came: int = 0
    went: int = 0
    unknown: str | None = None

    def is_few(self, least: int) -> bool:
        """Whether too few people make the difference, or nobody knows how many do."""
        return self.unknown is not None or self.came + self.went < least

    @property
    def text(self) -> str:
        """What was found, without an end."""
        entry = self.earlier.entry
        recipient = f" to {entry.recipient}" if entry.recipient else ""
        since = f"the release of {self.earlier.when:%Y-%m-%d}{recipient} ({entry.name})"
        if self.unknown is not None:
            return f"stedi can't determine who joined or left since {since}: {self.unknown}"
        people = "person" if self.came == 1 else "people"
        return f"since {since} {self.came:,} {people} joined and {self.went:,} left"


def hold_back(handing: Handing, sums: Mapping[str, str], *, now: bool) -> tuple[str, ...]:
    """What a release reveals to owners of an earlier one; nothing if enough people joined or left.

    `sums` are SHA-256 by the name of each file that has published values; an earlier release with
    the same tells nothing. Raises `NotAnonymous` where too few people joined or left, unless `now`.
    """
    publication, contract = handing.published.publication, handing.published.contract
    least = publication.people_between_releases
    noted, problems = handing.ledger.read()
    if least and problems and not now:
        raise NotAnonymous(
            f"{contract.name} was held back: {problems[0]}. Or release all the same, with --now"
        )
    found = [c for c in _compared(handing, noted, sums) if c.is_few(least)] if least else []
    if found and not now:
        worst = min(found, key=lambda c: (c.unknown is None, c.came + c.went))
        few = "" if worst.unknown else f", fewer than the {least} that its contract declares"
        raise NotAnonymous(
            f"{contract.name} was held back, and nothing was released: {worst.text}{few} "
            f"({contract.place}, peopleBetweenReleases). Anyone with both can compare them, and "
            "the difference is about these people. Release when more people joined or left, or "
            "release now with --now"
        )
    return tuple(
        f"{c.text}: anyone with both can compare them, and the difference is about these people"
        for c in found
    )


def _compared(
    handing: Handing, noted: list[Recorded], sums: Mapping[str, str]
) -> Iterator[Compared]:
    """The earlier releases of the table that have other values."""
    for earlier in noted:
        entry = earlier.entry
        if entry.kind != "release" or entry.table != handing.published.contract.name:
            continue
        given = {name: file.sha256 for name, file in entry.files.items()}
        if not sums.items() <= given.items():
            yield _compare(handing, earlier)


def _compare(handing: Handing, earlier: Recorded) -> Compared:
    try:
        then = earlier.who(handing.keyer)
    except StorageError as error:
        return Compared(earlier, unknown=str(error))
    if then is None or handing.people is None:
        return Compared(earlier, unknown="no table names people who consent (withdrawalDays)")
    came = len(np.setdiff1d(handing.people, then, assume_unique=True))
    went = len(np.setdiff1d(then, handing.people, assume_unique=True))
    return Compared(earlier, came, went)

"""How a table that others are made from has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stedi.columns import Column
from stedi.storage.warehouse import DataFile, Version


@dataclass(frozen=True)
class Touched:
    """What is known of a change to a table that was maintained, since its content `before`.

    The engine knows as tables the `keys` that were worked out again, `count` of them, the rows of
    theirs that are `gone` and those that `came`. All others are the same. Where rows were taken out
    and other rows with their keys may have stayed, no key is named, and `count` counts the rows.
    """

    before: int
    key: str
    keys: str
    count: int
    gone: str
    came: str


@dataclass(frozen=True)
class Change:
    """A table before and now, which share most of their files; none where it isn't there."""

    columns: Sequence[Column]
    before: Version | None
    now: Version | None
    touched: Touched | None = None

    @cached_property
    def added(self) -> tuple[DataFile, ...]:
        """Files that came in."""
        return _others(self.now, self.before)

    @cached_property
    def removed(self) -> tuple[DataFile, ...]:
        """Files that left."""
        return _others(self.before, self.now)

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Files that came in or left."""
        return (*self.added, *self.removed)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @property
    def is_known(self) -> bool:
        """Whether what changed is told, so that all rows of files that left needn't be compared."""
        return self.touched is not None or not self.removed

    @property
    def is_large(self) -> bool:
        """Whether most of what the table was changed."""
        changed = self.touched.count if self.touched else sum(file.rows for file in self.removed)
        return 2 * changed > rows_of(self.before)


def rows_of(version: Version | None) -> int:
    """How many rows a table had; none where it wasn't there."""
    return version.rows if version else 0


def _others(of: Version | None, other: Version | None) -> tuple[DataFile, ...]:
    known = {file.uri for file in other.files} if other else set()
    return tuple(file for file in of.files if file.uri not in known) if of else ()

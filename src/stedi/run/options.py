"""What a run is asked for, and what it says of each table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from dataclasses import dataclass
from typing import Literal

from stedi.errors import UsageError
from stedi.storage.notes import Left

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run was asked for. `max_pairs` of None is the default limit.

    `only` are the derived tables to update, with the landing tables that they read; None is all of
    them. `wait` is how many seconds to wait for another run to end. `replays` are sources to read
    again because of what was quarantined of them. What fits of bad files is loaded of the sources
    in `accept_bad_files`.
    """

    only: Collection[str] | None = None
    full: bool = False
    max_pairs: int | None = None
    replays: Container[str] = ()
    accept_bad_files: Container[str] = ()
    wait: float = 0.0

    def __post_init__(self) -> None:
        """Raise `UsageError` for values that mean nothing."""
        if isinstance(self.only, str):
            raise UsageError(f"--only {self.only}: a list of tables")
        pairs = self.max_pairs
        if pairs is not None and (not isinstance(pairs, int) or pairs < 0):
            raise UsageError(f"--max-pairs {pairs}: a number of rows, 0 or more")
        if not self.wait >= 0:
            raise UsageError(f"--wait {self.wait:g}: seconds, 0 or more")

    def refuse_unknown(self, derived: Collection[str]) -> None:
        """Raise `UsageError` where `only` names others than these tables."""
        for table in self.only or ():
            if table not in derived:
                raise UsageError(f"--only {table}: the derived tables are {', '.join(derived)}")


How = Literal["rebuild", "append", "swap", "by key", "no change"]
"""Rebuilt; new rows added; files rewritten and rows added; one of both; right as it was."""


@dataclass(frozen=True)
class Built:
    """A table that was updated; `publication_seconds` went into generalising it.

    `left` is how many keys, and how many rows of theirs, are no longer in a table that has a key.
    """

    table: str
    reason: str
    rows: int
    seconds: float
    how: How = "rebuild"
    publication_seconds: float = 0.0
    left: Left | None = None

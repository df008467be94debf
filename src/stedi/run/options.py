"""What a run is asked for, and what it says of each table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from dataclasses import dataclass
from typing import Literal

from stedi.storage.notes import Left

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run was asked for. `max_pairs` of None is the default limit.

    `only` are the derived tables to bring up to date, with the landing tables that they read; None
    is all of them. `wait` is how many seconds to wait for another run to end. `replays` are sources
    to read again because of what was set aside of them. What fits of bad files is loaded where
    `accepts_bad_files`, of all sources or just of those in `accepts_of`.
    """

    only: Collection[str] | None = None
    full: bool = False
    max_pairs: int | None = None
    replays: Container[str] = ()
    accepts_bad_files: bool = False
    accepts_of: Container[str] | None = None
    wait: float = 0.0

    def accepts(self, source: str) -> bool:
        """Whether what fits of a source's bad files is to be loaded."""
        return self.accepts_bad_files and (self.accepts_of is None or source in self.accepts_of)


How = Literal["rebuild", "append", "swap", "by key", "no change"]
"""All anew; new rows added; files swapped and rows added; one of both; right as it was."""


@dataclass(frozen=True)
class Built:
    """A table brought up to date; `publication_seconds` went into making it anonymous.

    `left` is how many keys, and how many rows of theirs, are no longer in a table that has a key.
    """

    table: str
    reason: str
    rows: int
    seconds: float
    how: How = "rebuild"
    publication_seconds: float = 0.0
    left: Left | None = None

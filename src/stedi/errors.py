"""All that can go wrong, as one tree.

    StediError
    ├── UsageError            wrong arguments, a folder that isn't there             exit status 2
    │   └── QueryError        SQL that can't be read, or that asks for too much
    ├── DeclarationError      a contract or transform that doesn't hold together     exit status 1
    ├── LandingError          a landing file that can't be read, a source of which too little fits
    ├── RuleBroken            a table that breaks its contract's assertion
    ├── PairingTooLarge       a join by time that would explode
    ├── NotAnonymous          a table that can't be published with enough people in each class
    ├── Unavailable           an engine, Java, a cluster, a bucket or a repository that can't be had
    ├── EngineFailed          an engine that ran out of memory or disk, or broke
    ├── StorageError          a catalog or table that is damaged or not ours
    └── Locked                another run holds the lakehouse

A message says what happened, where, and what to do next. None holds a person's data.
"""

from __future__ import annotations

from typing import Any


class StediError(Exception):
    """Anything this package raises on purpose; `exit_status` is what the command line ends with."""

    exit_status = 1
    report: Any = None
    """What a run that ended so has done all the same: a `stedi.run.RunReport`, or what came of
    `Lakehouse.replay`, a `stedi.quarantine.Replay`; None elsewhere."""

    def __init__(self, message: str = "", report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class UsageError(StediError):
    """Wrong use: an option, a folder or a name that can't be right."""

    exit_status = 2


class QueryError(UsageError):
    """A query that can't be read, names what isn't declared, or would do more than read."""


class DeclarationError(StediError):
    """Contracts and transforms that don't hold together, by themselves or with one another."""


class LandingError(StediError):
    """A landing file that can't be read, or that changed while it was read.

    Or more of a source was set aside than its contract allows; then all tables are up to date.
    """


class RuleBroken(StediError):
    """A new version of a table breaks an assertion of its contract; nothing was committed."""


class PairingTooLarge(StediError):
    """A join would give so many rows that it was not begun."""


class NotAnonymous(StediError):
    """Too few people, or one who dominates: an empty table was published, others are up to date."""


class Unavailable(StediError):
    """Something outside this package that isn't installed, or can't be reached or started."""


class EngineFailed(StediError):
    """An engine could not finish a query: out of memory or disk, or a file it couldn't read."""


class StorageError(StediError):
    """The catalog or a table under the root is damaged, or was not written by this package."""


class Locked(StediError):
    """Another run is at work on this root, or another program on its catalog."""

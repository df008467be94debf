"""All that can go wrong, as one tree.

    StediError
    ├── UsageError            wrong arguments, a folder that isn't there             exit status 2
    │   └── QueryError        SQL that can't be read, or that is not allowed
    ├── DeclarationError      contracts or transforms that contradict each other      exit status 1
    ├── LandingError          a landing file that can't be read, a source with too few valid records
    ├── RuleBroken            a table that fails a data quality check
    ├── PairingTooLarge       a time join that would return too many rows
    ├── NotAnonymous          a table that can't be published with enough people in each class
    ├── Unavailable           an engine, Java, a cluster, a bucket or a repository that isn't there
    ├── EngineFailed          an engine that ran out of memory or disk, or broke
    ├── StorageError          a catalog or table that is damaged or foreign
    └── Locked                another run has the lock of the lakehouse

A message says what happened, where, and which command to run. It never contains a person's data.
"""

from __future__ import annotations

from typing import Any


class StediError(Exception):
    """Any error that this package raises on purpose. `exit_status` is that of the command line."""

    exit_status = 1
    report: Any = None
    """What a failed run did all the same: a `stedi.run.RunReport`, for `Lakehouse.replay` a
    `stedi.quarantine.Replay`; None elsewhere."""

    def __init__(self, message: str = "", report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class UsageError(StediError):
    """Wrong use: an option, a folder or a name that can't be right."""

    exit_status = 2


class QueryError(UsageError):
    """A query that has a syntax error, names an undeclared table, or would do more than read."""


class DeclarationError(StediError):
    """Contracts or transforms that contradict themselves or each other."""


class LandingError(StediError):
    """A landing file that can't be read, or that changed while it was read.

    Also: more of a source was quarantined than its contract allows. `report` says what a run did
    all the same: it reads what it can, and updates all tables.
    """


class RuleBroken(StediError):
    """A new version of a table fails a data quality check of its contract. It was not committed."""


class PairingTooLarge(StediError):
    """A join would return so many rows that the run refused to start it."""


class NotAnonymous(StediError):
    """Too few people, or one who dominates: an empty table was published, others were updated."""


class Unavailable(StediError):
    """Something outside of this package isn't installed, or can't be reached or started."""


class EngineFailed(StediError):
    """An engine could not finish a query: no memory or disk left, or an unreadable file."""


class StorageError(StediError):
    """The catalog or a table is damaged, or was not written by this package."""


class Locked(StediError):
    """Another run is working on this lakehouse, or another program on its catalog."""

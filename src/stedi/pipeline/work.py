"""What the steps of one run share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stedi.contracts import Column
from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.parse import Target
from stedi.storage.warehouse import DataFile, Version, Warehouse

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run was asked for. `max_pairs` of None is the default limit.

    `only` are the derived tables to bring up to date, with the landing tables that they read; None
    is all of them. `replays` are sources to read again because of what was set aside of them.
    """

    only: Collection[str] | None = None
    full: bool = False
    max_pairs: int | None = None
    replays: Container[str] = ()
    accepts_bad_files: bool = False


How = Literal["rebuild", "append", "swap", "no change"]
"""All anew; new rows added; files swapped and rows added; looked at, and right as it was."""


@dataclass(frozen=True)
class Left:
    """Keys that left a table, and the rows they had in it."""

    keys: int
    rows: int


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


@dataclass
class Work:
    """One run at work: what it works on and with, and what it has built so far."""

    warehouse: Warehouse
    declarations: Declarations
    engine: Engine
    options: Options
    progress: Progress
    fingerprinter: Fingerprinter = field(default_factory=Fingerprinter.of_user)
    attempt: str = field(default_factory=lambda: f"{time.time_ns():x}")
    built: list[Built] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)
    """Tables that can't be published, and why."""

    def target(self, table: str, columns: Sequence[Column]) -> Target:
        """Where this run writes the files of a table."""
        location = self.declarations.locations[table]
        fields = self.warehouse.fields(table, columns, location)
        return Target(self.warehouse.data_folder(location) / self.attempt, fields)

    def fingerprints(
        self, added: Sequence[Path], before: Version | None = None, kept: Iterable[DataFile] = ()
    ) -> dict[str, str]:
        """Fingerprints of a table's files by their names below the table's data folder.

        Those of files `kept` from `before` are known.
        """
        noted = before.notes.get("files", {}) if before else {}
        names = [short_name(file.path) for file in kept]
        found = self.engine.crew.map(self.fingerprinter.of_file, added)
        known = {name: noted[name] for name in names if name in noted}
        return known | dict(zip(map(short_name, added), found, strict=True))


def damage(version: Version) -> str | None:
    """Why a table can't be used as it lies there, as far as sizes show; None if it can."""
    for file in version.files:
        try:
            size = file.path.stat().st_size
        except OSError:
            return "a file of it is missing"
        if size != file.size:
            return "a file of it was changed"
    return None


def short_name(path: Path) -> str:
    """A data file's name below its table's data folder."""
    return f"{path.parent.name}/{path.name}"

"""What the steps of one run share."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.landing.fingerprint import Fingerprinter
from stedi.parquet import Target
from stedi.run.options import Built, Options, Progress
from stedi.storage.warehouse import DataFile, Version, Warehouse, short_name


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
        noted = before.notes.files if before else {}
        names = [short_name(file.path) for file in kept]
        of_file = partial(self.fingerprinter.of_file, opener=self.warehouse.files.open)
        new = self.engine.crew.map(of_file, added)
        known = {name: noted[name] for name in names if name in noted}
        return known | dict(zip(map(short_name, added), new, strict=True))

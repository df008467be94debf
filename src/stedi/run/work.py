"""What the steps of one run share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.errors import StediError, StorageError
from stedi.events import new_run
from stedi.landing.fingerprint import Fingerprinter
from stedi.parquet import Target
from stedi.run.options import Built, Options, Progress
from stedi.storage.warehouse import DataFile, Version, Warehouse, short_name

OfTable = tuple[Version, Sequence[DataFile]]
"""Some of a table's files."""


class Changed(StorageError):
    """Files of tables have another content than a run wrote; `Warehouse.changed` has them now."""


@dataclass
class Work:
    """One run at work: what it works on and with, and what it has built so far."""

    warehouse: Warehouse
    declarations: Declarations
    engine: Engine
    options: Options
    progress: Progress
    fingerprinter: Fingerprinter = field(default_factory=Fingerprinter.of_user)
    attempt: str = field(default_factory=new_run)
    built: list[Built] = field(default_factory=list)
    _compared: set[Path] = field(default_factory=set)

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

    def are_changed(self, version: Version, files: Sequence[DataFile]) -> bool:
        """Whether files that this run reads whole have another content than they were written with.

        Those on this machine are compared, each once. `Warehouse.changed` has what was found.
        """
        noted = version.notes.files
        compared = {
            file.path: self.fingerprinter.renewed(fingerprint)
            for file in files
            if file.path not in self._compared
            and file.path.parent.name.split("-")[0] != self.attempt
            and (fingerprint := noted.get(short_name(file.path))) is not None
            and self.fingerprinter.can_compare(fingerprint)
            and file.path.is_file()
        }
        now = self.engine.crew.map(self.fingerprinter.of_file, [*compared])
        self._compared.update(compared)
        pairs = zip(compared.items(), now, strict=True)
        self.warehouse.changed.update(path for (path, was), is_ in pairs if is_ != was)
        return any(file.path in self.warehouse.changed for file in files)

    def refuse_changed(self, read: Iterable[OfTable]) -> None:
        """Raise `Changed` where files that were read whole are changed; before what comes of it."""
        changed = [version.table for version, files in read if self.are_changed(version, files)]
        if changed:
            tables = ", ".join(sorted({*changed}))
            raise Changed(f"{tables}: files have another content than a run wrote")

    @contextmanager
    def blaming(self, read: Sequence[OfTable]) -> Iterator[None]:
        """Where work fails that reads these files, see whether they are why."""
        try:
            yield
        except (StediError, OSError, ValueError, LookupError):  # Arrow raises the last three
            self.refuse_changed(read)
            raise

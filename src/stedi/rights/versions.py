"""Earlier versions of raw files and data files that a bucket keeps: whose records they have.

Each is downloaded, searched, and removed from this machine again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stedi.arrays import Int64s
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.locate import Place, Sought, contents, locate
from stedi.landing.window import packing_of
from stedi.rights.rows import taken_rows
from stedi.roots import NotAllowed, Remainder
from stedi.roots.names import landing_folder
from stedi.roots.remainders import copies
from stedi.storage.warehouse import DataFile, Warehouse

RowsOf = Callable[[DataFile, bool], Int64s]


@dataclass(frozen=True)
class InVersion:
    """Records of theirs in an earlier version of a file, of which `name` is the path.

    Of a raw file of `source`: `places`, and their bytes in `raws`. Of a data file of `table`:
    `rows` by column.
    """

    name: str
    version: str
    source: str | None = None
    table: str | None = None
    places: tuple[Place, ...] = ()
    raws: tuple[bytes, ...] = field(default=(), repr=False)
    is_packed: bool = False
    rows: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def records(self) -> int:
        """How many records or rows of theirs it has."""
        return len(self.places) + len(self.rows)


class Versions:
    """The earlier versions of a lakehouse's files; to list them raises `Unavailable`.

    One that nobody may read raises `NotAllowed`, or is counted where it `may_skip` those.
    """

    def __init__(
        self, warehouse: Warehouse, declarations: Declarations, *, may_skip: bool = False
    ) -> None:
        self._may_skip = may_skip
        self._skipped: set[Remainder] = set()
        self._files, self._warehouse, self._declarations = warehouse.files, warehouse, declarations
        remainders = [*self._files.remainders()]
        self._kept = [r for r in remainders if r.version is not None and r.size]
        self.has_uploads = any(r.upload is not None for r in remainders)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kept)

    @property
    def skipped(self) -> int:
        """How many nobody may read."""
        return len(self._skipped)

    def in_landing(self, contract: Contract, sought: Sought) -> Iterator[InVersion]:
        """Records of a source that are sought; raises `OSError`."""
        folder = landing_folder(self._files.root, str(contract.source))
        for kept, copy in self._below(folder):
            located = locate(copy, contract, sought)
            if located.places:
                spans = [(place.begin, place.end) for place in located.places]
                yield InVersion(
                    kept.path.relative_to(folder).as_posix(),
                    str(kept.version),
                    source=str(contract.source),
                    places=located.places,
                    raws=tuple(contents(copy, spans)),
                    is_packed=packing_of(copy) is not None,
                )

    def in_table(self, table: str, rows_of: RowsOf) -> Iterator[InVersion]:
        """Rows of a table that are theirs; raises `StorageError`."""
        folder = self._warehouse.data_folder(self._declarations.locations[table])
        for kept, copy in self._below(folder):
            if copy.suffix == ".parquet":
                file = DataFile("", copy, copy.stat().st_size, 0)
                rows = rows_of(file, False)
                if len(rows):
                    yield InVersion(
                        kept.path.relative_to(self._files.root).as_posix(),
                        str(kept.version),
                        table=table,
                        rows=tuple(taken_rows(self._files, file, rows)),
                    )

    def _below(self, folder: Path) -> Iterator[tuple[Remainder, Path]]:
        for kept in self._kept:
            if kept.path.is_relative_to(folder):
                with closing(copies(self._files, [kept])) as copied:
                    try:
                        yield from copied
                    except NotAllowed:
                        if not self._may_skip:
                            raise
                        self._skipped.add(kept)

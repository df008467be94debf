"""`loads`: every landing file ever read, with what the disk said of it and what it held."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from stedi.declared.machinery import LoadRow
from stedi.errors import StorageError
from stedi.landing.files import LandingFile
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.oddities import as_json
from stedi.landing.secret import known_secrets
from stedi.roots import Files
from stedi.roots.names import landing_folder

if TYPE_CHECKING:
    from stedi.landing.parse import ReadFile


@dataclass(frozen=True)
class Load(LoadRow):
    """One landing file: `copy` has the same bytes as another, `gone` is no longer there.

    `parts` names the typed files that its records went to.
    """

    @classmethod
    def of(cls, source: str, read: ReadFile, load: int, since: int) -> Load:
        """The load of a file that was read a moment ago, and for the first time by load `since`."""
        file = read.file
        return cls(
            source=source,
            file=file.name,
            state="copy" if read.is_copy else "read",
            size=file.size,
            modified=file.modified,
            changed=file.changed,
            fingerprint=read.fingerprint,
            records=read.records,
            unknown_keys=read.unknown_keys,
            load=load,
            verdict=read.verdict,
            parts=" ".join(read.parts),
            arrived=file.arrived,
            set_aside=read.set_aside,
            repeated=read.repeated,
            earlier=json.dumps(read.earlier, ensure_ascii=False) if read.earlier else "",
            since=since,
            oddities=as_json(read.oddities),
        )

    @property
    def earlier_files(self) -> Sequence[str]:
        """The files that came before, and have records of this one."""
        return tuple(json.loads(self.earlier)) if self.earlier else ()

    def matches(self, file: LandingFile) -> bool:
        """Whether the disk says of the file what it said when it was read."""
        return (self.size, self.modified) == (file.size, file.modified)

    def is_of(self, file: LandingFile) -> bool:
        """Whether nothing touched the file since it was read, as far as the disk can tell."""
        return self.matches(file) and self.changed == file.changed


@dataclass(frozen=True)
class ZoneChanges:
    """How a source's landing zone differs from what was read of it."""

    new: tuple[LandingFile, ...]
    changed: tuple[LandingFile, ...]
    gone: tuple[Load, ...]
    touched: tuple[Load, ...]
    """Loads whose files have other times but the same bytes, with the new times."""
    fewer: int = 0
    """Files with records that are gone, with no new one of their size, or shorter than before."""


def parts_of(load: Load, by_file: Mapping[str, Load]) -> set[str]:
    """The typed files that have records of a file, those of earlier files that are equal included.

    `by_file` are the loads of its source.
    """
    files = [load, *(by_file[name] for name in load.earlier_files if name in by_file)]
    return {part for file in files for part in file.parts.split()}


def compare(
    files: Files,
    source: str,
    landing_files: Sequence[LandingFile],
    loads: Iterable[Load],
    fingerprinter: Fingerprinter,
) -> ZoneChanges:
    """Compare a listing with the loads of that source; only files with other times are read."""
    loads_by_file = {load.file: load for load in loads if load.state != "gone"}
    new, changed, touched, fewer = [], [], [], 0
    for file in landing_files:
        load = loads_by_file.pop(file.name, None)
        if load is None:
            new.append(file)
        elif load.is_of(file):
            continue
        elif load.size == file.size and load.fingerprint == fingerprinter.of_file(
            landing_folder(files.root, source) / file.name, files.open
        ):
            touched.append(replace(load, modified=file.modified, changed=file.changed))
        else:
            changed.append(file)
            fewer += load.records > 0 and file.size < load.size
    gone = tuple(loads_by_file.values())
    sizes = {file.size for file in new}  # one that was only given another name
    fewer += sum(
        load.state == "read" and load.records > 0 and load.size not in sizes for load in gone
    )
    return ZoneChanges(tuple(new), tuple(changed), gone, tuple(touched), fewer)


def as_arrived(
    files: Files,
    source: str,
    landing_files: Sequence[LandingFile],
    loads: Iterable[Load],
    fingerprinter: Fingerprinter,
    cut: Collection[str] = (),
) -> list[LandingFile]:
    """A listing in which each file arrived when its content first did, as far as that is noted.

    So a file that was touched, renamed or delivered again is as old as it was, and so is one that
    records were taken out of: `cut` are the fingerprints of such. Of files that the disk says
    nothing new of, none is read; of others, those of a size that is noted, and what may be cut.
    """
    noted = [load for load in loads if fingerprinter.can_compare(load.fingerprint)]
    by_file = {load.file: load for load in loads if load.state != "gone"}
    sizes = {load.size for load in noted}
    first: dict[str, int] = {}
    for load in noted:
        first[load.fingerprint] = min(load.arrived, first.get(load.fingerprint, load.arrived))
    listed = []
    for file in landing_files:
        known, arrived = by_file.get(file.name), file.arrived
        if known is not None and known.is_of(file):
            arrived = known.arrived
        elif file.size in sizes or (cut and known is not None):
            path = landing_folder(files.root, source) / file.name
            fingerprint = fingerprinter.of_file(path, files.open)
            is_cut = known is not None and fingerprint in cut
            arrived = known.arrived if is_cut and known else first.get(fingerprint, arrived)
        listed.append(replace(file, arrived=arrived))
    return listed


_NOT_NOTED: Mapping[str, Any] = {
    **{"set_aside": 0, "oddities": "", "repeated": 0, "earlier": "", "since": 0}
}
"""What version 0.1.0 did not note, like arrivals."""


def _noted(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def read_loads(files: Files, paths: Sequence[Path]) -> list[Load]:
    """The loads that lie in the files of the table `loads`; raises `StorageError`."""
    try:
        files.fetch(paths)
        rows = (row for path in paths for row in pq.ParquetFile(path).read().to_pylist())
        loads = [Load(**{"arrived": row["modified"], **_NOT_NOTED, **_noted(row)}) for row in rows]
    except (OSError, TypeError, ValueError, LookupError, pa.ArrowException):
        raise StorageError(
            "table loads: a file of it is missing or damaged; `stedi run --full` rebuilds it"
        ) from None
    every = known_secrets()
    if len(every) < 2:
        return loads
    fingerprinter = Fingerprinter(*every)
    return [replace(one, fingerprint=fingerprinter.renewed(one.fingerprint)) for one in loads]

"""Removes expired records from the landing zone before a run reads it.

Raw files are rewritten without these records, each as a whole. The run that follows reads them as
changed files, so it updates the tables. Earlier snapshots are removed when the run has succeeded.
Until then, a note in the lakehouse folder names these tables: if the run is killed, the next run
finishes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stedi import parquet
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import LandingError, StorageError
from stedi.landing.files import LandingFile, list_readable
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import Load, parts_of
from stedi.landing.locate import Located, locate
from stedi.landing.removal import Removal, remove_records
from stedi.landing.retention import KEPT, Over
from stedi.roots import Files, footer_source
from stedi.roots.names import OWN_FOLDER, landing_folder
from stedi.roots.scratch import scratch
from stedi.run.decide import Planned
from stedi.run.options import Options
from stedi.run.readings import LandingPlan
from stedi.storage.sweep import remove_outdated
from stedi.storage.warehouse import Version, Warehouse, short_name
from stedi.storage.withdrawals import epoch_ms
from stedi.text import counted

_FILE = "retention.json"


@dataclass(frozen=True)
class _Suspect:
    """A raw file that may have records that are over."""

    over: Over
    file: LandingFile

    @property
    def source(self) -> str:
        return str(self.over.contract.source)


def begin(
    warehouse: Warehouse,
    declarations: Declarations,
    options: Options,
    plan: LandingPlan,
    fingerprinter: Fingerprinter,
) -> int:
    """Take records that are over out of raw files; returns how many.

    `plan` says what is to be read; where some were taken out, it is no longer right. Raises
    `LandingError`, `StorageError`, `OSError`.
    """
    suspects = [*_suspects(warehouse, declarations, options, plan, epoch_ms())]
    files = warehouse.files
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        located = [*pool.map(lambda suspect: _located(files, suspect), suspects)]
    takings = [
        Removal(
            suspect.source,
            landing_folder(files.root, suspect.source) / suspect.file.name,
            [(place.begin, place.end) for place in found.places],
            {KEPT: len(found.places)},
        )
        for suspect, found in zip(suspects, located, strict=True)
        if found.places
    ]
    if takings:
        sources = {taking.source for taking in takings}
        _note(files, _tables_noted(files) | _affected(declarations, sources))
        remove_records(files, takings, fingerprinter)
    return sum(len(taking.spans) for taking in takings)


def end(warehouse: Warehouse, declarations: Declarations) -> None:
    """Remove earlier snapshots of tables that had records which are over, where they are done.

    A table is, that was made from inputs as they are now.
    """
    noted = _tables_noted(warehouse.files)
    if not noted:
        return
    done = {table for table in noted if _is_done(warehouse, declarations, table)}
    for table in sorted(done):
        contract = declarations.contracts.get(table)
        if contract is not None and contract.is_published:
            remove_outdated(warehouse, table, contract.location)
        else:
            warehouse.expire(table, {past.snapshot_id for past in warehouse.history(table)})
    _note(warehouse.files, noted - done)


def remark(count: int) -> str:
    """The note on what was removed."""
    return (
        f"dropped {counted(count, 'record')} that were kept long enough, out of landing files and "
        "all tables, as their contracts declare (retentionDays)"
    )


def due(
    warehouse: Warehouse, declarations: Declarations, options: Options, plan: LandingPlan
) -> Iterator[Planned]:
    """The landing tables with rows that are over, and raw files that may have some."""
    now = epoch_ms()
    for contract in _kept_for_a_time(declarations, options):
        names = {*_known_suspects(warehouse, Over(contract, now), plan.loads)}
        if names:
            version = warehouse.version(contract.name)
            reason = "records that were kept long enough"
            rows = version.rows if version else None
            yield Planned(contract.name, "swap", reason, len(names), rows)


def _kept_for_a_time(declarations: Declarations, options: Options) -> Iterator[Contract]:
    """The contracts of landing tables that say how long records are kept, of those to be read."""
    only, transforms = options.only, declarations.transforms
    wanted = {name for table in only or () for name in transforms[table].inputs}
    for contract in declarations.landing:
        if contract.retention.record_days is not None and (only is None or contract.name in wanted):
            yield contract


def _suspects(
    warehouse: Warehouse,
    declarations: Declarations,
    options: Options,
    plan: LandingPlan,
    now: int,
) -> Iterator[_Suspect]:
    """Raw files that may have records that are over: those to be read, and some that were."""
    for contract in _kept_for_a_time(declarations, options):
        over = Over(contract, now)
        coming = {f for r in plan.readings if r.contract.name == contract.name for f in r.files}
        yield from (_Suspect(over, file) for file in sorted(coming))
        names = set(_known_suspects(warehouse, over, plan.loads))
        known = list_readable(warehouse.files, str(contract.source)) if names else []
        yield from (_Suspect(over, f) for f in known if f.name in names and f not in coming)


def _known_suspects(warehouse: Warehouse, over: Over, loads: Sequence[Load]) -> Iterator[str]:
    """Names of raw files that were read, and have records that have expired, or may have.

    Files with the same bytes are among them: of these only one was read.
    """
    contract = over.contract
    version, quarantine = warehouse.version(contract.name), warehouse.version("quarantine")
    own = [load for load in loads if load.source == contract.source and load.state != "gone"]
    parts = {*_parts_over(warehouse.files, version, over)} if version else set()
    pieces = {*_pieces_over(warehouse.files, quarantine, over)} if quarantine else set()
    by_file = {load.file: load for load in own}
    prints = {
        load.fingerprint
        for load in own
        if load.file in pieces or not parts.isdisjoint(parts_of(load, by_file))
    }
    yield from (load.file for load in own if load.fingerprint in prints)


def _parts_over(files: Files, version: Version, over: Over) -> Iterator[str]:
    """Typed files, as loads name them, with rows that are over."""
    merged = version.landing.merged if version.landing else {}
    for file in version.files:
        least = _least(files, file.path, over.column)
        if least is None or least <= over.until:
            yield from merged.get(short_name(file.path), [file.path.stem])


def _least(files: Files, path: Path, column: str) -> int | None:
    """The least value of a column of a file, by its footer; None where that doesn't tell."""
    try:
        metadata = pq.read_metadata(footer_source(files, path))
        index = metadata.schema.names.index(column)
    except (OSError, ValueError, pa.ArrowException):
        return None
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    statistics = [group.column(index).statistics for group in groups]
    if any(chunk is None or not chunk.has_min_max for chunk in statistics):
        return None
    return min((int(chunk.min) for chunk in statistics), default=None)


def _pieces_over(files: Files, quarantine: Version, over: Over) -> Iterator[str]:
    """Raw files of the source with quarantined records that have expired."""
    paths = [file.path for file in quarantine.files]
    files.fetch(paths)
    for path in paths:
        rows = parquet.read(path, ["source", "file", "raw"])
        for row in rows.to_pylist():
            if row["source"] == over.contract.source and over.raw(row["raw"] or b""):
                yield row["file"]


def _located(files: Files, suspect: _Suspect) -> Located:
    path = landing_folder(files.root, suspect.source) / suspect.file.name
    over, size = suspect.over, suspect.file.size
    try:
        return locate(path, over.contract, over, files.open, size=size)
    except OSError as error:
        raise LandingError(f"{files.name(path)} can't be read: {error.strerror or error}") from None


def _affected(declarations: Declarations, sources: Collection[str]) -> set[str]:
    """The tables whose snapshots may have records of these sources."""
    affected = {c.name for c in declarations.landing if c.source in sources} | {"quarantine"}
    for table in declarations.transforms:
        if declarations.read_by(table) & affected:
            affected.add(table)
    return affected


def _is_done(warehouse: Warehouse, declarations: Declarations, table: str) -> bool:
    """Whether a table was made from what it is made from as that is now."""
    if table not in declarations.transforms:
        return True

    def content(name: str) -> int | None:
        version = warehouse.version(name)
        return version.content if version else None

    version = warehouse.version(table)
    return (
        version is not None
        and not version.changed_inputs(content)
        and all(_is_done(warehouse, declarations, name) for name in version.inputs)
    )


def _tables_noted(files: Files) -> set[str]:
    """The tables whose earlier snapshots have to go; raises `StorageError`."""
    path = files.root / OWN_FOLDER / _FILE
    if files.stat(path) is None:
        return set()
    try:
        with files.open(path) as file:
            noted: Mapping[str, Sequence[str]] = json.loads(file.readall() or b"")
        return {*noted["tables"]}
    except (OSError, ValueError, LookupError, TypeError):
        raise StorageError(
            f"{files.name(path)}: what retention had begun is damaged; remove it, and set "
            "snapshotDays: 0 for a run, so that earlier snapshots go"
        ) from None


def _note(files: Files, tables: Collection[str]) -> None:
    """Note the tables whose earlier snapshots have to go; nothing where there are none."""
    path = files.root / OWN_FOLDER / _FILE
    if not tables:
        files.remove([path])
        return
    with scratch(files.root, "retention") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_text(json.dumps({"tables": sorted(tables)}), encoding="utf-8")
        files.replace(folder / _FILE, path)

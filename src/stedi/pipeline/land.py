"""Brings the typed tables up to date with the landing zone.

`loads` is committed after the tables it describes: a source whose typed table is not at the
snapshot that `loads` notes is read again from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

from stedi import parquet
from stedi.contracts import Contract
from stedi.errors import StorageError
from stedi.landing.files import LandingFile, list_files
from stedi.landing.loads import Difference, Load, compare, load_rows, read_loads
from stedi.landing.parse import Job, Parsed, parse
from stedi.parquet import RowWriter
from stedi.pipeline.rules import hold_to_contract
from stedi.pipeline.work import Built, Work, damage
from stedi.storage.warehouse import Version
from stedi.transforms import MACHINERY_COLUMNS


@dataclass
class _Source:
    """A landing table that has to be read: all files anew, or new files added."""

    contract: Contract
    files: Sequence[LandingFile]
    known: Mapping[str, int]
    reason: str
    anew: bool
    difference: Difference
    parsing: Future[Parsed] | None = None
    parsed: Parsed | None = None


class Landing:
    """Reads what is new in the landing zone, and commits it."""

    def __init__(self, work: Work, pool: Executor) -> None:
        self.work, self.warehouse, self.declarations = work, work.warehouse, work.declarations
        self._pool = pool
        self._loads: list[Load] = []
        self._noted: Mapping[str, Any] = {}
        self._sources: list[_Source] = []
        self._touched: list[Load] = []
        self._is_noted = False
        self._began = 0.0

    def begin(self) -> None:
        """Find out what is new in the landing zone, and begin to read it in the background."""
        version = self.warehouse.version("loads")
        if version and self._is_damaged(version, self.warehouse.version("quarantine")):
            version = None  # nothing that was noted can be relied on: read everything again
        if version:
            try:
                self._loads = read_loads(file.path for file in version.files)
            except StorageError:
                if not self.work.options.full:
                    raise
            else:
                self._is_noted = True
                self._noted = version.notes
        for contract in self._contracts():
            source, difference = self._plan(contract)
            self._touched += difference.touched
            if source:
                self._sources.append(source)
        self._began = time.monotonic()
        for source in self._sources:
            source.parsing = self._pool.submit(
                parse,
                self.warehouse.root,
                source.contract,
                self.work.fingerprinter,
                self.work.engine.crew,
                self._job(source),
            )

    def finish(self) -> None:
        """Wait for all that was begun, and commit it."""
        if not self._sources and not self._touched and self._is_noted:
            return
        for source in self._sources:
            self._parse(source)
        committed = {s.contract.name: self._commit_typed(s) for s in self._sources}
        self._commit_quarantine()
        snapshots = {**self._noted.get("typed", {})}
        snapshots |= {name: version.snapshot_id for name, version in committed.items()}
        self._commit_loads(_merge(self._loads, self._touched, self._sources, self._load), snapshots)

    def _contracts(self) -> list[Contract]:
        """Of the landing tables that are asked for."""
        only, transforms = self.work.options.only, self.declarations.transforms
        read = {name for table in only or () for name in transforms[table].inputs}
        return [c for c in self.declarations.landing if only is None or c.name in read]

    @property
    def _load(self) -> int:
        return 1 + max((one.load for one in self._loads), default=0)

    def _job(self, source: _Source) -> Job:
        accepted = (one.fingerprint for one in self._loads if one.verdict == "accepted")
        return Job(
            source.files,
            source.known,
            self._load,
            self.work.target(source.contract.name, source.contract.columns),
            self.work.target("quarantine", MACHINERY_COLUMNS["quarantine"]),
            accepted=frozenset(accepted),
            accepts_all=self.work.options.accepts_bad_files,
        )

    @staticmethod
    def _is_damaged(*versions: Version | None) -> bool:
        return any(version is None or damage(version) for version in versions)

    def _plan(self, contract: Contract) -> tuple[_Source | None, Difference]:
        assert contract.source is not None
        own = [load for load in self._loads if load.source == contract.source]
        files = list_files(self.warehouse.root, contract.source)
        fingerprinter = self.work.fingerprinter
        difference = compare(self.warehouse.root, contract.source, files, own, fingerprinter)
        version = self.warehouse.version(contract.name)
        reason = self._why_anew(contract, version, self._noted, difference)
        bad = sum(load.state == "read" and load.verdict == "bad" for load in own)
        if not reason and bad and self.work.options.accepts_bad_files:
            reason = f"{bad} bad files accepted"
        if reason:
            return _Source(contract, files, {}, reason, True, difference), difference
        if difference.new:
            known = {load.fingerprint: load.size for load in own if load.state == "read"}
            new, reason = difference.new, f"{len(difference.new)} new files"
            return _Source(contract, new, known, reason, False, difference), difference
        return None, difference

    def _why_anew(
        self,
        contract: Contract,
        version: Version | None,
        noted: Mapping[str, Any],
        difference: Difference,
    ) -> str | None:
        if version is None:
            return "not read yet"
        if self.work.options.full:
            return "asked for"
        if contract.source in self.work.options.replays:
            return "records set aside are tried again"
        if noted.get("typed", {}).get(contract.name) != version.snapshot_id:
            return "not as the last run left it"
        if version.notes.get("declaration") != self.declarations.fingerprint(contract.name):
            return "its contract changed"
        other = (load.fingerprint for load in self._loads if load.source == contract.source)
        if difference.new and not all(map(self.work.fingerprinter.can_compare, other)):
            # A new file could be a copy of one that was read, and nobody could tell.
            return "it was read with another secret (STEDI_SECRET)"
        if difference.changed or difference.gone:
            return f"{len(difference.changed)} files changed, {len(difference.gone)} gone"
        return damage(version)

    def _parse(self, source: _Source) -> None:
        self.work.progress(f"{source.contract.name}: reading {len(source.files)} files")
        assert source.parsing is not None
        source.parsed = source.parsing.result()
        rows = sum(parquet.count_rows(path) for path in source.parsed.typed)
        if not source.anew and (before := self.warehouse.version(source.contract.name)):
            rows += before.rows
        seconds = time.monotonic() - self._began
        self.work.built.append(Built(source.contract.name, source.reason, rows, seconds))

    def _commit_typed(self, source: _Source) -> Version:
        assert source.parsed is not None
        contract, engine = source.contract, self.work.engine
        before = self.warehouse.version(contract.name)
        kept = () if source.anew or before is None else before.files
        files = [*(file.path for file in kept), *source.parsed.typed]
        engine.declare(contract.name, contract.columns, [str(path) for path in files])
        notes = {
            # What is required the parser has seen to.
            "notes": hold_to_contract(contract, (), self.declarations, engine),
            "declaration": self.declarations.fingerprint(contract.name),
            "files": self.work.fingerprints(source.parsed.typed, before if kept else None),
        }
        return self.warehouse.commit(
            contract.name, source.parsed.typed, notes, keep={file.uri for file in kept}
        )

    def _commit_quarantine(self) -> None:
        before = self.warehouse.version("quarantine")
        kept = list(before.files) if before else []
        for source in self._sources:
            if source.anew:
                name = source.contract.source
                kept = [file for file in kept if file.path.name.split(".")[0] != name]
        added = [path for s in self._sources if s.parsed for path in s.parsed.quarantine]
        if before and not added and len(kept) == len(before.files):
            return
        self.work.target("quarantine", MACHINERY_COLUMNS["quarantine"])  # so that it is made
        notes = {"files": self.work.fingerprints(added, before)}
        self.warehouse.commit("quarantine", added, notes, keep={file.uri for file in kept})

    def _commit_loads(self, loads: Sequence[Load], typed: Mapping[str, int]) -> None:
        target = self.work.target("loads", MACHINERY_COLUMNS["loads"])
        writer = RowWriter(target.folder / "loads.parquet", target.fields)
        for row in load_rows(loads):
            writer.add(row, 200)
        paths = writer.close()
        notes = {"typed": typed, "files": self.work.fingerprints(paths, None)}
        self.warehouse.commit("loads", paths, notes)


def _merge(
    loads: Sequence[Load], touched: Sequence[Load], sources: Sequence[_Source], load: int
) -> list[Load]:
    """The loads after a run: one for each file that was ever read, the newest of each."""
    merged = {(one.source, one.file): one for one in (*loads, *touched)}
    for source in sources:
        assert source.parsed and source.contract.source
        name = source.contract.source
        for gone in source.difference.gone:
            merged[name, gone.file] = replace(gone, state="gone")
        for read in source.parsed.files:
            merged[name, read.file.name] = Load.of(name, read, load)
    return [merged[key] for key in sorted(merged)]

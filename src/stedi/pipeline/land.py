"""Brings the typed tables up to date with the landing zone.

`loads` is committed after the tables it describes: a source whose typed table is not at the
snapshot that `loads` notes is read again from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stedi import parquet
from stedi.contracts import Contract
from stedi.landing.files import LandingFile, list_files
from stedi.landing.loads import Difference, Load, compare, loads_batch, read_loads
from stedi.landing.parse import Parsed, Parser
from stedi.pipeline.work import Built, Work, damage
from stedi.storage.warehouse import Version
from stedi.transforms import MACHINERY_COLUMNS


@dataclass
class _Source:
    """A landing table that has to be read: all files anew, or new files added."""

    contract: Contract
    files: Sequence[LandingFile]
    known: Sequence[str]
    reason: str
    anew: bool
    difference: Difference
    parsed: Parsed | None = None


class Landing:
    """Reads what is new in the landing zone, and commits it."""

    def __init__(self, work: Work, scratch: Path, pool: Executor) -> None:
        self.work, self.warehouse, self.declarations = work, work.warehouse, work.declarations
        self.parsers = {
            contract.name: Parser(work.warehouse.root, contract, work.fingerprinter, scratch, pool)
            for contract in work.declarations.landing
        }

    def begin(self) -> None:
        """Begin to read all landing files while the catalog is being made."""
        for contract in self.declarations.landing:
            files = list_files(self.warehouse.root, str(contract.source))
            self.parsers[contract.name].begin(files)

    def bring_up_to_date(self) -> None:
        """Parse what is new in the landing zone, and commit it."""
        loads_version = self.warehouse.version("loads")
        if loads_version and self._is_damaged(loads_version, self.warehouse.version("quarantine")):
            loads_version = None  # nothing that was noted can be relied on: read everything again
        loads = read_loads(file.path for file in loads_version.files) if loads_version else []
        noted = loads_version.notes if loads_version else {}
        load = 1 + max((one.load for one in loads), default=0)
        sources: list[_Source] = []
        touched: list[Load] = []
        for contract in self.declarations.landing:
            source, difference = self._plan(contract, loads, noted)
            touched += difference.touched
            if source:
                sources.append(source)
        if not sources and not touched and loads_version:
            return
        for source in sources:
            self._parse(source, load)
        committed = {s.contract.name: self._commit_typed(s) for s in sources}
        self._commit_quarantine(sources, loads)
        snapshots = {**noted.get("typed", {})}
        snapshots |= {name: version.snapshot_id for name, version in committed.items()}
        self._commit_loads(_merge(loads, touched, sources, load), snapshots)

    @staticmethod
    def _is_damaged(*versions: Version | None) -> bool:
        return any(version is None or damage(version) for version in versions)

    def _plan(
        self, contract: Contract, loads: Sequence[Load], noted: Mapping[str, Any]
    ) -> tuple[_Source | None, Difference]:
        assert contract.source is not None
        own = [load for load in loads if load.source == contract.source]
        files = list_files(self.warehouse.root, contract.source)
        difference = compare(
            self.warehouse.root, contract.source, files, own, self.work.fingerprinter
        )
        version = self.warehouse.version(contract.name)
        reason = self._why_anew(contract, version, noted, difference)
        if reason:
            return _Source(contract, files, [], reason, True, difference), difference
        if difference.new:
            known = [load.fingerprint for load in own if load.state == "read"]
            reason = f"{len(difference.new)} new files"
            return _Source(contract, difference.new, known, reason, False, difference), difference
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
        if noted.get("typed", {}).get(contract.name) != version.snapshot_id:
            return "not as the last run left it"
        if version.notes.get("declaration") != self.declarations.fingerprint(contract.name):
            return "its contract changed"
        if difference.changed or difference.gone:
            return f"{len(difference.changed)} files changed, {len(difference.gone)} gone"
        return damage(version)

    def _parse(self, source: _Source, load: int) -> None:
        contract = source.contract
        self.work.progress(f"{contract.name}: reading {len(source.files)} files")
        begin = time.monotonic()
        source.parsed = self.parsers[contract.name].parse(
            source.files,
            source.known,
            load,
            self.work.target(contract.name, contract.columns),
            self.work.target("quarantine", MACHINERY_COLUMNS["quarantine"]),
        )
        rows = sum(parquet.count_rows(path) for path in source.parsed.typed)
        seconds = time.monotonic() - begin
        self.work.built.append(Built(contract.name, source.reason, rows, seconds))

    def _commit_typed(self, source: _Source) -> Version:
        assert source.parsed is not None
        contract = source.contract
        before = self.warehouse.version(contract.name)
        kept = () if source.anew or before is None else before.files
        notes = {
            "declaration": self.declarations.fingerprint(contract.name),
            "files": self.work.fingerprints(source.parsed.typed, before if kept else None),
        }
        return self.warehouse.commit(
            contract.name, source.parsed.typed, notes, keep={file.uri for file in kept}
        )

    def _commit_quarantine(self, sources: Sequence[_Source], loads: Sequence[Load]) -> None:
        before = self.warehouse.version("quarantine")
        kept = list(before.files) if before else []
        for source in sources:
            if source.anew:
                name = f"{source.contract.source}.parquet"
                kept = [file for file in kept if file.path.name != name]
        added = [path for s in sources if s.parsed for path in s.parsed.quarantine]
        if before and not added and len(kept) == len(before.files):
            return
        self.work.target("quarantine", MACHINERY_COLUMNS["quarantine"])
        notes = {"files": self.work.fingerprints(added, before)}
        self.warehouse.commit("quarantine", added, notes, keep={file.uri for file in kept})

    def _commit_loads(self, loads: Sequence[Load], typed: Mapping[str, int]) -> None:
        target = self.work.target("loads", MACHINERY_COLUMNS["loads"])
        path = target.folder / "loads.parquet"
        paths = [path] if parquet.write_batches([loads_batch(loads)], target.fields, path) else []
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

"""Brings the typed tables up to date with the landing zone.

`loads` is committed after the tables it describes: a source whose typed table is not at the
snapshot that `loads` notes is read again from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stedi import parquet
from stedi.contracts import Contract, Rule
from stedi.errors import StorageError
from stedi.keyed import counts_rows_of
from stedi.landing.aside import take_out
from stedi.landing.files import LandingFile, list_files
from stedi.landing.loads import Difference, Load, compare, load_rows, read_loads
from stedi.landing.parse import Job, Parsed, parse
from stedi.parquet import ParquetFile, RowWriter
from stedi.pipeline.rules import count, hold_to_contract
from stedi.pipeline.work import Built, How, Work, damage, short_name
from stedi.storage.warehouse import DataFile, Version
from stedi.transforms import MACHINERY_COLUMNS


@dataclass
class _Source:
    """A landing table that has to be read: all files anew, or some.

    `kept` are typed files that stay, `outdated` the landing files whose pieces leave the
    quarantine; None is all.
    """

    contract: Contract
    files: Sequence[LandingFile]
    known: Mapping[str, int]
    reason: str
    difference: Difference
    kept: tuple[DataFile, ...] = ()
    outdated: frozenset[str] | None = None
    parsing: Future[Parsed] | None = None
    parsed: Parsed | None = None

    @property
    def anew(self) -> bool:
        """Whether everything is read."""
        return self.outdated is None


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
        snapshots |= {name: version.content for name, version in committed.items()}
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
        if reason is None and version is not None:
            again = {load.file for load in own if self._is_read_again(load)}
            if not (again or difference.new or difference.changed or difference.gone):
                return None, difference
            source = _some(contract, version, own, files, difference, again)
            if source:
                return source, difference
            reason = "not as the last run left it"
        return _Source(contract, files, {}, str(reason), difference), difference

    def _is_read_again(self, load: Load) -> bool:
        """Whether a file that was set aside whole is accepted now."""
        is_bad = load.state == "read" and load.verdict == "bad"
        return is_bad and self.work.options.accepts_bad_files

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
        if noted.get("typed", {}).get(contract.name) != version.content:
            return "not as the last run left it"
        if version.notes.get("declaration") != self.declarations.fingerprint(contract.name):
            return "its contract changed"
        other = (load.fingerprint for load in self._loads if load.source == contract.source)
        if difference.new and not all(map(self.work.fingerprinter.can_compare, other)):
            # A new file could be a copy of one that was read, and nobody could tell.
            return "it was read with another secret (STEDI_SECRET)"
        return damage(version)

    def _parse(self, source: _Source) -> None:
        self.work.progress(f"{source.contract.name}: reading {len(source.files)} files")
        assert source.parsing is not None
        source.parsed = source.parsing.result()
        new = sum(parquet.count_rows(path) for path in source.parsed.typed)
        rows = new + sum(file.rows for file in source.kept)
        before = self.warehouse.version(source.contract.name)
        is_swap = before is not None and len(source.kept) < len(before.files)
        changed: How = "swap" if is_swap else "append" if source.parsed.typed else "no change"
        how: How = "rebuild" if source.anew else changed
        seconds = time.monotonic() - self._began
        self.work.built.append(Built(source.contract.name, source.reason, rows, seconds, how))

    def _commit_typed(self, source: _Source) -> Version:
        assert source.parsed is not None
        contract, engine = source.contract, self.work.engine
        before, typed = self.warehouse.version(contract.name), source.parsed.typed
        kept = source.kept
        grows = before is not None and not source.anew and len(kept) == len(before.files)
        recount = (lambda rule: self._recount(contract, rule, before, typed)) if grows else None
        if not grows:
            self._declare(contract, [*(file.path for file in kept), *typed])
        merged = before.notes.get("merged", {}) if before else {}
        names = {short_name(file.path) for file in kept}
        notes = {
            # What is required the parser has seen to.
            "notes": hold_to_contract(contract, (), self.declarations, engine, recount),
            "declaration": self.declarations.fingerprint(contract.name),
            "files": self.work.fingerprints(typed, before, kept),
            "merged": {name: parts for name, parts in merged.items() if name in names},
        }
        is_same = grows and not typed
        return self.warehouse.commit(
            contract.name,
            typed,
            notes,
            keep={file.uri for file in kept},
            content=before.content if is_same and before else None,
        )

    def _recount(
        self, contract: Contract, rule: Rule, before: Version | None, new: Sequence[Path]
    ) -> int:
        """What a rule counts in a table that only grows; in its new files, where that adds up."""
        adds_up = before is not None and counts_rows_of(self.declarations, contract.name, rule)
        noted = before.notes["notes"] if before and adds_up else []
        kept = before.files if before and not adds_up else ()
        self._declare(contract, [*(file.path for file in kept), *new])
        found = count(self.work.engine, self.declarations.rule(contract.name, rule))
        return found + sum(int(one["count"]) for one in noted if one["code"] == rule.name)

    def _declare(self, contract: Contract, files: Sequence[Path]) -> None:
        self.work.engine.declare(contract.name, contract.columns, [str(path) for path in files])

    def _commit_quarantine(self) -> None:
        before = self.warehouse.version("quarantine")
        target = self.work.target("quarantine", MACHINERY_COLUMNS["quarantine"])  # so it is made
        outdated = {str(s.contract.source): s.outdated for s in self._sources}
        kept, added = [], [path for s in self._sources if s.parsed for path in s.parsed.quarantine]
        folder = target.folder.with_name(f"{target.folder.name}-kept")
        is_all = len(outdated) == len(self.declarations.landing) and not any(outdated.values())
        present = before.files if before and not is_all else ()
        for number, file in enumerate(present):
            path = folder / f"part-{number}.parquet"
            rest = take_out(file.path, outdated, ParquetFile(path, target.fields))
            if rest is None:
                kept.append(file)
            else:
                added += rest
        if before and not added and len(kept) == len(before.files):
            return
        notes = {"files": self.work.fingerprints(added, before, kept)}
        self.warehouse.commit("quarantine", added, notes, keep={file.uri for file in kept})

    def _commit_loads(self, loads: Sequence[Load], typed: Mapping[str, int]) -> None:
        target = self.work.target("loads", MACHINERY_COLUMNS["loads"])
        writer = RowWriter(target.folder / "loads.parquet", target.fields)
        for row in load_rows(loads):
            writer.add(row, 200)
        paths = writer.close()
        notes = {"typed": typed, "files": self.work.fingerprints(paths)}
        self.warehouse.commit("loads", paths, notes)


def _some(
    contract: Contract,
    version: Version,
    own: Sequence[Load],
    files: Sequence[LandingFile],
    difference: Difference,
    again: Iterable[str],
) -> _Source | None:
    """What has to be read where some files are new, changed or gone.

    Typed files that hold records of a file that changed or is gone are made anew: whatever else
    they hold is read again. None where one of them can't be found.
    """
    read = {load.file: load for load in own if load.state == "read"}
    changed = {file.name for file in difference.changed} | {load.file for load in difference.gone}
    lost = {name for name in {*changed, *again} if name in read}
    merged = version.notes.get("merged", {})
    held_by = {
        part: file
        for file in version.files
        for part in merged.get(short_name(file.path), [file.path.stem])
    }
    holding: set[DataFile] = set()
    while True:
        parts = {part for name in lost for part in read[name].parts.split()}
        if not parts <= held_by.keys():
            return None
        hit = {held_by[part] for part in parts}
        if hit == holding:
            break
        holding = hit
        touched = {part for part, file in held_by.items() if file in holding}
        lost |= {name for name, load in read.items() if touched & {*load.parts.split()}}
    prints = {read[name].fingerprint for name in lost}
    copies = {load.file for load in own if load.state == "copy" and load.fingerprint in prints}
    wanted = {file.name for file in (*difference.new, *difference.changed)} | lost | copies
    known = {load.fingerprint: load.size for name, load in read.items() if name not in lost}
    counts = {
        "new": len(difference.new),
        "changed": len(difference.changed),
        "gone": len(difference.gone),
    }
    said = [f"{number} {what}" for what, number in counts.items() if number]
    reason = f"{', '.join(said)} landing files" if said else f"{len([*again])} bad files accepted"
    return _Source(
        contract,
        [file for file in files if file.name in wanted],
        known,
        reason,
        difference,
        tuple(file for file in version.files if file not in holding),
        frozenset(lost | wanted),
    )


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

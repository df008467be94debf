"""Updates the typed tables from the landing zone.

`loads` is committed after the tables it describes: a source whose typed table is not at the
snapshot that `loads` notes is read again from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path

from stedi import parquet
from stedi.declared.contract import Contract
from stedi.declared.machinery import MACHINERY
from stedi.engines.crew import Threads
from stedi.events import done
from stedi.landing.erased import read_erased
from stedi.landing.files import LandingFile, Unreadable
from stedi.landing.loads import Load
from stedi.landing.parse import Job, Parsed, parse
from stedi.landing.quarantine import remove_records
from stedi.landing.reader import are_few
from stedi.parquet import ParquetFile, RowWriter
from stedi.progress import expect
from stedi.roots import footer_source
from stedi.roots.names import landing_folder
from stedi.run.earlier import figures_so_far
from stedi.run.options import Built, How
from stedi.run.readings import LandingPlan, Reading
from stedi.run.rules import hold_to_contract
from stedi.run.settle import first_loads, settle
from stedi.run.work import Work
from stedi.storage.notes import Figures, LandingNotes, LoadsNotes, Notes
from stedi.storage.warehouse import Version, short_name
from stedi.text import counted


@dataclass
class _Source:
    """A landing table that is being read."""

    reading: Reading
    parsing: Future[Parsed]

    @property
    def contract(self) -> Contract:
        return self.reading.contract

    settled: Parsed | None = None

    @property
    def parsed(self) -> Parsed:
        """What reading gave; waits for it."""
        return self.settled or self.parsing.result()


class Landing:
    """Reads what is new in the landing zone, and commits it."""

    def __init__(self, work: Work, plan: LandingPlan, pool: Executor) -> None:
        self.work, self.warehouse, self.declarations = work, work.warehouse, work.declarations
        self._plan, self._pool = plan, pool
        self._sources: list[_Source] = []
        self._began = 0.0
        self._earlier: tuple[Figures, ...] = ()

    def begin(self) -> None:
        """Begin to read in the background."""
        self._began = time.monotonic()
        is_scanned = any(not are_few(reading.files) for reading in self._plan.readings)
        if is_scanned and isinstance(self.work.engine.crew, Threads):
            # It loads under Python's lock, as modules do: once it is there, they can load beside.
            from stedi.landing import columns

            columns.prepare()
        files = [file for reading in self._plan.readings for file in reading.files]
        if files:
            self.work.progress(f"reading {counted(len(files), 'file')}")
        if isinstance(self.work.engine.crew, Threads):  # others read elsewhere, unseen
            expect(sum(file.size for file in files), "bytes")
        for reading in self._plan.readings:
            self._sources.append(_Source(reading, self._begin(reading)))

    def _begin(self, reading: Reading) -> Future[Parsed]:
        return self._pool.submit(
            parse,
            self.warehouse.files,
            reading.contract,
            self.work.fingerprinter,
            self.work.engine.crew,
            self._job(reading),
        )

    def finish(self) -> None:
        """Wait for all that was begun, and commit it."""
        if not self._plan:
            return
        self._earlier = figures_so_far(self.work, self._plan.loads)
        self._parse_all()
        self.work.progress("checking and storing what was read")
        committed = {s.contract.name: self._commit_typed(s) for s in self._sources}
        self._commit_quarantine()
        snapshots = {**self._plan.noted.typed} if self._plan.noted else {}
        snapshots |= {name: version.content for name, version in committed.items()}
        loads = _merge(self._plan, self._sources, self._load)
        self._commit_loads(loads, snapshots)

    @property
    def _load(self) -> int:
        return 1 + max((load.load for load in self._plan.loads), default=0)

    def _job(self, reading: Reading) -> Job:
        accepted = [load for load in self._plan.loads if load.verdict == "accepted"]
        named = {load.file: load for load in accepted if load.source == reading.contract.source}

        def is_accepted(file: LandingFile) -> bool:
            load = named.get(file.name)
            return load is not None and (load.is_of(file) or self._was_cut(load.source, file))

        return Job(
            reading.files,
            reading.known,
            self._load,
            self.work.target(reading.contract.name, reading.contract.columns),
            self.work.target("quarantine", MACHINERY["quarantine"]),
            accepted=frozenset(
                {load.fingerprint for load in accepted}
                | {file.name for file in reading.files if is_accepted(file)}
            ),
            accept_bad_files=reading.contract.source in self.work.options.accept_bad_files,
            copies=frozenset(
                load.file
                for load in self._plan.loads
                if load.source == reading.contract.source and load.state == "copy"
            ),
        )

    def _was_cut(self, source: str, file: LandingFile) -> bool:
        """Whether a file is what we left of it, when records were taken out of it."""
        files = self.warehouse.files
        path = landing_folder(files.root, source) / file.name
        fingerprint = self.work.fingerprinter.of_file(path, files.open)
        return bool(read_erased(files).of_file(source, fingerprint))

    def _parse_all(self) -> None:
        """Wait for what was read; raises `Unreadable` once all that can't be read is known."""
        built, unreadable = len(self.work.built), dict[Path, str]()
        for source in self._sources:
            try:
                self._parse(source)
            except Unreadable as error:
                unreadable |= error.found
        if unreadable:
            del self.work.built[built:]
            raise Unreadable.of(unreadable)

    def _parse(self, source: _Source) -> None:
        self._settle(source)
        files = self.warehouse.files
        new = sum(parquet.count_rows(footer_source(files, path)) for path in source.parsed.typed)
        rows = new + sum(file.rows for file in source.reading.kept)
        is_same = source.reading.how == "append" and not source.parsed.typed
        how: How = "no change" if is_same else source.reading.how
        seconds = time.monotonic() - self._began
        self.work.built.append(
            Built(source.contract.name, source.reading.reason, rows, seconds, how)
        )
        set_aside = source.parsed.quarantine
        done(
            "table.read",
            source=source.contract.source,
            table=source.contract.name,
            files=len(source.reading.files),
            records=sum(file.records for file in source.parsed.files),
            set_aside=sum(parquet.count_rows(footer_source(files, path)) for path in set_aside),
            rows=rows,
            how=how,
            seconds=round(seconds, 3),
            reason=source.reading.reason,
        )

    def _settle(self, source: _Source) -> None:
        """Take out records that came before, in an earlier file."""
        files, reading = self.warehouse.files, source.reading
        contract = reading.contract
        settled = settle(
            files,
            reading,
            source.parsed,
            self._plan.loads,
            self._load,
            lambda: self.work.target(contract.name, contract.columns),
            is_declared=reading.before is not None
            and reading.before.is_declared_by(self.declarations.fingerprint(contract.name)),
        ).parsed
        if settled is None:
            self.work.progress(
                f"reading all files of {contract.source} again, since some came before others"
            )
            source.parsed.remove(files)
            reason = "files that are read again came before others with the same records"
            source.reading = replace(
                reading, files=reading.listed, known={}, kept=(), outdated=None, reason=reason
            )
            source.parsing = self._begin(source.reading)
            self._settle(source)
        else:
            source.settled = settled

    def _commit_typed(self, source: _Source) -> Version:
        contract, engine = source.contract, self.work.engine
        before, typed = self.warehouse.version(contract.name), source.parsed.typed
        kept = source.reading.kept
        if contract.rules or any(column.unique for column in contract.columns):
            paths = [str(path) for path in (*(file.path for file in kept), *typed)]
            engine.declare(contract.name, contract.columns, paths)
        merged = before.landing.merged if before and before.landing else {}
        names = {short_name(file.path) for file in kept}
        notes = LandingNotes(
            files=self.work.fingerprints(typed, before, kept),
            declaration=self.declarations.fingerprint(contract.name),
            # What is required the parser has seen to.
            notes=hold_to_contract(contract, (), self.declarations, engine),
            merged={name: parts for name, parts in merged.items() if name in names},
        )
        is_same = source.reading.how == "append" and not typed
        return self.warehouse.commit(
            contract.name,
            typed,
            notes,
            keep={file.uri for file in kept},
            content=before.content if is_same and before else None,
        )

    def _commit_quarantine(self) -> None:
        before = self.warehouse.version("quarantine")
        target = self.work.target("quarantine", MACHINERY["quarantine"])  # so it is made
        outdated = {str(s.contract.source): s.reading.outdated for s in self._sources}
        kept, added = [], [path for s in self._sources for path in s.parsed.quarantine]
        folder = target.folder.with_name(f"{target.folder.name}-kept")
        is_all = len(outdated) == len(self.declarations.landing)
        is_all = is_all and all(names is None for names in outdated.values())
        present = before.files if before and not is_all else ()
        self.warehouse.files.fetch([file.path for file in present])
        if before:
            self.work.refuse_changed([(before, present)])
        for number, file in enumerate(present):
            path = folder / f"part-{number}.parquet"
            rest = remove_records(file.path, outdated, ParquetFile(path, target.fields))
            if rest is None:
                kept.append(file)
            else:
                added += rest
        if before and not added and len(kept) == len(before.files):
            return
        notes = Notes(self.work.fingerprints(added, before, kept))
        self.warehouse.commit("quarantine", added, notes, keep={file.uri for file in kept})

    def _commit_loads(self, loads: Sequence[Load], typed: Mapping[str, int]) -> None:
        target = self.work.target("loads", MACHINERY["loads"])
        writer = RowWriter(target.folder / "loads.parquet", target.fields)
        for load in loads:
            writer.add(load.values, 200)
        paths = writer.close()
        quarantine = self.warehouse.version("quarantine")
        notes = LoadsNotes(
            files=self.work.fingerprints(paths),
            typed=typed,
            quarantine=quarantine.content if quarantine else None,
            earlier=self._earlier,
        )
        self.warehouse.commit("loads", paths, notes)


def _merge(plan: LandingPlan, sources: Sequence[_Source], load: int) -> list[Load]:
    """The loads after a run: one for each file that was ever read, the newest of each."""
    merged = {(load.source, load.file): load for load in (*plan.loads, *plan.touched)}
    for source in sources:
        assert source.contract.source
        name = source.contract.source
        first = first_loads(plan.loads, name)
        for gone in source.reading.difference.gone:
            merged[name, gone.file] = replace(gone, state="gone", parts="")
        for read in source.parsed.files:
            since = first.get(read.file.name, load)
            merged[name, read.file.name] = Load.of(name, read, load, since)
        _date_copies(merged, [read.file.name for read in source.parsed.files if read.is_copy], name)
    return [merged[key] for key in sorted(merged)]


def _date_copies(loads: dict[tuple[str, str], Load], copies: Sequence[str], source: str) -> None:
    """Let copies have arrived when the file did that was read, since their content did."""
    if copies:
        own = [load for load in loads.values() if load.source == source]
        arrived = {load.fingerprint: load.arrived for load in own if load.state == "read"}
        for name in copies:
            copy = loads[source, name]
            loads[source, name] = replace(copy, arrived=arrived.get(copy.fingerprint, copy.arrived))

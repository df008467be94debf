"""Whether all counts reconcile: tables, sources, steps and files as they are now.

No count is computed from another: records come from the load's count of each file, loaded rows from
the typed table's manifests, quarantined records from the rows of `quarantine`, rows in and dropped
from queries at the time, rows kept from manifests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from stedi import parquet
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import StorageError, UsageError
from stedi.events import measure
from stedi.landing.erased import read_erased
from stedi.landing.files import LandingFile, is_unread, list_readable
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import Load, read_loads
from stedi.landing.oddities import Oddities, from_json, told, unknown_keys, wrappers
from stedi.landing.quarantined_share import too_much_quarantined
from stedi.roots import footer_source
from stedi.roots.names import boxes_folder, erasure_file, landing_folder
from stedi.storage.figures import figures, noted_figures, unusual
from stedi.storage.last_run import last_run
from stedi.storage.notes import LoadsNotes, Note
from stedi.storage.suspensions import SUSPENDED, why_outdated
from stedi.storage.unmatched import unmatched
from stedi.storage.warehouse import Version, Warehouse, short_name
from stedi.storage.withdrawals import outdated_publications
from stedi.text import counted

_DAMAGE = (OSError, ValueError, LookupError, pa.ArrowException)
"""What reading a Parquet file raises that was cut off or changed."""
REDELIVERED = "re-delivered"
"""Why records are dropped that came in an earlier file."""
_KEYS_NAMED = _FILES_NAMED = 8
_CLOCKS_DIFFER = timedelta(minutes=5)
Freshness = Literal["fresh", "stale", "missing"]


class TableStatus(BaseModel):
    """A table's newest snapshot; `why` says what makes it out of date."""

    zone: str
    rows: int | None
    freshness: Freshness
    location: str
    snapshot: str | None
    why: str | None = None


class SourceStatus(BaseModel):
    """What a source's landing files held; copies are in neither `files` nor `records`.

    `records` are those delivered: loaded, quarantined, or `dropped` by reason.
    """

    files: int
    records: int
    loaded: int
    quarantined: dict[str, int]
    dropped: dict[str, int] = {}
    unread: int = 0
    copies: list[str] = []


class StepStatus(BaseModel):
    """A derived table's sum: rows in, and those that noise added, are rows kept and rows dropped.

    `noise` is None where counts are true, and below none where it took rows away. `adds_up` is None
    for a SELECT that groups, where no such sum can be.
    """

    in_: int = Field(serialization_alias="in")
    kept: int
    dropped: dict[str, int]
    adds_up: bool | None
    noise: int | None = None


class Times(BaseModel):
    """When what happened last, in UTC; None for never, or none.

    `last_run` ended well, whatever it had to do. `newest_delivery` and `oldest_unread` are landing
    files by their times of modification; one that changed since it was read is unread.
    """

    last_run: datetime | None = None
    last_commit: datetime | None = None
    newest_delivery: datetime | None = None
    oldest_unread: datetime | None = None

    def late(self, max_age: float, now: datetime) -> list[str]:
        """Why what there is may be older than so many seconds; nothing where it isn't."""
        why, most = [], timedelta(seconds=max_age)
        if self.last_run is None:
            why.append("no run has ended well yet")
        elif now - self.last_run > most:
            why.append(f"no run has ended well since {_shown(self.last_run)}")
        elif self.last_run - now > _CLOCKS_DIFFER:
            why.append(f"the last run ended at {_shown(self.last_run)}, by a clock set otherwise")
        if self.oldest_unread is not None and now - self.oldest_unread > most:
            why.append(f"a landing file of {_shown(self.oldest_unread)} is not read yet")
        return why


class Status(BaseModel):
    """The state of a lakehouse; `ok` is whether there are no problems. Being out of date is none.

    `version` is that of the program. `late` says why it may be older than was asked for.
    """

    ok: bool
    version: str
    profile: str
    times: Times
    late: list[str] = []
    tables: dict[str, TableStatus]
    sources: dict[str, SourceStatus]
    steps: dict[str, StepStatus]
    notes: list[Note]
    problems: list[str]

    def refuse_stale(self, table: str) -> None:
        """Raise `UsageError` where a table is out of date."""
        if why := self.tables[table].why:
            raise UsageError(f"{table} is out of date, {why}; run `stedi run` first")


def status(
    warehouse: Warehouse,
    declarations: Declarations,
    *,
    verify: bool = False,
    max_age: float | None = None,
    version: str = "",
) -> Status:
    """Compare what was noted with what is there; with `verify` every file is read again.

    With `max_age`, in seconds, it is said why what is there may be older. `version` is of stedi.
    """
    result = _Inspection(warehouse, declarations, verify).result(version)
    now, times = datetime.now(UTC), result.times
    if max_age is not None:
        result.late = times.late(max_age, now)
    for name, since in (("staleness", times.oldest_unread), ("last_run", times.last_run)):
        if since is not None:
            measure(f"stedi.{name}.seconds", max((now - since).total_seconds(), 0))
    return result


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


class _Inspection:
    def __init__(self, warehouse: Warehouse, declarations: Declarations, verify: bool) -> None:
        self.warehouse, self.declarations, self.verify = warehouse, declarations, verify
        self.files = warehouse.files
        self.files.unread.clear()
        self.is_running = warehouse.make_lock().is_held
        self.versions = {name: warehouse.version(name) for name in declarations.schemas}
        self.fingerprinter = Fingerprinter.of_user() if verify else None
        loads = self.versions["loads"]
        self.problems: list[str] = []
        self.loads: list[Load] = []
        self.erased = read_erased(self.files)
        self._delivered: list[int] = []
        self._waiting: list[int] = []
        with self._noting_damage():
            self.loads = (
                read_loads(self.files, [file.path for file in loads.files]) if loads else []
            )
        self.stale_because: dict[str, str] = dict.fromkeys(
            outdated_publications(warehouse, declarations), "people in it have withdrawn since"
        )
        if why := why_outdated(warehouse, declarations):
            self.stale_because[SUSPENDED] = why

    def result(self, of_program: str) -> Status:
        for version in self.versions.values():
            if version:
                self.problems += self._file_problems(version)
        empty = unmatched(self.warehouse, self.declarations).items()
        self.problems += [f"table {table}: {why}" for table, why in empty]
        sources = {c.source or "": self._source(c) for c in self.declarations.landing}
        steps = {}
        for table in self.declarations.transforms:
            version = self.versions[table]
            if version and (step := self._step(version)):
                steps[table] = step
        # A table is out of date where one that it is made from is: so these are looked at first.
        order = [*(c.name for c in self.declarations.landing), *self.declarations.transforms]
        states = {name: self._table(self.declarations.contracts[name]) for name in order}
        tables = {name: states[name] for name in self.declarations.contracts}
        return Status(
            ok=not self.problems,
            version=of_program,
            times=self._times(),
            profile=self.declarations.profile,
            tables=tables,
            sources=sources,
            steps=steps,
            notes=[*self._notes(sources), *self._unusual(sources)],
            problems=self.problems,
        )

    def _times(self) -> Times:
        committed = [version.committed for version in self.versions.values() if version]
        return Times(
            last_run=last_run(self.files),
            last_commit=_time(max(committed) * 1_000_000) if committed else None,
            newest_delivery=_time(max(self._delivered, default=None)),
            oldest_unread=_time(min(self._waiting, default=None)),
        )

    def _file_problems(self, version: Version) -> Iterator[str]:
        noted = version.notes.files
        sizes = self.files.sizes([file.path for file in version.files])
        for file, size in zip(version.files, sizes, strict=True):
            folder = self.files.name(file.path.parent)
            name = f"table {version.table}, file {file.path.name} in {folder}"
            if size is None:
                yield f"{name}: missing; {self._remedy(version.table)}"
                continue
            if size != file.size:
                yield (
                    f"{name}: has {size:,} bytes, not {file.size:,}; {self._remedy(version.table)}"
                )
            elif self.fingerprinter:
                fingerprint = noted.get("/".join(file.path.parts[-2:]))
                remedy = self._remedy(version.table, " --full")
                any_secret = not self._is_private(version.table)  # the budget needs its own
                yield from self._content_problems(name, fingerprint, file.path, remedy, any_secret)
        if version.published and version.published.boxes:
            yield from self._boxes_problems(version, version.published.boxes)

    def _remedy(self, table: str, full: str = "") -> str:
        """What rebuilds a table's file; `full` is how a run does, if it has to be told."""
        verb = "release DIR --private" if self._is_private(table) else f"run{full}"
        return f"`stedi {verb}` rebuilds it"

    def _is_private(self, table: str) -> bool:
        """Whether it is the table of a private release, which no run makes."""
        return any(private.table == table for _, private in self.declarations.private)

    def _boxes_problems(self, version: Version, name: str) -> Iterator[str]:
        path = boxes_folder(self.files.root) / name
        what = f"table {version.table}, its table of boxes {self.files.name(path)}"
        noted = version.notes.files.get(short_name(path))
        if self.files.stat(path) is None:
            yield f"{what}: missing; `stedi run` rebuilds it"
        elif noted is not None and self.fingerprinter:
            yield from self._content_problems(what, noted, path, "`stedi run --full` rebuilds it")
        elif self.verify:  # an earlier version of stedi noted nothing
            try:
                self.files.fetch([path])
                parquet.read(path)
            except _DAMAGE:
                yield f"{what}: damaged; `stedi run --full` rebuilds it"

    def _content_problems(
        self, name: str, noted: str | None, path: Path, remedy: str, any_secret: bool = True
    ) -> Iterator[str]:
        assert self.fingerprinter is not None
        if noted is None:
            yield f"{name}: was not written by stedi; {remedy}"
        elif not self.fingerprinter.can_compare(noted):
            yield (
                f"{name}: can't be verified without the secret it was written with; set "
                f"STEDI_SECRET to that one{f', or with this one {remedy}' if any_secret else ''}"
            )
        else:
            try:
                now = self.fingerprinter.of_file(path, self.files.open)
            except OSError as error:
                why = error.strerror or type(error).__name__
                yield f"{name}: can't be read: {why}; let stedi's user read it"
                return
            if now != self.fingerprinter.renewed(noted):
                yield f"{name}: its content was changed; {remedy}"

    def _source(self, contract: Contract) -> SourceStatus:
        source = contract.source or ""
        loads = [load for load in self.loads if load.source == source]
        files = {file.name: file for file in list_readable(self.files, source)}
        self.problems += self._unread_problems(source)
        self._compare_landing(contract, loads, files)
        read_as = {load.file: load for load in loads if load.state != "gone"}
        for name, file in files.items():
            self._delivered.append(file.modified)
            if name not in read_as or not read_as[name].matches(file):
                self._waiting.append(file.modified)
        version, noted = self.versions[contract.name], self.versions["loads"]
        read = [load for load in loads if load.state == "read"]
        erased = self.erased.of_source(source, (load.fingerprint for load in read))
        repeated = sum(load.repeated for load in read) if contract.redelivered == "once" else 0
        dropped = erased | ({REDELIVERED: repeated} if repeated else {})
        result = SourceStatus(
            files=len(read),
            records=sum(load.records for load in read) + sum(erased.values()),
            loaded=version.rows if version else 0,
            quarantined=dict(sorted(self._quarantined.get(source, {}).items())),
            dropped=dropped,
            unread=self._unread(contract, loads, files),
            copies=[load.file for load in loads if load.state == "copy"],
        )
        if self.is_running:
            return result
        typed = noted.notes.typed if noted and isinstance(noted.notes, LoadsNotes) else {}
        if version and noted and typed.get(contract.name) != version.content:
            self.problems.append(_not_as_left(contract.name))
        if why := self._too_much_aside(contract):
            self.problems.append(why)
        quarantined = sum(result.quarantined.values())
        dropped_records = sum(dropped.values())
        if result.records != result.loaded + quarantined + dropped_records:
            left_out = f" and {dropped_records:,} dropped" if dropped else ""
            self.problems.append(
                f"source {source}: {result.records:,} records in its files, but "
                f"{result.loaded:,} rows in {contract.name}, {quarantined:,} quarantined{left_out}"
            )
        return result

    def _unread_problems(self, source: str) -> Iterator[str]:
        """What of a landing folder can't be read."""
        folder = landing_folder(self.files.root, source)
        for path, why in sorted(self.files.unread.items()):
            if path == folder or folder in path.parents:
                yield why

    def _too_much_aside(self, contract: Contract) -> str | None:
        version = self.versions["quarantine"]
        paths = self._present(version) if version else []
        try:
            return too_much_quarantined(self.files, contract, self.loads, paths)
        except _DAMAGE:
            return None  # which is told already

    def _compare_landing(
        self, contract: Contract, loads: list[Load], files: Mapping[str, LandingFile]
    ) -> None:
        folder = landing_folder(self.warehouse.root, contract.source or "")
        for load in loads:
            if load.state == "gone":
                continue
            if is_unread(self.files, folder / load.file):
                continue  # which is reported already
            file, name = files.get(load.file), f"landing file {self.files.name(folder / load.file)}"
            if file is None or not load.matches(file):
                self.stale_because[contract.name] = "landing files changed or are gone"
            if file is None:
                self.problems.append(f"{name}: gone since it was read; `stedi run` takes it out")
            elif not load.matches(file):
                if self._has_same_bytes(load, file, folder / load.file):
                    continue  # restored from a backup, say: the next run notes its time
                self.problems.append(
                    f"{name}: changed since it was read; `stedi run` reads it again"
                )
            elif self.fingerprinter:
                path = folder / load.file
                remedy = "`stedi run --full` reads it again"
                self.problems += self._content_problems(name, load.fingerprint, path, remedy)

    def _has_same_bytes(self, load: Load, file: LandingFile, path: Path) -> bool:
        """Whether only a file's time is another; without `verify` nobody looks."""
        return (
            self.fingerprinter is not None
            and load.size == file.size
            and load.fingerprint == self.fingerprinter.of_file(path, self.files.open)
        )

    def _unread(
        self, contract: Contract, loads: list[Load], files: Mapping[str, LandingFile]
    ) -> int:
        known = {load.file for load in loads if load.state != "gone"}
        unread = sum(name not in known for name in files)
        if unread:
            self.stale_because.setdefault(
                contract.name, f"{counted(unread, 'landing file')} not read yet"
            )
        return unread

    @cached_property
    def _quarantined(self) -> Mapping[str, Mapping[str, int]]:
        """Quarantined records by source and reason, counted in the quarantine's files."""
        version = self.versions["quarantine"]
        reasons: dict[str, Counter[str]] = defaultdict(Counter)
        for path in self._present(version) if version else ():
            try:
                self.files.fetch([path])
                rows = parquet.read(path, ["source", "reason"])
                groups = rows.group_by(["source", "reason"]).aggregate([([], "count_all")])
            except _DAMAGE:
                self.problems.append(
                    f"table quarantine, file {path.name} in {self.files.name(path.parent)}: "
                    "damaged; `stedi run --full` rebuilds it"
                )
                continue
            for group in groups.to_pylist():
                reasons[group["source"]][group["reason"]] += group["count_all"]
        return reasons

    def _present(self, version: Version) -> list[Path]:
        """The files of a table that are there."""
        paths = [file.path for file in version.files]
        sizes = self.files.sizes(paths)
        return [path for path, size in zip(paths, sizes, strict=True) if size is not None]

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            self.problems.append(str(error))

    def _step(self, version: Version) -> StepStatus | None:
        notes, table = version.derived, version.table
        if notes is None:
            self.problems.append(_not_as_left(table))
            return None
        dropped = dict(notes.dropped)
        kept_and_dropped = version.rows + sum(dropped.values())
        noise = version.published.noise if version.published else None
        adds_up = notes.rows_in + (noise or 0) == kept_and_dropped if notes.sums_hold else None
        if adds_up is False:
            self.problems.append(
                f"table {table}: {notes.rows_in:,} rows in, but {version.rows:,} kept and "
                f"{sum(dropped.values()):,} dropped"
                f"{f', where noise made it {noise:+,} rows' if noise is not None else ''}"
            )
        if self.verify:
            rows = self._rows_in_files(version)
            if rows is not None and rows != version.rows:
                self.problems.append(
                    f"table {table}: its files have {rows:,} rows, its manifests {version.rows:,}"
                )
        return StepStatus(
            in_=notes.rows_in, kept=version.rows, dropped=dropped, adds_up=adds_up, noise=noise
        )

    def _rows_in_files(self, version: Version) -> int | None:
        """The rows of a table by its files; None where one can't be read, which is told already."""
        try:
            return sum(
                parquet.count_rows(footer_source(self.files, path))
                for path in self._present(version)
            )
        except _DAMAGE:
            return None

    def _table(self, contract: Contract) -> TableStatus:
        version = self.versions[contract.name]
        why = self._why_stale(contract, version)
        if why:
            self.stale_because[contract.name] = why
        return TableStatus(
            zone=contract.zone,
            rows=version.rows if version else None,
            freshness="missing" if version is None else "stale" if why else "fresh",
            location=version.location
            if version
            else self.files.uri(self.warehouse.root / contract.location),
            snapshot=str(version.snapshot_id) if version else None,
            why=why,
        )

    def _why_stale(self, contract: Contract, version: Version | None) -> str | None:
        if version is None:
            return "not built yet"
        if contract.name in self.stale_because:
            return self.stale_because[contract.name]
        if not version.is_declared_by(self.declarations.fingerprint(contract.name)):
            return "its declarations changed"
        is_derived = contract.name in self.declarations.transforms
        for name in sorted(self.declarations.read_by(contract.name)) if is_derived else ():
            read = self.versions[name]
            if read and version.inputs.get(name) != read.content:
                return f"{name} changed"
            if name in self.stale_because:
                return f"{name} is out of date"
        return None

    def _unusual(self, sources: Mapping[str, SourceStatus]) -> Iterator[Note]:
        """What is unlike earlier runs, once a run is done."""
        if self.is_running:
            return iter(())
        records = {name: s.records for name, s in sources.items()}
        set_aside = {name: sum(s.quarantined.values()) for name, s in sources.items()}
        now = figures(self.warehouse, self.declarations, records, set_aside)
        return unusual(self.declarations, noted_figures(self.versions["loads"]), now)

    def _notes(self, sources: Mapping[str, SourceStatus]) -> list[Note]:
        notes = [
            note
            for table in self.declarations.contracts
            if (version := self.versions[table]) and (noted := version.landing or version.derived)
            for note in noted.notes
        ]
        notes += [
            Note(code="weaker_than_recommended", count=1, text=f"{table}: {weakness}")
            for table, weakness in self.declarations.weaknesses.items()
        ]
        pieces = sum(sum(source.quarantined.values()) for source in sources.values())
        copies = sum(len(source.copies) for source in sources.values())
        unknown = sum(load.unknown_keys for load in self.loads if load.state == "read")
        bad = sum(load.state == "read" and load.verdict == "bad" for load in self.loads)
        is_begun = self.files.stat(erasure_file(self.files.root)) is not None
        odd = {c: self._oddities(c) for c in self.declarations.landing}
        named = [key for contract, found in odd.items() for key in unknown_keys(contract, found)]
        keys = f": {', '.join(named[:_KEYS_NAMED])}" if named else ""
        keys += f" and {len(named) - _KEYS_NAMED:,} more" if len(named) > _KEYS_NAMED else ""
        notes += [
            Note(code=code, count=count, text=text)
            for contract, found in odd.items()
            for code, count, text in told(contract, found)
        ]
        notes += [n for c in self.declarations.landing if (n := self._redelivered(c)) is not None]
        wrapped = "".join(f"; {text}" for c, found in odd.items() for text in wrappers(c, found))
        why = f"quarantined; `stedi quarantine list` says why{wrapped}"
        for code, count, what, text in (
            ("erasure_begun", is_begun, "erasure", "begun and not done: `stedi run` finishes it"),
            ("running", self.is_running, "run", "in progress: tables may be older than others"),
            ("quarantined", pieces, "record", why),
            (
                "bad_files",
                bad,
                "file",
                "quarantined whole; --accept-bad-files loads valid records",
            ),
            ("copies", copies, "landing file", "not counted, with the same bytes as another"),
            ("unknown_keys", unknown, "record", f"with keys that the contract lacks{keys}"),
        ):
            if count:
                notes.append(Note(code=code, count=count, text=f"{counted(count, what)} {text}"))
        return notes

    def _redelivered(self, contract: Contract) -> Note | None:
        """The note on records of a source that came before, in an earlier file."""
        own = [load for load in self.loads if load.source == contract.source]
        again = [load for load in own if load.state == "read" and load.repeated]
        if not again:
            return None
        count = sum(load.repeated for load in again)
        is_once = contract.redelivered == "once"
        what = "not loaded again" if is_once else "loaded again, as the contract declares"
        files = [
            f"{load.file} has {load.repeated:,} of {_listed(load.earlier_files)}"
            for load in sorted(again, key=lambda load: (-load.repeated, load.file))[:_FILES_NAMED]
        ]
        if len(again) > _FILES_NAMED:
            files.append(f"{len(again) - _FILES_NAMED:,} more files")
        text = (
            f"{counted(count, 'record')} of the source {contract.source} re-delivered, equal in "
            f"all columns to one of an earlier file, and {what}: {'; '.join(files)}"
        )
        return Note(code="redelivered", count=count, text=text)

    def _oddities(self, contract: Contract) -> Oddities:
        """What was odd about the records of a source that were read."""
        own = (load for load in self.loads if load.source == contract.source)
        return from_json(load.oddities for load in own if load.state == "read")


def _listed(names: Sequence[str]) -> str:
    """The first names of a list."""
    more = len(names) - _FILES_NAMED
    shown = ", ".join(names[:_FILES_NAMED])
    return f"{shown} and {more:,} more" if more > 0 else shown


def _time(nanoseconds: int | None) -> datetime | None:
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def _not_as_left(table: str) -> str:
    return f"table {table}: is not as the last run left it; `stedi run` rebuilds it"

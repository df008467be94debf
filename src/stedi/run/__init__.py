"""One run: landing files are parsed, then each derived table that is out of date is brought up.

What is committed when a run is killed are whole tables; the next run does what is missing. A run
with nothing to do loads no engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from stedi import events
from stedi.declared import Declarations
from stedi.errors import LandingError, NotAnonymous, StediError, StorageError, UsageError
from stedi.landing.files import Unreadable
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import Load, read_loads
from stedi.landing.removal import Removed, Screen, erased_remark, renamed_remark
from stedi.roots import Files, Lock, Stat
from stedi.roots.names import landing_folder
from stedi.roots.scratch import scratch
from stedi.run import forget, retain
from stedi.run.changes import Touched
from stedi.run.decide import Plan, Planned, make_plan
from stedi.run.options import Built, Options, Progress
from stedi.storage.expire import remove_expired
from stedi.storage.last_run import note_run
from stedi.storage.notes import Left
from stedi.storage.sweep import start_anew, sweep
from stedi.storage.unmatched import unmatched
from stedi.storage.warehouse import Warehouse
from stedi.storage.withdrawals import outdated_publications
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.engines import Engine

__all__ = ["Built", "Left", "Options", "Planned", "RunReport", "Withdrawn", "dry_run", "run"]


@dataclass(frozen=True)
class Withdrawn:
    """Customers who consented before a run and don't any more, and rows of theirs that left.

    A run that publishes reports all who left since the publication before it, `rows` by table.
    `difference` is what a comparison of the two tells (as in the audit); None where these can't be
    compared.
    """

    people: int
    rows: Mapping[str, int]
    difference: Mapping[str, int] | None


@dataclass(frozen=True)
class RunReport:
    """What a run did; no tables where nothing had changed. Logs call it by its number, `run`."""

    run: str
    profile: str
    profile_before: str | None
    built: tuple[Built, ...]
    swept: int
    seconds: float
    withdrawn: Withdrawn | None
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Tables that are published empty, with what is missing."""
    unmatched: Mapping[str, str] = field(default_factory=dict)
    """Tables that are published empty because a join found next to nothing, with the reason."""
    remarks: tuple[str, ...] = ()
    """What could not be done, and that somebody should know of."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Sources of which too much was quarantined, with the cause."""
    unread: tuple[str, ...] = ()
    """Landing files and folders that could not be read, with the reason."""

    @property
    def profile_changed(self) -> bool:
        """Whether the lakehouse was run with another profile before."""
        return self.profile_before not in (None, self.profile)


def run(
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: Callable[[Path, Files], Engine],
    options: Options,
    progress: Progress,
) -> RunReport:
    """Update every table.

    Raises `DeclarationError` before any table is touched, `LandingError`, `RuleBroken`,
    `PairingTooLarge`, `EngineFailed`, `StorageError`, `Locked`, and `NotAnonymous` when all else
    is done.
    """
    options.refuse_unknown(declarations.transforms)
    with holding(warehouse, options.wait) as lock:
        finished = _finished(options) if forget.is_begun(warehouse.files) else ()
        report = run_locked(warehouse, declarations, make_engine, options, progress, lock)
        report = replace(report, remarks=(*report.remarks, *finished))
    # All is done and in order: the lock was given back before this is told as a failure.
    refuse_withheld(report)
    return report


@contextmanager
def holding(warehouse: Warehouse, wait: float) -> Iterator[Lock]:
    """Work on a lakehouse alone; errors of its disk are reported plainly. Raises `Locked`."""
    with failing_plainly(warehouse.name), warehouse.make_lock(wait) as lock:
        warehouse.lock = lock
        yield lock


def run_locked(
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: Callable[[Path, Files], Engine],
    options: Options,
    progress: Progress,
    lock: Lock,
) -> RunReport:
    """Update every table; the caller holds the lock. See `run`.

    What is published empty is in the report, and raises nothing.
    """

    def told(text: str) -> None:
        events.event("progress", logging.DEBUG, text=text)
        progress(text)

    run_id = events.new_run()
    with events.running(run_id), events.stage("run", profile=declarations.profile) as stage:
        events.event("run.started", profile=declarations.profile, full=options.full)
        report = _run_locked(run_id, warehouse, declarations, make_engine, options, told, lock)
        stage["tables"] = len(report.built)
        for remark in (
            *report.remarks,
            *(f"{t}: {w}" for t, w in {**report.unmatched, **report.withheld}.items()),
        ):
            events.event("remark", logging.WARNING, text=remark)
    return report


def _run_locked(
    run_id: str,
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: Callable[[Path, Files], Engine],
    options: Options,
    progress: Progress,
    lock: Lock,
) -> RunReport:
    begun = time.monotonic()
    warehouse.files.remarks.clear()
    warehouse.files.unread.clear()
    _refuse_unusable(warehouse, declarations, options)
    before = warehouse.profile
    warehouse.files.remove_abandoned(last_run_died=lock.last_run_died)
    fingerprinter = Fingerprinter.of_user()
    erasure = forget.read_erasure(warehouse.files)
    has_strays = bool(erasure) or _has_strays(warehouse, lock)
    swept = sweep(warehouse, declarations.locations) if has_strays else 0
    if swept:
        events.event("swept", logging.WARNING, files=swept, reason="the last run did not end well")
    taken: Sequence[Removed] = ()
    if erasure:
        progress("taking records of forgotten people out of the landing zone")
        taken = forget.begin(warehouse.files, erasure, fingerprinter)
    known = {one.path: one.stat for one in taken}
    rewritten = _rewritten(warehouse, declarations)
    with _Engines(warehouse, declarations, make_engine, options, progress) as engines:
        if erasure and taken and not options.full:
            engines.take_rows(erasure, taken)
        progress("looking for what is new")
        with events.stage("plan", logging.DEBUG):
            plan, told = _planned(warehouse, declarations, options, fingerprinter, known)
        _tell_staleness(plan)
        while (
            plan
            or warehouse.checked != declarations.fingerprint_of_all
            or before != declarations.profile
        ):
            from stedi.run.work import Changed

            changed = len(warehouse.changed)
            try:
                engines.execute(plan)
                break
            except Changed:
                if len(warehouse.changed) == changed:
                    raise
                # What is damaged is known now, and rebuilt.
                events.event("files.changed", logging.ERROR, files=len(warehouse.changed) - changed)
            except Unreadable as error:
                _note_unread(warehouse, error)
            engines.close()
            plan, more = _planned(warehouse, declarations, options, fingerprinter, {})
            told += more
        else:
            remove_expired(warehouse, declarations)
    built = engines.built
    if erasure and options.only is None:
        progress("removing snapshots with rows of forgotten people")
        forget.end(warehouse, declarations, erasure)
    retain.end(warehouse, declarations)
    if options.only is None:
        note_run(warehouse.files, run_id)
    ungranted = warehouse.share(_columns_to_share(warehouse, declarations))
    seconds = time.monotonic() - begun
    withdrawn = _withdrawn(warehouse, declarations, built)
    remarks = (
        *_weaker_than_recommended(declarations),
        *warehouse.files.remarks,
        *ungranted,
        *_changed(warehouse),
        *(_rewritten_remark(one.table) for one in built if one.table in rewritten),
        *told,
        *_undeclared(warehouse, declarations),
        *_without_records(warehouse, declarations),
        *_left_in_publication(warehouse, declarations),
    )
    return RunReport(
        run_id,
        declarations.profile,
        before,
        tuple(built),
        swept,
        seconds,
        withdrawn,
        withheld=_withheld(warehouse, declarations),
        unmatched=unmatched(warehouse, declarations),
        remarks=remarks,
        refused=_refused(warehouse, declarations),
        unread=tuple(warehouse.files.unread.values()),
    )


def _columns_to_share(warehouse: Warehouse, declarations: Declarations) -> dict[str, Sequence[str]]:
    """What people may read who may see no identifier: curated tables, without `direct` columns."""
    return {
        name: [column.name for column in contract.columns if column.classification != "direct"]
        for name, contract in declarations.contracts.items()
        if contract.zone == "curated" and warehouse.version(name) is not None
    }


def _tell_staleness(plan: Plan) -> None:
    """Let OpenTelemetry know how long what this run reads has waited."""
    waiting = [file.modified for reading in plan.landing.readings for file in reading.files]
    age = time.time_ns() - min(waiting) if waiting else 0
    events.measure("stedi.staleness.seconds", max(age, 0) / 1e9)


class _Engines:
    """The one engine of a run, made when it is needed, and what it has done."""

    def __init__(
        self,
        warehouse: Warehouse,
        declarations: Declarations,
        make_engine: Callable[[Path, Files], Engine],
        options: Options,
        progress: Progress,
    ) -> None:
        self._warehouse, self._declarations = warehouse, declarations
        self._make, self._options, self._progress = make_engine, options, progress
        self._stack = ExitStack()
        self._made: tuple[Engine, Path] | None = None
        self._touched: Mapping[str, Touched] = {}
        self.built: list[Built] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the engine; a new one is made when it is needed again."""
        self._stack.close()
        self._made, self._touched = None, {}

    def take_rows(self, erasure: forget.Erasure, taken: Sequence[Removed]) -> None:
        """Take rows out of typed tables whose records were taken out of raw files."""
        from stedi.run.execute import sweep_begun
        from stedi.run.take_rows import take_rows
        from stedi.run.work import Work

        engine, folder = self._engine()
        work = Work(self._warehouse, self._declarations, engine, self._options, self._progress)
        try:
            self._touched = take_rows(work, erasure, taken, folder)
        except BaseException:
            with suppress(OSError, StediError):
                sweep_begun(self._warehouse, self._declarations)
            raise
        self.built += work.built

    def execute(self, plan: Plan) -> None:
        """Read and build what is planned."""
        from stedi.run.execute import execute

        engine, _ = self._engine()
        execute(
            self._warehouse,
            self._declarations,
            engine,
            self._options,
            self._progress,
            plan,
            self.built,
            self._touched,
        )

    def _engine(self) -> tuple[Engine, Path]:
        if self._made is None:
            folder = self._stack.enter_context(scratch(self._warehouse.root, "run"))
            engine = self._make(folder, self._warehouse.files)
            self._stack.callback(engine.close)
            self._made = engine, folder
        return self._made


def _planned(
    warehouse: Warehouse,
    declarations: Declarations,
    options: Options,
    fingerprinter: Fingerprinter,
    known: Mapping[Path, Stat | None],
) -> tuple[Plan, list[str]]:
    """What is to be done with what can be read, and the notes on it."""
    while True:
        try:
            return _screened_plan(warehouse, declarations, options, fingerprinter, known)
        except Unreadable as error:
            _note_unread(warehouse, error)


def _note_unread(warehouse: Warehouse, error: Unreadable) -> None:
    """Go on without landing files that can't be read; raises the error where they are known."""
    if not error.is_news(warehouse.files):
        raise error
    warehouse.files.unread.update(error.found)
    events.event("files.unreadable", logging.ERROR, files=len(error.found))


def _screened_plan(
    warehouse: Warehouse,
    declarations: Declarations,
    options: Options,
    fingerprinter: Fingerprinter,
    known: Mapping[Path, Stat | None],
) -> tuple[Plan, list[str]]:
    """What is to be done, with nobody who was erased, and nothing that is over, in what is read.

    And the notes on them.
    """
    screen = Screen(warehouse.files, declarations)
    remarks, told = [*warehouse.files.remarks], list[str]()

    def planned() -> Plan:
        warehouse.files.remarks[:] = remarks
        return make_plan(warehouse, declarations, options, fingerprinter)

    plan = planned()
    if screen.is_needed:
        coming = ((r.contract, file) for r in plan.landing.readings for file in r.files)
        dropped = screen.screen(coming, fingerprinter, known)
        if dropped or screen.renamed:
            plan = planned()
        told += [erased_remark(dropped)] if dropped else []
        told += [renamed_remark(screen.renamed)] if screen.renamed else []
        told += screen.remarks
    if over := retain.begin(warehouse, declarations, options, plan.landing, fingerprinter):
        plan = planned()
        told.append(retain.remark(over))
    return plan, [*told, *_taken_away(plan)]


def _taken_away(plan: Plan) -> Iterator[str]:
    """The notes on what was delivered and isn't there any more: a withdrawal may be among it."""
    for reading in plan.landing.readings:
        if number := reading.difference.fewer:
            yield (
                f"{counted(number, 'landing file')} of {reading.contract.source} "
                f"{'is' if number == 1 else 'are'} gone, or shorter than when a run read "
                f"{'it' if number == 1 else 'them'}: what was in there no longer counts, "
                "withdrawals included. Restore what wasn't meant to go"
            )


def _finished(options: Options) -> list[str]:
    """The note on an erasure that was begun before this run."""
    if options.only is not None:
        return ["an erasure was begun and is not done: `stedi run` without --only finishes it"]
    return [
        "an erasure that was begun is done; `stedi erase --verify` with the same people proves it"
    ]


def dry_run(warehouse: Warehouse, declarations: Declarations, options: Options) -> list[Planned]:
    """What a run would do, table by table; nothing is written."""
    options.refuse_unknown(declarations.transforms)
    plan = make_plan(warehouse, declarations, options, Fingerprinter.of_user())
    shown = {planned.table for planned in plan.shown}
    over = retain.due(warehouse, declarations, options, plan.landing)
    return [*(planned for planned in over if planned.table not in shown), *plan.shown]


@contextmanager
def failing_plainly(root: str) -> Iterator[None]:
    """Whatever the disk refuses, as one error."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.filename or root} can't be read or written: "
            f"{error.strerror or type(error).__name__}; is the disk full, or the folder read-only?"
        ) from None


def _withdrawn(
    warehouse: Warehouse, declarations: Declarations, built: Sequence[Built]
) -> Withdrawn | None:
    contracts = declarations.contracts
    published = [table.table for table in built if contracts[table.table].is_published]
    versions = [version for name in published if (version := warehouse.version(name))]
    notes = [version.published for version in versions if version.published]
    left = {table.table: table.left for table in built if table.left and table.left.keys}
    for noted in notes:
        left |= noted.left_since
    consenting = [name for name in left if contracts[name].retention.withdrawal_days is not None]
    if not consenting:
        return None
    people = sum(left[name].keys for name in consenting)
    rows = {table: keys_and_rows.rows for table, keys_and_rows in left.items()}
    differences = [noted.difference for noted in notes if noted.difference]
    return Withdrawn(people, rows, differences[0] if differences else None)


def _refuse_unusable(warehouse: Warehouse, declarations: Declarations, options: Options) -> None:
    """Refuse a lakehouse that was moved or damaged; a full run goes by its landing files alone."""
    try:
        if warehouse.moved_from:
            raise StorageError(warehouse.moved_message)
        for table in declarations.locations:
            warehouse.history(table)
            warehouse.version(table)
    except StorageError:
        if not options.full:
            raise
        if options.only is not None:
            raise UsageError(
                "--only: this lakehouse has to be rebuilt as a whole; `stedi run --full` does it"
            ) from None
        start_anew(warehouse, declarations.locations, declarations.profile)


def _has_strays(warehouse: Warehouse, lock: Lock) -> bool:
    """Whether files may lie there that no table has: of a run that died, or of a lost catalog."""
    return lock.last_run_died or warehouse.may_have_lost_files


def _changed(warehouse: Warehouse) -> list[str]:
    """The notes on files that had another content than a run wrote."""
    names = sorted(warehouse.files.name(path) for path in warehouse.changed)
    return [f"{name} was changed since a run wrote it, and was rebuilt" for name in names]


def _rewritten(warehouse: Warehouse, declarations: Declarations) -> set[str]:
    """Tables whose newest snapshot is not a run's, but of an optimizer or `OPTIMIZE`."""
    versions = {name: warehouse.version(name) for name in declarations.contracts}
    return {
        name
        for name, version in versions.items()
        if version and version.landing is None and version.derived is None
    }


def _rewritten_remark(table: str) -> str:
    return (
        f"{table} was rewritten by another program since the last run, and rebuilt. Leave table "
        "optimizers and OPTIMIZE off: what they write has the least and greatest values of columns "
        "that identify people, until its snapshots expire"
    )


def _weaker_than_recommended(declarations: Declarations) -> list[str]:
    """The notes on publications that promise less than they should, and why."""
    return [f"{table}: {weakness}" for table, weakness in declarations.weaknesses.items()]


def _undeclared(warehouse: Warehouse, declarations: Declarations) -> list[str]:
    """The notes on tables that other declarations made: no run updates them."""
    return [
        f"the table {name} is not declared and stays as it is, with rows of people who may have "
        "withdrawn since: give --declarations, or remove its folder"
        for name in warehouse.undeclared_tables(declarations.locations)
    ]


def _without_records(warehouse: Warehouse, declarations: Declarations) -> list[str]:
    """The notes on sources of which nothing was read: is it the right lakehouse folder?"""
    tables = ((c.source, warehouse.version(c.name)) for c in declarations.landing)
    empty = [source for source, version in tables if version is not None and not version.rows]
    loads = _loads(warehouse) if empty else []
    return [
        f"there are no records of the source {source}; its files belong in "
        f"{warehouse.files.name(landing_folder(warehouse.root, str(source)))}"
        for source in empty
        if not any(load.records for load in loads if load.source == source)
    ]


def _loads(warehouse: Warehouse) -> list[Load]:
    version = warehouse.version("loads")
    return read_loads(warehouse.files, [f.path for f in version.files]) if version else []


def _refused(warehouse: Warehouse, declarations: Declarations) -> dict[str, str]:
    """Sources of which more was quarantined than their contracts allow, with a note on each."""
    quarantine = warehouse.version("quarantine")
    if quarantine is None or not quarantine.rows:
        return {}
    from stedi.landing.quarantined_share import too_much_quarantined

    paths, loads = [file.path for file in quarantine.files], _loads(warehouse)
    told = {
        str(contract.source): too_much_quarantined(warehouse.files, contract, loads, paths)
        for contract in declarations.landing
    }
    return {source: why for source, why in told.items() if why}


def _left_in_publication(warehouse: Warehouse, declarations: Declarations) -> list[str]:
    """The notes on publications that a run with `only` left as they were."""
    return [
        f"rows of people who have withdrawn are still in {name}: `stedi run` publishes it again"
        for name in outdated_publications(warehouse, declarations)
    ]


def _withheld(warehouse: Warehouse, declarations: Declarations) -> dict[str, str]:
    versions = (warehouse.version(c.name) for c in declarations.contracts.values() if c.publication)
    return {
        v.table: v.published.withheld
        for v in versions
        if v and v.published and v.published.withheld
    }


def refuse_withheld(report: RunReport) -> None:
    """Raise `NotAnonymous` where a table was published empty, `LandingError` for unread sources."""
    empty = {**report.unmatched, **report.withheld}
    if empty:
        why = (f"{table}: {reason}" for table, reason in empty.items())
        told = "\n".join([*report.unread, *report.refused.values(), *why])
        needed = " More people are needed, or other data of those there are"
        raise NotAnonymous(
            f"{told}\nAn empty table is published instead; the others are up to date."
            f"{needed if report.withheld else ' `stedi explain TABLE` shows where rows stay'}",
            report,
        )
    if report.refused or report.unread:
        reasons = "\n".join([*report.unread, *report.refused.values()])
        raise LandingError(f"{reasons}. The tables are up to date without them", report)

"""One run: landing files are parsed, then each derived table that is out of date is rebuilt.

What is committed when a run is killed are whole tables; the next run does what is missing.
`loads` is committed after the tables it describes: a source whose typed table is not at the
snapshot that `loads` notes is read again from the beginning.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlglot import exp

from stedi import parquet
from stedi.contracts import Contract, Rule
from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.errors import PairingTooLarge, RuleBroken
from stedi.fit import check
from stedi.landing.files import list_files
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import Difference, Load, compare, loads_batch, read_loads
from stedi.landing.parse import Parsed, Parser, Target
from stedi.privacy.publication import publish
from stedi.storage.lock import RunLock
from stedi.storage.sweep import scratch_folder, sweep
from stedi.storage.warehouse import Version, Warehouse
from stedi.transforms import MACHINERY_COLUMNS, Transform, parse, tables_read, typed

Progress = Callable[[str], None]

LEAST_PAIR_LIMIT = 1_000_000
PAIRS_PER_ROW = 10
CROWD = 1_000
"""By default a pairing may give a million rows, or ten times those of its largest input while no
more than a thousand rows share one value."""


@dataclass(frozen=True)
class Options:
    """What a run was asked for. `max_pairs` of None is the default limit."""

    full: bool = False
    max_pairs: int | None = None


@dataclass(frozen=True)
class Built:
    """A table that a run brought up to date."""

    table: str
    reason: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class RunReport:
    """What a run did; no tables where nothing had changed."""

    profile: str
    profile_before: str | None
    built: tuple[Built, ...]
    swept: int

    @property
    def profile_changed(self) -> bool:
        """Whether the root was run with another profile before."""
        return self.profile_before not in (None, self.profile)


def run(
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: Callable[[Path], Engine],
    options: Options,
    progress: Progress,
) -> RunReport:
    """Bring every table up to date.

    Raises `DeclarationError` before any data is touched, `LandingError`, `RuleBroken`,
    `PairingTooLarge`, `StorageError`, `Locked`.
    """
    scratch = scratch_folder(warehouse.root)
    engine = make_engine(scratch)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        check(declarations, engine)
        with RunLock(warehouse.root) as lock:
            swept = sweep(warehouse, declarations.locations) if lock.last_run_died else 0
            work = _Run(warehouse, declarations, engine, options, progress, scratch, pool)
            if not warehouse.exists:
                work.begin_reading()
            before = warehouse.profile
            try:
                if before != declarations.profile:
                    warehouse.profile = declarations.profile
                work.land()
                work.derive()
            except BaseException:
                with suppress(OSError):
                    sweep(warehouse, declarations.locations)
                raise
            return RunReport(declarations.profile, before, tuple(work.built), swept)
    finally:
        pool.shutdown(cancel_futures=True)
        engine.close()
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass
class _Source:
    """A landing table that has to be read: all files anew, or new files added."""

    contract: Contract
    files: Sequence[Any]
    known: Sequence[str]
    reason: str
    anew: bool
    difference: Difference
    parsed: Parsed | None = None


@dataclass
class _Run:
    warehouse: Warehouse
    declarations: Declarations
    engine: Engine
    options: Options
    progress: Progress
    scratch: Path
    pool: Executor
    built: list[Built] = field(default_factory=list)
    fingerprinter: Fingerprinter = field(default_factory=Fingerprinter.of_user)
    attempt: str = field(default_factory=lambda: f"{time.time_ns():x}")

    def __post_init__(self) -> None:
        self.parsers = {
            contract.name: Parser(
                self.warehouse.root, contract, self.fingerprinter, self.scratch, self.pool
            )
            for contract in self.declarations.landing
        }

    # Landing

    def begin_reading(self) -> None:
        """Begin to read all landing files while the catalog is being made."""
        for contract in self.declarations.landing:
            files = list_files(self.warehouse.root, str(contract.source))
            self.parsers[contract.name].begin(files)

    def land(self) -> None:
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
        return any(version is None or _damage(version) for version in versions)

    def _plan(
        self, contract: Contract, loads: Sequence[Load], noted: Mapping[str, Any]
    ) -> tuple[_Source | None, Difference]:
        assert contract.source is not None
        own = [load for load in loads if load.source == contract.source]
        files = list_files(self.warehouse.root, contract.source)
        difference = compare(self.warehouse.root, contract.source, files, own, self.fingerprinter)
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
        if self.options.full:
            return "asked for"
        if noted.get("typed", {}).get(contract.name) != version.snapshot_id:
            return "not as the last run left it"
        if version.notes.get("declaration") != self.declarations.fingerprint(contract.name):
            return "its contract changed"
        if difference.changed or difference.gone:
            return f"{len(difference.changed)} files changed, {len(difference.gone)} gone"
        return _damage(version)

    def _parse(self, source: _Source, load: int) -> None:
        contract = source.contract
        self.progress(f"{contract.name}: reading {len(source.files)} files")
        begin = time.monotonic()
        source.parsed = self.parsers[contract.name].parse(
            source.files,
            source.known,
            load,
            self._target(contract.name, contract.columns),
            self._target("quarantine", MACHINERY_COLUMNS["quarantine"]),
        )
        rows = sum(parquet.count_rows(path) for path in source.parsed.typed)
        seconds = time.monotonic() - begin
        self.built.append(Built(contract.name, source.reason, rows, seconds))

    def _commit_typed(self, source: _Source) -> Version:
        assert source.parsed is not None
        contract = source.contract
        before = self.warehouse.version(contract.name)
        kept = () if source.anew or before is None else before.files
        notes = {
            "declaration": self.declarations.fingerprint(contract.name),
            "files": self._fingerprints(source.parsed.typed, before if kept else None),
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
        self._target("quarantine", MACHINERY_COLUMNS["quarantine"])
        notes = {"files": self._fingerprints(added, before)}
        self.warehouse.commit("quarantine", added, notes, keep={file.uri for file in kept})

    def _commit_loads(self, loads: Sequence[Load], typed: Mapping[str, int]) -> None:
        target = self._target("loads", MACHINERY_COLUMNS["loads"])
        path = target.folder / "loads.parquet"
        paths = [path] if parquet.write_batches([loads_batch(loads)], target.fields, path) else []
        notes = {"typed": typed, "files": self._fingerprints(paths, None)}
        self.warehouse.commit("loads", paths, notes)

    def _target(self, table: str, columns: Sequence[Any]) -> Target:
        location = self.declarations.locations[table]
        fields = self.warehouse.fields(table, columns, location)
        return Target(self.warehouse.data_folder(location) / self.attempt, fields)

    def _fingerprints(self, added: Sequence[Path], before: Version | None) -> dict[str, str]:
        """Fingerprints of a table's files by their names below the table's data folder."""
        kept = before.notes.get("files", {}) if before else {}
        return {**kept, **{_short(path): self.fingerprinter.of_file(path) for path in added}}

    # Derived tables

    def derive(self) -> None:
        """Rebuild each derived table whose inputs or declarations have changed."""
        versions = {name: self.warehouse.version(name) for name in self.declarations.schemas}
        for table, transform in self.declarations.transforms.items():
            inputs = {
                name: version.snapshot_id
                for name in transform.inputs
                if (version := versions[name]) is not None
            }
            reason = self._why_stale(table, versions[table], inputs)
            if reason:
                for name in self._read_by(transform):
                    self._declare(name, versions[name])
                versions[table] = self._build(transform, inputs, reason)

    def _read_by(self, transform: Transform) -> set[str]:
        """The tables that a transform or a rule of its table reads, that table left out."""
        contract = self.declarations.contracts[transform.table]
        rules = [parse(rule.query, contract.place) for rule in contract.rules]
        named = {table.name for rule in rules for table in tables_read(rule)}
        return ({*transform.inputs} | named) - {transform.table}

    def _declare(self, table: str, version: Version | None) -> None:
        files = [str(file.path) for file in version.files] if version else []
        self.engine.declare(table, self.declarations.schemas[table], files)

    def _why_stale(
        self, table: str, version: Version | None, inputs: Mapping[str, int]
    ) -> str | None:
        if version is None:
            return "not built yet"
        if self.options.full:
            return "asked for"
        if "inputs" not in version.notes:
            return "not as the last run left it"
        if version.notes.get("declaration") != self.declarations.fingerprint(table):
            return "its declarations changed"
        changed = sorted(n for n, i in inputs.items() if version.notes["inputs"].get(n) != i)
        return f"{', '.join(changed)} changed" if changed else _damage(version)

    def _build(self, transform: Transform, inputs: Mapping[str, int], reason: str) -> Version:
        table, contract = transform.table, self.declarations.contracts[transform.table]
        self.progress(f"{table}: {reason}")
        begin = time.monotonic()
        rows_in = self._rows_in(transform)
        target = self._target(table, contract.columns)
        if contract.is_published:
            self.engine.materialise(table, self._typed(transform.tree, transform))
            paths = publish(self.engine, table, target.fields, target.folder)
        else:
            tree = self._typed(transform.tree, transform)
            paths = self.engine.write(tree, target.fields, target.folder)
            self.engine.declare(table, contract.columns, [str(path) for path in paths])
        notes = self._hold_to_contract(contract, paths)
        dropped = self._dropped(transform)
        rows = sum(parquet.count_rows(path) for path in paths)
        if transform.sums_hold and rows_in != rows + sum(dropped.values()):
            raise RuleBroken(
                f"{table}: {rows_in:,} rows in, but {rows:,} kept and {sum(dropped.values()):,} "
                f"dropped; {transform.place} loses or multiplies rows. Nothing of it was committed"
            )
        version = self.warehouse.commit(
            table,
            paths,
            {
                "inputs": inputs,
                "declaration": self.declarations.fingerprint(table),
                "in": rows_in,
                "dropped": dropped,
                "sums": transform.sums_hold,
                "notes": notes,
                "files": self._fingerprints(paths, None),
            },
        )
        self.built.append(Built(table, reason, rows, time.monotonic() - begin))
        return version

    def _rows_in(self, transform: Transform) -> int:
        if transform.pairing is None:
            return self._count(exp.select("COUNT(*)").from_(transform.source.copy()))
        [row] = self.engine.fetch(transform.pairing).to_pylist()
        pairs, crowd = int(row["pairs"] or 0), int(row["crowd"] or 0)
        limit = self.options.max_pairs
        crowded = limit is None and crowd > CROWD and pairs > LEAST_PAIR_LIMIT
        if limit is None:
            sizes = [self._count(exp.select("COUNT(*)").from_(name)) for name in transform.inputs]
            limit = max(LEAST_PAIR_LIMIT, PAIRS_PER_ROW * max(sizes))
        if pairs > limit or crowded:
            raise PairingTooLarge(
                f"{transform.table}: joining would give {pairs:,} rows; {crowd:,} rows of "
                f"{transform.source.name} share one value. The limit is {limit:,} rows"
                f"{f', or {CROWD:,} at one value' if crowded else ''}. The tables before it are up "
                "to date, this one stays as it was. Look for records whose clocks were wrong, or "
                f"raise the limit: --max-pairs {pairs}"
            )
        return pairs

    def _hold_to_contract(self, contract: Contract, paths: Sequence[Path]) -> list[dict[str, Any]]:
        """Run a contract's assertions on a table's new files; gives the notes.

        Raises `RuleBroken` for the first assertion that must hold and doesn't.
        """
        for column in contract.columns:
            if column.required and any(parquet.count_nulls(path, column.name) for path in paths):
                raise RuleBroken(
                    f"{contract.name}: column {column.name} is required and has blanks"
                )
            if column.unique and self._count(_repeated(contract.name, column.name)):
                raise RuleBroken(f"{contract.name}: column {column.name} is unique and repeats")
        notes = []
        for rule in contract.rules:
            place = f"{contract.place}, rule {rule.name}"
            schemas = self.declarations.candidate_schemas(contract.name)
            count = self._count(typed(parse(rule.query, place), schemas, place))
            if count and rule.severity == "error":
                raise RuleBroken(
                    f"{contract.name}: {count:,} {rule.description} (rule {rule.name}). "
                    "The table stays as it was"
                )
            if count:
                notes.append(_note(rule, count))
        return notes

    def _dropped(self, transform: Transform) -> dict[str, int]:
        if transform.reasons is None:
            return {}
        reasons = self._typed(transform.reasons, transform)
        rows = self.engine.fetch(reasons).to_pylist()
        return {row["dropped"]: int(row["rows_dropped"]) for row in rows}

    def _typed(self, tree: exp.Query, transform: Transform) -> exp.Query:
        return typed(tree, self.declarations.schemas, transform.place)

    def _count(self, query: exp.Query) -> int:
        [value] = self.engine.fetch(query).column(0).to_pylist()
        return int(value or 0)


def _merge(
    loads: Sequence[Load], touched: Sequence[Load], sources: Sequence[_Source], load: int
) -> list[Load]:
    """The loads after a run: one for each file that was ever read, the newest of each."""
    merged = {(one.source, one.file): one for one in (*loads, *touched)}
    for source in sources:
        assert source.parsed and source.contract.source
        name = source.contract.source
        for gone in source.difference.gone:
            merged[name, gone.file] = Load(**{**gone.__dict__, "state": "gone"})
        for read in source.parsed.files:
            merged[name, read.file.name] = Load.of(name, read, load)
    return [merged[key] for key in sorted(merged)]


def _damage(version: Version) -> str | None:
    for file in version.files:
        try:
            size = file.path.stat().st_size
        except OSError:
            return "a file of it is missing"
        if size != file.size:
            return "a file of it was changed"
    return None


def _short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _repeated(table: str, column: str) -> exp.Select:
    name = exp.column(column, quoted=True)
    groups = exp.select(name).from_(exp.to_table(table)).group_by(name).having("COUNT(*) > 1")
    return exp.select("COUNT(*)").from_(groups.subquery("repeated"))


def _note(rule: Rule, count: int) -> dict[str, Any]:
    return {"code": rule.name, "count": count, "text": f"{count:,} {rule.description}"}

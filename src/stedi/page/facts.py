"""What the page is made of: all that a lakehouse knows of itself, gathered without reading rows.

Facts
├── TableFacts         a declared table: its columns, rules, SELECT, and what it is made from
│   ├── ColumnFacts    a column, where it comes from, and where it goes
│   └── RunFacts       a snapshot that is kept: when, how many rows, who left
├── SourceFacts        a source: files, records, quarantined records, deliveries by time
└── PublishedFacts     a published table: its values, its audit if one was made
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from stedi import parquet
from stedi.arrays import Float64s, Int64s
from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.contract import RECOMMENDED_K, Contract, Rule
from stedi.errors import StorageError, UsageError
from stedi.landing.loads import Load, read_loads
from stedi.page.discreet import Discreet, Sum, without_numbers
from stedi.page.lineage_map import Origins
from stedi.privacy.proof import Proof
from stedi.progress import doing
from stedi.quarantine import examples
from stedi.review import review
from stedi.status import Status, StepStatus, TableStatus
from stedi.storage.notes import Note
from stedi.storage.warehouse import Version, Warehouse

if TYPE_CHECKING:
    from stedi.privacy.audit import Audit
    from stedi.science.training import Training

_BINS = 40
RUNS_SHOWN = 120
"""Of more snapshots, the last of each stretch is shown."""


@dataclass(frozen=True)
class ColumnFacts:
    """A column; `values` and `influences` are delivered columns, `reaches` the next derived ones.

    Those that have influence on every column of the table are not among `influences`.
    """

    column: Column
    values: tuple[tuple[str, str], ...] = ()
    influences: tuple[tuple[str, str], ...] = ()
    reaches: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RunFacts:
    """A snapshot that is kept; `committed` in epoch ms, `left` people since the one before."""

    committed: int
    rows: int
    rows_in: int | None = None
    left: int | None = None


@dataclass(frozen=True)
class TableFacts:
    """A declared table, what it is made from, and the snapshots that are kept, the newest last.

    `decided_by` are the delivered columns that decide which rows there are, whatever the column.
    """

    contract: Contract
    status: TableStatus
    step: StepStatus | None
    inputs: tuple[str, ...]
    sources: tuple[str, ...]
    sql: str | None
    columns: tuple[ColumnFacts, ...]
    decided_by: tuple[tuple[str, str], ...]
    rules: tuple[tuple[Rule, str], ...]
    runs: tuple[RunFacts, ...]
    committed: int | None

    @property
    def name(self) -> str:
        """The table's name."""
        return self.contract.name


@dataclass(frozen=True)
class Quarantined:
    """A reason, how many records were quarantined for it, and one of them, masked."""

    reason: str
    count: int
    meaning: str
    example: str | None
    place: str | None


@dataclass(frozen=True)
class SourceFacts:
    """What a source delivered; by day of arrival (UTC), records and how many were quarantined."""

    name: str
    table: str
    files: int
    bad_files: int
    copies: int
    unread: int
    records: int
    loaded: int
    dropped: Mapping[str, int]
    quarantined: tuple[Quarantined, ...]
    arrived: Mapping[str, int]
    set_aside: Mapping[str, int]


@dataclass(frozen=True)
class Distribution:
    """How often values of a column are in each of the bins between `edges`, before and after.

    `before` is known where an audit was made; bins with readings of few people are 0 in it.
    """

    column: str
    edges: Float64s
    after: Int64s
    before: Int64s | None = None


@dataclass(frozen=True)
class PublishedFacts:
    """A published table: how many classes have so many rows, or people where it was audited."""

    contract: Contract
    k: int
    rows: int
    withheld: str | None
    committed: int
    proof_problems: int
    class_sizes: Mapping[int, int]
    are_people: bool
    distributions: tuple[Distribution, ...]
    audit: Audit | None
    example: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class RunTimes:
    """Of runs, epoch ms when they had built a table, and how many seconds they took until then."""

    table: str
    times: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Facts:
    """All of it; `suspended` are people whose consent waits for a decision, by why."""

    title: str
    made: datetime
    stedi: str
    status: Status
    tables: Mapping[str, TableFacts]
    sources: tuple[SourceFacts, ...]
    published: tuple[PublishedFacts, ...]
    suspended: Mapping[str, int]
    questions: Mapping[str, str]
    waiting: int
    problems: tuple[str, ...]
    notes: tuple[Note, ...]
    discreet: Discreet = field(default_factory=lambda: Discreet(RECOMMENDED_K))
    model: Training | None = None
    run_times: RunTimes | None = None


def gather(
    warehouse: Warehouse,
    declarations: Declarations,
    status: Status,
    *,
    title: str,
    stedi: str,
    with_audit: bool,
    model: Path | None,
) -> Facts:
    """Gather all that the page shows.

    Rows of no table are read but of what is published, unless `with_audit`. `title` heads the page,
    `stedi` is the version that made it, `model` the folder of a trained one. Raises `StorageError`,
    and `UsageError` where there is no model.
    """
    doing("gathering figures of every table")
    loads = _loads(warehouse)
    proof = Proof(declarations)
    origins = Origins(declarations, proof)
    tables = {
        name: _table(warehouse, declarations, origins, status, contract)
        for name, contract in declarations.contracts.items()
    }
    numbers = _numbers(loads)
    sources = tuple(_sources(warehouse, declarations, status, loads, numbers))
    published = tuple(
        _published(warehouse, proof, contract, version, with_audit)
        for name, contract in declarations.contracts.items()
        if contract.is_published and (version := warehouse.version(name)) is not None
    )
    reviewed = review(warehouse, declarations)
    suspended: Counter[str] = Counter()
    for suspension in reviewed.to_decide:
        suspended[suspension.why] += len(suspension.people)
    discreet = Discreet(
        max([RECOMMENDED_K, *(p.k for p in published)]), _sums(declarations, status)
    )
    return Facts(
        title=title,
        made=datetime.now(UTC),
        stedi=stedi,
        status=status,
        tables=tables,
        sources=sources,
        published=tuple(
            replace(p, withheld=p.withheld and discreet.without_few(p.withheld)) for p in published
        ),
        suspended=suspended,
        questions={s.why: s.question for s in reviewed.to_decide},
        waiting=sum(len(s.people) for s in reviewed.waiting),
        problems=tuple(_told(warehouse, numbers, problem) for problem in status.problems),
        notes=tuple(status.notes),
        discreet=discreet,
        model=None if model is None else _model(model),
        run_times=_run_times(warehouse, declarations),
    )


def _loads(warehouse: Warehouse) -> list[Load]:
    version = warehouse.version("loads")
    if version is None:
        return []
    try:
        return read_loads(warehouse.files, [file.path for file in version.files])
    except StorageError:
        return []  # the status tells


def _sums(declarations: Declarations, status: Status) -> list[Sum]:
    sums = []
    for contract in declarations.landing:
        source = status.sources[str(contract.source)]
        dropped = (*source.quarantined.values(), *source.dropped.values())
        sums.append(Sum(frozenset({contract.name}), (source.records, source.loaded, *dropped)))
    for name, step in status.steps.items():
        sources = declarations.transforms[name].sources
        paired = len(sources) > 1  # what comes in are matched readings, not rows of one table
        tables = frozenset({name, *(() if paired else sources)})
        sums.append(Sum(tables, (step.in_, step.kept, *step.dropped.values())))
    return sums


# Tables -------------------------------------------------------------------------------------------


def _table(
    warehouse: Warehouse,
    declarations: Declarations,
    origins: Origins,
    status: Status,
    contract: Contract,
) -> TableFacts:
    name = contract.name
    transform = declarations.transforms.get(name)
    version = warehouse.version(name)
    noted = (version.landing or version.derived) if version else None
    broken = {note.code: note.count for note in noted.notes} if noted else {}
    columns = [_column(origins, name, c) for c in contract.columns]
    decided_by = set.intersection(*({*c.influences} for c in columns))
    return TableFacts(
        contract=contract,
        status=status.tables[name],
        step=status.steps.get(name),
        inputs=transform.inputs if transform else (),
        sources=transform.sources if transform else (),
        sql=transform.tree.sql("trino", pretty=True) if transform else None,
        columns=tuple(
            replace(c, influences=tuple(i for i in c.influences if i not in decided_by))
            for c in columns
        ),
        decided_by=tuple(sorted(decided_by)),
        rules=tuple((r, _result(r, broken, version is not None)) for r in contract.rules),
        runs=_runs(warehouse, name),
        committed=version.committed if version else None,
    )


def _result(rule: Rule, broken: Mapping[str, int], is_built: bool) -> str:
    """What came of a rule; one that must hold stops the commit."""
    if not is_built:
        return "not run yet"
    return "holds" if not broken.get(rule.name) else "warns"


def _column(origins: Origins, table: str, column: Column) -> ColumnFacts:
    return ColumnFacts(
        column,
        tuple(origins.values(table, column.name)),
        tuple(origins.influences(table, column.name)),
        tuple(origins.next.get((table, column.name), ())),
    )


def _runs(warehouse: Warehouse, table: str) -> tuple[RunFacts, ...]:
    runs: list[RunFacts] = []
    people = 0
    for past in warehouse.history(table):
        derived = past.derived
        left = derived.left.keys if derived and derived.left else None
        if past.rows is None:
            continue
        since = None if left is None or not runs else max(0, left - people)
        people = left or 0
        rows_in = derived.rows_in if derived else None
        runs.append(RunFacts(past.committed, past.rows, rows_in, since))
    return thinned(runs)


def _run_times(warehouse: Warehouse, declarations: Declarations) -> RunTimes | None:
    """How long runs took; files lie in folders that are named by when their run began."""
    built = {
        version.committed: name
        for name in declarations.transforms
        if not declarations.contracts[name].is_published and (version := warehouse.version(name))
    }
    if not built:
        return None
    table, times, before = built[max(built)], [], 0
    files = warehouse.snapshots(table, last=RUNS_SHOWN)
    for past in warehouse.history(table):
        names = (file.path.parent.name.split("-")[0] for file in files.get(past.snapshot_id, ()))
        began = max((int(name, 16) for name in names), default=0) / 1e6
        if began > before:  # otherwise it has no file of its run's own
            times.append((past.committed, (past.committed - began) / 1e3))
        before = past.committed
    return RunTimes(table, tuple(times))


def thinned(runs: Sequence[RunFacts]) -> tuple[RunFacts, ...]:
    """So many runs that a chart can show them: the last of each stretch, with who left in it."""
    if len(runs) <= RUNS_SHOWN:
        return tuple(runs)
    kept = []
    for stretch in np.array_split(np.arange(len(runs)), RUNS_SHOWN):
        last = runs[stretch[-1]]
        left = [one.left for n in stretch if (one := runs[n]).left is not None]
        kept.append(replace(last, left=sum(left) if left else None))
    return tuple(kept)


# Sources ------------------------------------------------------------------------------------------


def _sources(
    warehouse: Warehouse,
    declarations: Declarations,
    status: Status,
    loads: Sequence[Load],
    numbers: _Numbers,
) -> list[SourceFacts]:
    found = {(one.source, one.reason): one for one in examples(warehouse, declarations)}
    sources = []
    for contract in declarations.landing:
        name = str(contract.source)
        state = status.sources[name]
        own = [load for load in loads if load.source == name]
        read = [load for load in own if load.state == "read"]
        arrived: Counter[str] = Counter()
        set_aside: Counter[str] = Counter()
        for load in read:
            day = f"{datetime.fromtimestamp(load.arrived / 1e9, UTC):%Y-%m-%d}"
            arrived[day] += load.records
            set_aside[day] += load.set_aside
        quarantined = []
        for reason, count in sorted(state.quarantined.items(), key=lambda one: (-one[1], one[0])):
            piece = found.get((name, reason))
            text = place = None
            if piece is not None:
                text, number = piece.text, numbers[name][piece.file]
                place = f"file #{number} by name, line {piece.line:,}, byte {piece.byte_offset:,}"
            quarantined.append(
                Quarantined(reason, count, piece.meaning if piece else "", text, place)
            )
        sources.append(
            SourceFacts(
                name=name,
                table=contract.name,
                files=state.files,
                bad_files=sum(load.verdict == "bad" for load in read),
                copies=len(state.copies),
                unread=state.unread,
                records=state.records,
                loaded=state.loaded,
                dropped=state.dropped,
                quarantined=tuple(quarantined),
                arrived=dict(sorted(arrived.items())),
                set_aside=set_aside,
            )
        )
    return sources


_Numbers = Mapping[str, Mapping[str, int]]


def _numbers(loads: Sequence[Load]) -> _Numbers:
    """Landing files by number, in the order of their names: a name could be somebody's."""
    names: dict[str, list[str]] = defaultdict(list)
    for load in loads:
        names[load.source].append(load.file)
    return {
        source: {file: n for n, file in enumerate(sorted(files), start=1)}
        for source, files in names.items()
    }


def _told(warehouse: Warehouse, numbers: _Numbers, problem: str) -> str:
    """A problem without names of landing files, without paths of this machine, without counts."""
    told = problem.replace(f"{warehouse.name}/", "")
    for source, files in numbers.items():
        for file in sorted(files, key=len, reverse=True):
            if (path := f"landing file {source}/landing/{file}") in told:
                told = told.replace(path, f"landing file #{files[file]} of {source}")
    return without_numbers(told)


# What is published --------------------------------------------------------------------------------


def _published(
    warehouse: Warehouse, proof: Proof, contract: Contract, version: Version, with_audit: bool
) -> PublishedFacts:
    publication = contract.publication
    assert publication is not None
    withheld = None
    if not version.files:
        noted = version.published
        withheld = (noted and noted.withheld) or "there are no rows to publish"
    values = {} if withheld else _read(warehouse, version)
    names = [c.column for c in publication.coarsened if c.column in values]
    sizes, example = _class_sizes(values, names)
    audited = _audited(warehouse, proof, contract.name) if with_audit else _NOT_AUDITED
    if audited.sizes is not None:
        sizes = audited.sizes
    return PublishedFacts(
        contract=contract,
        k=publication.k,
        rows=version.rows,
        withheld=withheld,
        committed=version.committed,
        proof_problems=_proof_problems(warehouse, proof, contract),
        class_sizes=dict(sorted(Counter(sizes.tolist()).items())),
        are_people=audited.sizes is not None,
        distributions=tuple(
            _distribution(
                name, values[name], audited.before.get(name), audited.people, publication.k
            )
            for name in names
        ),
        audit=audited.audit,
        example=example,
    )


@dataclass(frozen=True)
class _Audited:
    """What an audit finds, the people of each class, and the rows behind the table by column."""

    audit: Audit | None = None
    sizes: Int64s | None = None
    before: Mapping[str, Float64s] = field(default_factory=dict)
    people: Int64s | None = None


_NOT_AUDITED = _Audited()


def _audited(warehouse: Warehouse, proof: Proof, name: str) -> _Audited:
    from stedi.privacy.published import published_table

    table = published_table(warehouse, proof.declarations, name)
    audit = table.audit()
    if table.withheld:
        return _Audited(audit)
    evidence = table.evidence
    sizes, raw = evidence.people_by_class, evidence.raw
    if table.is_large:
        return _Audited(audit, sizes)
    return _Audited(audit, sizes, raw.columns, raw.people[0])


def _proof_problems(warehouse: Warehouse, proof: Proof, contract: Contract) -> int:
    """How many things the proof finds; none where a run has proved these declarations."""
    if warehouse.checked == proof.declarations.fingerprint_of_all:
        return 0
    found = [*proof.leaks(contract), *proof.misplaced(contract), *proof.problems]
    return len(dict.fromkeys(found))


def _read(warehouse: Warehouse, version: Version) -> dict[str, Float64s]:
    """What is published, by column."""
    paths = sorted(file.path for file in version.files)
    try:
        warehouse.files.fetch(paths)
        stored = pa.concat_tables(parquet.read(path) for path in paths)
    except (OSError, pa.ArrowException):
        names = ", ".join(map(warehouse.files.name, paths))
        raise StorageError(
            f"{names}: what is published can't be read; `stedi run --full` rebuilds it"
        ) from None
    return {name: stored.column(name).to_numpy() for name in stored.column_names}


def _model(folder: Path) -> Training:
    """The figures of a trained model, which say nothing exact of people."""
    from stedi.science.models import FIGURES
    from stedi.science.training import Training

    try:
        return Training.model_validate_json((folder / FIGURES).read_bytes())
    except (OSError, ValueError):
        raise UsageError(
            f"--model {folder}: no {FIGURES} of a model in it; `stedi train DIR` writes one"
        ) from None


def _class_sizes(
    values: Mapping[str, Float64s], names: Sequence[str]
) -> tuple[Int64s, tuple[tuple[str, float], ...]]:
    """The rows of each class, and the values of the largest."""
    if not names or not len(values[names[0]]):
        return np.zeros(0, np.int64), ()
    classes, rows = np.unique(
        np.column_stack([values[name] for name in names]), axis=0, return_counts=True
    )
    largest = classes[int(np.argmax(rows))]
    return rows, tuple(zip(names, map(float, largest), strict=True))


def _distribution(
    name: str, after: Float64s, before: Float64s | None, people: Int64s | None, k: int
) -> Distribution:
    """Bins between the ends of what is published; raw values beyond count in the outermost."""
    low, high = float(after.min()), float(after.max())
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    counts = np.histogram(after, edges)[0].astype(np.int64)
    raw = None
    if before is not None and people is not None:
        bins = np.clip(np.searchsorted(edges, before, "right") - 1, 0, _BINS - 1)
        pairs = np.unique(np.column_stack([bins, people]), axis=0)
        heads = np.bincount(pairs[:, 0], minlength=_BINS)
        raw = np.bincount(bins, minlength=_BINS).astype(np.int64)
        raw[heads < k] = 0
    return Distribution(name, edges, counts, raw)

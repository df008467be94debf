"""Forgets people: finds all that is held of them, takes it out everywhere, and proves that.

What is killed on the way, `stedi.run.forget` finishes: with the next erasure, or with the next run.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stedi import parquet
from stedi.declared import Declarations
from stedi.engines import MakeEngine
from stedi.errors import LandingError, StediError
from stedi.landing.erased import ERASED, Entry, Keyer, read_erased
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.fold import as_spelled, fold
from stedi.landing.records import Record
from stedi.rights.find import Found, find, state_of
from stedi.rights.forms import ENDINGS
from stedi.rights.mentions import Mention, without_mentions
from stedi.rights.rows import read_rows
from stedi.rights.subjects import Identity
from stedi.rights.traces import Trace, Traced, trace
from stedi.rights.versions import Versions
from stedi.rights.wanted import has_name, identifiers
from stedi.rights.whole import any_whole, has_whole
from stedi.roots import Files, Lock, Remainder
from stedi.run import RunReport, forget, holding, run_locked
from stedi.run.options import Options
from stedi.storage.warehouse import Warehouse

_BEGUN = "The erasure was begun: the next `stedi erase` or `stedi run` finishes it"
Progress = Callable[[str], None]
Confirm = Callable[[Found], bool]


@dataclass(frozen=True)
class ErasureRequest:
    """What an erasure was asked for: who, and how.

    `keep_shared` leaves others what was taken by a thing that they had, while they had it. `wait`
    is how many seconds to wait for a run to end.
    """

    subjects: Sequence[Identity]
    keep_shared: bool = True
    wait: float = 0.0


@dataclass(frozen=True)
class Proof:
    """What was read after an erasure, and what is still held; `at` is in epoch ms.

    `left` counts records and rows that are still found, by place. `mentions` are records of others
    that have an identifier: they are about others, and stay.
    """

    at: int
    traced: Traced
    left: Mapping[str, int] = field(default_factory=dict)
    mentions: tuple[Mention, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing of theirs is left, and all could be read."""
        return not (self.traced.exact or self.left or self.traced.unreadable)


@dataclass(frozen=True)
class Forgotten:
    """What an erasure did; times are epoch milliseconds.

    `run` is the run that updated the tables, None where there are none. `fingerprints` name the
    identities that were found, in their order.
    """

    begun: int
    done: int
    found: Found
    fingerprints: tuple[str, ...]
    run: RunReport | None
    proof: Proof
    remarks: tuple[str, ...]


def forget_people(
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: MakeEngine,
    asked: ErasureRequest,
    confirm: Confirm,
    progress: Progress = lambda _: None,
    reading: Callable[[int, int], None] = lambda done, total: None,
) -> Forgotten | None:
    """Find, ask whether to go on, forget, and prove; None where `confirm` says no.

    Where something was delivered or run between finding and forgetting, it is found again, and
    asked again. An erasure that was begun before is finished first. Raises what a run raises, but
    for `NotAnonymous`: that is in the report.
    """
    versions = Versions(warehouse, declarations)
    found = find(
        warehouse, declarations, asked.subjects, keep_shared=asked.keep_shared,
        with_mentions=True, versions=versions, progress=progress,
    )  # fmt: skip
    known = {(i.kind, i.value): i for i in asked.subjects}
    while True:
        if not confirm(found):
            return None
        with holding(warehouse, asked.wait) as lock:
            if forget.is_begun(warehouse.files):
                progress("finishing an erasure that was begun before")
                _run(warehouse, declarations, make_engine, lock, progress)
            warehouse.look_again()
            if state_of(warehouse, declarations) == found.state:
                begun = epoch_ms()
                erasure = planned(warehouse, declarations, found, begun)
                forget.write_erasure(warehouse.files, erasure)
                report = _run(warehouse, declarations, make_engine, lock, progress)
                proof = prove(warehouse, declarations, found.identities, progress, reading)
                fingerprints = tuple(f"{e.kind}:{e.exact}" for e in erasure.entries)
                remarks = (*(report.remarks if report else ()), *_damaged(found))
                return Forgotten(begun, epoch_ms(), found, fingerprints, report, proof, remarks)
            # What they have may be known no more, where half of an erasure was done before.
            known = {(i.kind, i.value): replace(i, spared=()) for i in found.identities} | known
            again = find(
                warehouse, declarations, [*known.values()], keep_shared=asked.keep_shared,
                with_mentions=True, versions=versions, progress=progress,
            )  # fmt: skip
        if (summary(again), again.mentions) == (summary(found), found.mentions):
            confirm = _once_more(confirm)
        found = again


def _once_more(confirm: Confirm) -> Confirm:
    """What was confirmed is not asked again where it is the same."""
    agreed = [True]
    return lambda found: agreed.pop() if agreed else confirm(found)


def summary(found: Found) -> dict[str, int]:
    """What was found, counted by place."""
    counts = Counter[str]()
    for raw in found.landing:
        counts[f"{raw.source}/landing/{raw.name}"] += len(raw.places)
    for rows in found.tables:
        counts[f"{rows.table} in {len(rows.snapshots)} snapshots"] += len(rows.rows)
    return dict(counts)


def planned(
    warehouse: Warehouse, declarations: Declarations, found: Found, now: int
) -> forget.Erasure:
    """What is to be done about what was found; raises `LandingError` for a file that changed."""
    files, keyer, fingerprinter = warehouse.files, Keyer.of_user(), Fingerprinter.of_user()
    read_erased(files).refuse_other(keyer)
    cuts = []
    for raw in found.landing:
        fingerprint = raw.fingerprint or fingerprinter.of_file(raw.path, files.open)
        if files.stat(raw.path) != raw.stat:
            raise LandingError(
                f"{files.name(raw.path)} changed while it was read; nothing was done. Run "
                "`stedi erase` again when it is whole"
            )
        spans = tuple((place.begin, place.end) for place in raw.places)
        counts = {ERASED: len(raw.places)} if raw.places else {}
        renamed = _renamed(raw.name, found.identities) if raw.is_named else None
        unknown_keys = sum(
            isinstance(p.content, Record) and p.content.has_unknown_keys for p in raw.places
        )
        stat = (raw.stat.size, raw.stat.modified, raw.stat.changed)
        cut = forget.Cut(
            raw.source,
            raw.name,
            fingerprint,
            spans,
            counts,
            renamed,
            raw.records,
            unknown_keys,
            stat,
        )
        cuts.append(cut)
    held: dict[str, list[str]] = {}
    for rows in found.tables:
        held.setdefault(rows.table, []).append(rows.file.uri)
    return forget.Erasure(
        fingerprinter.key_id,
        keyer.key_id,
        tuple(entry_of(identity, keyer, now) for identity in found.identities),
        tuple(cuts),
        held,
        tuple(_to_discard(files, found.identities)),
        tuple(_names(warehouse, found, keyer)),
        _typed(declarations, found),
    )


def _typed(declarations: Declarations, found: Found) -> dict[str, dict[str, list[int]]]:
    """Rows of theirs in landing tables as they are now, by data file."""
    landing = {contract.name for contract in declarations.landing}
    typed: dict[str, dict[str, list[int]]] = {}
    for rows in found.tables:
        if rows.table in landing and rows.is_current:
            typed.setdefault(rows.table, {})[rows.file.uri] = rows.rows.tolist()
    return typed


def _renamed(name: str, identities: Sequence[Identity]) -> str:
    """A name without identifiers for a raw file; what its ending says of it stays."""
    parts = []
    for part in name.split("/"):
        ending = match.group() if (match := ENDINGS.search(part)) else ""
        hidden = f"renamed-{secrets.token_hex(4)}{ending}"
        parts.append(hidden if has_name(part, identities) else part)
    return "/".join(parts)


def _names(warehouse: Warehouse, found: Found, keyer: Keyer) -> list[str]:
    """Fingerprints of names of raw files that have an identifier."""
    names = {(raw.source, raw.name) for raw in found.landing if raw.is_named}
    for rows in found.tables:
        if rows.table == "loads" and rows.is_current:
            loads = read_rows(warehouse.files, rows.file, ["source", "file"]).to_pylist()
            names |= {(loads[n]["source"], loads[n]["file"]) for n in rows.rows.tolist()}
    return sorted(forget.name_of(keyer, source, name) for source, name in names)


def entry_of(identity: Identity, keyer: Keyer, now: int) -> Entry:
    """What the list of who was erased has for an identity."""
    return Entry(
        identity.kind,
        keyer.of(identity.kind, identity.value),
        keyer.of(identity.kind, fold(identity.value)),
        now,
        tuple((interval.begin, interval.end) for interval in identity.spared),
    )


def _to_discard(
    files: Files, identities: Sequence[Identity]
) -> list[tuple[str, str | None, str | None]]:
    """What the storage keeps beside its files and has them, or nobody can look into."""
    remainders = [*files.remainders()]
    if not remainders:
        return []
    traced = trace(files, identifiers(identities), only_remainders=True)
    names = {found.file for found in traced.traces if found.is_exact}

    def is_theirs(remainder: Remainder) -> bool:
        name = remainder.path.relative_to(files.root).as_posix()
        return remainder.upload is not None or f"{name}, version {remainder.version}" in names

    return [
        (r.path.relative_to(files.root).as_posix(), r.version, r.upload)
        for r in remainders
        if is_theirs(r)
    ]


def _run(
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: MakeEngine,
    lock: Lock,
    progress: Progress,
) -> RunReport | None:
    """Do what is planned, and update the tables, if there are any."""
    if warehouse.exists:
        try:
            return run_locked(warehouse, declarations, make_engine, Options(), progress, lock)
        except StediError as error:
            error.args = (f"{error}\n{_BEGUN}",)
            raise
    erasure = forget.read_erasure(warehouse.files)
    assert erasure is not None
    forget.begin(warehouse.files, erasure, Fingerprinter.of_user())
    forget.end(warehouse, declarations, erasure)
    return None


def prove(
    warehouse: Warehouse,
    declarations: Declarations,
    identities: Sequence[Identity],
    progress: Progress = lambda _: None,
    reading: Callable[[int, int], None] = lambda done, total: None,
) -> Proof:
    """Read every file of the lakehouse for erased people; see `stedi.rights.traces`.

    Only the records show whose something shared is.
    """
    progress("reading every byte for traces of them")
    traced = trace(warehouse.files, identifiers(identities), reading)
    judged = [_judged(warehouse, declarations, t) for t in traced.traces]
    traces, mentions = without_mentions(warehouse, declarations, judged)
    traced = replace(traced, traces=tuple(traces))
    warehouse.look_again()
    left = Counter[str]()
    shared = [identity for identity in identities if identity.spared]
    if shared:
        left.update(_still_found(warehouse, declarations, shared))
    return Proof(epoch_ms(), traced, dict(left), tuple(mentions))


def _judged(warehouse: Warehouse, declarations: Declarations, found: Trace) -> Trace:
    """A trace in a table, which is another spelling's where only what was folded has it."""
    path = warehouse.root / found.file
    if not found.is_exact or path.suffix != ".parquet":
        return found
    for contract in declarations.landing:
        folded = [c.name for c in contract.columns if c.folded_from]
        if folded and path.is_relative_to(warehouse.data_folder(contract.location)):
            is_exact = _has_beside(warehouse, path, found.identity.value, folded)
            return replace(found, is_exact=is_exact)
    if path.is_relative_to(warehouse.data_folder(declarations.locations["quarantine"])):
        is_exact = _has_pieces_of(warehouse, path, found.identity)
        return replace(found, is_exact=is_exact)
    return found


def _has_beside(warehouse: Warehouse, path: Path, value: str, folded: Sequence[str]) -> bool:
    """Whether a column that isn't folded has a value."""
    warehouse.files.fetch([path])
    rows = parquet.read(path)
    names = {column.name for column in rows.schema} - {*folded}
    texts = [rows[n] for n in names if pa.types.is_string(rows.schema.field(n).type)]
    having = (t.filter(pc.match_substring(t, value).fill_null(False)).unique() for t in texts)
    return any(
        text == value or (fold(text) != fold(value) and has_whole(text, value))
        for values in having
        for text in values.to_pylist()
    )


def _has_pieces_of(warehouse: Warehouse, path: Path, identity: Identity) -> bool:
    """Whether a quarantined record has an identifier as it is spelled."""
    warehouse.files.fetch([path])
    rows = parquet.read(path, ["file", "subject", "raw"]).to_pylist()
    return any(
        identity.value in as_spelled(row["subject"])
        or any_whole(row["raw"] or b"", [identity.value])
        or has_name(row["file"], [identity])
        for row in rows
    )


def _still_found(
    warehouse: Warehouse, declarations: Declarations, identities: Sequence[Identity]
) -> dict[str, int]:
    return summary(find(warehouse, declarations, identities, is_closed=True))


def _damaged(found: Found) -> list[str]:
    return [
        f"{raw.source}/landing/{raw.name} was a damaged archive: what could not be unpacked of it "
        "is gone"
        for raw in found.landing
        if raw.is_damaged
    ]


def epoch_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000

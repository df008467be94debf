"""Forgets people: finds all that is held of them, takes it out everywhere, and proves that.

What is killed on the way, `stedi.run.forget` finishes: with the next erasure, or with the next run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stedi.declared import Declarations
from stedi.engines import MakeEngine
from stedi.errors import LandingError, StediError
from stedi.landing.erased import ERASED, Entry, Keyer, read_erased
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.fold import fold
from stedi.landing.records import Record
from stedi.rights.find import Found, find, state_of
from stedi.rights.forms import ENDINGS
from stedi.rights.given_out import out_of_reach
from stedi.rights.prove import Progress, Proof, epoch_ms, prove, summary
from stedi.rights.receipt import begun_receipt, complete, proven_receipt
from stedi.rights.rows import read_rows
from stedi.rights.subjects import Identity
from stedi.rights.traces import trace
from stedi.rights.versions import Versions
from stedi.rights.wanted import has_name, identifiers
from stedi.roots import Files, Lock, Remainder
from stedi.run import RunReport, forget, holding, run_locked
from stedi.run.options import Options
from stedi.run.receipts import Receipt, keep, written
from stedi.storage.warehouse import Warehouse

_BEGUN = "The erasure was begun: the next `stedi erase` or `stedi run` finishes it"
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
    receipt: Receipt


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
                receipt = _begun_receipt(warehouse, declarations, found, begun)
                erasure = planned(warehouse, declarations, found, begun, receipt)
                forget.write_erasure(warehouse.files, erasure)
                report = _run(warehouse, declarations, make_engine, lock, progress)
                proof = prove(warehouse, declarations, found.identities, progress, reading)
                fingerprints = tuple(f"{e.kind}:{e.exact}" for e in erasure.entries)
                remarks = (*(report.remarks if report else ()), *_damaged(found))
                done, rebuilt = epoch_ms(), [one.table for one in report.built] if report else []
                receipt = proven_receipt(receipt, found.identities, proof, rebuilt, done)
                keep(warehouse.files, receipt, written(receipt, Keyer.of_user()))
                complete(warehouse.files, found.identities, proof)
                return Forgotten(begun, done, found, fingerprints, report, proof, remarks, receipt)
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


def planned(
    warehouse: Warehouse, declarations: Declarations, found: Found, now: int, receipt: Receipt
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
        receipt,
    )


def _begun_receipt(
    warehouse: Warehouse, declarations: Declarations, found: Found, begun: int
) -> Receipt:
    people = [(identity.kind, identity.value) for identity in found.identities]
    beyond = out_of_reach(warehouse, declarations, people)
    return begun_receipt(found, begun, warehouse.files.name(warehouse.root), beyond)


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


def _damaged(found: Found) -> list[str]:
    return [
        f"{raw.source}/landing/{raw.name} was a damaged archive: what could not be unpacked of it "
        "is gone"
        for raw in found.landing
        if raw.is_damaged
    ]

"""Proves that nothing is left of who was forgotten: reads every byte, and judges what it finds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stedi import parquet
from stedi.declared import Declarations
from stedi.landing.fold import as_spelled, fold
from stedi.rights.find import Found, find
from stedi.rights.mentions import Mention, without_mentions
from stedi.rights.subjects import Identity
from stedi.rights.traces import Looking, Trace, Traced, trace
from stedi.rights.wanted import has_name, identifiers
from stedi.rights.whole import any_whole, has_whole
from stedi.storage.warehouse import Warehouse

Progress = Callable[[str], None]


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


def prove(
    warehouse: Warehouse,
    declarations: Declarations,
    identities: Sequence[Identity],
    progress: Progress = lambda _: None,
    reading: Callable[[int, int], None] = lambda done, total: None,
) -> Proof:
    """Read every file of the lakehouse folder for who was forgotten; see `stedi.rights.traces`.

    What others share is told by its records alone.
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
    """Whether a quarantined record has an identifier itself, in any form."""
    warehouse.files.fetch([path])
    looking = Looking([identity])
    rows = parquet.read(path, ["file", "subject", "raw"]).to_pylist()
    return any(
        identity.value in as_spelled(row["subject"])
        or any_whole(row["raw"] or b"", [identity.value])
        or has_name(row["file"], [identity])
        or looking.is_in(row["raw"] or b"")
        for row in rows
    )


def _still_found(
    warehouse: Warehouse, declarations: Declarations, identities: Sequence[Identity]
) -> dict[str, int]:
    return summary(find(warehouse, declarations, identities, is_closed=True))


def summary(found: Found) -> dict[str, int]:
    """What was found, counted by place."""
    counts = Counter[str]()
    for raw in found.landing:
        counts[f"{raw.source}/landing/{raw.name}"] += len(raw.places)
    for rows in found.tables:
        counts[f"{rows.table} in {len(rows.snapshots)} snapshots"] += len(rows.rows)
    return dict(counts)


def epoch_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000

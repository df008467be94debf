"""Whether too much of a source was set aside for a run to have gone well, and what did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi.declared.contract import Contract
from stedi.landing.loads import Load
from stedi.landing.oddities import shown_key
from stedi.landing.parse import FEW_RECORDS
from stedi.landing.records import RecordReader
from stedi.roots import Files

_FITS: str = "file set aside whole"
_BATCH_ROWS = 1 << 12
_TRIED = 1_000
"""Pieces that are looked at for the key that did it."""


def too_much_aside(
    files: Files, contract: Contract, loads: Sequence[Load], quarantine: Sequence[Path]
) -> str | None:
    """What to tell of a source of which more was set aside than its contract allows; None if not.

    `loads` are of any source, `quarantine` are the files of that table. Files that somebody
    accepted all the same don't count.
    """
    read = [
        load
        for load in loads
        if load.source == contract.source and load.state == "read" and load.verdict != "accepted"
    ]
    records, aside = sum(load.records for load in read), sum(load.set_aside for load in read)
    is_left = aside < records
    if not records or not aside:
        return None
    if is_left and (records < FEW_RECORDS or aside <= contract.max_aside_share * records):
        return None
    left = "" if is_left else ", and none is left"
    return (
        f"source {contract.source}: {aside:,} of {records:,} records were quarantined{left}: "
        f"{_cause(files, contract, quarantine)}. `stedi quarantine list --source "
        f"{contract.source}` shows them; mend the files or the contract, and run again"
    )


def _cause(files: Files, contract: Contract, quarantine: Sequence[Path]) -> str:
    """The reason that most pieces were set aside for, and the key by whose value."""
    reasons = Counter(reason for (reason,) in _pieces(files, contract, quarantine, ["reason"]))
    own = Counter({r: n for r, n in reasons.items() if r != _FITS}) or reasons
    [(reason, count)] = own.most_common(1)
    reader, keys = RecordReader(contract), Counter[str]()
    tried = 0
    for other, raw in _pieces(files, contract, quarantine, ["reason", "raw"]):
        if other == reason:
            tried += 1
            keys[reader.fault(raw) or ""] += 1
        if tried == _TRIED:
            break
    [(key, _)] = keys.most_common(1)
    return f"{count:,} for the reason {reason!r}" + (f" at the key {shown_key(key)}" if key else "")


def _pieces(
    files: Files, contract: Contract, quarantine: Sequence[Path], columns: list[str]
) -> Iterator[tuple[Any, ...]]:
    """Columns of the rows of a source in the quarantine."""
    files.fetch(quarantine)
    for path in quarantine:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=["source", *columns]):
                own = batch.filter(pc.equal(batch.column("source"), contract.source))
                yield from zip(*(own.column(c).to_pylist() for c in columns), strict=True)

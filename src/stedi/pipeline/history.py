"""What tables were before: kept for the declared time, stored in few files, then gone from disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stedi.contracts import DEFAULT_SNAPSHOT_DAYS, Contract
from stedi.parquet import ParquetFile
from stedi.pipeline.work import Left, Work, short_name
from stedi.storage.warehouse import DataFile, Past, Version
from stedi.transforms import MACHINERY_COLUMNS

_DAY = 86_400_000
_TIERS = (1 << 20, 8 << 20, 64 << 20)
_MOST_IN_TIER = 8
_GROUP_ROWS = 1 << 17


def withdrawals(contract: Contract, before: Version | None, left: Left | None) -> dict[str, Any]:
    """What is noted of the people who left a table of people who consent.

    `withdrawn` are the times (epoch ms) after which snapshots of before may have to go.
    """
    days = contract.retention.withdrawal_days
    if days is None:
        return {}
    now = time.time_ns() // 1_000_000
    times: list[int] = list(before.notes.get("withdrawn", ())) if before else []
    due = [at for at in times if at + days * _DAY <= now]
    times = [*due[-1:], *times[len(due) :]]
    return {"withdrawn": [*times, now] if left and left.keys else times}


def keep_house(work: Work) -> None:
    """Merge small files, and remove snapshots whose time is over."""
    now = time.time_ns() // 1_000_000
    declarations, warehouse = work.declarations, work.warehouse
    forgotten = max(
        (at for c in declarations.contracts.values() for at in _due(work, c, now)), default=0
    )
    for table in declarations.schemas:
        contract = declarations.contracts.get(table)
        if contract and contract.is_published:
            continue
        if table in warehouse.committed:
            _compact(work, table)
        days = contract.retention.snapshot_days if contract else DEFAULT_SNAPSHOT_DAYS
        is_of_people = contract is not None and contract.zone != "landing"
        history = warehouse.history(table)
        expired = {
            past.snapshot_id
            for past, next_ in pairwise(history)
            if next_.committed < now - days * _DAY or (is_of_people and past.committed < forgotten)
        }
        if expired:
            warehouse.expire(table, expired)
        elif history:
            warehouse.tidy(table)


def _due(work: Work, contract: Contract, now: int) -> Iterator[int]:
    """When people withdrew whose rows must be gone from snapshots by now."""
    days = contract.retention.withdrawal_days
    history: Sequence[Past] = work.warehouse.history(contract.name) if days is not None else ()
    for at in history[-1].notes.get("withdrawn", ()) if history else ():
        if days is not None and at + days * _DAY <= now:
            yield at


def _compact(work: Work, table: str) -> None:
    """Merge the small files of a table, as soon as there are many of about one size."""
    version = work.warehouse.version(table)
    merged = _to_merge(version.files) if version else ()
    if version is None or not merged:
        return
    columns = MACHINERY_COLUMNS.get(table) or work.declarations.contracts[table].columns
    target = work.target(table, columns)
    file = ParquetFile(
        target.folder.with_name(f"{work.attempt}-merged") / "part-0.parquet", target.fields
    )
    rows = pa.concat_tables(pq.read_table(one.path, schema=file.schema) for one in merged)
    for batch in rows.combine_chunks().to_batches(_GROUP_ROWS):
        file.write(batch)
    paths = file.close()
    kept = [file for file in version.files if file not in merged]
    notes = {**version.notes, "files": work.fingerprints(paths, version, kept)}
    if "merged" in notes:
        held = {short_name(f.path): [f.path.stem] for f in version.files} | notes["merged"]
        names = [short_name(file.path) for file in merged]
        parts = [part for name in names for part in held[name]]
        others = {name: parts for name, parts in notes["merged"].items() if name not in names}
        notes["merged"] = {**others, **{short_name(path): parts for path in paths}}
    work.warehouse.commit(
        table, paths, notes, keep={file.uri for file in kept}, content=version.content
    )


def _to_merge(files: Sequence[DataFile]) -> Sequence[DataFile]:
    least = 0
    for most in _TIERS:
        tier = [file for file in files if least <= file.size < most]
        if len(tier) >= _MOST_IN_TIER:
            return [file for file in files if file.size < most]
        least = most
    return ()

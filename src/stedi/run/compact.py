"""Stores a table in few files, however many small runs it grew by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from stedi.declared.machinery import MACHINERY
from stedi.parquet import GROUP_ROWS, ParquetFile
from stedi.run.work import Work
from stedi.storage.notes import LandingNotes
from stedi.storage.warehouse import DataFile, short_name

_TIERS = (1 << 14, 1 << 17, 1 << 20)
"""In rows: files of about one size are merged, so that a row is written again a few times only."""
_MOST_IN_TIER = 8
_MOST_ROWS = 1 << 22
"""What is merged at once lies in memory, and is to be one file of the usual size."""


def compact(work: Work) -> None:
    """Merge the small files of tables that were committed to, as soon as there are many."""
    for table in sorted(work.warehouse.committed):
        contract = work.declarations.contracts.get(table)
        if contract is None or not contract.is_published:
            _compact(work, table)


def _compact(work: Work, table: str) -> None:
    version = work.warehouse.version(table)
    merged = to_merge(version.files) if version else ()
    if version is None or not merged:
        return
    work.progress(f"merging small files of {table}")
    contract = work.declarations.contracts.get(table)
    columns = contract.columns if contract else MACHINERY[table]
    target = work.target(table, columns)
    folder = target.folder.with_name(f"{work.attempt}-merged")
    sought = contract.identifiers if contract and contract.source else ()
    merging = ParquetFile(folder / "part-0.parquet", target.fields, sought)
    work.warehouse.files.fetch([file.path for file in merged])
    work.refuse_changed([(version, merged)])
    rows = pa.concat_tables(
        pa.Table.from_arrays(pq.ParquetFile(file.path).read().columns, schema=merging.schema)
        for file in merged
    )
    for batch in rows.combine_chunks().to_batches(GROUP_ROWS):
        merging.write(pa.RecordBatch.from_arrays(batch.columns, schema=merging.schema))
    paths = merging.close()
    kept = [file for file in version.files if file not in merged]
    notes = replace(version.notes, files=work.fingerprints(paths, version, kept))
    if isinstance(notes, LandingNotes):
        parts = _parts(version.files, notes.merged, merged, short_name(paths[0]))
        notes = replace(notes, merged=parts)
    keep = {file.uri for file in kept}
    work.warehouse.commit(table, paths, notes, keep=keep, content=version.content)


def to_merge(files: Sequence[DataFile]) -> Sequence[DataFile]:
    """Small files, where there are many of one size: those up to that size, the smallest first.

    Not more than make a file of the usual size; the next run merges more.
    """
    least = 0
    for most in _TIERS:
        if sum(least <= file.rows < most for file in files) >= _MOST_IN_TIER:
            small = sorted((file for file in files if file.rows < most), key=lambda file: file.rows)
            ends = accumulate(file.rows for file in small)
            return [file for file, end in zip(small, ends, strict=True) if end <= _MOST_ROWS]
        least = most
    return ()


def _parts(
    files: Sequence[DataFile],
    known: Mapping[str, Sequence[str]],
    merged: Sequence[DataFile],
    name: str,
) -> dict[str, Sequence[str]]:
    """Which typed files, as loads name them, each file that was merged holds the rows of."""
    held = {**{short_name(file.path): [file.path.stem] for file in files}, **known}
    gone = [short_name(file.path) for file in merged]
    kept = {file: parts for file, parts in known.items() if file not in gone}
    return {**kept, name: [part for file in gone for part in held[file]]}

"""Removes records from the quarantine whose landing files are read again, changed or gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi.parquet import ParquetFile

_BATCH_ROWS = 1 << 12


def remove_records(
    path: Path, outdated: Mapping[str, Collection[str] | None], rest: ParquetFile
) -> list[Path] | None:
    """Write the records of a quarantine file that are of other landing files to `rest`.

    `outdated` are landing files by source; None is all of a source. Returns the path of what was
    written, nothing where no row is left, and None where none has to be removed.
    """
    if not any(names is None or names for names in outdated.values()):
        return None
    with pq.ParquetFile(path) as file:
        places = file.read(["source", "file"])
        if not pc.any(_is_outdated(places, outdated)).as_py():
            return None
        for batch in file.iter_batches(_BATCH_ROWS):
            kept = batch.filter(pc.invert(_is_outdated(batch, outdated)))
            if kept.num_rows:
                rest.write(pa.RecordBatch.from_arrays(kept.columns, schema=rest.schema))
    return rest.close()


def _is_outdated(
    rows: pa.Table | pa.RecordBatch, outdated: Mapping[str, Collection[str] | None]
) -> pa.Array:
    is_outdated = pa.array([False] * rows.num_rows)
    for source, names in outdated.items():
        of_source = pc.equal(rows.column("source"), source)
        if names is not None:
            is_listed = pc.is_in(rows.column("file"), value_set=pa.array(list(names), pa.string()))
            of_source = pc.and_(of_source, is_listed)
        is_outdated = pc.or_(is_outdated, of_source)
    return is_outdated

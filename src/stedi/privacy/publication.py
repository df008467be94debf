"""Writes a published table: the declared columns alone, sorted by their own values.

The rows leave the engine as classes (the rows with equal published values) with their counts, and
are written once, by PyArrow, so that the same rows in any order give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlglot import exp

from stedi import parquet
from stedi.engines import Engine
from stedi.parquet import Field

_BATCH_ROWS = 1 << 17


def publish(engine: Engine, candidate: str, fields: Sequence[Field], folder: Path) -> list[Path]:
    """Write the rows of `candidate`, reduced to `fields`, to new files in a fresh folder."""
    classes = engine.fetch(_classes(candidate, fields))
    if classes.num_rows == 0:
        return []
    path = folder / "part-0.parquet"
    parquet.write_batches(_rows(classes), fields, path)
    return [path]


def _classes(candidate: str, fields: Sequence[Field]) -> exp.Select:
    names = [field.name for field in fields]
    # -0.0 equals 0.0, and which of them stands for a class must not depend on the engine.
    values = [exp.column(n, quoted=True) + exp.cast(exp.Literal.number(0), "DOUBLE") for n in names]
    plain = exp.select(*(v.as_(n, quoted=True) for v, n in zip(values, names, strict=True)))
    columns = [exp.column(name, quoted=True) for name in names]
    return (
        exp.select(*columns, exp.Count(this=exp.Star()).as_("n"))
        .from_(plain.from_(exp.to_table(candidate)).subquery("plain"))
        .group_by(*columns)
        .order_by(*columns)
    )


def _rows(classes: pa.Table) -> Iterator[pa.RecordBatch]:
    """Each class as often as it counts, a batch at a time."""
    counts = np.from_dlpack(classes["n"].combine_chunks())
    ends = np.cumsum(counts)
    begins = ends - counts
    values = classes.drop_columns(["n"]).combine_chunks()
    for begin in range(0, int(ends[-1]), _BATCH_ROWS):
        end = min(begin + _BATCH_ROWS, int(ends[-1]))
        first, last = np.searchsorted(ends, [begin, end - 1], side="right")
        among = np.arange(first, last + 1)
        times = np.minimum(ends[among], end) - np.maximum(begins[among], begin)
        rows = pa.py_buffer(np.repeat(among, times))
        places = pa.Array.from_buffers(pa.int64(), end - begin, [None, rows])
        yield values.take(places).to_batches()[0]

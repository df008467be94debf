"""The table of boxes: what each published value stands for, so that new raw data can be coded.

One row a class. For each column `c` that was generalised: `c_from` and `c_to`, the least value that
belongs to it and the least that doesn't (infinite at the ends of the grid), and `c`, the value that
is published. There are no counts in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stedi import parquet
from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.parquet import Field
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.search import Partition


@dataclass(frozen=True)
class Range:
    """A column's edges and published values, by class."""

    begins: Float64s
    ends: Float64s
    values: Float64s


_CLASSES_AT_ONCE = 1 << 20
_ALL = slice(None)


def table_of_boxes(
    publication: Publication, partition: Partition, among: slice = _ALL
) -> dict[str, Range]:
    """Classes of a partition, by default all, as ranges of each column; in its order."""
    values, boxes = published_values(publication, partition, among), partition.boxes[among]
    ranges = {}
    for n, axis in enumerate(publication.axes):
        edges = Grid(axis).edges(*partition.regions[boxes, n].T)
        ranges[axis.column] = Range(*edges, values[axis.column])
    if publication.target is not None:
        edges = Grid(publication.target).edges(*partition.targets[among].T)
        ranges[publication.target.column] = Range(*edges, values[publication.target.column])
    return ranges


def published_values(
    publication: Publication, partition: Partition, among: slice = _ALL
) -> dict[str, Float64s]:
    """The published values of these classes alone, by column."""
    boxes = partition.boxes[among]
    values = {
        axis.column: Grid(axis).midpoints(*partition.parts[boxes, n].T)
        for n, axis in enumerate(publication.axes)
    }
    if publication.target is not None:
        of_target = Grid(publication.target).midpoints(*partition.target_parts[among].T)
        values[publication.target.column] = of_target
    return values


def write_boxes(publication: Publication, partition: Partition, path: Path) -> None:
    """Write a table of boxes to a new file; memory has a million classes of it at a time."""
    names = [axis.column for axis in publication.axes]
    names += [publication.target.column] if publication.target is not None else []
    columns = [f"{name}{suffix}" for name in names for suffix in ("_from", "_to", "")]
    fields = [Field(name, "double", n) for n, name in enumerate(columns, start=1)]
    schema = parquet.arrow_schema(fields)

    def batch(first: int) -> pa.RecordBatch:
        among = slice(first, first + _CLASSES_AT_ONCE)
        ranges = table_of_boxes(publication, partition, among).values()
        arrays = [array for r in ranges for array in (r.begins, r.ends, r.values)]
        return pa.RecordBatch.from_arrays([*map(parquet.doubles, arrays)], schema=schema)

    begins = range(0, len(partition.counts), _CLASSES_AT_ONCE)
    parquet.write_batches(map(batch, begins), fields, path)


def read_boxes(path: Path, columns: Sequence[str]) -> dict[str, Range]:
    """Read the table of boxes of these columns."""
    stored = read_columns(path)
    return {
        name: Range(stored[f"{name}_from"], stored[f"{name}_to"], stored[name]) for name in columns
    }


def read_columns(path: Path) -> dict[str, Float64s]:
    """The columns of a file that has nothing but doubles."""
    table = parquet.read(path)
    arrays = (column.combine_chunks() for column in table.columns)
    return dict(zip(table.column_names, map(np.asarray, map(np.from_dlpack, arrays)), strict=True))


def sorted_classes(values: Mapping[str, Float64s], columns: Sequence[str]) -> Int64s:
    """The places of the classes in the order of their published values, first column first."""
    order: Int64s = np.lexsort([values[name] for name in reversed(columns)])
    return order

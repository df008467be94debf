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


def table_of_boxes(publication: Publication, partition: Partition) -> dict[str, Range]:
    """The classes of a partition, as ranges of each column; its order is the partition's."""
    ranges = {}
    for n, axis in enumerate(publication.axes):
        grid = Grid(axis)
        least, most = partition.regions[partition.boxes, n].T
        begins, ends = grid.edges(least, most)
        values = grid.midpoints(*partition.parts[partition.boxes, n].T)
        ranges[axis.column] = Range(begins, ends, values)
    if publication.target is not None:
        grid = Grid(publication.target)
        begins, ends = grid.edges(*partition.targets.T)
        values = grid.midpoints(*partition.target_parts.T)
        ranges[publication.target.column] = Range(begins, ends, values)
    return ranges


def write_boxes(ranges: Mapping[str, Range], path: Path) -> None:
    """Write a table of boxes to a new file."""
    columns = [
        (f"{name}{suffix}", array)
        for name, r in ranges.items()
        for suffix, array in (("_from", r.begins), ("_to", r.ends), ("", r.values))
    ]
    fields = [Field(name, "double", n) for n, (name, _) in enumerate(columns, start=1)]
    batch = pa.RecordBatch.from_arrays(
        [parquet.doubles(array) for _, array in columns], schema=parquet.arrow_schema(fields)
    )
    parquet.write_batches([batch], fields, path)


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


def sorted_classes(ranges: Mapping[str, Range], columns: Sequence[str]) -> Int64s:
    """The places of the classes in the order of their published values, first column first."""
    order: Int64s = np.lexsort([ranges[name].values for name in reversed(columns)])
    return order

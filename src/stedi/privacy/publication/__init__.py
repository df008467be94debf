"""Writes a published table: values coarsened into classes of enough people, and nothing else.

The rows leave the engine as they are, with the people of their two sides, and all that follows is
worked out here, from whole numbers: so every engine publishes the same bytes, and so do the same
rows in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from stedi import parquet
from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.errors import RuleBroken
from stedi.parquet import Field
from stedi.privacy.publication.boxes import (
    read_columns,
    sorted_classes,
    table_of_boxes,
    write_boxes,
)
from stedi.privacy.publication.noise import Randomness, discrete_laplace, fresh, noisy, state_of
from stedi.privacy.publication.search import (
    BLOCK_ROWS,
    Points,
    points,
    points_of,
    search,
    shortcomings,
)
from stedi.privacy.publication.spread import Spread, deviation
from stedi.privacy.publication.suppression import suppress

BATCH_ROWS = 1 << 17
"""Rows of each row group but the last."""


@dataclass(frozen=True)
class Raw:
    """Rows before they are coarsened: columns by name, and the people of each side."""

    columns: dict[str, Float64s]
    people: tuple[Int64s, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.people[0])

    def taken(self, rows: Int64s) -> Raw:
        """Some of the rows, by their places."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Raw(columns, tuple(side[rows] for side in self.people))


@dataclass(frozen=True)
class Published:
    """What was written: no files where there were no rows, or where they had to be `withheld`.

    `why` says in that case what is missing. `beyond` counts by column the values that lay beyond
    the declared grid, `suppressed` by reason the rows that were left out. `spreads` has by column
    how far values were spread before and after. `noise` is by how many rows noise on the counts of
    classes made it more, or fewer where it is below none; None where counts are true.
    """

    paths: list[Path]
    boxes: Path | None
    withheld: int
    why: str | None
    beyond: dict[str, int]
    suppressed: Mapping[str, int] = field(default_factory=dict)
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    noise: int | None = None


def publish(
    rows: pa.Table,
    publication: Publication,
    fields: Sequence[Field],
    folder: Path,
    boxes: Path,
    random: Randomness = fresh,
) -> Published:
    """Write rows, generalised, to new files in a fresh folder.

    `boxes` is where the table of boxes goes, `random` what noise is made of, where it is declared.
    Raises `RuleBroken` for a row without a value or without a person.
    """
    columns = rows.select(raw_columns(publication))
    _refuse_blanks(columns, publication)
    # Copied into one array each, columns would take longer to come by than all that follows.
    batches = (_raw(batch, publication) for batch in columns.to_batches(BLOCK_ROWS))
    blocks = [(raw.columns, raw.people) for raw in batches]
    return _write(points_of(publication, blocks), publication, fields, folder, boxes, random)


def write_published(
    raw: Raw,
    publication: Publication,
    fields: Sequence[Field],
    folder: Path,
    boxes: Path,
    random: Randomness = fresh,
) -> Published:
    """Write rows that are at hand like `publish`."""
    on_grid = points(publication, raw.columns, raw.people)
    return _write(on_grid, publication, fields, folder, boxes, random)


def _write(
    on_grid: Points,
    publication: Publication,
    fields: Sequence[Field],
    folder: Path,
    boxes: Path,
    random: Randomness,
) -> Published:
    rows = len(on_grid.rows)
    if rows == 0:
        return Published([], None, 0, None, {})
    fewer = suppress(on_grid, publication)
    missing = "; ".join(shortcomings(fewer.points, publication))
    if missing or not len(fewer.points.rows):
        return Published([], None, rows, missing or "all rows were left out", {})
    before = {grid.column: grid.deviation(fewer.points.rows[:, at]) for at, grid in on_grid.grids}
    partition = search(fewer.points, publication)
    ranges = table_of_boxes(publication, partition)
    counts, added = partition.counts, None
    if publication.noise is not None:
        drawn = random(state_of(publication, ranges, partition.counts))
        counts = noisy(counts, discrete_laplace(drawn, publication.noise.scale, len(counts)))
        added = int((counts - partition.counts).sum())
        if not counts.any():
            return Published([], None, rows, "noise left no row of any class", {})
    after = {name: deviation(one.values, counts) for name, one in ranges.items()}
    names = [field.name for field in fields]
    order = sorted_classes(ranges, names)
    values = [ranges[name].values[order] for name in names]
    path = folder / "part-0.parquet"
    with ThreadPoolExecutor(1) as executor:
        written = executor.submit(write_boxes, ranges, boxes)
        parquet.write_batches(_rows(values, counts[order], fields), fields, path)
        written.result()
    spreads = {name: Spread(before[name], after[name]) for name in names}
    return Published([path], boxes, 0, None, on_grid.beyond, fewer.reasons, spreads, added)


def raw_columns(publication: Publication) -> list[str]:
    """The columns that rows have before they are coarsened: values, then people."""
    return [*(c.column for c in publication.coarsened), *publication.people]


def raw_rows(table: pa.Table, publication: Publication) -> Raw:
    """Rows before they are coarsened; raises `RuleBroken` for one without a value or a person."""
    _refuse_blanks(table, publication)
    return _raw(table, publication)


def _refuse_blanks(table: pa.Table, publication: Publication) -> None:
    for name in raw_columns(publication):
        if table[name].null_count:
            what = "a person" if name in publication.people else "a value"
            raise RuleBroken(f"{name}: {table[name].null_count:,} rows are without {what}")
    for coarsened in publication.coarsened:
        column = table[coarsened.column]
        no_number = sum(int(np.isnan(np.from_dlpack(chunk)).sum()) for chunk in column.chunks)
        if no_number:
            raise RuleBroken(
                f"{coarsened.column}: {no_number:,} rows have NaN, which is no value: 0 divided by "
                "0, or the root of a number below 0"
            )


def _raw(rows: pa.Table | pa.RecordBatch, publication: Publication) -> Raw:
    return Raw(
        {c.column: _array(rows, c.column) for c in publication.coarsened},
        tuple(_array(rows, name) for name in publication.people),
    )


def read_published(path: Path) -> dict[str, Float64s]:
    """The columns of a published file, as they are stored."""
    return read_columns(path)


def _array(rows: pa.Table | pa.RecordBatch, name: str) -> np.ndarray:
    column = rows[name]
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(np.from_dlpack(array))


def _rows(
    values: Sequence[Float64s], counts: Int64s, fields: Sequence[Field]
) -> Iterator[pa.RecordBatch]:
    """Each class as often as it counts, a batch at a time."""
    schema = parquet.arrow_schema(fields)
    ends = np.cumsum(counts)
    begins = ends - counts
    for begin in range(0, int(ends[-1]), BATCH_ROWS):
        end = min(begin + BATCH_ROWS, int(ends[-1]))
        first, last = np.searchsorted(ends, [begin, end - 1], side="right")
        among = slice(first, last + 1)
        times = np.minimum(ends[among], end) - np.maximum(begins[among], begin)
        arrays = [parquet.doubles(np.repeat(column[among], times)) for column in values]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)

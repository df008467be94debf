"""Writes a published table: values generalised into classes of enough people, and nothing else.

The rows leave the engine as they are, with the people of their two sides, and all that follows is
worked out here, from whole numbers: so every engine publishes the same bytes, and so do the same
rows in another order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stedi import parquet
from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.errors import RuleBroken
from stedi.parquet import Field
from stedi.privacy.publication.boxes import (
    published_values,
    read_columns,
    sorted_classes,
    table_of_boxes,
    write_boxes,
)
from stedi.privacy.publication.noise import Randomness, discrete_laplace, fresh, noisy, state_of
from stedi.privacy.publication.parts import search_in_parts
from stedi.privacy.publication.search import (
    BLOCK_ROWS,
    Partition,
    Points,
    points,
    points_of,
    search,
    shortcomings,
)
from stedi.privacy.publication.spilled import Spilled
from stedi.privacy.publication.spread import Spread, deviation
from stedi.privacy.publication.suppression import suppress
from stedi.roots import Files

BATCH_ROWS = 1 << 17
"""Rows of each row group but the last."""
FILE_ROWS = BATCH_ROWS << 7
"""Rows of each published file but the last."""
ROWS_AT_ONCE = 1 << 24
"""How many rows are worked on in memory: of 28 bytes each, and as much while they are read."""


@dataclass(frozen=True)
class Raw:
    """Rows before they are generalised: columns by name, and the people of each side."""

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
    """Write rows in memory like `publish`."""
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
    kept = fewer.points.rows
    before = {grid.column: grid.deviation(kept[:, at]) for at, grid in on_grid.grids.placed}
    found = _Found(rows, before, on_grid.beyond, fewer.reasons)
    # No name here: its memory is free again while rows are written.
    return _write_found(
        found, search(fewer.points, publication), publication, fields, folder, boxes, random
    )


@dataclass(frozen=True)
class _Found:
    """How many rows there were before any was left out, and see `Published`."""

    rows: int
    deviations: Mapping[str, float]
    beyond: dict[str, int]
    suppressed: Mapping[str, int]


def publish_in_parts(
    rows: Spilled,
    files: Files,
    publication: Publication,
    fields: Sequence[Field],
    folder: Path,
    boxes: Path,
    most_rows: int,
    random: Randomness = fresh,
) -> Published:
    """Write rows like `publish` that are in an engine's files; `files` are its lakehouse's.

    Memory has no more than `most_rows` of them at a time.
    """
    if rows.rows == 0:
        return Published([], None, 0, None, {})
    refuse_unusable(rows)
    fewer, reasons = rows.suppressed()
    missing = "; ".join(fewer.shortcomings())
    if missing or not fewer.rows:
        return Published([], None, rows.rows, missing or "all rows were left out", {})
    found = _Found(rows.rows, fewer.deviations, rows.beyond, reasons)
    # No name here: its memory is free again while rows are written.
    return _write_found(
        found, search_in_parts(fewer, files, most_rows), publication, fields, folder, boxes, random
    )


def _write_found(
    found: _Found,
    partition: Partition,
    publication: Publication,
    fields: Sequence[Field],
    folder: Path,
    boxes: Path,
    random: Randomness,
) -> Published:
    counts, added = partition.counts, None
    if publication.noise is not None:
        drawn = random(state_of(publication, table_of_boxes(publication, partition), counts))
        counts = noisy(counts, discrete_laplace(drawn, publication.noise.scale, len(counts)))
        added = int((counts - partition.counts).sum())
        if not counts.any():
            return Published([], None, found.rows, "noise left no row of any class", {})
    names, paths = [field.name for field in fields], []
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        written = executor.submit(write_boxes, publication, partition, boxes)
        by_name = published_values(publication, partition)
        del partition
        spreads = {
            name: Spread(found.deviations[name], deviation(by_name[name], counts)) for name in names
        }
        order = sorted_classes(by_name, names)
        written.result()
        values, counts = [by_name.pop(name)[order] for name in names], counts[order]
        for number, begin in enumerate(range(0, int(counts.sum()), FILE_ROWS)):
            path = folder / f"part-{number:05}.parquet"
            batches = _rows(values, counts, fields, begin)
            paths.append((path, executor.submit(parquet.write_batches, batches, fields, path)))
        for _, future in paths:
            future.result()
    made = [path for path, _ in paths]
    return Published(made, boxes, 0, None, found.beyond, found.suppressed, spreads, added)


def raw_columns(publication: Publication) -> list[str]:
    """The columns that rows have before they are generalised: values, then people."""
    return [*(c.column for c in publication.coarsened), *publication.people]


def raw_rows(table: pa.Table, publication: Publication) -> Raw:
    """Rows before they are generalised; raises `RuleBroken` for one without a value or a person."""
    _refuse_blanks(table, publication)
    return _raw(table, publication)


def refuse_unusable(rows: Spilled) -> None:
    """Raise `RuleBroken` where rows in an engine's files lack a value or a person."""
    for name, count in rows.blanks.items():
        _refuse_blank(name, count, rows.publication)
    for column, count in rows.no_numbers.items():
        _refuse_no_number(column, count)


def _refuse_blanks(table: pa.Table, publication: Publication) -> None:
    for name in raw_columns(publication):
        if table[name].null_count:
            _refuse_blank(name, table[name].null_count, publication)
    for coarsened in publication.coarsened:
        chunks = table[coarsened.column].chunks
        no_number = sum(int(np.isnan(np.from_dlpack(chunk)).sum()) for chunk in chunks)
        if no_number:
            _refuse_no_number(coarsened.column, no_number)


def _refuse_blank(name: str, count: int, publication: Publication) -> None:
    what = "a person" if name in publication.people else "a value"
    raise RuleBroken(f"{name}: {count:,} rows are without {what}")


def _refuse_no_number(column: str, count: int) -> None:
    raise RuleBroken(
        f"{column}: {count:,} rows have NaN, which is no value: 0 divided by 0, or the square root "
        "of a number below 0"
    )


def _raw(rows: pa.Table | pa.RecordBatch, publication: Publication) -> Raw:
    return Raw(
        {c.column: parquet.as_array(rows, c.column) for c in publication.coarsened},
        tuple(parquet.as_array(rows, name) for name in publication.people),
    )


def read_published(paths: Sequence[Path]) -> dict[str, Float64s]:
    """The columns of published files, as they are stored; the first file has the first rows."""
    parts = [read_columns(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class Classes:
    """The classes of published rows in their order: their values by column, and how many rows."""

    values: dict[str, Float64s]
    counts: Int64s


def batches(paths: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of published files as they are stored, a row group at a time."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH_ROWS)


def published_classes(paths: Sequence[Path]) -> Classes:
    """The classes of published files, of which some rows are in memory at a time."""
    return classes_of(
        {name: parquet.as_array(batch, name) for name in batch.schema.names}
        for batch in batches(paths)
    )


def classes_of(blocks: Iterable[Mapping[str, Float64s]]) -> Classes:
    """The classes of published rows that come in blocks, in their order."""
    values: list[list[Float64s]] = []
    counts: list[Int64s] = []
    names: list[str] = []
    for block in blocks:
        names, columns = [*block], [*block.values()]
        rows = len(columns[0])
        is_new = np.zeros(rows, np.bool_)
        is_new[:1] = not values or any(
            one[0] != last[-1] for one, last in zip(columns, values[-1], strict=True)
        )
        for column in columns:
            is_new[1:] |= column[1:] != column[:-1]
        begins = np.flatnonzero(is_new)
        before = int(begins[0]) if len(begins) else rows
        if before:
            counts[-1][-1] += before
        if len(begins):
            values.append([column[begins] for column in columns])
            counts.append(np.diff(begins, append=rows))
    by_name = {name: np.concatenate([part[n] for part in values]) for n, name in enumerate(names)}
    return Classes(by_name, np.concatenate(counts) if counts else np.zeros(0, np.int64))


def _rows(
    values: Sequence[Float64s], counts: Int64s, fields: Sequence[Field], first_row: int
) -> Iterator[pa.RecordBatch]:
    """Each class as often as it counts, a batch at a time: the rows of one file."""
    schema = parquet.arrow_schema(fields)
    ends = np.cumsum(counts)
    begins = ends - counts
    last_row = min(first_row + FILE_ROWS, int(ends[-1]))
    for begin in range(first_row, last_row, BATCH_ROWS):
        end = min(begin + BATCH_ROWS, last_row)
        first, last = np.searchsorted(ends, [begin, end - 1], side="right")
        among = slice(first, last + 1)
        times = np.minimum(ends[among], end) - np.maximum(begins[among], begin)
        arrays = [parquet.doubles(np.repeat(column[among], times)) for column in values]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)

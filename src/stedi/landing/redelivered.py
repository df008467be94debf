"""Records that came before in an earlier file: noticed cheaply, then taken out exactly.

Some records of each new file are looked up among those of all files that came before it. Where one
is found, every record of the new file that is equal in all columns to one of an earlier file is
taken out of its typed file. Equal records within one file stay. Files are in the order in which
runs first read them, then that of their arrival, then that of their names; so a rebuild gives the
same rows.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi import parquet
from stedi.arrays import Bools, Int64s
from stedi.declared.contract import Contract
from stedi.engines.memory import half_of_memory
from stedi.landing.parse import Parsed, ReadFile
from stedi.parquet import ParquetFile, Target, identifier
from stedi.roots import Files, footer_source

_MOST_SAMPLED = 512
_LEAST_SAMPLED = 32
_SHARE_SAMPLED = 16
"""Of the rows of a row group that are one file's, every so many-th is looked up, within limits."""
_SHARE_LOOKED_AT = 10
_LEAST_LOOKED_AT = 1 << 16
"""Samples are looked up among a tenth as many rows as are new, or so many, if there are more."""


@dataclass(frozen=True)
class Span:
    """Rows `begin` to `end` of a typed file, which came in one landing file, or one of several.

    `order` says when it came, compared with others: before all new files where it is negative.
    """

    path: Path
    begin: int
    end: int
    order: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Noticed:
    """New files (by order) with a record that came before; some of them `in_known` files."""

    orders: frozenset[int]
    in_known: frozenset[int]


def spans_of(parsed: Parsed, orders: Mapping[str, int]) -> list[Span]:
    """Where rows of each new file lie; `orders` says of each when it came."""
    paths = {path.stem: path for path in parsed.typed}
    by_part: dict[str, list[ReadFile]] = defaultdict(list)
    for read in sorted(parsed.files, key=lambda read: read.file):
        for part in read.parts:
            by_part[part].append(read)
    spans = []
    for part, reads in by_part.items():
        at = 0
        for read in reads:
            loaded = read.records - read.set_aside
            if len(read.parts) > 1:  # a large file, read in ranges
                loaded = -1
            elif not loaded:
                continue
            name = read.file.name
            spans.append(Span(paths[part], at, at + loaded, orders[name], (name,)))
            at += loaded
    return spans


def notice(files: Files, contract: Contract, known: Sequence[Span], new: Sequence[Span]) -> Noticed:
    """Look for new files that have a record of an earlier one, by some records of each."""
    if not new or len({span.order for span in (*known, *new)}) < 2:
        return Noticed(frozenset(), frozenset())
    return _Notice(files, contract, _measured(files, new)).look([*known, *_measured(files, new)])


def without_redelivered(
    files: Files,
    contract: Contract,
    known: Sequence[Span],
    new: Sequence[Span],
    parsed: Parsed,
    noticed: Noticed,
    target: Target,
    scratch: Path,
) -> Parsed:
    """What was parsed, without records of the noticed files that came in an earlier file.

    Where the contract has them loaded each time they stay, and are counted all the same.
    """
    new = _measured(files, new)
    names: dict[int, set[str]] = defaultdict(set)
    for span in (*known, *new):
        names[span.order].update(span.names)
    found = _repeated(files, contract, [*known, *new], noticed, scratch)
    counts: dict[str, int] = defaultdict(int)
    earlier: dict[str, set[str]] = defaultdict(set)
    for order, first, count in found.by_file:
        [name] = names[order]
        counts[name] += count
        earlier[name].update(names[first])
    written: dict[Path, list[Path]] = {}
    if contract.redelivered == "once":
        for path, rows in found.rows.items():
            part = target.folder / f"part-{secrets.token_hex(8)}.parquet"
            writer = ParquetFile(part, target.fields, contract.identifiers)
            written[path] = _without(files, path, rows, writer)
        files.publish([path for paths in written.values() for path in paths])
        files.remove(list(written))
    stems = {path.stem: [p.stem for p in paths] for path, paths in written.items()}
    return Parsed(
        tuple(_with_counts(read, counts, earlier, stems, contract) for read in parsed.files),
        tuple(new for path in parsed.typed for new in written.get(path, [path])),
        parsed.quarantine,
    )


def _with_counts(
    read: ReadFile,
    counts: Mapping[str, int],
    earlier: Mapping[str, set[str]],
    stems: Mapping[str, Sequence[str]],
    contract: Contract,
) -> ReadFile:
    name = read.file.name
    parts = tuple(new for part in read.parts for new in stems.get(part, [part]))
    repeated = counts.get(name, 0)
    verdict = read.verdict
    is_dropped = contract.redelivered == "once" and repeated > 0
    if is_dropped and read.records == read.set_aside + repeated and verdict == "good":
        verdict = "re-delivered"
    return replace(
        read,
        parts=parts,
        repeated=repeated,
        earlier=tuple(sorted(earlier.get(name, ()))),
        verdict=verdict,
    )


def _measured(files: Files, spans: Sequence[Span]) -> list[Span]:
    """Spans with their ends, where a file has a typed file of its own."""
    return [
        span
        if span.end >= 0
        else replace(span, begin=0, end=parquet.count_rows(footer_source(files, span.path)))
        for span in spans
    ]


def _by_path(spans: Sequence[Span]) -> dict[Path, list[Span]]:
    by_path: dict[Path, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.begin):
        by_path[span.path].append(span)
    return by_path


@dataclass(frozen=True)
class _Group:
    """A row group of a typed file, with whose rows it has, and which samples it may have."""

    path: Path
    number: int
    begin: int
    rows: int
    spans: Sequence[Span]
    may: Bools

    @property
    def has_first_row(self) -> bool:
        """Whether the first row of some landing file is in it."""
        return any(span.begin >= self.begin for span in self.spans)


class _Notice:
    """Looks up samples of new files in the row groups of others, as few as may have them."""

    def __init__(self, files: Files, contract: Contract, new: Sequence[Span]) -> None:
        self._files = files
        self._names = [column.name for column in contract.delivered]
        self._longs = [c.name for c in contract.delivered if c.type == "long" and c.required]
        self._new = new
        self._new_rows = sum(span.end - span.begin for span in new)
        self._flagged: set[int] = set()
        self._in_known: set[int] = set()

    def look(self, spans: Sequence[Span]) -> Noticed:
        """Look samples up in the rows of these files."""
        longs, orders = self._sampled(self._longs or self._names)
        if longs is not None:
            self._orders: Int64s = np.array(orders, np.int64)
            self._numbers = {n: longs.column(n).chunk(0).to_numpy() for n in self._longs}
            self._probe, self._sought = self._probe_of(longs)
            for path, groups in groupby(self._groups(spans), key=lambda group: group.path):
                with pq.ParquetFile(footer_source(self._files, path)) as file:
                    for group in groups:
                        self._look_at(file, group)
        return Noticed(frozenset(self._flagged), frozenset(self._in_known))

    def _probe_of(self, longs: pa.Table) -> tuple[str, pa.Array]:
        """The column that is looked up first, and the samples' values in it.

        It is a whole number that each record must have, if samples differ in it well enough: then
        their other columns are read only where one of its values is found.
        """
        distinct = {name: pc.count_distinct(longs.column(name)).as_py() for name in self._longs}
        best = max(self._longs, key=lambda name: distinct[name], default=None)
        if best is None or 2 * distinct[best] < longs.num_rows:
            best, longs = self._most_distinct(), self._rows
        return best, longs.column(best).chunk(0)

    def _sampled(self, columns: Sequence[str]) -> tuple[pa.Table | None, list[int]]:
        tables, orders = list[pa.Table](), list[int]()
        for table, order in self._samples(columns):
            tables.append(table)
            orders += [order] * table.num_rows
        return (pa.concat_tables(tables).combine_chunks() if tables else None), orders

    @cached_property
    def _rows(self) -> pa.Table:
        """The samples in all columns."""
        rows, _ = self._sampled(self._names)
        assert rows is not None
        return rows

    @cached_property
    def _by_row(self) -> Mapping[tuple[Any, ...], Sequence[int]]:
        """Whose samples are which rows; most new files have no value that makes anyone ask."""
        found: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for row, order in zip(_tuples(self._rows), self._orders.tolist(), strict=True):
            found[row].append(order)
        return found

    def _samples(self, columns: Sequence[str]) -> Iterator[tuple[pa.Table, int]]:
        """Some rows of each file, evenly spread over the first, a middle and the last row group.

        The first and the last row are among them: a file that grew begins, or ends, with old ones.
        """
        for path, own in _by_path(self._new).items():
            with pq.ParquetFile(footer_source(self._files, path)) as file:
                begins = _begins(file)
                wanted: dict[int, list[Span]] = defaultdict(list)
                for span in own:
                    first = int(np.searchsorted(begins, span.begin, "right")) - 1
                    last = int(np.searchsorted(begins, span.end - 1, "right")) - 1
                    for group in {first, (first + last) // 2, last}:
                        wanted[group].append(span)
                for group, of_group in wanted.items():
                    at = int(begins[group])
                    stretches = [(max(s.begin - at, 0), s.end - at) for s in of_group]
                    size = min(max(end for _, end in stretches), int(begins[group + 1]) - at)
                    batches = file.iter_batches(
                        size, row_groups=[group], columns=columns, use_threads=False
                    )
                    rows = pa.Table.from_batches([next(batches)]).select(columns)
                    for span, (begin, end) in zip(of_group, stretches, strict=True):
                        end = min(end, rows.num_rows)
                        count = max(_LEAST_SAMPLED, (end - begin) // _SHARE_SAMPLED)
                        count = min(count, _MOST_SAMPLED, end - begin)
                        places = np.linspace(begin, end - 1, count).astype(np.int64)
                        yield rows.take(places.tolist()), span.order

    def _most_distinct(self) -> str:
        """The column in which samples differ most; a number if it does nearly as well."""
        rows, names = self._rows, self._names
        distinct = {name: pc.count_distinct(rows.column(name)).as_py() for name in names}
        numbers = [n for n in names if not pa.types.is_string(rows.schema.field(n).type)]
        best = max(self._names, key=lambda name: distinct[name])
        number = max(numbers, key=lambda name: distinct[name], default=best)
        return number if 2 * distinct[number] >= distinct[best] else best

    def _groups(self, spans: Sequence[Span]) -> list[_Group]:
        """Row groups that may have samples; where they are many, some, evenly spread.

        Among these are all with the first rows of a file, which one that grew begins with, too.
        """
        found = []
        for path, own in _by_path(spans).items():
            with pq.ParquetFile(footer_source(self._files, path)) as file:
                begins = _begins(file).tolist()
                for number, (begin, end) in enumerate(pairwise(begins)):
                    here = [span for span in own if span.begin < end and span.end > begin]
                    may = self._may_be_in(file.metadata.row_group(number), here)
                    if may.any():
                        found.append(_Group(path, number, begin, end - begin, here, may))
        first = [group for group in found if group.has_first_row]
        rest = [group for group in found if not group.has_first_row]
        room = max(_LEAST_LOOKED_AT, self._new_rows // _SHARE_LOOKED_AT)
        if rest and sum(group.rows for group in rest) > room:
            step = -(-sum(group.rows for group in rest) // room)
            rest = rest[step // 2 :: step]
        return sorted([*first, *rest], key=lambda group: (str(group.path), group.number))

    def _may_be_in(self, group: pq.RowGroupMetaData, spans: Sequence[Span]) -> Bools:
        """Which samples may be among the rows of a row group, as its statistics say."""
        earliest = min((span.order for span in spans), default=0)
        may: Bools = self._orders > earliest
        if not may.any():
            return may
        for n in range(group.num_columns):
            chunk = group.column(n)
            values = self._numbers.get(chunk.path_in_schema)
            statistics = chunk.statistics if values is not None else None
            if values is not None and statistics is not None and statistics.has_min_max:
                may &= (values >= statistics.min) & (values <= statistics.max)
        return may

    def _look_at(self, file: pq.ParquetFile, group: _Group) -> None:
        may = group.may & ~np.isin(self._orders, list(self._flagged))
        if not may.any():
            return
        sought = self._sought if may.all() else self._sought.filter(pa.array(may))
        probed = file.read_row_group(group.number, columns=[self._probe]).column(0)
        is_hit = pc.is_in(probed, value_set=sought)
        hits: list[int] = pc.indices_nonzero(is_hit).to_pylist()
        if not hits:
            return
        rows = file.read_row_group(group.number, columns=self._names).select(self._names)
        ends = np.array([span.end - group.begin for span in group.spans])
        for place, row in zip(hits, _tuples(rows.take(hits)), strict=True):
            if orders := self._by_row.get(row):
                span = group.spans[int(np.searchsorted(ends, place, "right"))]
                found = {order for order in orders if order > span.order}
                self._flagged |= found
                self._in_known |= found if span.order < 0 else set()


def _begins(file: pq.ParquetFile) -> Int64s:
    """Where each row group begins, and behind the last."""
    metadata = file.metadata
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    return np.cumsum([0, *sizes], dtype=np.int64)


def _tuples(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)


@dataclass(frozen=True)
class _Repeated:
    """Rows that came before, by typed file; and how many of a file (order) came first in which."""

    rows: Mapping[Path, Int64s]
    by_file: Sequence[tuple[int, int, int]]


def _repeated(
    files: Files, contract: Contract, spans: Sequence[Span], noticed: Noticed, scratch: Path
) -> _Repeated:
    """Rows of the noticed files that are equal to one of an earlier file."""
    last = max(noticed.orders)
    paths = [*_by_path([span for span in spans if span.order <= last])]
    files.fetch(paths)
    columns = [(column.name, column.type) for column in contract.delivered]
    scan = parquet.scan([str(path) for path in paths], columns, ("file_index", "file_row_number"))
    names = [identifier(name) for name, _ in columns]
    number = {path: n for n, path in enumerate(paths)}
    where = [(number[s.path], s.begin, s.order) for s in spans if s.path in number]
    equal = " AND ".join(f"f.{name} IS NOT DISTINCT FROM o.{name}" for name in names)
    of = ", ".join(map(str, sorted(noticed.orders)))
    scratch.mkdir(parents=True, exist_ok=True)
    with closing(parquet.connect(scratch)) as connection:
        connection.execute(f"SET memory_limit = '{half_of_memory() // 2}B'")
        spans_ = pa.table(
            dict(
                zip(
                    ("file", "first_row", "came"),
                    (pa.array(column, pa.int64()) for column in zip(*where, strict=True)),
                    strict=True,
                )
            )
        )
        connection.register("spans", spans_)
        connection.execute(
            f"CREATE TEMP VIEW every_row AS SELECT r.*, s.came FROM ({scan}) AS r "
            "ASOF JOIN spans AS s ON s.file = r.file_index AND r.file_row_number >= s.first_row"
        )
        connection.execute(
            f"CREATE TEMP TABLE coming AS SELECT * FROM every_row WHERE came IN ({of})"
        )
        connection.execute(
            f"CREATE TEMP TABLE came_first AS SELECT {', '.join(names)}, MIN(came) AS came "
            f"FROM every_row AS f WHERE came < {last} "
            f"AND EXISTS (SELECT 1 FROM coming AS o WHERE {equal}) GROUP BY ALL"
        )
        connection.execute(
            "CREATE TEMP TABLE again AS SELECT f.file_index, f.file_row_number, f.came, "
            f"o.came AS first FROM coming AS f INNER JOIN came_first AS o ON {equal} "
            "WHERE o.came < f.came"
        )
        by_file = connection.execute(
            "SELECT came, first, COUNT(*) FROM again GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        rows = {}
        for path, n in number.items():
            found = connection.execute(
                "SELECT file_row_number FROM again WHERE file_index = ? ORDER BY ALL", [n]
            ).fetchnumpy()["file_row_number"]
            if len(found):
                rows[path] = np.asarray(found, np.int64)
    return _Repeated(rows, [(int(c), int(f), int(n)) for c, f, n in by_file])


def _without(files: Files, path: Path, rows: Int64s, writer: ParquetFile) -> list[Path]:
    """Write a typed file without some of its rows."""
    files.fetch([path])
    at = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).combine_chunks()
            kept = np.ones(table.num_rows, np.bool_)
            own = rows[(rows >= at) & (rows < at + table.num_rows)]
            kept[own - at] = False
            at += table.num_rows
            bits = pa.py_buffer(np.packbits(kept, bitorder="little"))
            mask = pa.Array.from_buffers(pa.bool_(), len(kept), [None, bits])
            for batch in table.filter(mask).combine_chunks().to_batches():
                if batch.num_rows:
                    writer.write(pa.RecordBatch.from_arrays(batch.columns, schema=writer.schema))
    return writer.close()

"""Rows of data files: read by their columns, or looked through for somebody's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stedi.arrays import Bools, Int64s
from stedi.errors import StorageError
from stedi.rights.bloom import BloomFilter, Hashed, filters_of
from stedi.rights.traces import Looking
from stedi.rights.wanted import Wanted
from stedi.roots import Files
from stedi.storage.warehouse import DataFile


def wanted_rows(
    files: Files,
    file: DataFile,
    wanted: Wanted,
    *,
    respelled: bool,
    looking: Looking | None = None,
) -> Int64s:
    """Which rows of a data file are of who is wanted, counted from 0; raises `StorageError`.

    Where `respelled`, `wanted` counts other spellings, too, and rows of others in which `looking`
    finds somebody; else row groups are passed over whose Bloom filters say that they have nobody
    who is wanted.
    """
    times = {one.entered_at.name for one in wanted.deciding if one.entered_at}
    is_timed = any(identity.spared for identity in wanted.identities)
    columns = wanted.columns
    texts = [*wanted.texts_of_records] if looking else []
    names = [*dict.fromkeys((*columns, *(sorted(times) if is_timed else ()), *texts))]
    found: list[Int64s] = []
    with _opened(files, file) as opened:
        present = [name for name in names if name in opened.schema_arrow.names]
        if not set(columns) & {*present}:
            return np.empty(0, np.int64)
        first = 0
        sought = [name for name in columns if name in present]
        lacking = set() if respelled else _lacking(file, opened.metadata, sought, wanted)
        for number in range(opened.metadata.num_row_groups):
            if number in lacking:
                first += opened.metadata.row_group(number).num_rows
                continue
            rows = opened.read_row_group(number, present)
            hits: Bools = np.zeros(rows.num_rows, np.bool_)
            for name in sought:
                hits |= _candidates(rows.column(name), name, wanted, respelled)
            for row in np.flatnonzero(hits):
                values: dict[str, Any] = dict.fromkeys(names)
                values.update((name, rows.column(name)[int(row)].as_py()) for name in present)
                hits[row] = wanted.record(_Default(values))
            if looking:
                wanted.mentions += _mentions(
                    rows.select([n for n in texts if n in present]), hits, wanted, looking
                )
            found.append(np.flatnonzero(hits).astype(np.int64) + first)
            first += rows.num_rows
    return np.concatenate(found) if found else np.empty(0, np.int64)


class _Default(dict[str, Any]):
    def __missing__(self, key: str) -> None:
        return None


def _lacking(file: DataFile, metadata: Any, columns: Sequence[str], wanted: Wanted) -> set[int]:
    """Row groups that have nobody who is wanted, according to the Bloom filters of all columns."""
    lacking = [set[int]() for _ in columns]
    asked = Hashed(text.encode(errors="replace") for text in sorted(wanted.texts))
    with file.path.open("rb") as opened:
        for column, without in zip(columns, lacking, strict=True):
            for number, offset, length in filters_of(metadata, column):
                opened.seek(offset)
                try:
                    bloom = BloomFilter(opened.read(length))
                except (ValueError, IndexError):
                    continue
                if not bloom.may_have(asked).any():
                    without.add(number)
    return set.intersection(*lacking) if lacking else set()


def _candidates(column: pa.ChunkedArray, name: str, wanted: Wanted, respelled: bool) -> Bools:
    hits = []
    for chunk in column.chunks:
        coded = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
        among = wanted.among_all(name, coded.dictionary, respelled=respelled)
        hits.append(_spread(among, coded))
    return np.concatenate(hits) if hits else np.zeros(0, np.bool_)


def _spread(among: Bools, coded: pa.DictionaryArray) -> Bools:
    """Which rows have one of some values of a coded column."""
    if not among.any():
        return np.zeros(len(coded), np.bool_)
    having: Bools = np.append(among, False)
    return np.asarray(having[np.asarray(coded.indices.fill_null(len(among)))])


def _mentions(rows: pa.Table, theirs: Bools, wanted: Wanted, looking: Looking) -> int:
    """How many rows that aren't theirs have an identifier in a text, but as one spelled alike."""
    has: Bools = np.zeros(rows.num_rows, np.bool_)
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        parts = [np.zeros(0, np.bool_)]
        for chunk in column.chunks:
            coded = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
            among = looking.among(coded.dictionary)
            for number in np.flatnonzero(among):
                among[number] = not wanted.is_spelled(name, coded.dictionary[int(number)].as_py())
            parts.append(_spread(among, coded))
        has |= np.concatenate(parts)
    return int((has & ~theirs).sum())


def _opened(files: Files, file: DataFile) -> pq.ParquetFile:
    try:
        files.fetch([file.path])
        metadata = pq.read_schema(file.path)
        texts = [f.name for f in metadata if pa.types.is_string(f.type)]
        return pq.ParquetFile(file.path, read_dictionary=texts)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{files.name(file.path)} can't be read ({type(error).__name__}); "
            "`stedi run --full` rebuilds the tables"
        ) from None


def read_rows(files: Files, file: DataFile, columns: Iterable[str]) -> pa.Table:
    """Some columns of a data file, as far as it has them; raises `StorageError`."""
    try:
        files.fetch([file.path])
        with pq.ParquetFile(file.path) as opened:
            names = [name for name in columns if name in opened.schema_arrow.names]
            return opened.read(names)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{files.name(file.path)} can't be read ({type(error).__name__}); "
            "`stedi run --full` rebuilds the tables"
        ) from None


def taken_rows(files: Files, file: DataFile, numbers: Int64s) -> Iterator[dict[str, Any]]:
    """Some rows of a data file, counted from 0 and in their order; raises `StorageError`."""
    wanted: Int64s = np.sort(numbers)
    try:
        files.fetch([file.path])
        with pq.ParquetFile(file.path) as opened:
            first = 0
            for number in range(opened.metadata.num_row_groups):
                count = opened.metadata.row_group(number).num_rows
                inside = wanted[(wanted >= first) & (wanted < first + count)] - first
                if len(inside):
                    group = opened.read_row_group(number)
                    yield from group.take(pa.array(inside)).to_pylist()
                first += count
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{files.name(file.path)} can't be read ({type(error).__name__}); "
            "`stedi run --full` rebuilds the tables"
        ) from None

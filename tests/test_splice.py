"""Rows taken out of Parquet files; what is left is read by DuckDB and by Polars."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stedi.parquet import Field, ParquetFile, connect, write_query
from stedi.splice import Spliced, take_out

FIELDS = [Field("who", "string", 7), Field("n", "long", 3), Field("x", "double", 12)]
TYPES = pa.schema([("who", pa.string()), ("n", pa.int64()), ("x", pa.float64())])
Row = tuple[Any, ...]


def rows_of(random: Random, count: int) -> list[Row]:
    """Rows of people who come one after another, as they walk; some values are missing."""
    rows = []
    for n in range(count):
        who = f"person{n // 20}@example.com" if random.random() < 0.98 else None
        x = random.choice([None, -0.0, random.random(), float(n % 5)])
        rows.append((who, random.choice([None, n, -n, 2**63 - 1]), x))
    return rows


def table_of(rows: list[Row]) -> pa.Table:
    columns = zip(zip(*rows, strict=True), TYPES, strict=True)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in columns], schema=TYPES)


def by_arrow(path: Path, rows: list[Row], group: int) -> Path:
    file = ParquetFile(path, FIELDS, ["who"])
    for batch in table_of(rows).to_batches(group):
        file.write(pa.RecordBatch.from_arrays(batch.columns, schema=file.schema))
    file.close()
    return path


def by_duckdb(path: Path, rows: list[Row], _: int) -> Path:
    connection = connect(path.parent / "scratch")
    connection.register("given", table_of(rows))
    [written] = write_query(connection, "SELECT * FROM given", FIELDS, path.with_suffix(""))
    return written


def of_known_rows(path: Path, rows: list[Row], _: int) -> Path:
    """As DuckDB writes columns that it knows to have no blanks: as required ones."""
    rows[:] = [(who or "nobody", 0 if n is None else n, x) for who, n, x in rows]
    scratch, other = path.parent / "scratch", path.with_name("known.parquet")
    pq.write_table(table_of(rows), other)
    query = f"SELECT who, n, x FROM read_parquet('{other}')"
    [written] = write_query(connect(scratch), query, FIELDS, path.with_suffix(""))
    return written


def with_indexes(path: Path, rows: list[Row], group: int) -> Path:
    """As other tools write them: page indexes and filters behind the row groups, pages of few."""
    plain = pq.read_table(by_arrow(path, rows, group))
    other = path.with_name("other.parquet")
    pq.write_table(
        plain, other, row_group_size=group, write_page_index=True, compression="snappy",
        bloom_filter_options={"who": {"ndv": 9}, "n": {"ndv": 9}}, max_rows_per_page=7, use_dictionary=["n"],
        sorting_columns=[pq.SortingColumn(0)], data_page_version="2.0",
    )  # fmt: skip
    return other


def as_text(rows: list[Row]) -> Counter[str]:
    return Counter(map(repr, rows))


def same(left: Path | None, gone: Path, rows: list[Row], keys: set[Any]) -> None:
    """Whether two readers find what is left, and what is gone is the rest."""
    expected = [row for row in rows if row[0] not in keys]
    assert as_text(pl.read_parquet(gone).rows()) == as_text([row for row in rows if row[0] in keys])
    if left is None:
        assert not expected
        return
    read = duckdb.execute(f"FROM read_parquet('{left}')").fetchall()
    assert as_text(read) == as_text(expected)
    assert as_text(pl.read_parquet(left).rows()) == as_text(expected)
    assert pq.read_metadata(left).num_rows == len(expected)


@pytest.mark.parametrize("write", [by_arrow, by_duckdb, of_known_rows, with_indexes])
@settings(max_examples=settings().max_examples // 3)
@given(st.integers(0, 2**64 - 1))
def test_what_is_left_is_all_but_what_was_taken_out(write: Any, seed: int) -> None:
    random = Random(seed)
    rows = rows_of(random, random.choice([1, 30, 400, 700]))
    group = random.choice([1, 13, 40, 100])
    people = [f"person{random.randrange(40)}@example.com" for _ in range(random.choice([1, 2, 30]))]
    with TemporaryDirectory() as folder:
        path = write(Path(folder, "given.parquet"), rows, group)
        left, gone = Path(folder, "left.parquet"), Path(folder, "gone.parquet")
        found = take_out(path, "who", pa.array(people), FIELDS, left, gone)
        if found is None:
            assert not {row[0] for row in rows} & set(people)
            assert not left.exists()
            assert not gone.exists()
            return
        same(found.left, found.gone, rows, set(people))


def taken_out(folder: Path, path: Path, keys: pa.Array, key: str = "who") -> Spliced:
    to = (folder / f"left of {path.name}", folder / f"gone from {path.name}")
    found = take_out(path, key, keys, FIELDS, *to)
    assert found is not None
    return found


def test_row_groups_that_lack_them_are_copied_as_they_are(tmp_path: Path) -> None:
    rows = rows_of(Random(1), 4_000)
    path = by_arrow(tmp_path / "given.parquet", rows, 100)
    found = taken_out(tmp_path, path, pa.array(["person50@example.com"]))
    assert found.left
    before, now = pq.read_metadata(path), pq.read_metadata(found.left)
    assert now.num_row_groups == 40
    content, copied = path.read_bytes(), found.left.read_bytes()
    for n in (0, 9, 11, 39):
        chunks = [before.row_group(n).column(c) for c in range(3)]
        begin = min(chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks)
        assert content[begin : begin + sum(c.total_compressed_size for c in chunks)] in copied


@pytest.mark.parametrize("write", [by_arrow, by_duckdb, of_known_rows])
def test_no_dictionary_holds_who_was_taken_out(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "given.parquet", rows_of(Random(5), 2_000), 700)
    found = taken_out(tmp_path, path, pa.array(["person50@example.com"]))
    assert found.left
    left = pq.ParquetFile(found.left, read_dictionary=["who"])
    held = set()
    for n in range(left.num_row_groups):
        for chunk in left.read_row_group(n, ["who"]).column(0).chunks:
            held |= set(chunk.dictionary.to_pylist())
    assert "person49@example.com" in held
    assert "person50@example.com" not in held


def test_a_file_can_be_taken_from_again_and_again(tmp_path: Path) -> None:
    rows = rows_of(Random(2), 2_000)
    path = by_duckdb(tmp_path / "given.parquet", rows, 0)
    gone: set[str] = set()
    for n in range(0, 100, 9):
        gone.add(f"person{n}@example.com")
        found = taken_out(tmp_path, path, pa.array([f"person{n}@example.com"]))
        assert found.left
        path = found.left
    left = [row for row in rows if row[0] not in gone]
    assert as_text(pl.read_parquet(path).rows()) == as_text(left)


def test_columns_without_blanks_stay_so(tmp_path: Path) -> None:
    rows = rows_of(Random(4), 40_000)
    path = of_known_rows(tmp_path / "given.parquet", rows, 0)
    assert not pq.read_schema(path).field("who").nullable
    found = taken_out(tmp_path, path, pa.array(["person3@example.com"]))
    assert found.left
    assert pq.read_metadata(found.left).num_row_groups == 2
    same(found.left, found.gone, rows, {"person3@example.com"})


def test_field_ids_stay(tmp_path: Path) -> None:
    path = by_duckdb(tmp_path / "given.parquet", rows_of(Random(3), 500), 0)
    found = taken_out(tmp_path, path, pa.array(["person3@example.com"]))
    assert found.left
    ids = [field.metadata[b"PARQUET:field_id"] for field in pq.read_schema(found.left)]
    assert ids == [b"7", b"3", b"12"]


def test_keys_may_be_whole_numbers(tmp_path: Path) -> None:
    rows = [(f"person{n}@example.com", n, 0.5) for n in range(500)]
    path = by_arrow(tmp_path / "given.parquet", rows, 100)
    found = taken_out(tmp_path, path, pa.array([7, 250, 9_999]), "n")
    assert found.left
    assert as_text(pl.read_parquet(found.left).rows()) == as_text(
        [row for row in rows if row[1] not in (7, 250)]
    )

"""Parquet files split, and rows taken out of them; DuckDB and Polars read what comes of it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from stedi.columns import Column
from stedi.engines.delete_rows import KEY, Deleted, Deletion
from stedi.engines.duckdb import DuckDBEngine
from stedi.parquet import Field, ParquetFile, connect, write_query
from stedi.parquet.footer import GONE, Moved, for_groups
from stedi.parquet.splice import Split, split

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


def of_two_kinds_of_pages(path: Path, rows: list[Row], group: int) -> Path:
    """As tools write a column whose dictionary has become too large: the rest without one."""
    plain = pq.read_table(by_arrow(path, rows, group))
    other = path.with_name("other.parquet")
    pq.write_table(
        plain, other, row_group_size=group, dictionary_pagesize_limit=60, max_rows_per_page=7,
        write_batch_size=7, data_page_version=["1.0", "2.0"][group % 2], compression="gzip",
    )  # fmt: skip
    return other


def as_text(rows: list[Row]) -> Counter[str]:
    return Counter(map(repr, rows))


def read(files: list[Path]) -> Counter[str]:
    """The rows of some files, on which two readers agree."""
    rows = [row for file in files for row in pl.read_parquet(file).rows()]
    assert sum(pq.read_metadata(file).num_rows for file in files) == len(rows)
    names = [str(file) for file in files]
    by_duckdb = duckdb.execute(f"FROM read_parquet({names})").fetchall() if files else []
    assert as_text(by_duckdb) == as_text(rows)
    return as_text(rows)


@pytest.mark.parametrize(
    "write",
    [
        by_arrow,
        by_duckdb,
        pytest.param(of_known_rows, marks=pytest.mark.slow),
        with_indexes,
        pytest.param(of_two_kinds_of_pages, marks=pytest.mark.slow),
    ],
)
@settings(max_examples=settings().max_examples // 3)
@given(st.integers(0, 2**64 - 1))
def test_a_file_is_split_by_which_row_groups_have_some_rows(write: Any, seed: int) -> None:
    random = Random(seed)
    rows = rows_of(random, random.choice([1, 30, 400, 700]))
    group = random.choice([1, 13, 40, 100])
    places = [random.randrange(len(rows)) for _ in range(random.choice([1, 2, 9]))]
    with TemporaryDirectory() as folder:
        path = write(Path(folder, "given.parquet"), rows, group)
        having, lacking = Path(folder, "having.parquet"), Path(folder, "lacking.parquet")
        groups = groups_of(path)
        of_row = [n for n, group in enumerate(groups) for _ in group]
        has = {of_row[place] for place in places}
        found = split(path, np.array(places), having, lacking)
        if found == Split(path, None):
            assert len(has) > 7 / 8 * len(groups)
            assert not having.exists()
            assert not lacking.exists()
            return
        assert found == Split(having, lacking)
        assert read([having, lacking]) == as_text(rows)
        for file, is_in in ((having, True), (lacking, False)):
            expected = [group for n, group in enumerate(groups) if (n in has) is is_in]
            assert repr(groups_of(file)) == repr(expected)


def groups_of(path: Path) -> list[list[Row]]:
    file = pq.ParquetFile(path)
    tables = (file.read_row_group(n) for n in range(file.num_row_groups))
    return [[tuple(row.values()) for row in table.to_pylist()] for table in tables]


@given(st.integers(0, 2**64 - 1))
def test_a_damaged_footer_is_refused_or_read_but_ends(seed: int) -> None:
    random = Random(seed)
    with TemporaryDirectory() as folder:
        path = with_indexes(Path(folder, "given.parquet"), rows_of(random, 100), 13)
        content = path.read_bytes()
    footer = bytearray(content[-8 - int.from_bytes(content[-8:-4], "little") : -8])
    for _ in range(random.choice([1, 2, 9])):
        footer[random.randrange(len(footer))] = random.choice(
            [0, 0x7F, 0xFF, random.randrange(256)]
        )
    cut = bytes(footer[: random.choice([len(footer), random.randrange(len(footer))])])
    with suppress(ValueError):
        for_groups(cut, np.array([1, 6]), Moved(np.array([-9, 1 << 40]), np.array([GONE, 5])), 26)
    with pytest.raises(ValueError, match="footer"):
        for_groups(cut, np.array([99]), Moved(np.array([0]), np.array([0])), 1)


def test_row_groups_are_copied_as_they_are(tmp_path: Path) -> None:
    path = by_arrow(tmp_path / "given.parquet", rows_of(Random(1), 4_000), 100)
    having, lacking = tmp_path / "having", tmp_path / "lacking"
    assert split(path, np.array([1_000, 1_019]), having, lacking).lacking
    before = pq.read_metadata(path)
    assert pq.read_metadata(having).num_row_groups == 1
    assert pq.read_metadata(lacking).num_row_groups == 39
    content = path.read_bytes()
    for n, file in ((0, lacking), (9, lacking), (10, having), (11, lacking), (39, lacking)):
        chunks = [before.row_group(n).column(c) for c in range(3)]
        begin = min(chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks)
        bytes_ = content[begin : begin + sum(c.total_compressed_size for c in chunks)]
        assert bytes_ in file.read_bytes()


@pytest.mark.parametrize("write", [by_arrow, by_duckdb, with_indexes])
def test_bloom_filters_come_along(tmp_path: Path, write: Any) -> None:
    """DuckDB asks the filter of each row group whether it may have somebody."""
    rows = [(f"person{n // 20}@example.com", n, 0.5) for n in range(60_000)]
    path = write(tmp_path / "given.parquet", rows, 1_000)
    having, lacking = tmp_path / "having", tmp_path / "lacking"
    assert split(path, np.array([30_000]), having, lacking).lacking

    def excludes(file: Path, who: str) -> list[bool]:
        probe = f"FROM parquet_bloom_probe('{file}', 'who', '{who}')"
        rows = duckdb.execute(f"SELECT bloom_filter_excludes {probe} ORDER BY row_group_id")
        return [row[0] for row in rows.fetchall()]

    [place] = [n for n, group in enumerate(groups_of(path)) if rows[30_000] in group]
    for who in ("person0@example.com", "person1500@example.com", "nobody@example.com"):
        before = excludes(path, who)
        assert any(before)
        assert excludes(having, who) == [before[place]]
        assert excludes(lacking, who) == [*before[:place], *before[place + 1 :]]


def test_field_ids_and_columns_without_blanks_stay_so(tmp_path: Path) -> None:
    path = of_known_rows(tmp_path / "given.parquet", rows_of(Random(4), 100_000), 0)
    assert not pq.read_schema(path).field("who").nullable
    having, lacking = tmp_path / "having", tmp_path / "lacking"
    assert split(path, np.array([60]), having, lacking).lacking
    for file in (having, lacking):
        assert pq.read_schema(file).equals(pq.read_schema(path), check_metadata=True)
        assert [f.metadata[b"PARQUET:field_id"] for f in pq.read_schema(file)] == [
            b"7",
            b"3",
            b"12",
        ]


COLUMNS = [Column(field.name, field.type, "none") for field in FIELDS]


class Table:
    """A table in files, of which the embedded engine takes rows out, again and again."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.files = files
        self.engine = DuckDBEngine(folder / "scratch")
        self._folder, self._times = folder, 0

    def delete(self, keys: list[Any], key: str = "who") -> Deleted:
        self._times += 1
        fresh = self._folder / f"taken-{self._times}"
        pq.write_table(pa.table({KEY: keys}), self._folder / f"keys-{self._times}")
        type_ = next(column.type for column in COLUMNS if column.name == key)
        keys_file = str(self._folder / f"keys-{self._times}")
        self.engine.declare("sought", [Column(KEY, type_, "none")], [keys_file])
        files = [str(file) for file in self.files]
        deletion = Deletion(files, COLUMNS, key, "sought", FIELDS, fresh, "gone")
        deleted = self.engine.delete_rows(deletion)
        self.files = [file for file in self.files if str(file) not in deleted.touched]
        self.files += deleted.rest
        return deleted

    @property
    def gone(self) -> Counter[str]:
        names = [exp.column(column.name) for column in COLUMNS]
        rows = self.engine.fetch(exp.select(*names).from_("gone")).to_pylist()
        return as_text([tuple(row.values()) for row in rows])


@settings(max_examples=settings().max_examples // 6)
@given(st.integers(0, 2**64 - 1))
def test_what_is_left_is_all_but_what_was_taken_out(seed: int) -> None:
    random = Random(seed)
    kinds = [by_arrow, by_duckdb, of_known_rows, with_indexes, of_two_kinds_of_pages]
    with TemporaryDirectory() as folder:
        rows, files = [], []
        for n in range(random.choice([1, 1, 3])):
            some = rows_of(random, random.choice([1, 30, 400, 700]))
            path = Path(folder, str(n), "given.parquet")
            path.parent.mkdir()
            files.append(random.choice(kinds)(path, some, random.choice([1, 13, 40, 100])))
            rows += some
        table = Table(Path(folder), files)
        for _ in range(2):
            keys = {
                f"person{random.randrange(40)}@example.com"
                for _ in range(random.choice([1, 2, 30]))
            }
            table.delete(list(keys))
            assert table.gone == as_text([row for row in rows if row[0] in keys])
            rows = [row for row in rows if row[0] not in keys]
            assert read(table.files) == as_text(rows)
        table.engine.close()


@pytest.mark.parametrize("write", [by_arrow, by_duckdb, of_known_rows])
@pytest.mark.parametrize("count", [2_000, 80_000])
def test_no_dictionary_holds_who_was_taken_out(tmp_path: Path, write: Any, count: int) -> None:
    table = Table(tmp_path, [write(tmp_path / "given.parquet", rows_of(Random(5), count), 700)])
    table.delete(["person50@example.com"])
    held = set()
    for path in table.files:
        left = pq.ParquetFile(path, read_dictionary=["who"])
        for n in range(left.num_row_groups):
            for chunk in left.read_row_group(n, ["who"]).column(0).chunks:
                held |= set(chunk.dictionary.to_pylist())
        assert b"person50@" not in path.read_bytes()
    assert "person49@example.com" in held
    assert "person50@example.com" not in held


def test_files_that_have_nobody_of_them_stay(tmp_path: Path) -> None:
    files = [
        by_arrow(tmp_path / f"{n}.parquet", [(f"{n}@example.com", n, None)], 1) for n in range(3)
    ]
    table = Table(tmp_path, files)
    taken = table.delete(["1@example.com", "9@example.com"])
    assert taken == Deleted([str(files[1])], [])
    assert table.files == [files[0], files[2]]
    assert table.delete(["9@example.com"]) == Deleted([], [])
    assert not table.gone


def test_keys_may_be_whole_numbers(tmp_path: Path) -> None:
    rows = [(f"person{n}@example.com", n, 0.5) for n in range(500)]
    table = Table(tmp_path, [by_arrow(tmp_path / "given.parquet", rows, 100)])
    table.delete([7, 250, 9_999], "n")
    assert read(table.files) == as_text([row for row in rows if row[1] not in (7, 250)])

"""A publication in parts has the bytes of one in memory: rows in files, cut by what an engine counts."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stedi.columns import Column
from stedi.declared.contract import Coarsened, Noise, Publication
from stedi.engines import Engine
from stedi.engines.duckdb import DuckDBEngine
from stedi.engines.spark import SparkEngine
from stedi.errors import RuleBroken
from stedi.parquet import Field
from stedi.privacy.publication import Published, publish, publish_in_parts, published_classes
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.noise import Randomness, fresh
from stedi.privacy.publication.spilled import Spilled
from stedi.roots.local.files import LocalFiles
from stedi.sql.tree import parse
from tests.support.matched import SELECT, declared, drawn


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with closing(DuckDBEngine(tmp_path_factory.mktemp("scratch"))) as made:
        yield made


@pytest.fixture(scope="module")
def spark_engine(spark: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with closing(
        SparkEngine(tmp_path_factory.mktemp("scratch"), None, LocalFiles(Path("/")))
    ) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folder")


def publish_one_way(
    engine: Engine, folder: Path, rows: pa.Table, publication: Publication, most_rows: int,
    way: str, random: Randomness = fresh,
) -> Published:  # fmt: skip
    """What is published of rows: in `memory`, or in `parts` of at most so many rows."""
    place = folder / f"{uuid4()}"
    place.mkdir()
    names = [column.column for column in publication.coarsened]
    fields = [Field(name, "double", n) for n, name in enumerate(names, start=1)]
    if way == "memory":
        return publish(rows, publication, fields, place, place / "boxes", random)
    pq.write_table(rows, place / "given.parquet")
    columns = [
        Column(f.name, "long" if f.type == pa.int64() else "double", "none") for f in rows.schema
    ]
    engine.declare("pairs", columns, [str(place / "given.parquet")])
    spilled = Spilled.of(engine, f"table{uuid4().hex}", parse(SELECT, "test"), publication)
    files = LocalFiles(folder)
    return publish_in_parts(
        spilled, files, publication, fields, place, place / "boxes", most_rows, random
    )


def both(
    engine: Engine, folder: Path, rows: pa.Table, publication: Publication, most_rows: int,
    random: Randomness = fresh,
) -> tuple[Published, Published]:  # fmt: skip
    """What is published of rows in memory, and in parts."""
    memory, parts = (
        publish_one_way(engine, folder, rows, publication, most_rows, way, random)
        for way in ("memory", "parts")
    )
    return memory, parts


def contents(published: Published) -> tuple[object, ...]:
    """Everything that was written and is said of it, byte for byte."""
    return (
        [path.read_bytes() for path in published.paths],
        published.boxes and published.boxes.read_bytes(),
        *(published.withheld, published.why, published.beyond, dict(published.suppressed)),
    )


CASES = given(
    seed=st.integers(0, 2**32 - 1), count=st.integers(0, 600), people=st.integers(1, 60),
    values=st.sampled_from([1, 2, 5, 32]), mixed=st.sampled_from([0.0, 0.1, 1.0]),
    heavy=st.sampled_from([0.0, 0.2, 0.5]), k=st.integers(1, 5), more=st.integers(0, 6),
    most_rows=st.integers(1, 200), suppress=st.sampled_from([0.0, 0.2]),
    cap=st.sampled_from([None, 3, 20]),
)  # fmt: skip


@settings(max_examples=6)
@CASES
def test_parts_have_the_bytes_of_memory(engine: Engine, folder: Path, **case: Any) -> None:
    hold_same(engine, folder, **case)


@pytest.mark.slow
@CASES
def test_many_parts_have_the_bytes_of_memory(engine: Engine, folder: Path, **case: Any) -> None:
    hold_same(engine, folder, **case)


@pytest.mark.slow
@settings(max_examples=10)
@CASES
def test_parts_of_spark_have_the_bytes_of_memory(
    spark_engine: Engine, folder: Path, **case: Any
) -> None:
    hold_same(spark_engine, folder, **case)


def hold_same(
    engine: Engine, folder: Path, seed: int, count: int, people: int, values: int, mixed: float,
    heavy: float, k: int, more: int, most_rows: int, suppress: float, cap: int | None,
) -> None:  # fmt: skip
    publication = declared(k, k + more, suppress=suppress, rows_per_person=cap)
    rows = drawn(seed, count, people, values, mixed, heavy)
    in_memory, in_parts = both(engine, folder, rows, publication, most_rows)
    assert contents(in_parts) == contents(in_memory)
    for name, spread in in_memory.spreads.items():
        assert in_parts.spreads[name].before == pytest.approx(spread.before)
        assert in_parts.spreads[name].after == spread.after


def test_many_rows_are_published_in_files_of_equal_size(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.privacy.publication.BATCH_ROWS", 64)
    monkeypatch.setattr("stedi.privacy.publication.FILE_ROWS", 128)
    in_memory, in_parts = both(engine, folder, drawn(1, 600, 40, 5, 0.1), declared(), 100)
    assert contents(in_parts) == contents(in_memory)
    tables = [pq.read_table(path) for path in in_parts.paths]
    assert [table.num_rows for table in tables] == [128, 128, 128, 128, 88]
    rows = pa.concat_tables(tables).to_pylist()
    assert rows == sorted(rows, key=lambda row: tuple(row.values()))
    counted = published_classes(in_parts.paths)
    found = Counter(tuple(row.values()) for row in rows)
    classes = zip(*(values.tolist() for values in counted.values.values()), strict=True)
    assert dict(zip(classes, counted.counts.tolist(), strict=True)) == found


def test_boxes_that_need_too_many_levels_are_finished_as_they_are(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.privacy.publication.levels._MOST_LEVELS", 1)
    in_memory, in_parts = both(engine, folder, drawn(1, 600, 40, 32, 0.1), declared(), 20)
    assert contents(in_parts) == contents(in_memory)


@pytest.mark.parametrize("axes", [(), ("x",), ("x", "y")])
def test_parts_have_the_bytes_of_memory_without_a_target_or_axes_or_a_second_side(
    engine: Engine, folder: Path, axes: tuple[str, ...]
) -> None:
    every = declared()
    some: dict[str, object] = {
        "people": ("phone",),
        "axes": tuple(axis for axis in every.axes if axis.column in axes),
        "target": None if axes else every.target,
    }
    rows = drawn(2, 500, 40, 32, 0.1)
    in_memory, in_parts = both(engine, folder, rows, declared(3, 6, **some), 100)
    assert in_memory.paths
    assert contents(in_parts) == contents(in_memory)


@pytest.mark.parametrize("column", ["x", "phone"])
def test_a_row_without_a_value_or_a_person_is_refused(
    engine: Engine, folder: Path, column: str
) -> None:
    rows = drawn(1, 100, 40, 5, 0.1)
    values = [None, *rows[column].to_pylist()[1:]]
    blank = rows.set_column(rows.schema.get_field_index(column), column, [values])
    for way in ("memory", "parts"):
        with pytest.raises(RuleBroken, match=f"{column}: 1 rows are without a"):
            publish_one_way(engine, folder, blank, declared(), 10, way)


@pytest.mark.slow
def test_spark_numbers_values_as_memory_does(spark_engine: Engine, folder: Path) -> None:
    for step, origin in ((1.0, 0.0), (0.001, 0.25), (0.3, -13.7)):
        hold_numbers_same(spark_engine, folder, step, origin)


def test_a_row_with_nan_is_refused(engine: Engine, folder: Path) -> None:
    rows = drawn(1, 100, 40, 5, 0.1)
    values = [math.nan, *rows["x"].to_pylist()[1:]]
    broken = rows.set_column(rows.schema.get_field_index("x"), "x", [values])
    for way in ("memory", "parts"):
        with pytest.raises(RuleBroken, match="x: 1 rows have NaN"):
            publish_one_way(engine, folder, broken, declared(), 10, way)


def test_noise_is_the_same_in_parts(engine: Engine, folder: Path) -> None:
    noisy = declared(noise=Noise(scale=3.0, rows_per_person=5))
    rows = drawn(1, 900, 60, 5, 0.1)
    in_memory, in_parts = both(
        engine, folder, rows, noisy, 100, lambda state: hashlib.sha256(state).digest()
    )
    assert in_memory.noise
    assert in_memory.suppressed
    assert in_parts.noise == in_memory.noise
    assert contents(in_parts) == contents(in_memory)


@pytest.mark.parametrize("step", [1.0, 0.5, 0.001, 0.1, 0.3, 7.0])
@pytest.mark.parametrize("origin", [0.0, 0.25, -13.7])
def test_an_engine_numbers_values_as_memory_does(
    engine: Engine, folder: Path, step: float, origin: float
) -> None:
    hold_numbers_same(engine, folder, step, origin)


def hold_numbers_same(engine: Engine, folder: Path, step: float, origin: float) -> None:
    column = Coarsened("x", origin - 100 * step, origin + 100 * step, step, origin=origin)
    grid = Grid(column)
    exact = origin + step * (np.arange(-220, 220) / 2)  # numbers, and the edges between them
    edges, _ = grid.edges(*(np.arange(grid.size, dtype=np.int32),) * 2)
    values = np.concatenate([exact, edges[1:], [1e300, -1e300, 5e15, 0.0]])
    values = np.concatenate([values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)])
    values = values[np.isfinite(values)]
    numbers, beyond = grid.numbers(values)
    place = folder / f"{uuid4()}.parquet"
    pq.write_table(pa.table({"x": values, "p": np.arange(len(values))}), place)
    columns = [Column("x", "double", "none"), Column("p", "long", "none")]
    engine.declare("values", columns, [str(place)])
    one = declared(people=("p",), target=None, axes=(column,))
    select = parse('SELECT x, p FROM "values"', "test")
    spilled = Spilled.of(engine, f"table{uuid4().hex}", select, one)
    found = engine.fetch(parse(f"{spilled.points()} ORDER BY person0", "test"))
    assert found["axis0"].to_pylist() == numbers.tolist()
    assert spilled.beyond == {"x": beyond}

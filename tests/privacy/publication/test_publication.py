"""What is published: every class of rows has enough people, and nothing else tells them apart."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stedi import Lakehouse, NotAnonymous
from stedi.declared.contract import Coarsened, Publication
from stedi.errors import RuleBroken
from stedi.privacy.publication import boxes, publish, raw_rows
from stedi.privacy.publication.boxes import table_of_boxes, write_boxes
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.search import points, search, shortcomings
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land, counts, on, rows
from tests.support import small
from tests.support.starter import Run

COLUMNS = ["distancefromobject", "x", "y", "z"]


def published_file(lakehouse: Lakehouse) -> Path:
    [file] = (lakehouse.root / "step_trainer" / "curated" / "data").rglob("*.parquet")
    return file


def boxes_file(lakehouse: Lakehouse) -> Path:
    [file] = (lakehouse.root / "_stedi" / "boxes").iterdir()
    return file


def pairs(root: Path) -> str:
    """The matched readings of the seed profile from the raw files, by SQL of the test's own.

    For landing zones in which e-mails and serial numbers are unique, as in the starter data.
    """

    def read(source: str, **columns: str) -> str:
        types = ", ".join(f"{name}: '{type_}'" for name, type_ in columns.items())
        return f"read_json('{root}/{source}/landing/*', columns = {{{types}}})"

    customer = read(
        "customer", email="VARCHAR", serialNumber="VARCHAR", shareWithResearchAsOfDate="VARCHAR"
    )
    accelerometer = read(
        "accelerometer", user="VARCHAR", timestamp="BIGINT", x="DOUBLE", y="DOUBLE", z="DOUBLE"
    )
    step_trainer = read(
        "step_trainer", sensorReadingTime="BIGINT", serialNumber="VARCHAR",
        distanceFromObject="BIGINT",
    )  # fmt: skip
    return f"""
    WITH c AS (SELECT email, serialNumber FROM {customer}
               WHERE TRY_CAST(shareWithResearchAsOfDate AS BIGINT) > 0),
         a AS (SELECT a.*, c.serialNumber AS owner
               FROM {accelerometer} a JOIN c ON c.email = a."user"),
         s AS (SELECT s.* FROM {step_trainer} s JOIN c ON c.serialNumber = s.serialNumber)
    SELECT s.distanceFromObject AS d, a.x, a.y, a.z, s.serialNumber AS step, a.owner AS phone
    FROM s JOIN a ON a.timestamp = s.sensorReadingTime"""


def classes(lakehouse: Lakehouse) -> list[tuple[int, int, float]]:
    """For each class and side: rows, people, and the largest share of one person.

    The raw rows are coded by a range join with the table of boxes, in SQL of the test's own.
    """
    within = " AND ".join(
        f"p.{raw} >= b.{name}_from AND p.{raw} < b.{name}_to"
        for raw, name in zip("dxyz", COLUMNS, strict=True)
    )
    values = ", ".join(f"b.{name}" for name in COLUMNS)
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE pairs AS {pairs(lakehouse.root)}")
    connection.execute(f"""
        CREATE TABLE coded AS SELECT {values}, p.step, p.phone
        FROM pairs p JOIN read_parquet('{boxes_file(lakehouse)}') b ON {within}""")
    [(coded, raw)] = connection.execute(
        "SELECT (SELECT COUNT(*) FROM coded), (SELECT COUNT(*) FROM pairs)"
    ).fetchall()
    assert coded == raw  # each row is of one class
    published = f"SELECT * FROM read_parquet('{published_file(lakehouse)}')"
    mine = f"SELECT {', '.join(COLUMNS)} FROM coded"
    for one, other in ((published, mine), (mine, published)):
        assert connection.execute(f"{one} EXCEPT ALL {other}").fetchall() == []
    found = []
    for side in ("step", "phone"):
        found += connection.execute(f"""
            SELECT SUM(n)::INT, COUNT(*)::INT, MAX(n) / SUM(n) FROM (
              SELECT {", ".join(COLUMNS)}, {side}, COUNT(*) AS n FROM coded GROUP BY ALL)
            GROUP BY {", ".join(COLUMNS)}""").fetchall()
    return found


def test_the_starter_data_is_published_whole_and_nearly_exact(starter_run: Run) -> None:
    lakehouse = starter_run("seed")
    found = pq.read_table(published_file(lakehouse))
    assert found.column_names == COLUMNS
    assert found.num_rows == 43_681
    assert found.group_by(COLUMNS).aggregate([]).num_rows >= 900
    connection = duckdb.connect().register("found", found)
    raw = connection.execute(
        f"SELECT x, y, z, d FROM ({pairs(lakehouse.root)}) ORDER BY ALL"
    ).fetchall()
    told = connection.execute(
        "SELECT x, y, z, distancefromobject FROM found ORDER BY ALL"
    ).fetchall()
    assert [row[:3] for row in raw] == [row[:3] for row in told]
    # Coding keeps the order of distances that go with equal x, y, z.
    errors = [abs(a[3] - b[3]) for a, b in zip(raw, told, strict=True)]
    assert sum(errors) / len(errors) <= 0.5


def test_each_class_of_the_starter_data_has_enough_people(starter_run: Run) -> None:
    found = classes(starter_run("seed"))
    assert min(people for _, people, _ in found) >= 5
    assert max(share for _, _, share in found) <= 0.2


@pytest.fixture(scope="module")
def walking(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """600 people who walk, with unique e-mails and serial numbers among those who consent."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("walking") / "root")
    lakehouse.simulate(lakehouse.root, customers=1_500, seed=5, people=True)
    unique = lakehouse.root / "customer" / "landing"
    newest: dict[str, dict[str, object]] = {}
    for file in sorted(unique.iterdir()):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            newest[record["email"]] = record
        file.unlink()
    once = {str(record["serialNumber"]): record for record in newest.values()}
    (unique / "one.json").write_text("".join(json.dumps(one) + "\n" for one in once.values()))
    for source in ("accelerometer", "step_trainer"):  # files that are delivered twice count once
        seen = set()
        for file in sorted((lakehouse.root / source / "landing").iterdir()):
            if file.read_bytes() in seen:
                file.unlink()
            else:
                seen.add(file.read_bytes())
    lakehouse.run()
    return lakehouse


def test_each_class_of_walking_people_has_enough_people(walking: Lakehouse) -> None:
    found = classes(walking)
    assert min(people for _, people, _ in found) >= 5
    assert max(share for _, _, share in found) <= 0.2
    assert len(found) > 1_000


def test_no_class_reaches_across_the_step_threshold(walking: Lakehouse) -> None:
    boxes = pq.read_table(boxes_file(walking)).to_pylist()
    edge = 249.5  # between the whole millimetres 249 and 250
    begins = [box["distancefromobject_from"] for box in boxes]
    ends = [box["distancefromobject_to"] for box in boxes]
    assert edge in begins
    assert edge in ends
    assert not any(begin < edge < end for begin, end in zip(begins, ends, strict=True))


def test_the_same_rows_in_another_order_give_the_same_bytes(
    walking: Lakehouse, tmp_path: Path
) -> None:
    shuffled = Lakehouse(tmp_path / "shuffled")
    for source in ("customer", "accelerometer", "step_trainer"):
        folder = shuffled.root / source / "landing"
        folder.mkdir(parents=True)
        lines = [
            line
            for file in sorted((walking.root / source / "landing").iterdir())
            for line in file.read_text().splitlines()
        ]
        random.Random(7).shuffle(lines)
        half = len(lines) // 2
        (folder / "b.json").write_text("\n".join(lines[:half]) + "\n")
        (folder / "a.json").write_text("\n".join(lines[half:]) + "\n")
    shuffled.run()
    for file in (published_file, boxes_file):
        assert file(shuffled).read_bytes() == file(walking).read_bytes()


@pytest.mark.slow  # tests/engines/test_same.py compares them on other data
def test_spark_publishes_the_same_bytes(walking: Lakehouse, tmp_path: Path, spark: None) -> None:
    other = on("spark", tmp_path / "spark")
    other.ingest(walking.root)
    other.run()
    for file in (published_file, boxes_file):
        assert file(other).read_bytes() == file(walking).read_bytes()


def test_files_and_metadata_tell_nothing_but_values(walking: Lakehouse) -> None:
    metadata = pq.read_metadata(published_file(walking))
    assert set(metadata.metadata or {}) <= {b"ARROW:schema"}
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert set(groups[:-1]) <= {1 << 17}
    values = pq.read_table(published_file(walking)).to_pylist()
    assert values == sorted(values, key=lambda row: [row[name] for name in COLUMNS])


# Where k can't be reached ---------------------------------------------------------------------------


def test_too_few_people_publish_an_empty_table_and_remove_the_old_one(
    land: Land, tmp_path: Path
) -> None:
    people = [f"p{n}" for n in range(6)]
    land("customer", [small.customer(name, f"S{name}", 100, consent=100) for name in people])
    land(
        "accelerometer", [small.acceleration(name, 1000 + n, 0.5) for n, name in enumerate(people)]
    )
    land(
        "step_trainer", [small.reading(f"S{name}", 1000 + n, 300) for n, name in enumerate(people)]
    )
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.run()
    assert counts(lakehouse)["machine_learning_curated"] == 6
    old = {published_file(lakehouse), boxes_file(lakehouse)}
    land("customer", [small.customer(name, f"S{name}", 200) for name in people[:2]], "later.json")
    with pytest.raises(NotAnonymous, match="rows of 4 people, and 5 are needed") as withheld:
        lakehouse.run()
    report = withheld.value.report
    assert report is not None
    with open_root(lakehouse.root).lock() as lock:
        assert not lock.last_run_died
    assert report.withdrawn is not None
    assert report.withdrawn.people == 2
    [(table, why)] = report.withheld.items()
    assert table == "machine_learning_curated"
    assert "rows of 4 people, and 5 are needed" in why
    found = counts(lakehouse)
    assert found["machine_learning_curated"] == 0
    assert found["accelerometer_trusted"] == found["step_trainer_trusted"] == 4
    assert not any(path.exists() for path in old)
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert list(status.steps["machine_learning_curated"].dropped.values()) == [4]
    with pytest.raises(NotAnonymous):  # nothing has changed, and it is still not as promised
        lakehouse.run()
    land("step_trainer", b'{"cut', "cut.json")
    with pytest.raises(NotAnonymous):
        lakehouse.run()
    with pytest.raises(NotAnonymous) as withheld:
        lakehouse.replay()
    replay = withheld.value.report
    assert replay.before == replay.after == {"step_trainer": {"cut off": 1}}
    audit = lakehouse.audit()
    assert not audit.ok
    assert "nothing is published" in audit.problems[0]


def test_one_person_who_dominates_is_not_published(land: Land, tmp_path: Path) -> None:
    people = [f"p{n}" for n in range(6)]
    land("customer", [small.customer(name, f"S{name}", 100, consent=100) for name in people])
    times = [(name, 1000 + n) for n, name in enumerate([*people, "p0", "p0", "p0"])]
    land("accelerometer", [small.acceleration(name, time, 0.5) for name, time in times])
    land("step_trainer", [small.reading(f"S{name}", time, 300) for name, time in times])
    with pytest.raises(NotAnonymous, match="44% of the rows are of one person"):
        Lakehouse(tmp_path / "root").run()


def test_owners_of_one_step_trainer_count_as_one_person(land: Land, tmp_path: Path) -> None:
    people = [f"p{n}" for n in range(6)]
    serials = ["S0", "S0", *(f"S{n}" for n in range(2, 6))]
    land(
        "customer",
        [small.customer(n, s, 100, consent=100) for n, s in zip(people, serials, strict=True)],
    )
    land(
        "accelerometer", [small.acceleration(name, 1000 + n, 0.5) for n, name in enumerate(people)]
    )
    land("step_trainer", [small.reading(s, 1000 + n, 300) for n, s in enumerate(serials)])
    with pytest.raises(NotAnonymous, match="33% of the rows are of one person"):
        Lakehouse(tmp_path / "root").run()


def test_what_a_published_table_was_before_is_gone_from_disk(land: Land, tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=300, seed=1)
    lakehouse.run()
    folder = lakehouse.root / "step_trainer" / "curated"
    old = {path for path in folder.rglob("*") if path.is_file()} | {boxes_file(lakehouse)}
    land("step_trainer", [small.reading("nobody's", 1, 1)], name="later.json")
    lakehouse.run(full=True)
    assert not any(path.exists() for path in old)
    metadata = json.loads(next(folder.glob("metadata/*.json")).read_text())
    assert len(metadata["snapshots"]) == 1
    assert len(list(folder.rglob("*.json"))) == 1
    assert lakehouse.audit().ok


def test_a_run_killed_after_the_commit_leaves_an_old_publication_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=300, seed=1)
    lakehouse.run()
    old = published_file(lakehouse)
    with monkeypatch.context() as patch:
        patch.setattr("stedi.storage.expire.remove_outdated", lambda *_: 1 / 0)
        patch.setattr("stedi.run.execute.sweep", lambda *_: 0)
        with pytest.raises(ZeroDivisionError):
            lakehouse.run(full=True)
    assert old.exists()
    lakehouse.run()
    assert not old.exists()
    assert len(rows(lakehouse, "SELECT * FROM machine_learning_curated")) > 0


def test_values_beyond_the_grid_are_coded_as_its_end_and_noted(land: Land, tmp_path: Path) -> None:
    people = [f"p{n}" for n in range(5)]
    land("customer", [small.customer(name, f"S{name}", 100, consent=100) for name in people])
    land(
        "accelerometer", [small.acceleration(name, 1000 + n, 1e9) for n, name in enumerate(people)]
    )
    land(
        "step_trainer", [small.reading(f"S{name}", 1000 + n, 300) for n, name in enumerate(people)]
    )
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.run()
    notes = {note.code: note.count for note in lakehouse.status().notes}
    assert notes["x_beyond_grid"] == 5
    assert rows(lakehouse, "SELECT DISTINCT x FROM machine_learning_curated") == [(131.071,)]


# The search, on points at random --------------------------------------------------------------------


def publication(k: int, people_per_box: int) -> Publication:
    return Publication(
        k=k,
        people_per_box=people_per_box,
        people=("left", "right"),
        target=Coarsened("t", 0, 63, 1, edges=(20,)),
        axes=(Coarsened("x", -8, 7.5, 0.5), Coarsened("y", 0, 31, 1)),
        working_columns=(),
        controls=None,
    )


@given(
    seed=st.integers(0, 2**32 - 1), count=st.integers(1, 400), people=st.integers(1, 40),
    k=st.integers(1, 6), more=st.integers(0, 6), values=st.sampled_from([2, 5, 32]),
)  # fmt: skip
def test_a_partition_is_good_and_the_same_for_rows_in_any_order(
    seed: int, count: int, people: int, k: int, more: int, values: int
) -> None:
    rng = np.random.default_rng(seed)
    declared = publication(k, k + more)
    columns = {
        "t": rng.integers(0, 64, count).astype(float),
        "x": rng.integers(0, values, count) / 2 - 8,
        "y": rng.integers(0, 2 * values, count) / 2,  # half of them lie between two numbers
    }
    sides = [rng.integers(0, people, count) for _ in range(2)]
    found = points(declared, columns, sides)
    missing = list(shortcomings(found, declared))
    bands = [columns["t"] < 20, columns["t"] >= 20]
    assert bool(missing) == any(
        not good(side[band], k) for side in sides for band in bands if band.any()
    )
    if missing:
        return
    partition = search(found, declared)
    ranges = table_of_boxes(declared, partition)
    again = points(declared, columns, sides)
    classes = Coder(ranges, again).classes_of(again.rows)  # each row is of one class
    assert (np.bincount(classes, minlength=len(partition.counts)) == partition.counts).all()
    for one in range(len(partition.counts)):
        for side in sides:
            assert good(side[classes == one], k)
    for name, box in ranges.items():
        assert ((columns[name] >= box.begins[classes]) & (columns[name] < box.ends[classes])).all()
        assert ((box.values >= box.begins) & (box.values < box.ends)).all()
    order = rng.permutation(count)
    permuted = points(
        declared, {n: c[order] for n, c in columns.items()}, [side[order] for side in sides]
    )
    other = search(permuted, declared)
    for name in ("regions", "parts", "boxes", "targets", "target_parts", "counts"):
        assert (getattr(other, name) == getattr(partition, name)).all()


def test_boxes_that_are_written_some_at_a_time_are_those_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, declared = np.random.default_rng(5), publication(2, 2)
    columns = {
        "t": rng.integers(0, 64, 900).astype(float),
        "x": rng.integers(0, 30, 900) / 2 - 8,
        "y": rng.integers(0, 40, 900) / 2,
    }
    sides = [rng.integers(0, 90, 900) for _ in range(2)]
    partition = search(points(declared, columns, sides), declared)
    assert len(partition.counts) > 60
    write_boxes(declared, partition, tmp_path / "whole.parquet")
    monkeypatch.setattr(boxes, "_CLASSES_AT_ONCE", 7)
    write_boxes(declared, partition, tmp_path / "parts.parquet")
    whole, parts = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    assert parts.equals(whole)
    for name, box in table_of_boxes(declared, partition).items():
        assert whole[f"{name}_from"].to_numpy().tolist() == box.begins.tolist()
        assert whole[f"{name}_to"].to_numpy().tolist() == box.ends.tolist()
        assert whole[name].to_numpy().tolist() == box.values.tolist()


def good(people: np.ndarray, k: int) -> bool:
    _, counts = np.unique(people, return_counts=True)
    return len(counts) >= k and bool(counts.max() * k <= counts.sum())


def test_boxes_are_cut_without_a_look_at_the_target_but_for_its_band() -> None:
    rng = np.random.default_rng(3)
    declared = publication(2, 4)
    columns = {
        "t": rng.integers(20, 64, 500).astype(float),
        "x": rng.integers(0, 32, 500) / 2 - 8,
        "y": rng.integers(0, 32, 500).astype(float),
    }
    sides = [rng.integers(0, 50, 500)] * 2
    first = search(points(declared, columns, sides), declared)
    shuffled = {**columns, "t": rng.permutation(columns["t"])}
    second = search(points(declared, shuffled, sides), declared)
    assert len(first.regions) > 5
    assert (first.regions == second.regions).all()
    assert (first.parts == second.parts).all()


@given(
    st.floats(-20, 20, allow_nan=False) | st.integers(-200_000, 200_000).map(lambda n: n / 10_000),
    st.sampled_from([0.5, 0.25, 0.1, 0.001, 3.0]),
)
def test_a_value_is_coded_as_the_nearest_of_its_grid(value: float, step: float) -> None:
    grid = Grid(Coarsened("x", -9 * step, 9 * step, step))
    numbers, beyond = grid.numbers(np.array([value]))
    [nearest] = grid.midpoints(numbers, numbers)
    if beyond:
        assert abs(nearest) == pytest.approx(9 * step)
        assert abs(value) >= 9.49 * step
    else:
        assert abs(nearest - value) <= step / 2 * (1 + 1e-9)
    begins, ends = grid.edges(numbers, numbers)
    assert begins <= value < ends
    assert (np.array(grid.ranges(begins, ends)) == numbers).all()
    assert grid.is_midpoint(np.array([nearest])).all()


def test_what_is_no_number_is_refused_by_column_and_count(tmp_path: Path) -> None:
    axis = Coarsened("x", -10, 10, 0.001)
    publication = Publication(1, 1, ("person",), None, (axis,), (), None)
    table = pa.table({"x": [0.5, float("nan"), float("inf")], "person": [1, 2, 3]})
    with pytest.raises(RuleBroken, match=r"x: 1 rows have NaN"):
        publish(table, publication, [], tmp_path / "data", tmp_path / "boxes.parquet")
    assert raw_rows(table.slice(2), publication).rows == 1


def test_a_single_value_is_published_as_it_is() -> None:
    grid = Grid(Coarsened("x", -1, 1, 0.001))
    values = np.array([-1.0, 0.1, 0.3, 0.7, 0.999])
    numbers, _ = grid.numbers(values)
    assert grid.midpoints(numbers, numbers).tolist() == values.tolist()


def test_a_folder_that_is_copied_is_not_published_from(walking: Lakehouse, tmp_path: Path) -> None:
    """The table of boxes can be read without anything else of the lakehouse."""
    copy = shutil.copy(boxes_file(walking), tmp_path / "boxes.parquet")
    names = pq.read_schema(copy).names
    assert names == [
        f"{name}{suffix}" for name in ["x", "y", "z", "distancefromobject"]
        for suffix in ("_from", "_to", "")
    ]  # fmt: skip


# Many rows ------------------------------------------------------------------------------------------


def test_a_run_in_parts_publishes_the_same_rows_in_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Lakehouse(tmp_path / "few")
    few.simulate(few.root, customers=150, seed=4)
    few.run()
    for name, rows_ in (("BATCH_ROWS", 1 << 10), ("FILE_ROWS", 1 << 11), ("ROWS_AT_ONCE", 999)):
        monkeypatch.setattr(f"stedi.privacy.publication.{name}", rows_)
    many = Lakehouse(tmp_path / "many")
    for source in ("customer", "accelerometer", "step_trainer"):
        shutil.copytree(few.root / source / "landing", many.root / source / "landing")
    many.run()
    assert boxes_file(many).read_bytes() == boxes_file(few).read_bytes()
    files = sorted((many.root / "step_trainer" / "curated" / "data").rglob("*.parquet"))
    assert len(files) > 2
    assert pa.concat_tables(map(pq.read_table, files)) == pq.read_table(published_file(few))
    assert many.status(verify=True).steps == few.status().steps
    assert [note.code for note in many.status().notes] == [n.code for n in few.status().notes]
    audit = many.audit()
    assert audit.ok, audit.problems
    released = many.release(tmp_path / "released").folder / "machine_learning_curated.parquet"
    assert pq.read_table(released) == pq.read_table(published_file(few))
    many.run(full=True)  # and is compared with the one before
    version = Warehouse(open_root(many.root)).version("machine_learning_curated")
    assert version is not None
    assert version.published is not None
    difference = version.published.difference
    assert difference is not None
    assert difference["rows_before"] == difference["rows_now"] == pq.read_table(released).num_rows
    assert difference["changed"] == 0

"""Sums that can fail: each of these breaks one, and `status` says where."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse, StorageError
from stedi.errors import Locked, PairingTooLarge, UsageError
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land, already_run, counts
from tests.support import small


@pytest.fixture
def done(small_lakehouse: Lakehouse) -> Lakehouse:
    assert small_lakehouse.status(verify=True).ok
    return small_lakehouse


def data_file(lakehouse: Lakehouse, table: str) -> Path:
    version = Warehouse(open_root(lakehouse.root)).version(table)
    assert version is not None
    [file] = version.files
    return file.path


@already_run
def test_a_parquet_file_that_is_missing(done: Lakehouse) -> None:
    data_file(done, "customer_trusted").unlink()
    status = done.status()
    assert not status.ok
    assert any("customer_trusted" in p and "missing" in p for p in status.problems)
    done.run()
    assert done.status(verify=True).ok
    assert counts(done) == small.SEED


@already_run
def test_a_parquet_file_of_another_size(done: Lakehouse) -> None:
    with data_file(done, "step_trainer_landing").open("ab") as file:
        file.write(b"more")
    assert any("step_trainer_landing" in p for p in done.status().problems)
    done.run()
    assert done.status(verify=True).ok


@already_run
def test_a_parquet_file_with_one_bit_changed_is_seen_with_verify(done: Lakehouse) -> None:
    path = data_file(done, "accelerometer_trusted")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    assert done.status().ok
    [problem] = done.status(verify=True).problems
    assert "accelerometer_trusted" in problem
    assert "run --full" in problem
    done.run(full=True)
    assert done.status(verify=True).ok


@already_run
def test_a_landing_file_changed_behind_the_lakehouses_back(done: Lakehouse, land: Land) -> None:
    land("customer", small.CUSTOMERS[:5])
    [problem] = done.status().problems
    assert "customer/landing/one.json" in problem
    assert "changed" in problem


@already_run
def test_a_landing_file_with_the_same_size_and_time_is_seen_with_verify(
    done: Lakehouse, land: Land
) -> None:
    path = done.root / "customer" / "landing" / "one.json"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"Ann", b"Bnn"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert done.status().ok
    [problem] = done.status(verify=True).problems
    assert "customer/landing/one.json" in problem
    done.run()
    assert done.status(verify=True).ok


@already_run
def test_a_landing_file_that_is_gone(done: Lakehouse) -> None:
    (done.root / "accelerometer" / "landing" / "one.json").unlink()
    [problem] = done.status().problems
    assert "gone" in problem
    done.run()
    assert done.status().ok
    assert counts(done)["machine_learning_curated"] == 0


@already_run
@pytest.mark.parametrize("table", ["customer_trusted", "step_trainer_landing"])
def test_rows_doubled_in_a_table_by_another_writer(done: Lakehouse, table: str) -> None:
    warehouse = Warehouse(open_root(done.root))
    loaded = warehouse._load(table)
    assert loaded is not None
    loaded.append(pq.read_table(data_file(done, table)).cast(loaded.schema().as_arrow()))
    status = done.status()
    assert not status.ok
    assert any(table in problem for problem in status.problems)
    done.run()
    assert done.status(verify=True).ok
    assert counts(done) == small.SEED


@already_run
def test_rows_doubled_inside_a_file(done: Lakehouse) -> None:
    path = data_file(done, "step_trainer_trusted")
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    assert any("step_trainer_trusted" in problem for problem in done.status().problems)


@already_run
def test_a_sum_of_a_source_that_does_not_hold(
    done: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A load that says it read a record more than there are rows: as if one had been lost.
    from stedi.landing import loads

    read = loads.read_loads
    monkeypatch.setattr(
        "stedi.status.read_loads",
        lambda files, paths: [
            loads.Load(**{**load.__dict__, "records": load.records + (load.source == "customer")})
            for load in read(files, paths)
        ],
    )
    [problem] = done.status().problems
    assert (
        problem
        == "source customer: 19 records in its files, but 18 rows in customer_landing, 0 quarantined"
    )


def test_status_works_before_the_first_table_exists(small_lakehouse: Lakehouse) -> None:
    status = small_lakehouse.status()
    assert status.ok
    assert {table.freshness for table in status.tables.values()} == {"missing"}
    assert status.sources["customer"].unread == 1


@already_run
def test_a_run_at_work_is_noted_and_is_no_problem(done: Lakehouse) -> None:
    from stedi.roots import open_root

    with open_root(done.root).lock():
        status = done.status()
    assert status.ok
    assert "running" in {note.code for note in status.notes}
    assert "running" not in {note.code for note in done.status().notes}


@pytest.mark.parametrize("damage", ["gone", "garbage"])
@pytest.mark.parametrize("table", ["loads", "quarantine"])
def test_a_damaged_file_of_the_machinery_is_told_and_mended(
    small_lakehouse: Lakehouse, land: Land, table: str, damage: str
) -> None:
    land("step_trainer", b"{ broken\n", name="broken.json")
    small_lakehouse.run()
    [path] = (small_lakehouse.root / "_stedi" / table / "data").rglob("*.parquet")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" * path.stat().st_size)
    status = small_lakehouse.status()
    assert any(f"table {table}" in problem for problem in status.problems)
    small_lakehouse.run(full=True)
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert counts(small_lakehouse) == small.SEED


@pytest.mark.parametrize("damaged", ["catalog", "metadata"])
def test_a_damaged_catalog_is_told_and_mended(
    small_lakehouse: Lakehouse, not_anonymous: Path, damaged: str
) -> None:
    lakehouse = type(small_lakehouse)(small_lakehouse.root, declarations=not_anonymous)
    lakehouse.run(profile="strict")
    if damaged == "catalog":
        (lakehouse.root / "_stedi" / "catalog.db").write_bytes(b"x" * 20_000)
    else:
        for path in (lakehouse.root / "customer" / "trusted").rglob("*.metadata.json"):
            path.write_text("{")
    for ask in (lakehouse.status, lakehouse.run):
        with pytest.raises(StorageError, match=r"can't be read.* --full"):
            ask()
    lakehouse.run(full=True, profile="strict" if damaged == "catalog" else None)
    assert lakehouse.status(verify=True).ok
    assert counts(lakehouse) == small.STRICT


@pytest.mark.parametrize("begins", ["new", "damaged", "copied"])
def test_a_lakehouse_keeps_the_profile_of_a_run_that_was_stopped(
    small_lakehouse: Lakehouse,
    not_anonymous: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begins: str,
) -> None:
    def lakehouse() -> Lakehouse:
        return type(small_lakehouse)(root, declarations=not_anonymous)

    root = small_lakehouse.root
    if begins != "new":
        lakehouse().run(profile="strict")
    if begins == "damaged":
        (root / "_stedi" / "catalog.db").write_bytes(b"x" * 20_000)
    if begins == "copied":  # and stopped as soon as the catalog knows no table any more
        root = tmp_path / "copy"
        shutil.copytree(small_lakehouse.root, root)
        with monkeypatch.context() as patched:
            patched.setattr(Warehouse, "look_again", stopped)
            with pytest.raises(KeyboardInterrupt):
                lakehouse().run(full=True)
    else:
        with pytest.raises(PairingTooLarge):
            lakehouse().run(full=True, profile="strict", max_pairs=0)
    lakehouse().run()
    assert lakehouse().status(verify=True).ok
    assert counts(lakehouse()) == small.STRICT


def stopped(_: object) -> None:
    raise KeyboardInterrupt


@already_run
def test_a_catalog_that_another_program_holds_is_not_taken_for_a_damaged_one(
    done: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = done.root / "_stedi" / "catalog.db"
    before, connect = path.read_bytes(), sqlite3.connect
    with closing(connect(path)) as holding:
        holding.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, timeout=0.05))
        for ask in (
            done.status,
            done.run,
            lambda: done.run(full=True),
            lambda: done.run(full=True, profile="seed"),
        ):
            with pytest.raises(Locked, match=r"catalog\.db is in use by another program"):
                ask()
    assert path.read_bytes() == before
    assert done.run().built == ()


@already_run
def test_a_table_is_out_of_date_where_anything_it_is_made_from_is(
    done: Lakehouse, land: Land
) -> None:
    land("customer", [{**small.CUSTOMERS[0], "phone": "556"}], name="new.json")
    stale = {name for name, one in done.status().tables.items() if one.freshness == "stale"}
    assert stale == {built.table for built in done.run().built}


@pytest.mark.parametrize(
    "content", [(), ("notes.txt",), ("customer/a.json",), ("other/landing/a",)]
)
def test_a_folder_that_is_no_lakehouse_is_named_as_such(
    tmp_path: Path, content: tuple[str, ...]
) -> None:
    for name in content:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match="no lakehouse here"):
        Lakehouse(tmp_path).status()
    (tmp_path / "step_trainer" / "landing").mkdir(parents=True)
    status = Lakehouse(tmp_path).status()
    assert status.ok and status.times.last_run is None

"""Who withdraws is gone from disk, whatever happened before, in between and after."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.errors import PairingTooLarge, StorageError, UsageError
from stedi.roots import open_root
from stedi.roots.local.sqlite import SqliteTables
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land, already_run, both_engines_at_length, counts, on, remarks
from tests.support import small
from tests.support.tables import files, held_on_disk, how, strays

ANN = [small.customer("ann", "S1", 9000)]
ROWS_OF_ANN = {
    "customer_trusted": 1,
    "accelerometer_trusted": 3,
    "customer_curated": 1,
    "step_trainer_trusted": 3,
}


def assert_gone(lakehouse: Lakehouse) -> None:
    """Nothing of ann is in the lakehouse, but in the landing zone."""
    assert held_on_disk(lakehouse.root, "ann@example.com") == []
    assert held_on_disk(lakehouse.root, "'S1'") == []


class Killed(BaseException):
    """What stops a run where it is."""


def run_killed_at(lakehouse: Lakehouse, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends where it would commit a table, and leaves behind what it has begun."""
    commit = Warehouse.commit

    def killed(self: Warehouse, name: str, *arguments: Any, **options: Any) -> Any:
        if name == table:
            raise Killed
        return commit(self, name, *arguments, **options)

    def nothing(*_: Any) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "commit", killed)
        patch.setattr("stedi.run.execute.sweep", nothing)
        with pytest.raises(Killed):
            lakehouse.run()


def landed_since(root: Path, tmp_path: Path, declarations: Path) -> dict[str, int | None]:
    """How many rows tables have that are made from nothing of what lies in a landing zone."""
    for source in ("customer", "accelerometer", "step_trainer"):
        for path in (root / source / "landing").iterdir():
            small.write(tmp_path / "anew", source, path.read_bytes(), path.name)
    anew = on("duckdb", tmp_path / "anew", declarations)
    anew.run()
    return counts(anew)


@both_engines_at_length
def test_who_withdraws_is_gone_from_every_snapshot_at_once(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    for n in range(3):
        land("accelerometer", [small.acceleration("ann", 3000 + n, 0.9)], name=f"{n}.json")
        small_lakehouse.run()
    assert held_on_disk(small_lakehouse.root, "ann@example.com")
    assert held_on_disk(small_lakehouse.root, "'S1'")
    land("customer", [small.customer("ann", "S1", 9000)], name="withdrawn.json")
    report = small_lakehouse.run()
    assert held_on_disk(small_lakehouse.root, "ann@example.com") == []
    assert held_on_disk(small_lakehouse.root, "'S1'") == []
    assert report.withdrawn is not None
    assert report.withdrawn.people == 1
    assert report.withdrawn.rows == {
        "customer_trusted": 1,
        "accelerometer_trusted": 6,
        "customer_curated": 1,
        "step_trainer_trusted": 3,
    }
    assert report.withdrawn.difference is not None
    assert small_lakehouse.run().withdrawn is None
    assert small_lakehouse.status(verify=True).ok


def test_who_withdraws_is_gone_after_the_declared_time(
    small_lakehouse: Lakehouse, folder: Path, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = folder / "contracts" / "customer_trusted.yaml"
    text = contract.read_text()
    kept = "      - property: withdrawalDays\n        value: {}\n"
    assert kept.format(0) in text
    contract.write_text(text.replace(kept.format(0), kept.format(3)))
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    land("customer", [small.customer("ann", "S1", 9000)], name="withdrawn.json")
    assert lakehouse.run().withdrawn is not None
    assert held_on_disk(lakehouse.root, "ann@example.com")
    now = time.time_ns()
    for days, expected in ((2, True), (4, False)):
        later = now + int(timedelta(days=days).total_seconds() * 1e9)
        monkeypatch.setattr("stedi.storage.withdrawals.time.time_ns", lambda later=later: later)
        lakehouse.run()
        assert bool(held_on_disk(lakehouse.root, "ann@example.com")) is expected
    assert strays(lakehouse) == []


@already_run
def test_from_a_table_that_was_made_later_from_earlier_ones(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", ANN, name="withdrawn.json")
    small_lakehouse.run(only=["customer_trusted"])
    land("step_trainer", [small.reading("S5", 5000, 210)], name="more.json")
    small_lakehouse.run(only=["step_trainer_trusted"])
    assert held_on_disk(small_lakehouse.root, "'S1'")
    small_lakehouse.run()
    assert_gone(small_lakehouse)


@already_run
def test_what_is_made_after_a_withdrawal_is_kept(small_lakehouse: Lakehouse, land: Land) -> None:
    land("customer", ANN, name="withdrawn.json")
    small_lakehouse.run()
    assert_gone(small_lakehouse)
    for n in range(2):
        land("accelerometer", [small.acceleration("eve", 3000 + n, 0.9)], name=f"{n}.json")
        land("step_trainer", [small.reading("S5", 5000 + n, 210)], name=f"{n}.json")
        small_lakehouse.run()
    warehouse = Warehouse(open_root(small_lakehouse.root))
    kept = {table: len(warehouse.history(table)) for table in small.SEED if "trusted" in table}
    assert kept["accelerometer_trusted"] >= 3
    assert kept["step_trainer_trusted"] >= 3


@already_run
def test_when_the_table_of_who_consents_was_damaged(small_lakehouse: Lakehouse, land: Land) -> None:
    [uri] = files(small_lakehouse, "customer_trusted")
    Path(uri.removeprefix("file://")).unlink()
    land("customer", ANN, name="withdrawn.json")
    small_lakehouse.run()
    assert_gone(small_lakehouse)


def test_when_another_column_became_the_key(
    small_lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    on("duckdb", small_lakehouse.root, folder).run()
    contract = folder / "contracts" / "customer_trusted.yaml"
    text = contract.read_text()
    key = "        value: email\n"
    assert text.count(key) == 1
    contract.write_text(text.replace(key, "        value: serialnumber\n"))
    land("customer", [small.customer("gus", "S6", 9000)], name="withdrawn.json")  # as fay's is
    on("duckdb", small_lakehouse.root, folder).run()
    assert held_on_disk(small_lakehouse.root, "gus@example.com") == []


def test_a_table_that_is_not_declared_any_more_is_told(
    small_lakehouse: Lakehouse, folder: Path, not_anonymous: Path
) -> None:
    for place, ending in (("contracts", "yaml"), ("transforms", "sql")):
        text = (folder / place / f"customer_curated.{ending}").read_text()
        own = text.replace("customer_curated", "people_curated")
        (folder / place / f"people_curated.{ending}").write_text(own)
    assert remarks(on("duckdb", small_lakehouse.root, folder).run()) == []
    lakehouse = on("duckdb", small_lakehouse.root, not_anonymous)
    [remark] = remarks(lakehouse.run())
    assert remark.startswith("the table people_curated is not declared and stays as it is")
    shutil.rmtree(small_lakehouse.root / "people")
    assert remarks(lakehouse.run()) == []


@already_run
def test_when_the_catalog_was_lost(small_lakehouse: Lakehouse, land: Land) -> None:
    (small_lakehouse.root / "_stedi" / "catalog.db").unlink()
    land("customer", ANN, name="withdrawn.json")
    asks: tuple[Callable[[], object], ...] = (
        small_lakehouse.run,
        small_lakehouse.plan,
        small_lakehouse.status,
        small_lakehouse.quarantine,
        lambda: small_lakehouse.query("SELECT COUNT(*) FROM quarantine"),
    )
    for ask in asks:
        with pytest.raises(StorageError, match=r"catalog is gone.* --profile NAME"):
            ask()
    assert small_lakehouse.run(profile="seed").swept
    assert_gone(small_lakehouse)
    assert small_lakehouse.run().swept == 0


@already_run
def test_when_a_later_table_stops_the_run(small_lakehouse: Lakehouse, land: Land) -> None:
    land("customer", ANN, name="withdrawn.json")
    with pytest.raises(PairingTooLarge):
        small_lakehouse.run(max_pairs=1)
    for place in ("customer_trusted", "accelerometer_trusted", "step_trainer_trusted"):
        location = small_lakehouse.status().tables[place].location.removeprefix("file://")
        for path in Path(location).rglob("*.parquet"):
            assert path in Warehouse(open_root(small_lakehouse.root)).alive(place)
    assert held_on_disk(small_lakehouse.root, "ann@example.com") == []


@already_run
def test_a_run_for_one_reports_what_it_leaves_published(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", ANN, name="withdrawn.json")
    one = small_lakehouse.run(only=["customer_trusted"])
    assert one.withdrawn is not None
    assert one.withdrawn.rows == {"customer_trusted": 1}
    assert any("still in machine_learning_curated" in told for told in one.remarks)
    status = small_lakehouse.status().tables["machine_learning_curated"]
    assert (status.freshness, status.why) == ("stale", "people in it have withdrawn since")
    rest = small_lakehouse.run()
    assert remarks(rest) == []
    assert rest.withdrawn is not None
    assert rest.withdrawn.people == 1
    assert rest.withdrawn.rows == ROWS_OF_ANN
    assert rest.withdrawn.difference is not None
    land("accelerometer", [small.acceleration("eve", 9000, 0.9)], name="two.json")
    assert small_lakehouse.run().withdrawn is None


@already_run
def test_what_a_killed_run_took_out_is_told_by_the_next(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("customer", ANN, name="withdrawn.json")
    run_killed_at(small_lakehouse, "customer_curated", monkeypatch)
    told = small_lakehouse.run().withdrawn
    assert told is not None
    assert told.people == 1
    assert told.rows == ROWS_OF_ANN
    assert told.difference is not None


@already_run
def test_a_commit_that_was_interrupted_when_it_was_done_stays(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    commit = SqliteTables.commit_table

    def interrupted(self: SqliteTables, table: Any, *arguments: Any) -> Any:
        done = commit(self, table, *arguments)
        if table.name()[-1] == "accelerometer_trusted":
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(SqliteTables, "commit_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            small_lakehouse.run()
    small_lakehouse.run()
    expected = (small.SEED["accelerometer_trusted"] or 0) + 1
    assert counts(small_lakehouse)["accelerometer_trusted"] == expected
    assert small_lakehouse.status(verify=True).ok


@already_run
def test_quarantined_records_of_a_file_that_is_gone_suspend_nobody(
    small_lakehouse: Lakehouse,
    land: Land,
    not_anonymous: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = land("customer", b'{"email": "ann@example.com", "customerName": "A', name="bad.json")
    run_killed_at(small_lakehouse, "loads", monkeypatch)
    bad.unlink()
    small_lakehouse.run()
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert counts(small_lakehouse) == landed_since(small_lakehouse.root, tmp_path, not_anonymous)


def test_a_moved_lakehouse_is_not_rebuilt_for_one_table(
    small_lakehouse: Lakehouse, not_anonymous: Path, tmp_path: Path
) -> None:
    small_lakehouse.run()
    moved = small_lakehouse.root.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="as a whole"):
        on("duckdb", moved, not_anonymous).run(full=True, only=["customer_curated"])
    moved.rename(small_lakehouse.root)
    assert counts(small_lakehouse) == small.SEED


@already_run
def test_a_file_that_went_before_the_secret_changed_is_forgotten(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    small_lakehouse.run()
    (small_lakehouse.root / "accelerometer" / "landing" / "two.json").unlink()
    small_lakehouse.run()
    monkeypatch.setenv("STEDI_SECRET", "another one, of at least thirty-two bytes")
    for n, expected in enumerate(("rebuild", "append")):
        land("accelerometer", [small.acceleration("ann", 4000 + n, 0.9)], name=f"n{n}.json")
        assert how(small_lakehouse)["accelerometer_landing"] == expected
        time.sleep(0.01)


def test_a_publication_goes_where_the_run_cannot_make_another(
    lakehouse: Lakehouse, land: Land, not_anonymous: Path
) -> None:
    """One customer's crowded time, or one broken clock, must not keep others' rows public."""
    small.land(lakehouse.root)
    lakehouse = type(lakehouse)(lakehouse.root, declarations=not_anonymous)
    lakehouse.run()
    published = counts(lakehouse)["machine_learning_curated"]
    assert published
    land("step_trainer", [small.reading("S1", 1000, 211)] * 3, name="crowd.json")
    with pytest.raises(PairingTooLarge) as caught:
        lakehouse.run(max_pairs=1)
    assert "removed" not in str(caught.value)  # nobody left: it stays
    assert counts(lakehouse)["machine_learning_curated"] == published
    land("customer", ANN, name="withdrawn.json")
    with pytest.raises(PairingTooLarge, match="It was removed"):
        lakehouse.run(max_pairs=1)
    assert_gone(lakehouse)
    assert counts(lakehouse)["machine_learning_curated"] == 0
    assert not any((lakehouse.root / "_stedi" / "boxes").rglob("*.parquet"))
    assert lakehouse.status().tables["machine_learning_curated"].freshness == "stale"
    with pytest.raises(PairingTooLarge):
        lakehouse.run(max_pairs=1)
    told = lakehouse.run().withdrawn
    assert told is not None
    assert (told.people, told.difference) == (1, None)  # the publication before is gone
    assert counts(lakehouse)["machine_learning_curated"]
    assert lakehouse.status(verify=True).ok


@pytest.mark.parametrize("seconds", [60, 3600])
def test_after_a_run_whose_clock_was_ahead(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    now, now_ns = time.time, time.time_ns
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: now() + seconds)
        patched.setattr(time, "time_ns", lambda: now_ns() + seconds * 1_000_000_000)
        small_lakehouse.run()
    assert held_on_disk(small_lakehouse.root, "ann@example.com")
    land("customer", ANN, name="withdrawn.json")
    small_lakehouse.run()
    assert_gone(small_lakehouse)
    land("customer", [small.customer("eve", "S5", 9000)], name="too.json")
    small_lakehouse.run()
    assert held_on_disk(small_lakehouse.root, "eve@example.com") == []


@already_run
def test_from_what_a_query_that_was_killed_had_read(small_lakehouse: Lakehouse, land: Land) -> None:
    spilled = small_lakehouse.root / "_stedi" / "scratch" / "query-that-died" / "spilled"
    spilled.parent.mkdir(parents=True)
    spilled.write_bytes(b"ann@example.com")
    land("customer", ANN, name="withdrawn.json")
    small_lakehouse.run()
    assert not spilled.exists()

"""A dry run says what a run does; declarations are checked once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.check import check as check_declarations
from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.privacy.proof import Proof
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land
from tests.support import small
from tests.support.processes import started


def test_declarations_that_an_engine_has_checked_are_not_checked_again(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(declarations: Declarations, engine: Engine, **others: Any) -> Proof:
        checked.append(engine.name)
        return check_declarations(declarations, engine, **others)

    monkeypatch.setattr("stedi.run.execute.check", check)
    small_lakehouse.run()
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    small_lakehouse.run()
    assert checked == ["duckdb"]
    Warehouse(open_root(small_lakehouse.root)).checked_by = "spark"
    land("accelerometer", [small.acceleration("ann", 3001, 0.9)], name="three.json")
    small_lakehouse.run()
    assert checked == ["duckdb", "duckdb"]


def test_a_dry_run_says_what_a_run_does_and_writes_nothing(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    def everything() -> dict[Path, int]:
        found = small_lakehouse.root.rglob("*")
        return {path: path.stat().st_mtime_ns for path in found if path.is_file()}

    before = everything()
    planned = {one.table: one.how for one in small_lakehouse.plan()}
    assert planned == dict.fromkeys(small.SEED, "rebuild")
    assert everything() == before
    small_lakehouse.run()
    assert small_lakehouse.plan() == []
    land("customer", [small.customer("ben", "S2", 900, consent=900)], name="given.json")
    (small_lakehouse.root / "step_trainer" / "landing" / "one.json").unlink()
    before = everything()
    found = {one.table: (one.how, one.files) for one in small_lakehouse.plan()}
    assert everything() == before
    assert found == {
        "customer_landing": ("append", 1),
        "step_trainer_landing": ("swap", 0),
        "customer_trusted": ("by key", 1),
        "accelerometer_trusted": ("by key", 1),
        "customer_curated": ("by key", 1),
        "step_trainer_trusted": ("by key", 1),
        "machine_learning_curated": ("rebuild", 1),
    }
    told = {one.table: one.how for one in small_lakehouse.plan(profile="strict")}
    assert told["accelerometer_trusted"] == "rebuild"
    done = started("run", "--dry-run", "--json", "--root", small_lakehouse.root).ended()
    assert {one["table"] for one in json.loads(done.stdout)} == found.keys()


def test_a_file_with_another_time_and_the_same_bytes_is_in_the_plan(
    small_lakehouse: Lakehouse,
) -> None:
    small_lakehouse.run()
    file = small_lakehouse.root / "customer" / "landing" / "one.json"
    os.utime(file, (1, 1))
    [planned] = small_lakehouse.plan()
    assert (planned.table, planned.reason) == (
        "loads",
        "1 landing file with another time, same bytes",
    )
    assert small_lakehouse.run().built == ()
    assert small_lakehouse.plan() == []

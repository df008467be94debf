"""`explain` tells the way of the rows: in, dropped by reason with a masked example and its place, kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stedi import Lakehouse, UsageError
from stedi.cli.commands import app
from tests.conftest import on
from tests.support import small


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    root = tmp_path_factory.mktemp("done") / "root"
    small.land(root)
    small.write(root, "accelerometer", b'\n{"user": "zoe@example.com", "timestamp"\n', "bad.json")
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    return lakehouse


def test_each_step_on_the_way_has_its_sum(done: Lakehouse) -> None:
    explained = done.explain("machine_learning_curated")
    stages = {stage.table: stage for stage in explained.stages}
    assert [*stages] == [
        *("step_trainer_landing", "step_trainer_trusted"),
        *("accelerometer_landing", "accelerometer_trusted", "machine_learning_curated"),
    ]
    for name, stage in stages.items():
        assert stage.kept == small.SEED[name]
        assert stage.in_ == stage.kept + sum(dropped.count for dropped in stage.dropped)
    reasons = {d.reason: d.count for d in stages["accelerometer_trusted"].dropped}
    assert reasons == small.NOT_ALLOWED
    assert stages["accelerometer_landing"].in_ == 20
    assert [d.count for d in stages["accelerometer_landing"].dropped] == [1]
    assert explained.stale is None


def test_the_join_says_how_many_timestamps_one_side_has_alone(done: Lakehouse) -> None:
    pairing = done.explain("machine_learning_curated").stages[-1].pairing
    assert pairing is not None
    assert pairing.by == [
        "step_trainer_trusted.sensorreadingtime = accelerometer_trusted.timestamp"
    ]
    assert pairing.values_shared == 9
    step, accelerometer = pairing.sides
    assert (step.table, step.values_alone, step.rows_alone) == ("step_trainer_trusted", 1, 1)
    assert (accelerometer.values_alone, accelerometer.rows_alone) == (0, 0)


def test_a_join_of_what_a_with_names_is_counted_likewise(
    tmp_path: Path, not_anonymous: Path
) -> None:
    folder = tmp_path / "declarations"
    shutil.copytree(not_anonymous, folder)
    (folder / "transforms" / "accelerometer_trusted.sql").write_text(
        'WITH r AS (SELECT b."user", b."timestamp", b.x, b.y, b.z FROM accelerometer_landing b) '
        'SELECT r."user", r."timestamp", r.x, r.y, r.z FROM r '
        'INNER JOIN customer_trusted c ON c.email = r."user"'
    )
    small.land(tmp_path / "root")
    lakehouse = on("duckdb", tmp_path / "root", folder)
    lakehouse.run()
    [*_, stage] = lakehouse.explain("accelerometer_trusted").stages
    assert stage.kept == stage.in_ == small.SEED["accelerometer_trusted"]
    assert stage.pairing is not None
    assert {side.table for side in stage.pairing.sides} == {
        "accelerometer_landing",
        "customer_trusted",
    }


def test_each_reason_has_an_example_that_is_masked_and_its_place(done: Lakehouse) -> None:
    [landing, trusted] = done.explain("accelerometer_trusted").stages
    for dropped in (*landing.dropped, *trusted.dropped):
        assert dropped.example is not None
        assert dropped.example.where is not None
        assert dropped.example.where.startswith("accelerometer/")
        assert "example.com" not in dropped.example.text
        assert "zoe" not in dropped.example.text
    [unknown] = [d for d in trusted.dropped if d.reason == "unknown user"]
    assert unknown.example is not None
    # The 19th record, of nobody, behind 18 lines.
    lines = [json.dumps(record) + "\n" for record in small.ACCELEROMETER]
    at = sum(map(len, lines[:18]))
    assert unknown.example.where == f"accelerometer/one.json@{at}, line 19"


def test_raw_examples_are_as_they_are(done: Lakehouse) -> None:
    [_, trusted] = done.explain("accelerometer_trusted", raw=True).stages
    [unknown] = [d for d in trusted.dropped if d.reason == "unknown user"]
    assert unknown.example is not None
    assert "user nobody@example.com, timestamp 1000" in unknown.example.text


def test_the_command_line_tells_it_and_json(done: Lakehouse, not_anonymous: Path) -> None:
    shared = ["--root", str(done.root), "--declarations", str(not_anonymous), "explain"]
    told = CliRunner().invoke(app, [*shared, "machine_learning_curated"], catch_exceptions=False)
    assert "-4  user does not consent" in told.output
    assert "9 values on both sides" in told.output
    assert "1 value in step_trainer_trusted alone, with 1 row\n" in told.output
    assert "@example.com" not in told.output
    printed = CliRunner().invoke(app, [*shared, "customer_trusted", "--json"]).stdout
    [landing, trusted] = json.loads(printed)["stages"]
    assert (landing["in"], trusted["in"], trusted["kept"]) == (18, 18, 8)


@pytest.mark.parametrize(
    ("table", "said"), [("nowhere", "no table nowhere"), ("loads", "no table loads")]
)
def test_other_tables_are_refused(done: Lakehouse, table: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        done.explain(table)


def test_before_the_first_run_nothing_is_explained(tmp_path: Path) -> None:
    small.land(tmp_path / "root")
    with pytest.raises(UsageError, match="not built yet"):
        Lakehouse(tmp_path / "root").explain("customer_trusted")

"""A lakehouse that version 0.1.0 made opens, has the same figures, and is maintained further."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.errors import UsageError
from tests.conftest import counts, rows
from tests.support import earlier
from tests.support.earlier import as_told, figures, snapshots
from tests.support.tables import held_on_disk, how

SAID: dict[str, Any] = json.loads(earlier.FIGURES.read_text())
"""By 0.1.0."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lakehouse]:
    monkeypatch.setenv("STEDI_SECRET", earlier.SECRET)
    try:
        with earlier.unpacked() as place:
            yield Lakehouse(place, declarations=earlier.as_strict(tmp_path / "declarations"))
    except earlier.Unusable as why:
        pytest.skip(str(why))


@pytest.fixture
def updated(root: Lakehouse) -> Lakehouse:
    """The lakehouse after a run of this version."""
    root.run()
    return root


def without_freshness(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"tables": {name: rows for name, (rows, _) in told["tables"].items()}}


def test_its_status_is_as_it_was_but_for_what_is_declared_otherwise(root: Lakehouse) -> None:
    status = earlier.status(root, verify=True)
    told = figures(status)
    assert without_freshness(told) == without_freshness(figures(SAID["status"]))
    assert told["tables"]["step_trainer_landing"][1] == "fresh"
    assert told["tables"]["customer_landing"][1] == "stale"  # has more columns now
    assert snapshots(status) == snapshots(SAID["status"])


def test_a_run_reads_again_what_has_more_columns_now_and_changes_no_row(root: Lakehouse) -> None:
    planned = {step.table: step.how for step in root.plan()}
    assert "step_trainer_landing" not in planned
    assert planned["customer_landing"] == planned["accelerometer_landing"] == "rebuild"
    report = root.run()
    assert report.withdrawn is None
    told = as_told(figures(earlier.status(root, verify=True)))
    assert told == figures(SAID["status"])
    assert root.run().built == ()


def test_a_run_of_one_table_names_another_that_must_be_updated_first(
    root: Lakehouse,
) -> None:
    with pytest.raises(UsageError, match="customer_landing lacks columns that its contract has"):
        root.run(only=["step_trainer_trusted"])
    root.run(only=["customer_trusted"])
    root.run(only=["step_trainer_trusted"])
    root.run()
    assert as_told(figures(earlier.status(root, verify=True))) == figures(SAID["status"])


@pytest.mark.parametrize("runs", ["at once", "later"])
def test_records_that_0_1_0_read_are_noticed_when_they_come_again(
    root: Lakehouse, runs: str
) -> None:
    if runs == "later":
        root.run()
    before = root.status().sources
    again: dict[str, int] = {}
    for source, time in (("accelerometer", "timestamp"), ("step_trainer", "sensorReadingTime")):
        folder = root.root / source / "landing"
        old = [(folder / f"{name}.json").read_bytes() for name in ("second", "small-3", "small-8")]
        again[source] = sum(content.count(b"\n") for content in old)
        new = json.loads(old[0].splitlines()[0]) | {time: 1_700_009_999_000}
        (folder / "zz-again.json").write_bytes(b"".join(old) + json.dumps(new).encode())
    for is_rebuilt in (False, True):
        root.run(full=is_rebuilt)
        status = root.status(verify=True)
        assert status.ok, status.problems
        for source, count in again.items():
            assert status.sources[source].dropped == {"re-delivered": count}
            assert status.sources[source].loaded == before[source].loaded + 1


def test_its_files_arrived_when_0_1_0_found_them(root: Lakehouse) -> None:
    noted = rows(root, "SELECT file, modified FROM loads WHERE source = 'customer'")
    root.run()
    when = "SELECT file, arrived FROM loads WHERE source = 'customer'"
    assert rows(root, when) == noted
    read = rows(root, "SELECT DISTINCT arrived FROM customer_landing ORDER BY 1")
    assert {arrived for (arrived,) in read} <= {modified // 10**6 for _, modified in noted}
    root.run(full=True)
    assert rows(root, when) == noted


def test_its_tables_can_be_asked_as_they_are_and_as_they_were(root: Lakehouse) -> None:
    for table, expected in counts(root).items():
        assert rows(root, f"SELECT COUNT(*) FROM {table}") == [(expected,)]
    before = {name: table["rows"] for name, table in SAID["early"]["tables"].items()}
    for table in ("accelerometer_landing", "step_trainer_landing"):
        asked = root.query(
            f"SELECT COUNT(*) AS n FROM {table}", as_of=datetime.fromisoformat(SAID["when"])
        )
        assert asked.to_arrow()["n"].to_pylist() == [before[table]] != [counts(root)[table]]


def test_a_delivery_and_a_withdrawal_are_taken_up_as_they_were(updated: Lakehouse) -> None:
    root = updated
    [withdrawn] = (earlier.LATER / "customer" / "landing").iterdir()
    [email] = (json.loads(line)["email"] for line in withdrawn.read_text().splitlines())
    published = root.root / "step_trainer" / "curated" / "metadata"
    assert held_on_disk(root.root, email)
    assert earlier.but_difference(earlier.take(root, earlier.LATER)) == earlier.but_difference(
        SAID["run"]
    )
    assert held_on_disk(root.root, email) == []
    assert as_told(figures(earlier.status(root, verify=True))) == figures(SAID["later"])
    assert not any('"stedi.last_left"' in path.read_text() for path in published.glob("*.json"))
    compared = [
        audit["attacks"]["difference"]["figures"]
        for audit in (earlier.audit(root), SAID["later audit"])
    ]
    for rows_in in ("rows_before", "rows_now"):  # classes are others than 0.1.0's
        assert compared[0][rows_in] == compared[1][rows_in]
    assert how(root) == {}


def test_a_file_whose_rows_were_merged_with_others_can_be_taken_away(root: Lakehouse) -> None:
    before = counts(root)
    [gone] = (root.root / "step_trainer" / "landing").glob("small-0*.json")
    gone.unlink()
    assert how(root)["step_trainer_landing"] == "swap"
    taken = {"step_trainer_landing", "step_trainer_trusted", "machine_learning_curated"}
    assert counts(root) == {
        name: count - 10 if name in taken and count else count for name, count in before.items()
    }
    assert root.status(verify=True).ok


def test_its_audit_finds_what_it_found(updated: Lakehouse) -> None:
    audited, expected = earlier.audit(updated), SAID["audit"]
    assert audited["checks"].pop("people") == []  # 0.1.0 didn't look at them
    for check in ("proof", "ends"):
        assert audited["checks"].pop(check) == []
    for part in ("ok", "rows", "checks", "problems"):
        assert audited[part] == expected[part]
    assert audited["smallest_class"] >= 5  # classes are others than 0.1.0's
    assert audited["largest_share"] <= 0.2

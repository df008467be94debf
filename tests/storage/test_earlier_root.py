"""A root that version 0.1.0 made opens, says what 0.1.0 said of it, and is maintained further."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from stedi import Lakehouse
from tests.conftest import counts, rows
from tests.support import earlier
from tests.support.earlier import figures, snapshots
from tests.support.tables import held_on_disk, how

SAID: dict[str, Any] = json.loads(earlier.FIGURES.read_text())
"""By 0.1.0."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lakehouse]:
    monkeypatch.setenv("STEDI_SECRET", earlier.SECRET)
    try:
        with earlier.unpacked() as place:
            yield Lakehouse(place)
    except earlier.Unusable as why:
        pytest.skip(str(why))


def test_its_status_is_as_it_was(root: Lakehouse) -> None:
    status = earlier.status(root, verify=True)
    assert figures(status) == figures(SAID["status"])
    assert snapshots(status) == snapshots(SAID["status"])


def test_a_run_has_nothing_to_do(root: Lakehouse) -> None:
    assert [planned.table for planned in root.plan()] == ["loads"]  # unpacked files are new
    report = root.run()
    assert report.built == ()
    assert report.withdrawn is None
    assert snapshots(earlier.status(root)) == snapshots(SAID["status"])


def test_its_tables_can_be_asked_as_they_are_and_as_they_were(root: Lakehouse) -> None:
    for table, expected in counts(root).items():
        assert rows(root, f"SELECT COUNT(*) FROM {table}") == [(expected,)]
    before = {name: table["rows"] for name, table in SAID["early"]["tables"].items()}
    for table in ("accelerometer_landing", "step_trainer_landing"):
        asked = root.query(
            f"SELECT COUNT(*) AS n FROM {table}", as_of=datetime.fromisoformat(SAID["when"])
        )
        assert asked.to_arrow()["n"].to_pylist() == [before[table]] != [counts(root)[table]]


def test_a_delivery_and_a_withdrawal_are_taken_up_as_they_were(root: Lakehouse) -> None:
    [withdrawn] = (earlier.LATER / "customer" / "landing").iterdir()
    [email] = (json.loads(line)["email"] for line in withdrawn.read_text().splitlines())
    published = root.root / "step_trainer" / "curated" / "metadata"
    assert held_on_disk(root.root, email)
    assert any('"stedi.last_left"' in path.read_text() for path in published.glob("*.json"))
    assert earlier.take(root, earlier.LATER) == SAID["run"]
    assert held_on_disk(root.root, email) == []
    assert figures(earlier.status(root, verify=True)) == figures(SAID["later"])
    assert earlier.notes() == SAID["later notes"]
    assert not any('"stedi.last_left"' in path.read_text() for path in published.glob("*.json"))
    compared = [
        audit["attacks"]["difference"]["figures"]
        for audit in (earlier.audit(root), SAID["later audit"])
    ]
    assert compared[0] == compared[1]
    assert how(root) == {}


def test_a_file_whose_rows_were_merged_with_others_can_be_taken_away(root: Lakehouse) -> None:
    before = counts(root)
    [gone] = (root.root / "accelerometer" / "landing").glob("small-0*.json")
    gone.unlink()
    assert how(root)["accelerometer_landing"] == "swap"
    taken = {"accelerometer_landing", "accelerometer_trusted", "machine_learning_curated"}
    assert counts(root) == {
        name: count - 10 if name in taken and count else count for name, count in before.items()
    }
    assert root.status(verify=True).ok


def test_its_audit_finds_what_it_found(root: Lakehouse) -> None:
    audited, expected = earlier.audit(root), SAID["audit"]
    assert audited["checks"].pop("people") == []  # 0.1.0 didn't look at them
    for part in ("ok", "rows", "classes", "smallest_class", "largest_share", "checks", "problems"):
        assert audited[part] == expected[part]
    for attack in ("attribution", "difference"):
        assert audited["attacks"][attack]["figures"] == expected["attacks"][attack]["figures"]

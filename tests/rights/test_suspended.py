"""Whose consent is suspended, and when files arrived, when somebody is forgotten."""

from __future__ import annotations

import json
import os
from pathlib import Path

from stedi import Lakehouse
from tests.conftest import Land, rows
from tests.support import small
from tests.support.traces import holding

YEARS_AHEAD = 1_900_000_000_000
ARRIVED_NS = 1_600_000_000_000_000_000


def test_nothing_is_left_of_who_was_suspended(land: Land, tmp_path: Path) -> None:
    people = [small.customer(f"p{n}", f"S{n}", 100, consent=100) for n in range(3)]
    gone = "gone@example.com"
    land("customer", [*people, small.customer("gone", "SG", YEARS_AHEAD, consent=100)])
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.run()
    assert len(lakehouse.review().to_decide) == 1
    assert holding(lakehouse.root / "_stedi" / "suspended", gone)
    forgotten = lakehouse.erase([("email", gone)])
    assert forgotten is not None
    assert forgotten.proof.holds, forgotten.proof
    assert holding(lakehouse.root, gone) == []
    assert lakehouse.review().to_decide == []
    assert lakehouse.status(verify=True).ok


def test_files_that_were_cut_arrived_when_they_did(land: Land, tmp_path: Path) -> None:
    names = ["ann", "ben", "cat"]
    land("customer", [small.customer(n, f"S{n}", 100, consent=100) for n in names])
    lakehouse = Lakehouse(tmp_path / "root")
    [file] = (lakehouse.root / "customer" / "landing").iterdir()
    os.utime(file, ns=(ARRIVED_NS, ARRIVED_NS))
    lakehouse.run()
    asked = "SELECT email, arrived FROM customer_landing ORDER BY email"
    before = rows(lakehouse, asked)
    assert {arrived for _, arrived in before} == {ARRIVED_NS // 1_000_000}
    lakehouse.erase([("email", "ben@example.com")])
    assert rows(lakehouse, asked) == [before[0], before[2]]
    lakehouse.run(full=True)
    assert rows(lakehouse, asked) == [before[0], before[2]]


def test_who_is_suspended_is_told_so_and_nothing_of_others(land: Land, tmp_path: Path) -> None:
    wrong = [small.customer(name, f"S{name}", YEARS_AHEAD, consent=100) for name in ("ann", "ben")]
    people = [small.customer(f"p{n}", f"S{n}", 100, consent=100) for n in range(3)]
    land("customer", [*people, *wrong])
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.run()
    told = lakehouse.disclose("ann@example.com", tmp_path / "out")
    assert told.rows == {"customer_landing": 1, "suspended": 1}
    [row] = json.loads((tmp_path / "out" / "tables" / "suspended.json").read_text())
    assert row["subject"] == "ann@example.com"
    assert row["why"]
    assert "whose consent does not count" in (tmp_path / "out" / "index.html").read_text()
    assert holding(tmp_path / "out", "ben@example.com") == []


def test_a_file_that_is_named_for_somebody_is_told_to_them(land: Land, tmp_path: Path) -> None:
    people = [small.customer(name, f"S{name}", 100, consent=100) for name in ("ann", "ben")]
    land("customer", people, name="for ann@example.com.json")
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.run()
    told = lakehouse.disclose("ann@example.com", tmp_path / "out")
    assert told.rows["loads"] == 1
    assert holding(tmp_path / "out", "ben@example.com") == []

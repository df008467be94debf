"""Joins that keep few rows are told, with what both sides look like and what would make them meet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, NotAnonymous
from stedi.cli.commands import app
from stedi.storage.unmatched import FEW_MATCHES
from tests.conftest import Land
from tests.support import small

PEOPLE, INSTANTS = 20, 10
BEGIN = 1_664_000_000_000
"""September 2022; people measure in turns, about once a minute."""

Record = dict[str, Any]
Change = Callable[[Record], Record]


def instants(person: int) -> list[int]:
    return [BEGIN + 61_007 * (person + PEOPLE * n) for n in range(INSTANTS)]


def serial(person: int) -> str:
    return f"00ab{person:02d}-cdef-{person * 7919 % 10_000:04d}"


def land_people(
    land: Land,
    *,
    customer: Change = dict,
    accelerometer: Change = dict,
    step: Change = dict,
) -> None:
    """Twenty people who consent, each with ten readings on either side, some of it changed."""
    people = range(PEOPLE)
    land("customer", [
        customer(small.customer(f"person{n:02d}", serial(n), 1_600_000_000_000, 1_600_000_000_000))
        for n in people
    ])  # fmt: skip
    land("accelerometer", [
        accelerometer(small.acceleration(f"person{n:02d}", time, 0.1)) for n in people for time in instants(n)
    ])  # fmt: skip
    land("step_trainer", [
        step(small.reading(serial(n), time, 210)) for n in people for time in instants(n)
    ])  # fmt: skip


def set_to(key: str, change: Callable[[Any], Any]) -> Change:
    return lambda record: {**record, key: change(record[key])}


SERIAL, TIME, USER = "serialNumber", "timestamp", "user"
STEP, PAIRS, ACCELEROMETER = (
    "step_trainer_trusted",
    "machine_learning_curated",
    "accelerometer_trusted",
)
NOBODY = "0 of 200 rows of"
CASES: dict[str, tuple[dict[str, Change], str, str, str]] = {
    "seconds": (
        {"accelerometer": set_to(TIME, lambda t: t // 1000)}, PAIRS,
        "times in milliseconds, from 2022-09 to 2022-09; accelerometer_trusted.timestamp has times "
        "in seconds, from 2022-09 to 2022-09",
        "100% would be equal with one side divided by 1,000",
    ),
    "an hour": (
        {"accelerometer": set_to(TIME, lambda t: t + 3_600_000)}, PAIRS,
        "0 matches of 200 and 200 rows",
        "100% would be equal with the times of the first side 1 hour later",
    ),
    "capitals": (
        {"step": set_to(SERIAL, str.upper)}, STEP,
        f"{NOBODY} step_trainer_landing have a serialnumber that customer_landing.serialnumber has",
        "100% would be equal in small letters",
    ),
    "swapped": (
        {"customer": lambda r: {**r, SERIAL: r["phone"], "phone": r[SERIAL]}}, STEP,
        "customer_landing.serialnumber has texts of 3 characters: digits",
        "100% would be equal if they were compared with customer_landing.phone",
    ),
    "full width": (
        {"accelerometer": set_to(USER, lambda u: u.replace("person", "\uff50erson"))}, ACCELEROMETER,
        f"{NOBODY} accelerometer_landing have a user",
        "100% would be equal in one spelling",
    ),
    "empty": (
        {"step": set_to(SERIAL, lambda _: "")}, STEP,
        "step_trainer_landing.serialnumber has texts of 0 characters;",
        "",
    ),
}  # fmt: skip


def told(lakehouse: Lakehouse) -> dict[str, str]:
    notes = [note for note in lakehouse.status().notes if note.code == FEW_MATCHES]
    return {note.text.partition(":")[0]: note.text for note in notes}


@pytest.mark.parametrize("case", CASES)
def test_a_join_that_finds_nothing_is_told_with_its_cause(
    lakehouse: Lakehouse, land: Land, case: str
) -> None:
    changes, table, looks, would = CASES[case]
    land_people(land, **changes)
    with pytest.raises(NotAnonymous) as caught:
        lakehouse.run()
    notes = told(lakehouse)
    assert [*notes] == [table]
    assert looks in notes[table]
    assert would in notes[table]
    assert notes[table] in str(caught.value)
    assert caught.value.report.unmatched == {PAIRS: f"nothing is published. {notes[table]}"}
    status = lakehouse.status()
    assert not status.ok
    assert status.problems == [f"table {PAIRS}: nothing is published. {notes[table]}"]
    for text in (str(caught.value), *notes.values(), *status.problems):
        for secret in ("person0", "example", "00ab", "00AB", "1664", "555"):
            assert secret not in text


def test_where_values_meet_nothing_is_told(lakehouse: Lakehouse, land: Land) -> None:
    land_people(land)
    lakehouse.run()
    assert told(lakehouse) == {}
    assert lakehouse.status().ok


def test_where_nobody_consents_no_join_is_blamed(lakehouse: Lakehouse, land: Land) -> None:
    land_people(land, customer=set_to("shareWithResearchAsOfDate", lambda _: 0))
    lakehouse.run()
    assert told(lakehouse) == {}
    assert lakehouse.status().ok


def test_where_those_who_measured_do_not_consent_no_join_is_blamed(
    lakehouse: Lakehouse, land: Land
) -> None:
    def only_the_first(record: Record) -> Record:
        return {**record, "shareWithResearchAsOfDate": int("person00" in record["email"])}

    land_people(
        land,
        customer=only_the_first,
        accelerometer=set_to(USER, lambda u: u.replace("person00", "person01")),
    )
    lakehouse.run()
    assert told(lakehouse) == {}
    assert lakehouse.status().ok


def test_few_partners_are_told_and_do_not_fail_what_is_published(
    lakehouse: Lakehouse, land: Land
) -> None:
    def most(record: Record) -> Record:
        is_right = record["user"].startswith("person00")
        return record if is_right else {**record, "user": record["user"].upper()}

    land_people(land, accelerometer=most)
    lakehouse.run()
    notes = told(lakehouse)
    assert "10 of 200 rows of accelerometer_landing have a user" in notes[ACCELEROMETER]
    assert "% would be equal in small letters" in notes[ACCELEROMETER]
    assert lakehouse.status().ok


def test_the_least_share_is_declared(
    lakehouse: Lakehouse, land: Land, folder: Path, tmp_path: Path
) -> None:
    contract = folder / "contracts" / "accelerometer_trusted.yaml"
    declared = "customProperties:\n      - property: leastMatched\n        value: 0.04\n"
    contract.write_text(contract.read_text().replace("customProperties:\n", declared, 1))

    def most(record: Record) -> Record:
        is_right = record["user"].startswith("person00")
        return record if is_right else {**record, "user": record["user"].upper()}

    land_people(land, accelerometer=most)
    other = Lakehouse(lakehouse.root, declarations=folder)
    other.run()
    assert ACCELEROMETER not in told(other)


def test_the_command_line_says_it_and_ends_with_1(
    lakehouse: Lakehouse, land: Land, not_anonymous: Path
) -> None:
    from typer.testing import CliRunner

    land_people(land, step=set_to(SERIAL, str.upper))
    shared = ["--root", str(lakehouse.root), "--declarations", str(not_anonymous)]
    with pytest.raises(NotAnonymous):
        CliRunner().invoke(app, [*shared, "run"], catch_exceptions=False)
    result = CliRunner().invoke(app, [*shared, "status"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "would be equal in small letters" in result.output
    assert "All record counts reconcile" not in result.output
    as_json = CliRunner().invoke(app, [*shared, "status", "--json"], catch_exceptions=False)
    assert json.loads(as_json.stdout)["ok"] is False

"""Deliveries that differ from their contract are understood, or refused with the reason."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from stedi import Lakehouse
from stedi.errors import LandingError
from stedi.landing.loads import read_loads
from tests.conftest import Land, already_run, rows
from tests.support import small

CUSTOMERS = 30


def people(**changes: Any) -> list[dict[str, Any]]:
    """Thirty customers, with some values in place of theirs; None takes a key away."""
    found = []
    for n in range(CUSTOMERS):
        record = small.customer(f"p{n}", f"S{n}", 100, consent=100) | changes
        found.append({key: value for key, value in record.items() if value is not ...})
    return found


def notes(lakehouse: Lakehouse) -> dict[str, list[tuple[int, str]]]:
    told: dict[str, list[tuple[int, str]]] = {}
    for note in lakehouse.status().notes:
        told.setdefault(note.code, []).append((note.count, note.text))
    return told


def verdicts(lakehouse: Lakehouse) -> dict[str, str]:
    """What is noted of each landing file that was read, by name."""
    version = lakehouse._warehouse().version("loads")
    assert version is not None
    loads = read_loads(lakehouse._warehouse().files, [file.path for file in version.files])
    return {load.file: load.verdict for load in loads}


def only_customers(lakehouse: Lakehouse) -> None:
    lakehouse.run(only=["customer_trusted"])


WRITTEN = {
    b"5550100": "5550100",
    b"0.50": "0.50",
    b"1e3": "1e3",
    b"-0": "-0",
    b"801555121212345678901234567890": "801555121212345678901234567890",
    b"true": "true",
    b'"801-555"': "801-555",
    b'""': "",
    b"null": None,
}


def test_a_phone_of_any_scalar_type_is_read_as_it_was_written(
    lakehouse: Lakehouse, land: Land
) -> None:
    lines = [json.dumps(small.customer(f"p{n}", "S", 100, consent=100)) for n in range(9)]
    written = [
        line.encode().replace(b'"555"', value) for line, value in zip(lines, WRITTEN, strict=True)
    ]
    land("customer", b"\n".join(written))
    only_customers(lakehouse)
    phones = [(phone,) for phone in WRITTEN.values()]
    assert rows(lakehouse, "SELECT phone FROM customer_landing ORDER BY email") == phones
    assert rows(lakehouse, "SELECT phone FROM customer_trusted ORDER BY email") == phones
    told = notes(lakehouse)
    assert [count for count, _ in told["read_as_text"]] == [6]
    assert [count for count, _ in told["without_value"]] == [1]


def test_what_no_rule_needs_may_be_absent_and_is_noted_by_column_and_count(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", people(phone=5550100, birthDay=..., customerName=None))
    only_customers(lakehouse)
    assert rows(
        lakehouse, "SELECT COUNT(*), COUNT(birthday), COUNT(phone) FROM customer_trusted"
    ) == [(CUSTOMERS, 0, CUSTOMERS)]
    told = notes(lakehouse)
    assert told["read_as_text"] == [
        (30, "phone has no text in 30 records of the source customer; read as it was written")
    ]
    assert told["without_value"] == [
        (30, "birthDay has no value in 30 records of the source customer"),
        (30, "customerName has no value in 30 records of the source customer"),
    ]
    assert "birth_year_out_of_range" not in told
    assert lakehouse.status().ok


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("email", 7, "number where text belongs"),
        ("serialNumber", ..., "key missing"),
        ("lastUpdateDate", "2023-09-01", "text where a number belongs"),
    ],
)
def test_what_a_rule_needs_must_be_there_or_the_run_fails_and_names_the_key_and_the_reason(
    lakehouse: Lakehouse, land: Land, key: str, value: object, reason: str
) -> None:
    land("customer", people(**{key: value}))
    with pytest.raises(LandingError) as failed:
        only_customers(lakehouse)
    message = str(failed.value)
    assert message.startswith(
        "source customer: 30 of 30 records were quarantined, and none is left: "
    )
    assert f"30 for the reason '{reason}" in message and f"at the key {key}" in message
    assert failed.value.report.built
    problems = lakehouse.status().problems
    assert len(problems) == 1 and message.startswith(problems[0])
    assert verdicts(lakehouse) == {"one.json": "bad"}


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        (lambda n: 1_700_000_000_000_000 + n, "microseconds"),
        (lambda n: 1_700_000_000_000_000_000 + n, "nanoseconds"),
        (lambda n: 1_700_000_000 + n + 0.25, "seconds"),
        (lambda n: f"2023-11-14T22:13:{n:02}Z", "ISO times"),
        (lambda n: -5 - n, None),
    ],
)
def test_times_in_another_unit_are_reported(
    lakehouse: Lakehouse, land: Land, times: Callable[[int], object], unit: str | None
) -> None:
    readings = [{**small.reading("S1", 1, 250), "sensorReadingTime": times(n)} for n in range(30)]
    land("step_trainer", readings)
    with pytest.raises(LandingError, match="at the key sensorReadingTime") as failed:
        lakehouse.run()
    told = f"at the key sensorReadingTime (given in {unit}, not in milliseconds)."
    assert (told in str(failed.value)) == (unit is not None)
    assert ("given in" in str(failed.value)) == (unit is not None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: {"serial_number": r.pop("serialNumber"), **r}, "perhaps the key serial_number"),
        (lambda r: {"payload": r}, "in an object under the key payload"),
        (lambda r: {"a": r["distanceFromObject"], "b": {"c": 1}}, "missing' at the key s"),
    ],
)
def test_the_key_that_may_be_meant_is_named(
    lakehouse: Lakehouse, land: Land, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    land("step_trainer", [change(small.reading("S1", n, 250)) for n in range(30)])
    with pytest.raises(LandingError) as failed:
        lakehouse.run()
    assert told in str(failed.value)
    assert ("perhaps" in str(failed.value)) == ("perhaps" in told)


def packed(*ways: str) -> bytes:
    """A record, packed again and again."""
    content = b'{"sensorReadingTime": 1}\n'
    for way in ways:
        content = gzip.compress(content, mtime=0) if way == "gzip" else zstandard.compress(content)
    return content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"sensorReadingTime,serialNumber,distanceFromObject\n1,S1,250\n", "CSV"),
        ('{"sensorReadingTime":1}\n'.encode("utf-16"), "UTF-16"),
        pytest.param(b"PK\x03\x04" + bytes(range(256)), "a zip archive", marks=pytest.mark.slow),
        (packed("gzip", "zstd", "gzip", "zstd"), None),
        (packed("gzip", "zstd", "gzip", "zstd", "gzip"), "gzip that was packed more than four"),
        pytest.param(
            packed("zstd", "gzip", "zstd", "gzip", "zstd"),
            "zstd that was packed more than four",
            marks=pytest.mark.slow,
        ),
        pytest.param(b"PAR1" + bytes(range(256)), "Parquet", marks=pytest.mark.slow),
        pytest.param(b"BZh91AY&SY" + bytes(range(256)), "bzip2", marks=pytest.mark.slow),
        pytest.param(
            b"<html><body>Access denied</body></html>", "XML or HTML", marks=pytest.mark.slow
        ),
        (b"{'sensorReadingTime': 1}\n", None),
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(
    lakehouse: Lakehouse, land: Land, content: bytes, told: str | None
) -> None:
    land("step_trainer", content)
    with pytest.raises(LandingError) as failed:
        lakehouse.run()
    assert (f"step_trainer/landing/one.json looks like {told}" in str(failed.value)) == bool(told)
    assert ("looks like" in str(failed.value)) == bool(told)


@pytest.mark.parametrize(("bad", "fails"), [(90, False), (91, True)])
def test_more_than_the_declared_share_quarantined_fails_the_run(
    lakehouse: Lakehouse, land: Land, bad: int, fails: bool
) -> None:
    good = people()
    land("customer", good, "good.json")
    for n in range(bad):  # each in a file of its own, so that none is mostly bad
        land("customer", [{**good[0], "email": n}], f"bad-{n:02}.json")
    if fails:
        with pytest.raises(LandingError, match=r"91 of 121 records .* 'number where text belongs'"):
            only_customers(lakehouse)
        with pytest.raises(LandingError, match="at the key email"):
            only_customers(lakehouse)  # as long as it is so
    else:
        only_customers(lakehouse)
        assert lakehouse.status().ok
    assert rows(lakehouse, "SELECT COUNT(*) FROM customer_trusted") == [(CUSTOMERS,)]


def test_the_share_is_the_contracts(lakehouse: Lakehouse, land: Land, folder: Path) -> None:
    contract = folder / "contracts" / "customer_landing.yaml"
    text = contract.read_text()
    contract.write_text(
        text.replace("maxAsideShare\n        value: 0.75", "maxAsideShare\n        value: 0.1")
    )
    land("customer", [*people(), *({"email": n} for n in range(4))])
    with pytest.raises(LandingError, match="4 of 34 records were quarantined: 4 for the reason"):
        Lakehouse(lakehouse.root, declarations=folder).run(only=["customer_trusted"])


@already_run
def test_a_file_of_which_nothing_was_loaded_is_never_good(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", b"\n \n", "blank.json")
    land("customer", b"oops\n", "oops.json")
    land("customer", small.CUSTOMERS, "again.json")
    small_lakehouse.run()
    told = verdicts(small_lakehouse)
    assert told["blank.json"] == "empty"
    assert told["oops.json"] == "bad"
    assert {told["again.json"], told["one.json"]} == {"copy", "good"}

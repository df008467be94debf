"""Records are read as they were written, from files of every form."""

from __future__ import annotations

import pytest

from stedi import Lakehouse
from tests import small
from tests.conftest import Land, rows
from tests.landing.parsing import parse

GOOD = b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":5}'
NOISE = b'{"sensorReadingTime":7,"serialNumber":"S-7","distanceFromObject":250}\n'


def test_values_are_never_altered(lakehouse: Lakehouse, land: Land) -> None:
    numbers = [
        "-0.0",
        "1e308",
        "5e-324",
        "0.1",
        "9007199254740993",
        "-0",
        "1E5",
        "123456789.123456789",
    ]
    lines = [
        f'{{"user":"u{n}@example.com","timestamp":{n},"x":{text},"y":0,"z":1.25}}\n'
        for n, text in enumerate(numbers)
    ]
    land("accelerometer", "".join(lines).encode())
    lakehouse.run()
    found = rows(lakehouse, 'SELECT x FROM accelerometer_landing ORDER BY "timestamp"')
    assert [repr(value) for (value,) in found] == [repr(float(text)) for text in numbers]


def test_an_empty_consent_is_none(lakehouse: Lakehouse, land: Land) -> None:
    records = [small.customer(name, f"S-{name}", 100) for name in ("ann", "ben", "cat")]
    records[0]["shareWithResearchAsOfDate"] = ""
    records[1]["shareWithResearchAsOfDate"] = None
    land("customer", records)
    lakehouse.run()
    found = rows(
        lakehouse, "SELECT COUNT(*), COUNT(sharewithresearchasofdate) FROM customer_landing"
    )
    assert found == [(3, 0)]
    assert lakehouse.status().sources["customer"].quarantined == {}


def test_a_byte_order_mark_is_read(lakehouse: Lakehouse, land: Land) -> None:
    land("step_trainer", b"\xef\xbb\xbf" + NOISE * 3)
    lakehouse.run()
    assert lakehouse.status().sources["step_trainer"].loaded == 3


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_archives_are_read_and_a_damaged_one_gives_its_good_records(
    lakehouse: Lakehouse, land: Land, compression: str
) -> None:
    import gzip
    import random

    import zstandard

    random.seed(1)
    lines = "".join(
        f'{{"sensorReadingTime":{n},"serialNumber":"{random.random()}","distanceFromObject":250}}\n'
        for n in range(20_000)
    ).encode()
    packed = gzip.compress(lines) if compression == "gz" else zstandard.compress(lines)
    land("step_trainer", packed, name=f"whole.json.{compression}")
    land("step_trainer", packed[: len(packed) // 2], name=f"cut.json.{compression}")
    lakehouse.run()
    source = lakehouse.status(verify=True).sources["step_trainer"]
    assert source.quarantined == {"archive damaged": 1}
    assert 20_000 < source.loaded < 40_000
    assert source.records == source.loaded + 1


def test_file_names_may_hold_anything(lakehouse: Lakehouse, land: Land) -> None:
    names = [
        "a b.json",
        "it's.json",
        '"q".json',
        "ü.json",
        "new\nline.json",
        "glob*[1]?.json",
        "$x.json",
    ]
    for n, name in enumerate(names):
        land("step_trainer", [small.reading("S", n, 250)], name=name)
    land("step_trainer", [small.reading("S", 99, 250)], name="sub folder/inner.json")
    lakehouse.run()
    assert lakehouse.status(verify=True).sources["step_trainer"].loaded == 8


def test_lines_that_only_open_take_time_in_proportion() -> None:
    parsed = parse("step_trainer", b'{"a":\n' * 20_000)
    assert not parsed.records
    assert len(parsed.pieces) == 20_000


def test_a_file_with_one_long_line_of_objects(lakehouse: Lakehouse, land: Land) -> None:
    land("step_trainer", GOOD * 50_000)
    lakehouse.run()
    assert lakehouse.status().sources["step_trainer"].loaded == 50_000

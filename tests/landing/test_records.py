"""Each kind of dirt, with its verdict decided by hand, at every place in a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from stedi import Lakehouse
from tests import small
from tests.conftest import Land, rows
from tests.landing.parsing import Row, parse

GOOD = b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":5}'
NOISE = b'{"sensorReadingTime":7,"serialNumber":"S-7","distanceFromObject":250}\n'

READ: list[tuple[str, bytes, list[Row]]] = [
    ("plain", GOOD, [(1, "S", 5)]),
    ("CRLF", GOOD + b"\r", [(1, "S", 5)]),
    ("blank", b"  \n\n\t ", []),
    ("comma after", GOOD + b",", [(1, "S", 5)]),
    ("two on a line", GOOD + GOOD, [(1, "S", 5), (1, "S", 5)]),
    ("two with a space", GOOD + b" " + GOOD, [(1, "S", 5), (1, "S", 5)]),
    ("array", b"[" + GOOD + b", " + GOOD + b"]", [(1, "S", 5), (1, "S", 5)]),
    ("array over lines", b"[\n" + GOOD + b",\n" + GOOD + b"\n]", [(1, "S", 5), (1, "S", 5)]),
    ("over lines", b'{\n  "sensorReadingTime": 1,\n  "serialNumber": "S",\n  "distanceFromObject": 5\n}', [(1, "S", 5)]),
    ("other case", b'{"sensorreadingtime":1,"SERIALNUMBER":"S","distancefromObject":5}', [(1, "S", 5)]),
    ("other order", b'{"distanceFromObject":5,"serialNumber":"S","sensorReadingTime":1}', [(1, "S", 5)]),
    ("spaces", b' { "sensorReadingTime" : 1 , "serialNumber" : "S" , "distanceFromObject" : 5 } ', [(1, "S", 5)]),
    ("12.0", b'{"sensorReadingTime":12.0,"serialNumber":"S","distanceFromObject":5}', [(12, "S", 5)]),
    ("1e3", b'{"sensorReadingTime":1e3,"serialNumber":"S","distanceFromObject":5}', [(1000, "S", 5)]),
    ("1.5e1", b'{"sensorReadingTime":1.5e1,"serialNumber":"S","distanceFromObject":5}', [(15, "S", 5)]),
    ("2^53+1", b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":9007199254740993}', [(1, "S", 2**53 + 1)]),
    ("2^63-1", b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":9223372036854775807}', [(1, "S", 2**63 - 1)]),
    ("escapes", rb'{"sensorReadingTime":1,"serialNumber":"\u00e9\n\"","distanceFromObject":5}', [(1, 'é\n"', 5)]),
    ("emoji", '{"sensorReadingTime":1,"serialNumber":"🦶","distanceFromObject":5}'.encode(), [(1, "🦶", 5)]),
    ("surrogate pair", rb'{"sensorReadingTime":1,"serialNumber":"\ud83e\uddb6","distanceFromObject":5}', [(1, "🦶", 5)]),
    ("unknown key", b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":5,"more":{"a":[1]}}', [(1, "S", 5)]),
    ("braces in text", b'{"sensorReadingTime":1,"serialNumber":"}{","distanceFromObject":5}', [(1, "}{", 5)]),
    ("number-like text", b'{"sensorReadingTime":1,"serialNumber":"12","distanceFromObject":5}', [(1, "12", 5)]),
    ("unknown object over lines", b'{"sensorReadingTime":1,"serialNumber":"S","more":[\n{"a":1},\n{"b":2}\n],\n"distanceFromObject":5}', [(1, "S", 5)]),
    ("empty text", b'{"sensorReadingTime":1,"serialNumber":"","distanceFromObject":5}', [(1, "", 5)]),
]  # fmt: skip

SET_ASIDE: list[tuple[str, bytes, list[str], int]] = [
    ("garbage", b"nonsense", ["not JSON"], 0),
    ("cut off", b'{"sensorReadingTime":1,"serialNum', ["cut off"], 0),
    ("cut off after a comma", b'{"sensorReadingTime":1,', ["cut off"], 0),
    ("cut off, then a good one", b'{"sensorReadingTime":1,"serial' + GOOD, ["cut off"], 1),
    ("cut off after a key, then an array", b'{"sensorReadingTime"\n[' + GOOD + b"]", ["cut off"], 1),
    ("cut off after a colon", b'{"sensorReadingTime":\n' + GOOD + b"\n" + GOOD, ["cut off"], 2),
    ("two cut off", b'{"sensorReadingTime":1,\n{"sensorReadingTime":2,', ["cut off", "cut off"], 0),
    ("bare number", b"5", ["not an object"], 0),
    ("bare null", b"null", ["not an object"], 0),
    ("bare text", b'"text"', ["not an object"], 0),
    ("empty object", b"{}", ["key missing"], 0),
    ("key missing", b'{"sensorReadingTime":1,"serialNumber":"S"}', ["key missing"], 0),
    ("null", b'{"sensorReadingTime":1,"serialNumber":null,"distanceFromObject":5}', ["key missing"], 0),
    ("key twice", b'{"sensorReadingTime":1,"serialNumber":"S","serialNumber":"T","distanceFromObject":5}', ["key twice"], 0),
    ("key twice by case", b'{"sensorReadingTime":1,"serialNumber":"S","SerialNumber":"S","distanceFromObject":5}', ["key twice"], 0),
    ("number in quotes", b'{"sensorReadingTime":"1","serialNumber":"S","distanceFromObject":5}', ["number in quotes"], 0),
    ("text for number", b'{"sensorReadingTime":"one","serialNumber":"S","distanceFromObject":5}', ["text where a number belongs"], 0),
    ("number for text", b'{"sensorReadingTime":1,"serialNumber":7,"distanceFromObject":5}', ["number where text belongs"], 0),
    ("swapped quotes", b'{"sensorReadingTime":"1","serialNumber":7,"distanceFromObject":5}', ["number in quotes"], 0),
    ("fraction", b'{"sensorReadingTime":1.5,"serialNumber":"S","distanceFromObject":5}', ["fraction where a whole number belongs"], 0),
    ("tiny fraction", b'{"sensorReadingTime":1655564464730.0000001,"serialNumber":"S","distanceFromObject":5}', ["fraction where a whole number belongs"], 0),
    ("true", b'{"sensorReadingTime":true,"serialNumber":"S","distanceFromObject":5}', ["true or false where a value belongs"], 0),
    ("object", b'{"sensorReadingTime":{"a":1},"serialNumber":"S","distanceFromObject":5}', ["object or list where a value belongs"], 0),
    ("list", b'{"sensorReadingTime":[1],"serialNumber":"S","distanceFromObject":5}', ["object or list where a value belongs"], 0),
    ("deep", b'{"sensorReadingTime":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ["object or list where a value belongs"], 0),
    ("below range", b'{"sensorReadingTime":-1,"serialNumber":"S","distanceFromObject":5}', ["value out of range"], 0),
    ("above range", b'{"sensorReadingTime":999999999999999,"serialNumber":"S","distanceFromObject":5}', ["value out of range"], 0),
    ("2^63", b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":9223372036854775808}', ["value out of range"], 0),
    ("1e400", b'{"sensorReadingTime":1e400,"serialNumber":"S","distanceFromObject":5}', ["value out of range"], 0),
    ("1e99999999999", b'{"sensorReadingTime":1e99999999999999999999,"serialNumber":"S","distanceFromObject":5}', ["value out of range"], 0),
    ("NaN", b'{"sensorReadingTime":NaN,"serialNumber":"S","distanceFromObject":5}', ["not JSON"], 0),
    ("trailing comma", b'{"sensorReadingTime":1,"serialNumber":"S","distanceFromObject":5,}', ["not JSON"], 0),
    ("single quotes", b"{'sensorReadingTime':1,'serialNumber':'S','distanceFromObject':5}", ["not JSON"], 0),
    ("leading zero", b'{"sensorReadingTime":01,"serialNumber":"S","distanceFromObject":5}', ["not JSON"], 0),
    ("NUL", b'{"sensorReadingTime":1,"serialNumber":"\x00","distanceFromObject":5}', ["not JSON"], 0),
    ("not UTF-8", b'{"sensorReadingTime":1,"serialNumber":"\xff","distanceFromObject":5}', ["not UTF-8"], 0),
    ("lone surrogate", rb'{"sensorReadingTime":1,"serialNumber":"\ud800","distanceFromObject":5}', ["not UTF-8"], 0),
    ("encoded surrogate", b'{"sensorReadingTime":1,"serialNumber":"\xed\xa0\x80","distanceFromObject":5}', ["not UTF-8"], 0),
    ("text after", GOOD + b"x", ["not JSON"], 1),
    ("text before", b"x" + GOOD, ["not JSON"], 1),
    ("brace after", GOOD + b"}", ["not JSON"], 1),
]  # fmt: skip


def place(piece: bytes, where: str) -> tuple[bytes, int]:
    """A file with the piece somewhere among three good records; and how many those are."""
    return {
        "alone": (piece, 0),
        "first": (piece + b"\n" + NOISE * 3, 3),
        "middle": (NOISE + piece + b"\n" + NOISE * 2, 3),
        "last": (NOISE * 3 + piece, 3),
        "thousandfold": ((piece + b"\n" + NOISE) * 1000, 1000),
    }[where]


WHERE = ["alone", "first", "middle", "last", "thousandfold"]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(("piece", "expected"), [c[1:] for c in READ], ids=[c[0] for c in READ])
def test_harmless_spellings_are_read(
    tmp_path: Path, piece: bytes, expected: list[Row], where: str
) -> None:
    content, noise = place(piece, where)
    loaded, aside = parse(tmp_path, content)
    times = 1000 if where == "thousandfold" else 1
    assert loaded == Counter(expected * times + [(7, "S-7", 250)] * noise)
    assert aside == []


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    ("piece", "reasons", "good"), [c[1:] for c in SET_ASIDE], ids=[c[0] for c in SET_ASIDE]
)
def test_what_does_not_fit_is_set_aside_and_costs_no_other(
    tmp_path: Path, piece: bytes, reasons: list[str], good: int, where: str
) -> None:
    if where == "thousandfold" and len(piece) > 100_000:
        where = "middle"
    content, noise = place(piece, where)
    loaded, aside = parse(tmp_path, content)
    times = 1000 if where == "thousandfold" else 1
    assert loaded == Counter([(1, "S", 5)] * good * times + [(7, "S-7", 250)] * noise)
    assert [reason for reason, *_ in aside] == reasons * times
    for _, offset, raw, line in aside:
        assert content[offset : offset + len(raw)] == raw
        assert content[:offset].count(b"\n") + 1 == line


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


def test_lines_that_only_open_take_time_in_proportion(tmp_path: Path) -> None:
    loaded, aside = parse(tmp_path, b'{"a":\n' * 20_000)
    assert not loaded
    assert len(aside) == 20_000


def test_a_file_with_one_long_line_of_objects(lakehouse: Lakehouse, land: Land) -> None:
    land("step_trainer", GOOD * 50_000)
    lakehouse.run()
    assert lakehouse.status().sources["step_trainer"].loaded == 50_000

"""Records are read as they were written, from files of every form."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from stedi import Lakehouse, LandingError
from stedi.landing.records import RecordReader
from tests.conftest import Land, rows
from tests.support import small
from tests.support.parsing import CONTRACTS, VIEWS, View, misplaced, parse

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


def test_it_is_noted_where_a_withdrawal_may_have_no_effect(
    lakehouse: Lakehouse, land: Land
) -> None:
    now = 1_700_000_000_000
    cat, dan = small.customer("cat", "S3", now, now), small.customer("dan", "S4", now, now)
    land(
        "customer",
        [
            small.customer("ann", "S1", now, now),
            small.customer("ann", "S1", now // 1000 + 1),
            small.customer("bob", "S2", now, now // 1000),
            *(cat, cat | {"email": "Cat@example.com"}, cat | {"email": " cat@example.com"}),
            *(dan, dan | {"lastUpdateDate": 5_000_000_000_000}),
        ],
    )
    lakehouse.run()
    noted = {note.code: note.count for note in lakehouse.status().notes}
    assert noted["instant_out_of_range"] == 3
    assert noted["email_spelled_otherwise"] == 1


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
    again = source.dropped.pop("re-delivered")  # what half of it had
    assert source.loaded == 20_000
    assert 0 < again < 20_000
    assert source.dropped == {}
    assert source.records == source.loaded + again + 1


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


@pytest.mark.parametrize("between", [b"", b",", b" ", b"\r", b", ", b"\n"])
@pytest.mark.parametrize("second", [b'u\\"x', b"u}x", b"u{x", b'u"x'])
def test_a_lost_quote_costs_one_record_wherever_records_are(between: bytes, second: bytes) -> None:
    text = b'{"user":"u@x","timestamp":%d,"x":1,"y":2,"z":3}'
    records = [text % time for time in range(5_000)]
    records[10] = records[10].replace(b'"u@x"', b'u@x"')
    records[4_000] = records[4_000].replace(b"u@x", second)
    found = parse("accelerometer", between.join(records))
    spoilt = {10, 4_000} if second == b'u"x' else {10}
    assert {record[1] for record in found.records} == set(range(5_000)) - spoilt
    assert len(found.pieces) == len(spoilt)


def test_a_record_inside_another_is_not_invented() -> None:
    inner = b'{"user":"inner","timestamp":9,"x":1,"y":2,"z":3}'
    outer = b'{"user":"u","timestamp":1,"x":1,"y":1,"z":1,"prev":%s,"note":"a"b"}' % inner
    found = parse("accelerometer", outer + b"\n" + inner)
    assert [record[0] for record in found.records] == ["inner"]
    assert [reason for reason, *_ in found.pieces] == ["not JSON"]


@pytest.mark.parametrize("compression", ["gz", "zst"])
@pytest.mark.parametrize("place", [-6, -1])
def test_a_damaged_end_of_an_archive_costs_no_record_before_it(
    compression: str, place: int
) -> None:
    content = b"".join(
        b'{"sensorReadingTime":%d,"serialNumber":"S","distanceFromObject":5}\n' % n
        for n in range(50)
    )
    if compression == "gz":
        packed = bytearray(gzip.compress(content))
    else:
        packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(content))
        place = max(place, -4)
    packed[place] ^= 1
    found = parse("step_trainer", bytes(packed), f"one.json.{compression}")
    assert [record[0] for record in found.records] == list(range(50))
    assert [reason for reason, *_ in found.pieces] == ["archive damaged"]


def test_a_broken_record_at_the_damaged_end_of_an_archive_is_one_quarantined_record() -> None:
    broken = GOOD.replace(b"5", b"true")
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(GOOD + b"\n" + broken) + packer.flush(zlib.Z_SYNC_FLUSH)
    found = parse("step_trainer", packed, "one.json.gz")
    assert len(found.records) == 1
    assert found.pieces == [("archive damaged", len(GOOD) + 1, broken, 2)]


def test_more_broken_records_than_a_scan_passes_over_keep_their_places() -> None:
    lines = [GOOD.replace(b"1", b"%d" % n) for n in range(2_000)]
    broken = dict.fromkeys(range(5, 2_000, 7), b"true") | dict.fromkeys(range(900, 1_200), b'"5"')
    for n, value in broken.items():
        lines[n] = lines[n].replace(b'Object":5', b'Object":' + value)
    content = b"\n".join(lines)
    found = parse("step_trainer", content)
    assert {record[0] for record in found.records} == {*range(2_000)} - {*broken}
    assert len(found.records) == 2_000 - len(broken)
    reasons = {b"true": "true or false where a value belongs", b'"5"': "number in quotes"}
    assert [(reason, raw, line) for reason, _, raw, line in found.pieces] == [
        (reasons[value], lines[n], n + 1) for n, value in sorted(broken.items())
    ]
    assert not misplaced(content, found.pieces)


def test_padding_behind_an_archive_is_no_damage() -> None:
    found = parse("step_trainer", gzip.compress(GOOD) + bytes(5_000), "one.json.gz")
    assert (len(found.records), found.pieces) == (1, [])


def test_a_name_that_is_not_utf8_and_a_link_to_itself_are_refused_plainly(
    lakehouse: Lakehouse, land: Land
) -> None:
    path = land("step_trainer", GOOD)
    odd = path.with_name(os.fsdecode(b"a\xff.json"))
    odd.write_bytes(GOOD)
    with pytest.raises(LandingError, match="not UTF-8"):
        lakehouse.run()
    odd.unlink()
    (path.parent / "loop.json").symlink_to(path.parent / "loop.json")
    with pytest.raises(LandingError, match="symbolic link"):
        lakehouse.run()


def test_a_landing_folder_outside_of_the_lakehouse_is_refused(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "one.json").write_bytes(GOOD)
    (lakehouse.root / "step_trainer").mkdir()
    (lakehouse.root / "step_trainer" / "landing").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LandingError, match=r"leads out of .* stedi ingest"):
        lakehouse.run()


@pytest.mark.parametrize("name", ["one.JSON.GZ", "one.Zst"])
def test_an_archive_is_known_by_its_name_in_any_case(name: str) -> None:
    pack = gzip.compress if name.endswith("GZ") else zstandard.ZstdCompressor().compress
    found = parse("step_trainer", pack(GOOD), name)
    assert (len(found.records), found.pieces) == (1, [])


def test_an_archive_that_looks_back_far_is_read() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(GOOD)
    found = parse("step_trainer", packed, "one.json.zst")
    assert (len(found.records), found.pieces) == (1, [])


GOOD_LINE = b'{"user":"a","timestamp":1,"x":1,"y":2,"z":3},\n'


def test_a_record_cut_off_in_a_list_costs_no_other() -> None:
    lines = 100_000
    content = b'{"x":[\n' + GOOD_LINE * lines
    found = parse("accelerometer", content)
    assert len(found.records) == lines
    assert [reason for reason, *_ in found.pieces] == ["records in a wrapper"]
    many = parse("accelerometer", (b'{"x":[\n' + GOOD_LINE * 1_000) * 30)
    assert len(many.records) == 30_000
    assert len(many.pieces) == 30


@pytest.mark.parametrize(
    ("email", "suspended"),
    [
        (b'"ann@x.com"', "ann@x.com"),
        (b'"ann@x.com', None),  # where it ends nobody can say: noted as unreadable
        (b'"ann@x.com" ', "ann@x.com"),
        (b'"ann\\u0040x.com"', "ann@x.com"),
        (b'"ann\\n@x.com"', "ann@x.com"),  # as it is folded: it takes more than a line else
        (b'"Ann@X.com "', "Ann@X.com \nann@x.com"),
    ],
)
def test_whom_a_broken_record_is_about_is_read_only_where_its_text_is_whole(
    email: bytes, suspended: str | None
) -> None:
    broken = b'{"customerName":"Ann","email":%s,"phone":"1","birthDay":oops}' % email
    assert RecordReader(CONTRACTS["customer"]).piece("not JSON", broken).subject == suspended


ANN = b'{"email":"ann@x.com"}'


@pytest.mark.parametrize(
    ("record", "subjects"),
    [
        (b'{"email":"me@x.com","Records":[%s]}' % ANN, ["me@x.com", "ann@x.com"]),
        (b'{"email":"me@x.com","data":{"Email":"ann@x.com"}}', ["me@x.com", "ann@x.com"]),
        (b'{"a":[[{"b":[%s,{"EMAIL":"ben@x.com"}]}]]}' % ANN, ["ann@x.com", "ben@x.com"]),
        (b'{"email":["ann@x.com","ben@x.com"]}', ["ann@x.com", "ben@x.com"]),
        (b'{"email":{"value":"ann@x.com","at":1}}', ["ann@x.com"]),
        (b'{"email":{"values":[{"value":"ann@x.com"}]}}', ["ann@x.com"]),
        (b'{"payload":"{\\"email\\":\\"ann@x.com\\"}"}', ["ann@x.com"]),
        (b'{"email":"me@x.com","payload":" [{\\"email\\":\\"ann@x.com\\"}]"}',
         ["me@x.com", "ann@x.com"]),
        (b'{"email":["ann@x.com"],"birthDay":oops}', ["ann@x.com"]),
        (b'{"email":{"value":"ann@x.com"},"birthDay":oops}', ["value", "ann@x.com"]),
        (b'{"payload":"{\\"email\\":\\"ann@x.com\\"}","birthDay":oops}', ["ann@x.com"]),
        (b'{"email":"me@x.com","Records":[%s' % ANN, ["me@x.com", "ann@x.com"]),
        (json.dumps({"body": json.dumps({"Message": ANN.decode()})}).encode(), ["ann@x.com"]),
        (json.dumps({"a": [{"body": '{"email":"ben@x.com"}'},
                           {"body": json.dumps({"Message": ANN.decode()})}]}).encode(),
         ["ben@x.com", "ann@x.com"]),
        (json.dumps({"a": ['{"email":"ben@x.com"}', ANN.decode() + "\n" + '{"email":"me@x.com"}']})
         .encode(), ["ben@x.com", "ann@x.com", "me@x.com"]),
        # beside another, whom a text names that may not end there
        (b'{"email":"ben@x.com","b":oops} {"email":"ann@x.com" "x":1}', ["ben@x.com", "ann@x.com"]),
        (b'{"email":"ann@x.com" "x":1},{"email":"ben@x.com","b":oops}', ["ben@x.com", "ann@x.com"]),
        (b'{"email":"ben@x.com","b":oops} {"email":"ann@x.com,"phone":"1"}',
         ["ben@x.com", "ann@x.com,", "ann@x.com"]),
        (b'{"email":"ann@x.com" "x":1}', []),
        (b"{'email': 'ann@x.com'}", ["ann@x.com"]),
        (ANN.decode().encode("utf-16"), ["ann@x.com"]),
        (ANN.decode().encode("utf-16-be"), ["ann@x.com"]),
        (ANN.decode().encode("utf-32"), ["ann@x.com"]),
        ('{"email":"josé@x.com"}'.encode("latin-1"), ["josé@x.com"]),
        (b'{"phone":"1"}', []),
        (b'{"email":7}', []),
        (b"{email: ann@x.com}", []),
    ],
)  # fmt: skip
def test_a_quarantined_record_names_every_subject_at_any_depth(
    record: bytes, subjects: list[str]
) -> None:
    read = RecordReader(CONTRACTS["customer"]).piece("not JSON", record).subject
    assert (read or "").split("\n") == (subjects or [""])


@pytest.mark.parametrize("view", VIEWS)
def test_unknown_keys_are_counted_of_records_that_are_loaded(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = CONTRACTS["accelerometer"]
    columns = tuple(
        replace(column, pattern="@") if column.name == "user" else column
        for column in contract.columns
    )
    monkeypatch.setitem(CONTRACTS, "accelerometer", replace(contract, columns=columns))
    line = b'{"user": "%s", "timestamp": 1, "x": 1, "y": 1, "z": 1, "more": 1}\n'
    read = parse("accelerometer", 20 * (line % b"a@b.c") + 5 * (line % b"nobody"), view=view)
    assert (len(read.records), len(read.pieces), read.with_unknown_keys) == (20, 5, 20)

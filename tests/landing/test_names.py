"""Files whose names say other than what they are, and files that are not ready."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from stedi import Lakehouse, UsageError
from stedi.landing.cut import cut
from stedi.landing.files import list_files
from stedi.landing.window import packing_of
from tests.conftest import Land, already_run
from tests.support import small
from tests.support.parsing import VIEWS, View, parse, same

LINE = b'{"user":"ann@example.com","timestamp":7,"x":0.5,"y":-1.25,"z":3}\n'
CONTENT = LINE * 300 + b'{"user":1}\n' + LINE
PLAIN = parse("accelerometer", CONTENT)


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstandarded(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
"""A frame of zstandard's that has none of the content."""
CALLED_OTHERWISE = {
    "one.json": gzipped(CONTENT),
    "two.json": zstandarded(CONTENT),
    "three": gzipped(CONTENT),
    "four.json.gz": zstandarded(CONTENT),
    "five.json.zst": gzipped(CONTENT),
    "six.json.gz": CONTENT,
    "seven.json.zst": CONTENT,
    "eight.JSON.GZ": b"\xef\xbb\xbf \n" + CONTENT,
    "nine.gz": b"[" + CONTENT + b"]",
    "ten.json": SKIPPABLE + zstandarded(CONTENT),
    "eleven.jsonl": gzipped(CONTENT[:9000]) + gzipped(CONTENT[9000:]),
}


@pytest.mark.parametrize("view", [VIEWS[0], View(64), View(64, few=1 << 30)])
@pytest.mark.parametrize("name", CALLED_OTHERWISE)
def test_archives_are_known_by_their_first_bytes_whatever_their_names(
    name: str, view: View
) -> None:
    parsed = parse("accelerometer", CALLED_OTHERWISE[name], name, view)
    assert parsed.records == PLAIN.records
    assert [(reason, raw) for reason, _, raw, _ in parsed.pieces] == [
        ("number where text belongs", b'{"user":1}')
    ]


def test_an_archive_without_its_ending_that_is_cut_off_is_damaged() -> None:
    parsed = parse("accelerometer", gzipped(CONTENT)[:-20], "one.json")
    assert [reason for reason, *_ in parsed.pieces][-1] == "archive damaged"


def test_what_begins_like_nothing_is_what_its_name_says() -> None:
    assert [r for r, *_ in parse("accelerometer", b"oops", "a.json.gz").pieces] == [
        "archive damaged"
    ]
    assert [r for r, *_ in parse("accelerometer", b"oops", "a.json").pieces] == ["not JSON"]
    assert same(parse("accelerometer", b"", "a.json.gz"), parse("accelerometer", b"", "a.json"))


def test_a_large_archive_without_its_ending_is_read_as_a_whole() -> None:
    packed = gzipped(b"".join(LINE.replace(b"7", b"%d" % n) for n in range(2000)))
    assert len(packed) > 1400
    assert len(parse("accelerometer", packed, "one.json", View(range=700)).records) == 2000


@pytest.mark.parametrize("name", ["one.json", "six.json.gz", "four.json.gz"])
def test_a_file_that_records_are_cut_out_of_stays_packed_as_it_was(
    name: str, tmp_path: Path
) -> None:
    path, target = tmp_path / name, tmp_path / "target" / name
    target.parent.mkdir()
    path.write_bytes(CALLED_OTHERWISE[name])
    assert cut(path, [(len(LINE), 2 * len(LINE))], target)
    assert packing_of(target) == packing_of(path)
    rest = parse("accelerometer", target.read_bytes(), name)
    assert len(rest.records) == len(PLAIN.records) - 1


@pytest.mark.parametrize(
    "name", ["b.json.tmp", "b.part", "b.json.crdownload", "b.json~", "b.swp", "B.JSON.TMP"]
)
def test_files_in_the_making_are_passed_over_with_a_word(
    lakehouse: Lakehouse, land: Land, name: str, tmp_path: Path
) -> None:
    path = land("customer", small.CUSTOMERS, name)
    files = lakehouse._warehouse().files
    assert list_files(files, "customer") == []
    assert files.remarks == [
        "passed over 1 landing file of the source customer: a name that ends with .tmp, .part, "
        f".crdownload, .swp or ~ says that it isn't ready ({name})"
    ]
    elsewhere = tmp_path / name
    elsewhere.write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="rename it once it is whole"):
        lakehouse.ingest(elsewhere, source="customer")


HIDDEN = ("_late/x.json", "_withdrawals.txt", ".withdrawals", ".late/deep/x", "_SUCCESS")
UNFINISHED = ("x.tmp/part-0", "y~")


@already_run
def test_json_under_a_name_that_is_passed_over_is_named_by_each_run(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    names = (*HIDDEN, *UNFINISHED)
    for number, name in enumerate(names):
        land("customer", b" \n" * number + b'{"email": "ann@example.com"}', name=name)
    for name in ("_SUCCESS.crc", "_empty", ".DS_Store", "_notes"):
        land("customer", b"" if name == "_empty" else b"no JSON", name=name)
    for _ in range(2):  # also where nothing else is new
        told = "\n".join(small_lakehouse.run().remarks)
        assert f"passed over {len(HIDDEN)} landing files of the source customer" in told
        assert f"passed over {len(UNFINISHED)} landing files of the source customer" in told
        assert all(name in told for name in names)
        assert "_SUCCESS.crc" not in told and "_notes" not in told

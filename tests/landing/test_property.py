"""Random records, randomly spelled and damaged, are read as by a parser that is slow and plain.

In `make test-all` more than a hundred thousand records are compared. How a file is read doesn't
depend on how much of it is seen at once, nor on whether it is read in ranges.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from stedi.landing import records, scan
from stedi.landing.marks import Patterns
from stedi.landing.marks_compiled import CompiledMarks
from stedi.landing.records import RecordReader
from stedi.landing.window import PADDING
from tests.support import reference
from tests.support.damage import file_of
from tests.support.dirt import SOURCES
from tests.support.parsing import CONTRACTS, VIEWS, View, misplaced, parse, same
from tests.support.reference import COLUMNS, Parsed

RECORDS = 40
COMPILED = CompiledMarks()

sources = st.sampled_from(sorted(COLUMNS))
views = st.sampled_from(VIEWS)
seeds = st.integers(0, 2**64 - 1)


@settings(max_examples=settings().max_examples // 10)
@given(sources, seeds)
def test_damaged_files_are_read_as_by_the_reference(source: str, seed: int) -> None:
    content = file_of(Random(seed), COLUMNS[source], RECORDS)
    for view in VIEWS:
        compare(source, content, view)


SCRAPS = [
    *["{", "}", "[", "]", ":", ",", '"', "\\", "\n", "\r", " ", "\ufeff", "0", "1", "-", ".", "e", "\0", "é", "\v", "\f"],
    *['"a"', '"a":', '"a":1', ',"a":', "null", "true", "{}", '{"a":1}', '{"a":', '":"', '":{', r"\ud83e", r"\uddb6"],
]  # fmt: skip
scraps = st.sampled_from([scrap.encode() for scrap in SCRAPS]) | st.binary(max_size=3)


@st.composite
def scrapped(draw: st.DrawFn) -> tuple[str, bytes]:
    """A source, and scraps of JSON, good records of it among them."""
    source = SOURCES[draw(sources)]
    own = [
        source.of(),
        source.noise.encode() + b"\n",
        source.cut(","),
        f'"{source.key("whole")}":'.encode(),
    ]
    return source.name, b"".join(
        draw(st.lists(scraps | st.sampled_from(own), min_size=20, max_size=100))
    )


@example(
    made=("step_trainer", b'{"":\n"":{}"":}'), view=VIEWS[0]
)  # a line ends, but not behind the colon
@given(scrapped(), views)
def test_scraps_of_json_are_read_as_by_the_reference(made: tuple[str, bytes], view: View) -> None:
    compare(*made, view)


PIECES = 500
BEGINNINGS = [b"{", b"{", b'{"user":"a@b",', b'{"email":"a@b"', b"x", b"1", b'"']
ENDS = [b"\n{", b"\n{", b"\r\n {", b"}\n{", b"\n\n", b""]


@given(sources, seeds)
def test_what_a_scan_passes_over_is_what_reading_it_finds(source: str, seed: int) -> None:
    random, reader = Random(seed), RecordReader(CONTRACTS[source])
    passed = 0
    for _ in range(PIECES):
        within, behind = (random.choices(SCRAPS, k=random.randint(0, most)) for most in (10, 6))
        content = random.choice(BEGINNINGS) + "".join(within).encode()
        content += random.choice(ENDS) + "".join(behind).encode()
        data = bytearray(content + bytes(PADDING))
        end, kind = scan.piece(np.frombuffer(data, np.uint8), 0)
        if end >= 0:
            passed += 1
            found = reader.read(data, 0, len(content), is_last=True)
            assert found == (0, end, reader.passed(content[:end], kind)), content
    assert passed


@given(st.lists(scraps, min_size=1, max_size=60), st.lists(scraps, max_size=20), seeds)
def test_compiled_code_finds_the_marks_that_patterns_find(
    units: list[bytes], behind: list[bytes], seed: int
) -> None:
    random, content = Random(seed), b"".join(units)
    assume(content)
    data, end = bytearray(content + b"".join(behind) + bytes(PADDING)), len(content)
    for at in range(end):
        for one in ("flat", "between", "text"):
            if one not in ("flat", "text") or data[at] == b'{"'[one == "text"]:
                found = getattr(COMPILED, one)(data, at, end)
                assert found == getattr(Patterns(), one)(data, at, end), (one, at, content)
        found = COMPILED.line_or_object(data, at, end, at)
        assert found == Patterns().line_or_object(data, at, end, at), (at, content)
    readers = [RecordReader(CONTRACTS["accelerometer"]) for _ in range(2)]
    readers[1].marks = COMPILED
    for is_last in (True, False):
        at = random.randrange(end)
        with patch.object(records, "_FEW_BRACKETS", 0):
            plain, compiled = (reader.read(data, at, end, is_last) for reader in readers)
        assert plain == compiled, content[at:]


@given(sources, st.binary(max_size=1000), views)
def test_any_bytes_at_all_are_accounted_for(source: str, content: bytes, view: View) -> None:
    assume(not content.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")))  # archives, by that
    compare(source, content, view)


@given(sources, seeds)
def test_damaged_archives_are_accounted_for(source: str, seed: int) -> None:
    import gzip

    random = Random(seed)
    packed = bytearray(gzip.compress(file_of(random, COLUMNS[source], RECORDS)))
    packed[random.randrange(len(packed))] ^= 1 << random.randrange(8)
    parsed = parse(source, bytes(packed[: random.randrange(len(packed) + 1)]), "one.json.gz")
    places = [(offset, offset + len(raw)) for _, offset, raw, _ in parsed.pieces]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(places))


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(COLUMNS))
def test_a_million_damaged_records_in_files_are_read_as_by_the_reference(
    source: str, tmp_path: Path
) -> None:
    content = file_of(Random(source), COLUMNS[source], 333_334)
    (tmp_path / "damaged.json").write_bytes(content)
    parsed = parse(source, content)
    assert not misplaced(content, parsed.pieces)
    assert same(parsed, reference.parse(content, COLUMNS[source]))


@pytest.mark.parametrize(
    "of_list", [b"[],", b"[1],\n", b'["]",{}],\n', b'[{"a":1}],\n', b'[{"a":x}],\n', b'"[",']
)
def test_long_lists_end_where_patterns_end_them(of_list: bytes) -> None:
    rest = b'{"a":x}\n' * 3
    data = bytearray(b'{"user":[' + of_list * (1_200_000 // len(of_list)) + rest)
    readers = [RecordReader(CONTRACTS["accelerometer"]) for _ in range(2)]
    readers[1].marks = COMPILED
    plain, compiled = (reader.read(data, 0, len(data), True) for reader in readers)
    assert plain == compiled
    assert plain and plain.content
    assert plain.end == len(data) or data[plain.end : plain.end + 1] in b"{[\n"


REPEATED = [
    b'{"\\"', b'{""[\\"', b'{"\\"{}', b'{""[\\"\n',
    b'{"a":\n', b'{"a":', b'{"a"[', b'{"a"\n', b'{"a\r', b'{"a\r{}', b"{", b"}", b"{}", b"[", b"]", b'"', b"\\", b'{"', b'{\n"', b'{"a',
    b'{"a" "b" ,', b'{"a"x:{},', b"x", b":", b'{"a":[', b'{"a":{"b":\n', b'{"email":"', b'{"email":\n', b"\xef\xbb\xbf", b"\xef\xbb",
    b"\xff", b'{"a":1,', b'{"a":1,\n\n', b'{"x":"{}",', b'"{"', b'{""\n]', b'{"x":{"y":1},', SOURCES["step_trainer"].of()[:-1],
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("repeated", REPEATED)
@pytest.mark.parametrize("source", sorted(COLUMNS))
def test_what_repeats_itself_does_not_hang(source: str, repeated: bytes) -> None:
    begun = time.monotonic()
    content = repeated * (100_000 // len(repeated))
    assert not misplaced(content, parse(source, content).pieces)
    assert time.monotonic() - begun < 120


def compare(source: str, content: bytes, view: View) -> None:
    """Assert that the parser and the reference read a file alike; if not, show the least of it."""

    def read(content: bytes) -> tuple[Parsed, Parsed]:
        parsed = parse(source, content, view=view)
        return parsed, reference.parse(content, COLUMNS[source])

    parsed, expected = read(content)
    assert not misplaced(content, parsed.pieces)
    if not same(parsed, expected):
        least = least_that(lambda less: not same(*read(less)), content)
        parsed, expected = read(least)
        raise AssertionError(f"{source}, {view}: {least!r} gives {parsed}, not {expected}")


def least_that(differs: Callable[[bytes], bool], content: bytes) -> bytes:
    """Leave out stretches, ever shorter ones, as long as what is left still differs."""
    step = len(content)
    while step := step // 2:
        at = 0
        while at < len(content):
            less = content[:at] + content[at + step :]
            if differs(less):
                content = less
            else:
                at += step
    return content

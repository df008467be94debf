"""Each kind of dirt is read or quarantined as people decided, at every place in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.support import reference
from tests.support.dirt import CASES, SOURCES, Case, Source
from tests.support.parsing import misplaced, parse
from tests.support.reference import COLUMNS, Parsed

MOST_BYTES = 1 << 20
Parse = Callable[[str, bytes], Parsed]


def refer(source: str, content: bytes) -> Parsed:
    return reference.parse(content, COLUMNS[source])


def applying(source: Source) -> list[Case]:
    return [case for case in CASES if case.needs in source.keys]


def place(piece: bytes, noise: bytes, where: str) -> tuple[bytes, int, int]:
    """A file with the dirt among good records; how often it is there, and how many those are."""
    times = 1000 if len(piece) < 1000 else 1 + MOST_BYTES // len(piece)
    return {
        "alone": (piece, 1, 0),
        "first": (piece + b"\n" + noise * 3, 1, 3),
        "middle": (noise + piece + b"\n" + noise * 2, 1, 3),
        "last": (noise * 3 + piece, 1, 3),
        "a thousand times": ((piece + b"\n" + noise) * times, times, times),
    }[where]


def complaint(case: Case, source: Source, where: str, parsed_by: Parse) -> str | None:
    """What is wrong with how a case is read."""
    piece = case.make(source)
    content, times, n_noise = place(piece, source.noise.encode() + b"\n", where)
    parsed = parsed_by(source.name, content)
    expected = [source.changed(change) for change in case.loaded] * times
    expected += [source.noise_row] * n_noise
    reasons = [reason for reason, *_ in parsed.pieces]
    if Counter(map(repr, parsed.records)) != Counter(map(repr, expected)):
        return f"{case.name}: loaded {parsed.records[:3]!r:.300}, aside {reasons[:3]}"
    if reasons != list(case.aside) * times:
        return f"{case.name}: set aside for {reasons[:5]}, not {case.aside}"
    if wrong := misplaced(content, parsed.pieces):
        return f"{case.name}: does not lie where it says: {wrong[0]!r:.300}"
    if (
        not case.loaded
        and solid(b"".join(raw for *_, raw, _ in parsed.pieces)) != solid(piece) * times
    ):
        return f"{case.name}: not all of it is kept"
    return None


def solid(text: bytes) -> bytes:
    """What is left without that which may stand between records."""
    return text.replace(b"\xef\xbb\xbf", b"").translate(None, b" \t\r\n,[]")


WHERE = ["alone", "first", "middle", "last", "a thousand times"]
HERE_AND_THERE = [
    # A thousand times take long.
    pytest.param(source, where, id=f"{name}-{where}", marks=[pytest.mark.slow] if is_long else [])
    for where in WHERE
    for name, source in SOURCES.items()
    for is_long in [where == "a thousand times"]
]


@pytest.mark.parametrize(("source", "where"), HERE_AND_THERE)
def test_every_kind_of_dirt_has_its_verdict(source: Source, where: str) -> None:
    complaints = [complaint(case, source, where, parse) for case in applying(source)]
    assert not any(complaints), "\n".join(filter(None, complaints))


@pytest.mark.parametrize("where", ["alone", "middle"])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_reference_gives_the_same_verdicts(source: Source, where: str) -> None:
    complaints = [complaint(case, source, where, refer) for case in applying(source)]
    assert not any(complaints), "\n".join(filter(None, complaints))


def test_the_table_is_long_enough_for_each_source() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for source in SOURCES.values():
        assert len(applying(source)) >= 80

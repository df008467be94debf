"""Random records, randomly spelled and randomly spoilt: the verdict is known from how they were made."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from tests.landing.parsing import Row, parse

KEYS = ("sensorReadingTime", "serialNumber", "distanceFromObject")
Line = tuple[bytes, list[Row], list[str]]

times = st.integers(0, 253_402_300_799_999)
distances = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
records = st.tuples(times, texts, distances)


@st.composite
def harmless(draw: st.DrawFn) -> Line:
    """A record in one of the spellings that are read without a word."""
    record = draw(records)
    shuffle = draw(st.randoms(use_true_random=False))
    items = list(zip(KEYS, record, strict=True))
    if draw(st.booleans()):
        shuffle.shuffle(items)
    if draw(st.booleans()):
        items = [("".join(shuffle.choice([c.upper(), c.lower()]) for c in k), v) for k, v in items]
    if draw(st.booleans()):
        items.insert(shuffle.randrange(4), ("other", {"a": [1, "}"]}))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", "\t:  ")]))
    text = json.dumps(dict(items), ensure_ascii=draw(st.booleans()), separators=separators)
    text = (
        draw(st.sampled_from(["", " ", "[", ","]))
        + text
        + draw(st.sampled_from(["", "\r", ",", "]"]))
    )
    return text.encode(), [record], []


@st.composite
def spoilt(draw: st.DrawFn) -> Line:
    """A record with one thing wrong."""
    record: dict[str, object] = dict(zip(KEYS, draw(records), strict=True))
    key, reason, value = draw(
        st.sampled_from(
            [
                ("sensorReadingTime", "number in quotes", "7"),
                ("sensorReadingTime", "text where a number belongs", "x"),
                ("sensorReadingTime", "fraction where a whole number belongs", 0.5),
                ("sensorReadingTime", "value out of range", -1),
                ("distanceFromObject", "value out of range", 2**63),
                ("distanceFromObject", "true or false where a value belongs", True),
                ("serialNumber", "number where text belongs", 7),
                ("serialNumber", "object or list where a value belongs", ["S"]),
                ("serialNumber", "key missing", None),
            ]
        )
    )
    record[key] = value
    return json.dumps(record).encode(), [], [reason]


@st.composite
def cut(draw: st.DrawFn) -> Line:
    """A record whose end is missing, somewhere after its first quote."""
    record = (draw(times), "S", draw(distances))
    text = json.dumps(dict(zip(KEYS, record, strict=True)))
    return text[: draw(st.integers(2, len(text) - 1))].encode(), [], ["cut off"]


def plain(seed: int, count: int) -> Line:
    """Many records spelled plainly, as one block of lines."""
    source = random.Random(seed)
    rows = [
        (source.randrange(10**13), f"S-{source.random()}", source.randrange(300))
        for _ in range(count)
    ]
    lines = (json.dumps(dict(zip(KEYS, row, strict=True)), separators=(",", ":")) for row in rows)
    return "\n".join(lines).encode(), rows, []


blocks = st.builds(plain, st.integers(0, 10**6), st.sampled_from([1, 3, 2000]))
lines: st.SearchStrategy[Line] = st.one_of(
    harmless(), spoilt(), cut(), blocks, st.just((b"  ", [], []))
)


@given(st.lists(lines, max_size=12), st.booleans())
def test_every_record_is_loaded_as_it_was_or_set_aside_for_the_right_reason(
    made: list[Line], ends_with_newline: bool
) -> None:
    content = b"\n".join(text for text, _, _ in made) + b"\n" * ends_with_newline
    with TemporaryDirectory() as folder:
        loaded, aside = parse(Path(folder), content)
    assert loaded == Counter(row for _, rows, _ in made for row in rows)
    assert [reason for reason, *_ in aside] == [
        reason for _, _, reasons in made for reason in reasons
    ]
    for _, offset, raw, line in aside:
        assert content[offset : offset + len(raw)] == raw
        assert content[:offset].count(b"\n") + 1 == line


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_accounted_for(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        _, aside = parse(Path(folder), content)  # asserts that records = loaded + set aside
    for _, offset, raw, _ in aside:
        assert content[offset : offset + len(raw)] == raw

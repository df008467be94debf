"""A file read in byte ranges gives what it gives read from end to end."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from stedi.landing import reader
from tests.support.parsing import parse, same


def content(seed: int) -> bytes:
    """Records on lines, several on one, over several lines, nested, and spoilt in every place."""
    source = random.Random(seed)
    parts = []
    for number in range(400):
        record = {
            "sensorReadingTime": number,
            "serialNumber": f"S-{number}",
            "distanceFromObject": 5,
        }
        text = json.dumps(record, indent=source.choice([None, None, None, 2]))
        match source.randrange(12):
            case 0:
                text = text[: source.randrange(1, len(text))]
            case 1:
                text = text.replace('"', "", 1)
            case 2:
                nested = json.dumps({"sensorReadingTime": 1, "serialNumber": "}\n{"})
                text = text[:-1] + f', "more": [{nested}, {nested}]}}'
            case 3:
                text = '{"more":\n{"sensorReadingTime": 1},\n' + text[1:]
            case 4:
                text = "nonsense " * source.randrange(30)
        parts.append(text + source.choice(["\n", "\n", "\n", "", ",", " \n\n", "\r\n"]))
    return "".join(parts).encode()


@pytest.mark.parametrize("seed", range(25))
def test_ranges_join_to_the_whole(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    text = content(seed)
    whole = parse("step_trainer", text)
    monkeypatch.setattr(reader, "RANGE_BYTES", 50 + 97 * seed)
    in_ranges = parse("step_trainer", text)
    assert in_ranges.pieces != []
    assert same(replace(in_ranges, pieces=sorted(in_ranges.pieces, key=lambda p: p[1])), whole)

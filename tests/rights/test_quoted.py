"""Texts in quotes are found at every place, whatever their lengths, as a plain search finds them."""

from __future__ import annotations

import mmap
import random
import re
from pathlib import Path

import pytest

from stedi.rights.quoted import Quoted


def found(path: Path, texts: list[str]) -> list[int]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return [*Quoted(texts).find(data)]


def expected(content: bytes, texts: list[str]) -> list[int]:
    """Whatever stands between two quotes, found by Python's expressions."""
    sought = {text.encode() for text in texts}
    places = re.finditer(rb'(?<=")(?=([^"]*)")', content)
    return [match.start() for match in places if match[1] in sought]


@pytest.mark.parametrize("shortest", [0, 1, 5, 6, 7, 30, 300])
@pytest.mark.parametrize("many", [1, 5, 2000])
def test_all_places_are_found(tmp_path: Path, shortest: int, many: int) -> None:
    rng = random.Random(f"{shortest} {many}")
    texts = ["é" * shortest, "a" * (shortest + 1)]
    texts += ["".join(rng.choices("ab@é", k=shortest + rng.randrange(9))) for _ in range(many)]
    parts = [rng.choice(texts) + rng.choice(["", "", "", "a", '"']) for _ in range(3000)]
    content = "".join(f'{{"{rng.choice("ab")}":"{part}"}}\n' for part in parts).encode()
    path = tmp_path / "file"
    path.write_bytes(content + b'"' + texts[0].encode() + b'"')
    some = rng.sample(texts, max(2, len(texts) // 2))
    places = expected(path.read_bytes(), some)
    assert len(places) > 100
    assert found(path, some) == places
    for size in (1, 2, 3, 9):  # nothing is read behind the end
        path.write_bytes(content[:size])
        assert found(path, some) == expected(content[:size], some)

"""Looks for many texts at once where they stand in quotes, nothing more and nothing less; compiled.

Between any two quotes that follow one another, the length and the first and the last eight bytes
are looked up in a table of bits; only where these are of a text that is sought, all of it is
compared. So most of a file costs one comparison a byte, however many texts there are.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator

import numpy as np

from stedi.arrays import Bytes, Int64s
from stedi.parquet.compiled import compiled, inlined

_BITS = 22
_PRIME = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_MOST_HITS = 1 << 12
_FEW = 3
"""Of so few texts each is looked for by itself: that is faster."""


class Quoted:
    """Finds any of some texts in quotes; the texts have no quotes, and nothing that is escaped."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text.encode() for text in texts}
        self._marks = np.zeros(1 << _BITS >> 3, np.uint8)
        self._sizes = np.zeros(1 + max(map(len, self._texts), default=0), np.uint8)
        for text in self._texts:
            self._sizes[len(text)] = 1
            code = _code(text)
            self._marks[code >> 3] |= 1 << (code & 7)

    def find(self, data: mmap.mmap) -> Iterator[int]:
        """Where they begin, in order; each place."""
        if len(self._texts) <= _FEW:
            yield from sorted(at for text in self._texts for at in _places(data, text))
            return
        array, places = np.frombuffer(data, np.uint8), np.empty((_MOST_HITS, 2), np.int64)
        at, count = 0, _MOST_HITS
        while count == _MOST_HITS:
            at, count = search(array, at, self._marks, self._sizes, places)
            for begin, end in places[:count].tolist():
                if data[begin:end] in self._texts:
                    yield begin
        del array  # or the file could not be let go of


def _places(data: mmap.mmap, text: bytes) -> Iterator[int]:
    quoted = b'"%b"' % text
    at = data.find(quoted)
    while at >= 0:
        yield at + 1
        at = data.find(quoted, at + len(quoted) - 1)


def _code(text: bytes) -> int:
    code = len(text)
    for part in (text[:8], text[-8:]):
        code = (code ^ int.from_bytes(part, "little")) * _PRIME & _MASK
    return code >> (64 - _BITS)


@compiled
def search(data: Bytes, at: int, marks: Bytes, sizes: Bytes, places: Int64s) -> tuple[int, int]:
    """Search from `at` on while there is room for what may be sought; where it stopped.

    And how many places there are, each with where it begins and ends.
    """
    end, count, begin, most = len(data), 0, -1, len(sizes)
    for here in range(at, end):
        if data[here] != 34:
            continue
        if begin >= 0 and here - begin < most and sizes[here - begin]:
            code = _hash(data, begin, here)
            if marks[code >> np.uint64(3)] >> (code & np.uint64(7)) & np.uint64(1):
                places[count, 0] = begin
                places[count, 1] = here
                count += 1
                if count == len(places):
                    return here, count
        begin = here + 1
    return end, count


@inlined
def _hash(data: Bytes, begin: int, end: int) -> np.uint64:
    size = end - begin
    few = min(8, size)
    code = np.uint64(size)
    for first in (begin, end - few):
        word = np.uint64(0)
        for n in range(few):
            word |= np.uint64(data[first + n]) << np.uint64(8 * n)
        code = (code ^ word) * np.uint64(_PRIME)
    return code >> np.uint64(64 - _BITS)

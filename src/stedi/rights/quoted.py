"""Looks for many texts at once where they stand in quotes, nothing more and nothing less; compiled.

A window as long as the shortest of them moves over the data. The last bytes in it say how far on
the next place lies where a text may begin, which is mostly far (S. Wu and U. Manber, "A fast
algorithm for multi-pattern searching", 1994). Only where the first bytes, too, are of a text that
is sought, all of it is compared. So most bytes of a file are never looked at.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator

import numpy as np

from stedi.arrays import Bools, Bytes, Int64s
from stedi.parquet.compiled import compiled, inlined

_BITS = 18
_PRIME = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_MOST_HITS = 1 << 12
_FEW = 3
"""Of so few texts each is looked for by itself: that is faster."""
_BLOCK = 8
_FARTHEST = 255


class Quoted:
    """Finds any of some texts in quotes; the texts have no quotes, and nothing that is escaped."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text.encode() for text in texts}
        quoted = [b'"%b"' % text for text in self._texts]
        self._longest = max(map(len, quoted), default=0)
        self._window = min(map(len, quoted), default=_BLOCK)
        self._block = min(_BLOCK, self._window)
        farthest = min(_FARTHEST, self._window - self._block + 1)
        self._steps = np.full(1 << _BITS, farthest, np.uint8)
        self._heads = np.zeros(1 << _BITS, np.bool_)
        for text in quoted:
            self._heads[_code(text[: self._block])] = True
            for end in range(self._block, self._window + 1):
                code = _code(text[end - self._block : end])
                self._steps[code] = min(self._steps[code], self._window - end)

    def find(self, data: mmap.mmap) -> Iterator[int]:
        """Where they begin, in order; each place."""
        if len(self._texts) <= _FEW:
            yield from sorted(at for text in self._texts for at in _places(data, text))
            return
        array, places = np.frombuffer(data, np.uint8), np.empty(_MOST_HITS, np.int64)
        at, count = 0, _MOST_HITS
        while count == _MOST_HITS:
            at, count = search(
                array, at, self._window, self._block, self._steps, self._heads, places
            )
            for begin in places[:count].tolist():
                end = data.find(b'"', begin + 1, begin + self._longest)
                if end >= 0 and data[begin + 1 : end] in self._texts:
                    yield begin + 1
        del array  # or the file could not be let go of


def _places(data: mmap.mmap, text: bytes) -> Iterator[int]:
    quoted = b'"%b"' % text
    at = data.find(quoted)
    while at >= 0:
        yield at + 1
        at = data.find(quoted, at + len(quoted) - 1)


def _code(block: bytes) -> int:
    return (int.from_bytes(block, "little") * _PRIME & _MASK) >> (64 - _BITS)


@compiled
def search(
    data: Bytes, at: int, window: int, block: int, steps: Bytes, heads: Bools, places: Int64s
) -> tuple[int, int]:
    """Search from `at` on while there is room for places where one may begin; where it stopped.

    And how many places there are.
    """
    end, count = len(data), 0
    while at + window <= end:
        step = steps[_hash(data, at + window - block, block)]
        if step:
            at += step
            continue
        if data[at] == 34 and heads[_hash(data, at, block)]:
            places[count] = at
            count += 1
            if count == len(places):
                return at + 1, count
        at += 1
    return end, count


@inlined
def _hash(data: Bytes, begin: int, size: int) -> np.uint64:
    word = np.uint64(0)
    if size == _BLOCK:
        for n in range(_BLOCK):
            word |= np.uint64(data[begin + n]) << np.uint64(8 * n)
    else:
        for n in range(size):
            word |= np.uint64(data[begin + n]) << np.uint64(8 * n)
    return (word * np.uint64(_PRIME)) >> np.uint64(64 - _BITS)

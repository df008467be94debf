"""Looks for many byte strings at once, whatever their case; compiled.

At each byte the four from there on, in small letters, are looked up in a table of bits, and then
the eight; only where one of the strings begins so, more of it is compared. So it takes the same
time however many strings there are (R. M. Karp and M. O. Rabin, "Efficient randomized
pattern-matching algorithms", 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stedi.arrays import Bytes, Int64s
from stedi.parquet.compiled import compiled, inlined

_FEW, _MANY = 22, 25
_MULTIPLIER = 2654435761
_PRIME = 1099511628211
_PRIME_OF_EIGHT = 0x9E3779B97F4A7C15
_EIGHT = 8
_FEWEST_BUCKETS = 1 << 16
_MANY_STRINGS = 1 << 14
_MOST_HITS = 1 << 12
_LENGTHS = (4, 8, 16)
"""Strings are told apart by so many first bytes: the most of these that they have."""


class HashTable(NamedTuple):
    """Strings in small letters, laid one behind another, by a hash of their first bytes.

    `marks` says which hashes of four bytes there are, of as many bits as `bits` says, `brief` those
    of strings of fewer than eight, `longer` which hashes of eight bytes there are. String `n` is
    `text[ends[n] : ends[n + 1]]`; `first` names one by how many bytes are hashed and the hash of
    these, `following` the next one of the same; -1 is none. `small` has each byte in small letters.
    """

    marks: Bytes
    brief: Bytes
    longer: Bytes
    text: Bytes
    ends: Int64s
    first: Int64s
    following: Int64s
    small: Bytes
    bits: int


class Searcher:
    """Finds any of some byte strings, each of four bytes or more."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        lowered = [string.lower() for string in strings]
        small = np.arange(256, dtype=np.uint8)
        small[ord("A") : ord("Z") + 1] += 32
        bits = _FEW if len(lowered) < _MANY_STRINGS else _MANY
        buckets = max(_FEWEST_BUCKETS, 1 << (2 * len(lowered)).bit_length())
        marks, brief, longer = (np.zeros(1 << bits >> 3, np.uint8) for _ in range(3))
        first = np.full((len(_LENGTHS), buckets), -1, np.int64)
        following = np.full(max(1, len(lowered)), -1, np.int64)
        for number, string in enumerate(lowered):
            code = int.from_bytes(string[:4], "little") * _MULTIPLIER % (1 << 32) >> (32 - bits)
            marks[code >> 3] |= 1 << (code & 7)
            if len(string) < _EIGHT:
                brief[code >> 3] |= 1 << (code & 7)
            else:
                code = int.from_bytes(string[:8], "little") * _PRIME_OF_EIGHT % (1 << 64)
                code >>= 64 - bits
                longer[code >> 3] |= 1 << (code & 7)
            kind = sum(length <= len(string) for length in _LENGTHS) - 1
            bucket = _bucket(string[: _LENGTHS[kind]], buckets)
            following[number], first[kind, bucket] = first[kind, bucket], number
        self.longest = max(map(len, lowered), default=0)
        self._table = HashTable(
            marks,
            brief,
            longer,
            np.frombuffer(b"".join(lowered) or b"\0", np.uint8),
            np.cumsum([0, *map(len, lowered)], dtype=np.int64),
            first,
            following,
            small,
            bits,
        )

    def find(self, data: bytes | bytearray | memoryview) -> list[tuple[int, int]]:
        """Where a string begins, and its number, in order; each place where one does."""
        array = np.frombuffer(data, np.uint8)
        places = np.empty((_MOST_HITS, 2), np.int64)
        found: list[tuple[int, int]] = []
        at = 0
        while at + 4 <= len(array):
            at, count = search(array, at, self._table, places)
            found += [(int(place), int(number)) for place, number in places[:count]]
        return found


def _bucket(data: bytes, buckets: int) -> int:
    code = 0
    for byte in data:
        code = (code ^ byte) * _PRIME % (1 << 64)
    return (code ^ code >> 32) % buckets


@compiled
def search(data: Bytes, at: int, table: HashTable, places: Int64s) -> tuple[int, int]:
    """Search from `at` on while there is room for what is found; where it stopped, and how many."""
    marks, small = table.marks, table.small
    end, count = len(data), 0
    shift, shift_of_eight = np.uint64(32 - table.bits), np.uint64(64 - table.bits)
    word = np.uint64(0)
    for n in range(min(7, end - at)):
        word |= np.uint64(small[data[at + n]]) << np.uint64(8 * (n + 1))
    while at + 4 <= end:
        word >>= np.uint64(8)
        if at + 8 <= end:
            word |= np.uint64(small[data[at + 7]]) << np.uint64(56)
        four = word & np.uint64(0xFFFFFFFF)
        code = ((four * np.uint64(_MULTIPLIER)) & np.uint64(0xFFFFFFFF)) >> shift
        if _has(marks, code) and (
            _has(table.brief, code)
            or _has(table.longer, (word * np.uint64(_PRIME_OF_EIGHT)) >> shift_of_eight)
        ):
            if 2 * count > len(places):
                return at, count
            count = _matches(data, at, table, places, count)
        at += 1
    return at, count


@inlined
def _has(bits: Bytes, code: np.uint64) -> bool:
    byte = bits[code >> np.uint64(3)]
    return bool(byte >> (code & np.uint64(7)) & np.uint64(1))


@inlined
def _matches(data: Bytes, at: int, table: HashTable, places: Int64s, count: int) -> int:
    """Note which strings stand at a place; how many places are noted then."""
    code, hashed = np.uint64(0), 0
    for kind in range(3):
        length = 4 << kind
        if at + length > len(data):
            break
        while hashed < length:
            code = (code ^ np.uint64(table.small[data[at + hashed]])) * np.uint64(_PRIME)
            hashed += 1
        bucket = (code ^ (code >> np.uint64(32))) & np.uint64(table.first.shape[1] - 1)
        number = table.first[kind, bucket]
        while number >= 0:
            begin = table.ends[number]
            size = table.ends[number + 1] - begin
            same = 0
            while (
                same < size
                and at + same < len(data)
                and table.small[data[at + same]] == table.text[begin + same]
            ):
                same += 1
            if same == size and count < len(places):
                places[count, 0] = at
                places[count, 1] = number
                count += 1
            number = table.following[number]
    return count

"""Asks the Bloom filters of Parquet files whether they may have a value.

Split block Bloom filters with xxHash64, as the Parquet format specifies them. A filter's yes may be
wrong: `is_exactly_of` tells whether it has the bits of some values and no others.

Specifications: https://parquet.apache.org/docs/file-format/bloomfilter/ and
https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stedi.arrays import Bools

_Words = npt.NDArray[np.uint32]
_SALTS = np.array(
    [
        0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D,
        0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31,
    ],
    np.uint64,
)  # fmt: skip
_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579,
    2870177450012600261,
)  # fmt: skip


class BloomFilter:
    """The filter of one column of one row group; from the bytes that the footer says are its."""

    def __init__(self, data: bytes) -> None:
        size = _size(data)
        self._words: _Words = np.frombuffer(data[len(data) - size :], "<u4").reshape(-1, 8)

    def may_have(self, sought: Hashed) -> Bools:
        """Whether it may have each of these values; no is certain."""
        blocks = (sought.high * np.uint64(len(self._words))) >> np.uint64(32)
        return np.asarray(((self._words[blocks] & sought.bits) == sought.bits).all(axis=1))

    def is_exactly_of(self, values: Hashed) -> bool:
        """Whether it has the bits of these values, and no others."""
        words = np.zeros_like(self._words)
        blocks = (values.high * np.uint64(len(self._words))) >> np.uint64(32)
        np.bitwise_or.at(words, blocks, values.bits)
        return bool((words == self._words).all())


class Hashed:
    """Values that filters are asked for, by their hashes."""

    def __init__(self, values: Iterable[bytes]) -> None:
        codes = np.array([xxhash64(value) for value in values], np.uint64)
        self.high = codes >> np.uint64(32)
        low = (codes & np.uint64(0xFFFFFFFF))[:, None]
        shifts = (low * _SALTS & np.uint64(0xFFFFFFFF)) >> np.uint64(27)
        self.bits: _Words = (np.uint64(1) << shifts).astype(np.uint32)


def _size(data: bytes) -> int:
    """How many bytes the bits take: the first field of the header, a zigzag varint."""
    if data[:1] != b"\x15":
        raise ValueError("no header of a Bloom filter")
    value, shift, at = 0, 0, 1
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value >> 1


def xxhash64(data: bytes) -> int:
    """XXH64 with the seed 0."""
    at, size = 0, len(data)
    if size >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 32 <= size:
            for n, word in enumerate(struct.unpack_from("<4Q", data, at)):
                lanes[n] = _round(lanes[n], word)
            at += 32
        code = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            code = ((code & _MASK) ^ _round(0, lane)) * _P1 + _P4
    else:
        code = _P5
    code = (code + size) & _MASK
    while at + 8 <= size:
        code ^= _round(0, struct.unpack_from("<Q", data, at)[0])
        code = (_rotated(code, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= size:
        code ^= struct.unpack_from("<I", data, at)[0] * _P1 & _MASK
        code = (_rotated(code, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        code = _rotated(code ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    code = (code ^ code >> 33) * _P2 & _MASK
    code = (code ^ code >> 29) * _P3 & _MASK
    return code ^ code >> 32


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def _rotated(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK


def filters_of(metadata: Any, column: str) -> Iterable[tuple[int, int, int]]:
    """Row groups that have a filter for a column, with where it lies and how long it is."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in range(group.num_columns):
            chunk = group.column(index)
            if chunk.path_in_schema == column and chunk.bloom_filter_offset:
                yield number, chunk.bloom_filter_offset, chunk.bloom_filter_length or 0

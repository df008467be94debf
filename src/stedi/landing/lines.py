"""Establishes, line by line, which records of a file are spelled plainly and fit the contract.

A line is plain if it is one object with the contract's keys, spelled and ordered as the contract
has them, strings without escapes, and numbers of the right kind: one regular expression made from
the contract, matched by RE2 over Arrow arrays. Any fast JSON reader reads such a line rightly.
Every other line is left to `stedi.landing.records`, which looks at it piece by piece.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stedi.contracts import Column

_BLOCK = 1 << 20
_GROUP = 64 << 10
_NEWLINE = 10
# Overflow isn't looked for here: DuckDB refuses a bigint too large, and makes a double infinite.
# "-0" is left out, since a reader may take it for the integer 0 and lose the sign.
_VALUES = {
    "string": r'"[^"\\\x00-\x1f]*"',
    "long": r"(?:0|-?[1-9][0-9]*)",
    "double": r"(?:-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]+)?|-?[1-9][0-9]*|0)",
}


Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Region:
    """A run of lines that are not plain: bytes `offset` to `offset + length`, from line `line`."""

    offset: int
    length: int
    line: int


@dataclass(frozen=True)
class Lines:
    """What a pass over a file found: the number of plain lines, and the regions between them."""

    plain: int
    regions: tuple[Region, ...]


def read_lines(path: Path, pattern: str, digest: hmac.HMAC | None = None) -> Lines:
    """Pass once over a file, feeding its bytes to `digest` on the way.

    `pattern` matches one line (see `plain_pattern`). Groups of lines are matched at a time, and
    the lines of a group one by one only where the group holds one that isn't plain. Memory is that
    of the longest line.
    """
    group_pattern, line_pattern = f"^(?:{pattern})*$", f"^{pattern}$"
    plain, line, regions = 0, 1, _Regions()
    for offset, block in _blocks(path, digest):
        lines = block.newlines(0, block.end)
        plain += lines
        bounds = block.groups()
        for group in np.flatnonzero(~block.match(bounds, group_pattern)).tolist():
            begin, end = int(bounds[group]), int(bounds[group + 1])
            first = line + block.newlines(0, begin)
            starts = block.lines(begin, end)
            matched = block.match(starts, line_pattern)
            plain -= int(np.count_nonzero(~matched))
            for n in np.flatnonzero(~matched).tolist():
                length = int(starts[n + 1] - starts[n])
                regions.add(offset + int(starts[n]), length, first + n)
        line += lines
    return Lines(plain, regions.closed())


def plain_pattern(columns: Sequence[Column]) -> str:
    """The regular expression, in RE2's syntax, of a plain line of a landing table.

    An optional column's key may be absent, or its value null. The newline belongs to the line.
    """
    pivot = next((n for n, column in enumerate(columns) if column.required), None)
    if pivot is None:
        return r"\b\B"  # a line in which everything is optional is never plain
    parts = []
    for n, column in enumerate(columns):
        value = _VALUES[column.type]
        if column.required:
            pair = f'"{re.escape(column.json_key or column.name)}": ?{value}'
            parts.append(pair if n == pivot else f", ?{pair}")
        else:
            pair = f'"{re.escape(column.json_key or column.name)}": ?(?:{value}|null)'
            parts.append(f"(?:{pair}, ?)?" if n < pivot else f"(?:, ?{pair})?")
    return rf"\{{{''.join(parts)}\}}\r?\n"


class _Regions:
    """Collects lines, one region for each unbroken run of them."""

    def __init__(self) -> None:
        self._regions: list[Region] = []

    def add(self, offset: int, length: int, line: int) -> None:
        if self._regions and self._regions[-1].offset + self._regions[-1].length == offset:
            last = self._regions[-1]
            self._regions[-1] = Region(last.offset, last.length + length, last.line)
        else:
            self._regions.append(Region(offset, length, line))

    def closed(self) -> tuple[Region, ...]:
        return tuple(self._regions)


class _Block:
    """Whole lines in a buffer that is used again for the next block: bytes 0 to `end`."""

    def __init__(self) -> None:
        self.buffer, self.end = bytearray(_BLOCK), 0
        self._is_newline = np.empty(_BLOCK, np.bool_)

    def grow(self) -> None:
        """Make room for a line that is longer than the buffer."""
        self.buffer = self.buffer + bytes(len(self.buffer))
        self._is_newline = np.empty(len(self.buffer), np.bool_)

    def newlines(self, begin: int, end: int) -> int:
        """How many lines end between two places."""
        data = np.frombuffer(self.buffer, np.uint8, end - begin, begin)
        found = np.equal(data, _NEWLINE, out=self._is_newline[: end - begin])
        return int(np.count_nonzero(found))

    def groups(self) -> Offsets:
        """Where groups of some 64 KB of whole lines begin and end."""
        bounds = [0]
        while bounds[-1] < self.end:
            begin, limit = bounds[-1], min(bounds[-1] + _GROUP, self.end)
            cut = self.buffer.rfind(b"\n", begin, limit)
            if cut < 0:
                cut = self.buffer.find(b"\n", limit, self.end)
            bounds.append(cut + 1)
        return np.array(bounds, np.int64)

    def lines(self, begin: int, end: int) -> Offsets:
        """Where the lines between two places begin and end."""
        data = np.frombuffer(self.buffer, np.uint8, end - begin, begin)
        ends = begin + 1 + np.flatnonzero(data == _NEWLINE)
        return np.concatenate(([begin], ends)).astype(np.int64)

    def match(self, bounds: Offsets, pattern: str) -> npt.NDArray[np.bool_]:
        """Which of the texts between `bounds` match; bytes that aren't UTF-8 match nothing."""
        texts = pa.LargeStringArray.from_buffers(
            len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(self.buffer)
        )
        matched = pc.match_substring_regex(texts, pattern)
        return np.asarray(matched.to_numpy(zero_copy_only=False))


def _blocks(path: Path, digest: hmac.HMAC | None) -> Iterator[tuple[int, _Block]]:
    """Whole lines at a time, each block with its offset in the file; a last line gets a newline."""
    block, filled, offset = _Block(), 0, 0
    with path.open("rb", buffering=0) as file:
        while True:
            if filled == len(block.buffer):
                block.grow()
            with memoryview(block.buffer) as view:
                count = file.readinto(view[filled:])
                if digest is not None and count:
                    digest.update(view[filled : filled + count])
            if not count:
                break
            block.end = block.buffer.rfind(b"\n", filled, filled + count) + 1
            filled += count
            if block.end:
                yield offset, block
                offset += block.end
                rest = bytes(block.buffer[block.end : filled])
                block.buffer[: len(rest)] = rest
                filled = len(rest)
    if filled:
        if filled == len(block.buffer):
            block.grow()
        block.buffer[filled : filled + 1] = b"\n"
        block.end = filled + 1
        yield offset, block

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
import pyarrow as pa
import pyarrow.compute as pc

from stedi.contracts import Column

_BLOCK = 16 << 20
_NEWLINE = 10
# Overflow isn't looked for here: DuckDB refuses a bigint too large, and gives infinity for a double.
# "-0" is left out, since a reader may take it for the integer 0 and lose the sign.
_VALUES = {
    "string": r'"[^"\\\x00-\x1f]*"',
    "long": r"(?:0|-?[1-9][0-9]*)",
    "double": r"(?:-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]+)?|-?[1-9][0-9]*|0)",
}


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

    Memory is that of the longest line.
    """
    plain, line, regions = 0, 1, _Regions()
    for offset, block in _blocks(path, digest):
        data = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(data == _NEWLINE).astype(np.int64) + 1
        if not len(ends) or ends[-1] != len(data):
            ends = np.append(ends, len(data))
        starts = np.concatenate(([0], ends[:-1]))
        matched = _match(block, ends, pattern)
        plain += int(np.count_nonzero(matched))
        for n in np.flatnonzero(~matched).tolist():
            regions.add(offset + int(starts[n]), int(ends[n] - starts[n]), line + n)
        line += len(ends)
    return Lines(plain, regions.closed())


def plain_pattern(columns: Sequence[Column]) -> str:
    """The regular expression, in RE2's syntax, of a plain line of a landing table.

    An optional column's key may be absent, or its value null.
    """
    pivot = next((n for n, column in enumerate(columns) if column.required), None)
    if pivot is None:
        return r"^\b\B$"  # a line in which everything is optional is never plain
    parts = []
    for n, column in enumerate(columns):
        value = _VALUES[column.type]
        if column.required:
            pair = f'"{re.escape(column.json_key or column.name)}": ?{value}'
            parts.append(pair if n == pivot else f", ?{pair}")
        else:
            pair = f'"{re.escape(column.json_key or column.name)}": ?(?:{value}|null)'
            parts.append(f"(?:{pair}, ?)?" if n < pivot else f"(?:, ?{pair})?")
    return rf"^\{{{''.join(parts)}\}}\r?\n?$"


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


def _match(block: bytes, ends: np.ndarray, pattern: str) -> np.ndarray:
    offsets = np.concatenate(([0], ends)).astype(np.int64)
    # RE2 takes the bytes for UTF-8 and matches none that aren't.
    array = pa.LargeStringArray.from_buffers(
        len(ends), pa.py_buffer(offsets), pa.py_buffer(block)
    )
    return np.asarray(pc.match_substring_regex(array, pattern).to_numpy(zero_copy_only=False))


def _blocks(path: Path, digest: hmac.HMAC | None) -> Iterator[tuple[int, bytes]]:
    """Whole lines at a time, each block with its offset in the file."""
    offset, pieces = 0, []
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            if digest is not None:
                digest.update(block)
            cut = block.rfind(b"\n") + 1
            if cut == 0:
                pieces.append(block)
                continue
            lines = b"".join((*pieces, memoryview(block)[:cut]))
            yield offset, lines
            offset += len(lines)
            pieces = [block[cut:]] if cut < len(block) else []
    if pieces:
        yield offset, b"".join(pieces)

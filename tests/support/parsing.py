"""Runs the landing parser on one file of any source, and reads back what it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.declared.machinery import MACHINERY
from stedi.engines.crew import Item, Result
from stedi.landing import reader, window
from stedi.landing.files import list_files
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.parse import Job
from stedi.landing.parse import parse as landing_parser
from stedi.parquet import Field, Target
from stedi.roots.local.files import LocalFiles
from tests.support.reference import Parsed, Piece

_CONTRACTS = read_declarations(packaged()).contracts
CONTRACTS = {
    source: replace(_CONTRACTS[f"{source}_landing"], max_bad_share=1.0)
    for source in ("customer", "accelerometer", "step_trainer")
}
"""The contracts of the sources; no share of bad records is too great here."""


@dataclass(frozen=True)
class View:
    """How much of a file is seen at once, of what size the ranges are that it is read in, and up to
    how many bytes records are read one by one."""

    window: int = window.WINDOW_BYTES
    range: int = reader.RANGE_BYTES
    few: int = 0

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have files read so."""
        usual = window.WINDOW_BYTES, reader.RANGE_BYTES, reader.FEW_BYTES
        given = self.window, self.range, self.few
        window.WINDOW_BYTES, reader.RANGE_BYTES, reader.FEW_BYTES = given
        try:
            yield
        finally:
            window.WINDOW_BYTES, reader.RANGE_BYTES, reader.FEW_BYTES = usual


VIEWS = [
    View(),
    View(64),
    View(256),
    View(4096),
    View(range=700),
    View(64, range=300),
    View(few=1 << 30),
    View(64, few=1 << 30),
]


def parse(source: str, content: bytes, name: str = "one.json", view: View = VIEWS[0]) -> Parsed:
    """What a file of a source gives, read by the landing parser; asserts that its sum holds."""
    with TemporaryDirectory(dir=_memory()) as folder, view.used():
        return _parse(Path(folder), source, content, name)


def same(one: Parsed, other: Parsed) -> bool:
    """Whether two files were read alike; the order of records doesn't matter, but -0.0 isn't 0."""
    return (
        one.pieces == other.pieces
        and one.with_unknown_keys == other.with_unknown_keys
        and Counter(map(repr, one.records)) == Counter(map(repr, other.records))
    )


def misplaced(content: bytes, pieces: Sequence[Piece]) -> list[Piece]:
    """Quarantined records that aren't at their place in the file, or overlap the one before."""
    wrong = []
    behind = line = 0
    for piece in pieces:
        _, offset, raw, at_line = piece
        line += content.count(b"\n", behind, offset)
        if offset < behind or content[offset : offset + len(raw)] != raw or at_line != line + 1:
            wrong.append(piece)
        line += content.count(b"\n", max(offset, behind), offset + len(raw))
        behind = offset + len(raw)
    return wrong


def _parse(folder: Path, source: str, content: bytes, name: str) -> Parsed:
    path = folder / "root" / source / "landing" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    contract = CONTRACTS[source]
    typed = _target(folder / "root" / "_typed", contract.columns)
    aside = _target(folder / "root" / "_aside", MACHINERY["quarantine"])
    job = Job(list_files(LocalFiles(folder / "root"), source), {}, 1, typed, aside)
    parsed = landing_parser(
        LocalFiles(folder / "root"), contract, Fingerprinter(b"key"), _Alone(), job
    )
    delivered = [column.name for column in contract.delivered]
    records = [row for path in parsed.typed for row in _rows(path, delivered)]
    place = ["reason", "byte_offset", "raw", "line"]
    pieces: list[Piece] = [row for path in parsed.quarantine for row in _rows(path, place)]
    pieces.sort(key=lambda piece: piece[1])  # ranges are read side by side
    [read] = parsed.files
    assert read.records == len(records) + len(pieces)
    return Parsed(records, pieces, read.unknown_keys)


def _rows(path: Path, columns: list[str] | None = None) -> Iterator[tuple[Any, ...]]:
    table = pq.read_table(path, columns=columns)
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _target(folder: Path, columns: Sequence[Column]) -> Target:
    return Target(folder, tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, 1)))


def _memory() -> str | None:
    """A folder in memory, where there is one: tests write thousands of small files."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class _Alone:
    """Does what it is asked right away."""

    size = 1

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return [function(item) for item in items]

    def map_large(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return self.map(function, items)

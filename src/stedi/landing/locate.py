"""Finds some records in raw files: where they begin and end, in the content once unpacked.

What a record is, and where it ends, only the landing parser knows: files are read as it reads them,
by its scan where records are clear and one by one elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stedi.declared.contract import Contract
from stedi.landing.reader import FEW_BYTES, pass_over
from stedi.landing.records import Piece, Record, RecordReader, Span
from stedi.landing.window import Window, is_packed
from stedi.landing.wrapper import Wrappers
from stedi.roots import Opener, open_local

if TYPE_CHECKING:
    from stedi.landing.sighted import SightedRows


class Sought(Protocol):
    """What is looked for in records of one contract."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns of text by which records are told."""

    def among(self, column: str, values: Sequence[str]) -> Sequence[bool]:
        """Which texts of a column may be of a record that is sought."""

    def record(self, values: Mapping[str, object]) -> bool:
        """Whether a record with these values, by column, is sought."""

    def piece(self, piece: Piece) -> bool:
        """Whether an invalid record is sought."""


@dataclass(frozen=True)
class Place:
    """A record, valid or not: bytes `begin` to `end` of a file's content."""

    begin: int
    end: int
    content: Record | Piece


@dataclass(frozen=True)
class Located:
    """What was found in a file, in its order, and how many records the file has, valid or not.

    `is_damaged` says that it is an archive of which not everything could be unpacked.
    """

    places: tuple[Place, ...]
    records: int
    pieces: int
    is_damaged: bool


def locate(
    path: Path,
    contract: Contract,
    sought: Sought,
    opener: Opener = open_local,
    *,
    size: int | None = None,
) -> Located:
    """Find the records of a file that are sought, valid or not; raises `OSError`.

    Of a file of a few bytes (`size`) records are read one by one.
    """
    is_scanned = size is None or size > FEW_BYTES or is_packed(path.name)
    return _Locating(contract, sought, is_scanned).read(path, opener)


def locate_raw(
    path: Path,
    contract: Contract,
    is_sought: Callable[[bytes, Record | Piece], bool],
    opener: Opener = open_local,
) -> Iterator[tuple[int, int]]:
    """Where records lie whose bytes are sought; reads one by one. Raises `OSError`."""
    reader = RecordReader(contract)
    with Window(path, None, 0, opener) as window:
        window.slide()
        while not (window.has_ended and window.at == window.end):
            span = reader.read(window.data, window.at, window.end, window.is_last)
            if span is None:
                window.slide()
                continue
            raw = bytes(window.data[span.begin : span.end])
            if span.content is not None and is_sought(raw, span.content):
                yield window.offset + span.begin, window.offset + span.end
            window.advance(span.end, 0)


def contents(
    path: Path, spans: Iterable[tuple[int, int]], opener: Opener = open_local
) -> Iterator[bytes]:
    """The bytes at places of a raw file's content once unpacked; places in their order."""
    with Window(path, None, 0, opener) as window:
        window.slide()
        for begin, end in spans:
            while window.offset + window.end < end and not window.has_ended:
                window.at = min(max(begin - window.offset, 0), window.end)
                window.slide()
            yield bytes(window.data[begin - window.offset : end - window.offset])


class _Locating:
    def __init__(self, contract: Contract, sought: Sought, is_scanned: bool) -> None:
        self._contract, self._sought = contract, sought
        self._reader = RecordReader(contract)
        self._rows = _sighted(contract, sought) if is_scanned else None
        self._places: list[Place] = []
        self._records = self._pieces = 0

    def read(self, path: Path, opener: Opener) -> Located:
        under = self._contract.records_under
        wrappers = Wrappers(under) if under is not None else None
        with Window(path, None, 0, opener) as window:
            window.slide()
            while not (window.has_ended and window.at == window.end):
                if (self._rows is None or self._is_unclear(self._rows, window)) and not (
                    wrappers is not None and pass_over(wrappers, window)
                ):
                    self._read_one(window)
            is_damaged = window.is_damaged
        if self._rows is not None:
            self._records += self._rows.records
        ordered = tuple(sorted(self._places, key=lambda place: place.begin))
        return Located(ordered, self._records, self._pieces, is_damaged)

    def _is_unclear(self, rows: SightedRows, window: Window) -> bool:
        """Scan; whether it stopped at something that only the reader of records can tell."""
        begins, scanned = rows.sight(window)
        for begin in begins:
            self._keep(window, self._read_again(window, begin))
        for begin in scanned.invalid:
            self._pieces += 1
            self._keep(window, self._read_again(window, begin))
        for begin, behind, _, kind in scanned.passed:
            content = self._reader.passed(bytes(window.data[begin:behind]), kind)
            self._count(content)
            self._keep(window, Span(begin, behind, content))
        if not scanned.is_unclear and window.at == window.end:
            window.slide()
        return scanned.is_unclear

    def _read_again(self, window: Window, begin: int) -> Span:
        span = self._reader.read(window.data, begin, window.end, True)
        assert span is not None
        return span

    def _read_one(self, window: Window) -> None:
        span = self._reader.read(window.data, window.at, window.end, window.is_last)
        if span is None:
            window.slide()
            return
        if span.content is not None:
            self._count(span.content)
            self._keep(window, span)
        if self._rows is not None and isinstance(span.content, Record):
            self._rows.teach(span.content)
        window.advance(span.end, 0)

    def _count(self, content: Record | Piece) -> None:
        if isinstance(content, Piece):
            self._pieces += 1
        else:
            self._records += 1

    def _keep(self, window: Window, span: Span) -> None:
        content, end = span.content, span.end
        if isinstance(content, Piece):
            is_sought, end = self._sought.piece(content), span.begin + len(content.raw)
        else:
            assert content is not None
            is_sought = self._sought.record(by_name(self._contract, content))
        if is_sought:
            begin = window.offset + span.begin
            self._places.append(Place(begin, window.offset + end, content))


def by_name(contract: Contract, record: Record) -> dict[str, object]:
    """The values of a record by column."""
    return {c.name: v for c, v in zip(contract.delivered, record.values, strict=True)}


def _sighted(contract: Contract, sought: Sought) -> SightedRows:
    from stedi.landing.sighted import SightedRows  # which loads the compiled scan

    return SightedRows(contract, dict.fromkeys(sought.columns, sought.among))

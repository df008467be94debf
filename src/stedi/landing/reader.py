"""Reads whole files, or byte ranges of large ones, into one typed and one quarantine file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from stedi.declared.contract import Contract
from stedi.declared.machinery import QuarantineRow
from stedi.landing.computed import NS_PER_MS, Computed
from stedi.landing.files import LandingFile
from stedi.landing.marks import Patterns
from stedi.landing.oddities import Noticing, Oddities
from stedi.landing.reasons import WRAPPER
from stedi.landing.records import Piece, Record, RecordReader, Span
from stedi.landing.window import Window, is_packed
from stedi.landing.wrapper import Undecided, Wrappers
from stedi.parquet import ParquetFile, RowWriter
from stedi.roots import Opener, open_local

if TYPE_CHECKING:
    from stedi.landing.columns import TypedRows

RANGE_BYTES = 1 << 27
FEW_BYTES = 1 << 19
"""Of so much raw data records are read one by one: loading the compiled scan takes longer."""
_LONG_BYTES = 1 << 16
_MANY = 1_000
"""What no scan reads is looked at by compiled code where it is so long, or they are so many."""
_SEARCHED_BYTES = 1 << 20
_ROW_BYTES = 200
_BEGINNING = re.compile(rb'[}\n][ \t\r\n,\[\]]*+(?=\{[ \t\r\n]*+")')


@dataclass(frozen=True)
class Counts:
    """What was read: records, how many of them are quarantined, or have unknown keys.

    `end` is where reading ended in the file, always between two records; `lines` how many newlines
    lie before it. `oddities` are what else was odd about records that were read.
    """

    records: int
    pieces: int
    unknown_keys: int
    end: int
    lines: int
    oddities: Oddities = field(default_factory=Counter)


def are_few(files: Collection[LandingFile]) -> bool:
    """Whether there is so little in files that no scan is worth loading; archives tell nothing."""
    return sum(file.size for file in files) <= FEW_BYTES and not any(
        is_packed(file.name) for file in files
    )


def is_large(name: str, size: int) -> bool:
    """Whether a file of that name and size in bytes is read in ranges; archives never are."""
    return size >= 2 * RANGE_BYTES and not is_packed(name)


def range_begins(path: Path, size: int, opener: Opener = open_local) -> Sequence[int]:
    """Where byte ranges of a file may begin: at what looks like a record.

    Only reading the range before tells whether it is one: that ends where the next record begins.
    """
    begins = [0]
    with BufferedReader(opener(path)) as file:
        for nominal in range(RANGE_BYTES, size - RANGE_BYTES // 2, RANGE_BYTES):
            file.seek(nominal)
            if match := _BEGINNING.search(file.read(_SEARCHED_BYTES)):
                begins.append(nominal + match.end())
    return sorted(set(begins))


class FewRows:
    """Rows of one table, each of which was read by itself; as `columns.TypedRows` else."""

    def __init__(self, contract: Contract, writer: RowWriter) -> None:
        self._computed, self._writer = Computed(contract), writer
        self.noticing = Noticing(contract)
        self.records = self.unknown_keys = self.arrived = 0

    def add(self, record: Record) -> None:
        """Add a record."""
        self.noticing.record(record)
        self._writer.add(self._computed.row(record.values, self.arrived), _ROW_BYTES)
        self.records += 1
        self.unknown_keys += record.has_unknown_keys

    def close(self) -> list[Path]:
        """Finish the file; returns its path, or nothing where there were no rows."""
        return self._writer.close()


class FileReader:
    """Reads files of one source one after another, into one typed and one quarantine file.

    Where `typed` is a `RowWriter`, records are read one by one. `load` is the number that
    quarantined records have.
    """

    def __init__(
        self,
        contract: Contract,
        typed: ParquetFile | RowWriter,
        quarantine: RowWriter,
        load: int,
        opener: Opener = open_local,
    ) -> None:
        self._source, self._load, self._open = contract.source, load, opener
        self._quarantine = quarantine
        self._rows = _rows(contract, typed)
        self._reader = RecordReader(contract)
        self._n_read_singly = 0
        self._under = contract.records_under

    def read(
        self,
        path: Path,
        file: LandingFile,
        digest: blake3 | None = None,
        *,
        begin: int = 0,
        stop: int | None = None,
        is_bad: bool = False,
        most: int | None = None,
    ) -> Counts:
        """Read the records of a file that begin at `begin` or later and before `stop`.

        Bytes are fed to `digest`. Every record of a bad file is quarantined. Lines are counted from
        `begin`, byte offsets from the beginning of the file. Raises `ArchiveTooLarge` where an
        archive unpacks to more than `most` bytes.
        """
        records, unknown_keys = self._rows.records, self._rows.unknown_keys
        self._rows.noticing.take()
        self._rows.arrived = file.arrived // NS_PER_MS
        pieces = 0
        with Window(path, digest, begin, self._open, most) as window:
            for offset, line, content in self._unclear(window, stop, is_bad):
                if isinstance(content, Record):
                    self._rows.add(content)
                else:
                    self._set_aside(file.name, offset, line, content)
                    pieces += 1
            loaded = self._rows.records - records
            unknown_keys = self._rows.unknown_keys - unknown_keys
            end = window.offset + window.at
            found = self._rows.noticing.take()
            return Counts(loaded + pieces, pieces, unknown_keys, end, window.line - 1, found)

    def set_aside_unread(self, name: str) -> Counts:
        """Quarantine an archive that unpacks to too much, as one record without its content."""
        self._set_aside(name, 0, 1, Piece("archive too large", b"", None))
        return Counts(1, 1, 0, 0, 0)

    def _set_aside(self, name: str, offset: int, line: int, piece: Piece) -> None:
        if piece.reason == WRAPPER:
            self._rows.noticing.wrapper(self._reader.fault(piece.raw) or "")
        row = QuarantineRow(
            source=self._source,
            file=name,
            byte_offset=offset,
            byte_length=len(piece.raw),
            line=line,
            reason=piece.reason,
            subject=piece.subject,
            raw=piece.raw,
            load=self._load,
        )
        self._quarantine.add(row.values, 100 + len(piece.raw))

    def _unclear(
        self, window: Window, stop: int | None, is_bad: bool
    ) -> Iterator[tuple[int, int, Record | Piece]]:
        """What scans leave, of a bad file all there is, with its byte offset and line."""
        rows = self._rows
        wrappers = Wrappers(self._under, window.offset > 0) if self._under is not None else None
        window.slide()
        is_damage_noted = False
        while not (window.has_ended and window.at == window.end):
            if not (is_bad or isinstance(rows, FewRows)):
                at, line = window.at, window.line
                end = window.end if stop is None else min(window.end, stop - window.offset)
                scanned = rows.scan(window, end)
                for begin in scanned.invalid:
                    invalid = self._reader.read(window.data, begin, window.end, True)
                    assert invalid and invalid.content
                    yield window.offset + begin, line + window.newlines(at, begin), invalid.content
                for begin, behind, lines, kind in scanned.passed:
                    passed = self._reader.passed(bytes(window.data[begin:behind]), kind)
                    if isinstance(passed, Piece) and window.ends_damaged(behind):
                        passed, is_damage_noted = passed._replace(reason="archive damaged"), True
                    yield window.offset + begin, line + lines, passed
                if not scanned.is_unclear:
                    if window.at == window.end:
                        window.slide()
                    elif window.at >= end:
                        return  # at the first record behind the range
                    continue
            if wrappers is not None and pass_over(wrappers, window):
                continue
            span = self._read_singly(window)
            if span is None:
                window.slide()
                continue
            content, offset = span.content, window.offset + span.begin
            line = window.line + window.newlines(window.at, span.begin)
            if is_bad and isinstance(content, Record):
                raw = bytes(window.data[span.begin : span.end])
                content = self._reader.piece("file set aside whole", raw)
            window.advance(span.end, window.newlines(window.at, span.end))
            if isinstance(content, Piece) and window.ends_damaged(span.end):
                content, is_damage_noted = content._replace(reason="archive damaged"), True
            if content is not None:
                yield offset, line, content
        if window.is_damaged and not is_damage_noted:
            yield window.offset + window.end, window.line, Piece("archive damaged", b"", None)

    def _read_singly(self, window: Window) -> Span | None:
        """Read what comes next; by compiled code where it is long, or the many-thousandth."""
        at, end = window.at, window.end
        if isinstance(self._rows, FewRows) or not isinstance(self._reader.marks, Patterns):
            return self._reader.read(window.data, at, end, window.is_last)
        self._n_read_singly += 1
        if self._n_read_singly < _MANY:
            is_all = end - at <= _LONG_BYTES
            stop = end if is_all else at + _LONG_BYTES
            span = self._reader.read(window.data, at, stop, is_all and window.is_last)
            if span is not None or is_all:
                return span
        from stedi.landing.marks_compiled import CompiledMarks  # which takes time to load

        self._reader.marks = CompiledMarks()
        return self._reader.read(window.data, at, end, window.is_last)

    def close(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """Finish both files; returns the paths of those that have rows."""
        return tuple(self._rows.close()), tuple(self._quarantine.close())


def pass_over(wrappers: Wrappers, window: Window) -> bool:
    """Pass over what stands around records; whether there is something else to look at then."""
    at = window.at
    try:
        behind = wrappers.behind(window.data, at, window.end, window.is_last)
    except Undecided:
        window.slide()
        return True
    if behind is not None:
        window.advance(behind, window.newlines(at, behind))
    return behind is not None


def _rows(contract: Contract, typed: ParquetFile | RowWriter) -> TypedRows | FewRows:
    if isinstance(typed, RowWriter):
        return FewRows(contract, typed)
    from stedi.landing.columns import TypedRows  # which loads the compiled scan

    return TypedRows(contract, typed)


def one_by_one(
    contract: Contract, path: Path, opener: Opener = open_local
) -> Iterator[tuple[int, int, Record | Piece]]:
    """The records of a file, valid or not, with byte offset and line; nothing is written."""
    nowhere = path.with_name(".nothing-is-written")
    few, none = RowWriter(nowhere, ()), RowWriter(nowhere, ())
    reader = FileReader(contract, few, none, 0, opener)
    with Window(path, None, 0, opener) as window:
        yield from reader._unclear(window, None, is_bad=False)

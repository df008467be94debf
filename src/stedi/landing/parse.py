"""The landing parser: raw files and a contract in; typed Parquet, pieces set aside and counts out.

One pass over each file. `stedi.landing.scan` reads what is clear at the speed of compiled code, and
stops where it isn't sure; `stedi.landing.records` then reads one piece, slowly and strictly. Files
are shared out among lanes, each of which writes one typed and one quarantine file.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Generic, Literal, TypeVar

import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi.contracts import Contract
from stedi.errors import LandingError
from stedi.landing.columns import prepare
from stedi.landing.files import LandingFile, landing_folder
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.reader import Counts, FileReader, is_large, range_begins
from stedi.parquet import Field, ParquetFile, RowWriter

Verdict = Literal["good", "bad", "accepted"]
FEW_RECORDS = 20
"""No share is taken of fewer records than these."""
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Target:
    """Where Parquet goes: a fresh folder, and the fields of its table."""

    folder: Path
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class ReadFile:
    """A file that was read, or found to be a copy: how many records it holds.

    `records` counts the pieces set aside too; `unknown_keys` counts records. A file is `bad` and
    was set aside whole if a greater share of it than its contract allows can't be read, but for
    one that is `accepted` all the same.
    """

    file: LandingFile
    fingerprint: str
    is_copy: bool = False
    records: int = 0
    unknown_keys: int = 0
    verdict: Verdict = "good"


@dataclass(frozen=True)
class Parsed:
    """What a load of one source gave."""

    files: tuple[ReadFile, ...]
    typed: tuple[Path, ...]
    quarantine: tuple[Path, ...]

    def remove(self) -> None:
        """Delete what was written."""
        for path in (*self.typed, *self.quarantine):
            path.unlink()


@dataclass(frozen=True)
class Job:
    """What a load of one source is to read, and where to write.

    `known` are the fingerprints of files read before, with their sizes, `accepted` those of files
    to be read however much of them is bad; `accepts_all` says that all are. `load` is the number
    that is noted with what is set aside.
    """

    files: Sequence[LandingFile]
    known: Mapping[str, int]
    load: int
    typed: Target
    quarantine: Target
    accepted: Container[str] = ()
    accepts_all: bool = False


class Parser:
    """Parses landing files of one source in this process, in as many lanes as there are cores.

    Of files with the same bytes only the first by name is read, the others are copies of it, and so
    are those whose fingerprint is known. Large files are read in byte ranges side by side.
    """

    def __init__(
        self, root: Path, contract: Contract, fingerprinter: Fingerprinter, pool: Executor
    ) -> None:
        assert contract.source is not None
        self._contract = contract
        self._folder = landing_folder(root, contract.source)
        self._fingerprinter = fingerprinter
        self._pool = pool
        self._queue = _Queue[LandingFile | _Range](iter(()))

    def begin(self, job: Job) -> None:
        """Begin to read the files in the background."""
        prepare()
        self._job = job
        self._copies: list[ReadFile] = []
        self._parts: list[_Part] = []
        sizes = Counter([*(file.size for file in job.files), *job.known.values()])
        # Only files of the same size can be copies of one another.
        alike = {file for file in job.files if sizes[file.size] > 1}
        self._prints = {
            file: self._pool.submit(self._fingerprint, file)
            for file in sorted(job.files)
            if file in alike or is_large(file.name, file.size)
        }
        self._queue = _Queue(self._items(alike))
        lanes = os.cpu_count() or 1
        if not any(is_large(file.name, file.size) for file in job.files):
            lanes = min(lanes, len(job.files))
        self._lanes = [self._pool.submit(self._lane, n, self._queue) for n in range(lanes)]

    def finish(self) -> Parsed:
        """What the files gave; raises `LandingError` if one can't be read or changed meanwhile."""
        shares = [lane.result() for lane in self._lanes]
        for file in sorted({part.range.file for part in self._parts}):
            shares.append(self._join(file))
        files = [file for share in shares for file in share.files]
        return Parsed(
            tuple(sorted((*files, *self._copies), key=lambda read: read.file)),
            tuple(path for share in shares for path in share.typed),
            tuple(path for share in shares for path in share.quarantine),
        )

    def stop(self) -> None:
        """Read no more than what is being read."""
        self._queue.stop()

    def _fingerprint(self, file: LandingFile) -> str:
        with _reading(self._folder / file.name) as path:
            return self._fingerprinter.of_file(path)

    def _items(self, alike: Container[LandingFile]) -> Iterator[LandingFile | _Range]:
        """The files that aren't copies; in the place of a large one its byte ranges."""
        seen = set(self._job.known)
        for number, file in enumerate(sorted(self._job.files)):
            if file in alike:
                fingerprint = self._prints[file].result()
                if fingerprint in seen:
                    self._copies.append(ReadFile(file, fingerprint, is_copy=True))
                    continue
                seen.add(fingerprint)
            if is_large(file.name, file.size):
                with _reading(self._folder / file.name) as path:
                    begins = range_begins(path, file.size)
                for begin, end in pairwise([*begins, file.size]):
                    yield _Range(file, f"{number}-{begin}", begin, end)
            else:
                yield file

    def _lane(self, number: int, items: Iterator[LandingFile | _Range]) -> Parsed:
        share = self._read_files(f"{number}", items, frozenset())
        bad = frozenset(read.file for read in share.files if read.verdict == "bad")
        if not bad:
            return share
        # What was loaded of them went into one file with the rest: read all of it again.
        share.remove()
        return self._read_files(f"{number}-again", [read.file for read in share.files], bad)

    def _read_files(
        self, name: str, items: Iterable[LandingFile | _Range], bad: Container[LandingFile]
    ) -> Parsed:
        """Read files one after another, of `bad` ones setting every record aside."""
        reader = self._reader(name)
        files = []
        for item in items:
            if isinstance(item, _Range):
                self._parts.append(self._read_range(item))
            else:
                files.append(self._read_file(reader, item, item in bad))
        return Parsed(tuple(files), *reader.close())

    def _reader(self, name: str) -> FileReader:
        job = self._job
        typed = ParquetFile(job.typed.folder / f"part-{name}.parquet", job.typed.fields)
        path = job.quarantine.folder / f"{self._contract.source}.{name}.parquet"
        aside = RowWriter(path, job.quarantine.fields)
        return FileReader(self._contract, typed, aside, job.load)

    def _read_file(self, reader: FileReader, file: LandingFile, is_bad: bool) -> ReadFile:
        is_known = file in self._prints
        digest = None if is_known else self._fingerprinter.begin()
        with _reading(self._folder / file.name) as path:
            counts = reader.read(path, file.name, digest, is_bad=is_bad)
            _refuse_changed(path, file)
        fingerprint = (
            self._prints[file].result() if digest is None else self._fingerprinter.end(digest)
        )
        return self._judged(file, fingerprint, [counts], is_bad)

    def _judged(
        self, file: LandingFile, fingerprint: str, parts: Sequence[Counts], is_bad: bool = False
    ) -> ReadFile:
        records, pieces = sum(p.records for p in parts), sum(p.pieces for p in parts)
        verdict: Verdict = "good"
        if is_bad or (records >= FEW_RECORDS and pieces > self._contract.max_bad_share * records):
            is_accepted = self._job.accepts_all or fingerprint in self._job.accepted
            verdict = "accepted" if is_accepted else "bad"
        unknown_keys = sum(part.unknown_keys for part in parts)
        return ReadFile(file, fingerprint, False, records, unknown_keys, verdict)

    def _read_range(self, item: _Range) -> _Part:
        reader = self._reader(item.name)
        with _reading(self._folder / item.file.name) as path:
            counts = reader.read(path, item.file.name, begin=item.begin, stop=item.end)
        return _Part(item, counts, Parsed((), *reader.close()))

    def _join(self, file: LandingFile) -> Parsed:
        """Put the ranges of a file together as if it had been read from end to end."""
        at, lines = 0, 0
        joined: list[_Part] = []
        for part in sorted(self._parts, key=lambda part: part.range.begin):
            if part.range.file != file:
                continue
            if part.range.begin != at:
                # The range before ends elsewhere: this one was begun inside a record.
                part.output.remove()
                if at >= part.range.end:
                    continue
                part = self._read_range(
                    replace(part.range, name=f"{part.range.name}-again", begin=at)
                )
            for path in part.output.quarantine:
                _count_lines_from(path, lines)
            at, lines = part.counts.end, lines + part.counts.lines
            joined.append(part)
        _refuse_changed(self._folder / file.name, file)
        fingerprint = self._prints[file].result()
        read = self._judged(file, fingerprint, [part.counts for part in joined])
        if read.verdict == "bad":
            for part in joined:
                part.output.remove()
            return self._read_files(f"{joined[0].range.name}-bad", [file], {file})
        return Parsed(
            (read,),
            tuple(path for part in joined for path in part.output.typed),
            tuple(path for part in joined for path in part.output.quarantine),
        )


@dataclass(frozen=True)
class _Range:
    """A byte range of a file; its records are those that begin in it."""

    file: LandingFile
    name: str
    begin: int
    end: int


@dataclass(frozen=True)
class _Part:
    """A range that was read."""

    range: _Range
    counts: Counts
    output: Parsed


def _count_lines_from(path: Path, lines: int) -> None:
    """Let the lines of pieces in a quarantine file count from so many lines further up."""
    if lines:
        rows = pq.read_table(path)
        place = rows.schema.get_field_index("line")
        moved = pc.add(rows.column(place), lines)
        rows = rows.set_column(place, rows.schema.field(place), moved)
        pq.write_table(rows, path, compression="zstd", compression_level=1)


class _Queue(Generic[_Item]):
    """Items that several threads may take, until there are none left or it is stopped."""

    def __init__(self, items: Iterator[_Item]) -> None:
        self._items, self._lock = items, threading.Lock()
        self._is_stopped = False

    def __iter__(self) -> Iterator[_Item]:
        return self

    def __next__(self) -> _Item:
        with self._lock:
            if self._is_stopped:
                raise StopIteration
            return next(self._items)

    def stop(self) -> None:
        """Let nobody take more."""
        self._is_stopped = True


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    try:
        yield path
    except OSError as error:
        raise LandingError(f"{path} can't be read: {error.strerror or error}") from None


def _refuse_changed(path: Path, file: LandingFile) -> None:
    try:
        stat = path.stat()
    except OSError:
        stat = None
    if stat is None or (stat.st_size, stat.st_mtime_ns) != (file.size, file.modified):
        raise LandingError(
            f"{path} changed while it was read; nothing of this load was kept. Deliver files "
            "under another name and rename them when they are whole, then run again"
        )

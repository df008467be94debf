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
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

from blake3 import blake3

from stedi.contracts import Contract
from stedi.errors import LandingError
from stedi.landing.columns import Rows, prepare
from stedi.landing.files import LandingFile, landing_folder
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.records import Piece, Record, RecordReader
from stedi.landing.window import Window
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
    are those whose fingerprint is known.
    """

    def __init__(
        self, root: Path, contract: Contract, fingerprinter: Fingerprinter, pool: Executor
    ) -> None:
        assert contract.source is not None
        self._contract = contract
        self._folder = landing_folder(root, contract.source)
        self._fingerprinter = fingerprinter
        self._pool = pool
        self._copies: list[ReadFile] = []
        self._lanes: list[Future[Parsed]] = []

    def begin(self, job: Job) -> None:
        """Begin to read the files in the background."""
        prepare()
        sizes = Counter([*(file.size for file in job.files), *job.known.values()])
        # Only files of the same size can be copies of one another.
        alike = {
            file: self._pool.submit(self._fingerprint, file)
            for file in sorted(job.files)
            if sizes[file.size] > 1
        }
        queue = _SharedIterator(self._fresh(job, alike))
        lanes = min(os.cpu_count() or 1, len(job.files))
        self._lanes = [self._pool.submit(self._lane, n, queue, job) for n in range(lanes)]

    def finish(self) -> Parsed:
        """What the files gave; raises `LandingError` if one can't be read or changed meanwhile."""
        shares = [lane.result() for lane in self._lanes]
        files = [file for share in shares for file in share.files]
        return Parsed(
            tuple(sorted((*files, *self._copies), key=lambda read: read.file)),
            tuple(path for share in shares for path in share.typed),
            tuple(path for share in shares for path in share.quarantine),
        )

    def _fingerprint(self, file: LandingFile) -> str:
        with _reading(self._folder / file.name) as path:
            return self._fingerprinter.of_file(path)

    def _fresh(
        self, job: Job, alike: Mapping[LandingFile, Future[str]]
    ) -> Iterator[tuple[LandingFile, str | None]]:
        """The files that aren't copies, with their fingerprints where these are known already."""
        seen = set(job.known)
        for file in sorted(job.files):
            fingerprint = alike[file].result() if file in alike else None
            if fingerprint is None or fingerprint not in seen:
                yield file, fingerprint
            else:
                self._copies.append(ReadFile(file, fingerprint, is_copy=True))
            seen.add(fingerprint or "")

    def _lane(
        self, number: int, files: Iterable[tuple[LandingFile, str | None]], job: Job
    ) -> Parsed:
        share = self._read_share(f"{number}", files, job, frozenset())
        bad = frozenset(read.file for read in share.files if read.verdict == "bad")
        if not bad:
            return share
        # What was loaded of them went into one file with the rest: read all of it again.
        for path in (*share.typed, *share.quarantine):
            path.unlink()
        again = [(read.file, read.fingerprint) for read in share.files]
        return self._read_share(f"{number}-again", again, job, bad)

    def _read_share(
        self,
        name: str,
        files: Iterable[tuple[LandingFile, str | None]],
        job: Job,
        bad: Container[LandingFile],
    ) -> Parsed:
        """Read files one after another; of `bad` ones every record is set aside."""
        typed = ParquetFile(job.typed.folder / f"part-{name}.parquet", job.typed.fields)
        path = job.quarantine.folder / f"{self._contract.source}.{name}.parquet"
        aside = RowWriter(path, job.quarantine.fields)
        reader = _FileReader(self._contract, typed, aside, job.load)
        read = [self._read(reader, *file, job, file[0] in bad) for file in files]
        return Parsed(tuple(read), *reader.close())

    def _read(
        self,
        reader: _FileReader,
        file: LandingFile,
        fingerprint: str | None,
        job: Job,
        is_bad: bool,
    ) -> ReadFile:
        with _reading(self._folder / file.name) as path:
            digest = self._fingerprinter.begin() if fingerprint is None else None
            counts = reader.read(path, file.name, digest, is_bad)
            _refuse_changed(path, file)
        if digest is not None:
            fingerprint = self._fingerprinter.end(digest)
        assert fingerprint is not None
        verdict: Verdict = "good"
        most = self._contract.max_bad_share * counts.records
        if is_bad or (counts.records >= FEW_RECORDS and counts.pieces > most):
            is_accepted = job.accepts_all or fingerprint in job.accepted
            verdict = "accepted" if is_accepted else "bad"
        return ReadFile(file, fingerprint, False, counts.records, counts.unknown_keys, verdict)


@dataclass(frozen=True)
class _Counts:
    """What a file holds: records, how many of them are pieces set aside, or have unknown keys."""

    records: int
    pieces: int
    unknown_keys: int


class _FileReader:
    """Reads files of one source one after another, into one typed and one quarantine file."""

    def __init__(self, contract: Contract, typed: ParquetFile, aside: RowWriter, load: int) -> None:
        self._source, self._load = contract.source, load
        self._typed, self._aside = typed, aside
        self._rows = Rows(contract.columns, typed)
        self._reader = RecordReader(contract)

    def read(self, path: Path, name: str, digest: blake3 | None, is_bad: bool) -> _Counts:
        """Read a file, feeding its bytes to `digest`; of a bad one every record is set aside."""
        records, unknown_keys = self._rows.records, self._rows.unknown_keys
        pieces = 0
        with Window(path, digest) as window:
            for offset, line, what in self._unclear(window, is_bad):
                if isinstance(what, Record):
                    self._rows.add(what)
                else:
                    place = (offset, len(what.raw), line)
                    row = (self._source, name, *place, what.reason, what.subject, what.raw)
                    self._aside.add((*row, self._load), 100 + len(what.raw))
                    pieces += 1
        loaded = self._rows.records - records
        return _Counts(loaded + pieces, pieces, self._rows.unknown_keys - unknown_keys)

    def _unclear(self, window: Window, is_bad: bool) -> Iterator[tuple[int, int, Record | Piece]]:
        """What scans leave, of a bad file all there is, with its byte offset and line."""
        window.slide()
        is_rest_aside = False
        while not (window.has_ended and window.at == window.end):
            if not is_bad:
                at, line = window.at, window.line
                scanned = self._rows.scan(window)
                for begin in scanned.misfits:
                    misfit = self._reader.read(window.data, begin, window.end, True)
                    assert misfit and misfit.what
                    yield window.offset + begin, line + window.newlines(at, begin), misfit.what
                if not scanned.is_unclear:
                    if window.at == window.end:
                        window.slide()
                    continue
            found = self._reader.read(window.data, window.at, window.end, window.is_last)
            if found is None:
                window.slide()
                continue
            what, offset = found.what, window.offset + found.begin
            line = window.line + window.newlines(window.at, found.begin)
            if is_bad and isinstance(what, Record):
                raw = bytes(window.data[found.begin : found.end])
                what = self._reader.piece("file set aside whole", raw)
            window.advance(found.end, window.newlines(window.at, found.end))
            if isinstance(what, Piece) and window.ends_damaged:
                what, is_rest_aside = replace(what, reason="archive damaged"), True
            if what is not None:
                yield offset, line, what
        if window.is_damaged and not is_rest_aside:
            yield window.offset + window.end, window.line, Piece("archive damaged", b"", None)

    def close(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """Finish both files; gives the paths of those that have rows."""
        self._rows.flush()
        return tuple(self._typed.close()), tuple(self._aside.close())


class _SharedIterator(Generic[_Item]):
    """An iterator that several threads may take items from."""

    def __init__(self, items: Iterator[_Item]) -> None:
        self._items, self._lock = items, threading.Lock()

    def __iter__(self) -> Iterator[_Item]:
        return self

    def __next__(self) -> _Item:
        with self._lock:
            return next(self._items)


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

"""The landing parser: raw files and a contract in; typed Parquet, quarantine and counts out.

One pass over each file. `stedi.landing.scan` reads what is clear at the speed of compiled code, and
stops where it isn't sure; `stedi.landing.records` then reads one record, slowly and strictly. Files
are shared out among a crew: each share makes one typed and one quarantine file.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi import parquet
from stedi.declared.contract import Contract
from stedi.declared.machinery import Verdict
from stedi.engines.crew import Crew
from stedi.landing import reader
from stedi.landing.files import LandingFile, Unreadable
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.oddities import Oddities
from stedi.landing.reader import Counts, FileReader, are_few, is_large, range_begins
from stedi.landing.reasons import FEW_RECORDS
from stedi.landing.window import ArchiveTooLarge, is_packed, packing_of
from stedi.parquet import ParquetFile, RowWriter, Target
from stedi.progress import advance
from stedi.roots import Files, Stat
from stedi.roots.names import landing_folder

_LEAST_SHARE_BYTES = 1 << 23
_PACKED_WEIGHT = 8
_SMALL_ARCHIVE = 1 << 26
"""Bytes that any archive may unpack to."""


@dataclass(frozen=True)
class ReadFile:
    """A file that was read, or found to be a copy: how many records it holds.

    `records` counts the quarantined records, too, which are `set_aside`; `unknown_keys` counts
    records. A file is `bad` and was quarantined whole if a greater share of it than its contract
    allows can't be read, but for one that is `accepted` all the same; so is a file of which nothing
    can. So many records are `repeated`: equal to one of the `earlier` files. `parts` names the
    typed files (without their suffix) that its records are in, among those of others maybe.
    """

    file: LandingFile
    fingerprint: str
    is_copy: bool = False
    records: int = 0
    unknown_keys: int = 0
    verdict: Verdict = "good"
    parts: tuple[str, ...] = ()
    set_aside: int = 0
    repeated: int = 0
    earlier: tuple[str, ...] = ()
    oddities: Oddities = field(default_factory=Counter)


@dataclass(frozen=True)
class Parsed:
    """What a load of one source gave."""

    files: tuple[ReadFile, ...]
    typed: tuple[Path, ...]
    quarantine: tuple[Path, ...]

    @classmethod
    def of(
        cls, files: Iterable[ReadFile], typed: Iterable[Path], quarantine: Iterable[Path]
    ) -> Parsed:
        """What reading these files gave, all of them together."""
        typed = tuple(typed)
        parts = tuple(path.stem for path in typed)
        return cls(tuple(replace(f, parts=parts) for f in files), typed, tuple(quarantine))

    def remove(self, files: Files) -> None:
        """Delete what was written."""
        files.remove([*self.typed, *self.quarantine])


@dataclass(frozen=True)
class Job:
    """What a load of one source is to read, and where to write.

    `known` are the fingerprints of files read before, with their sizes, `copies` the names of those
    that were found to be copies: they stay copies where all are read again. Bad files are read as
    far as they fit where `accept_bad_files`, and those in `accepted` in any case: by fingerprint,
    or by name where that was made with another secret. `load` is the number that is noted with what
    is quarantined, `are_few` says that records are read one by one.
    """

    files: Sequence[LandingFile]
    known: Mapping[str, int]
    load: int
    typed: Target
    quarantine: Target
    accepted: frozenset[str] = frozenset()
    accept_bad_files: bool = False
    are_few: bool = False
    copies: frozenset[str] = frozenset()


def parse(
    files: Files, contract: Contract, fingerprinter: Fingerprinter, crew: Crew, job: Job
) -> Parsed:
    """Read the files of a job, shared out among a crew.

    Of files with the same bytes only the first by name is read, but for those that were copies; the
    others are copies of it, and so are those whose fingerprint is known. Large files are read in
    byte ranges side by side.

    Raises `LandingError` if a file can't be read or changed meanwhile.
    """
    assert contract.source is not None
    # What travels doesn't grow with the landing zone.
    job_alone = replace(job, files=(), known={}, copies=frozenset(), are_few=are_few(job.files))
    reading = _Reading(files, contract, fingerprinter, job_alone)
    prints, copies = _fingerprints(reading, crew, job)
    distinct = [file for file in sorted(job.files) if file not in copies]
    if early := _arrived_earlier(prints, copies):
        distinct = [early.get(file, file) for file in distinct]
        prints = {early.get(file, file): fingerprint for file, fingerprint in prints.items()}
    large = [file for file in distinct if reading.is_large(file)]
    small = [file for file in distinct if file not in large]
    work: list[LandingFile | _Range | _Share] = [
        *(file for file in large if file not in prints),
        *(part for file in large for part in _ranges(reading, file)),
        *(_Share(f, tuple(prints.get(file) for file in f)) for f in _shares(small, crew.size)),
    ]
    results = crew.map(reading.do, work)
    prints |= {
        file: result
        for file, result in zip(work, results, strict=True)
        if isinstance(file, LandingFile) and isinstance(result, str)
    }
    parts = [part for part in results if isinstance(part, _Part)]
    shares = [share for share in results if isinstance(share, Parsed)]
    for file in large:
        ranges = [part for part in parts if part.range.file == file]
        shares.append(_join(reading, crew, ranges, prints[file]))
    parsed = Parsed(
        tuple(
            sorted(
                (*(r for s in shares for r in s.files), *copies.values()),
                key=lambda read: read.file,
            )
        ),
        tuple(path for share in shares for path in share.typed),
        tuple(path for share in shares for path in share.quarantine),
    )
    _remove_strays(reading, parsed)
    return parsed


def _fingerprints(
    reading: _Reading, crew: Crew, job: Job
) -> tuple[dict[LandingFile, str], dict[LandingFile, ReadFile]]:
    """The fingerprints of files that could be copies, and the files that are."""
    sizes = Counter([*(file.size for file in job.files), *job.known.values()])
    # Only files of the same size can be copies of one another.
    in_order = sorted(job.files, key=lambda file: (file.name in job.copies, file))
    candidates = [file for file in in_order if sizes[file.size] > 1]
    shares = _shares(candidates, crew.size)
    prints_of_shares = crew.map(reading.fingerprints, shares) if shares else []
    prints = {
        file: fingerprint
        for share, fingerprints in zip(shares, prints_of_shares, strict=True)
        for file, fingerprint in zip(share, fingerprints, strict=True)
    }
    seen, copies = set(job.known), {}
    for file in candidates:
        if prints[file] in seen:
            copies[file] = ReadFile(file, prints[file], is_copy=True, verdict="copy")
        seen.add(prints[file])
    return prints, copies


def _arrived_earlier(
    prints: Mapping[LandingFile, str], copies: Mapping[LandingFile, ReadFile]
) -> dict[LandingFile, LandingFile]:
    """Files of whose content a copy arrived before, as what arrived then."""
    first: dict[str, int] = {}
    for copy, read in copies.items():
        first[read.fingerprint] = min(copy.arrived, first.get(read.fingerprint, copy.arrived))
    return {
        file: replace(file, arrived=first[fingerprint])
        for file, fingerprint in prints.items()
        if file not in copies and first.get(fingerprint, file.arrived) < file.arrived
    }


def _shares(files: Sequence[LandingFile], crew_size: int) -> list[tuple[LandingFile, ...]]:
    """Files in their order, in shares of about the same weight, one for each of a crew or more."""
    weights = [file.size * (_PACKED_WEIGHT if is_packed(file.name) else 1) for file in files]
    # Not quite evenly, so that files of one size don't leave a share of one file.
    even = int(1.1 * sum(weights) / crew_size)
    most = min(max(_LEAST_SHARE_BYTES, even), 4 * reader.RANGE_BYTES)
    shares: list[list[LandingFile]] = []
    room = 0
    for file, weight in zip(files, weights, strict=True):
        if not shares or weight > room:
            shares.append([])
            room = most
        shares[-1].append(file)
        room -= weight
    return [tuple(share) for share in shares]


def _ranges(reading: _Reading, file: LandingFile) -> list[_Range]:
    with reading.reading(file) as path:
        begins = range_begins(path, file.size, reading.files.open)
    return [_Range(file, begin, end) for begin, end in pairwise([*begins, file.size])]


def _join(reading: _Reading, crew: Crew, parts: Sequence[_Part], fingerprint: str) -> Parsed:
    """Put the ranges of a file together as if it had been read from end to end."""
    at, lines = 0, 0
    joined: list[_Part] = []
    for part in sorted(parts, key=lambda part: part.range.begin):
        if part.range.begin != at:
            # The range before ends elsewhere: this one was begun inside a record.
            part.output.remove(reading.files)
            if at >= part.range.end:
                continue
            [part] = crew.map(reading.read_range, [replace(part.range, begin=at)])
        if lines and part.output.quarantine:
            moves = [(path, lines) for path in part.output.quarantine]
            moved = crew.map(reading.count_lines_from, moves)
            part = replace(part, output=replace(part.output, quarantine=tuple(moved)))
        at, lines = part.counts.end, lines + part.counts.lines
        joined.append(part)
    file = parts[0].range.file
    reading.refuse_changed(file)
    read = reading.judged(file, fingerprint, [part.counts for part in joined])
    if read.verdict == "bad" and read.set_aside < read.records:
        for part in joined:
            part.output.remove(reading.files)
        [parsed] = crew.map(reading.quarantine_all, [_Share((file,), (fingerprint,))])
        return parsed
    return Parsed.of(
        [read],
        (path for part in joined for path in part.output.typed),
        (path for part in joined for path in part.output.quarantine),
    )


def _remove_strays(reading: _Reading, parsed: Parsed) -> None:
    """Delete what shares have left that were begun twice."""
    job = reading.job
    written = {*parsed.typed, *parsed.quarantine}
    source = f"{reading.contract.source}."
    strays = [path for path, _ in reading.files.below(job.typed.folder) if path not in written]
    strays += [
        path
        for path, _ in reading.files.below(job.quarantine.folder)
        if path.name.startswith(source) and path not in written
    ]
    reading.files.remove(strays)


@dataclass(frozen=True)
class _Share:
    """Files to be read one after another, with their fingerprints where they are known."""

    files: tuple[LandingFile, ...]
    fingerprints: tuple[str | None, ...]


@dataclass(frozen=True)
class _Range:
    """A byte range of a file; its records are those that begin in it."""

    file: LandingFile
    begin: int
    end: int


@dataclass(frozen=True)
class _Part:
    """A range that was read."""

    range: _Range
    counts: Counts
    output: Parsed


@dataclass(frozen=True)
class _Reading:
    """Reads shares of a job's files; `job` is without its files here."""

    files: Files
    contract: Contract
    fingerprinter: Fingerprinter
    job: Job

    def do(self, part: LandingFile | _Range | _Share) -> str | _Part | Parsed:
        """Do a part of the work: a file is only fingerprinted."""
        if isinstance(part, LandingFile):
            return self.fingerprint(part)
        return self.read_range(part) if isinstance(part, _Range) else self.read_share(part)

    def is_large(self, file: LandingFile) -> bool:
        """Whether a file is read in ranges; no archive is, whatever its name."""
        if not is_large(file.name, file.size):
            return False
        with self.reading(file) as path:
            return packing_of(path, self.files.open) is None

    def fingerprint(self, file: LandingFile) -> str:
        """The fingerprint of a file."""
        with self.reading(file) as path:
            return self.fingerprinter.of_file(path, self.files.open)

    def fingerprints(self, files: Iterable[LandingFile]) -> list[str]:
        """The fingerprints of files."""
        return [self.fingerprint(file) for file in files]

    def read_share(self, share: _Share) -> Parsed:
        """Read files one after another; bad ones are quarantined whole."""
        unread: set[LandingFile] = set()
        parsed = self._read_files(share, frozenset(), unread)
        bad = frozenset(
            read.file
            for read in parsed.files
            if read.verdict == "bad" and read.set_aside < read.records
        )
        if not bad and not unread:
            return parsed
        # What was loaded of them went into one file with the rest: read all of it again.
        parsed.remove(self.files)
        return self._read_files(share, bad, unread)

    def quarantine_all(self, share: _Share) -> Parsed:
        """Quarantine every record of bad files."""
        return self._read_files(share, share.files, set())

    def read_range(self, part: _Range) -> _Part:
        """Read a byte range of a file."""
        reader = self._reader()
        with self.reading(part.file) as path:
            counts = reader.read(path, part.file, begin=part.begin, stop=part.end)
        advance(part.end - part.begin)
        return _Part(part, counts, Parsed((), *self._written(reader)))

    def judged(
        self, file: LandingFile, fingerprint: str, parts: Sequence[Counts], is_bad: bool = False
    ) -> ReadFile:
        """A file that was read in `parts`, with the verdict on it."""
        records, pieces = sum(p.records for p in parts), sum(p.pieces for p in parts)
        verdict: Verdict = "good" if records else "empty"
        is_bad |= records >= FEW_RECORDS and pieces > self.contract.max_bad_share * records
        if is_bad or (records and pieces == records):
            verdict = "accepted" if self._is_accepted(file, fingerprint) else "bad"
        return ReadFile(
            file,
            fingerprint,
            False,
            records,
            sum(part.unknown_keys for part in parts),
            verdict,
            set_aside=pieces,
            oddities=sum((part.oddities for part in parts), Counter()),
        )

    def _read_files(
        self, share: _Share, bad: Container[LandingFile], unread: set[LandingFile]
    ) -> Parsed:
        """Read files; to `unread` archives are added that turn out to be too large.

        Those that are in it already are quarantined, unless they are accepted all the same.
        """
        reader = self._reader()
        read = [
            self._read_file(reader, file, fingerprint, file in bad, unread)
            for file, fingerprint in zip(share.files, share.fingerprints, strict=True)
        ]
        return Parsed.of(read, *self._written(reader))

    def _written(self, reader: FileReader) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """The typed and the quarantine file of a reader, where all can see them."""
        typed, quarantine = reader.close()
        self.files.publish([*typed, *quarantine])
        return typed, quarantine

    def _read_file(
        self,
        reader: FileReader,
        file: LandingFile,
        fingerprint: str | None,
        is_bad: bool,
        unread: set[LandingFile],
    ) -> ReadFile:
        if file in unread:
            fingerprint = fingerprint or self.fingerprint(file)
            is_bad = not self._is_accepted(file, fingerprint)
        digest = self.fingerprinter.begin()
        with self.reading(file) as path:
            if file in unread and is_bad:
                counts = reader.set_aside_unread(file.name)
            else:
                most = None if file in unread else self._most_unpacked(file)
                try:
                    counts = reader.read(
                        path, file, None if fingerprint else digest, is_bad=is_bad, most=most
                    )
                except ArchiveTooLarge:
                    unread.add(file)  # and all is read again
                    return ReadFile(file, "")
            self.refuse_changed(file)
        advance(file.size)
        return self.judged(file, fingerprint or self.fingerprinter.end(digest), [counts], is_bad)

    def _most_unpacked(self, file: LandingFile) -> int:
        """The bytes that an archive may unpack to."""
        by_ratio = max(_SMALL_ARCHIVE, int(file.size * self.contract.max_unpacked_ratio))
        return min(by_ratio, self.contract.max_unpacked_bytes)

    def _is_accepted(self, file: LandingFile, fingerprint: str) -> bool:
        """Whether a file is loaded as far as it fits, however bad it is."""
        is_named = not self.job.accepted.isdisjoint((fingerprint, file.name))
        return is_named or self.job.accept_bad_files

    def _reader(self) -> FileReader:
        """Writes to files of its own, whatever other process reads the same."""
        job, name = self.job, secrets.token_hex(8)
        path = job.typed.folder / f"part-{name}.parquet"
        kind = RowWriter if job.are_few else ParquetFile
        typed = kind(path, job.typed.fields, self.contract.identifiers)
        path = job.quarantine.folder / f"{self.contract.source}.{name}.parquet"
        quarantine = RowWriter(path, job.quarantine.fields)
        return FileReader(self.contract, typed, quarantine, job.load, self.files.open)

    def count_lines_from(self, move: tuple[Path, int]) -> Path:
        """A quarantine file like this one, whose lines count from so many lines further up."""
        path, lines = move
        self.files.fetch([path])
        rows = parquet.read(path)
        place = rows.schema.get_field_index("line")
        moved = pc.add(rows.column(place), lines)
        rows = rows.set_column(place, rows.schema.field(place), moved)
        target = path.with_name(f"{path.name.split('.')[0]}.{secrets.token_hex(8)}.parquet")
        pq.write_table(rows, target, compression="zstd", compression_level=1)
        self.files.publish([target])
        return target

    @contextmanager
    def reading(self, file: LandingFile) -> Iterator[Path]:
        """The path of a file while it is read."""
        path = self._path(file)
        try:
            yield path
        except OSError as error:
            why = f"{self.files.name(path)} can't be read: {error.strerror or error}"
            raise Unreadable(why, found={path: why}) from None

    def refuse_changed(self, file: LandingFile) -> None:
        """Raise `LandingError` where a file is no longer what was listed."""
        path = self._path(file)
        if self.files.stat(path) != Stat(file.size, file.modified, file.changed):
            why = (
                f"{self.files.name(path)} changed while it was read; nothing of it was loaded. "
                "Deliver files under another name and rename them when they are whole, then run "
                "again"
            )
            raise Unreadable(why, found={path: why})

    def _path(self, file: LandingFile) -> Path:
        return landing_folder(self.files.root, str(self.contract.source)) / file.name

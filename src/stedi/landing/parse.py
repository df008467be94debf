"""The landing parser: raw files and a contract in; typed Parquet, pieces set aside and counts out.

Files are passed over once to find the lines that are not plain (`stedi.landing.lines`); DuckDB
reads the plain ones at full speed, `stedi.landing.records` the others. Where DuckDB sees anything
else than was established, or a value outside its range, the file is read again the slow way.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import zstandard

from stedi import parquet
from stedi.contracts import Column, Contract
from stedi.errors import LandingError
from stedi.landing.files import LandingFile, landing_folder
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.lines import Lines, Region, plain_pattern, read_lines
from stedi.landing.records import Piece, Record, read_region
from stedi.parquet import Field, RowWriter, literal, literals

_COMPRESSIONS: Mapping[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
_GLOB = frozenset("*?[")
_COPY_BLOCK = 1 << 20
_PACKED_BLOCK = 1 << 16


@dataclass(frozen=True)
class Target:
    """Where Parquet goes: a fresh folder, and the fields of its table."""

    folder: Path
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class ReadFile:
    """A file that was read, or found to be a copy: how many records it holds.

    `records` counts the pieces set aside too; `unknown_keys` counts records.
    """

    file: LandingFile
    fingerprint: str
    is_copy: bool = False
    records: int = 0
    unknown_keys: int = 0


@dataclass(frozen=True)
class Parsed:
    """What a load of one source gave."""

    files: tuple[ReadFile, ...]
    typed: tuple[Path, ...]
    quarantine: tuple[Path, ...]


class Parser:
    """Parses the landing files of one source in this process.

    `scratch` is a folder for what is only needed meanwhile, `pool` runs first passes side by side.
    """

    def __init__(
        self,
        root: Path,
        contract: Contract,
        fingerprinter: Fingerprinter,
        scratch: Path,
        pool: Executor,
    ) -> None:
        assert contract.source is not None
        self._contract, self._source = contract, contract.source
        self._folder = landing_folder(root, contract.source)
        self._fingerprinter = fingerprinter
        self._scratch = scratch / contract.source
        self._pattern = plain_pattern(contract.columns)
        self._pool = pool
        self._begun: dict[LandingFile, Future[_Inspected]] = {}

    def begin(self, files: Sequence[LandingFile]) -> None:
        """Begin the first pass over `files` in the background."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        for file in files:
            if file not in self._begun:
                self._begun[file] = self._pool.submit(self._inspect, file, len(self._begun))

    def parse(
        self,
        files: Sequence[LandingFile],
        known: Iterable[str],
        load: int,
        typed: Target,
        quarantine: Target,
    ) -> Parsed:
        """Read `files`, but for those whose fingerprints are `known` or that repeat one another.

        Raises `LandingError` for a file that can't be read or changes meanwhile.
        """
        self.begin(files)
        inspected = [self._begun[file].result() for file in files]
        seen = set(known)
        fresh: list[_Inspected] = []
        results: list[ReadFile] = []
        for one in inspected:
            if one.fingerprint in seen:
                results.append(ReadFile(one.file, one.fingerprint, is_copy=True))
            else:
                seen.add(one.fingerprint)
                fresh.append(one)
        plain, fresh = self._write_plain(fresh, typed)
        mended = RowWriter(typed.folder / "mended.parquet", typed.fields)
        aside = RowWriter(quarantine.folder / f"{self._source}.parquet", quarantine.fields)
        results += [self._read_rest(one, load, mended, aside) for one in fresh]
        for one in inspected:
            self._refuse_changed(one.file)
        return Parsed(tuple(results), (*plain, *mended.close()), tuple(aside.close()))

    def _inspect(self, file: LandingFile, number: int) -> _Inspected:
        path = self._folder / file.name
        try:
            if path.suffix not in _COMPRESSIONS:
                digest = self._fingerprinter.begin()
                lines = read_lines(path, self._pattern, digest)
                return _Inspected(file, path, self._fingerprinter.end(digest), lines)
            plain_path = self._scratch / f"{number}.json"
            rest = _decompress(path, path.suffix, plain_path)
            lines = read_lines(plain_path, self._pattern)
            return _Inspected(file, plain_path, self._fingerprinter.of_file(path), lines, rest)
        except OSError as error:
            raise LandingError(f"{path} can't be read: {error.strerror or error}") from None

    def _write_plain(
        self, files: list[_Inspected], target: Target
    ) -> tuple[list[Path], list[_Inspected]]:
        """Write the plain lines of all files; gives the paths, and the files with what is left."""
        readable = [file for file in files if file.lines.plain]
        if not readable:
            return [], files
        connection = parquet.connect(self._scratch)
        path = target.folder / "plain.parquet"
        query = self._query([self._plain_lines(file) for file in readable])
        try:
            rows = parquet.write_query(connection, query, target.fields, path)
            if rows == sum(file.lines.plain for file in readable) and not self._misfits(
                connection, f"read_parquet({literal(str(path))})"
            ):
                return [path], files
        except duckdb.Error:
            pass  # one of the files is not what it seemed; find out which
        path.unlink(missing_ok=True)
        trusted = {file for file in readable if self._is_as_established(connection, file)}
        doubtful = [f if f in trusted or f not in readable else f.wholly_unclear() for f in files]
        paths: list[Path] = []
        if trusted:
            query = self._query([self._plain_lines(file) for file in trusted])
            parquet.write_query(connection, query, target.fields, path)
            paths.append(path)
        return paths, doubtful

    def _is_as_established(self, connection: duckdb.DuckDBPyConnection, file: _Inspected) -> bool:
        lines = self._query([self._plain_lines(file)])
        try:
            [(rows,)] = connection.execute(f"SELECT COUNT(*) FROM ({lines})").fetchall()
            return bool(rows == file.lines.plain) and not self._misfits(connection, f"({lines})")
        except duckdb.Error:
            return False

    def _misfits(self, connection: duckdb.DuckDBPyConnection, rows: str) -> int:
        """How many of `rows` have a value that the contract doesn't allow."""
        conditions = [text for column in self._contract.columns for text in _conditions(column)]
        if not conditions:
            return 0
        fits = " AND ".join(conditions)
        [(misfits,)] = connection.execute(
            f"SELECT COUNT(*) FROM {rows} WHERE NOT COALESCE({fits}, true)"
        ).fetchall()
        return int(misfits)

    def _query(self, paths: Sequence[Path]) -> str:
        types = {"long": "BIGINT", "double": "DOUBLE", "string": "VARCHAR"}
        columns = ", ".join(
            f"{literal(c.json_key or c.name)}: '{types[c.type]}'" for c in self._contract.columns
        )
        # DuckDB matches names of columns without regard to case: what comes out is in lower case.
        return (
            f"SELECT * FROM read_json({literals(map(str, paths))}, format = 'newline_delimited', "
            f"compression = 'none', columns = {{{columns}}})"
        )

    def _plain_lines(self, file: _Inspected) -> Path:
        """A file that holds the plain lines alone, under a name that DuckDB takes literally."""
        if file.lines.regions:
            path = self._scratch / f"{_safe_name(file.file)}.plain"
            if not path.exists():
                _copy_without(file.path, file.lines.regions, path)
            return path
        if _GLOB & set(str(file.path)):
            path = self._scratch / f"{_safe_name(file.file)}.link"
            if not path.is_symlink():
                path.symlink_to(file.path.resolve())
            return path
        return file.path

    def _read_rest(
        self, file: _Inspected, load: int, typed: RowWriter, quarantine: RowWriter
    ) -> ReadFile:
        records, unknown_keys = file.lines.plain, 0
        for found in self._rest(file):
            records += 1
            if isinstance(found, Record):
                typed.add(found.values, 16 * len(found.values))
                unknown_keys += found.has_unknown_keys
            else:
                place = (found.offset, len(found.raw), found.line)
                what = (found.reason, found.subject, found.raw)
                row = (self._source, file.file.name, *place, *what, load)
                quarantine.add(row, 100 + len(found.raw))
        return ReadFile(file.file, file.fingerprint, False, records, unknown_keys)

    def _rest(self, file: _Inspected) -> Iterator[Record | Piece]:
        if file.lines.regions:
            with (
                file.path.open("rb") as handle,
                mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data,
            ):
                for region in file.lines.regions:
                    yield from read_region(data, region, self._contract)
        if file.rest is not None:
            yield file.rest

    def _refuse_changed(self, file: LandingFile) -> None:
        path = self._folder / file.name
        try:
            stat = path.stat()
        except OSError:
            stat = None
        if stat is None or (stat.st_size, stat.st_mtime_ns) != (file.size, file.modified):
            raise LandingError(
                f"{path} changed while it was read; nothing of this load was kept. Deliver files "
                "under another name and rename them when they are whole, then run again"
            )


@dataclass(frozen=True)
class _Inspected:
    """A file after the first pass; `path` is where its content lies uncompressed."""

    file: LandingFile
    path: Path
    fingerprint: str
    lines: Lines
    rest: Piece | None = None

    def wholly_unclear(self) -> _Inspected:
        """The same file with no line taken for plain."""
        whole = Region(0, self.path.stat().st_size, 1)
        return replace(self, lines=Lines(0, (whole,)))


def _conditions(column: Column) -> Iterator[str]:
    name = parquet.identifier(column.name)
    if column.type == "double":
        yield f"isfinite({name})"
    if column.minimum is not None:
        yield f"{name} >= {column.minimum}"
    if column.maximum is not None:
        yield f"{name} <= {column.maximum}"
    if column.min_length is not None:
        yield f"length({name}) >= {column.min_length}"
    if column.max_length is not None:
        yield f"length({name}) <= {column.max_length}"
    if column.pattern is not None:
        yield f"regexp_matches({name}, {literal(column.pattern)})"


def _decompress(path: Path, compression: str, target: Path) -> Piece | None:
    """Unpack to `target`; of a damaged archive the whole lines, and the piece that is the rest."""
    with target.open("w+b") as out:
        try:
            for block in _unpacked(path, _COMPRESSIONS[compression]):
                out.write(block)
            return None
        except (EOFError, zlib.error, zstandard.ZstdError):
            out.flush()
        if out.tell() == 0:
            return Piece(0, 1, "archive damaged", b"", None)
        with mmap.mmap(out.fileno(), 0) as data:
            whole = data.rfind(b"\n") + 1
            rest, line = data[whole:], data[:whole].count(b"\n") + 1
        out.truncate(whole)
        return Piece(whole, line, "archive damaged", rest, None)


def _unpacked(path: Path, make: Callable[[], Any]) -> Iterator[bytes]:
    """The content of an archive of one or more frames; raises at the place where it is damaged."""
    frame, begun = make(), False
    with path.open("rb") as file:
        while packed := file.read(_PACKED_BLOCK):
            while packed:
                begun = True
                yield frame.decompress(packed)
                packed = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, begun = make(), False
    if begun:
        raise EOFError


def _copy_without(path: Path, regions: Sequence[Region], target: Path) -> None:
    with path.open("rb") as source, target.open("wb") as out:
        for region in regions:
            _copy(source.fileno(), out.fileno(), source.tell(), region.offset)
            source.seek(region.offset + region.length)
        _copy(source.fileno(), out.fileno(), source.tell(), os.fstat(source.fileno()).st_size)


def _copy(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        block = os.pread(source, min(_COPY_BLOCK, end - begin), begin)
        os.write(target, block)
        begin += len(block)


def _safe_name(file: LandingFile) -> str:
    return file.name.encode().hex()[-200:] + f"-{file.size}"

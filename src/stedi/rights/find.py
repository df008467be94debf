"""Finds a person's records in a lakehouse: raw files, tables with their snapshots, quarantine.

Typed tables that are up to date show which raw files have records of the person. These files, and
all that no run has read, are then read as the landing parser reads them.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stedi.arrays import Int64s
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import LandingError
from stedi.landing.locate import Place, by_name, locate
from stedi.landing.records import Piece, Record
from stedi.rights.index import Index
from stedi.rights.lines import Lines
from stedi.rights.links import Shared, linked
from stedi.rights.mentions import (
    Mention,
    mentions_in,
    pieces_mentioning,
    together,
    wanted_pieces,
)
from stedi.rights.rows import read_rows, wanted_rows
from stedi.rights.subjects import Identity, deciding, kinds
from stedi.rights.traces import Looking
from stedi.rights.versions import InVersion, RowsOf, Versions
from stedi.rights.wanted import Wanted, has_name, identifiers
from stedi.roots import Files, Stat
from stedi.roots.names import landing_folder
from stedi.storage.suspensions import SUSPENDED
from stedi.storage.warehouse import DataFile, Warehouse

Progress = Callable[[str], None]
_Raw = tuple[Contract, Path, Stat]


@dataclass(frozen=True)
class InLanding:
    """Records of theirs in a raw file, as places in its content once unpacked.

    `stat` is what was known of the file when it was read; `name` is its path below the source's
    landing folder. `is_named` says that the name itself has an identifier. `fingerprint` is that of
    the file, where it is known without reading it again.
    """

    source: str
    name: str
    path: Path
    stat: Stat
    places: tuple[Place, ...]
    is_damaged: bool
    is_named: bool = False
    fingerprint: str | None = None

    @property
    def records(self) -> int:
        """How many of the places are valid records."""
        return sum(isinstance(place.content, Record) for place in self.places)

    @property
    def pieces(self) -> int:
        """How many are invalid records."""
        return len(self.places) - self.records


@dataclass(frozen=True)
class InTable:
    """Rows of theirs in a data file of a table, counted from 0; `snapshots` refer to the file.

    `is_current` says whether the newest snapshot is among them.
    """

    table: str
    file: DataFile
    rows: Int64s = field(compare=False)
    snapshots: tuple[int, ...]
    is_current: bool


@dataclass(frozen=True)
class Found:
    """What is held of who is asked for; `identities` are theirs, linked ones included.

    `spelled` counts rows and records under identifiers that differ by case, spaces or Unicode form
    alone, by kind and value: they are nobody's who is asked for. `kept` counts rows of the typed
    tables and raw records that stay since they are others', by kind and value of what is shared.
    `state` changes whenever what was looked at does. `mentions` are records of others that have an
    identifier, where they were looked for: rows of typed tables as they are now, and records of raw
    files that say what these tables don't have, quarantined ones included. `versions` are what a
    bucket keeps of files as they were before, where that was looked into.
    """

    identities: tuple[Identity, ...]
    shared: tuple[Shared, ...]
    landing: tuple[InLanding, ...]
    tables: tuple[InTable, ...]
    spelled: Mapping[tuple[str, str], int]
    kept: Mapping[tuple[str, str], int]
    state: tuple[object, ...]
    mentions: tuple[Mention, ...] = ()
    versions: tuple[InVersion, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not (self.landing or self.tables or self.versions)


def find(
    warehouse: Warehouse,
    declarations: Declarations,
    asked: Sequence[Identity],
    *,
    keep_shared: bool = True,
    is_closed: bool = False,
    with_mentions: bool = False,
    versions: Versions | None = None,
    progress: Progress = lambda _: None,
) -> Found:
    """Find all that is held of who is asked for; nothing is written.

    Where it `is_closed`, what they have is not looked for: all of it is asked for. Mentions of them
    in others' records are looked for `with_mentions`, and in earlier `versions` where given.

    Raises `UsageError` where it isn't clear who is meant, `LandingError` and `StorageError` for
    what can't be read.
    """
    finding = _Finding(warehouse, declarations, versions, progress)
    return finding.find(asked, keep_shared, is_closed, with_mentions)


def state_of(warehouse: Warehouse, declarations: Declarations) -> tuple[object, ...]:
    """What there is in the lakehouse, as far as listings and newest snapshots know."""
    versions = (warehouse.version(table) for table in declarations.locations)
    snapshots = tuple(version.snapshot_id if version else None for version in versions)
    listed = (_listed(warehouse.files, contract) for contract in declarations.landing)
    return (snapshots, *(tuple(sorted(files.items())) for files in listed))


def _listed(files: Files, contract: Contract) -> dict[Path, Stat]:
    """Every file in a source's landing folder, also those that runs pass over."""
    return dict(files.delivered(landing_folder(files.root, str(contract.source)), hidden=True))


class _Finding:
    def __init__(
        self,
        warehouse: Warehouse,
        declarations: Declarations,
        versions: Versions | None,
        progress: Progress,
    ) -> None:
        self._warehouse, self._declarations, self._versions = warehouse, declarations, versions
        self._files, self._progress = warehouse.files, progress
        self._known = kinds(declarations)
        self._spelled: Counter[tuple[str, str]] = Counter()
        self._kept: Counter[tuple[str, str]] = Counter()
        self._looking: Looking | None = None
        self._mentions: list[Mention] = []
        self._state = state_of(warehouse, declarations)
        self._listed = {c.name: _listed(self._files, c) for c in declarations.landing}
        self._index = Index(warehouse, declarations)

    def find(
        self, asked: Sequence[Identity], keep_shared: bool, is_closed: bool, with_mentions: bool
    ) -> Found:
        identities, shared = tuple(asked), tuple[Shared, ...]()
        if not is_closed:
            self._progress("looking up who is asked for, and what they have")
            identities, shared = linked(
                asked, self._declarations, self._known, self._link_rows, keep_shared=keep_shared
            )
        if with_mentions and (alone := identifiers(identities)):
            self._looking = Looking(alone)
        tables = [*self._in_tables(identities)]
        landing = self._in_landing(identities, tables)
        if self._looking:
            self._mentions += self._mentioned(identities, self._looking)
        return Found(
            identities, shared, tuple(landing), tuple(tables), dict(self._spelled),
            dict(self._kept), self._state, together(self._mentions),
            tuple(self._in_versions(identities)),
        )  # fmt: skip

    def _link_rows(
        self, contract: Contract, values: Mapping[str, Collection[str]]
    ) -> Iterator[Mapping[str, object]]:
        """Rows of a landing table with some identifiers: typed ones, and those not read yet."""
        version = self._warehouse.version(contract.name)
        times = {contract.changed_at, contract.entered_at} - {None}
        names = [c.name for c in contract.delivered if c.subject or c.name in times]
        for file in version.files if version else ():
            rows = read_rows(self._files, file, names)
            hits = [
                pc.is_in(rows.column(name), value_set=pa.array(sorted(sought), pa.string()))
                for name, sought in values.items()
                if name in rows.column_names
            ]
            for hit in hits:
                yield from rows.filter(hit).to_pylist()
        sought = _Rows(values)
        for path in self._listed[contract.name]:
            if not self._index.has_read(contract, path, self._listed[contract.name][path]):
                located = locate(path, contract, sought, self._files.open, size=self._size(path))
                for place in located.places:
                    if isinstance(place.content, Record):
                        yield by_name(contract, place.content)
        for kept in self._versions.in_landing(contract, sought) if self._versions else ():
            for place in kept.places:
                if isinstance(place.content, Record):
                    yield by_name(contract, place.content)

    def _in_versions(self, identities: Sequence[Identity]) -> Iterator[InVersion]:
        if not self._versions:
            return
        self._progress(f"looking through {len(self._versions):,} versions that the storage keeps")
        for contract in self._declarations.landing:
            wanted = Wanted(contract, identities, self._known)
            yield from self._versions.in_landing(contract, wanted)
        for table, rows_of in self._lookers(identities):
            yield from self._versions.in_table(table, rows_of)

    def _in_tables(self, identities: Sequence[Identity]) -> Iterator[InTable]:
        for table, rows_of in self._lookers(identities):
            self._progress(f"looking through the files of {table}")
            yield from self._through(table, rows_of)

    def _lookers(self, identities: Sequence[Identity]) -> Iterator[tuple[str, RowsOf]]:
        """What looks for their rows in a data file, by table."""
        for contract in self._declarations.contracts.values():
            if deciding(contract, self._known):
                yield contract.name, self._in_table(contract, identities)
        yield "quarantine", self._in_quarantine(identities)
        yield SUSPENDED, self._in_suspended(identities)
        yield "loads", self._in_loads(identities)

    def _in_table(self, contract: Contract, identities: Sequence[Identity]) -> RowsOf:
        def rows_of(file: DataFile, is_current: bool) -> Int64s:
            wanted = Wanted(contract, identities, self._known)
            counts = is_current and contract.zone == "landing"
            looking = self._looking if counts else None
            rows = wanted_rows(self._files, file, wanted, respelled=counts, looking=looking)
            if wanted.mentions:
                name = file.path.relative_to(self._files.root).as_posix()
                self._mentions.append(Mention(name, wanted.mentions))
            if counts:
                self._spelled.update(wanted.spelled)
                self._kept.update(wanted.spared)
            return rows

        return rows_of

    def _in_quarantine(self, identities: Sequence[Identity]) -> RowsOf:
        wanted: dict[str | None, Wanted] = {
            contract.source: Wanted(contract, identities, self._known)
            for contract in self._declarations.landing
        }

        def rows_of(file: DataFile, is_current: bool) -> Int64s:
            rows = read_rows(self._files, file, ["source", "file", "subject", "raw"])
            theirs = wanted_pieces(rows, wanted, identities)
            if is_current and self._looking:
                self._mentions += pieces_mentioning(self._files, rows, theirs, self._looking)
            hits = np.flatnonzero(theirs).astype(np.int64)
            for of_source in wanted.values():
                if is_current:
                    self._spelled.update(of_source.spelled)
                of_source.spelled.clear()
            return hits

        return rows_of

    def _in_suspended(self, identities: Sequence[Identity]) -> RowsOf:
        """People whose consent is suspended."""
        sought = {identity.value for identity in identities if not identity.spared}

        def rows_of(file: DataFile, is_current: bool) -> Int64s:
            subjects = read_rows(self._files, file, ["subject"]).column(0).to_pylist()
            return _where(subject in sought for subject in subjects)

        return rows_of

    def _in_loads(self, identities: Sequence[Identity]) -> RowsOf:
        """Names of raw files, also of those that are gone."""

        def rows_of(file: DataFile, is_current: bool) -> Int64s:
            names = read_rows(self._files, file, ["file"]).column(0).to_pylist()
            return _where(has_name(name, identities) for name in names)

        return rows_of

    def _through(self, table: str, rows_of: RowsOf) -> Iterator[InTable]:
        """Look through every file that some snapshot of a table refers to."""
        snapshots = self._warehouse.snapshots(table)
        newest = next(reversed(snapshots), None)
        holders: dict[DataFile, list[int]] = {}
        for snapshot, files in snapshots.items():
            for file in files:
                holders.setdefault(file, []).append(snapshot)
        for file, ids in holders.items():
            rows = rows_of(file, newest in ids)
            if len(rows):
                yield InTable(table, file, rows, tuple(ids), newest in ids)

    def _in_landing(
        self, identities: Sequence[Identity], tables: Sequence[InTable]
    ) -> list[InLanding]:
        holding = {
            contract.name: [t.file for t in tables if t.table == contract.name and t.is_current]
            for contract in self._declarations.landing
        }
        work = [
            (contract, path, stat)
            for contract in self._declarations.landing
            for path, stat in sorted(self._listed[contract.name].items())
            if self._index.may_have(contract, path, stat, holding[contract.name])
        ]
        read = len(work)
        self._progress(f"reading {read:,} raw file{'' if read == 1 else 's'}")
        lines = {
            contract.name: Lines(contract, Wanted(contract, identities, self._known))
            for contract in self._declarations.landing
        }

        def by_lines(item: _Raw) -> InLanding | None:
            contract, path, stat = item
            if not self._index.is_plain(contract, path, stat):
                return None
            with self._reading(path):
                places = lines[contract.name].find(path)
            return None if places is None else replace(hit(item), places=tuple(places))

        def whole(item: _Raw) -> InLanding:
            contract, path, stat = item
            wanted = Wanted(contract, identities, self._known)
            with self._reading(path):
                found = locate(path, contract, wanted, self._files.open, size=stat.size)
            if not self._index.has_read(contract, path, stat):
                with counting:
                    self._spelled.update(wanted.spelled)
                    self._kept.update(wanted.spared)
            return replace(hit(item), places=found.places, is_damaged=found.is_damaged)

        def hit(item: _Raw) -> InLanding:
            contract, path, stat = item
            source = str(contract.source)
            name = path.relative_to(landing_folder(self._files.root, source)).as_posix()
            return InLanding(
                source, name, path, stat, (), False, has_name(name, identities),
                self._index.fingerprint(contract, path, stat),
            )  # fmt: skip

        counting = threading.Lock()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = [*pool.map(by_lines, work)]
            unclear = [n for n, one in enumerate(found) if one is None]
            for n, one in zip(unclear, pool.map(whole, [work[n] for n in unclear]), strict=True):
                found[n] = one
            uneven = self._uneven(work, found, tables)
            again = [n for n in range(read) if n not in {*unclear} and work[n][0].name in uneven]
            for n, one in zip(again, pool.map(whole, [work[n] for n in again]), strict=True):
                found[n] = one
        hits = {one.path: one for one in found if one and (one.places or one.is_named)}
        for contract in self._declarations.landing:
            for path, stat in self._listed[contract.name].items():
                name = path.relative_to(landing_folder(self._files.root, str(contract.source)))
                if has_name(name.as_posix(), identities):
                    hits.setdefault(path, hit((contract, path, stat)))
        return [hits[path] for path in sorted(hits)]

    def _mentioned(self, identities: Sequence[Identity], looking: Looking) -> Iterator[Mention]:
        """What records of others say of them in raw files, and no typed table has."""
        work = [
            (contract, path)
            for contract in self._declarations.landing
            for path, stat in sorted(self._listed[contract.name].items())
            if self._index.may_mention(contract, path, stat)
        ]
        if work:
            files = "1 raw file" if len(work) == 1 else f"{len(work):,} raw files"
            self._progress(f"looking in {files} for records of others that mention them")

        def mentions(item: tuple[Contract, Path]) -> Mention | None:
            contract, path = item
            wanted = Wanted(contract, identities, self._known)
            with self._reading(path):
                stat = self._listed[contract.name][path]
                # Those that a run has read lie in the quarantine.
                is_read = self._index.has_read(contract, path, stat)
                return mentions_in(
                    self._files, path, contract, wanted, looking, with_pieces=not is_read
                )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from (found for found in pool.map(mentions, work) if found)

    def _uneven(
        self, work: Sequence[_Raw], found: Sequence[InLanding | None], tables: Sequence[InTable]
    ) -> set[str]:
        """Landing tables that have more rows of theirs than records were found, or fewer."""
        counts = Counter[str]()
        for table in tables:
            if table.is_current:
                counts[table.table] -= len(table.rows)
        for (contract, path, stat), one in zip(work, found, strict=True):
            is_read = self._index.has_read(contract, path, stat)
            if one and is_read and not self._index.is_copy(contract, path):
                counts[contract.name] += one.records
        return {contract.name for contract in self._declarations.landing if counts[contract.name]}

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LandingError(
                f"{self._files.name(path)} can't be read: {error.strerror or error}"
            ) from None

    def _size(self, path: Path) -> int | None:
        stat = self._files.stat(path)
        return stat.size if stat else None


@dataclass
class _Rows:
    """Records that have one of some values in a column."""

    values: Mapping[str, Collection[str]]

    @property
    def columns(self) -> Sequence[str]:
        return [*self.values]

    def among(self, column: str, values: Sequence[str]) -> Sequence[bool]:
        return [value in self.values[column] for value in values]

    def record(self, values: Mapping[str, object]) -> bool:
        return any(values[column] in sought for column, sought in self.values.items())

    def piece(self, _: Piece) -> bool:
        return False


def _where(hits: Iterable[bool]) -> Int64s:
    return np.flatnonzero(np.array([*hits], np.bool_)).astype(np.int64)

"""Removes the rows of erased people from the typed tables, and nothing else.

The search has found which rows of which files are theirs, so no raw file is read again. Row groups
without such rows are copied as they are, and `loads` gets the new fingerprints of the raw files.
That is only done if nothing has changed since the search, all records of the raw files are valid,
and as many rows are removed as records were. Any other table is left as it is, and the run that
follows reads its raw files again.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from stedi.arrays import Bools, Int64s
from stedi.declared.contract import Contract, Rule
from stedi.declared.machinery import MACHINERY
from stedi.engines.crew import Threads
from stedi.landing.loads import Load, read_loads
from stedi.landing.removal import Removed
from stedi.parquet import ParquetFile, RowWriter, Target
from stedi.parquet.splice import copy_lacking
from stedi.roots import Files
from stedi.roots.names import landing_folder
from stedi.run.changes import Touched
from stedi.run.forget import Cut, Erasure
from stedi.run.incremental import counts_rows_of, read_as
from stedi.run.options import Built
from stedi.run.rules import count, hold_to_contract
from stedi.run.work import Work
from stedi.sql.tree import tables_read
from stedi.storage.notes import LandingNotes, LoadsNotes, Note, notes_of
from stedi.storage.warehouse import DataFile, Version, damage, short_name

_GONE, _CAME = "_gone_{}", "_came_{}"
REASON = "people were forgotten"


def take_rows(
    work: Work, erasure: Erasure, taken: Sequence[Removed], scratch: Path
) -> dict[str, Touched]:
    """Take rows out of typed tables; returns how those changed that were done.

    `taken` are the raw files that the erasure has just written. The removed rows lie in the folder
    `scratch` while the engine may read them. Raises `StorageError`, `OSError`.
    """
    taking = _Taking(work, erasure, taken, scratch)
    return taking.take() if taking.noted is not None else {}


class _Taking:
    def __init__(
        self, work: Work, erasure: Erasure, taken: Sequence[Removed], scratch: Path
    ) -> None:
        self._work, self._warehouse, self._erasure = work, work.warehouse, erasure
        self._scratch = scratch
        self._files, self._declarations = work.warehouse.files, work.declarations
        self._taken = taken
        self._loads: dict[tuple[str, str], Load] = {}
        self._with_pieces: set[tuple[str, str]] = set()
        self.noted = self._read_noted()
        """What the last run noted with its loads; None where it can't be relied on."""

    def take(self) -> dict[str, Touched]:
        touched: dict[str, Touched] = {}
        contents: dict[str, int] = {}
        for contract in self._declarations.landing:
            before = self._warehouse.version(contract.name)
            cut = self._cut(contract, before)
            if before is None or cut is None:
                continue
            now, change = self._take_out(contract, before)
            contents[contract.name] = now.content
            if change is not None:
                touched[contract.name] = change
            self._loads.update(((str(contract.source), load.file), load) for load in cut)
            self._drop_parts(contract, now)
        if contents:
            self._commit_loads(contents)
        return touched

    def _read_noted(self) -> LoadsNotes | None:
        loads, quarantine = self._warehouse.version("loads"), self._warehouse.version("quarantine")
        notes = loads.notes if loads else None
        if loads is None or quarantine is None or not isinstance(notes, LoadsNotes):
            return None
        is_whole = notes.quarantine == quarantine.content
        if not is_whole or damage(self._files, loads) or damage(self._files, quarantine):
            return None
        for load in read_loads(self._files, [file.path for file in loads.files]):
            self._loads[load.source, load.file] = load
        self._files.fetch([file.path for file in quarantine.files])
        for file in quarantine.files:
            with pq.ParquetFile(file.path) as opened:
                rows = opened.read(["source", "file"])
            self._with_pieces |= {*zip(*(rows.column(n).to_pylist() for n in (0, 1)), strict=True)}
        return notes

    def _cut(self, contract: Contract, version: Version | None) -> list[Load] | None:
        """The loads of raw files as they are now, of a table that can be updated."""
        rows = self._erasure.typed.get(contract.name)
        if version is None or not rows or not self._is_relied_on(contract, version):
            return None
        by_uri = {file.uri: file for file in version.files}
        if not rows.keys() <= by_uri.keys():
            return None
        if self._work.are_changed(version, [by_uri[uri] for uri in rows]):
            return None
        source = str(contract.source)
        cuts = {cut.name: cut for cut in self._erasure.cuts if cut.source == source}
        taken = {t.path: t for t in self._taken if t.removal.source == source}
        paths = {t.removal.path for t in taken.values()}
        if len(paths) != len(cuts) or {*taken} != paths:
            return None  # some were cut before, are called otherwise now, or are other files by now
        now: list[Load] = []
        records = 0
        for one in taken.values():
            cut = cuts[one.path.relative_to(self._folder(source)).as_posix()]
            load = self._loads.get((source, cut.name))
            if load is None or not self._is_plain(load, cut, one):
                return None
            counted = cut.records if load.state == "read" else 0
            records += counted
            now.append(_as_now(load, one, cut, counted))
        is_sum = records == sum(len({*numbers}) for numbers in rows.values())
        return now if is_sum and self._are_distinct(source, taken.values()) else None

    def _is_relied_on(self, contract: Contract, version: Version) -> bool:
        return (
            self.noted is not None
            and self.noted.typed.get(contract.name) == version.content
            and version.is_declared_by(self._declarations.fingerprint(contract.name))
            and not self._warehouse.damage(version)
        )

    def _is_plain(self, load: Load, cut: Cut, one: Removed) -> bool:
        """Whether all records of a file fit, none is odd or came before, and it was cut now."""
        return (
            load.state in ("read", "copy")
            and load.verdict in ("good", "copy")
            and not load.repeated
            and not load.oddities
            and load.fingerprint == one.before == cut.fingerprint
            and one.after is not None
            and one.stat is not None
            and (load.source, load.file) not in self._with_pieces
            and cut.records == len(cut.spans)
        )

    def _are_distinct(self, source: str, taken: Collection[Removed]) -> bool:
        """Whether files are copies of one another as before, and of no others."""
        names = {t.path.relative_to(self._folder(source)).as_posix() for t in taken}
        now = {t.before: t.after for t in taken}
        of_others = {
            load.fingerprint
            for load in self._loads.values()
            if load.source == source and load.state != "gone" and load.file not in names
        }
        return (
            all(now[t.before] == t.after for t in taken)
            and len({*now.values()}) == len(now)
            and of_others.isdisjoint({*now.keys(), *now.values()})
        )

    def _folder(self, source: str) -> Path:
        return landing_folder(self._files.root, source)

    def _take_out(self, contract: Contract, before: Version) -> tuple[Version, Touched | None]:
        """Commit the table without the rows; how it changed, where the engine can know that."""
        work, engine = self._work, self._work.engine
        work.progress(f"taking rows out of {contract.name}")
        rows = self._erasure.typed[contract.name]
        by_uri = {file.uri: file for file in before.files}
        hit = [by_uri[uri] for uri in rows]
        kept = [file for file in before.files if file.uri not in rows]
        is_here = isinstance(engine.crew, Threads)
        target = work.target(contract.name, contract.columns)
        folder = self._scratch / f"gone-{contract.name}" if is_here else None
        rewriting = _Rewriting(self._files, target, contract.identifiers, folder)
        rests = engine.crew.map(
            rewriting.without, [_Hit(file.path, tuple(rows[file.uri])) for file in hit]
        )
        added = [path for rest in rests for path in rest.rest]
        gone = [rest.gone for rest in rests if rest.gone is not None]
        change = self._touched(contract, before, gone, rows) if is_here else None
        notes = LandingNotes(
            files=work.fingerprints(added, before, kept),
            declaration=self._declarations.fingerprint(contract.name),
            notes=self._notes(contract, before, [*kept], added, change),
            merged=_merged(before, kept, hit, rests),
        )
        now = self._warehouse.commit(contract.name, added, notes, keep={file.uri for file in kept})
        work.built.append(Built(contract.name, REASON, now.rows, 0.0, "swap"))
        return now, change

    def _touched(
        self,
        contract: Contract,
        before: Version,
        gone: Sequence[Path],
        rows: Mapping[str, Sequence[int]],
    ) -> Touched:
        engine = self._work.engine
        tables = _GONE.format(contract.name), _CAME.format(contract.name)
        for table, paths in zip(tables, (gone, ()), strict=True):
            engine.declare(table, contract.columns, [str(path) for path in paths])
        # No key is named: of one that lost rows, others may stay.
        number = sum(map(len, rows.values()))
        return Touched(before.content, "", "", number, *tables)

    def _notes(
        self,
        contract: Contract,
        before: Version,
        kept: Sequence[DataFile],
        added: Sequence[Path],
        change: Touched | None,
    ) -> tuple[Note, ...]:
        engine, noted = self._work.engine, before.landing.notes if before.landing else ()
        paths = [str(path) for path in (*(file.path for file in kept), *added)]
        engine.declare(contract.name, contract.columns, paths)

        def recount(rule: Rule) -> int:
            query = self._declarations.rule(contract.name, rule)
            is_own = {table.name for table in tables_read(query)} == {contract.name}
            if change is None or not is_own or not counts_rows_of(query, contract.name):
                return count(engine, query)
            return notes_of(noted, rule.name) - count(engine, _over(query, contract, change.gone))

        return hold_to_contract(contract, (), self._declarations, engine, recount)

    def _drop_parts(self, contract: Contract, now: Version) -> None:
        """Let loads name no typed file that has no rows left."""
        merged = now.landing.merged if now.landing else {}
        held = {
            part
            for file in now.files
            for part in merged.get(short_name(file.path), [file.path.stem])
        }
        for key, load in self._loads.items():
            if key[0] == contract.source:
                parts = " ".join(part for part in load.parts.split() if part in held)
                self._loads[key] = replace(load, parts=parts)

    def _commit_loads(self, contents: Mapping[str, int]) -> None:
        assert self.noted is not None
        target = self._work.target("loads", MACHINERY["loads"])
        writer = RowWriter(target.folder / "loads.parquet", target.fields)
        for key in sorted(self._loads):
            writer.add(self._loads[key].values, 200)
        paths = writer.close()
        self._warehouse.commit("loads", paths, replace(
            self.noted,
            files=self._work.fingerprints(paths),
            typed={**self.noted.typed, **contents},
        ))  # fmt: skip


def _as_now(load: Load, taken: Removed, cut: Cut, records: int) -> Load:
    assert taken.stat is not None
    assert taken.after is not None
    return replace(
        load,
        size=taken.stat.size,
        modified=taken.stat.modified,
        changed=taken.stat.changed,
        fingerprint=taken.after,
        records=load.records - records,
        unknown_keys=load.unknown_keys - (cut.unknown_keys if records else 0),
    )


def _over(query: exp.Query, contract: Contract, table: str) -> exp.Query:
    """A rule's query over other rows than those of its table."""
    query = query.copy()
    read_as(query, {contract.name: table})
    return query


def _merged(
    before: Version, kept: Sequence[DataFile], hit: Sequence[DataFile], rests: Sequence[_Rest]
) -> dict[str, Sequence[str]]:
    """Which typed files, as loads name them, each file has the rows of."""
    known = before.landing.merged if before.landing else {}
    merged = {name: known[name] for file in kept if (name := short_name(file.path)) in known}
    for file, rest in zip(hit, rests, strict=True):
        parts = known.get(short_name(file.path), [file.path.stem])
        merged.update((short_name(path), parts) for path in rest.rest)
    return merged


@dataclass(frozen=True)
class _Hit:
    """A data file, and which of its rows leave it."""

    path: Path
    rows: tuple[int, ...]


@dataclass(frozen=True)
class _Rest:
    """Files of what is left of one, and one of the removed rows."""

    rest: tuple[Path, ...]
    gone: Path | None


@dataclass(frozen=True)
class _Rewriting:
    """Writes data files without some rows; these go to `gone`, where it is given."""

    files: Files
    target: Target
    sought: Sequence[str]
    gone: Path | None

    def without(self, hit: _Hit) -> _Rest:
        """Write one file."""
        name = f"part-{secrets.token_hex(8)}"
        rows = np.array(sorted({*hit.rows}), np.int64)
        self.files.fetch([hit.path])
        copied = self.target.folder / f"{name}-0.parquet"
        copied.parent.mkdir(parents=True, exist_ok=True)
        has = copy_lacking(hit.path, rows, copied)
        rest = ParquetFile(copied.with_name(f"{name}-1.parquet"), self.target.fields, self.sought)
        gone = ParquetFile(self.gone / f"{name}.parquet", self.target.fields) if self.gone else None
        with pq.ParquetFile(hit.path) as opened:
            self._divide(opened, rows, has, rest, gone)
        written = (*([copied] if copied.exists() else []), *rest.close())
        self.files.publish(written)
        left = gone.close() if gone is not None else []
        return _Rest(written, left[0] if left else None)

    def _divide(
        self,
        opened: pq.ParquetFile,
        rows: Int64s,
        has: Bools,
        rest: ParquetFile,
        gone: ParquetFile | None,
    ) -> None:
        first = 0
        for number, is_hit in enumerate(has.tolist()):
            size = opened.metadata.row_group(number).num_rows
            if is_hit:
                leaves: Bools = np.zeros(size, np.bool_)
                leaves[rows[(rows >= first) & (rows < first + size)] - first] = True
                group = opened.read_row_group(number, rest.schema.names)
                _write(group.filter(pa.array(~leaves)), rest)
                if gone is not None and leaves.any():
                    _write(group.filter(pa.array(leaves)), gone)
            first += size


def _write(rows: pa.Table, file: ParquetFile) -> None:
    columns = pa.Table.from_arrays(rows.columns, schema=file.schema).combine_chunks()
    for batch in columns.to_batches():
        file.write(pa.RecordBatch.from_arrays(batch.columns, schema=file.schema))

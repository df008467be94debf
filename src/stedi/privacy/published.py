"""A published table with the raw rows behind it, and those of people who are not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlglot import exp

from stedi.arrays import Float64s, Int64s
from stedi.declared import Declarations
from stedi.declared.contract import Contract, Publication
from stedi.engines import Engine, MakeEngine
from stedi.engines.duckdb import DuckDBEngine
from stedi.errors import StorageError, UsageError
from stedi.parquet import as_array
from stedi.privacy.audit import Audit, Provenance, audit, not_audited
from stedi.privacy.audit.counting import Counting
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.in_parts import Room
from stedi.privacy.audit.sample import some_people
from stedi.privacy.audit.stored import Stored
from stedi.privacy.people import control_problems, people_problems
from stedi.privacy.proof import Proof
from stedi.privacy.publication import ROWS_AT_ONCE, Raw, batches, raw_rows
from stedi.privacy.publication.boxes import Range, read_boxes
from stedi.privacy.publication.noise import Kept, discrete_laplace, state_of
from stedi.privacy.publication.search import points
from stedi.privacy.publication.suppression import Suppressed, suppress, within_cap
from stedi.progress import doing
from stedi.roots.names import boxes_folder
from stedi.roots.scratch import scratch
from stedi.sql.tree import tables_read
from stedi.storage.warehouse import Version, Warehouse
from stedi.text import counted


@dataclass(frozen=True)
class PublishedTable:
    """A published table with the raw rows behind it; `published_table` returns one."""

    warehouse: Warehouse
    declarations: Declarations
    contract: Contract
    publication: Publication
    version: Version
    make_engine: MakeEngine = DuckDBEngine
    room: Room = field(default_factory=lambda: Room(ROWS_AT_ONCE))

    @property
    def withheld(self) -> str | None:
        """Why nothing is published; None where something is."""
        if self.version.files:
            return None
        notes = self.version.published
        return (notes and notes.withheld) or "there are no rows to publish"

    @property
    def paths(self) -> list[Path]:
        """The published files; the first has the first rows."""
        return sorted(file.path for file in self.version.files)

    @property
    def boxes_path(self) -> Path:
        """The table of boxes."""
        notes = self.version.published
        return boxes_folder(self.warehouse.root) / str(notes and notes.boxes)

    @cached_property
    def rows(self) -> Raw:
        """The rows behind it, before they were generalised: without those that were left out."""
        fewer = self._suppressed
        return self.all_rows.taken(np.flatnonzero(fewer.kept))

    @property
    def all_rows(self) -> Raw:
        """The same with those that were left out, which depend on what other people have."""
        return self._read[0]

    @property
    def is_large(self) -> bool:
        """Whether the rows behind it are counted by an engine, since memory may not hold them."""
        notes = self.version.published
        return max(notes.rows_in if notes else 0, self.version.rows) > self.room.rows

    @property
    def suppressed(self) -> Mapping[str, int]:
        """How many rows were left out, by reason."""
        return self._counted.suppressed if self.is_large else self._suppressed.reasons

    @property
    def people_problems(self) -> Sequence[str]:
        """What is wrong with how its people are numbered, in counts alone."""
        return self._counted.people_problems if self.is_large else self._read[2]

    @cached_property
    def _suppressed(self) -> Suppressed:
        rows = self.all_rows
        return suppress(points(self.publication, rows.columns, rows.people), self.publication)

    @property
    def control_group(self) -> Raw | None:
        """Rows like those, of people who are not in the table."""
        return self._read[1]

    @cached_property
    def evidence(self) -> Evidence:
        """What an audit looks at; raises `StorageError` where that can't be read."""
        if self.is_large:
            return self._counted.evidence
        doing(f"reading the raw rows behind {self.contract.name}")
        raw, stored = self.rows, self._stored()
        doing(f"coding {counted(raw.rows, 'raw row')} by the table of boxes")
        boxes, notes = stored.boxes, self.version.published
        evidence = Evidence.of_rows(
            self.publication,
            stored.rows,
            stored.values,
            raw,
            self._within_cap(self.control_group),
            boxes,
            most_people=self.publication.attacked_people,
            difference=notes.difference if notes else None,
            people_problems=self.people_problems,
            proof_problems=self._proof_problems(),
            suppressed=sum(self.suppressed.values()),
        )
        return replace(evidence, noise=self._noise(boxes, evidence.rows_by_class))

    @cached_property
    def _counted(self) -> Counted:
        """The same of more rows than memory has room for, which an engine counts."""
        table, notes, stored = self.contract.name, self.version.published, self._stored()
        select, controls = self.declarations.select(table), self.declarations.controls(table)
        queries = [select, controls, self.declarations.identities(table)]
        with self._engine_for([query for query in queries if query]) as (engine, folder):
            doing(f"writing the raw rows behind {table} to files")
            counting = Counting(engine, self.warehouse.files, folder, self.publication, self.room)
            rows = counting.rows(table, select)
            doing(f"counting {counted(rows.kept.rows, 'raw row')} by the table of boxes")
            evidence = counting.evidence(
                rows,
                stored.rows,
                stored.boxes,
                controls,
                difference=notes.difference if notes else None,
                people_problems=[
                    *people_problems(engine, self.declarations, table),
                    *control_problems(engine, self.declarations, table),
                ],
                proof_problems=self._proof_problems(),
            )
        evidence = replace(
            evidence,
            control_group=self._within_cap(evidence.control_group),
            noise=self._noise(stored.boxes, evidence.rows_by_class),
        )
        return Counted(evidence, rows.suppressed, evidence.people_problems)

    def _stored(self) -> _Stored:
        """What is published; raises `StorageError` where it can't be read."""
        names = [coarsened.column for coarsened in self.publication.coarsened]
        files = self.warehouse.files
        unreadable = "can't be read; `stedi run --full` rebuilds it"
        try:
            files.fetch([self.boxes_path])
            boxes = read_boxes(self.boxes_path, names)
        except (OSError, KeyError, pa.ArrowException):
            name = files.name(self.boxes_path)
            raise StorageError(f"{name}: the table of boxes {unreadable}") from None
        try:
            files.fetch(self.paths)
            stored = Stored.of(
                {name: as_array(batch, name) for name in batch.schema.names}
                for batch in batches(self.paths)
            )
        except (OSError, KeyError, pa.ArrowException):
            name = ", ".join(map(files.name, self.paths))
            raise StorageError(f"{name}: what is published {unreadable}") from None
        return _Stored(stored, boxes, {name: boxes[name].values for name in names})

    def _noise(self, boxes: Mapping[str, Range], counts: Int64s) -> Int64s | None:
        """What was added to the counts of classes; None where none was, or nobody knows."""
        declared = self.publication.noise
        if declared is None:
            return None
        kept = Kept(self.warehouse.files, self.contract.name)
        drawn = kept.of(state_of(self.publication, boxes, counts))
        return None if drawn is None else discrete_laplace(drawn, declared.scale, len(counts))

    def _within_cap(self, rows: Raw | None) -> Raw | None:
        """As many rows of each person as of people in the table, which an attacker knows, too."""
        cap = self.publication.noise and self.publication.noise.rows_per_person
        if rows is None or not cap or not rows.rows:
            return rows
        on_grid = points(self.publication, rows.columns, rows.people)
        return rows.taken(np.flatnonzero(within_cap(on_grid, cap)))

    def rows_of_some(self, rows: int) -> Raw:
        """The rows of some people, who have about so many; at least one person's.

        The same people each time.
        """
        if not self.is_large:
            return self.rows.taken(some_people(self.rows, rows))
        table, select = self.contract.name, self.declarations.select(self.contract.name)
        with self._engine_for([select]) as (engine, folder):
            counting = Counting(engine, self.warehouse.files, folder, self.publication, self.room)
            return counting.rows_of_some(counting.rows(table, select).kept, rows)

    def audit(self) -> Audit:
        """Check it, and attack it with all that the landing zone holds.

        Raises `StorageError` where it can't be read.
        """
        if self.withheld:
            return self.not_audited(f"nothing is published: {self.withheld}")
        audited = audit(
            self.contract.name,
            self.evidence,
            self.paths,
            self._in_folder(),
            self.warehouse.alive(self.contract.name),
        )
        return audited.model_copy(update={"provenance": self._provenance()})

    def not_audited(self, problem: str) -> Audit:
        """The audit of it where there is nothing to attack, and what the problem is."""
        audited = not_audited(self.contract.name, self.publication, problem)
        return audited.model_copy(update={"provenance": self._provenance()})

    def _provenance(self) -> Provenance:
        return Provenance(
            profile=self.declarations.profile,
            contract=self.contract.version,
            snapshot=str(self.version.snapshot_id),
            published=datetime.fromtimestamp(self.version.committed // 1000, UTC).isoformat(),
        )

    def _proof_problems(self) -> int:
        """How many things the proof finds wrong with how the table is declared."""
        proof = Proof(self.declarations)
        found = [*proof.leaks(self.contract), *proof.misplaced(self.contract)]
        return len(dict.fromkeys([*found, *proof.problems]))

    def _in_folder(self) -> list[Path]:
        """The files in its folder, whatever they are."""
        folder = self.warehouse.root / self.contract.location
        self.warehouse.files.fetch([file.path for file in self.version.files])
        return [path for path, _ in self.warehouse.files.below(folder)]

    def fetch(self, queries: Sequence[exp.Query]) -> list[pa.Table]:
        """The results of queries over the lakehouse's tables."""
        with self._engine_for(queries) as (engine, _):
            return [engine.fetch(query) for query in queries]

    @contextmanager
    def _engine_for(self, queries: Sequence[exp.Query]) -> Iterator[tuple[Engine, Path]]:
        """An engine that knows what queries read, and its scratch folder."""
        with (
            scratch(self.warehouse.root, "audit") as folder,
            closing(self.make_engine(folder, self.warehouse.files)) as engine,
        ):
            for name in {read.name for query in queries for read in tables_read(query)}:
                version = self.warehouse.version(name)
                files = [str(file.path) for file in version.files] if version else []
                engine.declare(name, self.declarations.schemas[name], files)
            yield engine, folder

    @cached_property
    def _read(self) -> tuple[Raw, Raw | None, Sequence[str]]:
        """Rows behind the table, those of people not in it, and what is wrong with its people."""
        table, declarations = self.contract.name, self.declarations
        select, controls = declarations.select(table), declarations.controls(table)
        queries = [select, controls, declarations.identities(table)]
        with self._engine_for([query for query in queries if query]) as (engine, _):
            rows = raw_rows(engine.gather(table, select), self.publication)
            others = raw_rows(engine.fetch(controls), self.publication) if controls else None
            problems = [
                *people_problems(engine, declarations, table),
                *control_problems(engine, declarations, table),
            ]
        return rows, others, problems


@dataclass(frozen=True)
class Counted:
    """What an engine counted of a published table."""

    evidence: Evidence
    suppressed: Mapping[str, int]
    people_problems: Sequence[str]


@dataclass(frozen=True)
class _Stored:
    """What is published: rows, the table of boxes, and the published values of each class."""

    rows: Stored
    boxes: Mapping[str, Range]
    values: Mapping[str, Float64s]


def published_table(
    warehouse: Warehouse, declarations: Declarations, table: str | None
) -> PublishedTable:
    """One published table, by default the only one; whether it is up to date `status` knows.

    Raises `UsageError` where it isn't there.
    """
    contract = _published(declarations, table)
    version = warehouse.version(contract.name)
    if version is None:
        raise UsageError(f"{contract.name} isn't there yet; run `stedi run` first")
    assert contract.publication is not None
    return PublishedTable(warehouse, declarations, contract, contract.publication, version)


def _published(declarations: Declarations, table: str | None) -> Contract:
    published = {c.name: c for c in declarations.contracts.values() if c.is_published}
    if table is None and len(published) == 1:
        return next(iter(published.values()))
    if table not in published:
        known = ", ".join(published) or "none"
        if table is None:
            raise UsageError(f"say which table; the published tables are {known}")
        raise UsageError(f"{table}: not published; the published tables are {known}")
    return published[table]

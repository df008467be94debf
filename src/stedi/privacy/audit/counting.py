"""Evidence of more rows than memory has room for: an engine counts them, and reads some people's.

`Evidence.of_rows` finds the same where all rows are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from sqlglot import exp

from stedi import parquet
from stedi.arrays import Int64s
from stedi.columns import Column
from stedi.declared.contract import Publication
from stedi.engines import Engine
from stedi.parquet import Field, identifier
from stedi.privacy.audit.evidence import Evidence, coded_by, ends_of
from stedi.privacy.audit.in_parts import Room, tally_in_parts
from stedi.privacy.audit.sample import (
    MOST_ROWS,
    Candidates,
    Sample,
    Sampled,
    last_turn,
    places_in_turn,
)
from stedi.privacy.audit.stored import Stored
from stedi.privacy.audit.withdrawal import LARGEST
from stedi.privacy.comparison import Edition
from stedi.privacy.publication import Raw, raw_columns, raw_rows, refuse_unusable
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.spilled import Spilled, columns
from stedi.roots import Files
from stedi.sql.tree import parse

_CHOSEN, _PLACES, _CONTROLS, _GATHERED = "_chosen", "_places", "_controls", "_gathered"
"""No declared table is called so."""


@dataclass(frozen=True)
class RowsBehind:
    """The rows that a published table has: without those that were left out, by reason."""

    kept: Spilled
    suppressed: Mapping[str, int]


@dataclass(frozen=True)
class Counting:
    """An engine that knows what a table is made from; `folder` is its scratch."""

    engine: Engine
    files: Files
    folder: Path
    publication: Publication
    room: Room

    def rows(self, table: str, select: exp.Query) -> RowsBehind:
        """The rows behind a table, in files; the engine knows them by its name from then on."""
        spilled = Spilled.of(self.engine, table, select, self.publication)
        refuse_unusable(spilled)
        return RowsBehind(*spilled.suppressed())

    def evidence(
        self,
        rows: RowsBehind,
        stored: Stored,
        boxes: Mapping[str, Range],
        controls: exp.Query | None,
        **others: Any,
    ) -> Evidence:
        """What an audit looks at; `controls` is a query for people who are not in the table."""
        publication, kept = self.publication, rows.kept
        names = [column.column for column in publication.coarsened]
        tally, strays = tally_in_parts(
            kept,
            self.files,
            boxes,
            _counts(stored, boxes, names),
            self.room,
            are_alike=len(publication.people) == 1 or publication.identities is not None,
        )
        in_table, raw = self._attacked(kept.table, kept.rows)
        whole = None
        if kept.rows <= LARGEST:
            whole = raw if in_table is None else self._gather(kept.table)
        outside, control_group = None, None
        if controls is not None:
            self.engine.spill(_CONTROLS, controls)
            outside, control_group = self._attacked(_CONTROLS, None)
        sample = Sample(in_table=in_table, outside=outside) if in_table or outside else None
        at_ends = {
            name: kept.people_beyond(name, *ends_of(publication, stored, name))
            for name in names
            if name in stored.columns
        }
        return Evidence(
            publication,
            stored,
            {name: boxes[name].values for name in names},
            tally,
            raw,
            coded_by(boxes, raw, publication)[0],
            whole,
            control_group,
            boxes,
            kept.raw_deviations,
            at_ends,
            strays,
            sample,
            suppressed=sum(rows.suppressed.values()),
            **others,
        )

    def _attacked(self, table: str, count: int | None) -> tuple[Sampled | None, Raw]:
        """The rows of people who are attacked, and how many people these are if they aren't all."""
        first, last = map(identifier, (self.publication.people[0], self.publication.people[-1]))
        found = columns(
            self.engine,
            f"SELECT {first} AS person, CAST(COUNT(*) AS BIGINT) AS n, "
            f"CAST(COUNT(CASE WHEN {first} = {last} THEN 1 END) AS BIGINT) AS own "
            f"FROM {identifier(table)} WHERE {first} IS NOT NULL "
            f"GROUP BY {first} ORDER BY {first}",
        )
        has_own = found["own"] > 0
        candidates = Candidates(found["person"][has_own], found["n"][has_own])
        chosen = candidates.chosen(self.publication.attacked_people)
        if chosen is None:
            is_small = count is None or count <= MOST_ROWS
            return None, self._gather(table, None if is_small else candidates.people)
        of = Sampled(attacked=len(chosen), people=len(candidates.people))
        return of, self._gather(table, chosen)

    def rows_of_some(self, kept: Spilled, rows: int) -> Raw:
        """The rows of some people, who have about so many (see `sample.some_people`)."""
        people = kept.people()
        first, last = map(identifier, (self.publication.people[0], self.publication.people[-1]))
        names = ", ".join(f"r.{identifier(name)}" for name in raw_columns(self.publication))
        # A row belongs to the last of its people: so each person more only adds rows.
        placed = (
            f"SELECT {names}, GREATEST(a.place, b.place) AS turn "
            f"FROM {identifier(kept.table)} AS r INNER JOIN {_PLACES} AS a ON a.person = r.{first} "
            f"INNER JOIN {_PLACES} AS b ON b.person = r.{last}"
        )
        with self._lent(_PLACES, person=people, place=places_in_turn(people)):
            counts = columns(
                self.engine,
                f"SELECT turn, CAST(COUNT(*) AS BIGINT) AS n FROM ({placed}) AS p GROUP BY turn",
            )
            by_turn = np.zeros(len(people), np.int64)
            by_turn[counts["turn"]] = counts["n"]
            query = f"SELECT * FROM ({placed}) AS r WHERE turn <= {last_turn(by_turn, rows)}"
            gathered = self.engine.gather(f"{_GATHERED}_some", parse(query, "audit"))
        return raw_rows(gathered, self.publication)

    def _gather(self, table: str, people: Int64s | None = None) -> Raw:
        """The rows of a table, of some people where they are given."""
        names = ", ".join(f"r.{identifier(name)}" for name in raw_columns(self.publication))
        query, gathered = f"SELECT {names} FROM {identifier(table)} AS r", f"{_GATHERED}_{table}"
        if people is None:
            return raw_rows(self.engine.gather(gathered, parse(query, "audit")), self.publication)
        first = identifier(self.publication.people[0])
        query += f" INNER JOIN {_CHOSEN} AS c ON c.person = r.{first}"
        with self._lent(_CHOSEN, person=people):
            rows = self.engine.gather(gathered, parse(query, "audit"))
        return raw_rows(rows, self.publication)

    @contextmanager
    def _lent(self, name: str, **numbers: Int64s) -> Iterator[None]:
        """Let the engine read numbers as a table, for as long."""
        path = self.files.inside(self.folder / f"{name}-{uuid4()}.parquet")
        fields = [Field(column, "long", n) for n, column in enumerate(numbers, start=1)]
        arrays = [pa.array(column) for column in numbers.values()]
        batch = pa.RecordBatch.from_arrays(arrays, schema=parquet.arrow_schema(fields))
        parquet.write_batches([batch], fields, path)
        is_elsewhere = self.engine.name != "duckdb"
        if is_elsewhere:  # others see what lies in the lakehouse alone
            self.files.publish([path])
        declared = [Column(column, "long", "direct") for column in numbers]
        self.engine.declare(name, declared, [str(path)])
        try:
            yield
        finally:
            if is_elsewhere:
                self.files.remove([path])


def _counts(stored: Stored, boxes: Mapping[str, Range], names: list[str]) -> Int64s:
    """About how many rows each class has: as many as are published, or else all alike."""
    try:
        return Edition.of(boxes, stored.classes, is_noisy=True).counts
    except (KeyError, ValueError):  # which the check of the rows reports
        return np.ones(len(boxes[names[0]].values), np.int64)

"""Builds the derived tables of a plan: as a whole, by their key, or to be published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stedi import parquet
from stedi.declared.contract import Contract, Rule
from stedi.declared.transform import Transform
from stedi.errors import PairingTooLarge, RuleBroken
from stedi.events import stage
from stedi.parquet import Target
from stedi.roots import footer_source
from stedi.roots.names import boxes_folder
from stedi.run.changes import Touched, rows_of
from stedi.run.decide import Decider, Maintenance, Step
from stedi.run.maintain import Maintaining, keys_only_in, left_of
from stedi.run.matches import few_matches
from stedi.run.options import Built, How
from stedi.run.publish import (
    NOT_PUBLISHED,
    coded_at_edges,
    gather,
    hold_people,
    publish,
    published_notes,
    spread_otherwise,
)
from stedi.run.rules import count_dropped, hold_to_contract
from stedi.run.work import OfTable, Work
from stedi.storage.notes import DerivedNotes, Left, Note, PublishedNotes
from stedi.storage.warehouse import DataFile, Version
from stedi.storage.withdrawals import left_so_far, withdrawals

_GONE = "_gone"
LEAST_PAIR_LIMIT = 1_000_000
PAIRS_PER_ROW = 10
CROWD = 1_000
"""By default an INNER JOIN may return a million rows, or ten times those of its largest input while
no more than a thousand rows share one value."""


@dataclass
class _Made:
    """What is to be committed."""

    added: Sequence[Path]
    kept: Sequence[DataFile] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    how: How = "rebuild"
    notes: tuple[Note, ...] = ()
    published: PublishedNotes | None = None
    left: Left | None = None
    publishing: float = 0.0
    """Seconds that went into generalising it."""
    is_maintained: bool = False


class Derivation:
    """Works out the derived tables, holds them to their contracts, and commits them.

    `touched` says what is known of changes to tables that were made before.
    """

    def __init__(self, work: Work, touched: Mapping[str, Touched]) -> None:
        self.work, self.warehouse, self.declarations = work, work.warehouse, work.declarations
        self.engine = work.engine
        self._decider = Decider(work.warehouse, work.declarations, work.options)
        self._decider.touched.update(touched)

    def build(self, planned: Sequence[Step]) -> None:
        """Build each table of a plan, unless what it is made from turned out to be as before."""
        for forecast in planned:
            if step := self._decider.step(forecast.table):
                for name in self.declarations.read_by(forecast.table):
                    version = self.warehouse.version(name)
                    files = [str(file.path) for file in version.files] if version else []
                    self.engine.declare(name, self.declarations.schemas[name], files)
                with stage("table.built", table=step.table, reason=step.reason) as told:
                    built = self._build(step)
                    told |= {"rows": built.rows, "how": built.how}

    def _build(self, step: Step) -> Built:
        table, transform = step.table, self.declarations.transforms[step.table]
        contract = self.declarations.contracts[table]
        self.work.progress(f"building {table}")
        begin = time.monotonic()
        target = self.work.target(table, contract.columns)
        inputs = self._inputs(step)
        with self.work.blaming(inputs):
            rows_in = self._rows_in(transform)
            if contract.is_published:
                made = self._make_published(step, target, rows_in)
            elif step.maintenance and step.version:
                made = self._maintain(step.maintenance, step.version, target)
            else:
                made = self._make_anew(step, target)
        if not made.is_maintained:
            self.work.refuse_changed(inputs)
        rows = sum(f.rows for f in made.kept) + sum(self._count_rows(path) for path in made.added)
        noise = (made.published and made.published.noise) or 0
        if transform.sums_hold and rows_in + noise != rows + sum(made.dropped.values()):
            raise RuleBroken(
                f"{table}: {rows_in:,} rows in, but {rows:,} kept and "
                f"{sum(made.dropped.values()):,} dropped; {transform.place} loses or multiplies "
                "rows. Nothing of it was committed"
            )
        made.notes += few_matches(self.work, table, rows_in, rows)
        is_known = self._knows_who_left(step, made)
        left = self._left(step, made) if is_known else None
        withdrawn = withdrawals(contract, step.version, left, is_known)
        self.warehouse.commit(
            table,
            made.added,
            replace(
                made.published or DerivedNotes(),
                files=self.work.fingerprints(
                    [*made.added, *self._boxes(made)], step.version, made.kept
                ),
                inputs=step.inputs,
                declaration=self.declarations.fingerprint(table),
                rows_in=rows_in,
                dropped=made.dropped,
                sums_hold=transform.sums_hold,
                notes=made.notes,
                left=left_so_far(contract, step.version, left),
                withdrawn=withdrawn,
                key=None if withdrawn is None else contract.key,
            ),
            keep={file.uri for file in made.kept},
            content=step.version.content if step.version and made.how == "no change" else None,
        )
        seconds = time.monotonic() - begin
        built = Built(table, step.reason, rows, seconds, made.how, made.publishing, left)
        self.work.built.append(built)
        return built

    def _inputs(self, step: Step) -> list[OfTable]:
        """All files of the tables that one is made from, and of itself where it is maintained."""
        names = sorted(self.declarations.read_by(step.table))
        names += [step.table] if step.maintenance else []
        versions = [self.warehouse.version(name) for name in names]
        return [(version, version.files) for version in versions if version]

    def _make_published(self, step: Step, target: Target, rows_in: int) -> _Made:
        contract = self.declarations.contracts[step.table]
        rows = gather(self.work, contract, rows_in)
        hold_people(self.work, contract)
        began = time.monotonic()
        published = publish(self.work, contract, rows, target)
        made = _Made(published.paths, publishing=time.monotonic() - began)
        made.dropped = self._dropped(step.table)
        if published.withheld:
            made.dropped[NOT_PUBLISHED] = published.withheld
        made.dropped |= published.suppressed
        made.notes = self._hold_to_contract(contract, made.added)
        made.notes += coded_at_edges(published) + spread_otherwise(contract, published)
        made.published = published_notes(self.work, contract, published, step.version)
        return made

    def _boxes(self, made: _Made) -> list[Path]:
        """The table of boxes beside a published table."""
        name = made.published.boxes if made.published else None
        return [boxes_folder(self.work.warehouse.root) / name] if name else []

    def _make_anew(self, step: Step, target: Target) -> _Made:
        table, contract = step.table, self.declarations.contracts[step.table]
        paths = self.engine.write(self.declarations.select(table), target.fields, target.folder)
        self.engine.declare(table, contract.columns, [str(path) for path in paths])
        made = _Made(paths, dropped=self._dropped(step.table))
        made.notes = self._hold_to_contract(contract, paths)
        return made

    def _maintain(self, maintenance: Maintenance, before: Version, target: Target) -> _Made:
        """Maintain a table by its key."""
        table, contract = before.table, self.declarations.contracts[before.table]
        by_key = Maintaining(
            self.engine, self.declarations, contract, maintenance.by, maintenance.changes
        )
        result = by_key.work_out(before, target)
        self.work.refuse_changed(by_key.read_whole(before, result))
        if touched := by_key.touched(before, result):
            self._decider.touched[table] = touched
        how: How = "swap" if result.is_swap else "append" if result.added else "no change"
        added = [*result.swapped, *result.added]
        made = _Made(added, result.kept, dict(result.dropped), how, left=result.left)
        made.is_maintained = True
        files = [*(file.path for file in made.kept), *made.added]
        self.engine.declare(table, contract.columns, [str(path) for path in files])
        made.notes = self._hold_to_contract(
            contract,
            result.added,  # what is left of rewritten files was held to it before
            lambda rule: by_key.recount(before, result, rule),
            by_key.came(result),
        )
        return made

    def _left(self, step: Step, made: _Made) -> Left | None:
        """Keys that a table had and has no longer; the engine knows it as it is now."""
        contract, before = self.declarations.contracts[step.table], step.version
        if made.how != "rebuild" or contract.key is None or before is None:
            return made.left
        key = contract.column(contract.key)
        assert key is not None  # or nobody would know
        self.engine.declare(_GONE, [key], [str(file.path) for file in before.files])
        return left_of(self.engine, keys_only_in(_GONE, contract.name, key.name))

    def _knows_who_left(self, step: Step, made: _Made) -> bool:
        """Whether the keys that a table had can be compared with those it has."""
        contract, before = self.declarations.contracts[step.table], step.version
        if made.how != "rebuild" or contract.key is None or before is None:
            return True
        key = contract.column(contract.key)
        had = (before.derived and before.derived.key) or contract.key
        return (
            key is not None
            and had == key.name
            and (key.name, key.type) in before.columns
            and not self.work.are_changed(before, before.files)
            and self.warehouse.damage(before) is None
        )

    def _rows_in(self, transform: Transform) -> int:
        if transform.select.pairing is None:
            return self._rows(transform.sources[0])
        [row] = self.engine.fetch(transform.select.pairing).to_pylist()
        pairs, crowd = int(row["pairs"] or 0), int(row["crowd"] or 0)
        limit = self.work.options.max_pairs
        crowded = limit is None and crowd > CROWD and pairs > LEAST_PAIR_LIMIT
        if limit is None:
            sizes = [self._rows(name) for name in transform.inputs]
            limit = max(LEAST_PAIR_LIMIT, PAIRS_PER_ROW * max(sizes))
        if pairs > limit or crowded:
            raise PairingTooLarge(
                f"{transform.table}: joining would give {pairs:,} rows; {crowd:,} rows of "
                f"{transform.sources[0]} share one value. The limit is {limit:,} rows"
                f"{f', or {CROWD:,} at one value' if crowded else ''}. The tables before it are up "
                "to date, this one stays as it was. Look for records whose clocks were wrong, or "
                f"raise the limit: --max-pairs {pairs}"
            )
        return pairs

    def _hold_to_contract(
        self,
        contract: Contract,
        new: Sequence[Path],
        recount: Callable[[Rule], int] | None = None,
        came: Mapping[str, str] | None = None,
    ) -> tuple[Note, ...]:
        files = [footer_source(self.warehouse.files, path) for path in new]
        return hold_to_contract(contract, files, self.declarations, self.engine, recount, came)

    def _count_rows(self, path: Path) -> int:
        return parquet.count_rows(footer_source(self.warehouse.files, path))

    def _rows(self, table: str) -> int:
        return rows_of(self.warehouse.version(table))

    def _dropped(self, table: str) -> dict[str, int]:
        reasons = self.declarations.reasons(table)
        return {} if reasons is None else count_dropped(self.engine, reasons)

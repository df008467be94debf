"""Rebuilds each derived table whose inputs or declarations have changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stedi import parquet
from stedi.declared.contract import Contract, Rule
from stedi.declared.transform import Transform
from stedi.errors import PairingTooLarge, RuleBroken
from stedi.parquet import Target
from stedi.roots import footer_source
from stedi.roots.names import boxes_folder
from stedi.run.decide import why_anew, why_stale
from stedi.run.keyed import Keyed, keyed
from stedi.run.maintain import Change, Maintenance, Touched, keys_only_in, left_of
from stedi.run.options import Built, How
from stedi.run.rules import count_dropped, hold_to_contract
from stedi.run.work import Work
from stedi.storage.warehouse import DataFile, Version, damage
from stedi.storage.withdrawals import (
    Left,
    last_left,
    left_since,
    left_so_far,
    outdated_publications,
    withdrawals,
)

if TYPE_CHECKING:
    from stedi.privacy.publication import Published

NOT_PUBLISHED = "not published: too few people, or one who dominates"
_GONE = "_gone"
LEAST_PAIR_LIMIT = 1_000_000
PAIRS_PER_ROW = 10
CROWD = 1_000
"""By default a pairing may give a million rows, or ten times those of its largest input while no
more than a thousand rows share one value."""


@dataclass(frozen=True)
class _Step:
    """A table to be brought up to date, from inputs with these contents.

    `version` is what it was; `maintenance` is there where it can be maintained by its key.
    """

    transform: Transform
    inputs: Mapping[str, int]
    reason: str
    version: Version | None
    maintenance: Maintenance | None


@dataclass
class _Made:
    """What is to be committed."""

    added: Sequence[Path]
    kept: Sequence[DataFile] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    how: How = "rebuild"
    notes: list[dict[str, Any]] = field(default_factory=list)
    published: dict[str, Any] = field(default_factory=dict)
    left: Left | None = None
    publishing: float = 0.0
    """Seconds that went into making it anonymous."""


class Derivation:
    """Works out the derived tables, holds them to their contracts, and commits them."""

    def __init__(self, work: Work) -> None:
        self.work, self.warehouse, self.declarations = work, work.warehouse, work.declarations
        self.engine = work.engine
        self._touched: dict[str, Touched] = {}
        """What is known of changes to tables that this run has maintained."""
        self._versions: dict[str, Version | None] = {}

    def bring_up_to_date(self) -> None:
        """Rebuild each derived table that is asked for and whose inputs or declarations changed."""
        versions = self._versions
        versions |= {name: self.warehouse.version(name) for name in self.declarations.schemas}
        only = self.work.options.only
        for table, transform in self.declarations.transforms.items():
            if only is not None and table not in only:
                continue
            inputs = {
                name: version.content
                for name in sorted(self.declarations.read_by(transform.table))
                if (version := versions[name]) is not None
            }
            version = versions[table]
            reason = why_anew(
                self.warehouse.files, table, version, self.declarations, self.work.options
            )
            changed = None
            if reason is None and version is not None:
                noted = version.notes["inputs"]
                changed = why_stale(version, {n: inputs.get(n) for n in {*inputs, *noted}})
            if reason or changed:
                for name in self.declarations.read_by(transform.table):
                    self._declare(name, versions[name])
                by_key = self._maintenance(transform, versions) if changed else None
                step = _Step(transform, inputs, reason or changed or "", version, by_key)
                versions[table] = self._build(step)

    def _declare(self, table: str, version: Version | None) -> None:
        files = [str(file.path) for file in version.files] if version else []
        self.engine.declare(table, self.declarations.schemas[table], files)

    def _maintenance(
        self, transform: Transform, versions: Mapping[str, Version | None]
    ) -> Maintenance | None:
        """What maintains a table by its key; None where it can't be.

        It can't where it has no key, where its inputs as they were are no longer there, and where
        most of its FROM table changed.
        """
        table, version = transform.table, versions[transform.table]
        contract = self.declarations.contracts[table]
        by_key = keyed(self.declarations, table) if contract.key else None
        if version is None or not isinstance(by_key, Keyed):
            return None
        changes = {}
        for name in self.declarations.read_by(transform.table):
            now, noted = versions[name], version.notes["inputs"].get(name)
            before = now
            if noted is None:
                before = None
            elif now is None or now.content != noted:
                before = self.warehouse.version(name, content=noted)
                if before is None or damage(self.warehouse.files, before):
                    return None
            if before and now and before.columns != now.columns:
                return None
            columns, touched = self.declarations.schemas[name], self._touched.get(name)
            is_known = before is not now and before and touched and touched.before == before.content
            changes[name] = Change(columns, before, now, touched if is_known else None)
        if changes[by_key.source].is_large:
            return None
        return Maintenance(self.engine, self.declarations, contract, by_key, changes)

    def _build(self, step: _Step) -> Version:
        transform, table = step.transform, step.transform.table
        contract = self.declarations.contracts[table]
        self.work.progress(f"{table}: {step.reason}")
        begin = time.monotonic()
        rows_in = self._rows_in(transform)
        target = self.work.target(table, contract.columns)
        if contract.is_published:
            made = self._make_published(step, target)
        elif step.maintenance and step.version:
            made = self._maintain(step, step.maintenance, step.version, target)
        else:
            made = self._make_anew(step, target)
        rows = sum(f.rows for f in made.kept) + sum(self._count_rows(path) for path in made.added)
        if transform.sums_hold and rows_in != rows + sum(made.dropped.values()):
            raise RuleBroken(
                f"{table}: {rows_in:,} rows in, but {rows:,} kept and "
                f"{sum(made.dropped.values()):,} dropped; {transform.place} loses or multiplies "
                "rows. Nothing of it was committed"
            )
        left = self._left(step, made)
        version = self.warehouse.commit(
            table,
            made.added,
            {
                "inputs": step.inputs,
                "declaration": self.declarations.fingerprint(table),
                "in": rows_in,
                "dropped": made.dropped,
                "sums": transform.sums_hold,
                "notes": made.notes,
                "files": self.work.fingerprints(made.added, step.version, made.kept),
                **made.published,
                **left_so_far(contract, step.version, left),
                **withdrawals(contract, step.version, left, self._knows_who_left(step, made)),
            },
            keep={file.uri for file in made.kept},
            content=step.version.content if step.version and made.how == "no change" else None,
        )
        seconds = time.monotonic() - begin
        self.work.built.append(
            Built(table, step.reason, rows, seconds, made.how, made.publishing, left)
        )
        return version

    def _make_published(self, step: _Step, target: Target) -> _Made:
        table, contract = step.transform.table, self.declarations.contracts[step.transform.table]
        assert contract.publication is not None
        rows = self.engine.gather(table, self.declarations.select(table))
        began = time.monotonic()
        published = self._publish(contract, rows, target)
        made = _Made(published.paths, publishing=time.monotonic() - began)
        made.dropped = self._dropped(step.transform)
        made.notes = self._hold_to_contract(contract, made.added)
        made.notes += _coded_at_edges(published)
        if published.withheld:
            made.dropped[NOT_PUBLISHED] = published.withheld
        made.published = {
            "boxes": published.boxes.name if published.boxes else None,
            "publication": contract.publication.fingerprint,
            "withheld": published.why,
            "last_left": last_left(self.warehouse, self.declarations),
            **left_since(self.warehouse, self.declarations, table),
            "difference": self._difference(contract, published),
        }
        return made

    def _make_anew(self, step: _Step, target: Target) -> _Made:
        table, contract = step.transform.table, self.declarations.contracts[step.transform.table]
        paths = self.engine.write(self.declarations.select(table), target.fields, target.folder)
        self.engine.declare(table, contract.columns, [str(path) for path in paths])
        made = _Made(paths, dropped=self._dropped(step.transform))
        made.notes = self._hold_to_contract(contract, paths)
        return made

    def _maintain(
        self, step: _Step, maintenance: Maintenance, before: Version, target: Target
    ) -> _Made:
        """Bring a table up to date by its key."""
        table, contract = step.transform.table, self.declarations.contracts[step.transform.table]
        result = maintenance.work_out(before, target)
        if touched := maintenance.touched(before, result):
            self._touched[table] = touched
        how: How = "swap" if result.is_swap else "append" if result.added else "no change"
        added = [*result.swapped, *result.added]
        made = _Made(added, result.kept, dict(result.dropped), how, left=result.left)
        files = [*(file.path for file in made.kept), *made.added]
        self.engine.declare(table, contract.columns, [str(path) for path in files])
        made.notes = self._hold_to_contract(
            contract,
            result.added,  # what is left of swapped files was held to it before
            lambda rule: maintenance.recount(before, result, rule),
            maintenance.came(result),
        )
        return made

    def _left(self, step: _Step, made: _Made) -> Left | None:
        """Keys that a table had and has no longer; the engine knows it as it is now."""
        contract, before = self.declarations.contracts[step.transform.table], step.version
        if made.how != "rebuild" or contract.key is None or before is None:
            return made.left
        key = contract.column(contract.key)
        if key is None or not self._knows_who_left(step, made):
            return None
        self.engine.declare(_GONE, [key], [str(file.path) for file in before.files])
        return left_of(self.engine, keys_only_in(_GONE, contract.name, key.name))

    def _knows_who_left(self, step: _Step, made: _Made) -> bool:
        """Whether the keys that a table had can be compared with those it has."""
        contract, before = self.declarations.contracts[step.transform.table], step.version
        if made.how != "rebuild" or contract.key is None or before is None:
            return True
        key = contract.column(contract.key)
        had = before.notes.get("key", contract.key)
        return (
            key is not None
            and had == key.name
            and (key.name, key.type) in before.columns
            and damage(self.warehouse.files, before) is None
        )

    def _publish(self, contract: Contract, rows: pa.Table, target: Target) -> Published:
        from stedi.privacy.publication import publish  # which loads what is compiled

        assert contract.publication is not None
        boxes = boxes_folder(self.warehouse.root) / f"{contract.name}-{self.work.attempt}.parquet"
        published = publish(rows, contract.publication, target.fields, target.folder, boxes)
        if published.boxes:
            self.warehouse.files.publish([published.boxes])
        return published

    def _difference(self, contract: Contract, now: Published | None) -> dict[str, int] | None:
        """What a comparison with the publication before this one tells, while that is there."""
        from stedi.privacy.audit.difference import Edition, compared
        from stedi.privacy.publication import read_published
        from stedi.privacy.publication.boxes import read_boxes

        before = self.warehouse.version(contract.name)
        if now is None or now.boxes is None or contract.publication is None or before is None:
            return None
        boxes = before.notes.get("boxes")
        same = before.notes.get("publication") == contract.publication.fingerprint
        files = self.warehouse.files
        path = boxes_folder(self.warehouse.root) / str(boxes)
        if boxes is None or not same or not files.stat(path) or damage(files, before):
            return None
        names = [one.column for one in contract.publication.coarsened]
        try:
            files.fetch([path, *(file.path for file in before.files)])
            editions = [
                Edition.of(read_boxes(table, names), read_published(files[0]))
                for table, files in ((path, [f.path for f in before.files]), (now.boxes, now.paths))
            ]
        except (OSError, KeyError, ValueError, pa.ArrowException):
            return None  # somebody has changed the one before: nothing to compare with
        return asdict(compared(contract.publication, *editions))

    def _rows_in(self, transform: Transform) -> int:
        if transform.pairing is None:
            return self._rows(transform.source.name)
        [row] = self.engine.fetch(transform.pairing).to_pylist()
        pairs, crowd = int(row["pairs"] or 0), int(row["crowd"] or 0)
        limit = self.work.options.max_pairs
        crowded = limit is None and crowd > CROWD and pairs > LEAST_PAIR_LIMIT
        if limit is None:
            sizes = [self._rows(name) for name in transform.inputs]
            limit = max(LEAST_PAIR_LIMIT, PAIRS_PER_ROW * max(sizes))
        if pairs > limit or crowded:
            raise PairingTooLarge(
                f"{transform.table}: joining would give {pairs:,} rows; {crowd:,} rows of "
                f"{transform.source.name} share one value. The limit is {limit:,} rows"
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
    ) -> list[dict[str, Any]]:
        files = [footer_source(self.warehouse.files, path) for path in new]
        return hold_to_contract(contract, files, self.declarations, self.engine, recount, came)

    def _count_rows(self, path: Path) -> int:
        return parquet.count_rows(footer_source(self.warehouse.files, path))

    def _rows(self, table: str) -> int:
        version = self._versions[table]
        return version.rows if version else 0

    def _dropped(self, transform: Transform) -> dict[str, int]:
        reasons = self.declarations.reasons(transform.table)
        return {} if reasons is None else count_dropped(self.engine, reasons)


def withhold(work: Work) -> bool:
    """Publish nothing where a table has rows of people who left since; tells whether there was one.

    For a run that fails before it can be made anew. The next one tries again.
    """
    warehouse, declarations = work.warehouse, work.declarations
    outdated = outdated_publications(warehouse, declarations)
    for name in outdated:
        contract, version = declarations.contracts[name], warehouse.version(name)
        work.target(contract.name, contract.columns)  # so it has its columns
        notes: dict[str, Any] = {  # without inputs, so that it is out of date
            "declaration": declarations.fingerprint(contract.name),
            "in": 0,
            "dropped": {},
            "sums": True,
            "notes": [],
            "files": {},
            "left_by_then": version.notes.get("left_by_then") if version else None,
            "withheld": "people withdrew, and the last run could not publish anew",
        }
        warehouse.commit(contract.name, [], notes)
    return bool(outdated)


def _coded_at_edges(published: Published) -> list[dict[str, object]]:
    """Notes on values beyond the declared grid."""
    return [
        {
            "code": f"{column}_beyond_grid",
            "count": count,
            "text": f"{count:,} values of {column} lay beyond the grid that its contract declares, "
            "and were coded as its end",
        }
        for column, count in published.beyond.items()
    ]

"""Rebuilds each derived table whose inputs or declarations have changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict

import pyarrow as pa
from sqlglot import exp

from stedi import parquet
from stedi.contracts import Contract
from stedi.errors import PairingTooLarge, RuleBroken, UsageError
from stedi.landing.parse import Target
from stedi.pipeline.rules import count, hold_to_contract
from stedi.pipeline.work import Built, Work, damage
from stedi.privacy.boxes import read_boxes
from stedi.privacy.difference import Release, difference
from stedi.privacy.publication import Published, publish, read_published
from stedi.storage.sweep import boxes_folder, remove_outdated
from stedi.storage.warehouse import Version
from stedi.transforms import Transform, parse, tables_read

NOT_PUBLISHED = "not published: too few people, or one who dominates"
LEAST_PAIR_LIMIT = 1_000_000
PAIRS_PER_ROW = 10
CROWD = 1_000
"""By default a pairing may give a million rows, or ten times those of its largest input while no
more than a thousand rows share one value."""


class Derivation:
    """Works out the derived tables, holds them to their contracts, and commits them."""

    def __init__(self, work: Work) -> None:
        self.work, self.warehouse, self.declarations = work, work.warehouse, work.declarations
        self.engine = work.engine

    def bring_up_to_date(self) -> None:
        """Rebuild each derived table that is asked for and whose inputs or declarations changed.

        Raises `UsageError` where a table that one of them reads was never built.
        """
        versions = {name: self.warehouse.version(name) for name in self.declarations.schemas}
        only = self.work.options.only
        for table, transform in self.declarations.transforms.items():
            if only is not None and table not in only:
                continue
            self._refuse_missing(transform, versions)
            inputs = {
                name: version.snapshot_id
                for name in transform.inputs
                if (version := versions[name]) is not None
            }
            reason = self._why_stale(table, versions[table], inputs)
            if reason:
                for name in self._read_by(transform):
                    self._declare(name, versions[name])
                versions[table] = self._build(transform, inputs, reason)
            contract = self.declarations.contracts[table]
            if contract.is_published:
                if reason or self.warehouse.has_history(table):
                    remove_outdated(self.warehouse, table, contract.location)
                self._note_withheld(versions[table])

    def _note_withheld(self, version: Version | None) -> None:
        why = version.notes.get("withheld") if version else None
        if version and why:
            self.work.withheld[version.table] = why

    def _refuse_missing(self, transform: Transform, versions: Mapping[str, Version | None]) -> None:
        for name in sorted(self._read_by(transform) & {*self.declarations.transforms}):
            if versions[name] is None:
                raise UsageError(
                    f"{transform.table} reads {name}, which isn't there yet; build that first: "
                    f"stedi run --only {name}"
                )

    def _read_by(self, transform: Transform) -> set[str]:
        """The tables that a transform or a rule of its table reads, that table left out."""
        contract = self.declarations.contracts[transform.table]
        rules = [parse(rule.query, contract.place) for rule in contract.rules]
        named = {table.name for rule in rules for table in tables_read(rule)}
        return ({*transform.inputs} | named) - {transform.table}

    def _declare(self, table: str, version: Version | None) -> None:
        files = [str(file.path) for file in version.files] if version else []
        self.engine.declare(table, self.declarations.schemas[table], files)

    def _why_stale(
        self, table: str, version: Version | None, inputs: Mapping[str, int]
    ) -> str | None:
        if version is None:
            return "not built yet"
        if self.work.options.full:
            return "asked for"
        if "inputs" not in version.notes:
            return "not as the last run left it"
        if version.notes.get("declaration") != self.declarations.fingerprint(table):
            return "its declarations changed"
        changed = sorted(n for n, i in inputs.items() if version.notes["inputs"].get(n) != i)
        return f"{', '.join(changed)} changed" if changed else damage(version)

    def _build(self, transform: Transform, inputs: Mapping[str, int], reason: str) -> Version:
        table, contract = transform.table, self.declarations.contracts[transform.table]
        self.work.progress(f"{table}: {reason}")
        begin = time.monotonic()
        rows_in = self._rows_in(transform)
        target = self.work.target(table, contract.columns)
        published, publishing = None, 0.0
        if contract.is_published:
            self.engine.materialise(table, self.declarations.select(table))
            began = time.monotonic()
            published = self._publish(contract, target)
            paths, publishing = published.paths, time.monotonic() - began
        else:
            paths = self.engine.write(self.declarations.select(table), target.fields, target.folder)
            self.engine.declare(table, contract.columns, [str(path) for path in paths])
        notes = hold_to_contract(contract, paths, self.declarations, self.engine)
        dropped = self._dropped(transform)
        if published:
            notes += _coded_at_edges(published)
            if published.withheld:
                dropped[NOT_PUBLISHED] = published.withheld
        rows = sum(parquet.count_rows(path) for path in paths)
        if transform.sums_hold and rows_in != rows + sum(dropped.values()):
            raise RuleBroken(
                f"{table}: {rows_in:,} rows in, but {rows:,} kept and {sum(dropped.values()):,} "
                f"dropped; {transform.place} loses or multiplies rows. Nothing of it was committed"
            )
        version = self.warehouse.commit(
            table,
            paths,
            {
                "inputs": inputs,
                "declaration": self.declarations.fingerprint(table),
                "in": rows_in,
                "dropped": dropped,
                "sums": transform.sums_hold,
                "notes": notes,
                "files": self.work.fingerprints(paths, None),
                "boxes": published.boxes.name if published and published.boxes else None,
                "publication": contract.publication.fingerprint if contract.publication else None,
                "withheld": published.why if published else None,
                "difference": self._difference(contract, published),
            },
        )
        seconds = time.monotonic() - begin
        self.work.built.append(Built(table, reason, rows, seconds, publishing))
        return version

    def _publish(self, contract: Contract, target: Target) -> Published:
        assert contract.publication is not None
        boxes = boxes_folder(self.warehouse.root) / f"{contract.name}-{self.work.attempt}.parquet"
        return publish(
            self.engine, contract.name, contract.publication, target.fields, target.folder, boxes
        )

    def _difference(self, contract: Contract, now: Published | None) -> dict[str, int] | None:
        """What a comparison with the publication before this one tells, while that is there."""
        before = self.warehouse.version(contract.name)
        if now is None or now.boxes is None or contract.publication is None or before is None:
            return None
        boxes = before.notes.get("boxes")
        same = before.notes.get("publication") == contract.publication.fingerprint
        path = boxes_folder(self.warehouse.root) / str(boxes)
        if boxes is None or not same or not path.exists() or damage(before):
            return None
        names = [one.column for one in contract.publication.coarsened]
        try:
            releases = [
                Release.of(read_boxes(table, names), read_published(files[0]))
                for table, files in ((path, [f.path for f in before.files]), (now.boxes, now.paths))
            ]
        except (OSError, KeyError, ValueError, pa.ArrowException):
            return None  # somebody has changed the one before: nothing to compare with
        return asdict(difference(contract.publication, *releases))

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

    def _rows(self, table: str) -> int:
        return count(self.engine, exp.select("COUNT(*)").from_(exp.to_table(table)))

    def _dropped(self, transform: Transform) -> dict[str, int]:
        reasons = self.declarations.reasons(transform.table)
        if reasons is None:
            return {}
        rows = self.engine.fetch(reasons).to_pylist()
        return {row["dropped"]: int(row["rows_dropped"]) for row in rows}


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

"""Lays a published table open for the audit: what is published, the rows behind it, and others."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

import numpy as np

from stedi.contracts import Contract
from stedi.declared import Declarations
from stedi.engines.duckdb import DuckDBEngine
from stedi.errors import StorageError, UsageError
from stedi.privacy.audit import Audit, audit, nothing_published
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.boxes import read_boxes
from stedi.privacy.coding import BoxesOverlap, Coder
from stedi.privacy.publication import Raw, raw_rows, read_published
from stedi.privacy.search import points
from stedi.storage.sweep import boxes_folder, scratch_folder
from stedi.storage.warehouse import Version, Warehouse
from stedi.transforms import tables_read


def audit_table(warehouse: Warehouse, declarations: Declarations, table: str | None) -> Audit:
    """Audit one published table, by default the only one."""
    contract = _published(declarations, table)
    version = warehouse.version(contract.name)
    if version is None:
        raise UsageError(f"{contract.name} isn't there yet; run `stedi run` first")
    _refuse_stale(warehouse, declarations, contract, version)
    assert contract.publication is not None
    if not version.files:
        why = version.notes.get("withheld") or "there are no rows to publish"
        return nothing_published(contract.name, contract.publication.k, why)
    return audit(
        contract.name,
        _evidence(warehouse, declarations, contract, version),
        [file.path for file in version.files],
        warehouse.root / contract.location,
        warehouse.alive(contract.name),
        version.notes.get("difference"),
    )


def _published(declarations: Declarations, table: str | None) -> Contract:
    published = {c.name: c for c in declarations.contracts.values() if c.is_published}
    if table is None and len(published) == 1:
        return next(iter(published.values()))
    if table not in published:
        known = ", ".join(published) or "none"
        raise UsageError(f"{table or 'which table'}: the published tables are {known}")
    return published[table]


def _refuse_stale(
    warehouse: Warehouse, declarations: Declarations, contract: Contract, version: Version
) -> None:
    inputs = declarations.read_by(contract.name)
    read = {name: v.content for name in inputs if (v := warehouse.version(name))}
    if version.notes.get("inputs") != read or (
        version.notes.get("declaration") != declarations.fingerprint(contract.name)
    ):
        raise UsageError(f"{contract.name} is not up to date; run `stedi run` first")


def _evidence(
    warehouse: Warehouse, declarations: Declarations, contract: Contract, version: Version
) -> Evidence:
    publication = contract.publication
    assert publication is not None
    raw, controls = rows_behind(warehouse, declarations, contract)
    names = [one.column for one in publication.coarsened]
    path = boxes_folder(warehouse.root) / str(version.notes.get("boxes"))
    try:
        boxes = read_boxes(path, names)
    except (OSError, KeyError):
        raise StorageError(
            f"{path}: the table of boxes can't be read; `stedi run --full` makes it anew"
        ) from None
    on_grid = points(publication, raw.columns, raw.people)
    try:
        classes = Coder(boxes, on_grid).classes_of(on_grid.rows)
    except BoxesOverlap:
        classes = np.zeros(raw.rows, np.int64)  # the check of the boxes tells why
    return Evidence(
        publication,
        published=read_published(version.files[0].path),
        values={name: boxes[name].values for name in names},
        classes=classes,
        raw=raw,
        controls=controls,
        boxes=boxes,
    )


def rows_behind(
    warehouse: Warehouse, declarations: Declarations, contract: Contract
) -> tuple[Raw, Raw | None]:
    """The rows behind a published table, and those of people who are not in it."""
    assert contract.publication is not None
    select, others = declarations.select(contract.name), declarations.controls(contract.name)
    scratch = scratch_folder(warehouse.root) / f"audit-{os.getpid()}"
    engine = DuckDBEngine(scratch)
    try:
        for query in filter(None, (select, others)):
            for name in {read.name for read in tables_read(query)}:
                version = warehouse.version(name)
                files = [str(file.path) for file in version.files] if version else []
                engine.declare(name, declarations.schemas[name], files)
        return (
            raw_rows(engine.fetch(select), contract.publication),
            raw_rows(engine.fetch(others), contract.publication) if others else None,
        )
    finally:
        engine.close()
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):
            scratch.parent.rmdir()  # the last one out

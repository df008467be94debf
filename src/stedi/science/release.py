"""Releases a published table as a data set: a folder that any tool opens.

Beside rows, boxes and data sheet it has a description in Croissant, for tools that find and load
data sets. The same state of the lakehouse gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stedi import parquet
from stedi.errors import NotAnonymous, RuleBroken
from stedi.parquet import Field
from stedi.privacy.publication import batches
from stedi.privacy.published import PublishedTable
from stedi.progress import doing
from stedi.rights.holding_back import hold_back
from stedi.rights.ledger import Handing
from stedi.roots.scratch import scratch
from stedi.science.croissant import CROISSANT, DataSet, RecordSet, croissant, record_set
from stedi.science.datasheet import SheetFacts, datasheet
from stedi.science.documents import new_folder, require_empty, sha256, write_checksums
from stedi.status import Status
from stedi.text import counted

BOXES = "boxes.parquet"
DATASHEET = "README.md"


@dataclass(frozen=True)
class Release:
    """A folder with the data set; `files` by name, with their sizes in bytes.

    `tells` says what owners of an earlier release learn from this one, where it could have been
    held back.
    """

    folder: Path
    table: str
    rows: int
    classes: int
    snapshot: int
    files: Mapping[str, int]
    recipient: str | None = None
    tells: tuple[str, ...] = ()


def release(
    published: PublishedTable,
    status: Status,
    folder: Path,
    licence: str | None,
    *,
    recipient: str | None = None,
    now: bool = False,
) -> Release:
    """Write the data set to a fresh folder, whole or not at all, and note it in the ledger.

    Raises `UsageError` where something is there already or the table is out of date, `NotAnonymous`
    where the audit fails or it is held back (unless `now`), and `RuleBroken` where the lakehouse's
    sums don't hold.
    """
    require_empty(folder)
    handing = Handing(published, "release", published.version.rows, folder, recipient)
    if not status.ok:
        raise RuleBroken(
            f"the lakehouse doesn't reconcile, so nothing was released: {status.problems[0]}; "
            "`stedi status` says more"
        )
    status.refuse_stale(published.contract.name)
    audit = published.audit()
    if not audit.ok:
        raise NotAnonymous(
            f"{published.contract.name} fails its audit, so nothing was released: "
            f"{'; '.join(audit.problems)}. `stedi audit` says more"
        )
    doing("writing the data set and its data sheet")
    facts = SheetFacts(published, audit, status, licence)
    table = published.contract.name
    with scratch(published.warehouse.root, "release") as meanwhile:
        values = {f"{table}.parquet": _whole(published, meanwhile), BOXES: published.boxes_path}
        sums = {name: sha256(path) for name, path in values.items()}
        tells = hold_back(handing, sums, now=now)
        handing = replace(handing, is_early=bool(tells))
        with new_folder(folder, handing.noting) as fresh:
            _write(facts, values, fresh)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    given = handing.recipient
    return Release(folder, table, audit.rows, audit.classes, facts.snapshot, sizes, given, tells)


def _whole(published: PublishedTable, folder: Path) -> Path:
    """The published rows in one file, which is written to `folder` where they are in several."""
    paths = published.paths
    published.warehouse.files.fetch(paths)
    if len(paths) == 1:
        return paths[0]
    whole = folder / "whole.parquet"
    names = [column.name for column in published.contract.columns]
    fields = [Field(name, "double", number) for number, name in enumerate(names, start=1)]
    parquet.write_batches(batches(paths), fields, whole)
    return whole


def _write(facts: SheetFacts, values: Mapping[str, Path], folder: Path) -> None:
    for name, path in values.items():
        shutil.copyfile(path, folder / name)
    rows, boxes = values
    sums = {name: sha256(folder / name) for name in values}
    (folder / CROISSANT).write_text(_croissant(facts, rows, boxes, sums), encoding="utf-8")
    (folder / DATASHEET).write_text(datasheet(facts, rows, boxes), encoding="utf-8")
    write_checksums(folder)


def _croissant(facts: SheetFacts, rows: str, boxes: str, sums: Mapping[str, str]) -> str:
    """The description as JSON-LD; `rows` and `boxes` name the files, `sums` are their SHA-256."""
    contract, k = facts.contract, facts.audit.k
    done = (
        "Values are generalised so that each equivalence class (rows with equal values) has rows "
        f"of at least {counted(k, 'person', 'people')}; {DATASHEET} has the evidence, and what is "
        "not protected."
    )
    about = DataSet(
        name=contract.name,
        description=" ".join(filter(None, (contract.description, contract.limitations, done))),
        version=contract.version,
        published=facts.published,
        note=f"snapshot {facts.snapshot}",
        licence=facts.licence,
    )
    return croissant(about, sums, [_rows(facts, rows), _boxes(facts, boxes)])


def _rows(facts: SheetFacts, file: str) -> RecordSet:
    columns = {column.name: column.description for column in facts.contract.columns}
    return record_set(facts.contract.name, facts.contract.description, file, columns)


def _boxes(facts: SheetFacts, file: str) -> RecordSet:
    columns = {}
    for column in facts.contract.columns:
        columns[f"{column.name}_from"] = f"The least {column.name} that belongs to the class."
        columns[f"{column.name}_to"] = f"The least {column.name} above those that belong to it."
        columns[column.name] = f"The value of {column.name} that is published for them."
    purpose = "What each class of published values stands for, so that raw data can be coded alike."
    return record_set("boxes", purpose, file, columns)

"""Releases a published table as a data set: a folder that any tool opens.

The same state of the lakehouse gives the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stedi.errors import NotAnonymous, RuleBroken
from stedi.privacy.published import PublishedTable
from stedi.science.croissant import croissant
from stedi.science.datasheet import datasheet
from stedi.science.facts import Facts
from stedi.science.folder import refuse_taken, whole
from stedi.status import Status

BOXES = "boxes.parquet"
DATASHEET = "README.md"
CROISSANT = "croissant.json"
CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Release:
    """A folder with the data set; `files` by name, with their sizes in bytes."""

    folder: Path
    table: str
    rows: int
    classes: int
    snapshot: int
    files: Mapping[str, int]


def release(opened: PublishedTable, status: Status, folder: Path, licence: str | None) -> Release:
    """Write the data set to a fresh folder, whole or not at all.

    Raises `UsageError` where something is there already or the table is not up to date,
    `NotAnonymous` where the audit fails, and `RuleBroken` where the lakehouse's sums don't hold.
    """
    refuse_taken(folder)
    if not status.ok:
        raise RuleBroken(
            f"the lakehouse doesn't add up, so nothing was released: {status.problems[0]}; "
            "`stedi status` says more"
        )
    status.refuse_stale(opened.contract.name)
    audit = opened.audit()
    if not audit.ok:
        raise NotAnonymous(
            f"{opened.contract.name} fails its audit, so nothing was released: "
            f"{'; '.join(audit.problems)}. `stedi audit` says more"
        )
    facts = Facts.of(opened, audit, status, licence)
    with whole(folder) as fresh:
        _write(opened, facts, fresh)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    table = opened.contract.name
    return Release(folder, table, audit.rows, audit.classes, facts.snapshot, sizes)


def _write(opened: PublishedTable, facts: Facts, folder: Path) -> None:
    rows = f"{opened.contract.name}.parquet"
    shutil.copyfile(opened.path, folder / rows)
    shutil.copyfile(opened.boxes_path, folder / BOXES)
    sums = {name: _sha256(folder / name) for name in (rows, BOXES)}
    (folder / CROISSANT).write_text(croissant(facts, rows, BOXES, sums), encoding="utf-8")
    (folder / DATASHEET).write_text(datasheet(facts, rows, BOXES), encoding="utf-8")
    listed = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    text = "".join(f"{digest}  {name}\n" for name, digest in listed.items())
    (folder / CHECKSUMS).write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

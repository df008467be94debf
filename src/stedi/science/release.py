"""Releases a published table as a data set: a folder that any tool opens.

Beside rows, boxes and data sheet it has a description in Croissant, for tools that find and load
data sets (MLCommons Croissant 1.0, http://mlcommons.org/croissant/1.0). The same state of the
lakehouse gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stedi.errors import NotAnonymous, RuleBroken
from stedi.privacy.published import PublishedTable
from stedi.rights.holding_back import hold_back
from stedi.rights.ledger import Handing
from stedi.science.datasheet import Facts, datasheet
from stedi.science.documents import new_folder, require_empty
from stedi.status import Status

BOXES = "boxes.parquet"
DATASHEET = "README.md"
CROISSANT = "croissant.json"
CHECKSUMS = "SHA256SUMS"
_OWN_WORDS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{word: f"cr:{word}" for word in _OWN_WORDS},
}


@dataclass(frozen=True)
class Release:
    """A folder with the data set; `files` by name, with their sizes in bytes.

    `tells` says what whoever has an earlier release learns from this one, where it could have been
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

    Raises `UsageError` where something is there already or the table is not up to date,
    `NotAnonymous` where the audit fails or it is held back (unless `now`), and `RuleBroken` where
    the lakehouse's sums don't hold.
    """
    require_empty(folder)
    handing = Handing(published, "release", published.version.rows, folder, recipient)
    if not status.ok:
        raise RuleBroken(
            f"the lakehouse doesn't add up, so nothing was released: {status.problems[0]}; "
            "`stedi status` says more"
        )
    status.refuse_stale(published.contract.name)
    audit = published.audit()
    if not audit.ok:
        raise NotAnonymous(
            f"{published.contract.name} fails its audit, so nothing was released: "
            f"{'; '.join(audit.problems)}. `stedi audit` says more"
        )
    facts = Facts(published, audit, status, licence)
    table = published.contract.name
    values = {f"{table}.parquet": published.path, BOXES: published.boxes_path}
    sums = {name: _sha256(path) for name, path in values.items()}
    tells = hold_back(handing, sums, now=now)
    handing = replace(handing, is_early=bool(tells))
    with new_folder(folder, handing.noting) as fresh:
        _write(facts, fresh)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    given = handing.recipient
    return Release(folder, table, audit.rows, audit.classes, facts.snapshot, sizes, given, tells)


def _write(facts: Facts, folder: Path) -> None:
    rows = f"{facts.contract.name}.parquet"
    shutil.copyfile(facts.table.path, folder / rows)
    shutil.copyfile(facts.table.boxes_path, folder / BOXES)
    sums = {name: _sha256(folder / name) for name in (rows, BOXES)}
    (folder / CROISSANT).write_text(_croissant(facts, rows, BOXES, sums), encoding="utf-8")
    (folder / DATASHEET).write_text(datasheet(facts, rows, BOXES), encoding="utf-8")
    listed = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    text = "".join(f"{digest}  {name}\n" for name, digest in listed.items())
    (folder / CHECKSUMS).write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _croissant(facts: Facts, rows: str, boxes: str, sums: Mapping[str, str]) -> str:
    """The description as JSON-LD; `rows` and `boxes` name the files, `sums` are their SHA-256."""
    contract, k = facts.contract, facts.audit.k
    done = (
        "Values are generalised so that each equivalence class (rows with equal values) has rows "
        f"of at least {k} people; {DATASHEET} has the evidence, and what is not protected."
    )
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": contract.name,
        "description": " ".join(filter(None, (contract.description, contract.limitations, done))),
        "version": contract.version,
        "datePublished": facts.published.date().isoformat(),
        "citeAs": f"@misc{{{contract.name}, title = {{{contract.name}}}, "
        f"year = {{{facts.published.year}}}, note = {{snapshot {facts.snapshot}}}}}",
        **({"license": facts.licence} if facts.licence else {}),
        "distribution": [_file_object(name, digest) for name, digest in sums.items()],
        "recordSet": [_rows(facts, rows), _boxes(facts, boxes)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file_object(name: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _rows(facts: Facts, file: str) -> dict[str, Any]:
    columns = {column.name: column.description for column in facts.contract.columns}
    return _record_set(facts.contract.name, facts.contract.description, file, columns)


def _boxes(facts: Facts, file: str) -> dict[str, Any]:
    columns = {}
    for column in facts.contract.columns:
        columns[f"{column.name}_from"] = f"The least {column.name} that belongs to the class."
        columns[f"{column.name}_to"] = f"The least {column.name} above those that belong to it."
        columns[column.name] = f"The value of {column.name} that is published for them."
    purpose = "What each class of published values stands for, so that raw data can be coded alike."
    return _record_set("boxes", purpose, file, columns)


def _record_set(name: str, purpose: str, file: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": purpose,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": text,
                "dataType": "sc:Float",
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
            for column, text in columns.items()
        ],
    }

"""Descriptions of data sets in Croissant, for tools that find and load data sets.

MLCommons Croissant 1.0, http://mlcommons.org/croissant/1.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

CROISSANT = "croissant.json"
RecordSet: TypeAlias = dict[str, Any]
"""A record set as JSON-LD has it."""
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
class DataSet:
    """What is said of a data set as a whole; `licence` is None where the owner states none."""

    name: str
    description: str
    version: str
    published: datetime
    note: str
    licence: str | None


def croissant(about: DataSet, sums: Mapping[str, str], record_sets: Sequence[RecordSet]) -> str:
    """The description as JSON-LD; `sums` are the SHA-256 of the files, by name."""
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": about.description,
        "version": about.version,
        "datePublished": about.published.date().isoformat(),
        "citeAs": f"@misc{{{about.name}, title = {{{about.name}}}, "
        f"year = {{{about.published.year}}}, note = {{{about.note}}}}}",
        **({"license": about.licence} if about.licence else {}),
        "distribution": [_file_object(name, digest) for name, digest in sums.items()],
        "recordSet": record_sets,
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


def record_set(name: str, purpose: str, file: str, columns: Mapping[str, str]) -> RecordSet:
    """The rows of a file as doubles: a text of each column, by name."""
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

"""A description of the data set in Croissant, for tools that find and load data sets.

Specification: MLCommons Croissant 1.0, http://mlcommons.org/croissant/1.0
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stedi.science.facts import Facts

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


def croissant(facts: Facts, rows: str, boxes: str, sums: Mapping[str, str]) -> str:
    """The description as JSON-LD; `rows` and `boxes` name the files, `sums` are their SHA-256."""
    contract = facts.contract
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": contract.name,
        "description": f"{contract.description} {contract.limitations}".strip(),
        "version": contract.version,
        "datePublished": facts.published.date().isoformat(),
        "citeAs": f"@misc{{{contract.name}, title = {{{contract.name}}}, "
        f"year = {{{facts.published.year}}}, note = {{snapshot {facts.snapshot}}}}}",
        **({"license": facts.licence} if facts.licence else {}),
        "distribution": [_file(name, digest) for name, digest in sums.items()],
        "recordSet": [_rows(facts, rows), _boxes(facts, boxes)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file(name: str, digest: str) -> dict[str, Any]:
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
    return _records(facts.contract.name, facts.contract.description, file, columns)


def _boxes(facts: Facts, file: str) -> dict[str, Any]:
    columns = {}
    for column in facts.contract.columns:
        columns[f"{column.name}_from"] = f"The least {column.name} that belongs to the class."
        columns[f"{column.name}_to"] = f"The least {column.name} above those that belong to it."
        columns[column.name] = f"The value of {column.name} that is published for them."
    purpose = "What each class of published values stands for, so that raw data can be coded alike."
    return _records("boxes", purpose, file, columns)


def _records(name: str, purpose: str, file: str, columns: Mapping[str, str]) -> dict[str, Any]:
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

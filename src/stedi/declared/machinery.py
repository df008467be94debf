"""The tables that every lakehouse has, beside the declared ones: a row of each as a dataclass.

A field is annotated with its classification and what it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_type_hints

from stedi.columns import Column, ColumnType, Schemas

State = Literal["read", "copy", "gone"]
Verdict = Literal["good", "bad", "accepted", "empty", "copy", "re-delivered"]


class _Row:
    @property
    def values(self) -> tuple[object, ...]:
        """The row as Parquet is written; `astuple` would copy each value."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class LoadRow(_Row):
    """A landing file that a run has read."""

    source: Annotated[str, "none", "Source of the file."]
    file: Annotated[str, "quasi", "Path in the source's landing folder."]
    state: Annotated[State, "none", "read; copy: the same bytes as another file; gone."]
    size: Annotated[int, "none", "Bytes."]
    modified: Annotated[int, "none", "Modification time, epoch nanoseconds."]
    changed: Annotated[int, "none", "Time of the last change to the inode, epoch ns."]
    fingerprint: Annotated[str, "none", "Keyed hash of the bytes."]
    records: Annotated[int, "none", "Records in the file, including quarantined ones."]
    unknown_keys: Annotated[int, "none", "Records with keys that the contract doesn't have."]
    load: Annotated[int, "none", "Number of the load that read it last."]
    verdict: Annotated[
        Verdict,
        "none",
        "good; bad: a quarantined file; accepted: bad, but read; others: nothing is loaded.",
    ]
    parts: Annotated[str, "none", "Typed files that its records were written to."]
    arrived: Annotated[int, "none", "When its content first arrived, epoch nanoseconds."]
    set_aside: Annotated[int, "none", "Quarantined records."]
    repeated: Annotated[int, "none", "Records equal in all columns to one of an earlier file."]
    earlier: Annotated[str, "quasi", "The earlier files that have these records, a JSON list."]
    since: Annotated[int, "none", "Number of the first load that read a file of this name."]
    oddities: Annotated[str, "none", "Other oddities of records: counts by kind and key, JSON."]


@dataclass(frozen=True)
class QuarantineRow(_Row):
    """A quarantined record."""

    source: Annotated[str | None, "none", "Source of the record."]
    file: Annotated[str, "quasi", "Path in the source's landing folder."]
    byte_offset: Annotated[int, "none", "Where the record begins in the file, bytes."]
    byte_length: Annotated[int, "none", "Length of the record, bytes."]
    line: Annotated[int, "none", "Line where the record begins, from 1."]
    reason: Annotated[str, "none", "Why it was quarantined."]
    subject: Annotated[str | None, "direct", "The person it is about, if readable; one a line."]
    raw: Annotated[bytes, "direct", "The record, byte for byte."]
    load: Annotated[int, "none", "Number of the load that quarantined it."]


@dataclass(frozen=True)
class SuspendedRow(_Row):
    """A customer with a suspended consent."""

    subject: Annotated[str, "direct", "The customer, by the key of the table of consents."]
    why: Annotated[str, "none", "Why it does not count."]
    question: Annotated[str, "none", "What a person has to decide."]
    evidence: Annotated[str, "quasi", "Where to look for that, one a line."]
    until: Annotated[int | None, "quasi", "From when it counts; NULL: not before a decision."]
    review: Annotated[str | None, "none", "Number of the decision; NULL if there is none."]


def _columns(row: type[LoadRow | QuarantineRow | SuspendedRow]) -> tuple[Column, ...]:
    hints = get_type_hints(row, include_extras=True).items()
    return tuple(Column(name, _type(hint.__origin__), *hint.__metadata__) for name, hint in hints)


def _type(hint: object) -> ColumnType:
    if hint in (int, int | None):
        return "long"
    return "binary" if hint is bytes else "string"


MACHINERY: Schemas = {
    "loads": _columns(LoadRow),
    "quarantine": _columns(QuarantineRow),
    "suspended": _columns(SuspendedRow),
}
"""Columns of these tables by their names."""

"""Whose consent is suspended, with what a person has to decide, and the decision."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from stedi import parquet
from stedi.declared import Declarations
from stedi.errors import StorageError, UsageError
from stedi.storage.suspensions import SUSPENDED, decided, note_decision, why_outdated
from stedi.storage.warehouse import Warehouse

_FEWEST_DIGITS = 6


class Suspension(BaseModel):
    """People whose consent does not count, one spelled in several ways perhaps; masked or not.

    `review` is the number by which a decision is noted; None where there is none to make, since the
    consent begins at `until` (ISO 8601).
    """

    review: str | None
    why: str
    question: str
    people: list[str]
    evidence: list[str]
    until: str | None


class Review(BaseModel):
    """Suspensions as of the last run: those that somebody must decide about, and those that end.

    `decisions` counts those that are noted. `outdated` says why a run would find others.
    """

    to_decide: list[Suspension]
    waiting: list[Suspension]
    decisions: int
    outdated: str | None


def review(warehouse: Warehouse, declarations: Declarations, *, raw: bool = False) -> Review:
    """Who is suspended and why; letters and digits of identifiers are masked unless `raw`."""
    to_decide: dict[tuple[str, str], list[dict[str, Any]]] = {}
    waiting: list[Suspension] = []
    for row in sorted(_rows(warehouse), key=lambda row: (row["why"], row["subject"])):
        if row["review"] is None:
            waiting.append(_suspension([row], raw))
        else:
            to_decide.setdefault((row["review"], row["why"]), []).append(row)
    return Review(
        to_decide=[_suspension(rows, raw) for rows in to_decide.values()],
        waiting=waiting,
        decisions=len(decided(warehouse.files)),
        outdated=why_outdated(warehouse, declarations),
    )


def accept(warehouse: Warehouse, numbers: Sequence[str]) -> list[str]:
    """Note that consents count all the same; returns the whole numbers of these decisions.

    A decision holds for what there was to see: whatever else comes suspends again. Raises
    `UsageError` for a number that is not in the list; then none is noted.
    """
    known = {row["review"] for row in _rows(warehouse) if row["review"]}
    known |= set(decided(warehouse.files))
    whole = [_whole(number, known) for number in numbers]
    for number in dict.fromkeys(whole):
        note_decision(warehouse.files, number)
    return whole


def _whole(number: str, known: Iterable[str]) -> str:
    long_enough = len(number) >= _FEWEST_DIGITS
    found = [one for one in known if long_enough and one.startswith(number.lower())]
    if len(found) != 1:
        raise UsageError(
            f"review accept {number}: no such number; `stedi review` lists them, and "
            f"{_FEWEST_DIGITS} digits are enough"
        )
    return found[0]


def _rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    version = warehouse.version(SUSPENDED)
    if version is None:
        return []
    try:
        warehouse.files.fetch([file.path for file in version.files])
        return [row for file in version.files for row in parquet.read(file.path).to_pylist()]
    except (OSError, pa.ArrowException):
        raise StorageError(
            f"table {SUSPENDED}: a file of it is missing or damaged; `stedi run` rebuilds it"
        ) from None


def _suspension(rows: Sequence[dict[str, Any]], raw: bool) -> Suspension:
    first = rows[0]
    evidence = {line for row in rows for line in row["evidence"].split("\n")}
    until = first["until"]
    return Suspension(
        review=first["review"],
        why=first["why"],
        question=first["question"],
        people=[row["subject"] if raw else masked(row["subject"]) for row in rows],
        evidence=sorted(evidence),
        until=None if until is None else _time(until),
    )


def _time(epoch_ms: int) -> str:
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms after 1970"


def masked(text: str) -> str:
    """The shape of an identifier: which case its letters have, and what in it nobody sees."""
    return "".join(map(_masked, text))


def _masked(c: str) -> str:
    kind = unicodedata.category(c)
    if kind[0] in "CZM":
        return " " if c == " " else f"<U+{ord(c):04X}>"
    if kind[0] == "L":
        return "X" if kind == "Lu" else "x"
    return "0" if kind[0] == "N" else c

"""What tables note of people who left them, and publications of who had left by then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.storage.warehouse import Version, Warehouse

DAY = 86_400_000
"""Milliseconds."""


@dataclass(frozen=True)
class Left:
    """Keys that left a table, and the rows they had in it."""

    keys: int
    rows: int


def withdrawals(
    contract: Contract, before: Version | None, left: Left | None, is_known: bool
) -> dict[str, Any]:
    """What is noted of the people who left a table of people who consent.

    `withdrawn` are the times (epoch ms) after which snapshots of before may have to go. Where it
    isn't known who left, somebody may have.
    """
    days = contract.retention.withdrawal_days
    if days is None:
        return {}
    now = epoch_ms()
    noted: Sequence[int] = before.notes.get("withdrawn", ()) if before else ()
    due = [at for at in noted if is_due(at, days, now)]
    times = [*due[-1:], *(at for at in noted if at not in due)]
    some_left = not is_known or (left is not None and left.keys > 0)
    return {"withdrawn": [*times, now] if some_left else times, "key": contract.key}


def left_so_far(contract: Contract, before: Version | None, left: Left | None) -> dict[str, Any]:
    """What is noted of all keys that have ever left a table, and of rows of theirs."""
    if contract.key is None:
        return {}
    keys, rows = before.notes.get("left", (0, 0)) if before else (0, 0)
    return {"left": [keys + left.keys, rows + left.rows] if left else [keys, rows]}


def left_since(warehouse: Warehouse, declarations: Declarations, table: str) -> dict[str, Any]:
    """What is noted with a publication of keys that left tables, in all and since the one before.

    So that a run which publishes tells of them all, when runs before it were killed, or were asked
    for some tables only.
    """
    versions = {name: warehouse.version(name) for name in declarations.contracts}
    now = {name: v.notes["left"] for name, v in versions.items() if v and "left" in v.notes}
    last = versions[table]
    before = last.notes.get("left_by_then") if last else None
    noted: dict[str, Any] = {"left_by_then": now}
    if before is not None:
        pairs = {name: (left, before.get(name, (0, 0))) for name, left in now.items()}
        noted["left_since"] = {
            name: [keys - keys_before, rows - rows_before]
            for name, ((keys, rows), (keys_before, rows_before)) in pairs.items()
            if keys > keys_before
        }
    return noted


def last_left(warehouse: Warehouse, declarations: Declarations) -> dict[str, int]:
    """When somebody left last, by table of people who consent: what a publication is made after."""
    people = [
        c.name for c in declarations.contracts.values() if c.retention.withdrawal_days is not None
    ]
    versions = {name: warehouse.version(name) for name in people}
    noted = {name: v.notes.get("withdrawn", ()) for name, v in versions.items() if v}
    return {name: times[-1] if times else 0 for name, times in noted.items()}


def outdated_publications(warehouse: Warehouse, declarations: Declarations) -> list[str]:
    """Published tables with rows of people who have left a table of people who consent since."""
    published = [c.name for c in declarations.contracts.values() if c.is_published]
    versions = {name: warehouse.version(name) for name in published}
    now = last_left(warehouse, declarations) if any(versions.values()) else {}
    return [
        name for name, v in versions.items() if v and v.files and v.notes.get("last_left") != now
    ]


def is_due(at: int, days: float, now: int) -> bool:
    """Whether so many days have passed; none have to, by whatever clock it was noted."""
    return min(at, now) + days * DAY <= now


def epoch_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000

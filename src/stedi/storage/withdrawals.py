"""What tables note of people who left them, and publications of who had left by then."""

from __future__ import annotations

import time
from collections.abc import Mapping

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.storage.notes import Left
from stedi.storage.warehouse import Version, Warehouse

DAY = 86_400_000
"""Milliseconds."""


def withdrawals(
    contract: Contract, before: Version | None, left: Left | None, is_known: bool
) -> tuple[int, ...] | None:
    """The times (epoch ms) after which earlier snapshots may have to go; None for other tables.

    For a table of people who consent. Where it isn't known who left, somebody may have.
    """
    days = contract.retention.withdrawal_days
    if days is None:
        return None
    now = epoch_ms()
    withdrawn = before.withdrawn if before else ()
    due = [at for at in withdrawn if is_due(at, days, now)]
    times = (*due[-1:], *(at for at in withdrawn if at not in due))
    some_left = not is_known or (left is not None and left.keys > 0)
    return (*times, now) if some_left else times


def left_so_far(contract: Contract, before: Version | None, left: Left | None) -> Left | None:
    """All keys that have ever left a table that has a key, and rows of theirs."""
    if contract.key is None:
        return None
    left_before = before.derived.left if before and before.derived else None
    return (left_before or Left(0, 0)) + (left or Left(0, 0))


def left_by_now(warehouse: Warehouse, declarations: Declarations) -> dict[str, Left]:
    """What has ever left tables, by table; noted with a publication.

    So that a run which publishes reports them all, when runs before it were killed, or were asked
    for some tables only.
    """
    versions = {name: warehouse.version(name) for name in declarations.contracts}
    return {
        name: v.derived.left for name, v in versions.items() if v and v.derived and v.derived.left
    }


def left_since(now: Mapping[str, Left], last: Version | None) -> dict[str, Left]:
    """What has left tables since a publication; nothing where that didn't note what had by then."""
    by_then = last.published.left_by_then if last and last.published else None
    if by_then is None:
        return {}
    since = {name: left - by_then.get(name, Left(0, 0)) for name, left in now.items()}
    return {name: left for name, left in since.items() if left.keys > 0}


def last_left(warehouse: Warehouse, declarations: Declarations) -> dict[str, int]:
    """When somebody left last, by table of people who consent: what a publication is made after."""
    people = [
        c.name for c in declarations.contracts.values() if c.retention.withdrawal_days is not None
    ]
    versions = {name: warehouse.version(name) for name in people}
    withdrawn = {name: v.withdrawn for name, v in versions.items() if v}
    return {name: times[-1] if times else 0 for name, times in withdrawn.items()}


def outdated_publications(warehouse: Warehouse, declarations: Declarations) -> list[str]:
    """Published tables with rows of people who have left a table of people who consent since."""
    published = [c.name for c in declarations.contracts.values() if c.is_published]
    versions = {name: warehouse.version(name) for name in published}
    now = last_left(warehouse, declarations) if any(versions.values()) else {}
    return [
        name
        for name, v in versions.items()
        if v and v.files and (v.published is None or v.published.last_left != now)
    ]


def is_due(at: int, days: float, now: int) -> bool:
    """Whether so many days have passed; none have to, by whatever clock it was noted."""
    return min(at, now) + days * DAY <= now


def epoch_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000

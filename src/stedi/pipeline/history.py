"""What tables were before: kept for the declared time, then gone from disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from stedi.contracts import DEFAULT_SNAPSHOT_DAYS, Contract
from stedi.declared import Declarations
from stedi.pipeline.options import Left
from stedi.storage.sweep import remove_outdated
from stedi.storage.warehouse import Past, Version, Warehouse

_DAY = 86_400_000


def withdrawals(contract: Contract, before: Version | None, left: Left | None) -> dict[str, Any]:
    """What is noted of the people who left a table of people who consent.

    `withdrawn` are the times (epoch ms) after which snapshots of before may have to go.
    """
    days = contract.retention.withdrawal_days
    if days is None:
        return {}
    now = _now()
    times: list[int] = list(before.notes.get("withdrawn", ())) if before else []
    due = [at for at in times if at + days * _DAY <= now]
    times = [*due[-1:], *times[len(due) :]]
    return {"withdrawn": [*times, now] if left and left.keys else times}


def remove_expired(warehouse: Warehouse, declarations: Declarations) -> None:
    """Remove snapshots whose time is over: declared, or since people withdrew.

    Of a published table nothing stays but what is published.
    """
    now, contracts = _now(), declarations.contracts
    times = (at for contract in contracts.values() for at in _due(warehouse, contract, now))
    withdrawn = max(times, default=0)
    for table, location in declarations.locations.items():
        contract = contracts.get(table)
        if contract and contract.is_published:
            if table in warehouse.committed or warehouse.has_history(table):
                remove_outdated(warehouse, table, location)
            continue
        days = contract.retention.snapshot_days if contract else DEFAULT_SNAPSHOT_DAYS
        is_of_people = contract is not None and contract.zone != "landing"
        history = warehouse.history(table)
        expired = {
            past.snapshot_id
            for past, following in pairwise(history)
            if following.committed < now - days * _DAY
            or (is_of_people and past.committed < withdrawn)
        }
        if expired:
            warehouse.expire(table, expired)
        elif table in warehouse.committed:
            warehouse.tidy(table)


def _due(warehouse: Warehouse, contract: Contract, now: int) -> Iterator[int]:
    """When people withdrew whose rows must be gone from snapshots by now."""
    days = contract.retention.withdrawal_days
    history: Sequence[Past] = warehouse.history(contract.name) if days is not None else ()
    for at in history[-1].notes.get("withdrawn", ()) if history else ():
        if days is not None and at + days * _DAY <= now:
            yield at


def _now() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000

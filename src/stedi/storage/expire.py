"""What tables were before: kept for the declared time, then gone from disk."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from stedi.declared import Declarations
from stedi.declared.contract import DEFAULT_SNAPSHOT_DAYS, Contract
from stedi.storage.sweep import remove_outdated
from stedi.storage.warehouse import Warehouse
from stedi.storage.withdrawals import DAY, epoch_ms, is_due

MOST_SNAPSHOTS = 100
KEPT_SNAPSHOTS = 50
"""A table with more than the most keeps the newest of them alone, so that the metadata stays
bounded: a run every ten minutes makes a thousand in the seven days that they would be kept."""


def remove_expired(warehouse: Warehouse, declarations: Declarations) -> None:
    """Remove snapshots whose time is over: declared, or since people withdrew.

    Of a published table nothing stays but what is published.
    """
    now, contracts = epoch_ms(), declarations.contracts
    due = {name: at for name in contracts if (at := _due(warehouse, contracts[name], now))}
    withdrawn = max(due.values(), default=0)
    since = _made_since(warehouse, declarations, due)
    for table, location in declarations.locations.items():
        contract = contracts.get(table)
        if contract and contract.is_published:
            if table in warehouse.committed or warehouse.has_history(table):
                remove_outdated(warehouse, table, location)
            continue
        days = contract.retention.snapshot_days if contract else DEFAULT_SNAPSHOT_DAYS
        of_who_left = bool(due) and contract is not None and contract.zone != "landing"
        history = warehouse.history(table)
        over = history[:-KEPT_SNAPSHOTS] if len(history) > MOST_SNAPSHOTS else ()
        too_many = {past.snapshot_id for past in over}
        expired = {
            past.snapshot_id
            for past, following in pairwise(history)
            if following.committed < now - days * DAY
            or past.snapshot_id in too_many
            or (of_who_left and (past.committed < withdrawn or past.snapshot_id not in since))
        }
        if expired:
            warehouse.expire(table, expired)
        elif table in warehouse.committed:
            warehouse.tidy(table)


def _due(warehouse: Warehouse, contract: Contract, now: int) -> int:
    """When people withdrew last whose rows must be gone from snapshots by now; 0 for never.

    The last by the order in which it was noted: clocks differ.
    """
    days = contract.retention.withdrawal_days
    history = warehouse.history(contract.name) if days is not None else ()
    withdrawn = history[-1].withdrawn if history else ()
    due = [at for at in withdrawn if days is not None and is_due(at, days, now)]
    return due[-1] if due else 0


def _made_since(
    warehouse: Warehouse, declarations: Declarations, due: Mapping[str, int]
) -> set[int]:
    """Snapshots of derived tables that have nothing of who left these tables by then.

    When they were committed doesn't tell: clocks differ, and one may have been made later from an
    earlier table, by `--only`. A table of people notes when somebody left; others, what they were
    made from.
    """
    since: set[int] = set()
    contents: dict[str, set[int]] = {}
    for table in declarations.transforms:
        past_since = [
            past
            for past in warehouse.history(table)
            if (table not in due or due[table] in past.withdrawn)
            and all(
                content in contents.get(name, {content}) for name, content in past.inputs.items()
            )
        ]
        since |= {past.snapshot_id for past in past_since}
        contents[table] = {past.content for past in past_since}
    return since

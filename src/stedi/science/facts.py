"""All that a release says about its table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from stedi.declared.contract import Contract, Publication
from stedi.privacy.audit import Audit
from stedi.privacy.published import PublishedTable
from stedi.status import Status


@dataclass(frozen=True)
class Cost:
    """What coarsening did to a column: how far published values are from measured ones."""

    mean: float
    worst: float


@dataclass(frozen=True)
class Facts:
    """A published table, what it was made from, and what its audit found.

    `costs` are by column, `published` is when the snapshot was committed; `licence` is None where
    the owner states none.
    """

    contract: Contract
    publication: Publication
    contracts: Mapping[str, Contract]
    audit: Audit
    status: Status
    costs: Mapping[str, Cost]
    snapshot: int
    published: datetime
    licence: str | None

    @classmethod
    def of(cls, opened: PublishedTable, audit: Audit, status: Status, licence: str | None) -> Facts:
        """The facts of a table whose audit and status are given."""
        return cls(
            contract=opened.contract,
            publication=opened.publication,
            contracts=opened.declarations.contracts,
            audit=audit,
            status=status,
            costs=_costs(opened),
            snapshot=opened.version.snapshot_id,
            published=datetime.fromtimestamp(opened.version.committed // 1000, UTC),
            licence=licence,
        )


def _costs(opened: PublishedTable) -> dict[str, Cost]:
    """By column; summed exactly, so that the order of rows makes no difference."""
    evidence = opened.evidence
    costs = {}
    for name, values in evidence.values.items():
        errors = np.abs(values[evidence.classes] - evidence.raw.columns[name])
        costs[name] = Cost(math.fsum(errors) / len(errors), float(errors.max()))
    return costs

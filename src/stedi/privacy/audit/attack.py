"""What every attack has: a name, and a way to run it on the evidence."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from stedi.privacy.audit.evidence import Evidence

Risk = Literal["singling out", "linkability", "inference", "presence", "change"]
"""What an attack tries: one of the three criteria of Article 29 Working Party, Opinion 05/2014, or
whether somebody is in the table, or what changed between two publications."""


class AttackResult(BaseModel):
    """What an attacker knows, what is withheld from them, and how far they get.

    `ok` is None for what is measured only, because the method doesn't protect against it.
    `baseline` is what they get without the published table's equivalence classes, `interval` that
    of 95 % of what was measured; None where it is counted exactly. `summary` says in words what
    `figures` say, and `doubt` what else a failure can mean, `problem` what is wrong whatever it
    reaches; none of these goes into JSON.
    """

    knows: str
    withheld: str
    risk: Risk | None = None
    worst: float | None = None
    interval: tuple[float, float] | None = None
    mean: float | None = None
    baseline: float | None = None
    limit: float | None = None
    ok: bool | None = None
    figures: Any = None
    note: str | None = None
    summary: str | None = Field(default=None, exclude=True)
    doubt: str | None = Field(default=None, exclude=True)
    problem: str | None = Field(default=None, exclude=True)


class Attack(Protocol):
    """One way to attack a published table."""

    name: str
    risk: Risk

    def run(self, evidence: Evidence) -> AttackResult:
        """Attack it with all the evidence there is."""


def is_at_most(value: float, limit: float) -> bool:
    """Whether a figure keeps its limit, but for the rounding of doubles."""
    return value <= limit * (1 + 1e-12)

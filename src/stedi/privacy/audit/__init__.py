"""The audit: what someone who has all raw data can do to the published table, measured."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from stedi.declared.contract import Publication
from stedi.privacy.audit import checks
from stedi.privacy.audit.attack import Attack, AttackResult
from stedi.privacy.audit.attribution import Attribution
from stedi.privacy.audit.difference import Difference
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.inference import Inference
from stedi.privacy.audit.linkability import Linkability
from stedi.privacy.audit.membership import (
    MEMBERSHIP_BY_ZONE,
    Membership,
    MembershipByReference,
)
from stedi.privacy.audit.sample import Sample
from stedi.privacy.audit.withdrawal import Withdrawal
from stedi.privacy.publication.spread import Spread, changed, deviation
from stedi.progress import doing

ATTACKS: Sequence[Attack] = (
    Attribution(),
    Linkability(),
    Inference(),
    Membership(),
    MembershipByReference(),
    *MEMBERSHIP_BY_ZONE,
    Difference(),
    Withdrawal(),
)


class Provenance(BaseModel):
    """Which publication was audited; `contract` is a version, `published` a time (ISO 8601)."""

    profile: str
    contract: str
    snapshot: str
    published: str


class Audit(BaseModel):
    """Checks and attacks; `ok` is whether no check failed and no attack got further than it may.

    `smallest_class` is the fewest different people of a class, on either side, and `largest_share`
    the largest share that one person has of a class, on either side; `largest_share_both_sides`
    counts the rows that a person has on one side or the other. `weaker_than_recommended` is the
    contract's reason for a k that is. `checks` has the problems that each found, `provenance` which
    publication this is of. `suppressed` counts rows that were left out, and `warnings` has what
    isn't wrong, but should be looked at. `noise` is the scale of the noise in the counts that were
    attacked; None where they are true. `sample` is how many people were attacked in the attacks
    that are measured person by person; None where everybody was.
    """

    ok: bool
    table: str
    k: int
    rows: int
    classes: int
    smallest_class: int
    largest_share: float
    largest_share_both_sides: float | None
    weaker_than_recommended: str | None
    checks: dict[str, list[str]]
    attacks: dict[str, AttackResult]
    problems: list[str]
    provenance: Provenance | None = None
    suppressed: int = 0
    warnings: list[str] = []
    noise: float | None = None
    sample: Sample | None = None


def audit(
    table: str,
    evidence: Evidence,
    paths: Sequence[Path],
    in_folder: Collection[Path],
    alive: Collection[Path],
) -> Audit:
    """Check and attack a published table.

    `paths` are its files, `in_folder` those in its folder, `alive` those that may be there.
    """
    doing(f"checking {table}")
    checked = checks.problems(evidence, paths, in_folder, alive)
    attacks = {}
    for number, attack in enumerate(ATTACKS, start=1):
        doing(f"attack {number} of {len(ATTACKS)}: {attack.name}")
        result = attack.run(evidence)
        attacks[attack.name] = result.model_copy(update={"risk": attack.risk})
    problems = [f"{name}: {problem}" for name, own in checked.items() for problem in own]
    problems += [
        f"{name}: {_failure(result)}" for name, result in attacks.items() if result.ok is False
    ]
    problems += [f"{name}: {result.problem}" for name, result in attacks.items() if result.problem]
    return Audit(
        ok=not problems,
        table=table,
        k=evidence.publication.k,
        rows=evidence.stored.rows,
        classes=int(np.count_nonzero(evidence.counts)),
        smallest_class=evidence.fewest_people,
        largest_share=evidence.largest_share,
        largest_share_both_sides=evidence.largest_share_both_sides,
        weaker_than_recommended=evidence.publication.weaker_than_recommended,
        checks=checked,
        attacks=attacks,
        problems=problems,
        suppressed=evidence.suppressed,
        noise=evidence.noise_scale or None,
        sample=evidence.sample,
        warnings=[text for _, text in changed(_spreads(evidence), evidence.publication)],
    )


def _spreads(evidence: Evidence) -> dict[str, Spread]:
    """How far measured and published values are spread, by column."""
    return {
        name: Spread(evidence.deviations[name], deviation(values, evidence.stored.counts))
        for name, values in evidence.stored.columns.items()
        if name in evidence.deviations and len(values)
    }


def not_audited(table: str, publication: Publication, problem: str) -> Audit:
    """The audit of a table that there is nothing to attack of: it is empty, or can't be read."""
    return Audit(
        ok=False,
        table=table,
        k=publication.k,
        rows=0,
        classes=0,
        smallest_class=0,
        largest_share=0.0,
        largest_share_both_sides=0.0,
        weaker_than_recommended=publication.weaker_than_recommended,
        checks={},
        attacks={},
        problems=[problem],
    )


def _failure(attack: AttackResult) -> str:
    reached = f"reaches {attack.worst:.3f}, of {attack.limit:.3f} at most"
    return f"{reached}: {attack.doubt}" if attack.doubt else reached

"""Membership: whether people in the table can be told from others by their readings."""

from __future__ import annotations

import numpy as np

from stedi.arrays import Float64s
from stedi.privacy.audit.attack import AttackResult
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.targets import NOT_MEASURED, RESAMPLES, SEED, Targets, inside_and_outside


class Membership:
    """How well people in the table are told from others, by how near their readings lie to it.

    As an AUC: 0.5 is guessing, 1 certainty. Its interval is of 95 %, by a bootstrap over people.
    """

    name = "membership"

    def run(self, evidence: Evidence) -> AttackResult:
        """Tell who is in the table, where there are enough people in it and outside it."""
        knows, withheld = "all readings of a person", "whether the person consented"
        targets = inside_and_outside(evidence)
        if targets is None:
            return AttackResult(knows=knows, withheld=withheld, note=NOT_MEASURED)
        inside, outside = (_nearness(group, evidence) for group in targets)
        auc = _auc(inside, outside)
        rng = np.random.default_rng(SEED)
        resampled = [
            _auc(rng.choice(inside, len(inside)), rng.choice(outside, len(outside)))
            for _ in range(RESAMPLES)
        ]
        lower, upper = np.percentile(resampled, [2.5, 97.5])
        return AttackResult(
            knows=knows,
            withheld=withheld,
            worst=auc,
            baseline=0.5,
            figures={"auc": auc, "lower": float(lower), "upper": float(upper)},
            note="measured only: whether somebody is in the table is not protected; worst is an "
            "AUC",
        )


def _nearness(targets: Targets, evidence: Evidence) -> Float64s:
    """By person, how near readings lie to the published values that stand for them."""
    groups, _ = evidence.groups
    scale = np.maximum(groups.std(axis=0), 1e-12)
    axes = [targets.raw.columns[axis.column] for axis in evidence.publication.axes]
    away = (np.abs(np.column_stack(axes) - groups[targets.group]) / scale).sum(axis=1)
    return -targets.mean_by_person(away)


def _auc(inside: Float64s, outside: Float64s) -> float:
    """The chance that a person inside scores higher than one outside (Mann and Whitney's U)."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    ties = np.searchsorted(ordered, inside, side="right") - below
    return float((below + ties / 2).mean() / len(outside))

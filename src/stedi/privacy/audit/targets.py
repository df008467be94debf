"""The rows that an attacker tries: of people in the table, and of people who are not in it.

Anyone who can guess a value for people who are not in the table as well as for those who are has
learnt about people, not about these people. So what counts is the excess over the control group.
M. Giomi et al., "A Unified Framework for Quantifying Privacy Risk in Synthetic Data", Proceedings
on Privacy Enhancing Technologies 2023(2), measures attacks by controls in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.sample import SEED
from stedi.privacy.publication import Raw
from stedi.privacy.publication.coding import BoxesOverlap, Coder
from stedi.privacy.publication.search import points
from stedi.progress import advance

RESAMPLES = 1_000
FEWEST_PEOPLE = 30
"""In the table and outside it: of fewer nothing can be told."""
NOT_MEASURED = f"not measured: fewer than {FEWEST_PEOPLE} people in the table, or outside it"
_NEAREST_OF = 3_000
"""Rows of each group that an attacker without a table of boxes tries: each takes a long search."""


@dataclass(frozen=True)
class Targets:
    """Rows that are attacked, both of whose sides are one person's; people are numbered from 0.

    `group` is what an attacker takes each row for: the group of equal published axes, by the table
    of boxes or else by what lies nearest.
    """

    raw: Raw
    person: Int64s
    people: int
    group: Int64s

    @classmethod
    def of(cls, raw: Raw, evidence: Evidence) -> Targets:
        """Rows of one person, each with the group that an attacker takes it for."""
        rows = np.flatnonzero(raw.people[0] == raw.people[-1])
        known, person = np.unique(raw.people[0][rows], return_inverse=True)
        own = raw.taken(rows)
        group = _by_boxes(own, evidence)
        if group is None:
            rng = np.random.default_rng(SEED)
            some = rng.choice(len(rows), min(len(rows), _NEAREST_OF), replace=False)
            own, person = own.taken(some), person[some]
            group = _nearest(own, evidence)
        return cls(own, person, len(known), group)

    def resampled_means(self, values: Float64s) -> Float64s:
        """The mean of values, given by row, in each of the samples of people."""
        sums = np.bincount(self.person, weights=values, minlength=self.people)
        rows = np.bincount(self.person, minlength=self.people)
        rng = np.random.default_rng(SEED)
        means = np.empty(RESAMPLES)
        for n in range(RESAMPLES):
            drawn = rng.integers(self.people, size=self.people)
            means[n] = sums[drawn].sum() / max(rows[drawn].sum(), 1)
            advance()
        return means


def inside_and_outside(evidence: Evidence) -> tuple[Targets, Targets] | None:
    """People in the table, and others; None where there are too few of either."""
    if evidence.control_group is None:
        return None
    inside, outside = (Targets.of(raw, evidence) for raw in (evidence.raw, evidence.control_group))
    return (inside, outside) if min(inside.people, outside.people) >= FEWEST_PEOPLE else None


def _by_boxes(raw: Raw, evidence: Evidence) -> Int64s | None:
    if evidence.boxes is None or raw.rows == 0:
        return None
    on_grid = points(evidence.publication, raw.columns, raw.people)
    try:
        coder = Coder(evidence.boxes, on_grid)
        box = coder.boxes_of(on_grid.rows)
    except BoxesOverlap:
        return None
    class_of_box = np.empty(coder.boxes, np.int64)
    class_of_box[coder.box_of_class] = np.arange(evidence.class_count)
    groups: Int64s = evidence.groups[1][class_of_box[box]]
    return groups


def _nearest(raw: Raw, evidence: Evidence) -> Int64s:
    groups, _ = evidence.groups
    scale = np.maximum(groups.std(axis=0), 1e-12)
    own = np.column_stack([raw.columns[axis.column] for axis in evidence.publication.axes])
    away = (((groups - row) / scale) ** 2 for row in own)
    return np.array([int(distances.sum(axis=1).argmin()) for distances in away], np.int64)

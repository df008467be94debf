"""Inference and membership: what the published table tells of people whose acceleration is known.

Whoever can guess a value for people who are not in the table as well as for those who are has
learnt about people, not about these people. So what counts is the excess over the controls.
M. Giomi et al., "A Unified Framework for Quantifying Privacy Risk in Synthetic Data", Proceedings
on Privacy Enhancing Technologies 2023(2), measures attacks by controls in the same way. Controls
who differ as a group from those in the table would be guessed worse, or better, by anyone: by how
much a guess that looks at no class exceeds them is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.publication import Raw
from stedi.privacy.publication.coding import BoxesOverlap, Coder
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.search import points

FEWEST_PEOPLE = 30
"""In the table and outside it: of fewer nothing can be told."""
CLOSE = (0.01, 0.05, 0.10)
"""How near a guess must come, in shares of the span of nine tenths of the published values."""
RESAMPLES = 1_000
_NEAREST_OF = 3_000
"""Rows of each group that an attacker without a table of boxes tries: each takes a long search."""
_SEED = 20_260_101


@dataclass(frozen=True)
class Guess:
    """One way of guessing: how often it is right in the table and outside, and what classes add.

    `excess` is the difference of the two less `without_classes`, which is the same difference where
    one guess is made for all rows, as if the table were a single class. The interval holds the
    excess with 95 % for all ways at once (Bonferroni), by a bootstrap over people.
    """

    way: str
    in_table: float
    controls: float
    without_classes: float
    excess: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Membership:
    """How well people in the table are told from others, by how near their readings lie to it.

    0.5 is guessing, 1 certainty. The interval is of 95 %, by a bootstrap over people.
    """

    auc: float
    lower: float
    upper: float


def guesses(evidence: Evidence) -> list[Guess] | None:
    """Guess the target from the axes; None where there is no target, or too few people."""
    targets, target = _both(evidence), evidence.publication.target
    if targets is None or target is None:
        return None
    grid, all_one = Grid(target), np.zeros(evidence.class_count, np.int64)
    by_class = _Held.of(evidence, grid, _groups(evidence)[1])
    at_all = _Held.of(evidence, grid, all_one)
    inside, outside = (
        (by_class.rights(one, one.group), at_all.rights(one, np.zeros_like(one.group)))
        for one in targets
    )
    tail, found = 2.5 / len(inside[0]), []
    for way in inside[0]:
        (right, known), (control, known_too) = (
            [one[way] for one in two] for two in (inside, outside)
        )
        added = targets[0].resampled_means(right - known)
        excess = added - targets[1].resampled_means(control - known_too)
        lower, upper = np.percentile(excess, [tail, 100 - tail])
        in_table, controls = float(right.mean()), float(control.mean())
        without = float(known.mean() - known_too.mean())
        off = in_table - controls - without
        found.append(Guess(way, in_table, controls, without, off, float(lower), float(upper)))
    return found


def membership(evidence: Evidence) -> Membership | None:
    """Tell who is in the table; None where there are too few people."""
    targets = _both(evidence)
    if targets is None:
        return None
    axes = [axis.column for axis in evidence.publication.axes]
    groups = _groups(evidence)[0]
    scale = np.maximum(groups.std(axis=0), 1e-12)

    def nearness(one: _Targets) -> Float64s:
        """By person, how near readings lie to the published values that stand for them."""
        own = np.column_stack([one.raw.columns[name] for name in axes])
        return -one.mean_by_person((np.abs(own - groups[one.group]) / scale).sum(axis=1))

    inside, outside = (nearness(one) for one in targets)
    rng = np.random.default_rng(_SEED)
    resampled = [
        _auc(rng.choice(inside, len(inside)), rng.choice(outside, len(outside)))
        for _ in range(RESAMPLES)
    ]
    lower, upper = np.percentile(resampled, [2.5, 97.5])
    return Membership(_auc(inside, outside), float(lower), float(upper))


@dataclass(frozen=True)
class _Targets:
    """Rows that are attacked, both of whose sides are one person's; people are numbered from 0.

    `group` is what an attacker takes each row for: the group of equal published axes, by the table
    of boxes or else by what lies nearest.
    """

    raw: Raw
    person: Int64s
    people: int
    group: Int64s

    @classmethod
    def of(cls, raw: Raw, evidence: Evidence) -> _Targets:
        rows = np.flatnonzero(raw.people[0] == raw.people[-1])
        known, person = np.unique(raw.people[0][rows], return_inverse=True)
        own = raw.taken(rows)
        group = _by_boxes(own, evidence)
        if group is None:
            rng = np.random.default_rng(_SEED)
            some = rng.choice(len(rows), min(len(rows), _NEAREST_OF), replace=False)
            own, person = own.taken(some), person[some]
            group = _nearest(own, evidence)
        return cls(own, person, len(known), group)

    def mean_by_person(self, values: Float64s) -> Float64s:
        """The mean of each person who has rows here."""
        rows = np.bincount(self.person, minlength=self.people)
        sums = np.bincount(self.person, weights=values, minlength=self.people)
        means: Float64s = sums[rows > 0] / rows[rows > 0]
        return means

    def resampled_means(self, values: Float64s) -> Float64s:
        """The mean of values, given by row, in each of the samples of people."""
        sums = np.bincount(self.person, weights=values, minlength=self.people)
        rows = np.bincount(self.person, minlength=self.people)
        rng = np.random.default_rng(_SEED)
        means = np.empty(RESAMPLES)
        for n in range(RESAMPLES):
            drawn = rng.integers(self.people, size=self.people)
            means[n] = sums[drawn].sum() / max(rows[drawn].sum(), 1)
        return means


@dataclass(frozen=True)
class _Held:
    """What the published table holds of the target, by group of its classes.

    Values are numbers of the grid.
    """

    grid: Grid
    likelier_band: Int64s
    most_frequent: Float64s
    median: Float64s
    span: float

    @classmethod
    def of(cls, evidence: Evidence, grid: Grid, group_of_class: Int64s) -> _Held:
        published = evidence.published[grid.column]
        least, most = np.quantile(grid.positions(published), [0.05, 0.95])
        held = np.column_stack([group_of_class, grid.positions(evidence.values[grid.column])])
        known, place = np.unique(held, axis=0, return_inverse=True)
        group, values = known[:, 0].astype(np.int64), known[:, 1]
        counts = np.bincount(place, weights=evidence.rows_by_class).astype(np.int64)
        begins = np.flatnonzero(np.diff(group, prepend=-1))
        ends = np.append(begins[1:], len(group))
        bands = np.zeros((len(begins), len(grid.bands)), np.int64)
        np.add.at(bands, (group, grid.band(np.floor(values).astype(np.int32))), counts)
        running = np.concatenate([[0], np.cumsum(counts)])
        middle = np.searchsorted(running, (running[begins] + running[ends]) / 2, side="left") - 1
        by_count = np.lexsort((values, -counts, group))
        return cls(
            grid,
            bands.argmax(axis=1),
            values[by_count][begins],
            values[np.clip(middle, begins, ends - 1)],
            float(most - least),
        )

    def rights(self, targets: _Targets, group: Int64s) -> dict[str, Float64s]:
        """Ways to guess rows, taken for these groups, each with 1 where it is right and 0 else."""
        numbers, _ = self.grid.numbers(targets.raw.columns[self.grid.column])
        found = {}
        if len(self.grid.bands) > 1:
            found["band"] = self.likelier_band[group] == self.grid.band(numbers)
        for way, guess in (("most frequent value", self.most_frequent), ("median", self.median)):
            off = np.abs(guess[group] - numbers)
            for share in CLOSE:
                found[f"{way}, within {share:.0%}"] = off <= share * self.span
        return {way: right.astype(np.float64) for way, right in found.items()}


def _both(evidence: Evidence) -> tuple[_Targets, _Targets] | None:
    """People in the table, and others."""
    if evidence.controls is None:
        return None
    inside, outside = (_Targets.of(raw, evidence) for raw in (evidence.raw, evidence.controls))
    return (inside, outside) if min(inside.people, outside.people) >= FEWEST_PEOPLE else None


def _groups(evidence: Evidence) -> tuple[Float64s, Int64s]:
    """Published axes that differ, and which of them each class has."""
    axes = [evidence.values[axis.column] for axis in evidence.publication.axes]
    groups, group = np.unique(np.column_stack(axes), axis=0, return_inverse=True)
    return groups, group


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
    found: Int64s = _groups(evidence)[1][class_of_box[box]]
    return found


def _nearest(raw: Raw, evidence: Evidence) -> Int64s:
    groups, _ = _groups(evidence)
    scale = np.maximum(groups.std(axis=0), 1e-12)
    own = np.column_stack([raw.columns[axis.column] for axis in evidence.publication.axes])
    away = (((groups - row) / scale) ** 2 for row in own)
    return np.array([int(one.sum(axis=1).argmin()) for one in away], np.int64)


def _auc(inside: Float64s, outside: Float64s) -> float:
    """The chance that one inside scores higher than one outside (Mann and Whitney's U)."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    ties = np.searchsorted(ordered, inside, side="right") - below
    return float((below + ties / 2).mean() / len(outside))

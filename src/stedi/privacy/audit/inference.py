"""Inference: how well a target is guessed of people whose values on the axes are known.

A control group that differs from the people in the table would be guessed worse, or better, by
anyone: by how much a guess that looks at no class exceeds it is taken off.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.privacy.audit.attack import AttackResult, Risk, is_at_most
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.stored import quantiles
from stedi.privacy.audit.targets import NOT_MEASURED, RESAMPLES, Targets, inside_and_outside
from stedi.privacy.publication.grid import Grid
from stedi.progress import expect, note

MOST_EXCESS = 0.01
"""How much better a guess may be for people in the table than for others, at the interval's lower
end."""
CLOSE = (0.01, 0.05, 0.10)
"""How near a guess must come, in shares of the span of nine tenths of the published values."""


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


class Inference:
    """How much more often a target is guessed rightly for people in the table than for others."""

    name = "inference"
    risk: Risk = "inference"

    def run(self, evidence: Evidence) -> AttackResult:
        """Guess in several ways; the worst is the one whose interval begins highest."""
        target = evidence.publication.target
        knows = f"{', '.join(axis.column for axis in evidence.publication.axes)} of a reading"
        withheld = target.column if target else "nothing"
        ways = guesses(evidence)
        if not ways:
            return AttackResult(knows=knows, withheld=withheld, note=NOT_MEASURED)
        worst = max(ways, key=lambda guess: guess.lower)
        return AttackResult(
            knows=knows,
            withheld=withheld,
            worst=worst.lower,
            interval=(worst.lower, worst.upper),
            mean=sum(guess.excess for guess in ways) / len(ways),
            baseline=worst.controls,
            limit=MOST_EXCESS,
            ok=is_at_most(worst.lower, MOST_EXCESS),
            figures=[asdict(guess) for guess in ways],
            note=_note(worst) + evidence.of_sample,
            doubt="classes reveal too much about the people in them, or the control group differs "
            f"in how {withheld} depends on {knows}",
        )


def _note(worst: Guess) -> str:
    told = (
        "worst is the lower confidence bound of the best attack's advantage over the control "
        f"group: {worst.excess:.3f} ({worst.lower:.3f} to {worst.upper:.3f})"
    )
    if worst.lower <= MOST_EXCESS < worst.upper:
        told += "; with so few people, the advantage may still be above the limit"
    return told


def guesses(evidence: Evidence) -> list[Guess] | None:
    """Guess the target from the axes; None where there is no target, or too few people."""
    targets, target = inside_and_outside(evidence), evidence.publication.target
    if targets is None or target is None:
        return None
    grid, all_one = Grid(target), np.zeros(evidence.class_count, np.int64)
    by_class = _Held.of(evidence, grid, evidence.groups[1])
    at_all = _Held.of(evidence, grid, all_one)
    inside, outside = (
        (by_class.rights(some, some.group), at_all.rights(some, np.zeros_like(some.group)))
        for some in targets
    )
    tail, ways = 2.5 / len(inside[0]), []
    expect(2 * RESAMPLES * len(inside[0]), "samples of people")
    for way in inside[0]:
        note(f"guessing by {way}")
        (right, known), (control, known_too) = (
            [rights[way] for rights in both] for both in (inside, outside)
        )
        added = targets[0].resampled_means(right - known)
        excess = added - targets[1].resampled_means(control - known_too)
        lower, upper = np.percentile(excess, [tail, 100 - tail])
        in_table, controls = float(right.mean()), float(control.mean())
        without = float(known.mean() - known_too.mean())
        off = in_table - controls - without
        ways.append(Guess(way, in_table, controls, without, off, float(lower), float(upper)))
    note("")
    return ways


@dataclass(frozen=True)
class _Held:
    """What the published table has of the target, by group of its classes.

    Values are numbers of the grid.
    """

    grid: Grid
    likelier_band: Int64s
    most_frequent: Float64s
    median: Float64s
    span: float

    @classmethod
    def of(cls, evidence: Evidence, grid: Grid, group_of_class: Int64s) -> _Held:
        positions = grid.positions(evidence.stored.columns[grid.column])
        least, most = quantiles(positions, evidence.stored.counts, (0.05, 0.95))
        held = np.column_stack([group_of_class, grid.positions(evidence.values[grid.column])])
        known, place = np.unique(held, axis=0, return_inverse=True)
        group, values = known[:, 0].astype(np.int64), known[:, 1]
        counts = np.bincount(place, weights=evidence.counts).astype(np.int64)
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
            most - least,
        )

    def rights(self, targets: Targets, group: Int64s) -> dict[str, Float64s]:
        """Ways to guess rows, taken for these groups, each with 1 where it is right and 0 else."""
        numbers, _ = self.grid.numbers(targets.raw.columns[self.grid.column])
        rights = {}
        if len(self.grid.bands) > 1:
            rights["band"] = self.likelier_band[group] == self.grid.band(numbers)
        for way, guess in (("most frequent value", self.most_frequent), ("median", self.median)):
            off = np.abs(guess[group] - numbers)
            for share in CLOSE:
                rights[f"{way}, within {share:.0%}"] = off <= share * self.span
        return {way: right.astype(np.float64) for way, right in rights.items()}

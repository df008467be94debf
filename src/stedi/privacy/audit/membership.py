"""Membership: whether people in the table can be told from others, by attackers who know ever more.

Each scores people who are in the table and people of the control group, who are not; how well the
scores tell them apart is an AUC. `baseline` is that of the numbers of their rows alone. Where these
numbers alone tell them apart (a table may have a part of each person's rows only), people of the
control group are tried with as many of their readings as people in the table have rows.

All of them know what is promised: nobody has more than 1/k of a class. Anyone who has more readings
that would be in a class than that is not in the table, for sure. A person who would have nearly as
much of some classes, and isn't ruled out, is likely to be in it: classes were cut around them.
So people are scored in two ways, by the counts of their classes and by their largest shares of
them; the result is that of the better way.

Where counts are noisy, nothing is sure. Then scores are logarithms of likelihoods: of the published
counts with the person's rows among them, over those without. Small differences count as normal ones
do, large ones as Laplace's, which gets as far as the exact likelihood of an attacker who knows all
counts but that person's (the tests compare with it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.privacy.audit.attack import AttackResult, Risk
from stedi.privacy.audit.auc import Auc
from stedi.privacy.audit.decoder import decoded
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.readings import Readings
from stedi.privacy.audit.sample import SEED
from stedi.privacy.audit.targets import FEWEST_PEOPLE, NOT_MEASURED
from stedi.progress import each

_WITHHELD = "whether that person consented"
_LEAST = 0.5
"""Rows that a class has at least where logarithms are taken."""
_SURE = 1_000
"""A reading too many outweighs everything else that scores say."""
_DOUBTS = (0.25, 1, 4, 16, 64, 256, 1_024, 10_000)
"""Rows of a class that a guess without other people's readings is taken for; see `_expected`."""


class Membership:
    """With one person's readings: who can't be in it, whose classes have most rows or fewest."""

    name = "membership"
    risk: Risk = "presence"

    def run(self, evidence: Evidence) -> AttackResult:
        """Score by the mean of log(count / mean count of the classes of the same box)."""
        knows = "all readings of a person, and the table"
        people = _people(evidence)
        if people is None:
            return _not_measured(knows)
        expected = _by_box(evidence)
        if evidence.noise_scale:
            return _told(
                knows, people, [_scores(group, evidence, expected) for group in people], evidence
            )
        ruled_out = [_too_many(group, evidence) > 0 for group in people]
        result = _told(
            knows,
            people,
            [_scores(group, evidence, expected) for group in people],
            evidence,
            shares=_shares_if_true(people, evidence),
            ruled_out_in_table=float(ruled_out[0].mean()),
            ruled_out_outside=float(ruled_out[1].mean()),
        )
        result.note = (
            f"{ruled_out[1].mean():.0%} of the people outside can't be in it, since they have more "
            f"than 1/{evidence.publication.k} of a class; {result.note}"
        )
        return result


class MembershipByReference:
    """With one person's readings, beside those of people who are known not to be in the table.

    Half of the people outside are this reference; only the other half are to be told.
    """

    name = "membership_reference"
    risk: Risk = "presence"

    def run(self, evidence: Evidence) -> AttackResult:
        """Score like `Membership`, with what the reference lets expect of each class."""
        knows = "that, and readings of others who are not in the table"
        people = _people(evidence)
        if people is None or people[1].people < 2 * FEWEST_PEOPLE:
            return _not_measured(knows)
        halves = _parts(people[1].people, 2)
        reference, outside = (people[1].of_people(half) for half in halves)
        expected = _expected(evidence, reference)
        groups = people[0], outside
        scores = [_scores(group, evidence, expected) for group in groups]
        shares = _shares_if_true(groups, evidence)
        return _told(
            knows, groups, scores, evidence, shares=shares, reference_people=reference.people
        )


class MembershipByZone:
    """With a part of the landing zone: all readings of a share of all people, whose are in doubt.

    So that everybody is told, the zone is split into such parts, and each is decoded by itself.
    """

    risk: Risk = "presence"

    def __init__(self, name: str, share: str, parts: int) -> None:
        self.name, self._share, self._parts = f"membership_{name}", share, parts

    def run(self, evidence: Evidence) -> AttackResult:
        """Score by a linear decoder of all that aren't ruled out."""
        zone = "a sample of the landing zone" if evidence.sample else "the landing zone"
        knows = f"{self._share} of {zone}, and the table"
        people = _people(evidence)
        if people is None:
            return _not_measured(knows)
        scores, rng = [np.empty(group.people) for group in people], np.random.default_rng(SEED)
        parts = [_parts(group.people, self._parts) for group in people]
        for inside, outside in each([*zip(*parts, strict=True)], "parts of the landing zone"):
            known = people[0].of_people(inside).and_those_of(people[1].of_people(outside))
            score = self._decoded(known, evidence, rng)
            scores[0][inside], scores[1][outside] = np.split(score, [len(inside)])
        return _told(knows, people, scores, evidence, shares=_shares_if_true(people, evidence))

    def _decoded(self, known: Readings, evidence: Evidence, rng: np.random.Generator) -> Float64s:
        """The weight of each person.

        Where there are people whom the attacker doesn't know, rather how far the counts exceed what
        the weights of all others explain. Where counts are noisy, that in any case.
        """
        if evidence.noise_scale:
            counts = _counts(evidence)
            variance = _variance(counts, evidence)
            # With the whole zone there is nobody unknown, and noise isn't to be taken for them.
            is_all = self._parts == 1 and evidence.sample is None
            unknown = np.zeros(len(counts)) if is_all else _expected(evidence, known)
            weights, explained = decoded(counts, known, unknown, rng, variance)
            others = explained[known.classes] - known.rows * weights[known.person]
            return _likelihood(known, counts, others, variance)
        too_many = _too_many(known, evidence)
        possible = np.flatnonzero(too_many == 0)
        some, counts = known.of_people(possible), _counts(evidence)
        weights, explained = decoded(counts, some, _expected(evidence, known), rng)
        scores = -_SURE * too_many
        if self._parts == 1 and evidence.sample is None:
            scores[possible] = weights
        else:
            others = explained[some.classes] - some.rows * weights[some.person]
            scores[possible] = _excess(some, counts, others)
        return scores


MEMBERSHIP_BY_ZONE = (
    MembershipByZone("tenth", "a tenth", 10),
    MembershipByZone("half", "half", 2),
    MembershipByZone("all", "all", 1),
)


def _people(evidence: Evidence) -> tuple[Readings, Readings] | None:
    """Readings of people in the table, and of others; None where there are too few of either."""
    inside, outside = evidence.readings, evidence.readings_outside
    if inside is None or outside is None or min(inside.people, outside.people) < FEWEST_PEOPLE:
        return None
    return inside, (_as_many(outside, inside) if _differ(inside, outside) else outside)


def _differ(inside: Readings, outside: Readings) -> bool:
    """Whether the numbers of people's rows alone tell the two groups apart."""
    alone = Auc.of(*(group.sums(group.rows) for group in (inside, outside)))
    return not alone.lower <= 0.5 <= alone.upper


def _as_many(outside: Readings, inside: Readings) -> Readings:
    """Some readings of each, at random: as many as the person of the same rank in the table has."""
    totals, wanted = (np.sort(group.sums(group.rows)) for group in (outside, inside))
    ranks = np.argsort(np.argsort(outside.sums(outside.rows), kind="stable"))
    at = (ranks * len(wanted)) // len(totals)
    return outside.thinned(wanted[at].astype(np.int64), np.random.default_rng(SEED))


def _parts(people: int, parts: int) -> list[Int64s]:
    """People at random, in parts of equal size."""
    return np.array_split(np.random.default_rng(SEED).permutation(people), parts)


def _counts(evidence: Evidence) -> Float64s:
    """The published rows of each class, and none of what is in no class."""
    return np.append(evidence.counts, 0).astype(np.float64)


def _variance(counts: Float64s, evidence: Evidence) -> Float64s:
    """How far counts are from what is expected of them: as counts are anyway, and by noise."""
    variance: Float64s = np.maximum(counts, 1) + 2 * evidence.noise_scale**2
    return variance


def _by_box(evidence: Evidence) -> Float64s:
    """The mean count of the classes of the same box, for each class; for none, that of all."""
    box = evidence.groups[1]
    means = np.bincount(box, weights=evidence.counts) / np.bincount(box)
    return np.append(np.maximum(means[box], _LEAST), evidence.counts.mean())


def _expected(evidence: Evidence, known: Readings) -> Float64s:
    """What rows of anybody would make the counts, going by rows that are known and by the boxes.

    Few rows a class say little: they are taken together with some more, shared out as the counts of
    the boxes are. How many of these, the published counts decide, by their likelihood.
    """
    counts, by_box = _counts(evidence), _by_box(evidence)
    shape, rows = by_box / by_box.mean(), known.by_class(len(counts))
    blends = [rows + doubt * shape for doubt in _DOUBTS]
    likelihoods = [float((counts * np.log(blend / blend.sum())).sum()) for blend in blends]
    best = blends[int(np.argmax(likelihoods))]
    expected: Float64s = best * (counts.sum() / best.sum())
    return expected


def _too_many(readings: Readings, evidence: Evidence) -> Float64s:
    """By person, the readings, times k, beyond 1/k of their classes."""
    counts = _counts(evidence)[readings.classes]
    return readings.sums(np.maximum(evidence.publication.k * readings.rows - counts, 0))


def _shares_if_true(groups: Sequence[Readings], evidence: Evidence) -> Sequence[Float64s] | None:
    """What each of the groups scores by shares of classes; None where counts are noisy."""
    if evidence.noise_scale:
        return None
    return [_largest_shares(group, evidence) for group in groups]


def _largest_shares(readings: Readings, evidence: Evidence) -> Float64s:
    """By person, the mean of the k largest shares of classes that they would have.

    Less for those who are ruled out.
    """
    most, counts = evidence.publication.k, _counts(evidence)[readings.classes]
    shares = readings.rows / np.maximum(counts, _LEAST)
    order = np.lexsort((-shares, readings.person))  # people come in their order
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - readings.begins[readings.person]
    means = readings.sums(np.where(rank < most, shares, 0)) / most
    largest: Float64s = means - _SURE * _too_many(readings, evidence)
    return largest


def _scores(readings: Readings, evidence: Evidence, expected: Float64s) -> Float64s:
    if evidence.noise_scale:
        # A class of fewer rows than k times a person's is as likely as noise that far off.
        counts, missing = _counts(evidence), _too_many(readings, evidence)
        variance = _variance(counts, evidence)
        likelihood = _likelihood(readings, counts, expected[readings.classes], variance)
        return likelihood - missing / evidence.noise_scale
    excess = _excess(readings, _counts(evidence), expected[readings.classes])
    return excess - _SURE * _too_many(readings, evidence)


def _excess(readings: Readings, counts: Float64s, expected: Float64s) -> Float64s:
    """By person, the mean over all rows of log(count of the class / what is expected of it).

    `counts` are by class, `expected` beside the readings.
    """
    counts_here = np.maximum(counts[readings.classes], _LEAST)
    excess = readings.rows * np.log(counts_here / np.maximum(expected, _LEAST))
    means: Float64s = readings.sums(excess) / readings.sums(readings.rows)
    return means


def _likelihood(
    readings: Readings, counts: Float64s, others: Float64s, variance: Float64s
) -> Float64s:
    """By person, the logarithm of how much likelier counts are with their rows than without.

    `others` are the rows that others are expected to have, beside the readings.
    """
    classes, scale = readings.classes, np.sqrt(variance[readings.classes] / 2)
    off = counts[classes] - others
    return readings.sums(_rare(off / scale) - _rare((off - readings.rows) / scale))


def _rare(off: Float64s) -> Float64s:
    """How rare a difference is, as the logarithm of a likelihood (Huber's function)."""
    size = np.abs(off)
    return np.where(size < 1, size * size / 2, size - 0.5)


def _told(
    knows: str,
    people: tuple[Readings, Readings],
    scores: Sequence[Float64s],
    evidence: Evidence,
    *,
    shares: Sequence[Float64s] | None = None,
    **more: float,
) -> AttackResult:
    """The result of scores, or of what people score by their shares where that tells more."""
    told, by_shares = Auc.of(*scores), None if shares is None else Auc.of(*shares)
    is_by_shares = by_shares is not None and by_shares.value > told.value
    told = by_shares if by_shares is not None and is_by_shares else told
    way = " by the largest shares of classes" if is_by_shares else ""
    alone = Auc.of(*(group.sums(group.rows) for group in people)).either_way
    return AttackResult(
        knows=knows,
        withheld=_WITHHELD,
        worst=told.value,
        interval=(told.lower, told.upper),
        baseline=alone.value,
        figures={
            "auc": told.value,
            "lower": told.lower,
            "upper": told.upper,
            "row_counts_alone": asdict(alone),
            "people_in_table": people[0].people,
            "people_outside": people[1].people,
            **more,
        },
        note=f"AUC {told}{way}, by the numbers of rows alone {alone}{_of_noisy(evidence)}"
        f"{_of_a_part(evidence)}; measured only, since whether somebody is in the table is not "
        f"protected{evidence.of_sample}",
    )


def _of_noisy(evidence: Evidence) -> str:
    return f", of {evidence.form}" if evidence.noise_scale else ""


def _of_a_part(evidence: Evidence) -> str:
    inside, outside = evidence.readings, evidence.readings_outside
    if inside is None or outside is None or not _differ(inside, outside):
        return ""
    return ", with as many readings of each person outside as people in the table have rows"


def _not_measured(knows: str) -> AttackResult:
    return AttackResult(knows=knows, withheld=_WITHHELD, note=f"{NOT_MEASURED}, or no boxes")

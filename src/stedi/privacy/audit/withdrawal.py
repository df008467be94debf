"""Withdrawal: who left between two publications, by the readings of each person and by both.

The publication before is removed when the next one is there. So the audit plays it: it takes people
out of the rows behind the table, one at a time, publishes what is left in memory, and lets the
attacker rank everybody: in three ways, of which the best is reported. Where counts are noisy, each
publication that it plays has noise of its own, and nobody is ruled out.
"""

from __future__ import annotations

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.privacy.audit.attack import AttackResult, Risk
from stedi.privacy.audit.decoder import decoded
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.readings import Readings, classes_of, own_rows, summed
from stedi.privacy.audit.sample import SEED
from stedi.privacy.audit.targets import FEWEST_PEOPLE
from stedi.privacy.comparison import Edition, ranges_of, regions_of
from stedi.privacy.publication import Raw
from stedi.privacy.publication.boxes import table_of_boxes
from stedi.privacy.publication.noise import discrete_laplace, noisy
from stedi.privacy.publication.search import points, search, shortcomings
from stedi.privacy.publication.suppression import suppress
from stedi.progress import each
from stedi.text import rounded

MOST_TRIES = 10
FEWEST_TRIES = 3
MOST_ROWS = 3_000_000
"""To be published in all tries, or else in the fewest: each costs as much as a publication."""
LARGEST = 2_000_000
"""Rows of a table to try it with."""
_LEAST = 0.5
"""Rows of a class that has none, where logarithms are taken."""


class Withdrawal:
    """The share of people who, once they left, are the first that the attacker would name."""

    name = "withdrawal"
    risk: Risk = "change"

    def run(self, evidence: Evidence) -> AttackResult:
        """Take some people out, one at a time, and rank all people each time."""
        knows, withheld = "all readings of each person, this table and the next", "who left"
        rows = int(evidence.rows_by_class.sum())
        if evidence.whole is None or rows > LARGEST:
            why = f"not measured: each try costs a publication, of {LARGEST:,} rows at most"
            return AttackResult(knows=knows, withheld=withheld, note=why)
        tries = int(np.clip(MOST_ROWS // max(rows, 1), FEWEST_TRIES, MOST_TRIES))
        ranks = ranks_of_who_left(evidence, tries)
        if not ranks:
            why = (
                "not measured: there are too few people, or too few are left when one leaves, or "
                "boxes overlap or leave rows out"
            )
            return AttackResult(knows=knows, withheld=withheld, note=why)
        people = len(np.unique(own_rows(evidence.whole)[1]))
        first = sum(rank == 1 for rank in ranks)
        return AttackResult(
            knows=knows,
            withheld=withheld,
            worst=first / len(ranks),
            baseline=1 / rounded(people),
            figures={
                "tries": len(ranks),
                "first": first,
                "mean_rank": float(np.mean(ranks)),
                "worst_rank": max(ranks),
                "people": people,
            },
            note=f"the attacker named the person who left first in {first} of {len(ranks)} tries, "
            f"and at rank {np.mean(ranks):.1f} on average, by {evidence.form}; worst is the share "
            "named first; measured only, since what two publications reveal is not protected",
        )


def ranks_of_who_left(evidence: Evidence, tries: int) -> list[float]:
    """The rank that each of some people has among all, by the way that ranks them best."""
    return min(ranks_by_way(evidence, tries).values(), key=sum)


def ranks_by_way(evidence: Evidence, tries: int) -> dict[str, list[float]]:
    """The rank that each of some people has among all when that person alone leaves.

    By regions that are `certain`, by smaller ones that hold for `most rows`, and `decoded`: by how
    much less of a person's readings explains the counts now than before (see `decoder`). People who
    tie share the middle of their ranks. Nobody's where too few people are left to publish anything.
    """
    ranks: dict[str, list[float]] = {"certain": [], "most rows": [], "decoded": []}
    if evidence.boxes is None or evidence.whole is None or evidence.strays:
        return ranks
    scale, before = evidence.noise_scale, Edition(evidence.boxes, evidence.counts)
    rng = np.random.default_rng(SEED)
    own, person = own_rows(evidence.whole)
    names = np.unique(own.people[0])
    if len(names) < FEWEST_PEOPLE:
        return ranks
    classes = classes_of(own, evidence.publication, evidence.boxes)
    own_classes = Readings.of_rows(person, classes)
    weights = _weights(before, own_classes, scale)
    for leaver in each([*map(int, rng.permutation(len(names))[:tries])], "people taken out"):
        stay = np.all([side != names[leaver] for side in evidence.whole.people], axis=0)
        now = _published(evidence.whole.taken(np.flatnonzero(stay)), evidence.publication, rng)
        if now is None:
            continue
        classes_now = classes_of(own, evidence.publication, now.boxes)
        scores = {"decoded": weights - _weights(now, Readings.of_rows(person, classes_now), scale)}
        denser = _denser(evidence.publication, before, now, (classes, classes_now), person)
        for way in ("certain", "most rows"):
            regions = regions_of(evidence.publication, before, now, most_rows=way == "most rows")
            if scale:
                scores[way] = _likelihood(regions, before, now, own_classes, scale)
            else:
                scores[way] = _scores(_too_many(regions, before, now, own_classes), denser)
        for way, score in scores.items():
            ties = int((score == score[leaver]).sum())
            ranks[way].append(float((score > score[leaver]).sum() + (ties + 1) / 2))
    return ranks


def _published(raw: Raw, publication: Publication, rng: np.random.Generator) -> Edition | None:
    """What would be published of these rows; None where nothing would be."""
    on_grid = suppress(points(publication, raw.columns, raw.people), publication).points
    if not len(on_grid.rows) or any(shortcomings(on_grid, publication)):
        return None
    partition = search(on_grid, publication)
    counts = partition.counts
    if publication.noise is not None:
        counts = noisy(
            counts, discrete_laplace(rng.bytes(32), publication.noise.scale, len(counts))
        )
    return Edition(table_of_boxes(publication, partition), counts)


def _weights(edition: Edition, readings: Readings, scale: float) -> Float64s:
    """How much of each person's readings explains the counts of an edition, 0 to 1."""
    counts = np.append(edition.counts, 0).astype(np.float64)  # the last: readings in no class
    variance = np.maximum(counts, 1) + 2 * scale**2
    nobody, rng = np.zeros(len(counts)), np.random.default_rng(SEED)
    return decoded(counts, readings, nobody, rng, variance)[0]


def _scores(too_many: Float64s, denser: Float64s) -> Float64s:
    """How likely each person is the one who left, as a rank.

    A person who has more readings in a region than it lost is ruled out, and by as many the more.
    Among those who are left, by how much denser rows lay around their readings before than now.
    """
    order = np.lexsort((denser, -too_many))
    differs = (np.diff(too_many[order]) != 0) | (np.diff(denser[order]) != 0)
    scores = np.empty(len(denser))
    scores[order] = np.concatenate([[0], np.cumsum(differs)])
    return scores


def _denser(
    publication: Publication,
    before: Edition,
    now: Edition,
    both: tuple[Int64s, Int64s],
    person: Int64s,
) -> Float64s:
    """By person, how much denser rows lay around readings; `both` are classes before and now."""
    classes, classes_now = both
    # A reading in no class now is where nobody is left.
    density = np.log(np.maximum(before.counts, _LEAST)) - _volumes(publication, before)
    density_now = np.log(np.maximum(now.counts, _LEAST)) - _volumes(publication, now)
    nobody = np.log(_LEAST) - _volumes(publication, before)[classes]
    denser = density[classes] - np.where(
        classes_now < len(now.counts), np.append(density_now, 0)[classes_now], nobody
    )
    sums: Float64s = np.bincount(person, weights=denser).astype(np.float64)
    return sums


def _likelihood(
    regions: Int64s, before: Edition, now: Edition, readings: Readings, scale: float
) -> Float64s:
    """By person, the logarithm of how much likelier what regions lost is if they left.

    Noise is taken for normal, with the variance of that of all classes of a region.
    """
    lost = np.bincount(regions, weights=np.concatenate([before.counts, -now.counts]))
    variance = 2 * scale**2 * np.bincount(regions)
    width = len(lost)
    keys, place = np.unique(
        readings.person * width + regions[readings.classes], return_inverse=True
    )
    rows, region = np.bincount(place, weights=readings.rows), keys % width
    likelier = rows * (lost[region] - rows / 2) / variance[region]
    return summed(keys // width, likelier, readings.people)


def _too_many(regions: Int64s, before: Edition, now: Edition, readings: Readings) -> Float64s:
    """By person, how many readings there are more than rows that their regions lost."""
    lost = np.bincount(regions, weights=np.concatenate([before.counts, -now.counts]))
    width = len(lost)
    keys, place = np.unique(
        readings.person * width + regions[readings.classes], return_inverse=True
    )
    rows = np.bincount(place, weights=readings.rows)
    over = np.maximum(rows - np.maximum(lost[keys % width], 0), 0)
    return summed(keys // width, over, readings.people)


def _volumes(publication: Publication, edition: Edition) -> Float64s:
    """By class, the logarithm of how many points of the grids its rows can lie at."""
    ranges = ranges_of(publication.coarsened, edition, most_rows=True).astype(np.float64)
    volumes: Float64s = np.log(ranges[:, 1::2] - ranges[:, ::2] + 1).sum(axis=1)
    return volumes

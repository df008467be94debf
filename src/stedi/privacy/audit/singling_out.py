"""Attribution and linkability: what equal rows, and rows of two classes, tell about one person.

Singling out and linkability are two of the three risks of Article 29 Working Party, Opinion 05/2014
on Anonymisation Techniques; the third is inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.parquet.compiled import compiled
from stedi.privacy.audit.evidence import Crowd, Evidence


@dataclass(frozen=True)
class Attribution:
    """Of each class, the largest share of one person: the worst and the mean over classes.

    `baseline` is the largest share of all rows; `people` the fewest people of a class, `rows` the
    fewest rows.
    """

    worst: float
    mean: float
    baseline: float
    people: int
    rows: int


@dataclass(frozen=True)
class Linkability:
    """The chance that two rows are of one person: two of one class, and one each of two classes.

    `mean` is that of two rows of one class, over classes; `baseline` that of any two rows.
    """

    worst_of_one: float
    worst_of_two: float
    mean: float
    baseline: float


def attribution(evidence: Evidence) -> Attribution:
    """Exact, over all classes and on all sides."""
    found = []
    for crowd in evidence.crowds:
        rows = evidence.rows_by_class
        largest = np.zeros(len(rows), np.int64)
        np.maximum.at(largest, crowd.classes, crowd.rows)
        people = np.bincount(crowd.classes, minlength=len(rows))
        overall = np.bincount(crowd.people, weights=crowd.rows)
        shares = largest / np.maximum(rows, 1)
        found.append(
            (shares.max(), shares.mean(), overall.max() / overall.sum(), people.min(), rows.min())
        )
    worst, mean, baseline, fewest_people, fewest_rows = zip(*found, strict=True)
    return Attribution(
        float(max(worst)),
        float(max(mean)),
        float(max(baseline)),
        int(min(fewest_people)),
        int(min(fewest_rows)),
    )


def linkability(evidence: Evidence) -> Linkability:
    """Exact, over all classes and pairs of classes, on all sides."""
    found = []
    for crowd in evidence.crowds:
        rows = evidence.rows_by_class
        pairs = np.bincount(
            crowd.classes, weights=crowd.rows * (crowd.rows - 1.0), minlength=len(rows)
        )
        # A class of one row has no two; it is one person's for sure.
        chances = np.where(rows > 1, pairs / np.maximum(rows * (rows - 1.0), 1), 1.0)
        overall = np.bincount(crowd.people, weights=crowd.rows)
        total = overall.sum()
        baseline = (overall * (overall - 1)).sum() / max(total * (total - 1), 1)
        found.append((chances.max(), _worst_of_two(crowd, rows), chances.mean(), baseline))
    return Linkability(*(float(max(figures)) for figures in zip(*found, strict=True)))


def _worst_of_two(crowd: Crowd, rows: Int64s) -> float:
    """The greatest sum of products of shares, over all pairs of classes.

    Classes in the order of their norms, greatest first: no product is greater than that of the
    norms (Cauchy and Schwarz), so the search ends as soon as these fall below the best.
    """
    shares = crowd.rows / rows[crowd.classes]
    norms = np.sqrt(np.bincount(crowd.classes, weights=shares * shares, minlength=len(rows)))
    ranks = np.empty(len(rows), np.int64)
    ranks[np.argsort(-norms, kind="stable")] = np.arange(len(rows))
    by_class = np.lexsort((crowd.people, ranks[crowd.classes]))
    by_person = np.lexsort((ranks[crowd.classes], crowd.people))
    people = int(crowd.people.max()) + 1
    return _search_two(
        _begins(ranks[crowd.classes][by_class], len(rows)),
        crowd.people[by_class],
        shares[by_class],
        _begins(crowd.people[by_person], people),
        ranks[crowd.classes][by_person],
        shares[by_person],
        -np.sort(-norms),
        np.zeros(len(rows)),
        np.zeros(len(rows), np.int64),
    )


def _begins(sorted_keys: Int64s, count: int) -> Int64s:
    return np.searchsorted(sorted_keys, np.arange(count + 1))


@compiled
def _search_two(
    class_begins: Int64s, people: Int64s, shares: Float64s, person_begins: Int64s, classes: Int64s,
    shares_by_person: Float64s, norms: Float64s, sums: Float64s, touched: Int64s,
) -> float:  # fmt: skip
    best = 0.0
    for one in range(len(norms) - 1):
        if norms[one] * norms[one + 1] <= best:
            break
        count = 0
        for n in range(class_begins[one], class_begins[one + 1]):
            person, share = people[n], shares[n]
            for m in range(person_begins[person], person_begins[person + 1]):
                other = classes[m]
                if other <= one:
                    continue
                if norms[one] * norms[other] <= best:
                    break  # so are all that follow
                if sums[other] == 0.0:
                    touched[count] = other
                    count += 1
                sums[other] += share * shares_by_person[m]
        for n in range(count):
            best = max(best, sums[touched[n]])
            sums[touched[n]] = 0.0
    return best

"""Linkability: how likely two rows are of one person, by the classes that they are in."""

from __future__ import annotations

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.parquet.compiled import compiled
from stedi.privacy.audit.attack import AttackResult, Risk, is_at_most
from stedi.privacy.audit.evidence import Crowd, Evidence
from stedi.progress import note


class Linkability:
    """The chance that two rows are of one person: two of one class, or one each of two classes.

    Exact, over all classes and any two classes, and on all sides.
    """

    name = "linkability"
    risk: Risk = "linkability"

    def run(self, evidence: Evidence) -> AttackResult:
        """Find the worst class, and the worst two; the mean is over classes, of two rows of each.

        The baseline is the chance that any two rows have.
        """
        rows = evidence.rows_by_class
        chances = [_chances_of_one(crowd, rows) for crowd in evidence.crowds]
        note("any two rows of two classes")
        worst_of_one = float(max(chance.max() for chance in chances))
        worst_of_two = float(max(_worst_of_two(crowd, rows) for crowd in evidence.crowds))
        note("")
        worst, limit = max(worst_of_one, worst_of_two), 1 / evidence.publication.k
        return AttackResult(
            knows="all raw data, and the classes of two rows",
            withheld="whether they are of one person",
            worst=worst,
            mean=float(max(chance.mean() for chance in chances)),
            baseline=max(_chance_of_any(crowd) for crowd in evidence.crowds),
            limit=limit,
            ok=is_at_most(worst, limit),
            figures={"of_one_class": worst_of_one, "of_two_classes": worst_of_two},
            summary=f"two rows are of one person with a probability of {worst:.1%} at most",
        )


def _chances_of_one(crowd: Crowd, rows: Int64s) -> Float64s:
    """By class, the chance that two of its rows are of one person."""
    pairs = np.bincount(crowd.classes, weights=crowd.rows * (crowd.rows - 1.0), minlength=len(rows))
    # A class of one row has no two; it is one person's for sure.
    return np.where(rows > 1, pairs / np.maximum(rows * (rows - 1.0), 1), 1.0)


def _chance_of_any(crowd: Crowd) -> float:
    """The chance that two rows are of one person, whatever classes they are in."""
    overall = np.bincount(crowd.people, weights=crowd.rows)
    total = overall.sum()
    return float((overall * (overall - 1)).sum() / max(total * (total - 1), 1))


def _worst_of_two(crowd: Crowd, rows: Int64s) -> float:
    """The greatest sum of products of shares, over any two classes.

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

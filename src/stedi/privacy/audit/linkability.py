"""Linkability: how likely two rows are of one person, by the classes that they are in."""

from __future__ import annotations

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.parquet.compiled import compiled
from stedi.privacy.audit.attack import AttackResult, Risk, is_at_most
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.tally import Side, Totals
from stedi.progress import note


class Linkability:
    """The chance that two rows are of one person: two of one class, or one each of two classes.

    Exact, over all classes and any two classes, and on all sides. Of very many classes, two of
    those are tried that can have most in common, and `worst` is what the others can have at most.
    """

    name = "linkability"
    risk: Risk = "linkability"

    def run(self, evidence: Evidence) -> AttackResult:
        """Find the worst class, and the worst two; the mean is over classes, of two rows of each.

        The baseline is the chance that any two rows have.
        """
        rows, sides = evidence.rows_by_class, evidence.tally.sides
        chances = [_chances_of_one(side, rows) for side in sides]
        note("any two rows of two classes")
        worst_of_one = float(max(chance.max() for chance in chances))
        found, at_most = np.max([_worst_of_two(side, rows) for side in sides], axis=0)
        note("")
        worst, limit = float(max(worst_of_one, at_most)), 1 / evidence.publication.k
        return AttackResult(
            knows="all raw data, and the classes of two rows",
            withheld="whether they are of one person",
            worst=worst,
            mean=float(max(chance.mean() for chance in chances)),
            baseline=max(_chance_of_any(of, int(rows.sum())) for of in evidence.tally.totals),
            limit=limit,
            ok=is_at_most(worst, limit),
            interval=None if found == at_most else (float(max(worst_of_one, found)), worst),
            figures={"of_one_class": worst_of_one, "of_two_classes": float(at_most)},
            summary=f"two rows are of one person with a probability of {worst:.1%} at most",
            note=None
            if found == at_most
            else "those classes were tried that can have most in common; worst is what no others "
            f"can exceed, and {found:.3f} was found",
        )


def _chances_of_one(side: Side, rows: Int64s) -> Float64s:
    """By class, the chance that two of its rows are of one person."""
    # A class of one row has no two; it is one person's for sure.
    return np.where(rows > 1, side.pairs / np.maximum(rows * (rows - 1.0), 1), 1.0)


def _chance_of_any(side: Totals, rows: int) -> float:
    """The chance that two rows are of one person, whatever classes they are in."""
    return side.pairs / max(rows * (rows - 1), 1)


def _worst_of_two(side: Side, rows: Int64s) -> tuple[float, float]:
    """The greatest sum of products of shares that was found for two classes, and what it can be.

    Classes in the order of their norms, greatest first: no product is greater than that of the
    norms (Cauchy and Schwarz), so the search ends as soon as these fall below the best. What it can
    be is more than what was found where classes were left out.
    """
    crowd, norms = side.crowd, side.norms(rows)
    known, place = np.unique(crowd.classes, return_inverse=True)
    order = np.argsort(-norms[known], kind="stable")
    ranks = np.empty(len(known), np.int64)
    ranks[order] = np.arange(len(known))
    rank = ranks[place]
    _, people = np.unique(crowd.people, return_inverse=True)
    by_class, by_person = np.lexsort((people, rank)), np.lexsort((rank, people))
    found = _search_two(
        _begins(rank[by_class], len(known)),
        people[by_class],
        crowd.rows[by_class],
        _begins(people[by_person], int(people.max(initial=-1)) + 1),
        rank[by_person],
        crowd.rows[by_person],
        norms[known][order],
        rows[known][order].astype(np.float64),
        np.zeros(len(known), np.int64),
        np.zeros(len(known), np.int64),
    )
    return found, max(found, float(norms.max(initial=0)) * side.left_out)


def _begins(sorted_keys: Int64s, count: int) -> Int64s:
    return np.searchsorted(sorted_keys, np.arange(count + 1))


@compiled
def _search_two(
    class_begins: Int64s, people: Int64s, rows: Int64s, person_begins: Int64s, classes: Int64s,
    rows_by_person: Int64s, norms: Float64s, of: Float64s, sums: Int64s, touched: Int64s,
) -> float:  # fmt: skip
    """`of` are the rows of each class."""
    best = 0.0
    for one in range(len(norms) - 1):
        if norms[one] * norms[one + 1] <= best:
            break
        count = 0
        for n in range(class_begins[one], class_begins[one + 1]):
            person = people[n]
            for m in range(person_begins[person], person_begins[person + 1]):
                other = classes[m]
                if other <= one:
                    continue
                if norms[one] * norms[other] <= best:
                    break  # so are all that follow
                if sums[other] == 0:
                    touched[count] = other
                    count += 1
                sums[other] += rows[n] * rows_by_person[m]
        for n in range(count):
            other = touched[n]
            best = max(best, sums[other] / (of[one] * of[other]))
            sums[other] = 0
    return best

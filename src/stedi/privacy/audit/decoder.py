"""A linear decoder: from the counts of classes, and many people's readings, who is in the table.

The rows of a class are the sum of the rows of the people in the table. With an unknown weight for
each known person, 0 for out and 1 for in, and one weight for all rows of unknown people, whose
expected counts are given, that is a system of linear equations, solved by least squares, each
square over the count of its class, as the variance of counts suggests. After I. Dinur, K. Nissim,
"Revealing Information while Preserving Privacy", PODS 2003.
"""

from __future__ import annotations

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.parquet.compiled import compiled
from stedi.privacy.audit.readings import Readings

MOST_SWEEPS = 300
"""Over all people, each of which sets every weight to its best in turn; few dozens suffice."""
_WORK = 3e9
"""Counts to look at in all sweeps: some seconds."""
_CLOSE = 1e-5
"""The weights are found when no sweep changes one by more."""


def decoded(
    counts: Float64s,
    readings: Readings,
    unknown: Float64s,
    rng: np.random.Generator,
    variance: Float64s | None = None,
) -> tuple[Float64s, Float64s]:
    """The weight of each person, 0 to 1, and the rows that all weights explain.

    `counts`, `unknown`, the explained rows and the `variance` of counts are by class; by default
    that is the count.
    """
    # Of weights that explain the counts equally well, the first to be set would be the greatest.
    order = rng.permutation(readings.people)
    mixed = readings.of_people(order)
    weights = np.zeros(mixed.people + 1)
    sweeps = int(np.clip(_WORK / max(len(mixed.rows) + len(counts), 1), 20, MOST_SWEEPS))
    precision = 1 / (np.maximum(counts, 1) if variance is None else variance)
    squares = mixed.sums(mixed.rows**2 * precision[mixed.classes])
    squares = np.append(squares, (unknown**2 * precision).sum())
    left = counts.copy()
    _descend(
        mixed.begins, mixed.classes, mixed.rows, unknown, precision, squares,
        left, weights, sweeps, _CLOSE,
    )  # fmt: skip
    of_people = np.empty(mixed.people)
    of_people[order] = weights[:-1]
    return of_people, counts - left


@compiled
def _descend(
    begins: Int64s, classes: Int64s, rows: Float64s, unknown: Float64s, precision: Float64s,
    squares: Float64s, left: Float64s, weights: Float64s, sweeps: int, close: float,
) -> None:  # fmt: skip
    """Coordinate descent; `left` is what the weights leave of the counts."""
    people = len(weights) - 1
    for _ in range(sweeps):
        largest = 0.0
        if squares[people] > 0.0:
            slope = 0.0
            for n in range(len(unknown)):
                slope += unknown[n] * left[n] * precision[n]
            change = max(weights[people] + slope / squares[people], 0.0) - weights[people]
            weights[people] += change
            for n in range(len(unknown)):
                left[n] -= unknown[n] * change
            largest = abs(change)
        for person in range(people):
            if squares[person] == 0.0:
                continue
            slope = 0.0
            for n in range(begins[person], begins[person + 1]):
                slope += rows[n] * left[classes[n]] * precision[classes[n]]
            weight = min(max(weights[person] + slope / squares[person], 0.0), 1.0)
            change = weight - weights[person]
            if change != 0.0:
                weights[person] = weight
                for n in range(begins[person], begins[person + 1]):
                    left[classes[n]] -= rows[n] * change
                largest = max(largest, abs(change))
        if largest < close:
            break

"""How well a score tells two groups of people apart: the AUC, with its interval.

E. DeLong, D. DeLong, D. Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver
Operating Characteristic Curves", Biometrics 44(3), 1988.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stedi.arrays import Float64s

_95_PERCENT = 1.959964


@dataclass(frozen=True)
class Auc:
    """The chance that somebody inside scores higher than somebody outside; ties count half.

    0.5 is guessing, 1 certainty. From `lower` to `upper` is its interval of 95 % over people: a
    point where all are told apart.
    """

    value: float
    lower: float
    upper: float

    @classmethod
    def of(cls, inside: Float64s, outside: Float64s) -> Auc:
        """Compare the scores of two people or more each."""
        beaten, unbeaten = _shares_below(inside, outside), 1 - _shares_below(outside, inside)
        value = float(beaten.mean())
        variance = beaten.var(ddof=1) / len(beaten) + unbeaten.var(ddof=1) / len(unbeaten)
        margin = _95_PERCENT * float(np.sqrt(variance))
        return cls(value, max(value - margin, 0.0), min(value + margin, 1.0))

    @property
    def either_way(self) -> Auc:
        """The same of anyone who knows which of the two groups has the higher scores."""
        return self if self.value >= 0.5 else Auc(1 - self.value, 1 - self.upper, 1 - self.lower)

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.lower:.3f} to {self.upper:.3f})"


def _shares_below(scores: Float64s, others: Float64s) -> Float64s:
    """For each score, the share of others that it exceeds; those that equal it count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    shares: Float64s = (below + not_above) / (2 * len(ordered))
    return shares

"""Which people a model is tested on, and how well its scores tell the rows that are positive.

People are tested in folds, each by a model that learnt from the other folds. The fold is a keyed
fingerprint of who somebody is, so that the same person is always in the same fold, and nobody
without the key can tell in which. In each fold people are resampled, not rows (the cluster
bootstrap: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997, chapter
3), since rows of one person are alike. All models are measured on the same resamples, so that
their differences are taken resample by resample.

A figure is the mean over folds, and so are the ends of its interval. That is wider than an interval
of the mean: models of different folds learn mostly from the same people, so that a mean over folds
is less sure than it looks, by an amount that folds can't tell (Y. Bengio and Y. Grandvalet, "No
Unbiased Estimator of the Variance of K-Fold Cross-Validation", JMLR 5, 2004).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from blake3 import blake3
from pydantic import BaseModel

from stedi.arrays import Bools, Float64s, Int64s
from stedi.errors import RuleBroken
from stedi.landing.secret import secret_of_user

FOLDS = 5
RESAMPLES = 400
_BINS = 10
_CONTEXT = "stedi lakehouse, folds of people, 2026"


class Interval(BaseModel):
    """A figure, with its 95 % interval."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.lower:.3f} to {self.upper:.3f})"


class Confusion(BaseModel):
    """How many rows are told rightly and wrongly, where scores from `threshold` on count as yes."""

    threshold: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class CalibrationBin(BaseModel):
    """Rows with scores in one tenth of 0 to 1: their mean score, and the share that is positive."""

    lower: float
    upper: float
    rows: int
    predicted: float
    observed: float


class Measures(BaseModel):
    """How good one model's scores are; `brier` is the mean squared error of the probabilities."""

    auc: Interval
    average_precision: Interval
    brier: float
    calibration: list[CalibrationBin]
    confusion: Confusion


@dataclass(frozen=True)
class HeldOut:
    """The rows of one fold: whose they are, numbered from 0, and what is right."""

    person: Int64s
    is_positive: Bools

    @cached_property
    def people(self) -> int:
        """How many."""
        return int(self.person.max()) + 1

    @cached_property
    def resamples(self) -> list[Int64s]:
        """How often each person is drawn, by resample; always the same."""
        rng = np.random.default_rng(0)
        draws = (rng.integers(self.people, size=self.people) for _ in range(RESAMPLES))
        return [np.bincount(drawn, minlength=self.people) for drawn in draws]


class Ranks(NamedTuple):
    """How well rows are ranked: ROC AUC and average precision."""

    auc: float
    precision: float


class Scored:
    """One model's scores of the rows of a fold."""

    def __init__(self, tested: HeldOut, scores: Float64s) -> None:
        self.tested, self.scores = tested, scores
        _, self._level = np.unique(scores, return_inverse=True)
        self._levels = int(self._level.max()) + 1

    @cached_property
    def ranks(self) -> Ranks:
        """Of all rows."""
        return self._weighed(np.ones(len(self.scores)))

    @cached_property
    def resampled(self) -> list[Ranks]:
        """Over resamples of people."""
        return [self._weighed(times[self.tested.person]) for times in self.tested.resamples]

    def _weighed(self, weights: Float64s | Int64s) -> Ranks:
        """NaN where all rows are positive, or none."""
        positive = np.where(self.tested.is_positive, weights, 0)
        yes = np.bincount(self._level, positive, self._levels)
        no = np.bincount(self._level, weights - positive, self._levels)
        if not yes.any() or not no.any():
            return Ranks(float("nan"), float("nan"))
        # Mann and Whitney's U: how often two are in the right order, at one level by half.
        auc = (yes * (np.cumsum(no) - no / 2)).sum() / (yes.sum() * no.sum())
        yes, no = yes[::-1], no[::-1]
        recalled = np.cumsum(yes)
        precision = recalled / np.maximum(recalled + np.cumsum(no), 1)
        return Ranks(float(auc), float((yes * precision).sum() / recalled[-1]))


def folds_of(identities: pa.Table, sides: Sequence[Int64s]) -> list[Int64s]:
    """The fold, from 0 to `FOLDS`, that each row's person is in, by side.

    `identities` says by number who a `person` is. Raises `RuleBroken` for numbers that it lacks, or
    has twice.
    """
    numbers = np.array(identities["person"].to_pylist(), np.int64)
    key = blake3(secret_of_user(), derive_key_context=_CONTEXT).digest()
    folds = np.array([_fold(text, key) for text in identities["identity"].to_pylist()], np.int64)
    order = np.argsort(numbers)
    numbers, folds = numbers[order], folds[order]
    if (numbers[1:] == numbers[:-1]).any():
        raise RuleBroken("identities: a person has several")
    by_side = []
    for side in sides:
        places = np.minimum(np.searchsorted(numbers, side), max(len(numbers) - 1, 0))
        if len(side) and (len(numbers) == 0 or (numbers[places] != side).any()):
            raise RuleBroken("identities: rows are of people whom the query doesn't name")
        by_side.append(folds[places])
    return by_side


def _fold(identity: str, key: bytes) -> int:
    digest = blake3(identity.encode(errors="surrogatepass"), key=key).digest(8)
    return int.from_bytes(digest, "big") % FOLDS


def measures(folds: Sequence[Scored], threshold: float) -> Measures:
    """Measure one model's scores of all folds."""
    scores = np.concatenate([fold.scores for fold in folds])
    is_positive = np.concatenate([fold.tested.is_positive for fold in folds])
    return Measures(
        auc=_over_folds((f.ranks.auc, [ranks.auc for ranks in f.resampled]) for f in folds),
        average_precision=_over_folds(
            (f.ranks.precision, [ranks.precision for ranks in f.resampled]) for f in folds
        ),
        brier=float(np.mean((scores - is_positive) ** 2)),
        calibration=list(_calibration(scores, is_positive)),
        confusion=_confusion(scores >= threshold, is_positive, threshold),
    )


def kept_above_chance(published: Sequence[Scored], raw: Sequence[Scored]) -> Interval:
    """How much of `raw`'s AUC above chance `published` keeps, on the same folds and resamples."""

    def share(kept: Ranks, whole: Ranks) -> float:
        return (kept.auc - 0.5) / (whole.auc - 0.5) if whole.auc != 0.5 else float("nan")

    return _over_folds(
        (share(kept.ranks, whole.ranks), list(map(share, kept.resampled, whole.resampled)))
        for kept, whole in zip(published, raw, strict=True)
    )


def _over_folds(figures: Iterator[tuple[float, list[float]]]) -> Interval:
    """The mean of a figure over folds, and of the ends of its interval in each."""
    ends = [(value, *np.nanpercentile(many, [2.5, 97.5])) for value, many in figures]
    value, lower, upper = (float(mean) for mean in np.mean(ends, axis=0))
    return Interval(value=value, lower=lower, upper=upper)


def _calibration(scores: Float64s, is_positive: Bools) -> Iterator[CalibrationBin]:
    bins = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    for n in range(_BINS):
        inside = bins == n
        if inside.any():
            yield CalibrationBin(
                lower=n / _BINS,
                upper=(n + 1) / _BINS,
                rows=int(inside.sum()),
                predicted=float(scores[inside].mean()),
                observed=float(is_positive[inside].mean()),
            )


def _confusion(predicted: Bools, is_positive: Bools, threshold: float) -> Confusion:
    return Confusion(
        threshold=threshold,
        true_positives=int((predicted & is_positive).sum()),
        false_positives=int((predicted & ~is_positive).sum()),
        true_negatives=int((~predicted & ~is_positive).sum()),
        false_negatives=int((~predicted & is_positive).sum()),
    )

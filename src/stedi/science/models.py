"""The models, and how one is kept: by skops, never by pickle, which would run what it loads."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stedi.arrays import Float64s
from stedi.errors import Unavailable, UsageError
from stedi.extras import to_install

MODEL, FIGURES = "model.skops", "figures.json"
"""The files of a kept model and of its figures, in the folder that `stedi train` writes."""
BEST = "gradient boosting"
"""The model that is kept, chosen before anything is measured."""
_TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""What a kept model is made of, beyond what skops trusts by itself: arrays of nodes, no code."""


_LARGEST = 1 << 23
"""Bytes that a model's archive may unpack to, tenfold what ours do: read, lists of nothing take
twenty times as much memory."""


class Classifier(Protocol):
    """A model that returns probabilities, as those of scikit-learn do."""

    def fit(self, values: Float64s, labels: npt.NDArray[Any]) -> Any:
        """Learn from rows of values and their labels."""

    def predict_proba(self, values: Float64s) -> Float64s:
        """The probability of each label, by row."""


def new_models() -> dict[str, Classifier]:
    """Untrained models by name; raises `Unavailable` without the extra `science`."""
    with _from_the_extra():
        from sklearn.dummy import DummyClassifier
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    return {
        "majority": DummyClassifier(strategy="prior"),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
        BEST: HistGradientBoostingClassifier(random_state=0),
    }


def probabilities(model: Classifier, values: Float64s) -> Float64s:
    """The probability that each row is positive."""
    classes = [bool(label) for label in getattr(model, "classes_", [False, True])]
    if True not in classes:
        return np.zeros(len(values))
    return model.predict_proba(values)[:, classes.index(True)]


def save(model: Classifier, path: Path) -> None:
    """Write a model to a file."""
    with _from_the_extra():
        import skops.io
    skops.io.dump(model, path)


def load(path: Path) -> Classifier:
    """Read a model; raises `UsageError` for what isn't one, or holds more than a model does."""
    with _from_the_extra():
        import skops.io
    refuse_odd(path, _LARGEST)
    _refuse_large(path)
    try:
        model: Classifier = skops.io.load(path, trusted=_TRUSTED)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; `stedi train` writes it") from None
    except Exception as error:
        raise UsageError(
            f"{path}: not a model that `stedi train` wrote ({type(error).__name__})"
        ) from None
    if not hasattr(model, "predict_proba"):
        raise UsageError(f"{path}: has no model in it")
    return model


def refuse_odd(path: Path, most: int) -> None:
    """Raise `UsageError` for what is no plain file, as a pipe or a device, or too large a one."""
    if path.exists() and (not path.is_file() or path.stat().st_size > most):
        raise UsageError(
            f"{path}: no plain file of at most {most:,} bytes; `stedi train` wrote none other"
        )


def _refuse_large(path: Path) -> None:
    """Raise `UsageError` for an archive that unpacks to more than any model of ours has."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError):
        return  # anyone who reads it says what is wrong
    if size > _LARGEST:
        raise UsageError(
            f"{path}: unpacks to {size:,} bytes, and a model has at most {_LARGEST:,}; it is none "
            "that `stedi train` wrote"
        )


@contextmanager
def _from_the_extra() -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise Unavailable(f"models need scikit-learn and skops: {to_install('science')}") from None

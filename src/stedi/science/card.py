"""A trained model in a folder, with its figures and its card: what it is for, and worth.

After M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. A model is handed out: its
people and rows are counted to two digits, so that two folders don't tell that
one person left in between.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from stedi.markdown import markdown, table
from stedi.privacy.published import PublishedTable
from stedi.rights.ledger import Handing
from stedi.science.datasheet import NOT_STATED
from stedi.science.documents import new_folder
from stedi.science.evaluation import CalibrationBin, Confusion, Interval, Measures
from stedi.science.models import FIGURES, MODEL, save
from stedi.science.training import ModelFigures, Trained, Training
from stedi.text import LEAST_TOLD, about, rounded

CARD = "README.md"


@dataclass(frozen=True)
class Details:
    """What a card says of how its model came to be; `licence` is None where none is stated."""

    stedi: str
    seconds: float
    licence: str | None = None
    sample: int | None = None

    @property
    def versions(self) -> str:
        """What the model was trained with."""
        names = ("scikit-learn", "skops", "numpy")
        told = (f"{name} {version(name)}" for name in names)
        return ", ".join([f"stedi {self.stedi}", *told, f"Python {python_version()}"])


def write_model(
    trained: Trained,
    published: PublishedTable,
    folder: Path,
    recipient: str | None = None,
    details: Details | None = None,
) -> None:
    """Write the model with its figures and card to a fresh folder, whole or not at all.

    It is noted in the ledger, with its recipient; figures without a model are not.
    """
    training = for_outsiders(trained.training)
    handing = Handing(published, "model", trained.training.rows, folder, recipient)
    is_kept = trained.model is not None
    with new_folder(folder, handing.noting if is_kept else lambda _: nullcontext()) as fresh:
        if trained.model is not None:
            save(trained.model, fresh / MODEL)
        figures = training.model_dump_json(indent=2)
        (fresh / FIGURES).write_text(figures + "\n", encoding="utf-8")
        (fresh / CARD).write_text(model_card(training, details), encoding="utf-8")


def for_outsiders(training: Training) -> Training:
    """The same figures, without what would tell exact numbers of people or of their rows.

    Counts have two digits, tens at least, and are 0 below ten. Shares and measures have the three
    or four decimals that the card shows, since a quotient with all its digits gives both numbers
    away. Bins of fewer than ten rows are left out.
    """
    return training.model_copy(
        update={
            "people": rounded(training.people),
            "rows": rounded(training.rows),
            "rows_tested": rounded(training.rows_tested),
            "rows_across": rounded(training.rows_across),
            "base_rate": None if training.base_rate is None else round(training.base_rate, 3),
            "models": {name: _model(figures) for name, figures in training.models.items()},
        }
    )


def _model(figures: ModelFigures) -> ModelFigures:
    kept = None if figures.kept is None else _interval(figures.kept)
    return ModelFigures(
        published=_measures(figures.published), raw=_measures(figures.raw), kept=kept
    )


def _measures(measures: Measures) -> Measures:
    confusion = measures.confusion
    return Measures(
        auc=_interval(measures.auc),
        average_precision=_interval(measures.average_precision),
        brier=round(measures.brier, 4),
        calibration=[_bin(one) for one in measures.calibration if one.rows >= LEAST_TOLD],
        confusion=Confusion(
            threshold=confusion.threshold,
            true_positives=rounded(confusion.true_positives),
            false_positives=rounded(confusion.false_positives),
            true_negatives=rounded(confusion.true_negatives),
            false_negatives=rounded(confusion.false_negatives),
        ),
    )


def _bin(one: CalibrationBin) -> CalibrationBin:
    return CalibrationBin(
        lower=one.lower,
        upper=one.upper,
        rows=rounded(one.rows),
        predicted=round(one.predicted, 3),
        observed=round(one.observed, 3),
    )


def _interval(interval: Interval) -> Interval:
    return Interval(
        value=round(interval.value, 3),
        lower=round(interval.lower, 3),
        upper=round(interval.upper, 3),
    )


def model_card(training: Training, details: Details | None = None) -> str:
    """The card in Markdown."""
    kept_model = _kept_model(training) if training.models else ""
    return markdown(
        _head(training),
        _details(training, details) if details else "",
        _intended(training) if training.models else "",
        _data(training),
        _figures(training),
        kept_model,
        _limits(training),
    )


def _head(training: Training) -> str:
    if not training.models:
        return f"""
# No model of {training.table}

**{training.verdict}**

No model was trained to predict {training.task} of the same time. This folder has only this card
and its figures. Train with more people: a smaller `--sample` has fewer.
"""
    return f"""
# A model of {training.table}

**{training.verdict}**

It predicts {training.task} of the same time. The kept model is
{training.kept_model}. It was chosen before anything was measured, and trained on the
published table itself, so it reveals nothing that the table doesn't.

    stedi predict DIR RECORDS.json     # DIR is this folder
"""


def _details(training: Training, details: Details) -> str:
    threshold = ""
    if training.models:
        confusion = training.models[training.kept_model].published.confusion
        threshold = f"a probability of {confusion.threshold:g} or more counts as yes"
    rows = (
        ("model", training.kept_model if training.models else "none"),
        ("threshold", threshold or "-"),
        ("training time", f"{about(round(details.seconds))} seconds, measuring included"),
        ("rows", f"a sample of {details.sample:,}" if details.sample else "all"),
        ("versions", details.versions),
        ("licence", details.licence or NOT_STATED),
    )
    return f"""
## Model details

{table(("what", "value"), rows)}
"""


def _intended(training: Training) -> str:
    return f"""
## Intended use

To predict {training.task}, for readings of the same devices and app, as a statement on
many readings. Out of scope: decisions about a person, people who did not agree to share
their data, other sensors, and movements over time.
"""


def _data(training: Training) -> str:
    text = f"""
## Training and evaluation data

Snapshot {training.snapshot} of {training.table}, profile {training.profile}:
{about(training.rows)} matched readings of {about(training.people)} people. Numbers of
people and of rows are rounded to two digits.

""" + (_tested(training) if training.models else "")
    if training.models and training.base_rate is not None:
        text += f"Of the rows tested {training.base_rate:.1%} are positive."
    return text


def _tested(training: Training) -> str:
    return f"""
To measure it, people were split into {training.folds} folds by a keyed fingerprint.
For each fold a model learnt from the readings of all others, generalised as the
publication does it, and was tested on the fold's raw rows:
{about(training.rows_tested)} rows in all. Readings of people in two folds
({about(training.rows_across)} rows) were neither learnt from where one of them was
tested, nor tested on.
"""


def _figures(training: Training) -> str:
    if not training.models:
        return "## Metrics\n\nNone: nothing was trained."
    columns = ("model", "trained on", "ROC AUC", "average precision", "Brier score", "kept")
    rows = (
        (model, rows, f"{m.auc}", f"{m.average_precision}", f"{m.brier:.4f}", f"{kept}")
        for model, figures in training.models.items()
        for rows, m, kept in (
            ("published", figures.published, figures.kept or "-"),
            ("raw", figures.raw, ""),
        )
    )
    return f"""
## Metrics

On people that the models haven't seen: means over folds, with 95 % bootstrap
intervals over the people of one fold. *Published* is trained on generalised rows, *raw*
on the same people's raw rows; *kept* is how much of the raw one's AUC above chance is
left.

{table(columns, rows)}
"""


def _kept_model(training: Training) -> str:
    measures = training.models[training.kept_model].published
    confusion = measures.confusion
    counts = (
        ("actual yes", about(confusion.true_positives), about(confusion.false_negatives)),
        ("actual no", about(confusion.false_positives), about(confusion.true_negatives)),
    )
    bins = (
        (
            f"{b.lower:.1f} to {b.upper:.1f}",
            about(b.rows),
            f"{b.predicted:.3f}",
            f"{b.observed:.3f}",
        )
        for b in measures.calibration
    )
    return f"""
## The kept model: {training.kept_model}

Confusion matrix, in rows, where a probability of {confusion.threshold:g} or more counts
as yes:

{table(("", "predicted yes", "predicted no"), counts)}

Calibration, by predicted probability, where ten rows or more have it:

{table(("predicted", "rows", "mean predicted", "observed"), bins)}
"""


def _limits(training: Training) -> str:
    if not training.models:
        return ""
    text = """
## Limitations

It sees single readings, not movements over time. It was tested on customers who agreed
to share their data, and says nothing about others than such.
"""
    if training.profile == "seed":
        text += "Under the seed profile some matched readings are of two people, which is noise."
    return text

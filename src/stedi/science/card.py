"""A trained model in a folder, with its figures and its card: what it is for, and worth.

After M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stedi.science.documents import markdown, new_folder, table
from stedi.science.evaluation import Interval, Measures
from stedi.science.models import FIGURES, MODEL, keep
from stedi.science.training import ModelFigures, Trained, Training

CARD = "README.md"


def write_model(trained: Trained, folder: Path) -> None:
    """Write the model with its figures and card to a fresh folder, whole or not at all."""
    with new_folder(folder) as fresh:
        if trained.model is not None:
            keep(trained.model, fresh / MODEL)
        figures = trained.training.model_dump_json(indent=2)
        (fresh / FIGURES).write_text(figures + "\n", encoding="utf-8")
        (fresh / CARD).write_text(model_card(trained.training), encoding="utf-8")


def model_card(training: Training) -> str:
    """The card in Markdown."""
    parts = (
        _head(training),
        _data(training),
        _figures(training),
        *((_best(training),) if training.models else ()),
        _limits(training),
    )
    return markdown(parts)


def _head(training: Training) -> Iterator[str]:
    yield f"# A model of {training.table}"
    yield ""
    yield f"**{training.verdict}**"
    yield ""
    yield f"It tells {training.task} of the same instant. Kept is {training.kept_model}, chosen "
    yield "before anything was measured and trained on the published table itself, so it holds "
    yield "nothing that the table wouldn't tell."
    yield ""
    yield "    stedi predict DIR RECORDS.json     # DIR is this folder"


def _data(training: Training) -> Iterator[str]:
    yield "## What it learnt from, and what it was tested on"
    yield ""
    yield f"Snapshot {training.snapshot} of {training.table}, profile {training.profile}: "
    yield f"{training.rows:,} pairs of {training.people:,} people."
    yield ""
    yield f"To measure it, people were split into {training.folds} folds by a keyed fingerprint. "
    yield "For each fold a model learnt from the pairs of all others, made anonymous as the "
    yield "publication does it, and was tested on the fold's raw rows: "
    yield f"{training.rows_tested:,} rows in all. {training.rows_across:,} pairs of people in two "
    yield "folds were neither learnt from where one of them was tested, nor tested on."
    if training.base_rate is not None:
        yield f"Of the rows tested {training.base_rate:.1%} are positive."


def _figures(training: Training) -> Iterator[str]:
    yield "## Figures"
    yield ""
    if not training.models:
        yield "None: nothing was trained."
        return
    yield "On people that the models haven't seen: means over folds, with 95 % bootstrap "
    yield "intervals over the people of one fold. *Published* is trained on coarsened rows, *raw* "
    yield "on the same people's raw rows; *kept* is how much of the raw one's AUC above chance is "
    yield "left."
    yield ""
    yield from table(
        ("model", "trained on", "ROC AUC", "average precision", "Brier score", "kept"),
        (row for name, figures in training.models.items() for row in _rows(name, figures)),
    )


def _rows(name: str, figures: ModelFigures) -> Iterator[tuple[str, ...]]:
    kept = _interval(figures.kept) if figures.kept else "-"
    for trained_on, measures, share in (
        ("published", figures.published, kept),
        ("raw", figures.raw, ""),
    ):
        auc, precision = _interval(measures.auc), _interval(measures.average_precision)
        yield name, trained_on, auc, precision, f"{measures.brier:.4f}", share


def _best(training: Training) -> Iterator[str]:
    best: Measures = training.models[training.kept_model].published
    confusion = best.confusion
    yield f"## The kept model: {training.kept_model}"
    yield ""
    yield f"Rows by what is right and what it says, where a probability of {confusion.threshold:g} "
    yield "or more counts as yes:"
    yield ""
    yield from table(
        ("", "says yes", "says no"),
        (
            ("is yes", f"{confusion.true_positives:,}", f"{confusion.false_negatives:,}"),
            ("is no", f"{confusion.false_positives:,}", f"{confusion.true_negatives:,}"),
        ),
    )
    yield ""
    yield "How far its probabilities can be taken at their word:"
    yield ""
    yield from table(
        ("it says", "rows", "says on average", "is so"),
        (
            (
                f"{one.lower:.1f} to {one.upper:.1f}",
                *(f"{one.rows:,}", f"{one.predicted:.3f}", f"{one.observed:.3f}"),
            )
            for one in best.calibration
        ),
    )


def _limits(training: Training) -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "It sees single instants, not movements over time. It was tested on customers who agreed "
    yield "to share their data, and says nothing about others than such. "
    if training.profile == "seed":
        yield "Under the seed profile some pairs join readings of two people, which is noise."


def _interval(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.lower:.3f} to {figure.upper:.3f})"

"""A trained model in a folder, with its figures and its card: what it is for, and worth.

After M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from stedi.privacy.published import PublishedTable
from stedi.rights.ledger import Handing
from stedi.science.documents import markdown, new_folder, table
from stedi.science.models import FIGURES, MODEL, save
from stedi.science.training import Trained, Training

CARD = "README.md"


def write_model(trained: Trained, published: PublishedTable, folder: Path) -> None:
    """Write the model with its figures and card to a fresh folder, whole or not at all.

    It is noted in the ledger; figures without a model are not.
    """
    handing = Handing(published, "model", trained.training.rows, folder)
    is_kept = trained.model is not None
    with new_folder(folder, handing.noting if is_kept else lambda _: nullcontext()) as fresh:
        if trained.model is not None:
            save(trained.model, fresh / MODEL)
        figures = trained.training.model_dump_json(indent=2)
        (fresh / FIGURES).write_text(figures + "\n", encoding="utf-8")
        (fresh / CARD).write_text(model_card(trained.training), encoding="utf-8")


def model_card(training: Training) -> str:
    """The card in Markdown."""
    kept_model = _kept_model(training) if training.models else ""
    return markdown(
        _head(training), _data(training), _figures(training), kept_model, _limits(training)
    )


def _head(training: Training) -> str:
    return f"""
# A model of {training.table}

**{training.verdict}**

It tells {training.task} of the same instant. Kept is {training.kept_model}, chosen
before anything was measured and trained on the published table itself, so it holds
nothing that the table wouldn't tell.

    stedi predict DIR RECORDS.json     # DIR is this folder
"""


def _data(training: Training) -> str:
    text = f"""
## What it learnt from, and what it was tested on

Snapshot {training.snapshot} of {training.table}, profile {training.profile}:
{training.rows:,} pairs of {training.people:,} people.

To measure it, people were split into {training.folds} folds by a keyed fingerprint.
For each fold a model learnt from the pairs of all others, made anonymous as the
publication does it, and was tested on the fold's raw rows:
{training.rows_tested:,} rows in all. {training.rows_across:,} pairs of people in two
folds were neither learnt from where one of them was tested, nor tested on.
"""
    if training.base_rate is not None:
        text += f"Of the rows tested {training.base_rate:.1%} are positive."
    return text


def _figures(training: Training) -> str:
    if not training.models:
        return "## Figures\n\nNone: nothing was trained."
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
## Figures

On people that the models haven't seen: means over folds, with 95 % bootstrap
intervals over the people of one fold. *Published* is trained on coarsened rows, *raw*
on the same people's raw rows; *kept* is how much of the raw one's AUC above chance is
left.

{table(columns, rows)}
"""


def _kept_model(training: Training) -> str:
    measures = training.models[training.kept_model].published
    confusion = measures.confusion
    counts = (
        ("is yes", f"{confusion.true_positives:,}", f"{confusion.false_negatives:,}"),
        ("is no", f"{confusion.false_positives:,}", f"{confusion.true_negatives:,}"),
    )
    bins = (
        (
            f"{b.lower:.1f} to {b.upper:.1f}",
            f"{b.rows:,}",
            f"{b.predicted:.3f}",
            f"{b.observed:.3f}",
        )
        for b in measures.calibration
    )
    return f"""
## The kept model: {training.kept_model}

Rows by what is right and what it says, where a probability of {confusion.threshold:g}
or more counts as yes:

{table(("", "says yes", "says no"), counts)}

How far its probabilities can be taken at their word:

{table(("it says", "rows", "says on average", "is so"), bins)}
"""


def _limits(training: Training) -> str:
    text = """
## Limits

It sees single instants, not movements over time. It was tested on customers who agreed
to share their data, and says nothing about others than such.
"""
    if training.profile == "seed":
        text += "Under the seed profile some pairs join readings of two people, which is noise."
    return text

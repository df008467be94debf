"""A trained model in a folder: the model, its figures, its card."""

from __future__ import annotations

from pathlib import Path

from stedi.science.card import model_card
from stedi.science.folder import whole
from stedi.science.models import keep
from stedi.science.training import Trained

MODEL = "model.skops"
FIGURES = "figures.json"
CARD = "README.md"


def write(trained: Trained, folder: Path) -> None:
    """Write the model with its figures and card to a fresh folder, whole or not at all."""
    with whole(folder) as fresh:
        if trained.model is not None:
            keep(trained.model, fresh / MODEL)
        figures = trained.training.model_dump_json(indent=2)
        (fresh / FIGURES).write_text(figures + "\n", encoding="utf-8")
        (fresh / CARD).write_text(model_card(trained.training), encoding="utf-8")

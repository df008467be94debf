"""Publications of people who stay around places of their own, as attackers have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Coarsened, Noise, Publication
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication import Raw
from stedi.privacy.publication.boxes import table_of_boxes
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.search import points, search

PUBLICATION = Publication(
    k=3,
    people_per_box=6,
    people=("person",),
    target=Coarsened("t", 0, 999, 1, edges=(500,)),
    axes=(Coarsened("x", 0, 999, 1), Coarsened("y", 0, 999, 1)),
    working_columns=(),
    controls=None,
)


SCALE = 8.0
"""Of noise on counts, where there is some."""
TWO_SIDES = Publication(
    k=3,
    people_per_box=6,
    people=("left", "right"),
    target=Coarsened("t", 0, 63, 1, edges=(20,)),
    axes=(Coarsened("x", -1_000, 1_000, 0.5), Coarsened("y", 0, 2_000, 1)),
    working_columns=(),
    controls=None,
)
"""Of rows that count two people each."""


def rows_around(places: Float64s, rng: np.random.Generator, spread: float, readings: int) -> Raw:
    """Readings of people, each around a place of their own: t, x and y."""
    person = np.repeat(np.arange(len(places)), readings)
    values = places[person] + rng.normal(0, spread, (len(person), 3))
    columns = np.clip(np.rint(values), 0, 999).T
    return Raw(dict(zip("txy", columns.copy(), strict=True)), (person,))


def evidence_of(raw: Raw, control_group: Raw, noise: Int64s | None = None) -> Evidence:
    """A publication of the rows as an attacker has it; with noise on its counts, if some is given.

    Of the noise, as much is taken as there are classes.
    """
    boxes = table_of_boxes(
        PUBLICATION, search(points(PUBLICATION, raw.columns, raw.people), PUBLICATION)
    )
    on_grid = points(PUBLICATION, raw.columns, raw.people)
    classes = Coder(boxes, on_grid).classes_of(on_grid.rows)
    values = {name: boxes[name].values for name in "txy"}
    order = np.lexsort([values[name][classes] for name in "yxt"])
    published = {name: values[name][classes][order] for name in "txy"}
    if noise is None:
        stored = Stored.of([published])
        return Evidence.of_rows(PUBLICATION, stored, values, raw, control_group, boxes)
    drawn = noise[: len(values["t"])]
    counts = np.maximum(np.bincount(classes, minlength=len(drawn)) + drawn, 0)
    order = np.lexsort([values[name] for name in "yxt"])
    repeated = {name: np.repeat(values[name][order], counts[order]) for name in "txy"}
    publication = replace(PUBLICATION, noise=Noise(SCALE, 90))
    stored = Stored.of([repeated])
    return Evidence.of_rows(publication, stored, values, raw, control_group, boxes, noise=drawn)

"""Publications of people who stay around places of their own, as attackers have them."""

from __future__ import annotations

import numpy as np

from stedi.arrays import Float64s
from stedi.declared.contract import Coarsened, Publication
from stedi.privacy.audit.evidence import Evidence
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


def evidence_of(raw: Raw, control_group: Raw) -> Evidence:
    """A publication of the rows as an attacker has it."""
    boxes = table_of_boxes(
        PUBLICATION, search(points(PUBLICATION, raw.columns, raw.people), PUBLICATION)
    )
    on_grid = points(PUBLICATION, raw.columns, raw.people)
    classes = Coder(boxes, on_grid).classes_of(on_grid.rows)
    values = {name: boxes[name].values for name in "txy"}
    order = np.lexsort([values[name][classes] for name in "yxt"])
    published = {name: values[name][classes][order] for name in "txy"}
    return Evidence(PUBLICATION, published, values, classes, raw, control_group, boxes)

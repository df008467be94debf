"""Matched readings drawn at random, with few values or many, and how they are published."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stedi.declared.contract import Coarsened, Publication

SELECT = "SELECT t, x, y, step, phone FROM pairs"


def declared(k: int = 3, people_per_box: int = 6, **others: object) -> Publication:
    parts = {
        "k": k,
        "people_per_box": people_per_box,
        "people": ("step", "phone"),
        "target": Coarsened("t", 0, 63, 1, edges=(20,)),
        "axes": (Coarsened("x", -8, 7.5, 0.5), Coarsened("y", 0, 31, 1)),
        "working_columns": (),
        "controls": None,
    }
    return Publication(**{**parts, **others})  # type: ignore[arg-type]


def drawn(
    seed: int, count: int, people: int, values: int, mixed: float, heavy: float = 0.0
) -> pa.Table:
    """Matched readings with few or many values on the axes; a share of them match two people.

    Of one person there is a `heavy` share of the rows.
    """
    rng = np.random.default_rng(seed)
    step = rng.integers(0, people, count)
    step[rng.random(count) < heavy] = 0
    phone = np.where(rng.random(count) < mixed, rng.integers(0, people, count), step)
    first = -3 if seed % 2 else 5  # of numbers that are no small ones, too
    return pa.table(
        {
            "t": np.minimum(rng.exponential(20, count).round(), 70),
            "x": rng.integers(0, values, count) / 2 - 8.25 + rng.integers(0, 2, count) / 4,
            "y": np.round(rng.normal(10, values / 4, count), 1),
            "step": step * 7 + first,
            "phone": phone * 7 + first,
        }
    )

"""What the audit looks at: what is published, the rows behind it, and people who are not in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.privacy.publication import Raw
from stedi.privacy.publication.boxes import Range

Columns = Mapping[str, Float64s]


@dataclass(frozen=True)
class Evidence:
    """A published table laid open.

    `published` are its columns as they are stored. `values` are the published values of each class,
    `classes` the class of each row behind it, in the order of `raw`, the rows before they were
    coarsened, with their people. `controls` are like rows of people who are not in the table.
    `boxes` is the table of boxes, in the order of the classes, where there is one that can be
    relied on; an attacker without one goes by the nearest published values.
    """

    publication: Publication
    published: Columns
    values: Columns
    classes: Int64s
    raw: Raw
    controls: Raw | None
    boxes: Mapping[str, Range] | None

    @cached_property
    def rows_by_class(self) -> Int64s:
        """How many rows each class has."""
        return np.bincount(self.classes, minlength=self.class_count)

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return len(next(iter(self.values.values())))

    @cached_property
    def crowds(self) -> tuple[Crowd, ...]:
        """Who is in each class, by side."""
        return tuple(Crowd.of(self.classes, people) for people in self.raw.people)


@dataclass(frozen=True)
class Crowd:
    """Rows by class and person, in this order: three columns of equal length."""

    classes: Int64s
    people: Int64s
    rows: Int64s

    @classmethod
    def of(cls, classes: Int64s, people: Int64s) -> Crowd:
        """Count rows of people, given by any numbers."""
        known, numbers = np.unique(people, return_inverse=True)
        keys, rows = np.unique(classes * len(known) + numbers, return_counts=True)
        return cls(keys // len(known), keys % len(known), rows)

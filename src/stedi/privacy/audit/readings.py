"""People's own readings, counted by the class of the published table that each would be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.privacy.publication import Raw
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.search import points


@dataclass(frozen=True)
class Readings:
    """Rows by person and class: those of person n are at `begins[n]` to below `begins[n + 1]`.

    Behind the classes of the table comes one more: of readings that would be in none of them.
    """

    begins: Int64s
    classes: Int64s
    rows: Float64s

    @classmethod
    def of(cls, raw: Raw, publication: Publication, boxes: Mapping[str, Range]) -> Readings:
        """Count the rows both of whose sides are one person's; raises `BoxesOverlap`."""
        own, person = own_rows(raw)
        return cls.of_rows(person, classes_of(own, publication, boxes))

    @classmethod
    def of_rows(cls, person: Int64s, classes: Int64s) -> Readings:
        """Count rows by person, numbered from 0, and class."""
        width = int(classes.max(initial=0)) + 1
        keys, rows = np.unique(person * width + classes, return_counts=True)
        begins = np.searchsorted(keys, width * np.arange(int(person.max(initial=-1)) + 2))
        return cls(begins, keys % width, rows.astype(np.float64))

    @property
    def people(self) -> int:
        """How many there are."""
        return len(self.begins) - 1

    @cached_property
    def person(self) -> Int64s:
        """Whose each count is."""
        return np.repeat(np.arange(self.people), np.diff(self.begins))

    def sums(self, values: Float64s) -> Float64s:
        """The sum for each person of values that are given by count."""
        return summed(self.person, values, self.people)

    def by_class(self, classes: int) -> Float64s:
        """The rows of all these people together, for so many classes."""
        return summed(self.classes, self.rows, classes)

    def of_people(self, people: Int64s) -> Readings:
        """Those of some of the people, in this order."""
        sizes = np.diff(self.begins)[people]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        at = np.repeat(self.begins[people] - begins[:-1], sizes) + np.arange(begins[-1])
        return Readings(begins, self.classes[at], self.rows[at])

    def thinned(self, most: Int64s, rng: np.random.Generator) -> Readings:
        """At most so many rows of each person, at random."""
        times = self.rows.astype(np.int64)
        person, classes = np.repeat(self.person, times), np.repeat(self.classes, times)
        order = np.lexsort((rng.random(len(person)), person))
        begins = np.searchsorted(person, np.arange(self.people))
        rank = np.arange(len(person)) - begins[person]  # people come in their order
        kept = order[rank < most[person]]
        return Readings.of_rows(person[kept], classes[kept])

    def and_those_of(self, others: Readings) -> Readings:
        """These people, and then the others."""
        return Readings(
            np.concatenate([self.begins, self.begins[-1] + others.begins[1:]]),
            np.concatenate([self.classes, others.classes]),
            np.concatenate([self.rows, others.rows]),
        )


def summed(keys: Int64s, values: Float64s, count: int) -> Float64s:
    """The sums of values by their keys, from 0 to below `count`; zeros where there are none."""
    sums = np.zeros(count)
    sums += np.bincount(keys, weights=values, minlength=count)
    return sums


def own_rows(raw: Raw) -> tuple[Raw, Int64s]:
    """The rows both of whose sides are one person's, and these people, numbered from 0."""
    rows = np.flatnonzero(raw.people[0] == raw.people[-1])
    _, person = np.unique(raw.people[0][rows], return_inverse=True)
    return raw.taken(rows), person


def classes_of(raw: Raw, publication: Publication, boxes: Mapping[str, Range]) -> Int64s:
    """The class of each row, and behind all classes the one of rows in none.

    Raises `BoxesOverlap`.
    """
    on_grid = points(publication, raw.columns, raw.people)
    coder = Coder(boxes, on_grid)
    classes = coder.classes_if_any(on_grid.rows)
    return np.where(classes < 0, len(coder.box_of_class), classes)

"""Who has the rows of each class, counted: what exact checks need, and no row of anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stedi.arrays import Bools, Float64s, Int64s

MOST_COUNTS = 1 << 24
"""Counts by class and person that are kept, to compare any two classes: of 24 bytes each."""


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
        return cls(keys // max(len(known), 1), known[keys % max(len(known), 1)], rows)

    def where(self, kept: Bools) -> Crowd:
        """Some of the counts."""
        return Crowd(self.classes[kept], self.people[kept], self.rows[kept])

    def most(self, class_count: int) -> Int64s:
        """By class, the rows of the person who has the most."""
        most = np.zeros(class_count, np.int64)
        np.maximum.at(most, self.classes, self.rows)
        return most


@dataclass(frozen=True)
class Totals:
    """People of one side: how many, the most rows of one, and ordered twos of rows of one."""

    people: int
    most: int
    pairs: int

    @classmethod
    def of(cls, people: Int64s) -> Totals:
        """Count the rows of each person."""
        _, rows = np.unique(people, return_counts=True)
        return cls(len(rows), int(rows.max(initial=0)), int((rows * (rows - 1)).sum()))


@dataclass(frozen=True)
class Side:
    """People of one side, by class: how many, the most rows of one, and twos of rows of one.

    `crowd` has the counts of as many classes as there is room for, those with the greatest norms
    (see `norms`) first. `left_out` is the greatest norm of the others; 0 where there are none.
    """

    people: Int64s
    most: Int64s
    pairs: Int64s
    crowd: Crowd
    left_out: float

    @classmethod
    def of(cls, crowd: Crowd, rows: Int64s, room: int) -> Side:
        """Sum up counts; `rows` are those of each class."""
        count = len(rows)
        people = np.bincount(crowd.classes, minlength=count)
        pairs = np.zeros(count, np.int64)
        np.add.at(pairs, crowd.classes, crowd.rows * (crowd.rows - 1))
        side = cls(people, crowd.most(count), pairs, crowd, 0.0)
        if len(crowd.classes) <= room:
            return side
        norms = side.norms(rows)
        order = np.argsort(-norms, kind="stable")
        chosen = int(np.searchsorted(np.cumsum(people[order]), room, side="right"))
        is_kept = np.zeros(count, np.bool_)
        is_kept[order[:chosen]] = True
        kept = crowd.where(is_kept[crowd.classes])
        return cls(side.people, side.most, pairs, kept, float(norms[order[chosen]]))

    def norms(self, rows: Int64s) -> Float64s:
        """By class, the norm of the shares that people have of its rows."""
        norms: Float64s = np.sqrt(self.pairs + rows) / np.maximum(rows, 1)
        return norms


@dataclass(frozen=True)
class Tally:
    """Rows and people by class.

    `both_sides` are the most rows of a class that one person stands in, on whichever side; None
    where nothing says that the sides number the same people alike. `totals` are of all rows.
    """

    rows: Int64s
    sides: tuple[Side, ...]
    both_sides: Int64s | None
    totals: tuple[Totals, ...]

    @classmethod
    def of(
        cls,
        classes: Int64s,
        people: Sequence[Int64s],
        class_count: int,
        *,
        are_alike: bool,
        room: int = MOST_COUNTS,
    ) -> Tally:
        """Count rows, given by their classes and the people of each side."""
        rows = np.bincount(classes, minlength=class_count)
        sides = [Side.of(Crowd.of(classes, side), rows, room) for side in people]
        both = _both_sides(classes, people, class_count) if are_alike else None
        return cls(rows, tuple(sides), both, tuple(map(Totals.of, people)))


def _both_sides(classes: Int64s, people: Sequence[Int64s], class_count: int) -> Int64s:
    first, *others = people
    all_classes, all_people = [classes], [first]
    for other in others:  # one, at most; who stands on both sides of a row counts once
        is_another = other != first
        all_classes.append(classes[is_another])
        all_people.append(other[is_another])
    return Crowd.of(np.concatenate(all_classes), np.concatenate(all_people)).most(class_count)

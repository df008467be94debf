"""What the audit looks at: what is published, the rows behind it, and people who are not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.privacy.audit.readings import Readings
from stedi.privacy.comparison import Edition
from stedi.privacy.publication import Raw, classes_of
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.coding import BoxesOverlap
from stedi.progress import note

Columns = Mapping[str, Float64s]


@dataclass(frozen=True)
class Evidence:
    """A published table, and all that an attacker may have besides.

    `published` are its columns as they are stored. `values` are the published values of each
    equivalence class, `classes` the class of each row behind it, in the order of `raw`, the rows
    before they were generalised, with their people. `control_group` are like rows of people who are
    not in the table. `boxes` is the table of boxes, in the order of the classes, where there is one
    that can be relied on; an attacker without one goes by the nearest published values.
    `difference` is what the publication noted of the one before it, `people_problems` what is wrong
    with how people are numbered, `proof_problems` how many things the proof finds in the
    declarations. `suppressed` is how many rows were left out. `noise` is what was added to the
    count of each class, where counts are noisy; None where it isn't known.
    """

    publication: Publication
    published: Columns
    values: Columns
    classes: Int64s
    raw: Raw
    control_group: Raw | None
    boxes: Mapping[str, Range] | None
    difference: Mapping[str, int] | None = None
    people_problems: Sequence[str] = ()
    suppressed: int = 0
    proof_problems: int = 0
    noise: Int64s | None = None

    @cached_property
    def rows_by_class(self) -> Int64s:
        """How many rows behind the table each class has."""
        return np.bincount(self.classes, minlength=self.class_count)

    @cached_property
    def counts(self) -> Int64s:
        """How often each class is published: all that an attacker has of its count."""
        if self.publication.noise is None or self.boxes is None:
            return self.rows_by_class
        try:
            published = classes_of([self.published])
            return Edition.of(self.boxes, published, is_noisy=True).counts
        except ValueError:  # which the check of the rows reports
            return self.rows_by_class

    @property
    def noise_scale(self) -> float:
        """The scale of the noise in each count; 0 where counts are true."""
        return self.publication.noise.scale if self.publication.noise else 0.0

    @property
    def form(self) -> str:
        """Which form of the table is attacked, in words."""
        if not self.noise_scale:
            return "true counts"
        return f"counts with noise of scale {self.noise_scale:g}"

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return len(next(iter(self.values.values())))

    @cached_property
    def crowds(self) -> tuple[Crowd, ...]:
        """Who is in each class, by side."""
        return tuple(Crowd.of(self.classes, people) for people in self.raw.people)

    @cached_property
    def largest_shares(self) -> tuple[Float64s, ...]:
        """The largest share that one person has of each class, by side."""
        return tuple(crowd.largest(self.rows_by_class) for crowd in self.crowds)

    @property
    def largest_share(self) -> float:
        """The largest share that one person has of any class, on any side."""
        return float(max(shares.max() for shares in self.largest_shares))

    @cached_property
    def largest_share_both_sides(self) -> float | None:
        """The largest share of any class that one person stands in, on whichever side.

        None where nothing says that the sides number the same people alike.
        """
        first, *others = self.raw.people
        if others and self.publication.identities is None:
            return None
        classes, people = [self.classes], [first]
        for other in others:  # one, at most; who stands on both sides of a row counts once
            is_another = other != first
            classes.append(self.classes[is_another])
            people.append(other[is_another])
        crowd = Crowd.of(np.concatenate(classes), np.concatenate(people))
        return float(crowd.largest(self.rows_by_class).max())

    @cached_property
    def fewest_people(self) -> int:
        """The fewest different people of any class, on any side."""
        people = [np.bincount(crowd.classes, minlength=self.class_count) for crowd in self.crowds]
        return int(min(side.min() for side in people))

    @cached_property
    def groups(self) -> tuple[Float64s, Int64s]:
        """Published axes that differ, and which of them each class has."""
        axes = [self.values[axis.column] for axis in self.publication.axes]
        groups, group = np.unique(np.column_stack(axes), axis=0, return_inverse=True)
        return groups, group

    @cached_property
    def readings(self) -> Readings | None:
        """The readings of people in the table, by class; None without boxes to go by."""
        return self._readings_of(self.raw)

    @cached_property
    def readings_outside(self) -> Readings | None:
        """Those of the control group."""
        return self._readings_of(self.control_group) if self.control_group else None

    def _readings_of(self, raw: Raw) -> Readings | None:
        if self.boxes is None or raw.rows == 0:
            return None
        note(f"finding the classes of {raw.rows:,} rows")
        try:
            return Readings.of(raw, self.publication, self.boxes)
        except BoxesOverlap:
            return None
        finally:
            note("")


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

    def largest(self, rows_by_class: Int64s) -> Float64s:
        """The largest share that one person has of each class."""
        largest = np.zeros(len(rows_by_class), np.int64)
        np.maximum.at(largest, self.classes, self.rows)
        return largest / np.maximum(rows_by_class, 1)

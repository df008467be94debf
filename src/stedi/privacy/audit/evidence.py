"""What the audit looks at: what is published, the rows behind it, and people who are not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Publication
from stedi.privacy.audit.readings import Readings
from stedi.privacy.audit.sample import Sample
from stedi.privacy.audit.stored import Stored
from stedi.privacy.audit.tally import Tally
from stedi.privacy.comparison import Edition
from stedi.privacy.publication import Raw
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.coding import BoxesOverlap, Coder
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.search import points
from stedi.privacy.publication.spread import deviation
from stedi.progress import note

Columns = Mapping[str, Float64s]


@dataclass(frozen=True)
class Evidence:
    """A published table, and all that an attacker may have besides.

    `stored` is what is published, as it is stored. `values` are the published values of each class.
    `boxes` is the table of boxes, in the order of the classes, where there is one that can be
    relied on; an attacker without one goes by the nearest published values. `strays` says why boxes
    are no partition of the rows.

    Of all rows behind the table there are counts: `tally` by class, `deviations` of each column,
    and `at_ends`, by column, of people with rows as far out as the least and the greatest published
    value. `raw` are the rows that are attacked, before they were generalised, with their people and
    `classes`: all of them, or those of a `sample` of people. `whole` are all of them, where there
    are not too many. `control_group` are like rows of people who are not in the table.

    `difference` is what the publication noted of the one before it, `people_problems` what is wrong
    with how people are numbered, `proof_problems` how many things the proof finds in the
    declarations. `suppressed` is how many rows were left out. `noise` is what was added to the
    count of each class, where counts are noisy; None where it isn't known.
    """

    publication: Publication
    stored: Stored
    values: Columns
    tally: Tally
    raw: Raw
    classes: Int64s
    whole: Raw | None
    control_group: Raw | None
    boxes: Mapping[str, Range] | None
    deviations: Mapping[str, float]
    at_ends: Mapping[str, tuple[int, int]]
    strays: str | None = None
    sample: Sample | None = None
    difference: Mapping[str, int] | None = None
    people_problems: Sequence[str] = ()
    suppressed: int = 0
    proof_problems: int = 0
    noise: Int64s | None = None

    @classmethod
    def of_rows(
        cls,
        publication: Publication,
        stored: Stored,
        values: Columns,
        raw: Raw,
        control_group: Raw | None,
        boxes: Mapping[str, Range] | None,
        *,
        classes: Int64s | None = None,
        most_people: int | None = None,
        **others: Any,
    ) -> Evidence:
        """The evidence where all rows are in memory.

        `classes` are by row; by default those that `boxes` say. Of more than `most_people` in the
        table, or outside it, a sample is attacked.
        """
        strays = None
        if boxes is not None:
            coded, strays = coded_by(boxes, raw, publication)
            classes = coded if classes is None else classes
        assert classes is not None
        count = len(next(iter(values.values())))
        are_alike = len(raw.people) == 1 or publication.identities is not None
        names = [c.column for c in publication.coarsened if c.column in stored.columns]
        sample, attacked, outside = Sample.of(raw, control_group, most_people)
        return cls(
            publication,
            stored,
            values,
            Tally.of(classes, raw.people, count, are_alike=are_alike),
            raw if attacked is None else raw.taken(attacked),
            classes if attacked is None else classes[attacked],
            raw,
            outside,
            boxes,
            {name: deviation(column) for name, column in raw.columns.items()},
            {name: _at_ends(publication, stored, raw, name) for name in names},
            strays,
            sample,
            **others,
        )

    @property
    def rows_by_class(self) -> Int64s:
        """How many rows behind the table each class has."""
        return self.tally.rows

    @cached_property
    def counts(self) -> Int64s:
        """How often each class is published: all that an attacker has of its count."""
        if self.publication.noise is None or self.boxes is None:
            return self.rows_by_class
        try:
            return Edition.of(self.boxes, self.stored.classes, is_noisy=True).counts
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
    def of_sample(self) -> str:
        """On whom attacks are measured, in words to be added; nothing where on everybody."""
        return f"; {self.sample.in_words}" if self.sample else ""

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return len(next(iter(self.values.values())))

    @cached_property
    def largest_shares(self) -> tuple[Float64s, ...]:
        """The largest share that one person has of each class, by side."""
        rows = np.maximum(self.rows_by_class, 1)
        return tuple(side.most / rows for side in self.tally.sides)

    @property
    def largest_share(self) -> float:
        """The largest share that one person has of any class, on any side."""
        return float(max(shares.max() for shares in self.largest_shares))

    @property
    def largest_share_both_sides(self) -> float | None:
        """The largest share of any class that one person stands in, on whichever side.

        None where nothing says that the sides number the same people alike.
        """
        both = self.tally.both_sides
        if both is None:
            return None
        return float((both / np.maximum(self.rows_by_class, 1)).max())

    @cached_property
    def people_by_class(self) -> Int64s:
        """How many different people each class has, on the side that has fewer."""
        people: Int64s = np.min([side.people for side in self.tally.sides], axis=0)
        return people

    @property
    def fewest_people(self) -> int:
        """The fewest different people of any class, on any side."""
        return int(self.people_by_class.min())

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


def coded_by(
    boxes: Mapping[str, Range], raw: Raw, publication: Publication
) -> tuple[Int64s, str | None]:
    """The class of each row, and why boxes are no partition, where they are none.

    Then all rows are taken for one class.
    """
    on_grid = points(publication, raw.columns, raw.people)
    try:
        return Coder(boxes, on_grid).classes_of(on_grid.rows), None
    except BoxesOverlap as problem:
        return np.zeros(raw.rows, np.int64), str(problem)


def ends_of(publication: Publication, stored: Stored, name: str) -> tuple[int, int]:
    """The least and the greatest published value of a column, as doubled numbers of its grid."""
    [column] = [c for c in publication.coarsened if c.column == name]
    halves = Grid(column).halves(stored.columns[name])
    return (int(halves.min()), int(halves.max())) if len(halves) else (0, 0)


def _at_ends(publication: Publication, stored: Stored, raw: Raw, name: str) -> tuple[int, int]:
    [column] = [c for c in publication.coarsened if c.column == name]
    least, most = ends_of(publication, stored, name)
    numbers, _ = Grid(column).numbers(raw.columns[name])
    low, high = (
        min(len(np.unique(side[far_out])) for side in raw.people)
        for far_out in (2 * numbers <= least, 2 * numbers >= most)
    )
    return low, high

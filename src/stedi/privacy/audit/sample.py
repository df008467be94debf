"""A sample of people: whose rows are attacked where there are more than a contract declares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from stedi.arrays import Int64s
from stedi.privacy.publication import Raw
from stedi.text import about

SEED = 20_260_101
MOST_ROWS = 1 << 24
"""Rows that the sampled people of each group have together, at most."""


class Sampled(BaseModel):
    """How many people of a group are attacked, of how many."""

    attacked: int
    people: int


class Sample(BaseModel):
    """Whom attacks are measured on where not on all; a group that is attacked whole is None."""

    in_table: Sampled | None = None
    outside: Sampled | None = None

    @property
    def in_words(self) -> str:
        """The same in words, without a count that one person would change."""
        groups = ((self.in_table, "in the table"), (self.outside, "outside it"))
        told = [
            f"{about(group.attacked)} of {about(group.people, group.people)} people {where}"
            for group, where in groups
            if group
        ]
        return f"measured on a random sample: {' and '.join(told)}"

    @classmethod
    def of(
        cls, raw: Raw, control_group: Raw | None, most_people: int | None
    ) -> tuple[Sample | None, Int64s | None, Raw | None]:
        """A sample of people with rows of their own, where there are more than so many.

        Returns the places of their rows, and what is left of the control group.
        """
        in_table, attacked = _sampled(raw, most_people)
        outside, others = None, None
        if control_group is not None:
            outside, others = _sampled(control_group, most_people)
        sample = cls(in_table=in_table, outside=outside) if in_table or outside else None
        if control_group is not None and others is not None:
            control_group = control_group.taken(others)
        return sample, attacked, control_group


@dataclass(frozen=True)
class Candidates:
    """People with rows both of whose sides are theirs, in the order of their numbers.

    `rows` is how many rows each has, on the first side.
    """

    people: Int64s
    rows: Int64s

    def chosen(self, most_people: int | None, most_rows: int = MOST_ROWS) -> Int64s | None:
        """At most so many of them, at random, with so many rows; None for all.

        The same of the same people each time.
        """
        count = len(self.people)
        order = np.random.default_rng(SEED).permutation(count)
        fitting = int(np.searchsorted(np.cumsum(self.rows[order]), most_rows, side="right"))
        wanted = min(fitting, count if most_people is None else most_people)
        return None if wanted >= count else np.sort(self.people[order[:wanted]])


def _sampled(raw: Raw, most_people: int | None) -> tuple[Sampled | None, Int64s | None]:
    first = raw.people[0]
    own = np.unique(first[first == raw.people[-1]])
    known, rows = np.unique(first, return_counts=True)
    candidates = Candidates(own, rows[np.searchsorted(known, own)])
    chosen = candidates.chosen(most_people)
    if chosen is None:
        return None, None
    places = np.flatnonzero(np.isin(first, chosen))
    return Sampled(attacked=len(chosen), people=len(own)), places


def some_people(raw: Raw, rows: int) -> Int64s:
    """The places of the rows of some people, who have about so many; at least one person's."""
    people = np.unique(np.concatenate(raw.people))
    place = places_in_turn(people)
    # A row belongs to the last of its people: so each person more only adds rows.
    turn = np.max([place[np.searchsorted(people, side)] for side in raw.people], axis=0)
    last = last_turn(np.bincount(turn, minlength=len(people)), rows)
    return np.flatnonzero(turn <= last)


def places_in_turn(people: Int64s) -> Int64s:
    """When each person's turn is, at random, the same each time; people are in order."""
    place = np.empty(len(people), np.int64)
    place[np.random.default_rng(0).permutation(len(people))] = np.arange(len(people))
    return place


def last_turn(rows_by_turn: Int64s, rows: int) -> int:
    """The last person whose rows make no more than so many, with those of all before."""
    return max(int(np.searchsorted(np.cumsum(rows_by_turn), rows, side="right")) - 1, 0)

"""Where axes end: at least k people have values as far out, or further, on each side of the pair.

One person's outermost reading would move the midpoint of the outermost box, and be told by it. So
whatever lies further out than such an end is taken for the end itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stedi.arrays import Int32s, Int64s
from stedi.parquet.compiled import compiled
from stedi.privacy.publication.mondrian import AXES, SIDES, TARGET


@dataclass(frozen=True)
class Ends:
    """The first and last number that rows have on each axis (a row an axis), and of the target."""

    axes: Int32s
    target: tuple[int, int]

    def within(self, bands: Int32s) -> Int32s:
        """Bands of the target, given by their first and last numbers, that end where it ends."""
        drawn_in = bands.copy()
        for side, end in enumerate(self.target):
            drawn_in[_holds(bands, end), side] = end
        return drawn_in

    def band_of(self, number: int, bands: Int32s) -> Int32s:
        """The band that a number of the target lies in: one row."""
        return bands[_holds(bands, number)]


def draw_in(rows: Int32s, people: int, axes: int, beyond: int, beyond_target: int) -> Ends:
    """Draw the values of rows in to the ends of their columns, and return these.

    `rows` have the columns that `mondrian` names; they have `people` people, numbered from 0. Of
    `beyond` people, values lie at each end of an axis or further out, of `beyond_target` at each
    end of the target.
    """
    room: Int32s = np.empty((AXES - SIDES, 2, people), np.int32)
    of_axes = [_draw_in_column(rows, AXES + axis, beyond, room) for axis in range(axes)]
    target = _draw_in_column(rows, TARGET, beyond_target, room)
    return Ends(np.array(of_axes, np.int32).reshape(axes, 2), target)


def _draw_in_column(rows: Int32s, column: int, k: int, room: Int32s) -> tuple[int, int]:
    pairs = [*zip(room, _outermost(rows, column, room), strict=True)]
    least = max(int(np.partition(side[0, has], k - 1)[k - 1]) for side, has in pairs)
    most = min(int(np.partition(side[1, has], -k)[-k]) for side, has in pairs)
    if least > most:  # k people are all there are, and nobody's values reach from one to the other
        least = most = (least + most) // 2
    _clip(rows, column, least, most)
    return least, most


def _outermost(rows: Int32s, column: int, room: Int32s) -> np.ndarray:
    """Write the least and greatest value of each person to `room`; returns who has any, by side."""
    room[:, 0], room[:, 1] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
    _write_outermost(rows, column, room)
    seen: np.ndarray = room[:, 1] >= room[:, 0]
    return seen


def _holds(bands: Int32s, number: int) -> Int64s:
    return np.flatnonzero((bands[:, 0] <= number) & (number <= bands[:, 1]))


@compiled
def _write_outermost(rows: Int32s, column: int, room: Int32s) -> None:
    for n in range(len(rows)):
        value = rows[n, column]
        for side in range(room.shape[0]):
            person = rows[n, SIDES + side]
            room[side, 0, person] = min(room[side, 0, person], value)
            room[side, 1, person] = max(room[side, 1, person], value)


@compiled
def _clip(rows: Int32s, column: int, least: int, most: int) -> None:
    for n in range(len(rows)):
        rows[n, column] = min(max(rows[n, column], least), most)

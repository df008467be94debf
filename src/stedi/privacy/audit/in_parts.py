"""The tally of more rows than memory has room for: shared out by boxes, and counted part by part.

All rows of a class are in one part. So its counts there are those of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stedi.arrays import Int64s
from stedi.privacy.audit.tally import MOST_COUNTS, Crowd, Side, Tally, Totals
from stedi.privacy.publication.boxes import Range
from stedi.privacy.publication.coding import BoxesOverlap, Coder
from stedi.privacy.publication.mondrian import AXES, SIDES
from stedi.privacy.publication.parts import apart, read_points
from stedi.privacy.publication.search import Grids
from stedi.privacy.publication.spilled import Spilled, axis_name, fetch, side_name
from stedi.roots import Files

_FEWEST_ROWS = 1 << 20
"""Of a part: more parts than needed for so many would only be more files."""


@dataclass(frozen=True)
class Room:
    """How many rows are in memory at a time, and how many counts by class and person are kept."""

    rows: int
    counts: int = MOST_COUNTS


def tally_in_parts(
    spilled: Spilled,
    files: Files,
    boxes: Mapping[str, Range],
    counts: Int64s,
    room: Room,
    *,
    are_alike: bool,
) -> tuple[Tally, str | None]:
    """The tally of an engine's rows, and why the boxes are no partition of them, if they are none.

    `counts` are about how many rows each class has, `files` those of the lakehouse whose
    engine has the rows. Where boxes are no partition, all rows are taken for one class.
    """
    totals = [Totals(*found) for found in spilled.people_in_all()]
    try:
        return _by_class(spilled, files, boxes, counts, room, totals, are_alike), None
    except BoxesOverlap as problem:
        of_one = _of_one_class(spilled, totals, len(counts), are_alike, room)
        return of_one, str(problem)


@dataclass(frozen=True)
class _Part:
    """The rows of some boxes, in files, with the numbers of these boxes' classes."""

    paths: tuple[Path, ...]
    classes: Int64s
    boxes: Mapping[str, Range]


@dataclass(frozen=True)
class _Counting:
    """Counts the rows of a part by class; can be sent to where that is done.

    Returns why the boxes are no partition where they are none.
    """

    files: Files
    grids: Grids
    sides: int
    are_alike: bool
    room: int

    def __call__(self, part: _Part) -> Tally | str:
        rows, blocks = read_points(self.files, part.paths, len(self.grids.axes))
        try:
            classes = Coder(part.boxes, self.grids).classes_of(rows)
        except BoxesOverlap as problem:
            return str(problem)
        people = [
            np.concatenate([block[side] for block in blocks]).astype(np.int64)
            for side in range(self.sides)
        ]
        return Tally.of(
            classes, people, len(part.classes), are_alike=self.are_alike, room=self.room
        )


def _by_class(
    spilled: Spilled,
    files: Files,
    boxes: Mapping[str, Range],
    counts: Int64s,
    room: Room,
    totals: Sequence[Totals],
    are_alike: bool,
) -> Tally:
    crew, count = spilled.engine.crew, len(counts)
    most_rows = max(room.rows // crew.size, min(room.rows, _FEWEST_ROWS))
    parts, number = _parted(Coder(boxes, spilled.grids), counts, most_rows)
    found = apart(spilled, spilled.points(), number)
    counting = _Counting(
        files, spilled.grids, len(totals), are_alike, max(room.counts // len(parts), 1)
    )
    items = [_Part(tuple(paths), parts[n], _some(boxes, parts[n])) for n, paths in found.items()]
    tallies = []
    for tally in crew.map(counting, items):
        if isinstance(tally, str):
            raise BoxesOverlap(tally)
        tallies.append(tally)
    places = [item.classes for item in items]
    both = [tally.both_sides for tally in tallies if tally.both_sides is not None]
    return Tally(
        _placed([tally.rows for tally in tallies], places, count),
        tuple(
            _united([tally.sides[side] for tally in tallies], places, count)
            for side in range(len(totals))
        ),
        _placed(both, places, count) if are_alike else None,
        tuple(totals),
    )


def _parted(coder: Coder, counts: Int64s, most: int) -> tuple[list[Int64s], str]:
    """The classes of each part, and an SQL expression for the number of the part that a row is in.

    Parts have at most so many rows by `counts`, or a single box.
    """
    weights = np.bincount(coder.box_of_class, weights=counts, minlength=coder.boxes)
    rows: Int64s = weights.astype(np.int64)
    part_of_box = np.zeros(coder.boxes, np.int64)
    parts = 0

    def number(boxes: Int64s) -> str:
        nonlocal parts
        if len(boxes) == 1 or rows[boxes].sum() <= most:
            part_of_box[boxes] = parts
            parts += 1
            return str(parts - 1)
        cut = coder.cut(boxes, rows)
        low, high = number(cut.low), number(cut.high)
        return f"CASE WHEN {axis_name(cut.axis)} < {cut.at} THEN {low} ELSE {high} END"

    expression = number(np.arange(coder.boxes))
    part = part_of_box[coder.box_of_class]
    order = np.argsort(part, kind="stable")
    return np.split(order, np.searchsorted(part[order], np.arange(1, parts))), expression


def _some(boxes: Mapping[str, Range], classes: Int64s) -> dict[str, Range]:
    return {
        name: Range(r.begins[classes], r.ends[classes], r.values[classes])
        for name, r in boxes.items()
    }


def _placed(parts: Sequence[Int64s], places: Sequence[Int64s], count: int) -> Int64s:
    """Numbers by class, of the classes of all parts."""
    placed = np.zeros(count, np.int64)
    for numbers, classes in zip(parts, places, strict=True):
        placed[classes] = numbers
    return placed


def _united(sides: Sequence[Side], places: Sequence[Int64s], count: int) -> Side:
    crowds = [side.crowd for side in sides]
    at = [classes[crowd.classes] for classes, crowd in zip(places, crowds, strict=True)]
    nothing: list[Int64s] = [np.zeros(0, np.int64)]
    return Side(
        _placed([side.people for side in sides], places, count),
        _placed([side.most for side in sides], places, count),
        _placed([side.pairs for side in sides], places, count),
        Crowd(
            np.concatenate(at or nothing),
            np.concatenate([crowd.people for crowd in crowds] or nothing),
            np.concatenate([crowd.rows for crowd in crowds] or nothing),
        ),
        max((side.left_out for side in sides), default=0.0),
    )


def _of_one_class(
    spilled: Spilled, totals: Sequence[Totals], count: int, are_alike: bool, room: Room
) -> Tally:
    """The tally where all rows are of the first class."""
    rows = np.zeros(count, np.int64)
    rows[0] = spilled.rows
    nobody: Int64s = np.zeros(0, np.int64)
    sides = []
    for of in totals:
        people, most, pairs = (np.zeros(count, np.int64) for _ in range(3))
        people[0], most[0], pairs[0] = of.people, of.most, of.pairs
        sides.append(Side(people, most, pairs, Crowd(nobody, nobody, nobody), 0.0))
    both = None
    if are_alike:
        first, *others = (side_name(side) for side in range(AXES - SIDES))
        stand = " UNION ALL ".join(
            [
                f"SELECT {first} AS person FROM p",
                *(f"SELECT {other} AS person FROM p WHERE {other} <> {first}" for other in others),
            ]
        )
        [found] = fetch(
            spilled.engine,
            f"WITH p AS ({spilled.points()}), s AS ({stand}) SELECT MAX(n) AS most FROM "
            "(SELECT COUNT(*) AS n FROM s GROUP BY person) AS c",
        )
        both = np.zeros(count, np.int64)
        both[0] = found["most"] or 0
    return Tally(rows, tuple(sides), both, tuple(totals))

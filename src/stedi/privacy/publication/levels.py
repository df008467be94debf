"""Cuts boxes of more rows than memory has room for, level by level, by counts that an engine makes.

Each cut is the one that `mondrian.split` chooses: near the median of the widest axis where both
halves are good, else of the next, else the nearest to it that is. What is left is boxes of few
enough rows, and such as can't be cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stedi.arrays import Bools, Int32s, Int64s
from stedi.engines import Engine
from stedi.privacy.publication.mondrian import AXES, SIDES, Needs, roundest
from stedi.privacy.publication.search import Cutting
from stedi.privacy.publication.spilled import BAND_NAME, axis_name, columns, fetch, side_name

_MOST_LEVELS = 64
"""Nothing but cuts that leave nearly all rows on one side needs so many."""
_WHOLE = -1
"""Stands among bands for all rows of a box."""


@dataclass(eq=False)
class Box:
    """A box with rows, by its `region`, from and to for each axis.

    `rows` are how many it has in each band, `ranges` their least and greatest value on each axis.
    Of a box that was cut, `halves` are the two parts at `axis` and `at`, the greatest value of the
    lower one.
    """

    region: Int32s
    rows: Int64s
    ranges: Int32s
    axis: int = -1
    at: int = 0
    halves: tuple[Box, Box] | None = None
    tried: list[int] = field(default_factory=list)
    number: int = -1

    @property
    def leaves(self) -> Iterator[Box]:
        """The boxes that it was cut into, itself where it wasn't."""
        if self.halves is None:
            yield self
        else:
            for half in self.halves:
                yield from half.leaves


def cut_by_levels(
    engine: Engine, points: str, region: Int32s, cutting: Cutting, most_rows: int
) -> Box:
    """Cut all rows into boxes of at most `most_rows` rows each, as far as they can be cut.

    `points` is a query for the rows (`Spilled.points`).
    """
    return _Levels(engine, points, cutting, most_rows).cut(region)


def number_expression(box: Box) -> str:
    """SQL for the number of the box, of those that one was cut into, that a row belongs to."""
    if box.halves is None:
        return str(box.number)
    low, high = map(number_expression, box.halves)
    if low == high:
        return low
    return f"CASE WHEN {axis_name(box.axis)} <= {box.at} THEN {low} ELSE {high} END"


class _Levels:
    def __init__(self, engine: Engine, points: str, cutting: Cutting, most_rows: int) -> None:
        self._engine, self._points, self._most_rows = engine, points, most_rows
        self._needs, self._sizes, self._most = cutting.needs, cutting.sizes, cutting.most
        self._bands = len(cutting.bands)

    def cut(self, region: Int32s) -> Box:
        """Cut as said above."""
        whole = self._box(region)
        self._measure(whole, [whole])
        waiting = self._large([whole])
        for _ in range(_MOST_LEVELS):
            if not waiting:
                break
            waiting = self._cut(whole, waiting)
        return whole

    def _large(self, boxes: Sequence[Box]) -> list[Box]:
        """The boxes that are to be cut, if they can be."""
        return [
            box for box in boxes if box.rows.sum() > max(self._most_rows, 2 * self._needs.whole - 1)
        ]

    def _cut(self, whole: Box, waiting: list[Box]) -> list[Box]:
        """Try a cut of each box that waits; returns the boxes that wait then."""
        tried, hopeless = [], []
        for box in waiting:
            axis = self._widest(box)
            if axis is None:
                hopeless.append(box)
            else:
                box.axis = axis
                box.tried.append(axis)
                tried.append(box)
        self._cut_at_medians(whole, tried)
        self._measure(whole, [half for box in tried for half in box.halves or ()])
        refused = self._refused(whole, tried)
        found = [box for box in hopeless if self._cut_anywhere(box)]
        self._measure(whole, [half for box in found for half in box.halves or ()])
        done = [box for box in tried if box not in refused] + found
        halves = [half for box in done for half in box.halves or ()]
        return [*refused, *self._large(halves)]

    def _widest(self, box: Box) -> int | None:
        """The axis on which rows are spread furthest, of those that weren't tried; or None."""
        widths = (box.ranges[:, 1] - box.ranges[:, 0]) / self._sizes
        widths[box.tried] = 0
        axis = int(widths.argmax()) if len(widths) else 0
        return axis if len(widths) and widths[axis] > 0 else None

    def _cut_at_medians(self, whole: Box, boxes: Sequence[Box]) -> None:
        if not boxes:
            return
        query = f"""
            WITH p AS ({self._numbered(whole, boxes)}),
            v AS (SELECT box, {_by_box(boxes)} AS v FROM p),
            h AS (SELECT box, v, COUNT(*) AS n FROM v WHERE box >= 0 GROUP BY box, v),
            w AS (
              SELECT box, v, n,
                SUM(n) OVER (PARTITION BY box ORDER BY v) AS upto,
                SUM(n) OVER (PARTITION BY box) AS total,
                LAG(v) OVER (PARTITION BY box ORDER BY v) AS below,
                LEAD(v) OVER (PARTITION BY box ORDER BY v) AS above
              FROM h)
            SELECT box, v, below, above FROM w WHERE 2 * upto >= total AND 2 * (upto - n) < total"""
        for found in fetch(self._engine, query):
            median, below, above = found["v"], found["below"], found["above"]
            at = roundest(median, above - 1) if above is not None else roundest(below, median - 1)
            self._halve(boxes[found["box"]], int(at))

    def _halve(self, box: Box, at: int) -> None:
        regions = box.region.copy(), box.region.copy()
        regions[0][box.axis, 1], regions[1][box.axis, 0] = at, at + 1
        box.at, box.halves = at, (self._box(regions[0]), self._box(regions[1]))

    def _box(self, region: Int32s) -> Box:
        ranges: Int32s = np.empty(region.shape, np.int32)
        ranges[:, 0], ranges[:, 1] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
        return Box(region, np.zeros(self._bands, np.int64), ranges)

    def _measure(self, whole: Box, boxes: Sequence[Box]) -> None:
        """Note how many rows boxes have, and how far these are spread."""
        if not boxes:
            return
        axes = range(len(self._sizes))
        reach = "".join(f", MIN({axis_name(n)}) AS l{n}, MAX({axis_name(n)}) AS m{n}" for n in axes)
        for found in fetch(
            self._engine,
            f"""
            WITH p AS ({self._numbered(whole, boxes)})
            SELECT box, {BAND_NAME} AS band, COUNT(*) AS n{reach} FROM p
            WHERE box >= 0 GROUP BY box, {BAND_NAME}""",
        ):
            box = boxes[found["box"]]
            box.rows[found["band"]] = found["n"]
            for n in axes:
                box.ranges[n, 0] = min(box.ranges[n, 0], found[f"l{n}"])
                box.ranges[n, 1] = max(box.ranges[n, 1], found[f"m{n}"])

    def _refused(self, whole: Box, boxes: Sequence[Box]) -> list[Box]:
        """The boxes of which a half isn't good; they are whole again."""
        halves = [half for box in boxes for half in box.halves or ()]
        doubtful = [half for half in halves if not self._is_surely_good(half)]
        bad = [half for half in doubtful if self._has_too_few(half)]
        bad += self._bad(whole, [half for half in doubtful if half not in bad])
        refused = [box for box in boxes if any(half in bad for half in box.halves or ())]
        for box in refused:
            box.halves = None
        return refused

    def _has_too_few(self, half: Box) -> bool:
        """Whether there are fewer rows than people are needed."""
        few = (half.rows > 0) & (half.rows < self._needs.band)
        return bool(few.any() or half.rows.sum() < self._needs.whole)

    def _is_surely_good(self, half: Box) -> bool:
        """Whether it is good for any owners of its rows: nobody has more than `most`."""
        enough = (half.rows == 0) | (half.rows >= self._needs.band * self._most)
        return bool(enough.all() and half.rows.sum() >= self._needs.whole * self._most)

    def _bad(self, whole: Box, boxes: Sequence[Box]) -> Iterator[Box]:
        """The boxes that aren't good by the people in them, each of them counted."""
        if not boxes:
            return
        for side in range(AXES - SIDES):
            person = side_name(side)
            query = f"""
                WITH p AS ({self._numbered(whole, boxes)}),
                c AS (SELECT box, {BAND_NAME} AS band, {person} AS person, COUNT(*) AS n FROM p
                      WHERE box >= 0 GROUP BY box, {BAND_NAME}, {person}),
                a AS (SELECT box, {_WHOLE} AS band, person, SUM(n) AS n FROM c GROUP BY box, person)
                SELECT box, band, COUNT(*) AS people, CAST(SUM(n) AS BIGINT) AS n,
                  CAST(MAX(n) AS BIGINT) AS most
                FROM (SELECT box, band, person, n FROM c UNION ALL
                      SELECT box, band, person, n FROM a) AS u
                GROUP BY box, band"""
            for found in fetch(self._engine, query):
                k = self._needs.whole if found["band"] == _WHOLE else self._needs.band
                if found["people"] < k or found["most"] * k > found["n"]:
                    yield boxes[found["box"]]

    def _cut_anywhere(self, box: Box) -> bool:
        """Cut a box where that leaves two good halves, as nearly halves as can be."""
        for axis in box.tried:
            at = self._nearest_good(box, axis)
            if at is not None:
                box.axis = axis
                self._halve(box, at)
                return True
        return False

    def _nearest_good(self, box: Box, axis: int) -> int | None:
        """The greatest value of the lower half, where the cut of an axis is good; or None."""
        sides = [
            columns(self._engine, self._along(box, axis, side)) for side in range(AXES - SIDES)
        ]
        values = np.unique(sides[0]["v"])
        good = [_good_cuts(side, values, self._bands, self._needs) for side in sides]
        allowed = np.flatnonzero(np.logical_and.reduce(good))
        if not len(allowed):
            return None
        of_whole = sides[0]["band"] == _WHOLE
        rows = np.zeros(len(values), np.int64)
        rows[np.searchsorted(values, sides[0]["v"][of_whole])] = sides[0]["n"][of_whole]
        uneven = np.abs(2 * np.cumsum(rows)[allowed] - box.rows.sum())
        best = allowed[uneven.argmin()]  # of two as near, the lower
        return int(roundest(int(values[best]), int(values[best + 1]) - 1))

    def _along(self, box: Box, axis: int, side: int) -> str:
        """SQL for who has the rows of a box along an axis, in each band and in the whole.

        At each value `v`: how many rows `n`; how many people `came` there with their first and are
        `gone` with their last row; the most rows of one of them up to there, and from there on.
        """
        inside = " AND ".join(
            f"{axis_name(n)} BETWEEN {least} AND {most}"
            for n, (least, most) in enumerate(box.region)
        )
        return f"""
            WITH c AS (
              SELECT {BAND_NAME} AS band, {side_name(side)} AS person, {axis_name(axis)} AS v,
                COUNT(*) AS n
              FROM ({self._points}) AS p WHERE {inside}
              GROUP BY {BAND_NAME}, {side_name(side)}, {axis_name(axis)}),
            a AS (SELECT {_WHOLE} AS band, person, v, SUM(n) AS n FROM c GROUP BY person, v),
            u AS (SELECT band, person, v, n FROM c UNION ALL SELECT band, person, v, n FROM a),
            r AS (
              SELECT band, v, n,
                SUM(n) OVER (PARTITION BY band, person ORDER BY v) AS upto,
                SUM(n) OVER (PARTITION BY band, person) AS total
              FROM u)
            SELECT CAST(band AS BIGINT) AS band, CAST(v AS BIGINT) AS v,
              CAST(SUM(n) AS BIGINT) AS n,
              CAST(SUM(CASE WHEN upto = n THEN 1 ELSE 0 END) AS BIGINT) AS came,
              CAST(SUM(CASE WHEN upto = total THEN 1 ELSE 0 END) AS BIGINT) AS gone,
              CAST(MAX(upto) AS BIGINT) AS most_upto,
              CAST(MAX(total - upto + n) AS BIGINT) AS most_from
            FROM r GROUP BY band, v"""

    def _numbered(self, whole: Box, boxes: Sequence[Box]) -> str:
        """SQL for the rows with the place of their box among these, -1 where it is none of them."""
        for box in whole.leaves:
            box.number = -1
        for number, box in enumerate(boxes):
            box.number = number
        return f"SELECT *, {number_expression(whole)} AS box FROM ({self._points}) AS r"


def _good_cuts(along: Mapping[str, Int64s], values: Int64s, bands: int, needs: Needs) -> Bools:
    """Whether both halves are good, for a cut behind each value."""
    good: Bools = np.arange(len(values)) < len(values) - 1
    for band in range(_WHOLE, bands):
        k = needs.whole if band == _WHOLE else needs.band
        here = along["band"] == band
        places = np.searchsorted(values, along["v"][here])
        n, came, gone, upto, from_ = (np.zeros(len(values), np.int64) for _ in range(5))
        names = ("n", "came", "gone", "most_upto", "most_from")
        for array, name in zip((n, came, gone, upto, from_), names, strict=True):
            array[places] = along[name][here]
        rows, people = np.cumsum(n), np.cumsum(came)
        good &= _are_good(rows, people, np.maximum.accumulate(upto), k)
        most = np.append(np.maximum.accumulate(from_[::-1])[::-1][1:], 0)
        good &= _are_good(rows[-1] - rows, people[-1] - np.cumsum(gone), most, k)
    return good


def _are_good(rows: Int64s, people: Int64s, most: Int64s, k: int) -> Bools:
    are_good: Bools = (rows == 0) | ((people >= k) & (most * k <= rows))
    return are_good


def _by_box(boxes: Sequence[Box]) -> str:
    """SQL for the number that a row has on the axis along which its box is cut."""
    cases = " ".join(f"WHEN {n} THEN {axis_name(box.axis)}" for n, box in enumerate(boxes))
    return f"CASE box {cases} END"

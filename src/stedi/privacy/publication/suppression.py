"""Leaves rows out: where a person has too many, and where a range has too few people.

Which rows of a person stay depends on values alone: evenly many along the order of their values. So
the same rows in any order leave the same ones out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stedi.arrays import Bools, Int64s
from stedi.declared.contract import Publication
from stedi.privacy.publication.mondrian import AXES, BAND, SIDES, TARGET
from stedi.privacy.publication.search import Points, occurrences, shortcomings

OVER_CAP = "beyond the rows that are published of one person"
SUPPRESSED = "in a range with too few people, or with one who dominates"


@dataclass(frozen=True)
class Suppressed:
    """The points that are left, whether each row was `kept`, and why the others were left out."""

    points: Points
    kept: Bools
    reasons: dict[str, int]


def suppress(on_grid: Points, publication: Publication) -> Suppressed:
    """Leave out what is over the cap, and what else must go for the others to be published.

    Where leaving out all that may go would not be enough, only what is over the cap is left out.
    With noise, the cap is the noise's own.
    """
    kept, noise = np.ones(len(on_grid.rows), np.bool_), publication.noise
    cap = publication.rows_per_person if noise is None else noise.rows_per_person
    if cap is not None:
        kept = within_cap(on_grid, cap)
    capped = _left(on_grid, kept)
    over_cap = len(kept) - len(capped.rows)
    reasons = {OVER_CAP: over_cap} if over_cap else {}
    may_go = int(publication.suppress * len(kept) + 1e-9)
    if may_go and len(capped.rows) and any(shortcomings(capped, publication)):
        fewer = _good(on_grid, kept, publication.k, over_cap + may_go)
        if fewer is not None:
            reasons[SUPPRESSED] = int(kept.sum() - fewer.sum())
            return Suppressed(_left(on_grid, fewer), fewer, reasons)
    return Suppressed(capped, kept, reasons)


def within_cap(on_grid: Points, cap: int) -> Bools:
    """Which rows are published where only so many are of each person, on each side."""
    kept = np.ones(len(on_grid.rows), np.bool_)
    if on_grid.most > cap:
        for side in range(SIDES, AXES):
            counts = occurrences(on_grid.rows[kept, side], on_grid.people)
            _thin_out(on_grid, kept, side, np.minimum(counts, cap))
    return kept


def _good(on_grid: Points, kept: Bools, k: int, may_go: int) -> Bools | None:
    """Fewer rows that are good for k; None where more than `may_go` would be left out in all."""
    kept, rows = kept.copy(), on_grid.rows
    is_changed = True
    while is_changed:
        is_changed = False
        for band in range(len(on_grid.bands)):
            for side in range(SIDES, AXES):
                inside = kept & (rows[:, BAND] == band)
                counts = occurrences(rows[inside, side], on_grid.people)
                total, most = int(counts.sum()), int(counts.max(initial=0))
                if most * k <= total:
                    continue  # none, too, where there are no rows
                is_changed = True
                if np.count_nonzero(counts) < k:
                    kept[inside] = False
                else:
                    person = int(counts.argmax())
                    counts[person] = (total - most) // (k - 1)
                    _thin_out(on_grid, kept, side, counts, inside)
                if len(kept) - kept.sum() > may_go:
                    return None
    return kept


def _thin_out(
    on_grid: Points, kept: Bools, side: int, wanted: Int64s, among: Bools | None = None
) -> None:
    """Keep `wanted` rows of each person on a side, of those that are kept (or of some of them)."""
    rows = on_grid.rows
    places = np.flatnonzero(kept if among is None else kept & among)
    counts = occurrences(rows[places, side], len(wanted))
    places = places[(counts > wanted)[rows[places, side]]]
    other = SIDES + AXES - 1 - side
    columns = [side, TARGET, *range(AXES, rows.shape[1]), other]
    order = [rows[places, column] for column in columns]
    order += [values[places] for values in on_grid.measured]
    places = places[np.lexsort(order[::-1])]
    person = rows[places, side]
    begins = np.flatnonzero(np.diff(person, prepend=-1))
    rank = np.arange(len(places)) - np.repeat(begins, np.diff(begins, append=len(places)))
    share, of = wanted[person], counts[person]
    kept[places] = (rank + 1) * share // of > rank * share // of


def _left(on_grid: Points, kept: Bools) -> Points:
    if kept.all():
        return on_grid
    rows = on_grid.rows[kept]
    most = max(
        int(occurrences(rows[:, side], on_grid.people).max(initial=0))
        for side in range(SIDES, AXES)
    )
    measured = tuple(values[kept] for values in on_grid.measured)
    return replace(on_grid, rows=rows, most=most, measured=measured)

"""Why the values of two columns are not equal: what each side looks like, and what would help.

A description contains no value: it has the lengths and kinds of characters of texts, the month and
unit of times, and how many values would be equal if one side were written like the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, takewhile

import numpy as np
from numpy.typing import NDArray

from stedi.landing.fold import fold

_UNITS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 10**6, "nanoseconds": 10**9}
_EARLIEST, _LATEST = 10**8, 10**10
"""Seconds since 1970 of 1973 and 2286: between them, a number is a time in one unit only."""
_HOUR, _DAY = 3_600, 86_400
_FROM_2001 = 978_307_200
"""Seconds from 1970 to 2001, from which Apple's clocks count."""
_LEAST = 0.5
"""The share of values that must be equal after a change for it to be told."""
_SIGNS = re.compile(r"[^\w]|_")


@dataclass(frozen=True)
class Change:
    """What would make values equal, and which share of the shorter side it would."""

    share: float
    how: str


def texts_look(values: list[str]) -> str:
    """What texts look like: how long they are, and of which signs."""
    kinds = {
        "small letters": any(c.islower() for v in values for c in v),
        "capital letters": any(c.isupper() for v in values for c in v),
        "digits": any(c.isdigit() for v in values for c in v),
        "spaces": any(c.isspace() for v in values for c in v),
        "other signs": any(not c.isalnum() and not c.isspace() for v in values for c in v),
    }
    shortest, longest = (limit(map(len, values)) for limit in (min, max))
    size = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    named = [kind for kind, is_there in kinds.items() if is_there]
    signs = " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))
    return f"texts of {size} characters" + (f": {signs}" if signs else "")


def numbers_look(values: NDArray[np.int64], *, are_times: bool) -> str:
    """What numbers look like: how many digits they have; if they are times, unit and months."""
    unit = _unit(values) if are_times else None
    if unit is None:
        digits = sorted({len(str(abs(int(limit)))) for limit in (values.min(), values.max())})
        return f"numbers of {' to '.join(map(str, digits))} digits"
    months = [_month(int(limit) // _UNITS[unit]) for limit in (values.min(), values.max())]
    return f"times in {unit}, from {months[0]} to {months[1]}"


def texts_would_meet(one: list[str], other: list[str]) -> Change | None:
    """The change of texts that makes most of two sides equal."""
    changes: dict[str, Callable[[str], str]] = {
        "without spaces around them": str.strip,
        "in small letters": str.lower,
        "without the zeros that they begin with": lambda text: text.lstrip("0"),
        "in one spelling (case, spaces, Unicode forms)": fold,
        "without hyphens and other signs in them": lambda text: _SIGNS.sub("", text),
        "without .0 at their end": lambda text: text.removesuffix(".0"),
        "up to the @": lambda text: text.partition("@")[0],
        "in one spelling, without signs and zeros that they begin with": _bare,
    }
    shorter = min(max(map(len, one)), max(map(len, other)))
    if max(map(len, chain(one, other))) > shorter:
        changes[f"cut to {shorter} characters"] = lambda text: text[:shorter]
    candidates = [
        (how, set(map(change, one)), set(map(change, other))) for how, change in changes.items()
    ]
    begins = (_without_beginning(one), _without_beginning(other))
    candidates.append(("without what all of one side begin with", *begins))
    return _best(
        Change(len((a & b) - {""}) / max(1, min(len(a), len(b))), how) for how, a, b in candidates
    )


def times_would_meet(one: NDArray[np.int64], other: NDArray[np.int64]) -> Change | None:
    """The change of times that makes most of two sides equal."""
    return _best(chain(_in_one_unit(one, other), _shifted(one, other)))


def share_in(values: set[str], others: set[str]) -> float:
    """The share of values that are among others."""
    return len(values & others) / len(values) if values else 0.0


def enough(share: float) -> bool:
    """Whether a share of values is worth a note."""
    return share >= _LEAST


def _best(changes: Iterator[Change]) -> Change | None:
    """The first of those that do most, if that is enough."""
    best = max(changes, key=lambda change: change.share, default=None)
    return best if best and enough(best.share) else None


def _bare(text: str) -> str:
    return _SIGNS.sub("", fold(text)).lstrip("0")


def _without_beginning(texts: list[str]) -> set[str]:
    first, last = min(texts), max(texts)
    if first == last:
        return set(texts)
    begin = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    return {text[begin:] for text in texts}


def _unit(values: NDArray[np.int64]) -> str | None:
    middle = float(np.median(values))
    return next((u for u, per in _UNITS.items() if _EARLIEST <= middle / per < _LATEST), None)


def _month(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    except (ValueError, OverflowError, OSError):
        return "no date"


def _in_one_unit(one: NDArray[np.int64], other: NDArray[np.int64]) -> Iterator[Change]:
    """Either side, cut to the other's unit."""
    for name, factor in (("1,000", 10**3), ("1,000,000", 10**6), ("1,000,000,000", 10**9)):
        for coarse, fine in ((one, other), (other, one)):
            yield _equal(coarse, fine // factor, f"with one side divided by {name}")


def _shifted(one: NDArray[np.int64], other: NDArray[np.int64]) -> Iterator[Change]:
    unit = _unit(one)
    if unit is None:
        return
    for seconds, how in _shifts():
        for sign, where in ((1, "later"), (-1, "earlier")):
            shifted = one + sign * seconds * _UNITS[unit]
            yield _equal(shifted, other, f"with the times of the first side {how} {where}")


def _shifts() -> Iterator[tuple[int, str]]:
    for quarters in range(1, 14 * 4 + 1):  # time zones
        hours = quarters / 4
        yield quarters * _HOUR // 4, f"{hours:g} {'hour' if hours == 1 else 'hours'}"
    for days in range(1, 8):
        yield days * _DAY, "1 day" if days == 1 else f"{days} days"
    for years in range(1, 11):
        for leap_days in range(years // 4, years // 4 + 2):
            days = 365 * years + leap_days
            yield days * _DAY, "1 year" if years == 1 else f"{years} years"
    yield _FROM_2001, "31 years (counted from 2001, not from 1970)"


def _equal(one: NDArray[np.int64], other: NDArray[np.int64], how: str) -> Change:
    one, other = np.unique(one), np.unique(other)
    equal = np.intersect1d(one, other, assume_unique=True).size
    return Change(equal / max(1, min(one.size, other.size)), how)

"""Counts as the page shows them: few people are "fewer than k", and can't be worked out either."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TENS = 10
_NUMBER = re.compile(r"(?<![\w.\-/@#])\d+(?:,\d{3})*(?![\w\-/@%]|\.\d)")


@dataclass(frozen=True)
class Sum:
    """Counts that reconcile, and the tables whose rows are among them."""

    tables: frozenset[str]
    terms: tuple[int, ...]


class Discreet:
    """Shows counts of rows and records, which are all about people.

    A count below `least` is never shown. The other terms of its sum would tell it, and so would
    those of each sum that has one of these: all of them are rounded to tens.

    Args:
        least: The fewest people who may be counted exactly.
        sums: All sums whose terms are on the page.

    """

    def __init__(self, least: int, sums: Iterable[Sum] = ()) -> None:
        self.least = least
        every = [*sums]
        rounded = {table for s in every if any(map(self.is_few, s.terms)) for table in s.tables}
        while reached := {t for s in every if s.tables & rounded for t in s.tables} - rounded:
            rounded |= reached
        self.rounded = frozenset(rounded)

    def is_few(self, count: int) -> bool:
        """Whether a count is of few people, but not of nobody."""
        return 0 < count < self.least

    @property
    def few(self) -> str:
        """What is shown instead."""
        return f"fewer than {self.least}"

    def count(self, count: int, table: str | None = None) -> str:
        """A count of rows of a table, in words; without a table one that is in no sum."""
        if self.is_few(count):
            return self.few
        if table not in self.rounded or not count:
            return f"{count:,}"
        return f"about {tens(count):,}" if count >= _TENS else f"fewer than {_TENS}"

    def number(self, count: int, table: str | None = None) -> int:
        """The same for a chart: few are 0."""
        if self.is_few(count):
            return 0
        return tens(count) if table in self.rounded else count

    def over_time(self, count: int) -> int:
        """A count for a chart of many: always in tens, since two that follow are compared."""
        return 0 if count < self.least else tens(count)

    def words(self, text: str, count: int) -> str:
        """A sentence that names a count."""
        known = f"{count:,}"
        shown = self.count(count)
        if self.rounded and not self.is_few(count) and count:
            shown = f"about {tens(count):,}" if count >= _TENS else f"fewer than {_TENS}"
        return re.sub(rf"(?<![\w,.]){re.escape(known)}(?![\w,]|\.\d)", shown, text, count=1)

    def without_few(self, text: str) -> str:
        """A sentence with any numbers, of which those below `least` may count people."""
        return _NUMBER.sub(lambda n: self.count(int(n[0].replace(",", ""))), text)


def tens(count: int) -> int:
    """A count to the nearest ten, and no less than one ten."""
    return max(_TENS, (count + _TENS // 2) // _TENS * _TENS) if count else 0


def without_numbers(text: str) -> str:
    """A sentence about sums that don't hold, without what they are."""
    return _NUMBER.sub("…", text)

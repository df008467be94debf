"""Words for people."""

from __future__ import annotations

LEAST_TOLD = 10
"""What `about` tells of a number below it is only that."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `1,200 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def about(number: int) -> str:
    """A number for people who may not know it: two digits of it, and never finer than tens."""
    return f"about {rounded(number):,}" if number >= LEAST_TOLD else f"fewer than {LEAST_TOLD}"


def rounded(number: int) -> int:
    """The same for programs; numbers below `LEAST_TOLD` are 0."""
    if number < LEAST_TOLD:
        return 0
    step: int = 10 ** max(1, len(str(number)) - 2)
    return (number + step // 2) // step * step

"""Words for people."""

from __future__ import annotations

import json

LEAST_TOLD = 10
"""What `about` tells of a number below it is only that."""


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """A number with its noun: `1 file`, `1,200 files`; `nouns` where that isn't one with an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {nouns or noun + 's'}"


def visible(text: str) -> str:
    """Text from outside for people: what a terminal might obey, or nobody could see, spelled out.

    Control characters, newlines, escapes, signs that turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_json(text: str) -> str:
    """The same for JSON, which stays the same JSON."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def visible_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return "\n".join(map(visible, text.split("\n")))


def about(number: int) -> str:
    """A number for people who may not know it: two digits of it, and never finer than tens."""
    return f"about {rounded(number):,}" if number >= LEAST_TOLD else f"fewer than {LEAST_TOLD}"


def rounded(number: int) -> int:
    """The same for programs; numbers below `LEAST_TOLD` are 0."""
    if number < LEAST_TOLD:
        return 0
    step: int = 10 ** max(1, len(str(number)) - 2)
    return (number + step // 2) // step * step

"""Words for people."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TextIO

NARROWEST = 20
"""Columns of the narrowest terminal that text is broken for."""
LEAST_TOLD = 10
"""`about` only says that a number is below it."""


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """A number with its noun: `1 file`, `1,200 files`; `nouns` where that isn't one with an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {nouns or noun + 's'}"


def folded(text: str, where: TextIO) -> str:
    """Text for reading, broken between words where a terminal would break it within words."""
    if not where.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, NARROWEST)
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


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


ONE_IN = 100
"""Where it is known how many people there are: a step is of so many people's mean, at least."""


def about(number: int, people: int | None = None) -> str:
    """A number for people who may not know it: two digits of it, and never finer than tens.

    Where it is what so many `people` have, it is coarser if one of them could be told from it: it
    passes from one step to the next with one of a hundred of them, or fewer.
    """
    told = rounded(number, people)
    least = max(LEAST_TOLD, _step(number, people))
    return f"about {told:,}" if told else f"fewer than {least:,}"


def rounded(number: int, people: int | None = None) -> int:
    """The same for programs; numbers that round to nothing, or below `LEAST_TOLD`, are 0."""
    if number < LEAST_TOLD:
        return 0
    step = _step(number, people)
    return (number + step // 2) // step * step


def _step(number: int, people: int | None) -> int:
    least: float = max(10, 10 ** (len(str(number)) - 2))
    if people is not None:
        least = max(least, ONE_IN * number / max(people, 1))
    step = 10
    while step < least:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return step

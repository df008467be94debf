"""Words for people."""

from __future__ import annotations

import unicodedata

LEAST_TOLD = 10
"""What `about` tells of a number below it is only that."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `1,200 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def about(number: int) -> str:
    """A number for people who may not know it: two digits of it, and never finer than tens."""
    if number < LEAST_TOLD:
        return f"fewer than {LEAST_TOLD}"
    step = 10 ** max(1, len(str(number)) - 2)
    return f"about {(number + step // 2) // step * step:,}"


def folded(text: str) -> str:
    """A text in the form that its spellings share: case, Unicode form, invisible characters.

    Unicode's NFKC and case folding, without characters that nobody sees and without outer spaces.
    """
    if text.isascii() and text.isprintable():
        return text.casefold().strip()
    folded_once = unicodedata.normalize("NFKC", text).casefold()
    seen = (c for c in folded_once if unicodedata.category(c) not in _UNSEEN and c not in _IGNORED)
    return unicodedata.normalize("NFKC", "".join(seen)).strip()


_UNSEEN = ("Cf", "Cc")
_IGNORED = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(c) for c in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
"""Characters that Unicode calls ignorable by default, of other categories than these."""

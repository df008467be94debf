"""Names in contracts that become part of a path: one pattern for them all, no two places one.

Tables, sources and locations name folders and files below the lakehouse folder. A run that cleans
up or rebuilds a table removes its whole folder. So a name contains nothing that a file system or a
URI reads as anything but a name, and no table lies in another table's place or among raw files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
NAMED = "lower case letters, digits and underscores, a letter first, at most 100 of them"
_DEEPEST = 8


def is_name(text: str | None) -> bool:
    """Whether a text can name a table, a column, a source, a rule or a subject."""
    return _NAME.fullmatch(text or "") is not None


def is_location(text: str) -> bool:
    """Whether a text is a path below a lakehouse folder: names with slashes between them."""
    names = text.split("/")
    return len(names) <= _DEEPEST and all(map(is_name, names))


def overlaps(places: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Owners whose place is another owner's place, or lies in it, each with that other."""
    for owner, place in places.items():
        for other, around in places.items():
            if other != owner and f"{place}/".startswith(f"{around}/"):
                yield owner, other

"""Patterns of texts, matched by RE2: in time linear in the text, whatever the pattern.

Python's own engine takes years over `^(a+)+$` and some forty letters. RE2 is in PyArrow, and in
DuckDB too. What it can't have (back references, looking around) is refused.
Syntax: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 1_000
"""Characters of a pattern: more are no pattern that anybody could check."""


def why_refused(pattern: str) -> str | None:
    """Why a text is no pattern of RE2's; None if it is one."""
    import pyarrow as pa

    if len(pattern) > _LONGEST:
        return f"at most {_LONGEST:,} characters"
    try:
        matching(pattern, [""])
    except pa.ArrowInvalid as error:
        reason = str(error).partition("Invalid regular expression: ")[2] or "can't be compiled"
        return f"{reason}; patterns are RE2's, without back references and looking around"
    return None


def matching(pattern: str, texts: Sequence[str] | pa.Array) -> pa.Array:
    """Of each text whether the pattern is found in it, as Arrow's booleans.

    Raises `pyarrow.ArrowInvalid` for what is no pattern.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.match_substring_regex(pa.array(texts, pa.string()), pattern)

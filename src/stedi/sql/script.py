"""Statements of a text, told apart by semicolons outside of texts, names and comments."""

from __future__ import annotations

import re

_PART = re.compile(
    r"'(?:[^']|'')*(?:'|\Z)"
    r'|"(?:[^"]|"")*(?:"|\Z)'
    r"|--[^\n]*"
    r"|/\*.*?(?:\*/|\Z)"
    r"|;"
    r"|[^'\"/;-]+|.",
    re.DOTALL,
)


def statements(text: str) -> tuple[list[str], str]:
    """The statements that have ended, without their semicolons, and what is begun behind them.

    What has nothing but blanks and comments is none.
    """
    ended, begun, is_empty = list[str](), "", True
    for part in _PART.findall(text):
        if part == ";":
            ended += [] if is_empty else [begun.strip()]
            begun, is_empty = "", True
            continue
        begun += part
        is_empty = is_empty and (part.isspace() or part.startswith(("--", "/*")))
    return ended, "" if is_empty and not _is_open(begun) else begun


def _is_open(text: str) -> bool:
    """Whether a comment at the end of a text may go on in the next line."""
    parts = _PART.findall(text)
    last = next((part for part in reversed(parts) if not part.isspace()), "")
    return last.startswith("/*") and (len(last) < len("/**/") or not last.endswith("*/"))

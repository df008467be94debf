"""Markdown for people: sections and tables."""

from __future__ import annotations

from collections.abc import Iterable


def markdown(*sections: str) -> str:
    """A text of sections with a blank line between them; empty ones are left out."""
    return "\n\n".join(filter(None, map(str.strip, sections))) + "\n"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table."""
    names = [*columns]
    lines = ([" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in (names, ["---"] * len(names), *lines))

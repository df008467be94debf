"""Markdown: sections of lines, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def markdown(sections: Iterable[Iterable[str]]) -> str:
    """A text of sections with a blank line between them."""
    return "\n\n".join("\n".join(line.rstrip() for line in lines) for lines in sections) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")

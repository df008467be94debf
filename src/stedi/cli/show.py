"""Lines, tables and JSON: what the verbs show their results with."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stedi.cli import watch
from stedi.text import folded, visible, visible_json, visible_lines

if TYPE_CHECKING:
    from rich.table import Table

_UNBROKEN = 10_000
"""Columns of a terminal that breaks nothing."""
_TEXT, _LEAST_OF_TEXT = 24, 12
"""A cell with as many characters is text, which is read in as many columns at least."""
_NUMERIC = {
    *("rows", "rows now", "files", "unread files", "records", "bytes", "line", "seconds"),
    *("loaded", "quarantined", "quarantined before", "quarantined now", "in", "kept", "dropped"),
    *("baseline", "mean", "worst", "limit", "people", "left since"),
}
"""Names of columns that are aligned to the right."""


def line(text: str) -> None:
    """Print a line, or several; what came from outside in it can't command a terminal."""
    _write(visible_lines(text))


def sentences(text: str) -> None:
    """Print text for reading, which a terminal would break within words: broken between them."""
    _write(folded(visible_lines(text), sys.stdout))


def hint() -> None:
    """Name the page to anyone who reads on a terminal."""
    if sys.stdout.isatty():
        sentences("\n`stedi page FILE.html` shows it as a page.")


def _write(text: str) -> None:
    with until_closed():
        sys.stdout.write(text + "\n")


def as_json(value: object) -> None:
    """Print a model, or models and dataclasses within other values, as JSON."""
    dump = getattr(value, "model_dump_json", None)
    text = dump(by_alias=True, indent=2) if dump else json.dumps(value, indent=2, default=_plain)
    _write(visible_json(text))


def _plain(value: Any) -> dict[str, Any]:
    """A model or a dataclass within something else."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", by_alias=True) if dump else asdict(value)


def remarks(texts: Iterable[str]) -> None:
    """Print what could not be done, or was passed over."""
    for text in texts:
        is_name = "_" in text.split(" ")[0]
        sentences(f"{text if is_name else text[0].upper() + text[1:]}.")


def problems(texts: Iterable[str]) -> None:
    """Print what is wrong where nothing else is printed."""
    watch.hide()
    for text in texts:
        sys.stderr.write(folded(f"stedi: {visible_lines(text)}\n", sys.stderr))


PIPE_WIDTH = 120


def width() -> int:
    """Characters of a line that people read: of the terminal, or `PIPE_WIDTH` in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def wrapped(text: str, indent: str = "") -> None:
    """Print a paragraph on lines of that width."""
    line("\n".join(textwrap.wrap(visible(text), width(), subsequent_indent=indent)))


def table(
    columns: Iterable[str],
    rows: Iterable[Iterable[str | int | None]],
    width: int | None = None,
    *,
    piped: int = _UNBROKEN,
) -> None:
    """Print rows of text and numbers, on a terminal as wide as that if no `width` is given.

    In a pipe lines have up to `piped` characters. Where words would have to be broken, or a long
    text would be a column of single words, each row is a list of its cells instead.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    names = [visible(column) for column in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        justify: Any = "right" if name in _NUMERIC else "left"
        drawn.add_column(name, justify=justify, overflow="fold")
    for row in cells:
        drawn.add_row(*row)
    if not sys.stdout.isatty():
        width = width or piped
    console = Plain(markup=False, highlight=False, width=width)
    needed = console.measure(drawn, options=console.options.update(width=_UNBROKEN))
    is_table = needed.minimum <= console.width
    if is_table and console.width < needed.maximum:
        spare = console.width - needed.minimum
        is_table = _share_out(drawn, [*zip(names, *cells, strict=True)], spare)
    with until_closed():
        if is_table:
            console.print(drawn)
            return
        console.print()
        for row in cells:
            console.print(_record(names, row))
            console.print()


def _share_out(drawn: Table, columns: Sequence[Sequence[str]], spare: int) -> bool:
    """Make each column as wide as its longest word, and share out what is to spare.

    By itself Rich takes width from the widest columns, whatever words they have. Returns whether
    long texts have enough.
    """
    from rich.cells import cell_len

    least = [max(cell_len(w) for cell in c for w in (cell.split() or [""])) for c in columns]
    most = [max(cell_len(line) for cell in c for line in (cell.split("\n"))) for c in columns]
    wanted = [m - n for m, n in zip(most, least, strict=True)]
    for column, n, more in zip(drawn.columns, least, wanted, strict=True):
        column.width = n + spare * more // max(sum(wanted), 1)
    widths = [column.width or 0 for column in drawn.columns]
    return all(w >= _LEAST_OF_TEXT or m < _TEXT for w, m in zip(widths, most, strict=True))


def _record(names: Sequence[str], cells: Sequence[str]) -> Table:
    """A row where the terminal is too narrow for the table: a line for each cell that has text."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    grid.add_row(names[0], cells[0], style="bold")
    for name, cell in zip(names[1:], cells[1:], strict=True):
        if cell:
            grid.add_row(f"  {name}", cell)
    return grid


def _cell(value: str | int | None) -> str:
    return f"{value:,}" if isinstance(value, int) else visible_lines(value or "")


@contextmanager
def until_closed() -> Iterator[None]:
    """End well where a reader of what is printed has had enough."""
    watch.hide()
    try:
        with to_stdout():
            yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


@contextmanager
def to_stdout() -> Iterator[None]:
    """Name standard output where it can't be written to, as on a disk that is full."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere
        raise OSError(error.errno, error.strerror, "standard output") from None

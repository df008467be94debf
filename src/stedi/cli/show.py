"""Lines, tables, JSON and progress: what the verbs show their results with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from stedi.cli.logs import is_on_stderr
from stedi.text import visible, visible_lines

_NUMERIC = {
    *("rows", "rows now", "files", "unread files", "records", "pieces", "bytes", "line", "seconds"),
    *("loaded", "set aside", "set aside before", "set aside now", "in", "kept", "dropped"),
    *("baseline", "mean", "worst", "limit"),
}
"""Names of columns that are aligned to the right."""


def line(text: str) -> None:
    """Print a line, or several; what came from outside in it can't command a terminal."""
    _write(visible_lines(text))


def _write(text: str) -> None:
    with until_closed():
        sys.stdout.write(text + "\n")


def as_json(value: object) -> None:
    """Print a model, or dataclasses in whatever JSON knows, as JSON."""
    dump = getattr(value, "model_dump_json", None)
    _write(dump(by_alias=True, indent=2) if dump else json.dumps(value, indent=2, default=asdict))


def remarks(texts: Iterable[str]) -> None:
    """Print what could not be done, or was passed over."""
    for text in texts:
        line(f"{text[0].upper()}{text[1:]}.")


def problems(texts: Iterable[str]) -> None:
    """Print what is wrong where nothing else is printed."""
    for text in texts:
        sys.stderr.write(f"stedi: {visible_lines(text)}\n")


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done, on stderr while that is a terminal."""
    if quiet or is_on_stderr() or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as spinner:
        yield spinner.update


def table(
    columns: Iterable[str], rows: Iterable[Iterable[str | int | None]], width: int | None = None
) -> None:
    """Print rows of text and numbers, on a terminal as wide as that if no `width` is given."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        justify: Any = "right" if column in _NUMERIC else "left"
        drawn.add_column(visible(column), justify=justify, overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    if not sys.stdout.isatty():
        width = 10_000
    with until_closed():
        Plain(markup=False, highlight=False, width=width).print(drawn)


def _cell(value: str | int | None) -> str:
    return f"{value:,}" if isinstance(value, int) else visible_lines(value or "")


@contextmanager
def until_closed() -> Iterator[None]:
    """End well where a reader of what is printed has had enough."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None

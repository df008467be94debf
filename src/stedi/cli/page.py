"""`stedi page`: the lakehouse as one HTML file, for people who would rather look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from stedi.cli import show
from stedi.cli.verb import Call, verb


@verb()
def page(
    call: Call,
    file: Annotated[
        str,
        Argument(metavar="FILE.html", help="A file, or s3://…; an earlier page is replaced."),
    ],
    audit: Annotated[
        bool,
        Option("--audit", help="Audit what is published, too, and show how far attacks get."),
    ] = False,
    model: Annotated[
        Path | None, Option(metavar="DIR", help="Show what a model is worth that `train` wrote.")
    ] = None,
    title: Annotated[
        str | None,
        Option(metavar="TEXT", help="How the page is headed. [default: the root's name]"),
    ] = None,
) -> None:
    """Write the lakehouse as one page: is it right, how fresh, what needs me, how private."""
    written = call.lakehouse.page(file, audit=audit, model=model, title=title)
    result = {"page": file, "bytes": written.stat().st_size}
    call.show(result, lambda: show.line(f"The page is in {file}; it needs no other file."))

"""`stedi page`: the lakehouse as one HTML file, for people who would rather look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from stedi.cli import show
from stedi.cli.verb import Call, verb


@verb(takes_long=True, stopped="the page was not written; an earlier one is as it was")
def page(
    call: Call,
    file: Annotated[
        str,
        Argument(
            metavar="FILE.html",
            help="File, or s3:// object, to write; an earlier page is replaced.",
        ),
    ],
    audit: Annotated[
        bool,
        Option("--audit", help="Also audit the published table, and show the results."),
    ] = False,
    model: Annotated[
        Path | None,
        Option(metavar="DIR", help="Show the figures of a model that `stedi train` wrote."),
    ] = None,
    title: Annotated[
        str | None,
        Option(metavar="TEXT", help="Title of the page. [default: the folder's name]"),
    ] = None,
) -> None:
    """Write a report on the lakehouse as one HTML page."""
    written = call.lakehouse.page(file, audit=audit, model=model, title=title)
    result = {"page": file, "bytes": written.stat().st_size}
    call.show(result, lambda: show.sentences(f"The page is in {file}; it needs no other file."))

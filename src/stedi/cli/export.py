"""`stedi export`: a DuckDB file that other tools open, with a view for each table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import BadParameter, Option

from stedi.cli import show
from stedi.cli.verb import Call, verb

if TYPE_CHECKING:
    from stedi.export import Exported


@verb()
def export(
    call: Call,
    duckdb: Annotated[
        Path | None,
        Option(metavar="FILE", help="Write a DuckDB file with a view for each table."),
    ] = None,
) -> None:
    """Export tables to other tools: Jupyter, DBeaver, Superset and others open the file."""
    if duckdb is None:
        raise BadParameter("--duckdb FILE is missing")
    exported = call.lakehouse.export_duckdb(duckdb)
    result = {"file": str(exported.file), "tables": exported.tables}
    call.show(result, lambda: _show(exported))


def _show(exported: Exported) -> None:
    show.table(("view", "rows"), exported.tables.items())
    show.sentences(
        f"The views are in {exported.file}. They read the tables' present files and contain no "
        "rows. After a run, export again."
    )

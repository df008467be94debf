"""`stedi check` and `stedi ddl`: what declarations say, without any data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Option

from stedi.cli import complete, show
from stedi.cli.verb import Call, Profile, verb
from stedi.errors import DeclarationError

if TYPE_CHECKING:
    from stedi.check import Checked
    from stedi.privacy.proof.origins import ColumnOrigins


@verb()
def check(
    call: Call,
    profile: Profile = None,
    explain: Annotated[
        str | None,
        Option(metavar="COLUMN", help="Show where a column comes from: TABLE.COLUMN."),
    ] = None,
    graph: Annotated[
        Path | None, Option(metavar="FILE.svg", help="Draw the lineage of the published columns.")
    ] = None,
) -> None:
    """Check contracts and transforms, and prove that no identifier is published. Reads no data."""
    if graph and graph.suffix.lower() != ".svg":
        raise BadParameter(f"--graph {graph}: what is drawn is SVG; name it FILE.svg")
    if graph and not graph.parent.is_dir():
        raise BadParameter(f"--graph {graph}: there is no folder {graph.parent}")
    try:
        checked = call.lakehouse.check(profile=profile)
    except DeclarationError as error:
        if call.as_json:
            show.as_json({"ok": False, "problems": str(error).splitlines()})
        raise
    explanation = checked.explain(explain) if explain else None
    if graph:
        graph.write_text(checked.graph())
    result = {"ok": True, "tables": checked.tables, "limits": checked.limits}
    if graph:
        result["graph"] = str(graph)
    if explanation:
        call.show({**result, "explanation": explanation}, lambda: _show_explanation(explanation))
    else:
        call.show(result, lambda: _show(checked))
    if graph and not (call.quiet or call.as_json):
        show.sentences(f"The lineage of the published columns is in {graph}.")


def _show(checked: Checked) -> None:
    show.sentences(f"{len(checked.tables)} tables fit together: {', '.join(checked.tables)}")
    show.sentences("No value of a direct column reaches what is published.")
    if checked.limits:
        show.sentences(
            "Limits of direct columns decide by their text which records are quarantined, and so "
            f"which rows are published: {', '.join(checked.limits)}"
        )
    if checked.events:
        show.sentences(f"Column lineage, as OpenLineage events: {checked.events}")


def _show_explanation(explanation: ColumnOrigins) -> None:
    show.sentences(f"{explanation.column} is classified as {explanation.classification}.")
    if explanation.published_through:
        show.sentences(f"It is published through {explanation.published_through}.")
    for title, origins, has_steps in (
        ("Its value comes from", explanation.values, True),
        ("Decides which rows there are", explanation.influences, False),
    ):
        show.sentences(f"\n{title}:" if origins else f"\n{title}: nothing")
        for origin in origins:
            show.sentences(
                f"  {origin.column} ({origin.classification}), {', '.join(origin.subtypes)}"
            )
            for step in origin.path if has_steps else ():
                show.sentences(f"      {step}")


@verb(without=["quiet"])
def ddl(
    call: Call,
    table: Annotated[
        str | None,
        Argument(
            metavar="TABLE",
            help="One table. [default: the landing tables]",
            autocompletion=complete.tables,
        ),
    ] = None,
    location: Annotated[
        str | None,
        Option(metavar="S3-URI", help="Location of the lakehouse on S3: s3://bucket/prefix."),
    ] = None,
) -> None:
    """Print Athena's CREATE TABLE statements."""
    statements = call.lakehouse.ddl(table, location=location)
    call.show(statements, lambda: show.line("\n".join(statements.values()).rstrip()))

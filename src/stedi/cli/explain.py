"""`stedi explain`: the way of the rows to a table, and why others did not get there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from stedi.cli import complete, show
from stedi.cli.verb import Call, verb
from stedi.text import counted, visible

if TYPE_CHECKING:
    from stedi.explain import Dropped, Explanation, Pairing, Stage

_LONGEST, _BEFORE = 100, 25


@verb(without=["quiet"])
def explain(
    call: Call,
    table: Annotated[
        str,
        Argument(
            metavar="TABLE",
            help="A table that `stedi status` lists.",
            autocompletion=complete.tables,
        ),
    ],
    raw: Annotated[
        bool, Option("--raw", help="Show examples unmasked: they are people's data.")
    ] = False,
) -> None:
    """Show where the rows of a table come from, and why other rows were dropped."""
    result = call.lakehouse.explain(table, raw=raw)
    call.show(result, lambda: _show(result))


def _show(explanation: Explanation) -> None:
    show.sentences(f"Profile {explanation.profile}.")
    for stage in explanation.stages:
        _show_stage(stage)
    if explanation.stale:
        show.sentences(f"\n{explanation.table} is out of date: {explanation.stale}.")
    show.hint()


def _show_stage(stage: Stage) -> None:
    show.sentences(f"\n{stage.table}")
    show.sentences(f"  {stage.in_:>12,}  in, of {stage.source}")
    for dropped in stage.dropped:
        _show_dropped(dropped)
    if stage.noise is not None:
        show.sentences(f"  {stage.noise:>+12,}  by noise on how often classes are repeated")
    show.sentences(f"  {stage.kept:>12,}  kept")
    if stage.pairing:
        _show_pairing(stage.pairing)


def _show_dropped(dropped: Dropped) -> None:
    show.sentences(f"  {-dropped.count:>12,}  {dropped.reason}")
    if example := dropped.example:
        text = visible(example.text)
        longest = min(_LONGEST, show.width() - _BEFORE)
        cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
        show.sentences(f"{'':14}  example: {cut}")
        if example.where:
            show.sentences(f"{'':14}  at {visible(example.where)}")


def _show_pairing(pairing: Pairing) -> None:
    show.sentences(
        f"{'':14}  where {', '.join(pairing.by)}: {pairing.values_shared:,} values on both sides"
    )
    for side in pairing.sides:
        show.sentences(
            f"{'':14}  {counted(side.values_alone, 'value')} in {side.table} alone, "
            f"with {counted(side.rows_alone, 'row')}"
        )

"""`stedi review`: lists suspended consents with the reasons, and records decisions on them."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option, Typer

from stedi.cli import show
from stedi.cli.examples import epilog
from stedi.cli.verb import Call, verb
from stedi.text import counted, visible

if TYPE_CHECKING:
    from stedi.review import Review, Suspension

app = Typer(
    rich_markup_mode=None,
    help="List suspended consents; record a decision.",
    epilog=epilog("review"),
)


@verb(without=["quiet"])
def _list(
    call: Call,
    raw: Annotated[
        bool, Option("--raw", help="Show e-mails unmasked: they are people's data.")
    ] = False,
) -> None:
    result = call.lakehouse.review(raw=raw)
    call.show(result, lambda: _show(result))


@app.callback(invoke_without_command=True)
@wraps(_list)
def list_suspended(context: Context, **options: Any) -> None:
    """List suspended consents, the reasons, and the decisions to make."""
    if context.invoked_subcommand is None:
        _list(context, **options)
        return
    given = {name: v for name, v in options.items() if v is not None and name != "raw"}
    context.obj = replace(context.obj, **given)


list_suspended.__doc__ = "List suspended consents, the reasons, and the decisions to make."


@app.command("accept", epilog=epilog("review accept"))
@verb()
def accept(
    call: Call,
    numbers: Annotated[
        list[str],
        Argument(
            metavar="NUMBER",
            help="Number from `stedi review`; the first six characters are enough.",
        ),
    ],
) -> None:
    """Record that these consents are valid. The next run applies it."""
    whole = call.lakehouse.accept(numbers)
    call.show(
        {"accepted": whole},
        lambda: show.sentences(f"{counted(len(whole), 'decision')} noted; `stedi run` follows it."),
    )


def _show(review: Review) -> None:
    if not (review.to_decide or review.waiting):
        show.sentences("No consent is suspended.")
    for suspension in review.to_decide:
        show.sentences(f"{suspension.review}  {', '.join(map(visible, suspension.people))}")
        show.sentences(f"  {suspension.why}")
        _show_evidence(suspension)
        show.sentences(f"  Decide: {suspension.question}")
    if review.to_decide:
        show.sentences(
            "\nIf a consent counts all the same: stedi review accept NUMBER, then stedi run. "
            "Until then it does not count. A new record of the person suspends it again."
        )
    for suspension in review.waiting:
        people = ", ".join(map(visible, suspension.people))
        show.sentences(f"{suspension.until}  {people}\n  {suspension.why}")
    if review.decisions:
        show.sentences(f"{counted(review.decisions, 'decision')} noted.")
    if review.outdated:
        show.sentences(f"As of the last run; {review.outdated}: `stedi run` looks again.")


def _show_evidence(suspension: Suspension) -> None:
    for line in suspension.evidence:
        show.sentences(f"  See: {visible(line)}")

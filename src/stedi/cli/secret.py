"""`stedi secret`: shows which secret keys the fingerprints, and replaces it by a new one."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Context, Option, Typer

from stedi.cli import show
from stedi.cli.examples import epilog
from stedi.cli.verb import Call, verb
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.rights.rekey import Rekeyed, Secret

app = Typer(
    rich_markup_mode=None,
    help="Show which secret is in use; replace it by a new one.",
    epilog=epilog("secret"),
)


@verb(without=["quiet"])
def _shown(call: Call) -> None:
    told = call.lakehouse.secret()
    call.show(told, lambda: _show(told))


@app.callback(invoke_without_command=True)
@wraps(_shown)
def shown(context: Context, **options: Any) -> None:
    """Say where the secret is, and whether lists here are keyed by an older one."""
    if context.invoked_subcommand is None:
        _shown(context, **options)
        return
    context.obj = replace(context.obj, **{n: v for n, v in options.items() if v is not None})


shown.__doc__ = "Say where the secret is, and whether lists here are keyed by an older one."


@app.command("rotate", epilog=epilog("secret rotate"))
@verb()
def rotate(
    call: Call,
    output: Annotated[
        Path | None,
        Option(metavar="FILE", help="Where the secret is in STEDI_SECRET: gets its new value."),
    ] = None,
) -> None:
    """Create a new secret, keep the older ones, and key the lakehouse's lists of people by it."""
    place, rekeyed = call.lakehouse.rotate_secret(output)
    call.show(
        {"place": str(place), "rekeyed": rekeyed},
        lambda: _show_rotated(place, rekeyed, is_told=output is not None),
    )


@app.command("rekey", epilog=epilog("secret rekey"))
@verb()
def rekey(call: Call) -> None:
    """Key the lakehouse's lists of people by the newest secret."""
    rekeyed = call.lakehouse.rekey()
    call.show(rekeyed, lambda: _show_rekeyed(rekeyed))


def _show(told: Secret) -> None:
    show.sentences(f"{told.place}, key {told.key}, {counted(told.retired, 'retired secret')} kept")
    if told.erased or told.ledger:
        show.sentences("Lists of people here are keyed by a retired one: run `stedi secret rekey`")


def _show_rotated(place: Path, rekeyed: Rekeyed | None, *, is_told: bool) -> None:
    show.sentences(f"{place} has a new secret, and those before it: back it up.")
    if is_told:
        show.sentences("Set STEDI_SECRET to what it has, then run `stedi secret rekey`.")
        return
    if rekeyed is not None:
        _show_rekeyed(rekeyed)
    show.sentences("Each other lakehouse of yours: stedi secret rekey --root ROOT")


def _show_rekeyed(rekeyed: Rekeyed) -> None:
    show.sentences(
        f"Keyed by the new secret: {counted(rekeyed.erased, 'identifier')} in the list of "
        f"erased people, {counted(rekeyed.ledger, 'release')} in the ledger."
    )

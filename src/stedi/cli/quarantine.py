"""`stedi quarantine`: lists quarantined records with their reasons, and reads them again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from stedi.cli import complete, show
from stedi.cli.examples import epilog
from stedi.cli.run import showing_withheld
from stedi.cli.stopping import NOTHING_HALF_DONE
from stedi.cli.verb import AcceptBadFiles, Call, Engine, Master, verb
from stedi.text import visible

if TYPE_CHECKING:
    from stedi.quarantine import Quarantine, QuarantinedPiece, Replay

_GROUPS_SHOWN = 20

app = Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List quarantined records and their reasons; read them again.",
)
Source = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Only this source.",
        autocompletion=complete.sources,
    ),
]
Raw = Annotated[bool, Option("--raw", help="Show text unmasked: it is people's data.")]


@app.command("list", epilog=epilog("quarantine list"))
@verb(without=["quiet"])
def list_pieces(
    call: Call,
    source: Source = None,
    reason: Annotated[str | None, Option(metavar="TEXT", help="Only this reason.")] = None,
    file: Annotated[str | None, Option(metavar="NAME", help="Only this landing file.")] = None,
    limit: Annotated[int, Option(min=0, max=1_000_000, help="Maximum records to list.")] = 20,
    raw: Raw = False,
) -> None:
    """Count and list quarantined records. Letters and digits are masked."""
    result = call.lakehouse.quarantine(
        source=source, reason=reason, file=file, limit=limit, raw=raw
    )
    call.show(result, lambda: _show_list(result, is_narrowed=bool(source or reason or file)))


def _show_list(result: Quarantine, is_narrowed: bool) -> None:
    """Counts by source, reason and file, then single records."""
    if not result.count:
        show.sentences(
            "No such record is quarantined." if is_narrowed else "No record is quarantined."
        )
        return
    shown = result.groups[:_GROUPS_SHOWN]
    groups = ((group.source, group.reason, visible(group.file), group.count) for group in shown)
    show.table(("source", "reason", "file", "records"), groups, piped=show.PIPE_WIDTH)
    if (more := len(result.groups) - _GROUPS_SHOWN) > 0:
        show.sentences(
            f"… and {more:,} more groups; --source, --reason and --file narrow, --json lists all"
        )
    for reason, group in {group.reason: group for group in shown}.items():
        show.wrapped(f"{reason}: {group.meaning}", "  ")
        show.wrapped(f"  Usually: {group.cause}", "  ")
    if result.pieces:
        pieces = (
            (visible(p.place), p.line, p.byte_length, p.reason, _begin(p.text))
            for p in result.pieces
        )
        columns = ("place", "line", "bytes", "reason", "text")
        show.table(columns, pieces, piped=show.PIPE_WIDTH)
    if more := result.count - len(result.pieces):
        show.sentences(
            f"… and {more:,} more quarantined records; --limit lists more, --raw shows the text"
        )


def _begin(text: str) -> str:
    """The beginning of a record, on one line of a few characters."""
    shown = visible(text.replace("\n", "⏎"))
    most = max(20, show.width() // 3)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


@app.command("show", epilog=epilog("quarantine show"))
@verb(without=["quiet"])
def show_piece(
    call: Call,
    place: Annotated[
        str, Argument(metavar="PLACE", help="SOURCE/FILE@OFFSET, from `stedi quarantine list`.")
    ],
    raw: Raw = False,
) -> None:
    """Show one quarantined record, the reason, and the usual cause."""
    piece = call.lakehouse.quarantined(place, raw=raw)
    call.show(piece, lambda: _show_piece(piece))


def _show_piece(piece: QuarantinedPiece) -> None:
    show.sentences(f"{piece.source}, file {visible(piece.file)}, line {piece.line:,}")
    show.sentences(f"bytes {piece.byte_offset:,} to {piece.byte_offset + piece.byte_length:,}")
    show.sentences(f"{piece.reason}: {piece.meaning}\n  Usually: {piece.cause}\n")
    show.line("\n".join(map(visible, piece.text.split("\n"))))


@app.command("replay", epilog=epilog("quarantine replay"))
@verb(takes_long=True, stopped=NOTHING_HALF_DONE)
def replay(
    call: Call,
    source: Source = None,
    accept_bad_files: AcceptBadFiles = False,
    engine: Engine = "duckdb",
    master: Master = None,
) -> None:
    """Read quarantined records again, after you corrected a contract or a file."""
    work = partial(
        call.lakehouse.replay, source=source, accept_bad_files=accept_bad_files, engine=engine,
        master=master,
    )  # fmt: skip
    with showing_withheld(work) as result:
        call.show(result, lambda: _show_replay(result))


def _show_replay(replay: Replay) -> None:
    rows = []
    for source in sorted({*replay.before, *replay.after}):
        before, after = replay.before.get(source, {}), replay.after.get(source, {})
        for reason in sorted({*before, *after}):
            rows.append((source, reason, before.get(reason, 0), after.get(reason, 0)))
    if replay.before or replay.after:
        show.table(("source", "reason", "quarantined before", "quarantined now"), rows)
    else:
        show.sentences("No record is quarantined.")

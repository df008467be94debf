"""`stedi status`: every table, and whether each record is accounted for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from stedi.cli import show
from stedi.cli.verb import Call, verb
from stedi.cli.watch import watching
from stedi.errors import UsageError
from stedi.progress import doing
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.status import Status


@verb()
def status(
    call: Call,
    verify: Annotated[bool, Option("--verify", help="Also read every file again.")] = False,
    max_age: Annotated[
        str | None,
        Option(metavar="TIME", help="Exit with 1 if the data may be older: 90s, 30m, 26h or 2d."),
    ] = None,
) -> None:
    """Show every table, and whether the record counts reconcile."""
    seconds = None if max_age is None else _seconds(max_age)
    with watching(quiet=call.quiet or not verify, as_json=call.as_json):
        doing("reading every file again")
        result = call.lakehouse.status(verify=verify, max_age=seconds)
    if call.quiet and not call.as_json:
        show.problems(result.late)
    call.judge(result, lambda: _show(result))
    if result.late:
        raise Exit(1)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,9}(?:[.][0-9]{1,9})?)([smhd])", text)
    if match is None:
        raise UsageError(f"--max-age {text}: a number and its unit, as in 90s, 30m, 26h or 2d")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _show(status: Status) -> None:
    show.sentences(f"Profile {status.profile}.\n")
    show_tables(status)
    _show_sources(status)
    if status.steps:
        _show_steps(status)
    show_notes(status)
    for why in status.late:
        show.sentences(f"\nToo old: {why}.")
    if status.ok:
        late = out_of_date(status)
        if status.times.last_commit is None and status.times.last_run is None:
            show.sentences(f"\nNo run yet; {late}.")
        else:
            show.sentences(f"\nAll record counts reconcile{f'; {late}' if late else ''}.")
    else:
        show.sentences(f"\n{counted(len(status.problems), 'problem')}:")
        for problem in status.problems:
            show.sentences(f"  {problem}")
    show.hint()


def show_tables(status: Status) -> None:
    """Print how many rows each table has, and whether it is up to date."""
    rows = []
    for name, table in status.tables.items():
        fresh = "" if table.freshness == "fresh" else f"{table.freshness}: {table.why}"
        rows.append((table.zone, name, table.rows, fresh))
    show.table(("zone", "table", "rows", ""), rows)


def show_notes(status: Status) -> None:
    """Print what is to be known of the data."""
    if status.notes:
        show.sentences("\nTo note:")
    for note in status.notes:
        show.sentences(f"  {note.text}")


def out_of_date(status: Status) -> str:
    """What `stedi run` would still do; nothing where that is nothing."""
    late = sum(table.freshness != "fresh" for table in status.tables.values())
    return f"`stedi run` updates {counted(late, 'table')}" if late else ""


def _show_sources(status: Status) -> None:
    rows = (
        (name, s.files, s.records, s.loaded, sum(s.quarantined.values()), s.unread)
        for name, s in status.sources.items()
    )
    show.table(("source", "files", "records", "loaded", "quarantined", "unread files"), rows)
    for name, source in status.sources.items():
        for reason, count in source.dropped.items():
            show.sentences(f"  {counted(count, 'record')} of {name} dropped: {reason}")


def _show_steps(status: Status) -> None:
    rows = []
    for name, step in status.steps.items():
        dropped, why = None, "its SELECT groups, unites or limits rows: nothing to reconcile"
        if step.adds_up is not None:
            dropped = sum(step.dropped.values())
            reasons = [f"{count:,} {reason}" for reason, count in step.dropped.items()]
            if step.noise is not None:
                reasons.append(f"{step.noise:+,} by noise")
            why = "\n".join(reasons)
        rows.append((name, step.in_, step.kept, dropped, why))
    show.table(("step", "in", "kept", "dropped", "why dropped"), rows)

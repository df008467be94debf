"""`stedi releases` and `stedi disclose`: what was given out to whom, and what is held of one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from stedi.cli import show
from stedi.cli.verb import Call, verb
from stedi.text import counted, visible

if TYPE_CHECKING:
    from stedi.rights.disclosed import Disclosure
    from stedi.rights.given_out import Given, GivenOut


@verb(without=["quiet"])
def releases(call: Call) -> None:
    """List released data sets and models, and those with rows of people who withdrew since."""
    result = call.lakehouse.releases()
    call.judge(result, lambda: _show_releases(result))


def _show_releases(result: GivenOut) -> None:
    if not result.given and result.ok:
        show.sentences(
            "Nothing was given out yet. `stedi release` and `stedi train` add an entry each."
        )
    if result.given:
        columns = ("when", "what", "to", "rows", "people", "left since", "where", "name")
        show.table(columns, map(_row, result.given))
    for one in result.given:
        if one.letter:
            show.sentences(f"\n{one.name} has rows of {_people(one.left or 0)} since. Send:\n")
            show.line("\n".join(f"    {visible(line)}".rstrip() for line in one.letter.split("\n")))
    if not result.ok:
        show.sentences(f"\n{counted(len(result.problems), 'problem')}:")
        for problem in result.problems:
            show.sentences(f"  {problem}")


def _row(one: Given) -> tuple[str | int | None, ...]:
    state = "" if one.state == "given" else ", begun"
    return (
        one.at,
        f"{one.kind} of {one.table}{_cost(one)}{state}",
        visible(one.recipient or "not named"),
        one.rows,
        _told(one, one.people),
        _told(one, one.left),
        visible(one.folder),
        one.name,
    )


def _cost(one: Given) -> str:
    return f", epsilon {one.cost.epsilon:g} (rho {one.cost.rho:.4g})" if one.cost else ""


def _told(one: Given, people: int | None) -> str:
    if one.cost is not None:
        return "-"  # rows of a private release are nobody's
    return "not known" if people is None else f"{people:,}"


def _people(number: int) -> str:
    return f"{number:,} {'person who has' if number == 1 else 'people who have'} left"


@verb(takes_long=True, stopped="no folder was written")
def disclose(
    call: Call,
    person: Annotated[
        str,
        Argument(
            metavar="PERSON",
            help="An identifier, or KIND=IDENTIFIER; - reads it from standard input.",
        ),
    ],
    folder: Annotated[Path, Argument(metavar="DIR", help="A new folder for the records.")],
) -> None:
    """Write all records of one person to a folder, to hand out to that person."""
    lakehouse = call.lakehouse
    if person == "-":
        person = sys.stdin.readline().rstrip("\r\n")
    disclosed = lakehouse.disclose(person, folder)
    call.show(disclosed, lambda: _show_disclosed(disclosed))


def _show_disclosed(disclosed: Disclosure) -> None:
    earlier = disclosed.earlier
    rows = ((name, count, earlier.get(name)) for name, count in disclosed.rows.items())
    show.table(("table", "rows", "in earlier snapshots only"), rows)
    show.table(("source", "records"), disclosed.records.items())
    show.sentences(f"Releases and models with their readings: {disclosed.given_out:,}.")
    show.remarks(f"not shown: {text}" for text in disclosed.not_shown)
    if disclosed.spelled:
        show.sentences(
            f"Also there? {counted(disclosed.spelled, 'row')} under other spellings (case, spaces, "
            "Unicode form): if they are the same person's, disclose these, too."
        )
    show.sentences(f"Written to {disclosed.folder}; index.html there is for people.")

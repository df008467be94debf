"""`stedi releases`: what was given out to whom, and what of it has rows of people who left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi.cli import show
from stedi.cli.show import visible
from stedi.cli.verb import Call, verb
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.rights.given_out import Given, GivenOut


@verb(without=["quiet"])
def releases(call: Call) -> None:
    """List what was given out to whom, and what of it has rows of people who left since."""
    result = call.lakehouse.releases()
    call.judge(result, lambda: _show_releases(result))


def _show_releases(result: GivenOut) -> None:
    if not result.given and result.ok:
        show.line("Nothing was given out. `stedi release` and `stedi train` note what they do.")
    if result.given:
        columns = ("when", "what", "to", "rows", "people", "left since", "where", "name")
        show.table(columns, map(_row, result.given))
    for one in result.given:
        if one.letter:
            show.line(f"\n{one.name} has rows of {_people(one.left or 0)} since. Send:\n")
            show.line("\n".join(f"    {visible(line)}".rstrip() for line in one.letter.split("\n")))
    if not result.ok:
        show.line(f"\n{counted(len(result.problems), 'problem')}:")
        for problem in result.problems:
            show.line(f"  {problem}")


def _row(one: Given) -> tuple[str | int | None, ...]:
    state = "" if one.state == "given" else ", begun"
    return (
        one.at,
        f"{one.kind} of {one.table}{state}",
        visible(one.recipient or "not named"),
        one.rows,
        "not known" if one.people is None else f"{one.people:,}",
        "not known" if one.left is None else f"{one.left:,}",
        visible(one.folder),
        one.name,
    )


def _people(number: int) -> str:
    return f"{number:,} {'person who has' if number == 1 else 'people who have'} left"

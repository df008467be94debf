"""`stedi ingest` copies delivered raw files, `stedi simulate` writes simulated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Option

from stedi.cli import complete, show
from stedi.cli.stopping import NOTHING_CHANGED
from stedi.cli.verb import Call, stopping_with, verb
from stedi.lakehouse import DEMO_CUSTOMERS, Lakehouse
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.landing.ingest import Ingested
    from stedi.look import Look


@verb(
    takes_long=True,
    stopped="each file is copied whole or not at all; the same command copies the rest",
)
def ingest(
    call: Call,
    path: Annotated[
        str | None,
        Argument(
            metavar="PATH",
            help="A folder or s3://bucket/prefix that contains <source>/landing/; with --source, "
            "a file or a folder of files.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="The source that the files belong to.",
            autocompletion=complete.sources,
        ),
    ] = None,
    starter: Annotated[
        bool, Option("--starter", help="Fetch the public starter data with git.")
    ] = False,
    look: Annotated[
        bool,
        Option("--look", help="Only report the content and what `stedi run` would do with it."),
    ] = False,
) -> None:
    """Copy raw files into the landing zone. Copying a file again changes nothing."""
    lakehouse = call.lakehouse
    if starter == (path is not None) or (starter and source):
        raise BadParameter("give a folder, files with --source, or --starter alone")
    if look:
        if path is None:
            raise BadParameter("--look: give a folder, or files with --source")
        with stopping_with(lambda: NOTHING_CHANGED):
            looked = lakehouse.look(path, source=source)
        call.show(looked, lambda: _show_look(looked))
        return
    if path is None:
        if not call.quiet and not call.as_json:
            from stedi.landing.ingest import STARTER_LICENCE

            show.sentences(STARTER_LICENCE)
        ingested = lakehouse.ingest_starter()
    else:
        ingested = lakehouse.ingest(path, source=source)
    call.show(ingested, lambda: _show(ingested, lakehouse.location))


def _show(ingested: Ingested, location: str) -> None:
    show.sentences(
        f"{counted(len(ingested.copied), 'file')} copied into {location}, "
        f"{len(ingested.present):,} with a content that is there already"
    )
    if ingested.erased:
        show.sentences(f"Left out {counted(ingested.erased, 'record')} of people who were erased.")
    for name in ingested.renamed:
        show.sentences(
            f"{name}: a file of its name was there with another content; both are read. "
            "Remove the one that it replaces"
        )
    show.remarks(ingested.remarks)
    show.remarks(ingested.glance)


def _show_look(looked: Look) -> None:
    for one in looked.sources:
        show.sentences(
            f"{one.source}: {counted(one.files, 'file')}, {counted(one.records, 'record')}: "
            f"{one.loaded:,} to load, {sum(one.set_aside.values()):,} to quarantine"
        )
        for fault, count in one.set_aside.items():
            show.sentences(f"  quarantined: {fault}: {count:,}")
        for time in one.times:
            show.sentences(f"  time: {time.key} from {time.first} to {time.last}, in {time.unit}")
        if one.known is not None:
            show.sentences(f"  people: {one.known:,} known, {one.new:,} new")
        if one.present:
            show.sentences(
                f"  overlap: {counted(one.present, 'record')} equal to some already loaded"
            )
        for note in one.notes:
            show.sentences(f"  note: {note}")
        for advice in one.advice:
            show.sentences(f"  to do: {advice}")


@verb(
    without=["root", "declarations", "database"],
    takes_long=True,
    stopped="what was written was removed again",
)
def simulate(
    call: Call,
    folder: Annotated[Path, Argument(metavar="DIR", help="Folder for the landing zone.")],
    customers: Annotated[int, Option(help="Number of customers.")] = DEMO_CUSTOMERS,
    seed: Annotated[int, Option(help="Random seed: the same seed writes the same bytes.")] = 0,
    people: Annotated[
        bool, Option("--people", help="Simulate people who walk, change consent and share devices.")
    ] = False,
    defects: Annotated[
        list[str] | None,
        Option(
            metavar="N",
            help="Plant N defects of each kind in each source; KIND=N plants N of one kind.",
        ),
    ] = None,
) -> None:
    """Write simulated landing data of any size. truth.json lists the expected results."""
    simulated = Lakehouse.simulate(
        folder, customers=customers, seed=seed, people=people, defects=_defects(defects or [])
    )
    text = (
        f"{counted(simulated.customers, 'customer')}, "
        f"{counted(simulated.step_readings, 'step reading')} and "
        f"{counted(simulated.accelerometer_records, 'accelerometer record')} in "
        f"{counted(simulated.files, 'file')} below {folder}. "
        f"{folder / 'truth.json'} has the expected results."
    )
    call.show(simulated, lambda: show.sentences(text))


def _defects(values: list[str]) -> int | dict[str, int]:
    """How many of each kind, or by kind."""
    try:
        if len(values) == 1 and "=" not in values[0]:
            return int(values[0])
        return {kind: int(count) for kind, count in (value.rsplit("=", 1) for value in values)}
    except ValueError:
        raise BadParameter("--defects takes a number, or KIND=N as often as needed") from None

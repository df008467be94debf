"""`stedi run` and `stedi demo`: update every table, and show what that took."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from typer import Option

from stedi.cli import complete, show
from stedi.cli.status import out_of_date, show_notes, show_tables
from stedi.cli.stopping import NOTHING_HALF_DONE
from stedi.cli.verb import AcceptBadFiles, Call, Engine, Master, Profile, Root, verb
from stedi.errors import StediError
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.run import Planned, RunReport, Withdrawn
    from stedi.simulate import Simulated
    from stedi.status import Status

_Report = TypeVar("_Report")


@verb(takes_long=True, stopped=NOTHING_HALF_DONE)
def run(
    call: Call,
    engine: Engine = "duckdb",
    master: Master = None,
    profile: Profile = None,
    only: Annotated[
        list[str] | None,
        Option(
            metavar="TABLE",
            help="Only this derived table, and the landing tables that it reads.",
            autocompletion=complete.derived,
        ),
    ] = None,
    full: Annotated[bool, Option("--full", help="Read and rebuild everything.")] = False,
    max_pairs: Annotated[
        int | None,
        Option(metavar="ROWS", help="Maximum rows that the time join may return."),
    ] = None,
    accept_bad_files: AcceptBadFiles = False,
    wait: Annotated[
        float,
        Option(metavar="SECONDS", min=0, help="Wait for another run to end, at most this long."),
    ] = 0.0,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print the plan, and change nothing.")
    ] = False,
    page: Annotated[
        str | None,
        Option(metavar="FILE.html", help="Write the HTML page (a file, or s3://…) after the run."),
    ] = None,
) -> None:
    """Update every table."""
    lakehouse = call.lakehouse
    if page is not None:
        lakehouse.require_page(page)
    if dry_run:
        planned = lakehouse.plan(
            profile=profile, only=only, full=full, accept_bad_files=accept_bad_files
        )
        call.show(planned, lambda: _show_plan(planned))
        return
    work = partial(
        lakehouse.run, engine=engine, master=master, profile=profile, only=only, full=full,
        max_pairs=max_pairs, accept_bad_files=accept_bad_files, wait=wait,
    )  # fmt: skip
    with showing_withheld(work) as report:
        call.show(_as_json(report), lambda: _show(report, lakehouse.status()))
        if page is not None:
            lakehouse.page(page)


@contextmanager
def showing_withheld(work: Callable[..., _Report]) -> Iterator[_Report]:
    """The report of work; what is wrong all the same is raised last."""
    withheld = None
    try:
        report = work()
    except StediError as error:
        if error.report is None:
            raise
        report, withheld = error.report, error
    yield report
    if withheld:
        raise withheld


def _as_json(report: RunReport) -> dict[str, object]:
    """A report as programs get it."""
    return {**asdict(report), "profile_changed": report.profile_changed}


def _show(report: RunReport, status: Status) -> None:
    if report.profile_changed:
        show.sentences(f"Profile changed from {report.profile_before} to {report.profile}.")
    if report.swept:
        show.sentences(f"Removed {counted(report.swept, 'file')} that no table refers to.")
    if not report.built:
        show.sentences(f"{out_of_date(status) or 'Everything is up to date'}.")
    else:
        rows = ((b.table, b.rows, f"{b.seconds:.2f}", b.how, b.reason) for b in report.built)
        show.table(("table", "rows", "seconds", "how", "why"), rows)
    if report.withdrawn:
        _show_withdrawn(report.withdrawn)
    _show_remarks(report, status)


def _show_remarks(report: RunReport, status: Status) -> None:
    """Print remarks and notes; what is both, once."""
    noted = {note.text for note in status.notes}
    show.remarks(remark for remark in report.remarks if remark not in noted)
    show_notes(status)


def _show_withdrawn(withdrawn: Withdrawn) -> None:
    rows = ", ".join(f"{count:,} of {table}" for table, count in withdrawn.rows.items())
    people = f"People who don't consent any more: {withdrawn.people:,}."
    show.sentences(f"{people} Rows of theirs that left: {rows}.")
    if difference := withdrawn.difference:
        show.sentences(
            f"Anyone with the earlier publication can compare it with this one in "
            f"{counted(difference['regions'], 'region')}; in {difference['few']:,} of them fewer "
            "rows than k were added or removed. `stedi audit` says more."
        )


def _show_plan(planned: Sequence[Planned]) -> None:
    if not planned:
        show.sentences("Everything is up to date.")
        return
    rows = ((step.table, step.how, step.files, step.rows, step.reason) for step in planned)
    show.table(("table", "how", "files", "rows now", "why"), rows)


@verb(takes_long=True, stopped=NOTHING_HALF_DONE)
def demo(
    call: Call,
    root: Root = None,  # stands first in its help; the call has it
    seed: Annotated[int, Option(help="Random seed of the simulated customers.")] = 0,
) -> None:
    """Simulate 956 customers, build all tables, and print the counts."""
    lakehouse = call.lakehouse
    simulated, report = lakehouse.demo(seed=seed)
    result = {"simulated": simulated, "run": _as_json(report)}
    call.show(result, lambda: _show_demo(call, simulated, report))


def _show_demo(call: Call, simulated: Simulated | None, report: RunReport) -> None:
    if simulated:
        show.sentences(
            f"Simulated {counted(simulated.customers, 'customer')}, "
            f"{simulated.accelerometer_records:,} accelerometer and "
            f"{simulated.step_readings:,} step trainer records."
        )
    else:
        show.sentences("There is landing data already; nothing was simulated.")
    if report.built:
        built = counted(len(report.built), "table")
        show.sentences(f"Updated {built} in {report.seconds:.1f} seconds.\n")
    else:
        show.sentences("Everything is up to date.\n")
    status = call.lakehouse.status()
    show_tables(status)
    _show_remarks(report, status)
    shared = {"--root": call.root, "--declarations": call.declarations}
    option = "".join(f" {name} {shlex.quote(str(v))}" for name, v in shared.items() if v)
    stedi = "stedi" if shutil.which("stedi") == shutil.which(sys.argv[0]) else sys.argv[0]
    show.line("\nWhere to look next:")
    show.line(f"  {stedi} status{option}")
    show.line(f'  {stedi} query{option} "SELECT * FROM machine_learning_curated LIMIT 5"')
    show.line(f"  {stedi} audit{option}")
    show.line(f"  {stedi} run{option} --profile strict")

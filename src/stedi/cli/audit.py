"""`stedi audit`: checks of what is published, attacks on it, and how far each gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from stedi.cli import complete, show
from stedi.cli.verb import Call, Master, verb
from stedi.lakehouse import EngineName
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.privacy.audit import Audit
    from stedi.privacy.audit.attack import AttackResult

_ATTACKS = ("attack", "knows", "withheld", "baseline", "mean", "worst", "limit", "result")
_VERDICTS = {True: "holds", False: "FAILS", None: "measured only"}


@verb(takes_long=True)
def audit(
    call: Call,
    table: Annotated[
        str | None,
        Argument(
            metavar="TABLE",
            help="A published table. [default: the only one]",
            autocompletion=complete.tables,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        Option(metavar="FILE.md", help="Write a privacy report for an impact assessment (DPIA)."),
    ] = None,
    engine: Annotated[
        EngineName,
        Option(metavar="NAME", help="Engine that reads and counts raw rows: duckdb or spark."),
    ] = "duckdb",
    master: Master = None,
) -> None:
    """Check the published table, and simulate attackers who have raw data."""
    result = call.lakehouse.audit(table, report=report, engine=engine, master=master)
    call.judge(result, lambda: _show(result, report))


def _show(result: Audit, report: Path | None) -> None:
    if result.rows:
        _show_attacked(result)
    else:
        show.sentences(f"{result.table}: {'; '.join(result.problems)}")
        _show_weakness(result)
    if report is not None:
        show.sentences(f"The privacy report is in {report}; fill in what only you know.")
    show.hint()


def _show_attacked(result: Audit) -> None:
    show.sentences(
        f"{result.table}: {result.rows:,} rows in {result.classes:,} classes. Each has "
        f"rows of at least {counted(result.smallest_class, 'person', 'people')} (k is {result.k}). "
        f"No person has more than {result.largest_share:.1%} of a class on one side, "
        f"{_both_sides(result)}.\n"
    )
    if result.noise:
        show.sentences(
            f"How often each class is repeated is its count with noise of scale {result.noise:g}. "
            "The attacks have these counts, and no true one.\n"
        )
    _show_weakness(result)
    if result.suppressed:
        show.sentences(f"{result.suppressed:,} rows were left out, as the contract lets it.\n")
    for warning in result.warnings:
        show.sentences(f"Warning: {warning}.\n")
    if result.checks:
        checks = ((name, "; ".join(p) or "nothing wrong") for name, p in result.checks.items())
        show.table(("check", "finds"), checks)
    if result.attacks:
        show.table(_ATTACKS, (_row(name, attack) for name, attack in result.attacks.items()))
    for name, attack in result.attacks.items():
        for sentence in filter(None, (attack.summary, attack.note)):
            show.sentences(f"{name}: {sentence}")
    show.sentences("\nThe audit passes." if result.ok else f"\n{len(result.problems)} problems:")
    for problem in result.problems:
        show.sentences(f"  {problem}")


def _both_sides(result: Audit) -> str:
    share = result.largest_share_both_sides
    return "both together unknown" if share is None else f"{share:.1%} on both together"


def _show_weakness(result: Audit) -> None:
    if result.weaker_than_recommended:
        show.sentences(f"Weaker than recommended: {result.weaker_than_recommended}.\n")


def _row(name: str, attack: AttackResult) -> tuple[str, ...]:
    measures = (attack.baseline, attack.mean, attack.worst, attack.limit)
    figures = ("" if measure is None else f"{measure:.3f}" for measure in measures)
    return (name, attack.knows, attack.withheld, *figures, _VERDICTS[attack.ok])

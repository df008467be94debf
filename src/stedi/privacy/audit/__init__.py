"""The audit: what someone who has all raw data can do to the published table, measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from stedi.privacy.audit import shape
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.guessing import FEWEST_PEOPLE, guesses, membership
from stedi.privacy.audit.singling_out import Attribution, attribution, linkability

MOST_EXCESS = 0.01
"""How much better a guess may be for people in the table than for others, at the interval's lower
end."""


class Attack(BaseModel):
    """One attack: what the attacker knows, what is withheld from him, and how far he gets.

    `ok` is None for what is measured only, because the method doesn't protect against it.
    `baseline` is what he gets without the published table's classes. `summary` is a sentence for
    people on `figures`, where the measures leave them untold.
    """

    knows: str
    withheld: str
    worst: float | None
    mean: float | None
    baseline: float | None
    limit: float | None
    ok: bool | None
    figures: Any = None
    summary: str | None = Field(default=None, exclude=True)
    note: str | None = None


class Audit(BaseModel):
    """What was found; `ok` is whether no check failed and no attack got further than it may.

    `smallest_class` is the fewest different people of a class, on either side, and `largest_share`
    the largest share that one person has of a class. `checks` has the problems that each found.
    """

    ok: bool
    table: str
    k: int
    rows: int
    classes: int
    smallest_class: int
    largest_share: float
    checks: dict[str, list[str]]
    attacks: dict[str, Attack]
    problems: list[str]


def audit(
    table: str,
    evidence: Evidence,
    paths: Sequence[Path],
    lying: Collection[Path],
    alive: Collection[Path],
    difference: Mapping[str, int] | None,
) -> Audit:
    """Check and attack a published table.

    `paths` are its files, `lying` whatever lies in its folder, `alive` what may lie there;
    `difference` is what the publication noted of the one before it.
    """
    checks = shape_problems(evidence, paths, lying, alive)
    singled_out = attribution(evidence)
    attacks = {
        "attribution": _attribution(evidence, singled_out),
        "linkability": _linkability(evidence),
        "inference": _inference(evidence),
        "membership": _membership(evidence),
        "difference": _difference(difference, evidence.publication.k),
    }
    found = [f"{name}: {problem}" for name, problems in checks.items() for problem in problems]
    found += [
        f"{name}: {_failed(name, attack)}" for name, attack in attacks.items() if attack.ok is False
    ]
    if singled_out.people < evidence.publication.k:
        found.append(
            f"attribution: a class has rows of {singled_out.people} people, "
            f"of {evidence.publication.k} at least"
        )
    return Audit(
        ok=not found,
        table=table,
        k=evidence.publication.k,
        rows=len(next(iter(evidence.published.values()))),
        classes=evidence.class_count,
        smallest_class=singled_out.people,
        largest_share=singled_out.worst,
        checks=checks,
        attacks=attacks,
        problems=found,
    )


def nothing_published(table: str, k: int, why: str) -> Audit:
    """The audit of a table that holds nothing."""
    return Audit(
        ok=False,
        table=table,
        k=k,
        rows=0,
        classes=0,
        smallest_class=0,
        largest_share=0.0,
        checks={},
        attacks={},
        problems=[f"nothing is published: {why}"],
    )


def shape_problems(
    evidence: Evidence, paths: Sequence[Path], lying: Collection[Path], alive: Collection[Path]
) -> dict[str, list[str]]:
    """What each check finds wrong with what is stored."""
    of_values: dict[str, Callable[[Evidence], Iterator[str]]] = {
        "columns": shape.columns_problems,
        "midpoints": shape.midpoints_problems,
        "order": shape.order_problems,
        "boxes": shape.boxes_problems,
        "rows": shape.rows_problems,
    }
    found = {name: list(check(evidence)) for name, check in of_values.items()}
    return {**found, "files": list(shape.files_problems(paths, lying, alive))}


def _failed(name: str, attack: Attack) -> str:
    told = f"reaches {attack.worst:.3f}, of {attack.limit:.3f} at most"
    if name != "inference":
        return told
    return (
        f"{told}: classes tell too much of the people in them, or the controls are other people in "
        f"how {attack.withheld} goes with {attack.knows}"
    )


def _attribution(evidence: Evidence, found: Attribution) -> Attack:
    limit = 1 / evidence.publication.k
    return Attack(
        knows="all raw data, and which class a row is in",
        withheld="whose row it is",
        worst=found.worst,
        mean=found.mean,
        baseline=found.baseline,
        limit=limit,
        ok=_at_most(found.worst, limit),
        figures={"fewest_people": found.people, "fewest_rows": found.rows},
    )


def _linkability(evidence: Evidence) -> Attack:
    limit, found = 1 / evidence.publication.k, linkability(evidence)
    return Attack(
        knows="all raw data, and the classes of two rows",
        withheld="whether they are of one person",
        worst=max(found.worst_of_one, found.worst_of_two),
        mean=found.mean,
        baseline=found.baseline,
        limit=limit,
        ok=_at_most(max(found.worst_of_one, found.worst_of_two), limit),
        figures={"of_one_class": found.worst_of_one, "of_two_classes": found.worst_of_two},
    )


def _inference(evidence: Evidence) -> Attack:
    target = evidence.publication.target
    knows = f"{', '.join(axis.column for axis in evidence.publication.axes)} of a reading"
    withheld = target.column if target else "nothing"
    found = guesses(evidence)
    if not found:
        return _not_measured(knows, withheld)
    worst = max(found, key=lambda guess: guess.lower)
    return Attack(
        knows=knows,
        withheld=withheld,
        worst=worst.lower,
        mean=sum(guess.excess for guess in found) / len(found),
        baseline=worst.controls,
        limit=MOST_EXCESS,
        ok=_at_most(worst.lower, MOST_EXCESS),
        figures=[asdict(guess) for guess in found],
        note="worst is the lower end of what classes add to the excess over the controls, of the "
        "way that does best",
    )


def _membership(evidence: Evidence) -> Attack:
    knows, withheld = "all readings of a person", "whether the person consented"
    found = membership(evidence)
    if found is None:
        return _not_measured(knows, withheld)
    return Attack(
        knows=knows,
        withheld=withheld,
        worst=found.auc,
        mean=None,
        baseline=0.5,
        limit=None,
        ok=None,
        figures=asdict(found),
        note="measured only: whether somebody is in the table is not protected; worst is an AUC",
    )


def _difference(found: Mapping[str, int] | None, k: int) -> Attack:
    return Attack(
        knows="this publication and the one before it",
        withheld="what came and went in between",
        worst=None,
        mean=None,
        baseline=None,
        limit=None,
        ok=None,
        figures=dict(found) if found else None,
        summary=f"{found['changed']:,} of {found['regions']:,} regions changed, "
        f"{found['few']:,} by fewer than {k} rows; "
        f"{found['rows_before']:,} rows before, {found['rows_now']:,} now"
        if found
        else None,
        note="measured only: what two publications tell is not protected"
        if found
        else "there was no publication before this one under the same declaration",
    )


def _not_measured(knows: str, withheld: str) -> Attack:
    return Attack(
        knows=knows,
        withheld=withheld,
        worst=None,
        mean=None,
        baseline=None,
        limit=None,
        ok=None,
        note=f"not measured: fewer than {FEWEST_PEOPLE} people in the table, or outside it",
    )


def _at_most(value: float, limit: float) -> bool:
    return value <= limit * (1 + 1e-12)

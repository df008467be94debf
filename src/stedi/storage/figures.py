"""Figures of a lakehouse after each run, and which of today's are unlike those of earlier runs.

Before a run changes the landing tables it notes the figures that it found, with `loads`: so those
of earlier runs outlast their snapshots. Nothing is compared before there are three of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.storage.notes import Figures, LoadsNotes, Note
from stedi.storage.warehouse import Version, Warehouse

UNUSUAL = "unusual"
KEPT = 10
"""How many earlier runs are noted."""
LEAST = 3
"""From how many on anything is compared."""
_FLOOR = 0.2
"""Where rows were never added or removed, the part of the table for the declared margin."""


def figures(
    warehouse: Warehouse,
    declarations: Declarations,
    records: Mapping[str, int],
    set_aside: Mapping[str, int],
) -> Figures | None:
    """The figures of all tables as they are; None while one is not built."""
    versions = {name: warehouse.version(name) for name in declarations.contracts}
    rows = {name: version.rows for name, version in versions.items() if version}
    if len(rows) < len(versions) or warehouse.checked is None:
        return None
    return Figures(declarations=warehouse.checked, rows=rows, records=records, set_aside=set_aside)


def noted_figures(loads: Version | None) -> tuple[Figures, ...]:
    """The figures of earlier runs, the newest last."""
    notes = loads.notes if loads else None
    return notes.earlier if isinstance(notes, LoadsNotes) else ()


def unusual(
    declarations: Declarations, earlier: Sequence[Figures], now: Figures | None
) -> Iterator[Note]:
    """What is unlike the runs before that were made under the same declarations."""
    if now is None:
        return
    alike = [one for one in earlier if one.declarations == now.declarations]
    if len(alike) < LEAST:
        return
    runs = [*alike, now]
    for contract in declarations.contracts.values():
        for text in _of_table(declarations, contract, runs):
            yield Note(code=UNUSUAL, count=1, text=text)


def _of_table(
    declarations: Declarations, contract: Contract, runs: Sequence[Figures]
) -> Iterator[str]:
    name, margins = contract.name, contract.margins
    yield from _rows(name, [run.rows.get(name, 0) for run in runs], margins.rows)
    if contract.source:
        shares = [
            _share(run.set_aside, contract.source, run.records, contract.source) for run in runs
        ]
        what = f"source {contract.source}: the share of its records that is quarantined"
        yield from _beyond(what, "{:.1%}", shares, margins.set_aside)
    people, transform = declarations.suspending, declarations.transforms.get(name)
    if people is None or transform is None:
        return
    if name == people.name:
        shares = [_share(run.rows, name, run.rows, transform.sources[0]) for run in runs]
        what = f"{name}: the share of {transform.sources[0]} that consents"
        yield from _beyond(what, "{:.1%}", shares, margins.consenting)
    elif declarations.contracts[transform.sources[0]].source:
        readings = [_share(run.rows, name, run.rows, people.name) for run in runs]
        tolerated = margins.per_person * max(readings[:-1])
        what = f"{name}: rows per row of {people.name}"
        yield from _beyond(what, "{:,.1f}", readings, tolerated)


def _rows(name: str, rows: Sequence[int], margin: float) -> Iterator[str]:
    """Where more or fewer rows came than came before."""
    *before, now = [after - earlier for earlier, after in pairwise(rows)]
    least, most = min(before), max(before)
    tolerated = margin * (max(abs(least), abs(most)) or _FLOOR * rows[-2])
    if not least - tolerated <= now <= most + tolerated:
        usual = _range(f"{least:+,}", f"{most:+,}")
        yield f"{name}: {now:+,} rows in the last run that read files; {usual} in those before"


def _beyond(what: str, form: str, values: Sequence[float], tolerated: float) -> Iterator[str]:
    """Where a value is further from those before than is tolerated."""
    *before, now = values
    least, most = min(before), max(before)
    if not least - tolerated <= now <= most + tolerated:
        usual = _range(form.format(least), form.format(most))
        yield f"{what}: {form.format(now)}; {usual} in earlier runs"


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def _share(parts: Mapping[str, int], part: str, wholes: Mapping[str, int], whole: str) -> float:
    return parts.get(part, 0) / wholes[whole] if wholes.get(whole) else 0.0

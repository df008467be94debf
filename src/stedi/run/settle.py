"""Takes out records that came before, in an earlier file, before a table is committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stedi.landing import redelivered
from stedi.landing.loads import Load
from stedi.landing.parse import Parsed
from stedi.landing.redelivered import Noticed, Span
from stedi.parquet import Target
from stedi.roots import Files
from stedi.roots.scratch import scratch
from stedi.run.readings import Reading
from stedi.storage.warehouse import DataFile, short_name

_Order = tuple[int, int, str]


@dataclass(frozen=True)
class Settled:
    """What was parsed, with every record that came before taken out; None where all is to be read.

    That is where files which are read again came before others that have the same records.
    """

    parsed: Parsed | None


def settle(
    files: Files,
    reading: Reading,
    parsed: Parsed,
    loads: Sequence[Load],
    load: int,
    make_target: Callable[[], Target],
    *,
    is_declared: bool,
) -> Settled:
    """Remove records that came before; `loads` are those before this one, numbered `load`.

    Where it `is_declared` as it was, and no file is another, what was noticed then still is.
    """
    contract = reading.contract
    first = first_loads(loads, str(contract.source))
    came: list[_Order] = sorted(
        (first.get(read.file.name, load), read.file.arrived, read.file.name)
        for read in parsed.files
    )
    orders = {name: n for n, (*_, name) in enumerate(came)}
    kept = _kept(reading, loads)
    known = _known_spans(reading, kept)
    new = redelivered.spans_of(parsed, orders)
    difference = reading.difference
    is_rebuild = not (kept or difference.new or difference.changed or difference.gone)
    aside = {k.file: k.set_aside for k in loads if k.source == contract.source}
    is_same = is_rebuild and all(aside.get(r.file.name) == r.set_aside for r in parsed.files)
    if is_declared and is_same and reading.outdated is None:
        again = {k.file for k in loads if k.source == contract.source and k.repeated}
        noticed = Noticed(frozenset(orders[n] for n in again & orders.keys()), frozenset())
    else:
        noticed = redelivered.notice(files, contract, known, new)
    if not noticed.orders:
        return Settled(parsed)
    newest = max(((k.since, k.arrived, k.file) for k in kept), default=None)
    if newest is not None and any(came[order] < newest for order in noticed.in_known):
        return Settled(None)
    with scratch(files.root, "redelivered") as folder:
        return Settled(
            redelivered.without_redelivered(
                files, contract, known, new, parsed, noticed, make_target(), folder
            )
        )


def first_loads(loads: Sequence[Load], source: str) -> dict[str, int]:
    """By which load each file of a source was first read, as far as that is noted."""
    own = (load for load in loads if load.source == source and load.state != "gone")
    return {load.file: load.since for load in own}


def _kept(reading: Reading, loads: Sequence[Load]) -> list[Load]:
    """The files whose typed rows stay as they are."""
    read_again = {file.name for file in reading.files} if reading.outdated is not None else None
    gone = {load.file for load in reading.difference.gone}
    return [
        load
        for load in loads
        if load.source == reading.contract.source
        and load.state == "read"
        and reading.kept
        and read_again is not None
        and load.file not in read_again
        and load.file not in gone
    ]


def _known_spans(reading: Reading, kept: Sequence[Load]) -> list[Span]:
    """Where the rows of files that stay lie in typed files, as far as that can be told."""
    merged = reading.before.landing.merged if reading.before and reading.before.landing else {}
    by_part: dict[str, list[Load]] = {}
    for load in sorted(kept, key=lambda load: load.file):
        for part in load.parts.split():
            by_part.setdefault(part, []).append(load)
    place = {(k.since, k.arrived, k.file): 0 for k in kept}
    orders = {order[2]: n - len(place) for n, order in enumerate(sorted(place))}
    spans = []
    for file in reading.kept:
        parts = merged.get(short_name(file.path), [file.path.stem])
        spans += _spans_in(file, [by_part.get(part, []) for part in parts], reading, orders)
    return spans


def _spans_in(
    file: DataFile, parts: Sequence[Sequence[Load]], reading: Reading, orders: Mapping[str, int]
) -> list[Span]:
    """The rows of each landing file in a typed one; all together where nobody can tell."""
    is_once = reading.contract.redelivered == "once"
    counts = [
        (load, load.records - load.set_aside - (load.repeated if is_once else 0))
        for loads in parts
        for load in loads
    ]
    names = tuple(dict.fromkeys(load.file for load, _ in counts))
    if len(names) < len(counts) or sum(count for _, count in counts) != file.rows:
        order = min((orders[name] for name in names), default=-1)
        return [Span(file.path, 0, file.rows, order, names)]
    spans, at = [], 0
    for load, count in counts:
        if count:
            spans.append(Span(file.path, at, at + count, orders[load.file], (load.file,)))
        at += count
    return spans

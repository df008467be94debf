"""Finds whose consent is suspended: by the declared query, without those a person has accepted.

The declared query returns who, why, and until when; its column `suspect` shows which spellings may
be of one person. Transforms read the result as the table `suspended`. A rebuild at the same time,
with the same decisions, would return the same rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from blake3 import blake3

from stedi import parquet
from stedi.declared.machinery import MACHINERY, SuspendedRow
from stedi.errors import DeclarationError
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import read_loads
from stedi.parquet import RowWriter
from stedi.run.work import OfTable, Work
from stedi.sql.tree import tables_read
from stedi.storage.notes import SuspendedNotes
from stedi.storage.suspensions import SUSPENDED, decided, now_ms, why_outdated
from stedi.storage.warehouse import Version

_NUMBER_DIGITS = 16
_BATCH_ROWS = 1 << 12


@dataclass(frozen=True)
class Cause:
    """Why the consent of some people does not count; `until` a time (epoch ms), or a decision.

    `content` tells what the evidence is of, if that is the place of a record: when its file arrived
    (epoch ns), and a digest of the record. Another file may have another record there.
    """

    why: str
    question: str
    evidence: str
    until: int | None = None
    content: str = ""


def suspend(work: Work) -> None:
    """Update the table `suspended`, before any table that reads it."""
    query, warehouse = work.declarations.suspensions, work.warehouse
    if query is None or not (
        work.options.full or why_outdated(warehouse, work.declarations) is not None
    ):
        return
    made_from: dict[str, int | None] = {}
    read: list[OfTable] = []
    for name in sorted({table.name for table in tables_read(query)}):
        version = warehouse.version(name)
        files = [str(file.path) for file in version.files] if version else []
        work.engine.declare(name, work.declarations.schemas[name], files)
        made_from[name] = version.content if version else None
        read += [(version, version.files)] if version else []
    work.progress("looking for consents that do not count for now")
    numbers, now = decided(warehouse.files), now_ms()
    with work.blaming(read):
        found = work.engine.fetch(query).to_pylist()
        evidence = {str(row["evidence"]) for row in found}
        contents = _contents(work, {place for place in evidence if "@" in place})
    work.refuse_changed(read)
    rows = [*suspensions(found, frozenset(numbers), now, work.fingerprinter, contents)]
    _commit(work, rows, SuspendedNotes(
        made_from=made_from,
        declaration=work.declarations.suspensions_fingerprint,
        decided=numbers,
        due=_next(found, now),
    ))  # fmt: skip


def suspensions(
    found: Iterable[Mapping[str, object]],
    accepted: frozenset[str],
    now: int,
    fingerprinter: Fingerprinter,
    contents: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[SuspendedRow]:
    """The rows of the table, in order, from those that the declared query returns.

    `contents` tells records from others that are in the same place at another time.
    """
    causes: dict[str, dict[str, set[Cause]]] = defaultdict(lambda: defaultdict(set))
    suspects = dict[str, str]()
    for row in found:
        if row["subject"] is None:
            continue  # of nobody
        suspect = suspects.setdefault(str(row["subject"]), str(row["suspect"]))
        if suspect != str(row["suspect"]):
            raise DeclarationError("suspensions: a subject has several suspects")
        until = row["until"]
        if not isinstance(until, int) or until > now:
            cause = Cause(
                str(row["why"]),
                str(row["question"]),
                str(row["evidence"]),
                until if isinstance(until, int) else None,
                contents.get(str(row["evidence"]), ""),
            )
            causes[str(row["suspect"])][str(row["subject"])].add(cause)
    for suspect, of_subjects in sorted(causes.items()):
        every = {cause for own in of_subjects.values() for cause in own}
        numbers = _numbers(suspect, (c for c in every if c.until is None), fingerprinter)
        for subject, own in sorted(of_subjects.items()):
            lasting = {c for c in own if c.until is not None or accepted.isdisjoint(numbers)}
            if lasting:
                yield _row(subject, lasting, numbers[0])


def _contents(work: Work, places: Collection[str]) -> dict[str, str]:
    """What quarantined records at some places (`customer/one.json@17`) are, and since when.

    A file can be replaced by one that has the same name and the same time.
    """
    quarantine, loads = (work.warehouse.version(name) for name in ("quarantine", "loads"))
    if not places or quarantine is None or loads is None:
        return {}
    files = work.warehouse.files
    noted = read_loads(files, [file.path for file in loads.files])
    arrived = {f"{load.source}/{load.file}": load.arrived for load in noted}
    named = pa.array({place.rpartition("@")[0].partition("/")[2] for place in places}, pa.string())
    paths = [file.path for file in quarantine.files]
    files.fetch(paths)
    contents = dict[str, str]()
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(
                _BATCH_ROWS, columns=["source", "file", "byte_offset", "raw"]
            ):
                rows = batch.filter(pc.is_in(batch.column("file"), value_set=named))
                for row in rows.to_pylist():
                    name = f"{row['source']}/{row['file']}"
                    place = f"{name}@{row['byte_offset']}"
                    if place in places:
                        contents[place] = f"{arrived.get(name)} {blake3(row['raw']).hexdigest()}"
    return contents


def _row(subject: str, causes: set[Cause], number: str) -> SuspendedRow:
    to_decide = [c for c in causes if c.until is None]
    first = min(to_decide or causes, key=lambda c: (c.why, c.question))
    evidence = sorted({c.evidence for c in to_decide or causes})
    until = None if to_decide else max(c.until for c in causes if c.until is not None)
    review = number if to_decide else None
    return SuspendedRow(subject, first.why, first.question, "\n".join(evidence), until, review)


def _numbers(suspect: str, causes: Iterable[Cause], fingerprinter: Fingerprinter) -> list[str]:
    """The number of what there is to decide: another one when anything of it is another.

    Behind it are those that it had by earlier secrets: decisions may be noted by them.
    """
    seen = sorted({(c.why, c.evidence, c.content) for c in causes})
    digest = fingerprinter.begin()
    digest.update(json.dumps(["suspended", suspect, seen]).encode())
    return [digits[:_NUMBER_DIGITS] for digits in fingerprinter.ends(digest)]


def _next(found: Iterable[Mapping[str, object]], now: int) -> int | None:
    """When something is over next, of what is so by time."""
    times = [until for row in found if isinstance(until := row["until"], int) and until > now]
    return min(times, default=None)


def _commit(work: Work, rows: Sequence[SuspendedRow], notes: SuspendedNotes) -> None:
    warehouse, before = work.warehouse, work.warehouse.version(SUSPENDED)
    target = work.target(SUSPENDED, MACHINERY[SUSPENDED])
    if before is not None and _rows(work, before) == [row.values for row in rows]:
        noted = {file: before.notes.files[file] for file in before.notes.files}
        warehouse.commit(
            SUSPENDED,
            (),
            SuspendedNotes(noted, notes.made_from, notes.declaration, notes.decided, notes.due),
            keep={file.uri for file in before.files},
            content=before.content,
        )
        return
    writer = RowWriter(target.folder / f"{SUSPENDED}.parquet", target.fields, ("subject",))
    for row in rows:
        writer.add(row.values, 200)
    paths = writer.close()
    files = work.fingerprints(paths)
    warehouse.commit(
        SUSPENDED,
        paths,
        SuspendedNotes(files, notes.made_from, notes.declaration, notes.decided, notes.due),
    )


def _rows(work: Work, version: Version) -> list[tuple[object, ...]] | None:
    """What the table has, in order; None where a file of it can't be used."""
    if work.warehouse.damage(version):
        return None
    work.warehouse.files.fetch([file.path for file in version.files])
    tables = (parquet.read(file.path) for file in version.files)
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]

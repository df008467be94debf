"""The delivery's doctor: what is in raw files, against their contract and what is there already.

Nothing is copied and no table changes. Files are read by the landing parser, into a folder that is
gone afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from stedi import parquet
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.declared.machinery import MACHINERY
from stedi.landing.files import LandingFile
from stedi.landing.oddities import Oddities, nearest_key, shown_key, told, unknown_keys, wrappers
from stedi.landing.reader import FileReader
from stedi.landing.records import RecordReader, parsed_object
from stedi.landing.times import is_time, unit_at, unit_of
from stedi.landing.window import ArchiveTooLarge, packing_of
from stedi.parquet import Field, RowWriter, identifier
from stedi.progress import advance, doing, expect
from stedi.roots import Opener, open_local
from stedi.roots.copies import temporary_folder
from stedi.storage.warehouse import Warehouse
from stedi.text import counted

Delivered = Mapping[str, Sequence[tuple[Path, str]]]
"""Files by source: where each is, and its name below the source's landing folder."""
_JUDGED = 10_000
"""How many quarantined records of a source are read again, for the key that is the cause."""
_GLANCE_BYTES, _GLANCE_FILES = 1 << 18, 8


class Times(BaseModel):
    """When records of a source were taken or changed, as far as they can be loaded."""

    key: str
    first: str
    last: str
    unit: str


class SourceLook(BaseModel):
    """What the files of one source have, and what would become of it.

    `loaded` are the records that a run would load, without those that are re-delivered and declared
    to be loaded once. `set_aside` counts quarantined records by reason and key; `notes` are what is
    odd about records that would be loaded, and keys that the contract lacks. `known` people are
    named in the lakehouse's tables, `new` ones aren't. `present` records are equal to one that is
    loaded already. `advice` says what would read what is quarantined.
    """

    source: str
    files: int
    records: int
    loaded: int
    set_aside: dict[str, int]
    notes: list[str]
    times: list[Times]
    known: int | None
    new: int | None
    present: int
    advice: list[str]


class Look(BaseModel):
    """What is in a delivery; nothing of it was copied."""

    sources: list[SourceLook]


@dataclass
class _Read:
    """What reading the files of a source gave, so far."""

    contract: Contract
    typed: list[Path] = field(default_factory=list)
    files: int = 0
    records: int = 0
    pieces: int = 0
    oddities: Oddities = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    units: Counter[tuple[str, str]] = field(default_factory=Counter)
    renamed: Counter[tuple[str, str]] = field(default_factory=Counter)
    judged: int = 0


def look(warehouse: Warehouse, declarations: Declarations, delivered: Delivered) -> Look:
    """Read what was delivered, and compare it with contracts and tables; nothing is changed."""
    contracts = {str(contract.source): contract for contract in declarations.landing}
    paths = [path for files in delivered.values() for path, _ in files]
    doing(f"reading {counted(len(paths), 'file')}")
    expect(len(paths), "files")
    with temporary_folder() as folder:
        return Look(
            sources=[
                _told(warehouse, declarations, _read(contracts[source], files, folder))
                for source, files in delivered.items()
                if files
            ]
        )


def glance(declarations: Declarations, delivered: Delivered, opener: Opener) -> list[str]:
    """Lines on sources whose records don't all fit, by a glance at the first of some files."""
    contracts = {str(contract.source): contract for contract in declarations.landing}
    lines = []
    with temporary_folder() as folder:
        for source, files in delivered.items():
            few = [(path, name) for path, name in files[:_GLANCE_FILES]]
            read = _read(contracts[source], few, folder, opener, most=_GLANCE_BYTES)
            if read.pieces:
                [((reason, key), _)] = read.faults.most_common(1)
                lines.append(
                    f"source {source}: {read.pieces:,} of the first "
                    f"{counted(read.records, 'record')} would be quarantined, most because of "
                    f"{_fault(reason, key)}; "
                    "`stedi ingest PATH --look` says more"
                )
            for key in unknown_keys(read.contract, read.oddities)[:1]:
                lines.append(f"source {source}: keys that the contract lacks, such as {key}")
    return lines


def _read(
    contract: Contract,
    files: Sequence[tuple[Path, str]],
    folder: Path,
    opener: Opener = open_local,
    most: int | None = None,
) -> _Read:
    read = _Read(contract)
    typed = tuple(Field(c.name, c.type, n) for n, c in enumerate(contract.columns, 1))
    aside = tuple(Field(c.name, c.type, n) for n, c in enumerate(MACHINERY["quarantine"], 1))
    for number, (path, name) in enumerate(files):
        if most is not None and packing_of(path, opener) is not None:
            continue
        quarantine = RowWriter(folder / f"{contract.source}-{number}-aside.parquet", aside)
        rows = RowWriter(folder / f"{contract.source}-{number}.parquet", typed)
        reader = FileReader(contract, rows, quarantine, 0, opener)
        try:
            counts = reader.read(
                path, LandingFile(name, 0, 0, 0), stop=most, most=contract.max_unpacked_bytes
            )
        except ArchiveTooLarge:
            counts = reader.set_aside_unread(name)
        if most is None:
            advance()
        read.files += 1
        read.records += counts.records
        read.pieces += counts.pieces
        read.oddities.update(counts.oddities)
        written, pieces = reader.close()
        read.typed += written
        for piece in pieces:
            _judge(read, piece)
            piece.unlink()
    return read


def _judge(read: _Read, quarantine: Path) -> None:
    """Count quarantined records by what is wrong with them."""
    reader = RecordReader(read.contract)
    columns = {c.json_key or c.name: c for c in read.contract.delivered}
    known = {key.lower() for key in columns}
    with pq.ParquetFile(quarantine) as file:
        for batch in file.iter_batches(1 << 10, columns=["reason", "raw"]):
            for reason, raw in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                if read.judged >= _JUDGED:
                    read.faults[reason, ""] += 1
                    continue
                read.judged += 1
                key = reader.fault(raw) or ""
                read.faults[reason, key] += 1
                values = parsed_object(raw) if key in columns else {}
                if unit := unit_at(read.contract, raw, key):
                    read.units[key, unit] += 1
                if reason == "key missing":
                    read.renamed.update(
                        (key, other)
                        for other in values
                        if other.lower() not in known and nearest_key(read.contract, other) == key
                    )


def _told(warehouse: Warehouse, declarations: Declarations, read: _Read) -> SourceLook:
    contract = read.contract
    times = [*_times(read)]
    known, new = _people(warehouse, declarations, read)
    notes = [text for _, _, text in told(contract, read.oddities)]
    notes += wrappers(contract, read.oddities)
    notes += [f"key that the contract lacks: {k}" for k in unknown_keys(contract, read.oddities)]
    present = _present(warehouse, read)
    again = present if contract.redelivered == "once" else 0
    faults = {_fault(reason, key): count for (reason, key), count in read.faults.most_common()}
    return SourceLook(
        source=str(contract.source),
        files=read.files,
        records=read.records,
        loaded=read.records - read.pieces - again,
        set_aside=faults,
        notes=notes,
        times=times,
        known=known,
        new=new,
        present=present,
        advice=[*dict.fromkeys(_advice(read, times))],
    )


def _fault(reason: str, key: str) -> str:
    return f"{reason} at the key {shown_key(key)}" if key else reason


def _times(read: _Read) -> Iterator[Times]:
    for column in read.contract.delivered:
        if not is_time(read.contract, column):
            continue
        units: Counter[str] = Counter()
        least, most = None, None
        for path in read.typed:
            values = parquet.read(path, [column.name]).column(0)
            if values.null_count == len(values):
                continue
            ends = pc.min_max(values).as_py()
            least = ends["min"] if least is None else min(least, ends["min"])
            most = ends["max"] if most is None else max(most, ends["max"])
            middle = pc.quantile(values, 0.5, interpolation="lower")[0].as_py()
            units[unit_of(int(middle)) or "small numbers"] += len(values)
        if least is not None and most is not None:
            [(unit, _)] = units.most_common(1)
            key = column.json_key or column.name
            yield Times(key=key, first=_when(least, unit), last=_when(most, unit), unit=unit)


def _when(value: int, unit: str) -> str:
    scale = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6}.get(unit)
    try:
        if scale:
            moment = datetime.fromtimestamp(value // scale, UTC)
            return moment.isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        pass
    return str(value)


def _people(
    warehouse: Warehouse, declarations: Declarations, read: _Read
) -> tuple[int | None, int | None]:
    """How many people the records are about that tables know already, and how many others."""
    contract = read.contract
    subject = contract.column(contract.subject) if contract.subject else None
    if subject is None:
        return None, None
    found = {v for path in read.typed for v in _distinct(path, subject.name)}
    known: set[object] = set()
    for other in declarations.landing:
        version = warehouse.version(other.name)
        columns = [c.name for c in other.delivered if c.subject and c.subject == subject.subject]
        for name in columns if version else ():
            assert version is not None
            warehouse.files.fetch([file.path for file in version.files])
            for file in version.files:
                known |= found & {*_distinct(file.path, name)}
    return len(known), len(found - known)


def _distinct(path: Path, column: str) -> list[Any]:
    values: list[Any] = pc.unique(parquet.read(path, [column]).column(0)).to_pylist()
    return values


def _present(warehouse: Warehouse, read: _Read) -> int:
    """How many records are equal in all columns to one that is loaded already."""
    version = warehouse.version(read.contract.name)
    if version is None or not version.files or not read.typed:
        return 0
    columns = [(column.name, column.type) for column in read.contract.delivered]
    held = {name for name, _ in version.columns}
    if any(name not in held for name, _ in columns):
        return 0
    warehouse.files.fetch([file.path for file in version.files])
    old = parquet.scan([str(file.path) for file in version.files], columns)
    new = parquet.scan([str(path) for path in read.typed], columns)
    equal = " AND ".join(
        f"o.{identifier(name)} IS NOT DISTINCT FROM n.{identifier(name)}" for name, _ in columns
    )
    with temporary_folder() as folder, closing(parquet.connect(folder)) as connection:
        query = (
            f"SELECT COUNT(*) FROM ({new}) n WHERE EXISTS (SELECT 1 FROM ({old}) o WHERE {equal})"
        )
        [(count,)] = connection.execute(query).fetchall()
    return int(count)


def _advice(read: _Read, times: Sequence[Times]) -> Iterator[str]:
    contract = read.contract
    columns = {c.json_key or c.name: c for c in contract.delivered}
    for (missing, other), _ in read.renamed.most_common():
        yield (
            f"`jsonKey: {shown_key(other)}` for the column {columns[missing].name} of "
            f"{contract.name} reads records without the key {missing}"
        )
    renamed = {missing for missing, _ in read.renamed}
    for (reason, key), _ in read.faults.most_common():
        column = columns.get(key)
        if reason == "records in a wrapper":
            yield f"`recordsUnder: {shown_key(key)}` in the contract {contract.name} reads them"
        elif column is None or key in renamed:
            continue
        elif reason in ("number where text belongs", "true or false where a value belongs"):
            if column.type == "string" and column.subject is None and not column.lenient:
                yield f"`lenient: true` for the column {column.name} of {contract.name} reads them"
        elif reason == "key missing" and column.subject is None:
            yield (
                f"`required: false` for the column {column.name} of {contract.name} reads them, if "
                "no rule needs it"
            )
    for key, unit in sorted(read.units):
        yield f"{key} is given in {unit}: deliver it in epoch milliseconds, as whole numbers"
    for time in times:
        if time.unit not in ("milliseconds", "small numbers"):
            yield f"{time.key} is given in {time.unit}: deliver it in epoch milliseconds"

"""What was quarantined and why: counted, listed, shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pydantic import BaseModel

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import StediError, UsageError
from stedi.landing.loads import read_loads
from stedi.landing.reasons import EXPLANATIONS, Reason
from stedi.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from stedi.engines import MakeEngine
    from stedi.run import RunReport
    from stedi.run.options import Progress

TEXT_BYTES = 240
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLACE_COLUMNS = ("source", "file", "byte_offset", "byte_length", "line", "reason", "load")


class QuarantinedGroup(BaseModel):
    """How many records of one file are quarantined for one reason, and its usual cause."""

    source: str
    reason: str
    file: str
    count: int
    meaning: str
    cause: str


class QuarantinedPiece(BaseModel):
    """A record: bytes `byte_offset` to `byte_offset + byte_length` of its file, from `line` on.

    `text` begins like the record, its letters and digits masked unless they were asked for.
    """

    place: str
    source: str
    file: str
    byte_offset: int
    byte_length: int
    line: int
    reason: str
    meaning: str
    cause: str
    load: int
    text: str


class Quarantine(BaseModel):
    """What was quarantined: all of it counted, and the first records."""

    count: int
    groups: list[QuarantinedGroup]
    pieces: list[QuarantinedPiece]


@dataclass(frozen=True)
class Replay:
    """The result of reading again: quarantined records by source and reason, before and after."""

    before: Mapping[str, Mapping[str, int]]
    after: Mapping[str, Mapping[str, int]]
    run: RunReport


def quarantine(
    warehouse: Warehouse,
    declarations: Declarations,
    *,
    source: str | None,
    reason: str | None,
    file: str | None,
    limit: int | None,
    raw: bool,
) -> Quarantine:
    """Count what was quarantined, and list up to `limit` records in the order of their places.

    Raises `UsageError` for a source or a reason that there isn't, or a limit below 0.
    """
    if limit is not None and limit < 0:
        raise UsageError(f"--limit {limit}: a number of records, 0 or more")
    _refuse_unknown("source", source, declarations.sources)
    _refuse_unknown("reason", reason, list(EXPLANATIONS))
    if file is not None:
        _refuse_unread(warehouse, file)
    rows = _rows(warehouse, source=source, reason=reason, file=file)
    counts = Counter(
        (row["source"], row["reason"], row["file"])
        for row in _dicts(rows, ["source", "reason", "file"])
    )
    groups = [
        QuarantinedGroup(source=s, reason=r, file=f, count=count, **_explained(r))
        for (s, r, f), count in sorted(counts.items(), key=lambda group: (-group[1], group[0]))
    ]
    masks = {str(c.source): _Mask(c) for c in declarations.landing}
    pieces = [
        _piece(row, None if raw else masks.get(row["source"], _Mask(None)))
        for row in islice(_dicts(rows, [*_PLACE_COLUMNS, "raw"]), limit)
    ]
    return Quarantine(count=sum(counts.values()), groups=groups, pieces=pieces)


def examples(warehouse: Warehouse, declarations: Declarations) -> Iterator[QuarantinedPiece]:
    """The first quarantined record of each source and reason, masked."""
    rows = _rows(warehouse)
    if rows is None:
        return
    reasons = rows.to_table(columns=["source", "reason"])
    numbered = reasons.append_column("row", pa.array(range(reasons.num_rows)))
    first = numbered.group_by(["source", "reason"]).aggregate([("row", "min")])["row_min"]
    masks = {str(c.source): _Mask(c) for c in declarations.landing}
    for row in rows.take(first, columns=[*_PLACE_COLUMNS, "raw"]).to_pylist():
        yield _piece(row, masks.get(row["source"], _Mask(None)))


def quarantined(
    warehouse: Warehouse, declarations: Declarations, place: str, *, raw: bool
) -> QuarantinedPiece:
    """The record at a place as `quarantine` lists it; raises `UsageError` if there is none."""
    match = re.fullmatch(r"([^/]+)/(.+)@([0-9]{1,18})", place, re.DOTALL)
    if match and not _SURROGATE.search(place):
        source, file, offset = match.groups()
        rows = _rows(warehouse, source=source, file=file, byte_offset=int(offset))
        contracts = {str(contract.source): contract for contract in declarations.landing}
        for row in _dicts(rows, [*_PLACE_COLUMNS, "raw"]):
            return _piece(row, None if raw else _Mask(contracts.get(source)), whole=True)
    raise UsageError(
        f"{place}: no record was quarantined there; `stedi quarantine list` gives the places, "
        "each as SOURCE/FILE@OFFSET"
    )


def replay(
    open_warehouse: Callable[[], Warehouse],
    declarations: Declarations,
    make_engine: MakeEngine,
    *,
    source: str | None,
    accept_bad_files: bool,
    progress: Progress,
) -> Replay:
    """Read again what was quarantined, of one source or all, and update every table.

    `open_warehouse` returns the tables as they are then. Raises `UsageError` for a source that
    there isn't, and whatever a run does.
    """
    from stedi.run import Options, run

    _refuse_unknown("source", source, declarations.sources)
    before = counts_by_reason(open_warehouse())
    sources = [source] if source else declarations.sources
    options = Options(
        replays={name for name in before if source in (None, name)},
        accept_bad_files=(sources if accept_bad_files else ()),
    )
    warehouse = open_warehouse()
    warehouse.refuse_lost(declarations.locations)
    try:
        report = run(warehouse, declarations, make_engine, options, progress)
    except StediError as error:
        if error.report is not None:
            error.report = Replay(before, counts_by_reason(open_warehouse()), error.report)
        raise
    return Replay(before, counts_by_reason(open_warehouse()), report)


def counts_by_reason(warehouse: Warehouse) -> dict[str, dict[str, int]]:
    """How many records are quarantined, by source and reason."""
    rows = _rows(warehouse)
    counts: dict[str, Counter[str]] = {}
    for row in _dicts(rows, ["source", "reason"]):
        counts.setdefault(row["source"], Counter())[row["reason"]] += 1
    return {source: dict(sorted(reasons.items())) for source, reasons in sorted(counts.items())}


def _refuse_unknown(what: str, value: str | None, known: list[str]) -> None:
    if value is not None and value not in known:
        raise UsageError(f"--{what} {value}: there are {', '.join(known)}")


def _refuse_unread(warehouse: Warehouse, file: str) -> None:
    version = warehouse.version("loads")
    loads = read_loads(warehouse.files, [data.path for data in version.files]) if version else []
    if all(load.file != file for load in loads):
        raise UsageError(
            f"--file {file}: no such landing file was read; give its name below the folder landing"
        )


def _rows(warehouse: Warehouse, **values: str | int | None) -> ds.Dataset | None:
    """The quarantine's rows with these `values`, by column; None if there are no files."""
    version = warehouse.version("quarantine")
    if version is None or not version.files:
        return None
    warehouse.files.fetch([file.path for file in version.files])
    rows = ds.dataset([str(file.path) for file in version.files])
    for column, value in values.items():
        if value is not None:
            rows = rows.filter(pc.field(column) == value)
    return rows


def _dicts(rows: ds.Dataset | None, columns: list[str]) -> Iterator[dict[str, Any]]:
    if rows is None:
        return
    for batch in rows.scanner(columns=columns, use_threads=False, batch_size=1024).to_batches():
        yield from batch.to_pylist()


def _piece(row: Mapping[str, Any], mask: _Mask | None, *, whole: bool = False) -> QuarantinedPiece:
    piece: bytes = row["raw"]
    text = (piece if whole else piece[:TEXT_BYTES]).decode(errors="backslashreplace")
    return QuarantinedPiece.model_validate(
        {
            "place": f"{row['source']}/{row['file']}@{row['byte_offset']}",
            "text": text if mask is None else mask(text),
            **{column: row[column] for column in _PLACE_COLUMNS},
            **_explained(row["reason"]),
        }
    )


def _explained(reason: str) -> dict[str, str]:
    explanation = EXPLANATIONS[cast(Reason, reason)]
    return {"meaning": explanation.meaning, "cause": explanation.cause}


class _Mask:
    """Hides what a text says, but not its shape: keys of the contract and punctuation stay."""

    def __init__(self, contract: Contract | None) -> None:
        keys = [c.json_key or c.name for c in contract.columns] if contract else []
        known = "|".join(rf'"{re.escape(key)}"(?=\s*:)' for key in keys) or r"(?!)"
        # What isn't ASCII may be part of a letter.
        self._parts = re.compile(
            rf"(?P<known>{known})|(?P<digit>[0-9])|(?P<letter>[a-zA-Z]|[^\x00-\x7f])"
        )

    def __call__(self, text: str) -> str:
        return self._parts.sub(self._hidden, text)

    @staticmethod
    def _hidden(match: re.Match[str]) -> str:
        if match.lastgroup == "known":
            return match.group()
        return "0" if match.lastgroup == "digit" else "x"

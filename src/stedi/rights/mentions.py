"""Records of others that mention somebody: they are about others, so they stay, and are named.

So do quarantined records, where they don't name the person as it is spelled: then they
would be taken for that person's.

Whether all traces in a file come from such records is told by looking through a copy without them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stedi.arrays import Bools
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.cut import cut
from stedi.landing.fold import as_spelled
from stedi.landing.locate import by_name, locate_raw
from stedi.landing.records import Piece, Record
from stedi.rights.subjects import Identity, deciding, kinds
from stedi.rights.traces import Looking, Trace
from stedi.rights.wanted import Wanted, has_name
from stedi.roots import Files
from stedi.roots.names import landing_folder
from stedi.roots.scratch import scratch
from stedi.storage.warehouse import Warehouse

_ELSEWHERE = ("its name", "Bloom filter")


@dataclass(frozen=True, order=True)
class Mention:
    """How many records of others, in a raw file or a table's file, mention who was asked for."""

    file: str
    records: int


def together(mentions: Iterable[Mention]) -> tuple[Mention, ...]:
    """Mentions with one for each file."""
    counts = Counter[str]()
    for one in mentions:
        counts[one.file] += one.records
    return tuple(Mention(file, counts[file]) for file in sorted(counts))


def without_mentions(
    warehouse: Warehouse, declarations: Declarations, traces: Sequence[Trace]
) -> tuple[list[Trace], list[Mention]]:
    """Traces that don't come from records of others, and where these are; raises `OSError`."""
    by_file: dict[str, list[Trace]] = defaultdict(list)
    for one in traces:
        by_file[one.file].append(one)
    left, mentions = list[Trace](), list[Mention]()
    for name, found in by_file.items():
        sought = {(one.identity.kind, one.identity.value): one.identity for one in found}
        looked = _Looking(warehouse, declarations, [*sought.values()]).look(name)
        if looked is None or not any(one.is_exact for one in found):
            left += found
            continue
        rest, records = looked
        left += [t for t in found if not t.is_exact or t.where.startswith(_ELSEWHERE)]
        left += [t for t in rest if t.is_exact and not t.where.startswith(_ELSEWHERE)]
        mentions += [Mention(name, records)] if records else []
    return sorted({*left}), sorted(mentions)


def mentions_in(
    files: Files,
    path: Path,
    contract: Contract,
    wanted: Wanted,
    looking: Looking,
    *,
    with_pieces: bool,
) -> Mention | None:
    """The records of others in a raw file that mention who is looked for; raises `OSError`.

    Invalid ones count `with_pieces`.
    """
    name = path.relative_to(files.root).as_posix()
    was_here = path.exists()
    if not was_here:
        files.fetch([path])
    try:
        if not any(one.is_exact for one in looking.in_file(path, name)):
            return None
        mentions = mentioning(contract, wanted, looking, with_pieces=with_pieces)
        count = sum(1 for _ in locate_raw(path, contract, mentions))
    finally:
        if not was_here:
            path.unlink(missing_ok=True)  # a copy
    return Mention(name, count) if count else None


def mentioning(
    contract: Contract, wanted: Wanted, looking: Looking, *, with_pieces: bool
) -> Callable[[bytes, Record | Piece], bool]:
    """What tells whether a record is of others, and mentions who is looked for."""

    def mentions(raw: bytes, content: Record | Piece) -> bool:
        return (
            (with_pieces or isinstance(content, Record))
            and looking.is_in(raw)
            and not _is_theirs(contract, wanted, content)
        )

    return mentions


def wanted_pieces(
    rows: pa.Table, wanted: Mapping[str | None, Wanted], identities: Sequence[Identity]
) -> Bools:
    """Which rows of the quarantine are of who is `wanted`, by source."""
    anywhere = next(iter(wanted.values()))
    return np.array(
        [
            wanted.get(row["source"], anywhere).raw(row["raw"] or b"", row["subject"])
            or has_name(row["file"], identities)
            for row in rows.select(["source", "file", "subject", "raw"]).to_pylist()
        ],
        np.bool_,
    )


def pieces_mentioning(
    files: Files, rows: pa.Table, theirs: Bools, looking: Looking
) -> list[Mention]:
    """The rows of the quarantine that mention who is looked for and aren't theirs, by raw file."""
    raw = rows.column("raw").combine_chunks()
    has: Bools = looking.among(raw.fill_null(b"")) & ~theirs
    found = rows.select(["source", "file"]).filter(pa.array(has)).to_pylist()
    paths = (landing_folder(files.root, row["source"]) / row["file"] for row in found)
    counts = Counter(path.relative_to(files.root).as_posix() for path in paths)
    return [Mention(name, count) for name, count in counts.items()]


def _is_theirs(contract: Contract, wanted: Wanted, content: Record | Piece) -> bool:
    if isinstance(content, Record):
        return wanted.record(by_name(contract, content))
    return wanted.piece(content)


class _TheirsError(Exception):
    """A record is theirs."""


class _Looking:
    """Looks through one file for some identities, with and without records of others."""

    def __init__(
        self, warehouse: Warehouse, declarations: Declarations, sought: Sequence[Identity]
    ) -> None:
        self._warehouse, self._declarations, self._sought = warehouse, declarations, sought
        self._files, self._known = warehouse.files, kinds(declarations)
        self._looking = Looking(sought)

    def look(self, name: str) -> tuple[list[Trace], int] | None:
        """What is found without these records, and how many they are; None for other files."""
        path = self._files.root / name
        if self._files.stat(path) is None:
            return None  # an earlier version
        with scratch(self._files.root, "mentions") as folder:
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / path.name
            for contract in self._declarations.contracts.values():
                source = contract.source
                if source and path.is_relative_to(landing_folder(self._files.root, source)):
                    records = self._raw(path, contract, target)
                elif path.suffix == ".parquet" and path.is_relative_to(
                    self._warehouse.data_folder(contract.location)
                ):
                    records = self._table(path, contract, target)
                else:
                    continue
                return self._looked(name, target, records)
            folder = self._warehouse.data_folder(self._declarations.locations["quarantine"])
            if path.suffix == ".parquet" and path.is_relative_to(folder):
                return self._looked(name, target, self._quarantine(path, target))
        return None

    def _looked(
        self, name: str, target: Path, records: int | None
    ) -> tuple[list[Trace], int] | None:
        if records is None:
            return None
        return self._looking.in_file(target, name) if target.exists() else [], records

    def _raw(self, path: Path, contract: Contract, target: Path) -> int | None:
        """Write a raw file without these records; how many, None where some are theirs."""
        wanted = Wanted(contract, self._sought, self._known)

        def mentions(raw: bytes, content: Record | Piece) -> bool:
            if not self._looking.is_in(raw):
                return False
            if _is_theirs(contract, wanted, content):
                raise _TheirsError
            return True

        try:
            spans = [*locate_raw(path, contract, mentions, self._files.open)]
        except _TheirsError:
            return None
        cut(path, spans, target, self._files.open)
        return len(spans)

    def _quarantine(self, path: Path, target: Path) -> int | None:
        """Write a data file of the quarantine without these rows; None where some are theirs."""
        self._files.fetch([path])
        rows = pq.read_table(path)
        wanted: dict[str | None, Wanted] = {
            contract.source: Wanted(contract, self._sought, self._known)
            for contract in self._declarations.landing
        }
        if wanted_pieces(rows, wanted, self._sought).any():
            return None
        has = self._looking.among(rows.column("raw").combine_chunks().fill_null(b""))
        rest = rows.filter(pa.array(~has))
        # What was folded is another spelling's.
        spelled = ["\n".join(as_spelled(text)) for text in rest.column("subject").to_pylist()]
        number = rest.schema.get_field_index("subject")
        pq.write_table(rest.set_column(number, "subject", pa.array(spelled, pa.string())), target)
        return int(has.sum())

    def _table(self, path: Path, contract: Contract, target: Path) -> int | None:
        """Write a data file without these rows; how many, None where some are theirs."""
        self._files.fetch([path])
        told_by = {one.column.name for one in deciding(contract, self._known)}
        folded = {column.name for column in contract.columns if column.folded_from}
        count = 0
        with pq.ParquetFile(path) as opened, pq.ParquetWriter(target, opened.schema_arrow) as file:
            for number in range(opened.metadata.num_row_groups):
                rows = opened.read_row_group(number)
                having = {name: self._having(column) for name, column in self._texts(rows)}
                if any(having[name].any() for name in told_by & having.keys()):
                    return None
                nothing: Bools = np.zeros(rows.num_rows, np.bool_)
                hits = [found for name, found in having.items() if name not in folded]
                count += int(np.logical_or.reduce([nothing, *hits]).sum())
                # What was folded is another spelling's.
                leaves = np.logical_or.reduce([nothing, *having.values()])
                file.write_table(rows.filter(pa.array(~leaves)))
        return count

    def _having(self, column: pa.ChunkedArray) -> Bools:
        """Which texts have an identifier itself."""
        values = column.unique().to_pylist()
        held = [v for v in values if v and self._looking.is_in(v.encode(errors="replace"))]
        having = pc.is_in(column, value_set=pa.array(held, pa.string()))
        return np.asarray(having.to_numpy(), np.bool_)

    @staticmethod
    def _texts(rows: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
        for field in rows.schema:
            if pa.types.is_string(field.type):
                yield field.name, rows.column(field.name)

"""What is held of one person: their rows and records, read, with whatever is others' left out.

Of something that others have or had too, only what was taken in the person's own time is theirs, as
far as records tell since when who had it; where they don't, nothing is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stedi.arrays import Int64s
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import StorageError
from stedi.landing.locate import Place, by_name
from stedi.landing.records import Record, parsed_object
from stedi.landing.window import Window, packing_of
from stedi.rights.find import Found, InLanding, InTable
from stedi.rights.links import intervals_of
from stedi.rights.subjects import Identity, Interval, deciding, kinds, linking
from stedi.roots import Files, Opener
from stedi.storage.suspensions import SUSPENDED
from stedi.storage.warehouse import Warehouse

Row = dict[str, Any]


@dataclass
class TableRows:
    """A person's rows in a table, as it is now and in `earlier` snapshots only."""

    now: list[Row] = field(default_factory=list)
    earlier: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Delivery:
    """A record, or a piece that doesn't fit, as it was delivered: `raw` are its bytes."""

    source: str
    file: str
    place: Place
    raw: bytes = field(repr=False)
    is_packed: bool = False

    @property
    def is_record(self) -> bool:
        """Whether it fits its contract."""
        return isinstance(self.place.content, Record)


@dataclass(frozen=True)
class Own:
    """What is a person's of all that was found; `shared` things others have or had, too."""

    identities: tuple[Identity, ...]
    tables: Mapping[str, TableRows]
    deliveries: tuple[Delivery, ...]
    shared: frozenset[tuple[str, str]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not (self.tables or self.deliveries)


def own(warehouse: Warehouse, declarations: Declarations, found: Found) -> Own:
    """Read what was found, and keep what is the person's own; raises `StorageError`."""
    return _Owning(warehouse, declarations, found).result()


class _Owning:
    def __init__(self, warehouse: Warehouse, declarations: Declarations, found: Found) -> None:
        self._files, self._declarations, self._found = warehouse.files, declarations, found
        self._known = kinds(declarations)
        self._shared: dict[tuple[str, str], Sequence[Interval]] = {}
        self._used: set[tuple[str, str]] = set()

    def result(self) -> Own:
        self._shared = self._own_times()
        tables: dict[str, TableRows] = {}
        for hit in sorted(self._found.tables, key=lambda hit: not hit.is_current):
            for row in self._rows(hit):
                rows = tables.setdefault(hit.table, TableRows())
                if hit.is_current:
                    rows.now.append(row)
                elif row not in rows.now and row not in rows.earlier:
                    rows.earlier.append(row)
        deliveries = [d for hit in self._found.landing for d in self._deliveries(hit)]
        identities = tuple(i for i in self._found.identities if (i.kind, i.value) in self._used)
        return Own(identities, tables, tuple(deliveries), frozenset(self._shared))

    def _rows(self, hit: InTable) -> Iterator[Row]:
        rows = taken(self._files, hit)
        if hit.table == "quarantine":
            contracts = {contract.source: contract for contract in self._declarations.landing}
            for row in rows:
                contract = contracts.get(row["source"])
                if contract is None or self._is_own_piece(contract, row["raw"] or b""):
                    yield row
            return
        contract = self._declarations.contracts.get(hit.table)
        if contract is None:
            yield from self._of_machinery(hit.table, rows)
        else:
            yield from (row for row in rows if self._is_own(contract, row))

    def _of_machinery(self, table: str, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows of tables that no contract declares: whose consent is suspended, names of files."""
        people = (i for i in self._found.identities if self._known[i.kind].is_people)
        mine = {i.value: (i.kind, i.value) for i in people}
        for row in rows:
            if table == SUSPENDED and row["subject"] in mine:
                self._used.add(mine[row["subject"]])
            yield row

    def _deliveries(self, hit: InLanding) -> Iterator[Delivery]:
        [contract] = (c for c in self._declarations.landing if c.source == hit.source)
        spans = [(place.begin, place.end) for place in hit.places]
        is_packed = packing_of(hit.path, self._files.open) is not None
        for place, raw in zip(hit.places, contents(hit.path, spans, self._files.open), strict=True):
            content = place.content
            if isinstance(content, Record):
                is_own = self._is_own(contract, by_name(contract, content))
            else:
                is_own = self._is_own_piece(contract, content.raw)
            if is_own:
                yield Delivery(hit.source, hit.name, place, raw, is_packed)

    def _is_own(self, contract: Contract, row: Mapping[str, Any]) -> bool:
        """Whether a row is the person's, by the columns that say whose it is."""
        is_own = False
        mine = {(i.kind, i.value) for i in self._found.identities}
        for one in deciding(contract, self._known):
            key = (one.kind, row.get(one.column.name))
            if key in mine:
                time = row.get(one.entered_at.name) if one.entered_at else None
                is_own = is_own or self._is_in_own_time(key, time)
        if is_own:
            named = {(c.subject, row.get(c.name)) for c in contract.delivered if c.subject}
            self._used |= {
                (str(kind), str(value)) for kind, value in named if (kind, value) in mine
            }
        return is_own

    def _is_in_own_time(self, key: tuple[str, Any], time: Any) -> bool:
        if key not in self._shared:
            return True
        return isinstance(time, int) and any(i.holds(time) for i in self._shared[key])

    def _is_own_piece(self, contract: Contract, raw: bytes) -> bool:
        """Whether a piece that doesn't fit is the person's: not where it is of something shared."""
        if any(self._known[one.kind].is_people for one in deciding(contract, self._known)):
            return True
        values = parsed_object(raw)
        for one in deciding(contract, self._known):
            value = values.get(str(one.column.json_key))
            times = [values.get(str(one.entered_at.json_key))] if one.entered_at else [None]
            if (one.kind, value) in self._shared:
                return self._is_in_own_time((one.kind, value), times[0])
        return bool(values) or not self._shared

    def _own_times(self) -> dict[tuple[str, str], Sequence[Interval]]:
        """When the person had what others have or had, too, as their own records tell."""
        own_times: dict[tuple[str, str], Sequence[Interval]] = {}
        records = [*self._own_records()] if self._found.shared else []
        for shared in self._found.shared:
            thing = shared.identity
            states: dict[int, bool] = defaultdict(bool)
            is_known = shared.known
            for contract, row in records:
                changed = row.get(contract.changed_at) if contract.changed_at else None
                values = [row.get(c.name) for c in contract.delivered if c.subject == thing.kind]
                is_known = is_known and isinstance(changed, int)
                states[changed if isinstance(changed, int) else 0] |= thing.value in values
            own_times[thing.kind, thing.value] = intervals_of(states) if is_known else []
        return own_times

    def _own_records(self) -> Iterator[tuple[Contract, Mapping[str, Any]]]:
        """The person's records that say what they have or had, typed and as delivered."""
        tables = {contract.name: contract for contract in linking(self._declarations, self._known)}
        for hit in self._found.tables:
            if hit.table in tables and hit.is_current:
                yield from ((tables[hit.table], row) for row in taken(self._files, hit))
        by_source = {contract.source: contract for contract in tables.values()}
        for found in self._found.landing:
            contract = by_source.get(found.source)
            for place in found.places if contract else ():
                if contract and isinstance(place.content, Record):
                    yield contract, by_name(contract, place.content)


def taken(files: Files, hit: InTable) -> Iterator[Row]:
    """The rows of a data file that were found; raises `StorageError`."""
    wanted: Int64s = np.sort(hit.rows)
    try:
        files.fetch([hit.file.path])
        with pq.ParquetFile(hit.file.path) as opened:
            first = 0
            for number in range(opened.metadata.num_row_groups):
                count = opened.metadata.row_group(number).num_rows
                inside = wanted[(wanted >= first) & (wanted < first + count)] - first
                if len(inside):
                    group = opened.read_row_group(number)
                    yield from group.take(pa.array(inside)).to_pylist()
                first += count
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{files.name(hit.file.path)} can't be read ({type(error).__name__}); "
            "`stedi run --full` rebuilds the tables"
        ) from None


def contents(path: Path, spans: Iterable[tuple[int, int]], opener: Opener) -> Iterator[bytes]:
    """The bytes at places of a raw file's content once unpacked; places in their order."""
    with Window(path, None, 0, opener) as window:
        window.slide()
        for begin, end in spans:
            while window.offset + window.end < end and not window.has_ended:
                window.at = min(max(begin - window.offset, 0), window.end)
                window.slide()
            yield bytes(window.data[begin - window.offset : end - window.offset])

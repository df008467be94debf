"""One person's rows and records, without those of anybody else.

A device may have had other owners. Then only readings from the person's own time with it are
theirs, as far as records show that time; if they don't, no reading is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.locate import Place, by_name, contents
from stedi.landing.records import Record, parsed_object
from stedi.landing.window import packing_of
from stedi.rights.find import Found, InLanding
from stedi.rights.links import intervals_of
from stedi.rights.rows import taken_rows
from stedi.rights.subjects import Identity, Period, deciding, kinds, linking
from stedi.rights.versions import InVersion
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
    """A record, valid or not, as it was delivered: `raw` are its bytes."""

    source: str
    file: str
    place: Place
    raw: bytes = field(repr=False)
    is_packed: bool = False

    @property
    def is_record(self) -> bool:
        """Whether it is valid."""
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
        self._shared: dict[tuple[str, str], Sequence[Period]] = {}
        self._used: set[tuple[str, str]] = set()

    def result(self) -> Own:
        self._shared = self._own_times()
        tables: dict[str, TableRows] = {}
        for hit in sorted(self._found.tables, key=lambda hit: not hit.is_current):
            for row in self._own_rows(hit.table, taken_rows(self._files, hit.file, hit.rows)):
                rows = tables.setdefault(hit.table, TableRows())
                if hit.is_current:
                    rows.now.append(row)
                elif row not in rows.now and row not in rows.earlier:
                    rows.earlier.append(row)
        deliveries = [d for hit in self._found.landing for d in self._deliveries(hit)]
        for kept in self._found.versions:
            if kept.table is None:
                shown = {(one.source, one.raw) for one in deliveries}
                deliveries += [d for d in self._before(kept) if (d.source, d.raw) not in shown]
                continue
            rows = tables.setdefault(kept.table, TableRows())
            for row in self._own_rows(kept.table, map(dict, kept.rows)):
                if row not in rows.now and row not in rows.earlier:
                    rows.earlier.append(row)
        tables = {name: rows for name, rows in tables.items() if rows.now or rows.earlier}
        identities = tuple(i for i in self._found.identities if (i.kind, i.value) in self._used)
        return Own(identities, tables, tuple(deliveries), frozenset(self._shared))

    def _own_rows(self, table: str, rows: Iterable[Row]) -> Iterator[Row]:
        if table == "quarantine":
            contracts = {contract.source: contract for contract in self._declarations.landing}
            for row in rows:
                contract = contracts.get(row["source"])
                if contract is None or self._is_own_piece(contract, row["raw"] or b""):
                    yield row
            return
        contract = self._declarations.contracts.get(table)
        if contract is None:
            yield from self._of_machinery(table, rows)
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
        spans = [(place.begin, place.end) for place in hit.places]
        is_packed = packing_of(hit.path, self._files.open) is not None
        raws = contents(hit.path, spans, self._files.open)
        for place, raw in zip(hit.places, raws, strict=True):
            if self._is_own_content(hit.source, place):
                yield Delivery(hit.source, hit.name, place, raw, is_packed)

    def _before(self, kept: InVersion) -> Iterator[Delivery]:
        """Records as they were delivered, in an earlier version of a raw file."""
        name, source = f"{kept.name}, version {kept.version}", str(kept.source)
        for place, raw in zip(kept.places, kept.raws, strict=True):
            if self._is_own_content(source, place):
                yield Delivery(source, name, place, raw, kept.is_packed)

    def _is_own_content(self, source: str, place: Place) -> bool:
        [contract] = (c for c in self._declarations.landing if c.source == source)
        content = place.content
        if isinstance(content, Record):
            return self._is_own(contract, by_name(contract, content))
        return self._is_own_piece(contract, content.raw)

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
        """Whether an invalid record is the person's: not where it is of something shared."""
        if any(self._known[one.kind].is_people for one in deciding(contract, self._known)):
            return True
        values = parsed_object(raw)
        for one in deciding(contract, self._known):
            value = values.get(str(one.column.json_key))
            times = [values.get(str(one.entered_at.json_key))] if one.entered_at else [None]
            if (one.kind, value) in self._shared:
                return self._is_in_own_time((one.kind, value), times[0])
        return bool(values) or not self._shared

    def _own_times(self) -> dict[tuple[str, str], Sequence[Period]]:
        """When the person had what others have or had, too, according to their own records."""
        own_times: dict[tuple[str, str], Sequence[Period]] = {}
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
                rows = taken_rows(self._files, hit.file, hit.rows)
                yield from ((tables[hit.table], row) for row in rows)
        by_source = {contract.source: contract for contract in tables.values()}
        raw = [(hit.source, hit.places) for hit in self._found.landing]
        raw += [(kept.source, kept.places) for kept in self._found.versions if kept.source]
        for source, places in raw:
            contract = by_source.get(source)
            for place in places if contract else ():
                if contract and isinstance(place.content, Record):
                    yield contract, by_name(contract, place.content)

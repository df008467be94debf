"""Writes all that is held of one person to a folder, for them (GDPR Art. 15 and 20).

    index.html             to be read: what is held, why, how long, and who got what was made of it
    person.json            the same for programs
    tables/NAME.json       their rows in a table; .csv the same for spreadsheets
    earlier/NAME.json      rows that only earlier snapshots have
    delivered/SOURCE/...   their records as they were delivered, byte for byte, by raw file

Nothing of anybody else is in it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.contract import DEFAULT_SNAPSHOT_DAYS, Contract
from stedi.errors import StediError, StorageError, UsageError
from stedi.landing.records import Piece
from stedi.rights.behind import tables_of_people
from stedi.rights.disclosed import (
    Consent,
    Disclosure,
    Field,
    Identifier,
    Person,
    Receiver,
    Record,
    Table,
)
from stedi.rights.disclosed_page import page
from stedi.rights.find import Found, Progress, find, state_of
from stedi.rights.given_out import given_out
from stedi.rights.others import SHOWN_TEXTS, Others
from stedi.rights.own import Own, TableRows, own
from stedi.rights.private import private_folder
from stedi.rights.subjects import Identity, Kind, asked_for, kinds
from stedi.rights.versions import Versions
from stedi.storage.suspensions import SUSPENDED
from stedi.storage.warehouse import Warehouse
from stedi.text import counted

_OTHERS = "it may say something of other people, too"
_PURPOSES = {
    "quarantine": "Records that could not be read.",
    "suspended": "People whose consent does not count for now, and why.",
    "loads": "Raw files that were read.",
}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TIME = "epoch milliseconds"


def who(text: str, known: Mapping[str, Kind]) -> tuple[Identity, ...]:
    """Who may be meant by an identifier of any kind, or by `kind=identifier`.

    Raises `UsageError` where it is empty.
    """
    name, equals, value = text.partition("=")
    options = {option for kind in known.values() for option in (kind.name, kind.option)}
    if equals and name.strip() in options:
        return asked_for([(name.strip(), value)], known)
    return asked_for([(kind.option, text) for kind in known.values()], known)


def _held_of(
    warehouse: Warehouse, declarations: Declarations, text: str, progress: Progress
) -> tuple[Own, Found, Versions | None]:
    """What is held of whom an identifier names; raises `UsageError` where that isn't one person."""
    known = kinds(declarations)
    options = ", ".join(kind.option for kind in known.values())
    people = ", ".join(kind.option for kind in known.values() if kind.is_people)
    versions = _versions(warehouse, declarations)
    hits, spelled = [], 0
    for identity in who(text, known):
        try:
            found = find(warehouse, declarations, [identity], versions=versions, progress=progress)
        except UsageError:
            raise UsageError(
                f"several people have or had what this identifier names; give the {people} of one "
                "of them"
            ) from None
        held = own(warehouse, declarations, found)
        spelled += sum(found.spelled.values())
        if not held.is_empty:
            hits.append((held, found))
    # An invalid record has the identifier of whatever kind.
    hits = [(held, found) for held, found in hits if held.identities] or hits[:1]
    if len(hits) > 1:
        raise UsageError(f"the identifier names several; give it as KIND=IDENTIFIER: {options}")
    if not hits:
        hint = f" {counted(spelled, 'row')} under it in other spelling (case, spaces)."
        raise UsageError(
            "nothing is held under that identifier, so nothing was written."
            f"{hint if spelled else ''} Look at how it is spelled in the records"
        )
    return *hits[0], versions


def _versions(warehouse: Warehouse, declarations: Declarations) -> Versions | None:
    """What a bucket keeps of files as they were before; None where nobody may look into that."""
    try:
        return Versions(warehouse, declarations, may_skip=True)
    except StediError:
        return None


def disclose(
    warehouse: Warehouse,
    declarations: Declarations,
    person: str,
    folder: Path,
    progress: Progress = lambda _: None,
) -> Disclosure:
    """Write all that is held of a person to a fresh folder that its owner alone can read.

    Raises `UsageError` where nothing is held, or where it isn't clear who is meant.
    """
    if warehouse.files.holds(folder):
        raise UsageError(f"{folder} lies in the lakehouse; name a folder elsewhere")
    held, found, versions = _held_of(warehouse, declarations, person, progress)
    progress("leaving out what says something of others")
    others = Others(warehouse, declarations, held)
    telling = _Telling(warehouse, declarations, held, others, versions)
    if state_of(warehouse, declarations) != found.state:
        raise StorageError(
            "the lakehouse changed while it was read, so nothing was written; run it again when no "
            "other run is at work"
        )
    with private_folder(folder) as fresh:
        told = telling.write(fresh)
        files = {
            path.relative_to(fresh).as_posix(): path.stat().st_size
            for path in sorted(fresh.rglob("*"))
            if path.is_file()
        }
    return Disclosure(
        folder=str(folder),
        rows={table.name: len(table.rows) for table in told.tables},
        earlier={table.name: len(table.earlier) for table in told.tables if table.earlier},
        records={
            source: sum(record.source == source for record in told.delivered)
            for source in sorted({record.source for record in told.delivered})
        },
        given_out=len(told.given_out),
        spelled=sum(found.spelled.values()),
        not_shown=told.not_shown,
        files=files,
    )


@dataclass(frozen=True)
class _Telling:
    """Writes what is held of one person."""

    warehouse: Warehouse
    declarations: Declarations
    held: Own
    others: Others
    versions: Versions | None

    def write(self, folder: Path) -> Person:
        """Write everything; returns what `person.json` has."""
        delivered, tables = self._delivered(folder), self._tables(folder)
        hidden = sum(record.not_shown is not None for record in delivered)
        person = Person(
            made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            identifiers=[
                Identifier(
                    kind=i.kind, value=i.value, is_shared=(i.kind, i.value) in self.held.shared
                )
                for i in self.held.identities
            ],
            consents=[*self._consents()],
            tables=tables,
            delivered=delivered,
            given_out=[*self._given_out()],
            published=[
                f"{c.name}: {c.description}"
                for c in self.declarations.contracts.values()
                if c.is_published
            ],
            not_shown=[*self._not_shown(hidden)],
        )
        text = json.dumps(person.model_dump(), indent=2, ensure_ascii=False)
        (folder / "person.json").write_text(text + "\n", encoding="utf-8")
        (folder / "index.html").write_text(page(person), encoding="utf-8")
        return person

    def _tables(self, folder: Path) -> list[Table]:
        tables = []
        for name, columns in self.declarations.schemas.items():
            rows = self.held.tables.get(name)
            if rows is not None:
                tables.append(self._table(folder, name, columns, rows))
        return tables

    def _table(self, folder: Path, name: str, columns: Sequence[Column], rows: TableRows) -> Table:
        contract = self.declarations.contracts.get(name)
        now, earlier = ([*map(self._shown, part)] for part in (rows.now, rows.earlier))
        files = []
        for part, some in (("tables", now), ("earlier", earlier)):
            if some:
                path = folder / part / name
                path.parent.mkdir(exist_ok=True)
                files += _write_rows(path, [column.name for column in columns], some)
        return Table(
            name=name,
            zone=contract.zone if contract else "machinery",
            purpose=contract.description if contract else _PURPOSES[name],
            kept=_how_long(contract, name),
            fields=[
                Field(
                    name=column.name,
                    type=column.type,
                    description=column.description,
                    classification=column.classification,
                    is_time=column.type == "long" and _TIME in column.description,
                )
                for column in columns
            ],
            rows=now,
            earlier=earlier,
            files=files,
        )

    def _shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row with nothing of others; bytes as text."""
        shown = dict(row)
        if isinstance(raw := row.get("raw"), bytes):
            source, subject = str(row.get("source")), row.get("subject")
            if self.others.may_be_in_piece(source, raw, subject):
                shown["raw"] = f"not shown: {_OTHERS}"
                mine = {identity.value for identity in self.held.identities}
                named = [value for value in str(subject or "").split("\n") if value in mine]
                shown["subject"] = "\n".join(named)
            else:
                shown["raw"] = raw.decode(errors="backslashreplace")
        if isinstance(file := row.get("file"), str):
            shown["file"] = self._file_name(file)
        for name in {*SHOWN_TEXTS[SUSPENDED]} & row.keys():
            lines = str(row[name] or "").split("\n")
            shown[name] = "\n".join(map(self._text, lines))
        return shown

    def _text(self, text: str) -> str:
        return f"not shown: {_OTHERS}" if self.others.are_in(text.encode()) else text

    def _file_name(self, name: str) -> str:
        return f"not shown: {_OTHERS}" if self.others.are_in(name.encode()) else name

    def _delivered(self, folder: Path) -> list[Record]:
        """Write records as they were delivered, those of one raw file to one file."""
        records, numbers = [], dict[tuple[str, str], int]()
        for one in self.held.deliveries:
            content = one.place.content
            number = numbers.setdefault((one.source, one.file), len(numbers) + 1)
            shown_name = self._file_name(one.file)
            copy: Path | None = None
            begin: int | None = None
            if not self.others.may_be_in(one):
                name = _UNSAFE.sub("_", Path(shown_name).name)[-80:]
                copy = Path("delivered") / one.source / f"{number}-{name}"
                path = folder / copy
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    begin = file.tell()
                    file.write(one.raw + b"\n")
            records.append(
                Record(
                    source=one.source,
                    file=shown_name,
                    begin=one.place.begin,
                    end=one.place.end,
                    is_packed=one.is_packed,
                    set_aside=content.reason if isinstance(content, Piece) else None,
                    copy_in=copy.as_posix() if copy else None,
                    copy_begin=begin,
                    not_shown=None if copy else _OTHERS,
                )
            )
        return records

    def _consents(self) -> Iterator[Consent]:
        for contract in tables_of_people(self.declarations):
            rows = self.held.tables.get(contract.name)
            column = contract.column(contract.consent_at) if contract.consent_at else None
            meaning = (column.description if column else "") or contract.description
            for row in rows.now if rows else ():
                time = row.get(contract.consent_at) if contract.consent_at else None
                yield Consent(
                    table=contract.name, meaning=meaning, is_given=True, since=_as_time(time)
                )
            if rows is None or not rows.now:
                yield Consent(table=contract.name, meaning=meaning, is_given=False, since=None)

    def _given_out(self) -> Iterator[Receiver]:
        people = {(identity.kind, identity.value) for identity in self.held.identities}
        for one in given_out(self.warehouse, self.declarations, people=people).given:
            yield Receiver(
                what="a data set" if one.kind == "release" else "a trained model",
                table=one.table,
                snapshot=one.snapshot,
                at=one.at,
                recipient=one.recipient,
                is_certain=one.left is not None,
            )

    def _not_shown(self, hidden: int) -> Iterator[str]:
        """What is left out and why; how much there is of others, nobody is told."""
        shared = {(i.kind, i.value) for i in self.held.identities} & self.held.shared
        for kind in sorted({kind for kind, _ in shared}):
            yield (
                f"{kind}: others have or had it, too. Its records are shown only for the time in "
                "which it was yours alone"
            )
        if hidden:
            yield (
                f"{counted(hidden, 'record')} as delivered, which may say something of other "
                "people, too"
            )
        if self.versions is None:
            yield "what the storage keeps of files as they were before: nobody may look into that"
        elif self.versions.skipped:
            kept = counted(self.versions.skipped, "version")
            yield f"{kept} of files as they were before, which nobody may read"
        if self.versions is not None and self.versions.has_uploads:
            yield "uploads that never ended, if they are of yours: nobody can read them"
        for contract in self.declarations.contracts.values():
            if contract.identifiers and not any(column.subject for column in contract.columns):
                yield f"{contract.name}: its contract doesn't say by which column people are found"


def _how_long(contract: Contract | None, table: str) -> str:
    """How long rows of a table are kept, for people."""
    if contract is None and table == SUSPENDED:
        return "As long as the consent does not count, or the records are there that say so."
    if contract is None:
        return (
            "As long as the raw file that it came from; then up to "
            f"{_days(DEFAULT_SNAPSHOT_DAYS)} in earlier snapshots."
        )
    if contract.retention.record_days is not None:
        column = contract.retention.record_column
        rows = f"{_days(contract.retention.record_days)} from the time in {column} on."
    elif contract.zone == "landing":
        rows = "No time is declared: as long as the operator of the lakehouse keeps the raw files."
    else:
        rows = "As long as the records that it is made from, and no longer than its rules allow."
    days = contract.retention.snapshot_days
    return f"{rows} Then up to {_days(days)} in earlier snapshots."


def _days(days: float) -> str:
    return f"{days:g} {'day' if days == 1 else 'days'}"


def _as_time(value: object) -> str | None:
    """A time in epoch milliseconds for people."""
    if not isinstance(value, int):
        return None
    try:
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return None


def _write_rows(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows as JSON, and as CSV in which no cell is taken for a formula; the files' names."""
    as_json = path.with_name(f"{path.name}.json")
    as_json.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    as_csv = path.with_name(f"{path.name}.csv")
    with as_csv.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return [f"{path.parent.name}/{one.name}" for one in (as_json, as_csv)]


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

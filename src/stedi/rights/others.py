"""Whether what was delivered of one person names somebody else, too.

A record may have keys that its contract lacks, and two records may have run into one another: such
bytes may say something of other people, and are not shown to anybody.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.fold import fold
from stedi.landing.records import Record
from stedi.rights.own import Delivery, Own
from stedi.rights.rows import read_rows
from stedi.rights.whole import readings
from stedi.storage.warehouse import Warehouse

_WORD = re.compile(r"[^\s\"'<>(){}\[\],;:=\\]+")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_OBJECT = re.compile(rb"\{")

SHOWN_TEXTS = {"suspended": ("question", "evidence"), "loads": ("file",)}
"""Columns of tables that no contract declares whose texts may name others."""


class Others:
    """Tells whether a text names others than one person, by all identifiers that are known."""

    def __init__(self, warehouse: Warehouse, declarations: Declarations, own: Own) -> None:
        self._contracts = {str(c.source): c for c in declarations.landing}
        names = {identity.value for identity in own.identities}
        self._own = names | {fold(name) for name in names}  # the quarantine has both
        self._values = {str(c.source): _own_values(c, own) for c in declarations.landing}
        texts = [*(d.raw for d in own.deliveries), *(d.file.encode() for d in own.deliveries)]
        quarantined = own.tables.get("quarantine")
        texts += (
            [row["raw"] or b"" for row in quarantined.now + quarantined.earlier]
            if quarantined
            else []
        )
        for table in SHOWN_TEXTS:
            rows = own.tables.get(table)
            texts += [
                str(row.get(name) or "").encode()
                for row in (rows.now + rows.earlier if rows else ())
                for name in SHOWN_TEXTS[table]
            ]
        words = {word for text in texts for word in _words(text)} - self._own
        self._others = _identifiers(warehouse, declarations, words) | set(
            filter(_MAIL.fullmatch, words)
        )

    def are_in(self, text: bytes) -> bool:
        """Whether an identifier of somebody else is in a text."""
        return any(word in self._others for word in _words(text))

    def may_be_in(self, delivery: Delivery) -> bool:
        """Whether a record, valid or not, as it was delivered may say something of others."""
        content = delivery.place.content
        if isinstance(content, Record):
            return content.has_unknown_keys and self.are_in(delivery.raw)
        return self.may_be_in_piece(delivery.source, delivery.raw, content.subject)

    def may_be_in_piece(self, source: str, raw: bytes, subject: str | None) -> bool:
        """Whether an invalid record may: where it isn't clear whose each value is."""
        subjects = [value for value in (subject or "").split("\n") if value]
        if any(value not in self._own for value in subjects) or self.are_in(raw):
            return True
        contract = self._contracts.get(source)
        if contract is None or len(_OBJECT.findall(raw)) > 1:
            return True
        own = self._values[source]
        for text in readings(raw):
            for column in contract.columns:
                if column.classification == "direct" and column.json_key:
                    found = set(_values(text, column.json_key))
                    if len(found) > 1 or (
                        not subjects and not found <= own.get(column.name, set())
                    ):
                        return True
        return False


def _own_values(contract: Contract, own: Own) -> Mapping[str, set[str]]:
    """What a person's own rows have in the columns that name people."""
    rows = own.tables.get(contract.name)
    return {
        name: {str(row.get(name)) for row in (rows.now + rows.earlier if rows else ())}
        for name in contract.identifiers
    }


def _values(text: str, key: str) -> Iterator[str]:
    """The texts that stand behind a key, however broken what is around them is."""
    for match in re.finditer(rf'"{re.escape(key)}"\s*:\s*"([^"]*)', text, re.IGNORECASE):
        yield match[1]


def _words(text: bytes) -> Iterator[str]:
    for reading in readings(text):
        yield from _WORD.findall(reading)
        yield from re.findall(r'"([^"]*)"', reading)


def _identifiers(
    warehouse: Warehouse, declarations: Declarations, words: Collection[str]
) -> set[str]:
    """Those of some words that are somebody's identifier in a typed table."""
    found: set[str] = set()
    if not words:
        return found
    sought = pa.array(sorted(words), pa.string())
    for contract in declarations.landing:
        columns = [c.name for c in contract.delivered if c.subject and c.type == "string"]
        version = warehouse.version(contract.name)
        for file in version.files if version and columns else ():
            found |= set(_among(read_rows(warehouse.files, file, columns), sought))
    return found


def _among(rows: pa.Table, sought: pa.Array) -> Iterable[str]:
    for column in rows.columns:
        values = pc.unique(column)
        yield from values.filter(pc.is_in(values, value_set=sought)).to_pylist()

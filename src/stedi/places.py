"""Where in the landing files a row comes from: file, byte and line.

Typed tables don't say so for each row. They say which files' records went into which Parquet file;
in these the record is looked for that has the row's values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from stedi import parquet
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.loads import Load, read_loads
from stedi.landing.reader import one_by_one
from stedi.landing.records import Record
from stedi.parquet import identifier
from stedi.roots.names import landing_folder
from stedi.storage.warehouse import Version, Warehouse, short_name
from stedi.text import counted

MOST_BYTES = 1 << 26
"""Files of more bytes are named, but not searched: that takes a minute a hundred megabytes."""


@dataclass(frozen=True)
class Place:
    """A landing file, or several of which one has the row; and where in it, where that is known."""

    source: str
    files: tuple[str, ...]
    byte_offset: int | None = None
    line: int | None = None

    @property
    def name(self) -> str:
        """The place for people."""
        first = f"{self.source}/{self.files[0]}"
        if self.byte_offset is not None:
            return f"{first}@{self.byte_offset}, line {self.line:,}"
        more = len(self.files) - 1
        return f"{first}, or one of {counted(more, 'other file')}" if more else first


class Places:
    """Finds where rows come from."""

    def __init__(
        self,
        warehouse: Warehouse,
        declarations: Declarations,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        self._warehouse, self._declarations = warehouse, declarations
        self._connection = connection

    def of(self, table: str, values: Mapping[str, Any]) -> Place | None:
        """Where a row of a table with these values was delivered; None where it can't be found."""
        contract = self._landing(table)
        version = self._warehouse.version(contract.name)
        if version is None or not version.files:
            return None
        known = {c.name: values[c.name] for c in contract.delivered if c.name in values}
        file = self._typed_file(contract, version, known)
        loads = self._loads(contract, version, file) if file is not None else []
        return self._searched(contract, loads, known) if loads else None

    def _landing(self, table: str) -> Contract:
        """The landing table whose rows a table has."""
        while transform := self._declarations.transforms.get(table):
            table = transform.sources[0]
        return self._declarations.contracts[table]

    def _typed_file(
        self, contract: Contract, version: Version, known: Mapping[str, Any]
    ) -> int | None:
        columns = [(c.name, c.type) for c in contract.columns]
        if version.columns != tuple(columns):
            return None
        self._warehouse.files.fetch([file.path for file in version.files])
        scan = parquet.scan([str(file.path) for file in version.files], columns, ("file_index",))
        equal = " AND ".join(f"{identifier(name)} IS NOT DISTINCT FROM ?" for name in known)
        query = f"SELECT file_index FROM ({scan}) WHERE {equal} LIMIT 1"
        found = self._connection.execute(query, [*known.values()]).fetchone()
        return int(found[0]) if found else None

    def _loads(self, contract: Contract, version: Version, number: int) -> list[Load]:
        loads = self._warehouse.version("loads")
        every = read_loads(self._warehouse.files, [f.path for f in loads.files]) if loads else []
        file = version.files[number]
        merged = version.landing.merged if version.landing else {}
        parts = {*merged.get(short_name(file.path), [file.path.stem])}
        own = (load for load in every if load.source == contract.source and load.state == "read")
        return [load for load in own if parts & {*load.parts.split()}]

    def _searched(
        self, contract: Contract, loads: Sequence[Load], known: Mapping[str, Any]
    ) -> Place:
        source, names = str(contract.source), tuple(load.file for load in loads)
        if sum(load.size for load in loads) > MOST_BYTES:
            return Place(source, names)
        wanted = [(n, known[c.name]) for n, c in enumerate(contract.delivered) if c.name in known]
        files = self._warehouse.files
        for name in names:
            path = landing_folder(files.root, source) / name
            if files.stat(path) is None:
                continue
            for offset, line, content in one_by_one(contract, path, files.open):
                if isinstance(content, Record) and all(
                    content.values[n] == value for n, value in wanted
                ):
                    return Place(source, (name,), offset, line)
        return Place(source, names)

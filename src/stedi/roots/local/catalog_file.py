"""The SQLite file of a catalog: where the metadata of each table is, and notes on the whole.

Its tables are those of Iceberg's JDBC catalog (schema V1). Reading them takes no PyIceberg.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from stedi.errors import Locked, StorageError
from stedi.text import visible

_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NAMES = {"iceberg_tables", "iceberg_namespace_properties"}
_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
);
COMMIT;
"""


class CatalogFile:
    """One catalog, by its name, in a SQLite file, which is given its tables where it has none.

    `sqlite3.Error` is raised where the file can't be read or written, `Locked` where another
    program holds it.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path = name, path
        if path.exists() and not os.access(path, os.R_OK):
            raise StorageError(
                f"{visible(str(path))} can't be read: {os.strerror(errno.EACCES)}; let stedi's "
                "user read and write it. Nothing in it needs to be rebuilt"
            )
        with self.transaction() as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if {name for (name,) in tables} < _NAMES:
                connection.executescript(_TABLES)

    def properties(self, namespace: str) -> dict[str, str]:
        """What is noted of a namespace; nothing where it isn't there."""
        rows = self._read(
            "SELECT property_key, property_value FROM iceberg_namespace_properties "
            "WHERE catalog_name = ? AND namespace = ?",
            namespace,
        )
        return dict(rows)

    def tables(self, namespace: str) -> list[str]:
        """The names of the tables of a namespace."""
        rows = self._read(
            "SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ?",
            namespace,
        )
        return [name for (name,) in rows]

    def metadata_location(self, namespace: str, table: str) -> str | None:
        """The URI of a table's metadata; None where there is no such table."""
        rows = self._read(
            "SELECT metadata_location FROM iceberg_tables "
            "WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?",
            namespace,
            table,
        )
        return str(rows[0][0]) if rows else None

    def _read(self, query: str, *of: str) -> list[Any]:
        with self.transaction() as connection:
            return connection.execute(query, (self.name, *of)).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are made together, or not at all."""
        try:
            with closing(sqlite3.connect(self._path)) as connection, connection:
                yield connection
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _IN_USE:
                raise Locked(
                    f"{self._path} is in use by another program; try again when it has done"
                ) from None
            raise

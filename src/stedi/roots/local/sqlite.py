"""An Iceberg catalog in one SQLite file, without SQLAlchemy.

Its tables are those of Iceberg's JDBC catalog (schema V1), which PyIceberg's `SqlCatalog` has too:
each can open what the other made. That one loads SQLAlchemy, a third of the time in which a command
starts; metadata is worked out and written by PyIceberg here as well.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.catalog import MetastoreCatalog, PropertiesUpdateSummary
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.typedef import EMPTY_DICT

from stedi.roots.local.catalog_file import CatalogFile

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table.update import TableRequirement, TableUpdate
    from pyiceberg.typedef import Identifier, Properties


class SqliteTables(MetastoreCatalog, NoopCatalog):
    """The tables that one SQLite file names; what a lakehouse doesn't need isn't implemented.

    Namespaces have one level. `sqlite3.Error` is raised where the file can't be read or written,
    `Locked` where another program holds it.
    """

    def __init__(self, name: str, path: Path, **properties: str) -> None:
        super().__init__(name, **properties)
        self._file = CatalogFile(name, path)

    def create_namespace(
        self, namespace: str | Identifier, properties: Properties = EMPTY_DICT
    ) -> None:
        """Note that there is a namespace; raises `NamespaceAlreadyExistsError`."""
        if self.namespace_exists(namespace):
            raise NamespaceAlreadyExistsError(f"Namespace already exists: {namespace}")
        self._note(namespace, {"exists": "true", **properties})

    def load_namespace_properties(self, namespace: str | Identifier) -> Properties:
        """What is noted of a namespace; raises `NoSuchNamespaceError`."""
        properties = self._file.properties(_only(namespace))
        if not properties:
            raise NoSuchNamespaceError(f"Namespace does not exist: {namespace}")
        return properties

    def update_namespace_properties(
        self,
        namespace: str | Identifier,
        removals: set[str] | None = None,
        updates: Properties = EMPTY_DICT,
    ) -> PropertiesUpdateSummary:
        """Note `updates` of a namespace; raises `NoSuchNamespaceError`. Nothing can be removed."""
        if removals:
            raise NotImplementedError
        self.load_namespace_properties(namespace)
        self._note(namespace, updates)
        return PropertiesUpdateSummary(removed=[], updated=list(updates), missing=[])

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        """The namespace and name of each table."""
        return [(_only(namespace), name) for name in self._file.tables(_only(namespace))]

    def create_table(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        location: str | None = None,
        partition_spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        sort_order: SortOrder = UNSORTED_SORT_ORDER,
        properties: Properties = EMPTY_DICT,
    ) -> Table:
        """Make an empty table; raises `TableAlreadyExistsError`."""
        staged = self._create_staged_table(
            identifier, schema, location, partition_spec, sort_order, properties
        )
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        row = (self.name, *staged.name(), staged.metadata_location, None, "TABLE")
        try:
            with self._file.transaction() as connection:
                connection.execute("INSERT INTO iceberg_tables VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise TableAlreadyExistsError(f"Table already exists: {staged.name()}") from None
        return self.load_table(identifier)

    def load_table(self, identifier: str | Identifier) -> Table:
        """A table as it is; raises `NoSuchTableError`."""
        namespace, name = self.identifier_to_database_and_table(identifier, NoSuchTableError)
        location = self._file.metadata_location(namespace, name)
        if location is None:
            raise NoSuchTableError(f"Table does not exist: {identifier}")
        io = self._load_file_io(location=location)
        metadata = FromInputFile.table_metadata(io.new_input(location))
        return Table((namespace, name), metadata, location, io, self)

    def commit_table(
        self,
        table: Table,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> CommitTableResponse:
        """Commit updates; raises `CommitFailedException` if the table isn't what it was."""
        current = self.load_table(table.name())
        staged = self._update_and_stage_table(current, table.name(), requirements, updates)
        if staged.metadata != current.metadata:
            self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
            before = current.metadata_location
            with self._file.transaction() as connection:
                changed = connection.execute(
                    "UPDATE iceberg_tables "
                    "SET metadata_location = ?, previous_metadata_location = ? "
                    "WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? "
                    "AND metadata_location = ?",
                    (staged.metadata_location, before, self.name, *table.name(), before),
                )
            if not changed.rowcount:
                raise CommitFailedException(f"Table changed meanwhile: {table.name()}")
            current = staged
        where = {"metadata-location": current.metadata_location}
        return CommitTableResponse(metadata=current.metadata, **where)

    def _note(self, namespace: str | Identifier, properties: Properties) -> None:
        of = (self.name, _only(namespace))
        with self._file.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO iceberg_namespace_properties VALUES (?, ?, ?, ?)",
                [(*of, key, value) for key, value in properties.items()],
            )


def _only(namespace: str | Identifier) -> str:
    return namespace if isinstance(namespace, str) else ".".join(namespace)

"""AWS Glue's Data Catalog: Iceberg tables through PyIceberg, landing tables as external ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stedi.declared.athena import table_input, typed_name
from stedi.errors import StorageError, UsageError
from stedi.roots.s3.errors import as_ours
from stedi.roots.s3.files import S3Files
from stedi.roots.s3.grants import grant

if TYPE_CHECKING:
    from pyiceberg.catalog import MetastoreCatalog

    from stedi.declared.contract import Contract

_NAME = re.compile("[a-z0-9_]{1,255}")
_ROOT = "stedi.root"
"""As the warehouse notes it of any root."""


class S3Catalog:
    """One database of the catalog, for the tables of one lakehouse.

    There, `*_landing` are the external tables over raw JSON, and the typed ones are `*_typed`.
    """

    is_in_root = False

    def __init__(self, files: S3Files, database: str) -> None:
        if not _NAME.fullmatch(database):
            raise UsageError(f"--database {database!a}: of a to z, 0 to 9 and _")
        self._files, self.namespace = files, database
        self._opened: Any = None

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What the catalog raises where it can't be reached."""
        from botocore.exceptions import BotoCoreError, ClientError

        return BotoCoreError, ClientError

    @property
    def exists(self) -> bool:
        """Whether the database is there; raises `StorageError` where it is another lakehouse's."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        try:
            properties = self._catalog().load_namespace_properties(self.namespace)
        except NoSuchNamespaceError:
            return False
        except self.failures as error:
            raise self.translated(error) from None
        owner = properties.get(_ROOT)
        if owner not in (None, self._files.name(self._files.root)):
            raise StorageError(
                f"the database {self.namespace} of Glue's Data Catalog belongs to {owner}; give "
                "this lakehouse one of its own: --database NAME"
            )
        return owner is not None

    def name(self, table: str) -> str:
        """What a table is called in it, database included."""
        return f"{self.namespace}.{typed_name(table)}"

    def notes(self) -> Mapping[str, str]:
        """The notes on the lakehouse as a whole."""
        properties: Mapping[str, str] = self._catalog().load_namespace_properties(self.namespace)
        return properties

    def tables(self) -> list[str]:
        """The names of all its tables, those of others among them."""
        return [identifier[-1] for identifier in self._catalog().list_tables(self.namespace)]

    def metadata_location(self, table: str) -> str | None:
        """The URI of the metadata of a table as it is now; None where there is no such table."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            location: str = self._catalog().load_table(self.name(table)).metadata_location
        except NoSuchTableError:
            return None
        return location

    def open(self) -> MetastoreCatalog:
        """The catalog, with the database made if need be."""
        from pyiceberg.exceptions import NamespaceAlreadyExistsError

        catalog: MetastoreCatalog = self._catalog()
        try:
            if not self.exists:
                properties = {_ROOT: self._files.name(self._files.root)}
                try:
                    catalog.create_namespace(self.namespace, properties)
                except NamespaceAlreadyExistsError:  # made manually, and nobody's yet
                    catalog.update_namespace_properties(self.namespace, updates=properties)
        except self.failures as error:
            raise self.translated(error) from None
        return catalog

    def prepare(self, landing: Sequence[Contract]) -> None:
        """Let Athena read the raw JSON: make landing tables external ones, or renew them.

        One of that name over other files stays as it is.
        """
        self.open()
        glue = self._catalog().glue
        root = self._files.name(self._files.root)
        for contract in landing:
            definition = table_input(contract, root)
            try:
                self._register(glue, definition)
            except self.failures as error:
                raise self.translated(error) from None

    def share(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """Grant the roles that are declared these columns of tables."""
        return grant(self.namespace, {typed_name(table): names for table, names in columns.items()})

    def _register(self, glue: Any, definition: dict[str, Any]) -> None:
        try:
            table = glue.get_table(DatabaseName=self.namespace, Name=definition["Name"])["Table"]
        except glue.exceptions.EntityNotFoundException:
            glue.create_table(DatabaseName=self.namespace, TableInput=definition)
            return
        stored, expected = table.get("StorageDescriptor", {}), definition["StorageDescriptor"]
        if str(stored.get("Location", "")).rstrip("/") != expected["Location"].rstrip("/"):
            self._files.remarks.append(
                f"the table {definition['Name']} in the database {self.namespace} reads other "
                f"files than {expected['Location']}, and was left as it is"
            )
        elif stored.get("Columns") != expected["Columns"]:
            glue.update_table(DatabaseName=self.namespace, TableInput=definition)

    def forget(self, notes: Mapping[str, str]) -> None:
        """Remove all Iceberg tables of the lakehouse from the database; raises `StorageError`."""
        if not self.exists:
            return
        catalog, root = self._catalog(), self._files.name(self._files.root)
        for identifier in catalog.list_tables(self.namespace):
            named = {"DatabaseName": self.namespace, "Name": identifier[-1]}
            parameters = catalog.glue.get_table(**named)["Table"].get("Parameters", {})
            location = parameters.get("metadata_location", "")
            if location.startswith(f"{root}/"):
                catalog.drop_table(identifier)
        catalog.update_namespace_properties(self.namespace, updates=dict(notes))
        self._opened = None

    def _catalog(self) -> Any:
        if self._opened is None:
            from pyiceberg.catalog.glue import GlueCatalog

            from stedi.roots.s3 import file_io

            root = self._files.name(self._files.root)
            file_io.FILES[root] = self._files
            self._opened = GlueCatalog(
                self.namespace,
                **{
                    "py-io-impl": "stedi.roots.s3.file_io.S3FileIO",
                    file_io.ROOT: root,
                    "warehouse": root,
                },
            )
        return self._opened

    def translated(self, error: Exception) -> Exception:
        """An error of AWS as ours."""
        return as_ours(error, "glue", f"the database {self.namespace} of Glue's Data Catalog")

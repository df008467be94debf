"""AWS Glue's Data Catalog: Iceberg tables through PyIceberg, landing tables as external ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stedi.errors import StorageError, UsageError
from stedi.files.s3 import S3, as_ours
from stedi.storage import object_io

if TYPE_CHECKING:
    from pyiceberg.catalog import MetastoreCatalog

_NAME = re.compile("[a-z0-9_]{1,255}")
_ROOT = "stedi.root"
_LANDING = "_landing"


class GlueDataCatalog:
    """One database of the catalog, for the tables of one root.

    There, `*_landing` are the external tables over raw JSON, and the typed ones are `*_typed`.
    """

    def __init__(self, files: S3, database: str) -> None:
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
        """Whether the database is there; raises `StorageError` where it is another root's."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        try:
            noted = self._catalog().load_namespace_properties(self.namespace)
        except NoSuchNamespaceError:
            return False
        except self.failures as error:
            raise self.plainly(error) from None
        owner, own = noted.get(_ROOT), self._files.name(self._files.root)
        if owner != own:
            whose = f"belongs to {owner}" if owner else "was not made by stedi"
            raise StorageError(
                f"the database {self.namespace} of Glue's Data Catalog {whose}; give this root "
                "one of its own: --database NAME"
            )
        return True

    def name(self, table: str) -> str:
        """What a table is called in it, database included."""
        return f"{self.namespace}.{table_name(table)}"

    def prepare(self) -> None:
        """What commits need is loaded with the catalog."""

    def open(self) -> MetastoreCatalog:
        """The catalog, with the database made if need be."""
        catalog: MetastoreCatalog = self._catalog()
        try:
            if not self.exists:
                own = self._files.name(self._files.root)
                catalog.create_namespace(self.namespace, {_ROOT: own})
        except self.failures as error:
            raise self.plainly(error) from None
        return catalog

    def forget(self) -> None:
        """Take all Iceberg tables of the root out of the database; raises `StorageError`."""
        if not self.exists:
            return
        catalog, own = self._catalog(), self._files.name(self._files.root)
        for identifier in catalog.list_tables(self.namespace):
            named = {"DatabaseName": self.namespace, "Name": identifier[-1]}
            found = catalog.glue.get_table(**named)["Table"].get("Parameters", {})
            where = found.get("metadata_location", "")
            if where.startswith(f"{own}/"):
                catalog.drop_table(identifier)
        self._opened = None

    def _catalog(self) -> Any:
        if self._opened is None:
            from pyiceberg.catalog.glue import GlueCatalog

            root = self._files.name(self._files.root)
            object_io.FILES[root] = self._files
            self._opened = GlueCatalog(
                self.namespace,
                **{
                    "py-io-impl": "stedi.storage.object_io.ObjectIO",
                    object_io.ROOT: root,
                    "warehouse": root,
                },
            )
        return self._opened

    def plainly(self, error: Exception) -> Exception:
        """An error of AWS as ours."""
        return as_ours(error, "glue", f"the database {self.namespace}")


def table_name(table: str) -> str:
    """What an Iceberg table is called in Glue."""
    return table.removesuffix(_LANDING) + "_typed" if table.endswith(_LANDING) else table

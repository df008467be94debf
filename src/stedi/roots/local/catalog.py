"""The catalog of a folder: a SQLite file in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stedi.roots.faces import Files
from stedi.roots.local.catalog_file import CatalogFile
from stedi.roots.names import OWN_FOLDER
from stedi.roots.scratch import scratch

if TYPE_CHECKING:
    from pyiceberg.catalog import MetastoreCatalog

    from stedi.declared.contract import Contract
    from stedi.roots.local.sqlite import SqliteTables

NAMESPACE = "stedi"
_CATALOG = "catalog.db"


class LocalCatalog:
    """A SQLite file in the lakehouse folder."""

    namespace = NAMESPACE
    is_in_root = True

    def __init__(self, files: Files) -> None:
        self._files = files
        self._path = files.root / OWN_FOLDER / _CATALOG

    failures: tuple[type[Exception], ...] = ()

    def translated(self, error: Exception) -> Exception:
        """There are none."""
        return error

    @property
    def exists(self) -> bool:
        """Whether anything was ever committed here."""
        return self._path.exists()

    def name(self, table: str) -> str:
        """What a table is called in it, namespace included."""
        return f"{NAMESPACE}.{table}"

    def notes(self) -> Mapping[str, str]:
        """The notes on the lakehouse as a whole."""
        return self._file.properties(NAMESPACE)

    def tables(self) -> list[str]:
        """The names of all its tables."""
        return self._file.tables(NAMESPACE)

    def metadata_location(self, table: str) -> str | None:
        """The URI of the metadata of a table as it is now; None where there is no such table."""
        return self._file.metadata_location(NAMESPACE, table)

    @cached_property
    def _file(self) -> CatalogFile:
        return CatalogFile(NAMESPACE, self._files.inside(self._path))

    def prepare(self, landing: Sequence[Contract]) -> None:
        """Load what the catalog would at the first commit; nobody else uses it."""
        import stedi.roots.local.file_io
        import stedi.roots.local.sqlite  # noqa: F401

    def share(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """Anyone who may read the folder may read all of it."""
        return []

    def open(self) -> MetastoreCatalog:
        """The catalog, made if need be, with the namespace."""
        catalog = self._open(self._path)
        catalog.create_namespace_if_not_exists(NAMESPACE)
        return catalog

    def _open(self, path: Path) -> SqliteTables:
        from stedi.roots.local.sqlite import SqliteTables

        self._files.inside(path).parent.mkdir(parents=True, exist_ok=True)
        return SqliteTables(
            NAMESPACE,
            path,
            **{
                "warehouse": self._files.uri(self._files.root),
                "py-io-impl": "stedi.roots.local.file_io.LocalFileIO",
            },
        )

    def forget(self, notes: Mapping[str, str]) -> None:
        """Put a new file in the place of this one."""
        with scratch(self._files.root, "catalog") as folder:
            self._open(folder / _CATALOG).create_namespace(NAMESPACE, dict(notes))
            for part in ("-journal", "-wal", "-shm"):
                self._path.with_name(f"{_CATALOG}{part}").unlink(missing_ok=True)
            if self._path.is_dir():  # whose content is not ours to delete
                self._path.rename(self._path.with_name(f"{_CATALOG}.{folder.name}.aside"))
            (folder / _CATALOG).replace(self._path)

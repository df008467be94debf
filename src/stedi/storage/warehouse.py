"""Iceberg tables under one root: looked up, made, and committed to, one snapshot at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from stedi.contracts import Column
from stedi.errors import StorageError
from stedi.parquet import Field

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import Table

NAMESPACE = "stedi"
MACHINERY = "_stedi"
_CATALOG = "catalog.db"
_PREFIX = "stedi."
_DELETES = "write.metadata.delete-after-commit.enabled"


@dataclass(frozen=True)
class DataFile:
    """A Parquet file that a snapshot refers to: a `file://` URI, bytes, rows."""

    uri: str
    size: int
    rows: int

    @property
    def path(self) -> Path:
        """Where the file lies on this machine."""
        return local_path(self.uri)


@dataclass(frozen=True)
class Version:
    """A table's newest snapshot: what is in it, and what its writer noted of it."""

    table: str
    location: str
    snapshot_id: int
    committed: int
    files: tuple[DataFile, ...]
    notes: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Rows of all files, by the manifests."""
        return sum(file.rows for file in self.files)


class Warehouse:
    """The Iceberg tables of a lakehouse, in a SQLite catalog under its root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tables: dict[str, Table | None] = {}
        self._to_make: dict[str, tuple[Sequence[Column], str]] = {}

    @property
    def exists(self) -> bool:
        """Whether anything was ever committed here."""
        return (self.root / MACHINERY / _CATALOG).exists()

    def version(self, table: str) -> Version | None:
        """The newest snapshot of a table; None while it has none."""
        loaded = self._load(table)
        snapshot = loaded.current_snapshot() if loaded else None
        if loaded is None or snapshot is None:
            return None
        files = tuple(
            DataFile(file.file_path, file.file_size_in_bytes, file.record_count)
            for file in _data_files(loaded)
        )
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        notes = {
            key.removeprefix(_PREFIX): json.loads(value)
            for key, value in summary.items()
            if key.startswith(_PREFIX)
        }
        return Version(
            table, loaded.location(), snapshot.snapshot_id, snapshot.timestamp_ms, files, notes
        )

    def fields(self, table: str, columns: Sequence[Column], location: str) -> tuple[Field, ...]:
        """The fields of a table for writing its files.

        Where the table isn't there or has other columns, the commit that follows makes it (anew).
        """
        loaded = self._load(table)
        if loaded is None or not _has_columns(loaded, columns):
            self._to_make[table] = (columns, location)
            return tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, start=1))
        types = {column.name: column.type for column in columns}
        return tuple(Field(f.name, types[f.name], f.field_id) for f in loaded.schema().fields)

    def commit(
        self,
        table: str,
        add: Sequence[Path],
        notes: Mapping[str, Any],
        keep: Collection[str] = (),
    ) -> Version:
        """Commit one snapshot: the present files whose URIs are in `keep`, and the files `add`.

        Raises `StorageError` where field ids don't fit or another process committed meanwhile.
        """
        from pyiceberg.exceptions import CommitFailedException

        outdated = self._make(table) if table in self._to_make else set()
        loaded = self._load(table)
        if loaded is None:
            raise StorageError(f"table {table}: not there to commit to")
        added = [_iceberg_file(loaded, path) for path in add]
        present = _data_files(loaded)
        removed = [file for file in present if file.file_path not in keep]
        if len(present) - len(removed) != len(keep):
            raise StorageError(f"table {table}: a file to keep is not in its newest snapshot")
        properties = {_PREFIX + key: json.dumps(value) for key, value in notes.items()}
        try:
            with loaded.transaction() as transaction:
                update = transaction.update_snapshot(snapshot_properties=properties)
                producer = update.overwrite() if removed or not present else update.fast_append()
                for file in removed:
                    producer.delete_data_file(file)
                for file in added:
                    producer.append_data_file(file)
                producer.commit()
        except CommitFailedException:
            raise StorageError(
                f"table {table}: someone else committed to it meanwhile; run again"
            ) from None
        for path in outdated:
            path.unlink(missing_ok=True)
        version = self.version(table)
        assert version is not None
        return version

    def forget_history(self, table: str) -> None:
        """Remove every snapshot of a table but the newest from disk: data, manifests, metadata.

        A reader who holds an older file finishes; one who looks for it finds it gone.
        """
        loaded = self._load(table)
        if loaded is None:
            return
        if loaded.properties.get(_DELETES) != "false":
            # What is removed here, PyIceberg would look for again when its log is full.
            with loaded.transaction() as transaction:
                transaction.set_properties({_DELETES: "false"})
        newest = loaded.metadata.current_snapshot_id
        older = [s.snapshot_id for s in loaded.snapshots() if s.snapshot_id != newest]
        outdated = self.referenced(table) if older else self._logged(loaded)
        if older:
            loaded.maintenance.expire_snapshots().by_ids(older).commit()
            outdated |= self._logged(loaded)
        if outdated:
            for path in outdated - self._alive(loaded):
                path.unlink(missing_ok=True)

    def has_history(self, table: str) -> bool:
        """Whether anything is left of what a table was before."""
        loaded = self._load(table)
        return loaded is not None and (len(loaded.snapshots()) > 1 or bool(self._logged(loaded)))

    def prepare(self) -> None:
        """Make the catalog if need be, and load what commits need, before there is any to make."""
        import pyiceberg.io.fsspec  # noqa: F401 - what the catalog would load at the first commit

        _ = self._catalog

    def data_folder(self, location: str) -> Path:
        """Where the data files of the table at `location` (relative to the root) lie."""
        return self.root / location / "data"

    @property
    def profile(self) -> str | None:
        """The profile that this root was last run with."""
        if not self.exists:
            return None
        properties = self._catalog.load_namespace_properties(NAMESPACE)
        profile = properties.get("stedi.profile")
        return str(profile) if profile else None

    @profile.setter
    def profile(self, profile: str) -> None:
        self._catalog.update_namespace_properties(NAMESPACE, updates={"stedi.profile": profile})

    def referenced(self, table: str) -> set[Path]:
        """Every file that any snapshot of a table still refers to, metadata included."""
        loaded = self._load(table)
        if loaded is None:
            return set()
        return self._alive(loaded) | self._logged(loaded)

    def alive(self, table: str) -> set[Path]:
        """Every file that a table's present metadata needs, itself included."""
        loaded = self._load(table)
        return self._alive(loaded) if loaded else set()

    @staticmethod
    def _logged(loaded: Table) -> set[Path]:
        """Metadata files of before that are still there."""
        logged = (local_path(log.metadata_file) for log in loaded.metadata.metadata_log)
        return {path for path in logged if path.exists()}

    @staticmethod
    def _alive(loaded: Table) -> set[Path]:
        """Every file that a table's present metadata needs, itself included."""
        uris = {loaded.metadata_location}
        for snapshot in loaded.snapshots():
            uris.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(loaded.io):
                uris.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(loaded.io, discard_deleted=True)
                uris.update(entry.data_file.file_path for entry in entries)
        return {local_path(uri) for uri in uris}

    def _load(self, table: str) -> Table | None:
        from pyiceberg.exceptions import NoSuchTableError

        if table not in self._tables:
            if not self.exists:
                return None
            try:
                loaded = self._catalog.load_table(f"{NAMESPACE}.{table}")
            except NoSuchTableError:
                return None
            except OSError:
                raise StorageError(
                    f"table {table}: its metadata file is not where the catalog says. Was "
                    f"{self.root} moved? Move it back, or delete {self.root / MACHINERY} and the "
                    "tables' folders and run again: landing files are all that is needed"
                ) from None
            self._tables[table] = loaded
        return self._tables[table]

    def _make(self, table: str) -> set[Path]:
        """Make a table, in the place of one with other columns; gives the files of that."""
        outdated = self.referenced(table)
        if outdated:
            self._catalog.drop_table(f"{NAMESPACE}.{table}")
        self._create(table, *self._to_make.pop(table))
        return outdated

    def _create(self, table: str, columns: Sequence[Column], location: str) -> None:
        from pyiceberg.schema import Schema
        from pyiceberg.types import (
            BinaryType,
            DoubleType,
            LongType,
            NestedField,
            PrimitiveType,
            StringType,
        )

        types: dict[str, PrimitiveType] = {
            "long": LongType(),
            "double": DoubleType(),
            "string": StringType(),
            "binary": BinaryType(),
        }
        schema = Schema(
            *(
                NestedField(n, column.name, types[column.type], doc=column.description or None)
                for n, column in enumerate(columns, start=1)
            )
        )
        properties = {
            "format-version": "2",
            "commit.retry.num-retries": "0",
            _DELETES: "true",
            "write.metadata.previous-versions-max": "20",
        }
        for column in columns:
            if column.classification == "direct":
                # Column bounds in manifests would keep e-mail addresses.
                properties[f"write.metadata.metrics.column.{column.name}"] = "none"
        self._tables[table] = self._catalog.create_table(
            f"{NAMESPACE}.{table}",
            schema,
            location=to_uri(self.root / location),
            properties=properties,
        )

    @cached_property
    def _catalog(self) -> SqlCatalog:
        from pyiceberg.catalog.sql import SqlCatalog

        folder = self.root / MACHINERY
        folder.mkdir(parents=True, exist_ok=True)
        catalog = SqlCatalog(
            "stedi",
            **{
                "uri": f"sqlite:///{folder / _CATALOG}",
                "warehouse": to_uri(self.root),
                "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO",
            },
        )
        catalog.create_namespace_if_not_exists(NAMESPACE)
        return catalog


def to_uri(path: Path) -> str:
    """The `file://` URI of a local path, spelled as Iceberg's libraries spell it."""
    return f"file://{path.absolute()}"


def local_path(uri: str) -> Path:
    """The local path of a `file://` URI."""
    return Path(urlparse(uri).path)


def _data_files(table: Table) -> list[IcebergFile]:
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    return [
        entry.data_file
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]


def _has_columns(table: Table, columns: Sequence[Column]) -> bool:
    names = {"long": "long", "double": "double", "string": "string", "binary": "binary"}
    have = [(field.name, str(field.field_type)) for field in table.schema().fields]
    return have == [(column.name, names[column.type]) for column in columns]


def _iceberg_file(table: Table, path: Path) -> IcebergFile:
    """Describe a finished Parquet file for a manifest; refuses field ids that aren't the table's.

    Counts and bounds come from the file's footer. Strings have no bounds, and columns whose metrics
    are off nothing at all: a manifest must not keep an e-mail address.
    """
    import pyarrow.parquet as pq
    from pyiceberg.conversions import to_bytes
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.manifest import DataFileContent, FileFormat
    from pyiceberg.typedef import Record
    from pyiceberg.types import DoubleType, LongType

    fields = list(table.schema().fields)
    metadata = pq.read_metadata(path)
    found = [
        (field.name, (field.metadata or {}).get(b"PARQUET:field_id"))
        for field in metadata.schema.to_arrow_schema()
    ]
    if found != [(field.name, str(field.field_id).encode()) for field in fields]:
        raise StorageError(f"{path}: field ids are not those of table {table.name()[-1]}")
    sizes, nulls, lower, upper = {}, {}, {}, {}
    for number, field in enumerate(fields):
        groups = [metadata.row_group(n).column(number) for n in range(metadata.num_row_groups)]
        sizes[field.field_id] = sum(group.total_compressed_size for group in groups)
        if table.properties.get(f"write.metadata.metrics.column.{field.name}") == "none":
            continue
        statistics = [group.statistics for group in groups]
        if all(one is not None and one.has_null_count for one in statistics):
            nulls[field.field_id] = sum(one.null_count for one in statistics)
        known = [one for one in statistics if one is not None and one.has_min_max]
        kind = field.field_type
        if known and len(known) == len(groups) and isinstance(kind, LongType | DoubleType):
            lower[field.field_id] = to_bytes(kind, min(one.min for one in known))
            upper[field.field_id] = to_bytes(kind, max(one.max for one in known))
    return IcebergDataFile.from_args(
        content=DataFileContent.DATA,
        file_path=to_uri(path),
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=metadata.num_rows,
        file_size_in_bytes=path.stat().st_size,
        column_sizes=sizes,
        value_counts=dict.fromkeys(nulls, metadata.num_rows),
        null_value_counts=nulls,
        lower_bounds=lower,
        upper_bounds=upper,
        spec_id=table.metadata.default_spec_id,
    )

"""Contracts' columns as Iceberg schemas, and finished Parquet files as manifests describe them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stedi.columns import Column
from stedi.errors import StorageError
from stedi.roots import Files, footer_source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update.snapshot import _FastAppendFiles, _OverwriteFiles
    from pyiceberg.types import PrimitiveType

_METRICS = "write.metadata.metrics.column."
_VERSIONS = "write.metadata.previous-versions-max"


def make_table(catalog: Catalog, name: str, location: str, columns: Sequence[Column]) -> Table:
    """Make an empty table; every field is optional, the contract enforces what is required."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    fields = (
        NestedField(n, column.name, _type(column), doc=column.description or None)
        for n, column in enumerate(columns, start=1)
    )
    properties = {
        "format-version": "2",
        "commit.retry.num-retries": "0",
        # Old metadata is removed by `Warehouse.expire` and `tidy`, along with what it names.
        "write.metadata.delete-after-commit.enabled": "false",
        _VERSIONS: "20",
    }
    return catalog.create_table(
        name, Schema(*fields), location=location, properties=properties | _metrics_off(columns)
    )


def forget_versions(transaction: Transaction) -> None:
    """Let a table's metadata name no more versions than must be: each says when it was made."""
    if transaction.table_metadata.properties.get(_VERSIONS) != "1":
        transaction.set_properties({_VERSIONS: "1"})


def evolve(transaction: Transaction, columns: Sequence[Column]) -> None:
    """Give a table these columns: others go, new ones get ids of their own, order is kept.

    A column of another type than before is a new one.
    """
    by_name = {column.name: column for column in columns}
    present = {f.name: str(f.field_type) for f in transaction.table_metadata.schema().fields}
    kept = {
        name for name, type_ in present.items() if name in by_name and by_name[name].type == type_
    }
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in present.keys() - kept:
            update.delete_column(name)
        for column in columns:
            if column.name not in kept:
                update.add_column(column.name, _type(column), doc=column.description or None)
        for before, column in zip([None, *columns], columns, strict=False):
            if before is None:
                update.move_first(column.name)
            else:
                update.move_after(column.name, before.name)
    transaction.set_properties(_metrics_off(columns))


def _metrics_off(columns: Sequence[Column]) -> dict[str, str]:
    """Keeps `direct` columns out of manifests, whose bounds would hold e-mail addresses."""
    return {f"{_METRICS}{c.name}": "none" for c in columns if c.classification == "direct"}


def _type(column: Column) -> PrimitiveType:
    """Iceberg's type of that name: contracts call types as Iceberg does."""
    from pyiceberg.types import BinaryType, DoubleType, LongType, StringType

    types = (LongType(), DoubleType(), StringType(), BinaryType())
    return next(type_ for type_ in types if str(type_) == column.type)


def data_files(table: Table, uris: Collection[str]) -> list[DataFile]:
    """Files of a table's newest snapshot as its manifests have them, by their URIs."""
    snapshot = table.current_snapshot()
    manifests = snapshot.manifests(table.io) if snapshot and uris else []
    entries = (
        entry
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    )
    return [entry.data_file for entry in entries if entry.data_file.file_path in uris]


def transaction(table: Table) -> Transaction:
    """A transaction that works out what the table's metadata would be once for each update.

    PyIceberg (0.12) copies all of it, each snapshot's notes too, whenever it is looked at: some
    twenty times a commit.
    """
    from pyiceberg.table import Transaction

    class CachedTransaction(Transaction):
        _known: tuple[object, TableMetadata] | None = None

        @property
        def table_metadata(self) -> TableMetadata:
            if self._known is None or self._known[0] is not self._updates:
                self._known = (self._updates, super().table_metadata)
            return self._known[1]

    return CachedTransaction(table)


def without_empty_manifests(producer: _OverwriteFiles) -> _OverwriteFiles:
    """Let an overwrite leave manifests behind that list deleted files only.

    PyIceberg (0.12) keeps them, one more with each overwrite, and every reader opens them all; its
    own fast append leaves them.
    """
    existing = producer._existing_manifests

    def alive() -> list[ManifestFile]:
        return [m for m in existing() if m.has_added_files() or m.has_existing_files()]

    producer._existing_manifests = alive  # type: ignore[method-assign]
    return producer


def without_past(producer: _FastAppendFiles) -> _FastAppendFiles:
    """Let a snapshot have what is added to it alone, and tell nothing of the one before.

    An overwrite lists the files that it deletes, with their rows, and counts them in its summary.
    """
    producer._parent_snapshot_id = None
    return producer


def describe(files: Files, path: Path, table: TableMetadata) -> DataFile:
    """Describe a finished Parquet file for a manifest; refuses field ids that aren't the table's.

    Counts and bounds come from the file's footer. Strings have no bounds, and columns whose metrics
    are off nothing at all: a manifest must not keep an e-mail address.
    """
    import pyarrow.parquet as pq
    from pyiceberg.conversions import to_bytes
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record
    from pyiceberg.types import DoubleType, LongType

    fields = list(table.schema().fields)
    metadata = pq.read_metadata(footer_source(files, path))
    [size] = files.sizes([path])
    field_ids = [
        (field.name, (field.metadata or {}).get(b"PARQUET:field_id"))
        for field in metadata.schema.to_arrow_schema()
    ]
    if field_ids != [(field.name, str(field.field_id).encode()) for field in fields]:
        raise StorageError(f"{files.name(path)}: field ids are not those of its table")
    sizes, nulls, lower, upper = {}, {}, {}, {}
    for number, field in enumerate(fields):
        groups = [metadata.row_group(n).column(number) for n in range(metadata.num_row_groups)]
        sizes[field.field_id] = sum(group.total_compressed_size for group in groups)
        if table.properties.get(f"{_METRICS}{field.name}") == "none":
            continue
        statistics = [group.statistics for group in groups]
        if all(chunk is not None and chunk.has_null_count for chunk in statistics):
            nulls[field.field_id] = sum(chunk.null_count for chunk in statistics)
        bounded = [chunk for chunk in statistics if chunk is not None and chunk.has_min_max]
        kind = field.field_type
        if bounded and len(bounded) == len(groups) and isinstance(kind, LongType | DoubleType):
            lower[field.field_id] = to_bytes(kind, min(chunk.min for chunk in bounded))
            upper[field.field_id] = to_bytes(kind, max(chunk.max for chunk in bounded))
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=files.uri(path),
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=metadata.num_rows,
        file_size_in_bytes=size,
        column_sizes=sizes,
        value_counts=dict.fromkeys(nulls, metadata.num_rows),
        null_value_counts=nulls,
        lower_bounds=lower,
        upper_bounds=upper,
        spec_id=table.default_spec_id,
    )

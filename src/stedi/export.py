"""A DuckDB file with a view for each table: for tools that open DuckDB and know nothing of Iceberg.

It has no rows: the views read the Parquet files of the tables' present snapshots, where they are. A
run that replaces such files makes views out of date, or fail; the file is then exported again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from stedi import parquet
from stedi.columns import Column
from stedi.errors import StorageError, UsageError
from stedi.parquet import identifier, literal
from stedi.storage.warehouse import Warehouse
from stedi.written import begun

MARK = "stedi_export"
"""The table by which an earlier export is recognised; it says what was exported, and when."""


@dataclass(frozen=True)
class Exported:
    """A DuckDB file and the tables that it has views of, with their rows."""

    file: Path
    tables: Mapping[str, int]


def export_duckdb(
    warehouse: Warehouse, schemas: Mapping[str, tuple[Column, ...]], file: Path, version: str
) -> Exported:
    """Write views over the tables as they are; an earlier export is replaced, and nothing else.

    Raises `UsageError` where the file can't be written there, or the lakehouse is on S3,
    `StorageError` where a table can't be read.
    """
    if not _is_local(warehouse):
        raise UsageError(
            "export --duckdb: the tables lie on S3, which DuckDB reads with an extension only; "
            "`stedi query SQL -o FILE.parquet` writes rows to a file"
        )
    _refuse_unwritable(file, warehouse.root)
    versions = {name: now for name in sorted(schemas) if (now := warehouse.version(name))}
    if not versions:
        raise UsageError("no table is built yet; `stedi run` builds them")
    part = begun(file)
    try:
        with duckdb.connect(part) as connection:
            for name, now in versions.items():
                # A tool may be started in any folder.
                paths = [str(data.path.absolute()) for data in now.files]
                view = f"CREATE VIEW {identifier(name)} AS {parquet.scan(paths, now.columns)}"
                try:
                    connection.execute(view)
                except duckdb.IOException:
                    raise StorageError(
                        f"table {name}: a file of it can't be read; `stedi status --verify` tells "
                        "which"
                    ) from None
            _mark(
                connection, [(n, str(v.snapshot_id), v.rows) for n, v in versions.items()], version
            )
        part.replace(file)
    except (OSError, duckdb.IOException) as error:
        reason = error.strerror if isinstance(error, OSError) else "it can't be written"
        raise UsageError(f"--duckdb {file}: {reason}") from None
    finally:
        part.unlink(missing_ok=True)
    return Exported(file, {name: now.rows for name, now in versions.items()})


def _mark(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[tuple[str, str, int]], version: str
) -> None:
    connection.execute(
        f'CREATE TABLE {MARK} ("table" VARCHAR, snapshot VARCHAR, "rows" BIGINT, '
        "exported TIMESTAMP, stedi VARCHAR)"
    )
    now = literal(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
    connection.executemany(
        f"INSERT INTO {MARK} VALUES (?, ?, ?, TIMESTAMP {now}, {literal(version)})", [*rows]
    )


def _is_local(warehouse: Warehouse) -> bool:
    return not warehouse.name.startswith("s3://")


def _refuse_unwritable(file: Path, root: Path) -> None:
    if file.suffix.lower() not in (".duckdb", ".db"):
        raise UsageError(f"--duckdb {file}: name it FILE.duckdb")
    if not file.parent.is_dir():
        raise UsageError(f"--duckdb {file}: there is no folder {file.parent}")
    if file.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"--duckdb {file}: lies in the lakehouse; name a file elsewhere")
    if file.exists() and not _is_export(file):
        raise UsageError(f"--duckdb {file}: is there already, and is no export; name another file")


def _is_export(file: Path) -> bool:
    try:
        with duckdb.connect(file, read_only=True) as connection:
            connection.execute(f"SELECT 1 FROM {MARK}")
            return True
    except (duckdb.Error, UnicodeDecodeError):
        return False

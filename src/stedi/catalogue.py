"""What a query can ask of the tables themselves: `information_schema`, snapshots, files, columns.

`SHOW TABLES`, `SHOW COLUMNS FROM` and `DESCRIBE` are queries of these, with Athena's column names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from stedi.columns import TYPES, Schemas
from stedi.errors import QueryError
from stedi.sql.statement import Names
from stedi.storage.warehouse import Warehouse

CATALOG = "awsdatacatalog"
_STATEMENT = re.compile(
    r"""\s*(?:
      show\s+tables(?:\s+(?:in|from)\s+(?P<in>[`"\w.]+))?(?:\s+(?:like\s+)?'(?P<like>[^']*)')?
    | show\s+columns\s+(?:in|from)\s+(?P<columns>[`"\w.$]+)
    | (?:describe|desc)\s+(?:table\s+|formatted\s+|extended\s+)?(?P<described>[`"\w.$]+)
    | (?P<databases>show\s+(?:databases|schemas))
    )\s*;?\s*""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Listing:
    """A table that is made when it is asked for; `types` are those of its columns, in Trino's."""

    rows: pa.Table
    types: Mapping[str, str]


def as_select(sql: str, declared: set[str], names: Names) -> str | None:
    """The SELECT that a SHOW or DESCRIBE stands for; None for any other statement."""
    match = _STATEMENT.fullmatch(sql)
    if match is None:
        return None
    if match["databases"]:
        return f"SELECT '{names.database}' AS database_name"
    named = match["columns"] or match["described"]
    of_ours = f"table_schema = '{names.database}'"
    if named is None:
        if match["in"] and _bare(match["in"]) != names.database:
            raise QueryError(f"there is no database {match['in'][:60]}; it is {names.database}")
        # Athena's pattern is of Hive: * and | stand for themselves there
        like = match["like"]
        regular = "" if like is None else like.replace("*", ".*").replace("'", "")
        only = f" AND regexp_like(table_name, '^({regular})\\z')" if regular else ""
        return (
            f"SELECT table_name AS tab_name FROM information_schema.tables WHERE {of_ours}{only} "
            "ORDER BY table_name"
        )
    table = names.known(named, declared)
    if match["columns"]:
        return (
            "SELECT column_name AS field FROM information_schema.columns "
            f"WHERE {of_ours} AND table_name = '{table}' ORDER BY ordinal_position"
        )
    return (
        "SELECT column_name AS col_name, CASE data_type WHEN 'varchar' THEN 'string' "
        "WHEN 'varbinary' THEN 'binary' ELSE data_type END AS data_type, comment "
        f"FROM information_schema.columns WHERE {of_ours} AND table_name = '{table}' "
        "ORDER BY ordinal_position"
    )


def listing(name: str, schemas: Schemas, warehouse: Warehouse, database: str) -> Listing:
    """The rows of `information_schema.…`, `TABLE$snapshots`, `TABLE$files` or `TABLE$history`."""
    table, _, what = name.partition("$")
    if what:
        return _OF_TABLE[what](warehouse, table)
    return {"information_schema.tables": _tables, "information_schema.columns": _columns}[name](
        schemas, database
    )


def _bare(name: str) -> str:
    return name.rpartition(".")[2].strip('`"').lower()


def _tables(schemas: Schemas, database: str) -> Listing:
    rows = [(CATALOG, database, name, "BASE TABLE") for name in sorted(schemas)]
    names = ("table_catalog", "table_schema", "table_name", "table_type")
    return _listing(rows, dict.fromkeys(names, "VARCHAR"))


def _columns(schemas: Schemas, database: str) -> Listing:
    def rows() -> Iterator[tuple[object, ...]]:
        for table, columns in sorted(schemas.items()):
            for number, column in enumerate(columns, start=1):
                type_, comment = (
                    TYPES[column.type].trino.lower(),
                    " ".join(column.description.split()),
                )
                place = (CATALOG, database, table, column.name, number)
                yield (*place, None, "YES", type_, comment or None, None)

    names = ("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position",
             "column_default", "is_nullable", "data_type", "comment", "extra_info")  # fmt: skip
    types = {name: "BIGINT" if name == "ordinal_position" else "VARCHAR" for name in names}
    return _listing([*rows()], types)


def _snapshots(warehouse: Warehouse, table: str) -> Listing:
    past = warehouse.history(table)
    rows = [
        (datetime.fromtimestamp(p.committed / 1000, UTC), p.snapshot_id, before)
        for p, before in zip(past, [None, *(p.snapshot_id for p in past)], strict=False)
    ]
    types = {"committed_at": "TIMESTAMPTZ", "snapshot_id": "BIGINT", "parent_id": "BIGINT"}
    return _listing(rows, types)


def _files(warehouse: Warehouse, table: str) -> Listing:
    version = warehouse.version(table)
    rows = [(0, f.uri, "PARQUET", f.rows, f.size) for f in (version.files if version else ())]
    types = {"content": "BIGINT", "file_path": "VARCHAR", "file_format": "VARCHAR",
             "record_count": "BIGINT", "file_size_in_bytes": "BIGINT"}  # fmt: skip
    return _listing(rows, types)


_OF_TABLE = {"snapshots": _snapshots, "files": _files}
_ARROW = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "TIMESTAMPTZ": pa.timestamp("us", "UTC")}


def _listing(rows: Sequence[tuple[object, ...]], types: Mapping[str, str]) -> Listing:
    fields = [pa.field(name, _ARROW[type_]) for name, type_ in types.items()]
    columns = [
        pa.array([row[number] for row in rows], field.type) for number, field in enumerate(fields)
    ]
    return Listing(pa.Table.from_arrays(columns, schema=pa.schema(fields)), types)

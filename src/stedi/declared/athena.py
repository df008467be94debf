"""Landing tables as Glue's Data Catalog keeps them: what Athena makes of their DDL."""

from __future__ import annotations

from typing import Any

from stedi.declared.contract import ColumnType, Contract

_LANDING = "_landing"
TYPES: dict[ColumnType, str] = {
    "long": "bigint",
    "double": "double",
    "string": "string",
    "binary": "binary",
}


def typed_name(table: str) -> str:
    """What a table's Iceberg table is called in Glue, where `…_landing` is the raw JSON."""
    return table.removesuffix(_LANDING) + "_typed" if table.endswith(_LANDING) else table


def table_input(contract: Contract, location: str) -> dict[str, Any]:
    """The `TableInput` of a landing table for Glue's `CreateTable` and `UpdateTable`.

    It says the same as `stedi.ddl.ddl`: an external table over the raw JSON, read by the OpenX
    SerDe. `location` is the lakehouse's root on S3.

    https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
    """
    assert contract.zone == "landing"
    return {
        "Name": contract.name,
        "Description": plain(contract.description),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "json"},
        "StorageDescriptor": {
            "Columns": [
                {
                    "Name": column.name,
                    "Type": TYPES[column.type],
                    "Comment": plain(column.description),
                }
                for column in contract.columns
            ],
            "Location": f"{location.rstrip('/')}/{contract.source}/landing/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                "Parameters": {"case.insensitive": "true", "ignore.malformed.json": "true"},
            },
        },
        "PartitionKeys": [],
    }


def plain(text: str) -> str:
    """A description as it stands in comments of tables and columns."""
    return text.replace(";", ",")  # as in the DDL, where a semicolon ends a statement

"""Landing tables as the Glue catalog keeps them: what Athena makes of their DDL."""

from __future__ import annotations

from typing import Any

from stedi.contracts import ColumnType, Contract

_TYPES: dict[ColumnType, str] = {
    "long": "bigint",
    "double": "double",
    "string": "string",
    "binary": "binary",
}


def table_input(contract: Contract, location: str) -> dict[str, Any]:
    """The `TableInput` of a landing table for Glue's `CreateTable` and `UpdateTable`.

    It says the same as `stedi.ddl.ddl`: an external table over the raw JSON, read by the OpenX
    SerDe. `location` is the lakehouse's root on S3.

    https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
    """
    assert contract.zone == "landing"
    return {
        "Name": contract.name,
        "Description": _plain(contract.description),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "json"},
        "StorageDescriptor": {
            "Columns": [
                {
                    "Name": column.name,
                    "Type": _TYPES[column.type],
                    "Comment": _plain(column.description),
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


def _plain(text: str) -> str:
    return text.replace(";", ",")  # as in the DDL, where a semicolon ends a statement

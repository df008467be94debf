"""Tables as Athena knows them: their DDL, and what AWS Glue's Data Catalog makes of it."""

from __future__ import annotations

import re
from typing import Any

from stedi.columns import TYPES
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import UsageError

_LANDING = "_landing"
_SERDE = "org.openx.data.jsonserde.JsonSerDe"
_INPUT_FORMAT = "org.apache.hadoop.mapred.TextInputFormat"
_OUTPUT_FORMAT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


def typed_name(table: str) -> str:
    """What a table's Iceberg table is called in Glue, where `…_landing` is the raw JSON."""
    return table.removesuffix(_LANDING) + "_typed" if table.endswith(_LANDING) else table


def table_input(contract: Contract, location: str) -> dict[str, Any]:
    """The `TableInput` of a landing table for Glue's `CreateTable` and `UpdateTable`.

    It says the same as `ddl`: an external table over the raw JSON, read by the OpenX
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
                    "Type": TYPES[column.type].hive,
                    "Comment": plain(column.description),
                }
                for column in contract.columns
            ],
            "Location": f"{location.rstrip('/')}/{contract.source}/landing/",
            "InputFormat": _INPUT_FORMAT,
            "OutputFormat": _OUTPUT_FORMAT,
            "SerdeInfo": {
                "SerializationLibrary": _SERDE,
                "Parameters": {"case.insensitive": "true", "ignore.malformed.json": "true"},
            },
        },
        "PartitionKeys": [],
    }


def plain(text: str) -> str:
    """A description as it stands in comments of tables and columns."""
    return text.replace(";", ",")  # as in the DDL, where a semicolon ends a statement


DEFAULT_LOCATION = "s3://YOUR-BUCKET/stedi"
_HEADER = """\
-- Athena reads the files of this table line by line, and not as stedi run does. A line that is no
-- JSON gives a row of NULLs, where stedi run quarantines it with a reason. Of several objects on a
-- line only the first is read, where stedi run reads all. docs/aws.md has an example."""


def statements(
    declarations: Declarations, table: str | None = None, location: str | None = None
) -> dict[str, str]:
    """The DDL of a table by its name, of all landing tables by default; raises `UsageError`."""
    if location is not None and not re.fullmatch(r"s3://[a-z0-9.-]+(/[\w.=/-]*)?", location):
        raise UsageError(f"--location {location}: as in s3://bucket/prefix, without quotes")
    if table is not None and table not in declarations.contracts:
        raise UsageError(f"no table {table}; there are {', '.join(declarations.contracts)}")
    contracts = [declarations.contracts[table]] if table else declarations.landing
    return {contract.name: ddl(contract, location or DEFAULT_LOCATION) for contract in contracts}


def ddl(contract: Contract, location: str = DEFAULT_LOCATION) -> str:
    """The statement that makes a table known to Athena; `location` is the lakehouse's root on S3.

    A landing table is an external table over the raw JSON, read by the OpenX SerDe, and a comment
    says how that reads; any other is an Iceberg table.
    """
    root = location.rstrip("/")
    return _landing(contract, root) if contract.zone == "landing" else _iceberg(contract, root)


def _landing(contract: Contract, root: str) -> str:
    return f"""\
{_HEADER}
CREATE EXTERNAL TABLE IF NOT EXISTS `{contract.name}` (
{_columns(contract)}
)
COMMENT '{_quoted(contract.description)}'
ROW FORMAT SERDE '{_SERDE}'
WITH SERDEPROPERTIES ('case.insensitive' = 'true', 'ignore.malformed.json' = 'true')
STORED AS INPUTFORMAT '{_INPUT_FORMAT}'
OUTPUTFORMAT '{_OUTPUT_FORMAT}'
LOCATION '{root}/{contract.source}/landing/'
TBLPROPERTIES ('classification' = 'json');
"""


def _iceberg(contract: Contract, root: str) -> str:
    return f"""\
CREATE TABLE IF NOT EXISTS `{contract.name}` (
{_columns(contract)}
)
COMMENT '{_quoted(contract.description)}'
LOCATION '{root}/{contract.location}/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');
"""


def _columns(contract: Contract) -> str:
    return ",\n".join(
        f"  `{column.name}` {TYPES[column.type].hive} COMMENT '{_quoted(column.description)}'"
        for column in contract.columns
    )


def _quoted(text: str) -> str:
    return plain(text).replace("'", "''")

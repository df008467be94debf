"""Athena's DDL of the declared tables, made from their contracts."""

from __future__ import annotations

from collections.abc import Iterator

from stedi.declared.athena import TYPES, plain
from stedi.declared.contract import Column, Contract

DEFAULT_LOCATION = "s3://YOUR-BUCKET/stedi"
_HEADER = """\
-- Athena reads the files of this table line by line, and not as stedi run does. A line that is no
-- JSON gives a row of NULLs, where stedi run sets it aside with a reason. Of several objects on a
-- line only the first is read, where stedi run reads all. docs/aws.md has an example."""


def ddl(contract: Contract, location: str = DEFAULT_LOCATION) -> str:
    """The statement that makes a table known to Athena; `location` is the lakehouse's root on S3.

    A landing table is an external table over the raw JSON, read by the OpenX SerDe, and a comment
    says how that reads; any other is an Iceberg table.
    """
    root = location.rstrip("/")
    return _landing(contract, root) if contract.zone == "landing" else _iceberg(contract, root)


def _landing(contract: Contract, root: str) -> str:
    return "\n".join(
        [
            _HEADER,
            f"CREATE EXTERNAL TABLE IF NOT EXISTS `{contract.name}` (",
            ",\n".join(_columns(contract.columns)),
            ")",
            f"COMMENT '{_quoted(contract.description)}'",
            "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'",
            "WITH SERDEPROPERTIES ('case.insensitive' = 'true', 'ignore.malformed.json' = 'true')",
            "STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'",
            "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'",
            f"LOCATION '{root}/{contract.source}/landing/'",
            "TBLPROPERTIES ('classification' = 'json');",
            "",
        ]
    )


def _iceberg(contract: Contract, root: str) -> str:
    return "\n".join(
        [
            f"CREATE TABLE IF NOT EXISTS `{contract.name}` (",
            ",\n".join(_columns(contract.columns)),
            ")",
            f"COMMENT '{_quoted(contract.description)}'",
            f"LOCATION '{root}/{contract.location}/'",
            "TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');",
            "",
        ]
    )


def _columns(columns: tuple[Column, ...]) -> Iterator[str]:
    for column in columns:
        yield f"  `{column.name}` {TYPES[column.type]} COMMENT '{_quoted(column.description)}'"


def _quoted(text: str) -> str:
    return plain(text).replace("'", "''")

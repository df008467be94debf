"""Glue has the same landing tables as the DDL."""

from __future__ import annotations

import re
from typing import Any

import pytest

from stedi.declared import packaged, read_declarations
from stedi.declared.athena import ddl, table_input
from stedi.declared.contract import Contract

LANDING = read_declarations(packaged()).landing
TEXT = r"'((?:[^']|'')*)'"


def declared(statement: str) -> dict[str, Any]:
    """The table that a DDL statement makes, read from its text."""
    head, columns, options = re.split(r" \(\n|\n\)\n", statement)

    def text(before: str) -> str:
        found = re.search(f"^{before} ?{TEXT}", options, re.MULTILINE)
        assert found, before
        return found[1].replace("''", "'")

    def pairs(before: str) -> dict[str, str]:
        found = re.search(rf"^{before} \((.*)\);?$", options, re.MULTILINE)
        assert found, before
        return dict(re.findall(f"{TEXT} = {TEXT}", found[1]))

    return {
        "Name": head.rpartition("CREATE EXTERNAL TABLE IF NOT EXISTS ")[2].strip("`"),
        "Description": text("COMMENT"),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE"} | pairs("TBLPROPERTIES"),
        "StorageDescriptor": {
            "Columns": [
                {"Name": name, "Type": type_, "Comment": comment.replace("''", "'")}
                for name, type_, comment in re.findall(
                    rf"^  `(.*?)` (\w+) COMMENT {TEXT},?$", columns, re.MULTILINE
                )
            ],
            "Location": text("LOCATION"),
            "InputFormat": text("STORED AS INPUTFORMAT"),
            "OutputFormat": text("OUTPUTFORMAT"),
            "SerdeInfo": {
                "SerializationLibrary": text("ROW FORMAT SERDE"),
                "Parameters": pairs("WITH SERDEPROPERTIES"),
            },
        },
        "PartitionKeys": [],
    }


@pytest.mark.parametrize("contract", LANDING, ids=lambda contract: contract.name)
@pytest.mark.parametrize("location", ["s3://bucket/stedi", "s3://bucket/stedi/"])
def test_glue_is_told_what_the_ddl_says(contract: Contract, location: str) -> None:
    told = table_input(contract, location)
    assert told == declared(ddl(contract, location))
    assert len(told["StorageDescriptor"]["Columns"]) == len(contract.columns)

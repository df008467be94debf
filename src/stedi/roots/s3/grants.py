"""Rights to columns, granted in AWS Lake Formation to the roles that are declared.

A table that is rebuilt has lost its grants, so every run makes them again. They say which columns
a role reads of which table; a role that has none reads nothing.
https://docs.aws.amazon.com/lake-formation/latest/dg/hybrid-access-mode.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

READERS = "STEDI_READERS"
"""The environment variable with the ARNs of roles, separated by commas."""
_THERE = ("AlreadyExistsException",)


def readers() -> list[str]:
    """The roles that read by Lake Formation; none where nobody is declared."""
    return [one.strip() for one in os.environ.get(READERS, "").split(",") if one.strip()]


def grant(database: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Let the declared roles read these columns of tables; returns what could not be done.

    Data are safe either way: what isn't granted isn't read.
    """
    if not (roles := readers()):
        return []
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    failed: list[str] = []
    try:
        client = boto3.client("lakeformation")
    except BotoCoreError as error:
        return [_told(roles[0], "AWS Lake Formation", type(error).__name__)]
    for role in roles:
        for what, operation, request in _requests(role, database, columns):
            try:
                getattr(client, operation)(**request)
            except ClientError as error:
                if (code := error.response["Error"]["Code"]) not in _THERE:
                    failed.append(_told(role, what, code))
            except BotoCoreError as error:
                failed.append(_told(role, what, type(error).__name__))
    return failed


def _requests(
    role: str, database: str, columns: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    principal = {"DataLakePrincipalIdentifier": role}
    for table, names in columns.items():
        resource = {"Table": {"DatabaseName": database, "Name": table}}
        selected = {"DatabaseName": database, "Name": table, "ColumnNames": [*names]}
        yield (
            table,
            "grant_permissions",
            {
                "Principal": principal,
                "Resource": {"TableWithColumns": selected},
                "Permissions": ["SELECT"],
            },
        )
        yield (
            table,
            "create_lake_formation_opt_in",
            {"Principal": principal, "Resource": resource},
        )


def _told(role: str, what: str, why: str) -> str:
    name = role.rpartition("/")[2]
    return (
        f"{name} may not read {what}: its columns could not be granted in AWS Lake Formation "
        f"({why}). The role of the run has to be allowed to, and to be an administrator there"
    )

"""A SELECT run by Athena, and what it cost.

The statement is read and checked as `stedi query` does, and what was read is what is sent. There,
the landing tables' names mean Athena's external tables over the raw files.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import sleep
from typing import Any

import pyarrow as pa

from stedi.catalogue import as_select
from stedi.declared.athena import typed_name
from stedi.errors import QueryError, Unavailable, UsageError
from stedi.extras import to_install
from stedi.sql.parameters import Parameter, filled_in
from stedi.sql.statement import Names, named_for_athena, read_only
from stedi.sql.tree import DIALECT

DOLLARS_PER_TB = 5.0
"""For data that is scanned, in us-east-1: https://aws.amazon.com/athena/pricing/, November 2026."""
_MB, _TB = 1 << 20, 1 << 40
_LEAST_MB = 10
"""What a query counts as at least, by the same page; megabytes are begun ones."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0  # seconds
_ROWS_A_PAGE = 1000  # the most that Athena returns


class AthenaResult:
    """What a query on Athena returns, page by page, and how much it scanned for it, in bytes."""

    def __init__(
        self, first: Mapping[str, Any], rest: Iterator[Mapping[str, Any]], scanned: int
    ) -> None:
        self._first, self._rest = first, rest
        self._columns = first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        self.bytes_scanned = scanned

    @property
    def cost(self) -> float:
        """About what it costs, in US dollars."""
        return cost(self.bytes_scanned)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, in order."""
        return pa.schema([(column["Name"], _arrow_type(column)) for column in self._columns])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield self._batch(self._first["ResultSet"]["Rows"][1:])  # the first row has the names
        with _in_our_words():
            for page in self._rest:
                yield self._batch(page["ResultSet"]["Rows"])

    def to_arrow(self) -> pa.Table:
        """All rows, in memory."""
        return pa.Table.from_batches(list(self), schema=self.schema)

    def _batch(self, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        texts = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
        columns = list(zip(*texts, strict=True)) or [()] * len(self._columns)
        arrays = list(map(_array, columns, self.schema.types))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def query(
    sql: str,
    tables: Iterable[str],
    *,
    database: str,
    workgroup: str | None = None,
    output_location: str | None = None,
    parameters: Sequence[Parameter] = (),
) -> AthenaResult:
    """Run a SELECT over these tables of a database on Athena, and wait for it.

    SHOW TABLES, SHOW COLUMNS and DESCRIBE are sent as what they stand for.

    Args:
        sql: One statement in Athena's SQL.
        tables: What it may read, by their names here; Iceberg tables also by theirs in Glue.
        database: Where they stand in the Glue Data Catalog.
        workgroup: Whose limits and settings hold; Athena's `primary` by default.
        output_location: Where on S3 Athena keeps the result; by default where the workgroup says.
        parameters: Values for question marks, which are sent as literals.

    Raises `QueryError` for a statement that doesn't just read, or that Athena refuses or fails on,
    and `Unavailable` where Athena can't be reached or a right is missing. When it is interrupted
    while it waits, it stops the query on Athena.

    """
    if output_location is not None and not output_location.startswith("s3://"):
        raise UsageError(f"--output-location {output_location}: as in s3://bucket/prefix/")
    declared, names = {*tables, *map(typed_name, tables)}, Names(database)
    sql = as_select(sql, declared, names) or sql
    tree = filled_in(sql, lambda text: read_only(text, declared, names), parameters)
    statement = named_for_athena(tree, names).sql(DIALECT, comments=False)
    options: dict[str, Any] = {"WorkGroup": workgroup} if workgroup else {}
    if output_location:
        options["ResultConfiguration"] = {"OutputLocation": output_location}
    with _in_our_words():
        client = _client()
        execution = client.start_query_execution(
            QueryString=statement, QueryExecutionContext={"Database": database}, **options
        )["QueryExecutionId"]
        scanned = _wait(client, execution)
        pages = client.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution, PaginationConfig={"PageSize": _ROWS_A_PAGE}
        )
        rest = iter(pages)
        return AthenaResult(next(rest), rest, scanned)


def cost(scanned: int) -> float:
    """About what a query costs that scanned so many bytes, in US dollars."""
    megabytes = max(-(-scanned // _MB), _LEAST_MB)
    return megabytes * _MB / _TB * DOLLARS_PER_TB


def _client() -> Any:
    try:
        import boto3
    except ImportError:
        raise Unavailable(f"--athena needs boto3: {to_install('aws')}") from None
    return boto3.client("athena")


def _wait(client: Any, execution: str) -> int:
    """Bytes scanned, when the query is done."""
    wait = _FIRST_WAIT
    try:
        while True:
            query = client.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
            status = query["Status"]
            if status["State"] == "SUCCEEDED":
                return int(query.get("Statistics", {}).get("DataScannedInBytes", 0))
            if status["State"] in ("FAILED", "CANCELLED"):
                raise _failed(status["State"], status.get("StateChangeReason", ""))
            sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)
    except KeyboardInterrupt:
        client.stop_query_execution(QueryExecutionId=execution)
        raise


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Say in our words what the AWS SDK raises."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:  # _client says so
        yield
        return
    try:
        yield
    except ClientError as error:
        raise _refused(error.operation_name, error.response.get("Error", {})) from None
    except BotoCoreError as error:
        first = str(error).splitlines()[0]
        raise Unavailable(
            f"Athena can't be reached: {first.rstrip('.')}. `aws configure` sets region and keys, "
            "AWS_DEFAULT_REGION and a role do too"
        ) from None


_MISSING_RIGHT = re.compile(r"not authorized to perform: ?(\S+)(?: on resource:? ?(\S+))?")
_MISSING_ON_S3 = (
    (re.compile(r"Permission denied on S3 path: ?(\S+)"), "s3:GetObject"),
    (re.compile(r"Access denied when writing (?:output )?to \w+:? ?(\S+)"), "s3:PutObject"),
)  # fmt: skip
_ABOUT_THE_STATEMENT = re.compile(
    r"(SYNTAX_ERROR|TYPE_MISMATCH|(COLUMN|TABLE|SCHEMA|CATALOG|FUNCTION|VIEW)_NOT_FOUND|"
    r"MISSING_\w+|AMBIGUOUS_NAME|DUPLICATE_COLUMN_NAME|NOT_SUPPORTED|EXPRESSION_NOT_\w+|"
    r"line \d+:\d+)\b"
)
"""Begins of messages that are about the statement; others can hold values of rows."""


def _refused(operation: str, error: Mapping[str, Any]) -> QueryError | Unavailable:
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if missing := _missing_right(message):
        return missing
    if code.startswith("AccessDenied"):
        return _no_right_to(f"athena:{operation}")
    if code == "InvalidRequestException":
        return QueryError(f"Athena refuses the query: {message}")
    return Unavailable(f"Athena: {operation} failed ({code}); try again, or see its console")


def _failed(state: str, reason: str) -> QueryError | Unavailable:
    if missing := _missing_right(reason):
        return missing
    if state == "CANCELLED":
        return QueryError(
            "the query was cancelled on Athena, by somebody or by a limit of the workgroup"
        )
    if _ABOUT_THE_STATEMENT.match(reason):
        return QueryError(f"Athena: {reason.splitlines()[0]}")
    code = re.match(r"[A-Z][A-Z_]+", reason)
    return QueryError(
        f"the query failed on Athena ({code[0] if code else 'no reason known'}); its console shows "
        "more, which can hold values of rows"
    )


def _missing_right(message: str) -> Unavailable | None:
    """Names action and resource, and not who lacks the right."""
    if match := _MISSING_RIGHT.search(message):
        on = f" on {match[2].rstrip('.,')}" if match[2] else ""
        return _no_right_to(match[1] + on)
    for pattern, action in _MISSING_ON_S3:
        if match := pattern.search(message):
            return _no_right_to(f"{action} on {match[1].rstrip('.,')}")
    return None


def _no_right_to(what: str) -> Unavailable:
    return Unavailable(f"Athena: no right to {what}; docs/aws.md lists the rights")


_TYPES: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "varbinary": pa.binary(),
}
"""Other types, lists among them, are given as Athena's text."""

_PARSERS: Mapping[pa.DataType, Callable[[str], Any]] = {
    pa.timestamp("us"): datetime.fromisoformat,
    pa.binary(): bytes.fromhex,
}
"""Types whose text Arrow doesn't read as Athena writes it."""


def _arrow_type(column: Mapping[str, Any]) -> pa.DataType:
    if column["Type"] == "decimal":
        return pa.decimal128(column.get("Precision", 38), column.get("Scale", 0))
    return _TYPES.get(column["Type"], pa.string())


def _array(texts: Sequence[str | None], type_: pa.DataType) -> pa.Array:
    if parse := _PARSERS.get(type_):
        return pa.array([None if text is None else parse(text) for text in texts], type_)
    return pa.array(texts, pa.string()).cast(type_)

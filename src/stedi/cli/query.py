"""`stedi query`: one SELECT, here or on Athena; its rows are printed, or written to a file."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Protocol

from typer import Argument, BadParameter, Option, echo

from stedi.cli.show import line, table, until_closed
from stedi.cli.verb import Call, Json, verb
from stedi.errors import QueryError
from stedi.text import visible

_ROWS_SHOWN = 50
_FORMULA = r"^[=+@\t\r-]"
"""How texts begin that spreadsheets run (OWASP, CSV injection)."""


class Format(StrEnum):
    """How the rows of a query are printed."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


FormatOption = Annotated[
    Format, Option("--format", help="How rows are printed; in a FILE, by its ending.")
]
Output = Annotated[
    Path | None, Option("--output", "-o", metavar="FILE", help="Write there instead of printing.")
]


class Batches(Protocol):
    """Batches in batches: the result of a query, or an Arrow reader."""

    @property
    def schema(self) -> Any:
        """Names and types of the columns."""

    def __iter__(self) -> Iterator[Any]: ...


@verb(without=["quiet"])
def query(
    call: Call,
    sql: Annotated[str, Argument(metavar="SQL", help="One SELECT in Athena's SQL.")],
    format_: FormatOption = Format.table,
    output: Output = None,
    as_of: Annotated[
        str | None,
        Option(
            metavar="TIME",
            help="The tables as they were then: 2026-11-26T09:30 by this machine's time zone, or "
            "2026-11-26T09:30Z.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        Option(metavar="SECONDS", help="How long it may take here. [default: 600]"),
    ] = None,
    memory: Annotated[
        str | None,
        Option(metavar="SIZE", help="As in 4GB; more is spilled to disk. [default: half of all]"),
    ] = None,
    safe: Annotated[
        bool | None,
        Option(
            "--safe/--no-safe",
            help="In CSV, put a quote before texts that a spreadsheet would run as formulas. "
            "[default: where CSV goes to a file]",
        ),
    ] = None,
    athena: Annotated[
        bool, Option("--athena", help="Run it on Athena, and say what that cost.")
    ] = False,
    workgroup: Annotated[
        str | None, Option(metavar="NAME", help="Athena's workgroup. [default: primary]")
    ] = None,
    output_location: Annotated[
        str | None,
        Option(metavar="S3-URI", help="Where Athena keeps the result. [default: the workgroup's]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask every table in Athena's SQL. Landing and quarantine are tables, too."""
    if output and output.parts[0] == "s3:":
        raise BadParameter("--output is a file here; --output-location is on S3")
    format_ = chosen_format(format_, output, as_json)
    lakehouse = call.lakehouse
    if not athena:
        if workgroup or output_location:
            raise BadParameter("--workgroup and --output-location need --athena")
        from stedi.engines.memory import at_most, half_of_memory, size_in_bytes

        size = half_of_memory() if memory is None else size_in_bytes(memory, "--memory")
        with at_most(size):
            rows = lakehouse.query(sql, as_of=as_of, timeout=timeout, memory=size)
            show_rows(rows, format_, output, safe)
        return
    if timeout is not None or memory is not None:
        raise BadParameter("--timeout and --memory are for queries that run here")
    if as_of is not None:
        raise BadParameter("--as-of is not for --athena; write FOR TIMESTAMP AS OF there")
    result = lakehouse.query_athena(sql, workgroup=workgroup, output_location=output_location)
    echo(
        f"Athena scanned {result.bytes_scanned:,} bytes, for about {result.cost:.5f} US$", err=True
    )
    show_rows(result, format_, output, safe)


def chosen_format(format_: Format, output: Path | None, as_json: bool) -> Format:
    """How rows are printed, or written to a file: by its ending, where nothing else is said."""
    if output and not output.parent.is_dir():
        raise BadParameter(f"--output {output}: there is no folder {output.parent}")
    if as_json:
        is_other = output and output.suffix.lower() in {f".{f}" for f in Format} - {".json"}
        if format_ not in (Format.table, Format.json) or is_other:
            raise BadParameter("--json: give that, or another format, not both")
        return Format.json
    if output is None or format_ is not Format.table:
        if format_ is Format.parquet and output is None:
            raise BadParameter("--format parquet needs --output FILE")
        return format_
    by_ending = {f".{f}": f for f in Format if f is not Format.table}
    if output.suffix.lower() not in by_ending:
        known = ", ".join(by_ending)
        raise BadParameter(f"--output {output}: give it an ending of {known}, or --format")
    return by_ending[output.suffix.lower()]


def show_rows(
    result: Batches, format_: Format, output: Path | None, safe: bool | None = None
) -> None:
    """Print rows, or write them to a file.

    In a file, which people open with a spreadsheet, CSV is `safe` by default; programs that read it
    from a pipe get texts as they are.
    """
    if format_ is Format.csv and (_goes_to_file(output) if safe is None else safe):
        result = _WithoutFormulas(result)
    if format_ is Format.table and output is None:
        _print_table(result)
    elif output is None:
        with until_closed():
            _write(result, format_, sys.stdout.buffer)
    elif output.is_symlink() or (output.exists() and not output.is_file()):  # as /dev/stdout is
        with output.open("wb") as file:
            _write(result, format_, file)
    else:
        part = output.with_name(f".{output.name}.part")
        try:
            with part.open("wb") as file:
                _write(result, format_, file)
            part.replace(output)  # which stays what it was where anything fails
        finally:
            part.unlink(missing_ok=True)


def _goes_to_file(output: Path | None) -> bool:
    if output is not None:
        return not output.exists() or output.is_file()
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):  # no file is behind it
        return False


class _WithoutFormulas:
    """Batches whose texts no spreadsheet takes for formulas: a quote stands before those."""

    def __init__(self, result: Batches) -> None:
        self._result, self.schema = result, result.schema

    def __iter__(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow.types import is_string

        for batch in self._result:
            columns = [
                pc.if_else(
                    pc.match_substring_regex(column, _FORMULA),
                    pc.binary_join_element_wise("'", column, ""),
                    column,
                )
                if is_string(column.type)
                else column
                for column in batch.columns
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _print_table(result: Batches) -> None:
    rows = (
        row for batch in result for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
    )
    texts = (
        ["" if value is None else visible(str(value)) for value in row]
        for row in islice(rows, _ROWS_SHOWN)
    )
    table(result.schema.names, texts, width=10_000)  # a terminal wraps lines better than columns
    if more := sum(1 for _ in rows):
        line(f"… and {more:,} more rows; --format csv prints all")


def _write(result: Batches, format_: Format, file: BinaryIO) -> None:
    if format_ is Format.json:
        _write_json(result, file)
    else:
        with _writer(result, format_, file) as writer:
            for batch in result:
                writer.write_batch(batch)
    file.flush()


def _writer(result: Batches, format_: Format, file: BinaryIO) -> Any:
    if format_ is Format.parquet:
        from pyarrow.parquet import ParquetWriter

        _refuse_twice(result)
        return ParquetWriter(file, result.schema)
    from pyarrow.csv import CSVWriter
    from pyarrow.types import is_nested

    if nested := [field.name for field in result.schema if is_nested(field.type)]:
        raise QueryError(f"column {nested[0]}: no list fits into CSV; use --format json")
    return CSVWriter(file, result.schema)


def _write_json(result: Batches, file: BinaryIO) -> None:
    """A JSON array of objects, one row a line."""
    _refuse_twice(result)
    begin = "[\n"
    for batch in result:
        for row in batch.to_pylist():
            text = json.dumps(_finite(row), default=_as_json, ensure_ascii=False, allow_nan=False)
            file.write((begin + text).encode())
            begin = ",\n"
    file.write(b"[]\n" if begin == "[\n" else b"\n]\n")


def _refuse_twice(result: Batches) -> None:
    names = result.schema.names
    if twice := [name for name in names if names.count(name) > 1]:
        raise QueryError(f"column {twice[0]} twice; name one of them otherwise with AS")


def _finite(value: Any) -> Any:
    """What JSON has no number for (infinity, NaN) as text, wherever it stands."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(element) for key, element in value.items()}
    return [_finite(element) for element in value] if isinstance(value, list) else value


def _as_json(value: object) -> Any:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)

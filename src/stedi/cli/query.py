"""`stedi query`: runs one SELECT, here or on Athena; prints its rows, or writes them to a file."""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Protocol

from typer import Argument, BadParameter, Option, echo

from stedi.cli.show import line, until_closed
from stedi.cli.verb import Call, Json, verb
from stedi.errors import QueryError
from stedi.text import counted, folded, visible, visible_json, visible_lines
from stedi.written import begun

ROWS_SHOWN = 50
_FORMULA = r"^[=+@\t\r-]"
"""How texts begin that spreadsheets run (OWASP, CSV injection)."""


class Format(StrEnum):
    """How the rows of a query are printed."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    arrow = "arrow"
    parquet = "parquet"


FormatOption = Annotated[
    Format, Option("--format", help="Output format; for a FILE, its ending decides.")
]
Output = Annotated[
    Path | None, Option("--output", "-o", metavar="FILE", help="Write the rows to a file.")
]


@dataclass(frozen=True)
class Rows:
    """The batches of a query that runs here."""

    schema: Any
    rows: Iterator[Any]

    def __iter__(self) -> Iterator[Any]:
        return self.rows


class Batches(Protocol):
    """Batches in batches: the result of a query, or an Arrow reader."""

    @property
    def schema(self) -> Any:
        """Names and types of the columns."""

    def __iter__(self) -> Iterator[Any]: ...


@verb(without=["quiet"])
def query(
    call: Call,
    sql: Annotated[
        str | None,
        Argument(
            metavar="SQL",
            help="One statement in Athena's SQL: SELECT, EXPLAIN, SHOW TABLES, SHOW COLUMNS or "
            "DESCRIBE; - reads it from standard input.",
        ),
    ] = None,
    file: Annotated[
        Path | None, Option("--file", "-f", metavar="FILE", help="Read the statement from a file.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        Option(
            "--param",
            metavar="VALUE",
            help="Value for the next question mark: a number, NULL, true, or text, "
            "in quotes where it looks like one of them.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        Option(
            metavar="ROWS",
            min=0,
            help="Maximum rows to print. [default: 50 on a terminal, else all]",
        ),
    ] = None,
    format_: FormatOption = Format.table,
    output: Output = None,
    as_of: Annotated[
        str | None,
        Option(
            metavar="TIME",
            help="Read the tables as of this time: 2026-11-26T09:30 in local time, or "
            "2026-11-26T09:30Z.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        Option(metavar="SECONDS", help="Time limit. [default: 600]"),
    ] = None,
    memory: Annotated[
        str | None,
        Option(
            metavar="SIZE",
            help="Memory limit, such as 4GB. [default: half of the machine's memory]",
        ),
    ] = None,
    safe: Annotated[
        bool | None,
        Option(
            "--safe/--no-safe",
            help="In CSV, put a quote before text that a spreadsheet would run as a formula. "
            "[default: --safe for a file]",
        ),
    ] = None,
    athena: Annotated[
        bool, Option("--athena", help="Run the statement on AWS Athena, and print its cost.")
    ] = False,
    workgroup: Annotated[
        str | None, Option(metavar="NAME", help="Athena workgroup. [default: primary]")
    ] = None,
    output_location: Annotated[
        str | None,
        Option(
            metavar="S3-URI",
            help="Where Athena writes the result. [default: the workgroup's location]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Query any table with Athena SQL, landing and quarantine tables included."""
    if output and output.parts[:1] == ("s3:",):
        raise BadParameter("--output is a file here; --output-location is on S3")
    format_ = chosen_format(format_, output, as_json)
    from stedi.sql.parameters import read_parameter

    lakehouse, statement = call.lakehouse, _statement(sql, file)
    values = [*map(read_parameter, parameters or ())]
    if not athena:
        if workgroup or output_location:
            raise BadParameter("--workgroup and --output-location need --athena")
        from stedi.engines.memory import at_most, half_of_memory, size_in_bytes

        size = half_of_memory() if memory is None else size_in_bytes(memory, "--memory")
        with at_most(size):
            rows = lakehouse.query(
                statement,
                parameters=values,
                as_of=as_of,
                timeout=timeout,
                memory=size,
            )
            for notice in rows.notices:
                echo(folded(f"Note: {notice}.", sys.stderr), err=True)
            show_rows(Rows(rows.schema, rows.batches()), format_, output, safe, limit)
        return
    if timeout is not None or memory is not None:
        raise BadParameter("--timeout and --memory are for queries that run here")
    if as_of is not None:
        raise BadParameter("--as-of is not for --athena; write FOR TIMESTAMP AS OF there")
    result = lakehouse.query_athena(
        statement, workgroup=workgroup, output_location=output_location, parameters=values
    )
    echo(
        f"Athena scanned {result.bytes_scanned:,} bytes, for about {result.cost:.5f} US$", err=True
    )
    show_rows(result, format_, output, safe, limit)


def _statement(sql: str | None, file: Path | None) -> str:
    """The statement, wherever it is."""
    if (sql is None) == (file is None):
        raise BadParameter("give a statement, or --file FILE with one")
    try:
        if file is not None and str(file) != "-":
            return file.read_text(encoding="utf-8")
        return sys.stdin.read() if sql is None or sql == "-" else sql
    except OSError as error:
        raise BadParameter(f"--file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadParameter(f"--file {file or '-'}: not UTF-8") from None


def chosen_format(format_: Format, output: Path | None, as_json: bool) -> Format:
    """How rows are printed, or written to a file: by its ending, where nothing else is said."""
    if output and output.is_dir():
        raise BadParameter(f"--output {output}: is a folder; name a file in it")
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
    by_ending = {f".{f}": f for f in Format if f is not Format.table} | {".md": Format.markdown}
    if output.suffix.lower() not in by_ending:
        known = ", ".join(by_ending)
        raise BadParameter(f"--output {output}: give it an ending of {known}, or --format")
    return by_ending[output.suffix.lower()]


def show_rows(
    result: Batches,
    format_: Format,
    output: Path | None,
    safe: bool | None = None,
    limit: int | None = None,
    *,
    all_by: str = "--limit ROWS",
) -> None:
    """Print rows, or write them to a file. If a limit cuts them, a note says what prints all.

    In a file, which people open with a spreadsheet, CSV is `safe` by default; programs that read it
    from a pipe get texts as they are.
    """
    if limit is None and output is None and format_ is Format.table and sys.stdout.isatty():
        limit = ROWS_SHOWN
    first = None if limit is None else _First(result, limit)
    _show(first or result, format_, output, safe)
    if first and first.cut:
        sys.stdout.flush()  # the note comes behind the rows
        note = f"… and {counted(first.cut, 'more row')}; {all_by} prints more"
        echo(note, err=True)


def _show(result: Batches, format_: Format, output: Path | None, safe: bool | None) -> None:
    if format_ is Format.csv and (_goes_to_file(output) if safe is None else safe):
        result = _WithoutFormulas(result)
    if format_ is Format.table and output is None:
        _print_table(result)
    elif output is None:
        is_seen = format_ is Format.csv and sys.stdout.isatty()
        with until_closed():
            seen: Any = _Terminal(sys.stdout.buffer)
            _write(result, format_, seen if is_seen else sys.stdout.buffer)
    elif output.is_symlink() or (output.exists() and not output.is_file()):  # as /dev/stdout is
        with _naming(output), output.open("wb") as file:
            _write(result, format_, file)
    else:
        result = _Seen(result)
        part = begun(output)
        try:
            with _naming(output), part.open("wb") as file:
                _write(result, format_, file)
            part.replace(output)  # which stays what it was where anything fails
        finally:
            part.unlink(missing_ok=True)
        size = f"{output.stat().st_size:,} bytes"
        echo(f"Wrote {counted(result.rows, 'row')} to {output} ({size})", err=True)


@contextmanager
def _naming(output: Path) -> Iterator[None]:
    """Name the file where it can't be written to, as on a disk that is full."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(output)) from None


class _Terminal(io.RawIOBase):
    """Lines of text on their way to a terminal, which is to obey none of it."""

    def __init__(self, terminal: BinaryIO) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._terminal.write(visible_lines(self._decoder.decode(bytes(content))).encode())
        return len(content)


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


class _Seen:
    """Batches, whose rows are counted as they pass."""

    def __init__(self, result: Batches) -> None:
        self._result, self.schema, self.rows = result, result.schema, 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self._result:
            self.rows += batch.num_rows
            yield batch


class _First:
    """The first rows of batches; the others are counted."""

    def __init__(self, result: Batches, limit: int) -> None:
        self._result, self.schema, self._limit = result, result.schema, limit
        self.cut = 0

    def __iter__(self) -> Iterator[Any]:
        left = self._limit
        for batch in self._result:
            if left:
                yield batch.slice(0, left)
            self.cut += max(0, batch.num_rows - left)
            left = max(0, left - batch.num_rows)


def _texts(result: Batches) -> Iterator[list[str]]:
    """Rows as Athena shows their values, what could command a terminal spelled out."""
    from stedi.shown import NULL, shower

    showers = [shower(field.type) for field in result.schema]
    for batch in result:
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            texts = (show(value) for show, value in zip(showers, row, strict=True))
            yield [NULL if text is None else visible(text) for text in texts]


def _print_table(result: Batches) -> None:
    from pyarrow import types

    names = [visible(name) for name in result.schema.names]
    is_number = [
        types.is_integer(t) or types.is_floating(t) or types.is_decimal(t)
        for t in result.schema.types
    ]
    rows = [*_texts(result)]
    widths = [max(len(name), *(len(row[n]) for row in rows), 0) if rows else len(name)
              for n, name in enumerate(names)]  # fmt: skip
    if sys.stdout.isatty() and sum(widths) + 2 * len(widths) > _terminal_width():
        _print_records(names, rows)
        return
    columns = [*zip(is_number, widths, strict=True)]

    def aligned(cells: list[str]) -> str:
        placed = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, (right, width) in zip(cells, columns, strict=True)
        )
        return "  ".join(placed).rstrip()

    line(aligned(names))
    line("  ".join("-" * width for width in widths))
    for row in rows:
        line(aligned(row))


def _print_records(names: list[str], rows: list[list[str]]) -> None:
    """Rows that are wider than the terminal: a column a line."""
    width = max(map(len, names))
    for number, row in enumerate(rows, start=1):
        line(f"-- row {number:,}")
        for name, text in zip(names, row, strict=True):
            line(f"{name.ljust(width)}  {text}")


def _terminal_width() -> int:
    return shutil.get_terminal_size().columns


def _write_markdown(result: Batches, file: BinaryIO) -> None:
    def row(cells: Iterable[str]) -> bytes:
        escaped = (cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(escaped)} |\n".encode()

    names = [visible(name) for name in result.schema.names]
    file.write(row(names) + row("---" for _ in names))
    for texts in _texts(result):
        file.write(row(texts))


def _write(result: Batches, format_: Format, file: BinaryIO) -> None:
    if format_ is Format.json:
        _write_json(result, file)
    elif format_ is Format.jsonl:
        _write_lines(result, file)
    elif format_ is Format.markdown:
        _write_markdown(result, file)
    else:
        if format_ is Format.csv:
            result = _Flat(result, _is_text_in_csv)
        elif format_ is Format.parquet:
            result = _Flat(result, _has_interval)
        with _writer(result, format_, file) as writer:
            for batch in result:
                writer.write_batch(batch)
    file.flush()


def _is_text_in_csv(type_: Any) -> bool:
    """Whether Athena's CSV has values of that type as it shows them: no CSV has a form for them."""
    from pyarrow import types

    return bool(types.is_nested(type_) or types.is_interval(type_) or types.is_binary(type_))


def _has_interval(type_: Any) -> bool:
    """Whether an interval is in values of that type, which PyArrow's Parquet has no form for."""
    from pyarrow import types

    inner = [type_.field(n).type for n in range(type_.num_fields)]
    return bool(types.is_interval(type_)) or any(map(_has_interval, inner))


class _Flat:
    """Batches whose columns of certain types are texts, as Athena shows their values."""

    def __init__(self, result: Batches, is_text: Callable[[Any], bool]) -> None:
        import pyarrow as pa

        self._result = result
        self._is_text = [*map(is_text, result.schema.types)]
        self.schema = pa.schema(
            pa.field(f.name, pa.string() if text else f.type)
            for f, text in zip(result.schema, self._is_text, strict=True)
        )

    def __iter__(self) -> Iterator[Any]:
        import pyarrow as pa

        from stedi.shown import shower

        for batch in self._result:
            columns = [
                pa.array([*map(shower(column.type), column.to_pylist())], pa.string())
                if text
                else column
                for column, text in zip(batch.columns, self._is_text, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _writer(result: Batches, format_: Format, file: BinaryIO) -> Any:
    if format_ is Format.parquet:
        from pyarrow.parquet import ParquetWriter

        _refuse_twice(result)
        return ParquetWriter(file, result.schema)
    if format_ is Format.arrow:
        from pyarrow import ipc

        return ipc.new_stream(file, result.schema)
    from pyarrow.csv import CSVWriter

    return CSVWriter(file, result.schema)


def _write_json(result: Batches, file: BinaryIO) -> None:
    """A JSON array of objects, one row a line."""
    _refuse_twice(result)
    begin = "[\n"
    for batch in result:
        for row in batch.to_pylist():
            file.write((begin + _json(row)).encode())
            begin = ",\n"
    file.write(b"[]\n" if begin == "[\n" else b"\n]\n")


def _write_lines(result: Batches, file: BinaryIO) -> None:
    """A JSON object a line."""
    _refuse_twice(result)
    for batch in result:
        for row in batch.to_pylist():
            file.write(f"{_json(row)}\n".encode())


def _json(row: object) -> str:
    return visible_json(
        json.dumps(_finite(row), default=_as_json, ensure_ascii=False, allow_nan=False)
    )


def _refuse_twice(result: Batches) -> None:
    names = result.schema.names
    if twice := [name for name in names if names.count(name) > 1]:
        raise QueryError(f"column {twice[0]} twice; name one of them otherwise with AS")


def _finite(value: Any) -> Any:
    """What JSON has no form for (infinity, NaN, intervals) as text, wherever it is."""
    from stedi.shown import interval

    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(element) for key, element in value.items()}
    if hasattr(value, "nanoseconds"):  # a tuple of months, days and these
        return interval(value)
    return [_finite(element) for element in value] if isinstance(value, list | tuple) else value


def _as_json(value: object) -> Any:
    return value.hex(" ") if isinstance(value, bytes) else str(value)

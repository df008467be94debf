"""`stedi shell`: Athena's SQL at a prompt, with completion, and the time that statements take.

What is typed comes from `prompt.py`; what is piped in is followed to its end, errors and all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from typer import Exit

from stedi.cli import stopping
from stedi.cli.prompt import typed
from stedi.cli.query import ROWS_SHOWN, Format, Rows, show_rows
from stedi.cli.show import line, problems
from stedi.cli.verb import Call, verb
from stedi.errors import StediError, UsageError
from stedi.sql.script import statements
from stedi.text import counted, folded

if TYPE_CHECKING:
    from stedi.lakehouse import Lakehouse

T = TypeVar("T")
_HELP = """\
A statement ends with a semicolon, on this line or a later line.
.tables           the tables
.schema TABLE     the columns of a table
.mode FORMAT      how rows are printed: table, markdown, csv, json, jsonl
.limit ROWS       the most rows of a table that are printed: a number, or all
.help             this
.quit             the end; so is Ctrl-D. Ctrl-C forgets what was typed"""
_MODES = (Format.table, Format.markdown, Format.csv, Format.json, Format.jsonl)
_WORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "ON", "HAVING", "DISTINCT",
    "WITH", "UNION ALL", "CASE", "WHEN", "THEN", "ELSE", "END", "AS", "AND", "OR", "NOT", "NULL",
    "SHOW TABLES", "SHOW COLUMNS FROM", "DESCRIBE",
)  # fmt: skip
_DOTS = (".tables", ".schema", ".mode", ".limit", ".help", ".quit")


@verb(without=["quiet", "as_json"])
def shell(call: Call) -> None:
    """Query tables with Athena SQL at a prompt. `.help` lists its commands."""
    at_work = Shell(call.lakehouse)
    if sys.stdin.isatty():
        lines = typed(at_work)
        line(f"{call.lakehouse.location}: .help says what can be asked, .quit ends.")
    else:
        lines = (text.rstrip("\n") for text in sys.stdin)
    at_work.follow(lines)
    if at_work.failed and not at_work.is_typed:
        raise Exit(at_work.failed)


class Shell:
    """Follows what is typed, line by line."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self.lakehouse, self.mode = lakehouse, Format.table
        self.limit = ROWS_SHOWN if sys.stdout.isatty() else sys.maxsize
        """The most rows that are printed."""
        self.is_typed = sys.stdin.isatty()
        self.begun = ""
        """The lines of a statement that has no end yet."""
        self.failed = 0
        """The exit status of the first error, as `stedi query` would end with."""

    def follow(self, lines: Iterator[str]) -> None:
        """Do what the lines ask, until they end or ask for the end; errors are told."""
        for text in lines:
            if not self.begun and text.strip().startswith("."):
                if text.split()[0] in (".quit", ".exit"):
                    return
                self._try(self._command, text.split())
                continue
            ended, self.begun = statements(f"{self.begun}{text}\n")
            for sql in ended:
                self._try(self._statement, sql)
        if begun := self.begun.strip():
            self.begun = ""
            self._try(self._statement, begun)  # what was piped in may lack its semicolon

    def _try(self, do: Callable[[T], None], argument: T) -> None:
        try:
            do(argument)
        except (StediError, KeyboardInterrupt) as error:
            sys.stdout.flush()
            if stopping.was_asked_for():
                self._go_on()
            else:
                self.failed = self.failed or getattr(error, "exit_status", 1)
                problems([str(error)])

    def _go_on(self) -> None:
        """Say that a statement was stopped; raise `KeyboardInterrupt` where nobody types others."""
        stopping.say()
        if not self.is_typed:
            raise KeyboardInterrupt
        stopping.forget()
        problems(["the statement was stopped; nothing was changed"])

    def words(self) -> list[str]:
        """What may be completed: tables, columns, functions, words of SQL."""
        from stedi.sql.functions import NAMES

        declared = self.lakehouse._declared().schemas
        columns = {column.name for columns in declared.values() for column in columns}
        return [*_DOTS, *_WORDS, *sorted({*declared, *columns, *NAMES})]

    def _statement(self, sql: str) -> None:
        begin = time.monotonic()
        result = self.lakehouse.query(sql)
        for notice in result.notices:
            sys.stderr.write(folded(f"Note: {notice}.\n", sys.stderr))
        seen = _Counted(result.batches())
        limit = self.limit if self.mode is Format.table else None
        show_rows(Rows(result.schema, seen), self.mode, None, limit=limit, all_by=".limit all")
        sys.stdout.flush()
        seconds = time.monotonic() - begin
        sys.stderr.write(f"{counted(seen.rows, 'row')} in {seconds:.2f} seconds\n")

    def _command(self, words: list[str]) -> None:
        commands: dict[str, Callable[[list[str]], None]] = {
            ".tables": lambda _: self._statement("SHOW TABLES"),
            ".schema": self._schema,
            ".mode": self._set_mode,
            ".limit": self._set_limit,
            ".help": lambda _: line(_HELP),
        }
        if words[0] not in commands:
            raise UsageError(f"{words[0]}: there are {', '.join(_DOTS)}")
        commands[words[0]](words[1:])

    def _schema(self, words: list[str]) -> None:
        if len(words) != 1:
            raise UsageError(".schema TABLE: one table")
        self._statement(f"DESCRIBE {words[0]}")

    def _set_mode(self, words: list[str]) -> None:
        if len(words) != 1 or words[0] not in _MODES:
            raise UsageError(f".mode FORMAT: there are {', '.join(_MODES)}")
        self.mode = Format(words[0])

    def _set_limit(self, words: list[str]) -> None:
        if len(words) != 1 or not (words[0] == "all" or words[0].isdecimal()):
            raise UsageError(".limit ROWS: a whole number, or all")
        self.limit = sys.maxsize if words[0] == "all" else int(words[0])


class _Counted:
    """Batches, counted as they are taken."""

    def __init__(self, batches: Iterator[object]) -> None:
        self._batches, self.rows = batches, 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> object:
        batch = next(self._batches)
        self.rows += getattr(batch, "num_rows", 0)
        return batch

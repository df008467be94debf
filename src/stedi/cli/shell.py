"""`stedi shell`: Athena's SQL at a prompt, with completion, and the time that statements take.

What was typed is kept while the shell runs, for its arrow keys, and written nowhere: statements
name people.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stedi.cli import stopping
from stedi.cli.query import Format, Rows, show_rows
from stedi.cli.show import line, problems
from stedi.cli.verb import Call, verb
from stedi.errors import StediError, Unavailable, UsageError
from stedi.text import counted, folded

if TYPE_CHECKING:
    from stedi.lakehouse import Lakehouse

_HELP = """\
A statement ends with a semicolon, on this line or a later one.
.tables           the tables
.schema TABLE     the columns of a table
.mode FORMAT      how rows are printed: table, markdown, csv, json, jsonl
.help             this
.quit             the end; so is Ctrl-D. Ctrl-C forgets what was typed"""
_MODES = (Format.table, Format.markdown, Format.csv, Format.json, Format.jsonl)
_PROMPT, _CONTINUED = "stedi> ", "   ... "
_WORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "ON", "HAVING", "DISTINCT",
    "WITH", "UNION ALL", "CASE", "WHEN", "THEN", "ELSE", "END", "AS", "AND", "OR", "NOT", "NULL",
    "SHOW TABLES", "SHOW COLUMNS FROM", "DESCRIBE",
)  # fmt: skip
_DOTS = (".tables", ".schema", ".mode", ".help", ".quit")


@verb(without=["quiet", "as_json"])
def shell(call: Call) -> None:
    """Query tables with Athena SQL at a prompt. `.help` lists its commands."""
    at_work = Shell(call.lakehouse)
    if sys.stdin.isatty():
        lines = _typed(at_work)
        line(f"{call.lakehouse.location}: .help says what can be asked, .quit ends.")
    else:
        lines = (text.rstrip("\n") for text in sys.stdin)
    at_work.follow(lines)


class Shell:
    """Follows what is typed, line by line."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self.lakehouse, self.mode = lakehouse, Format.table
        self.is_typed = sys.stdin.isatty()
        self.begun = ""
        """The lines of a statement that has no end yet."""

    def follow(self, lines: Iterator[str]) -> None:
        """Do what the lines ask, until they end or ask for the end; errors are told."""
        for text in lines:
            try:
                if not self.begun and text.strip().startswith("."):
                    if text.split()[0] in (".quit", ".exit"):
                        return
                    self._command(text.split())
                elif (self.begun + text).strip():
                    self._statement(text)
            except (StediError, KeyboardInterrupt) as error:
                sys.stdout.flush()
                if stopping.was_asked_for():
                    self._go_on()
                else:
                    problems([str(error)])
        if self.begun.strip():
            self.follow(iter([";"]))  # what was piped in may lack its semicolon

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

    def _statement(self, text: str) -> None:
        self.begun = f"{self.begun}{text}\n"
        if not self.begun.rstrip().endswith(";"):
            return
        sql, self.begun = self.begun.rstrip().rstrip(";"), ""
        begin = time.monotonic()
        result = self.lakehouse.query(sql)
        for notice in result.notices:
            sys.stderr.write(folded(f"Note: {notice}.\n", sys.stderr))
        seen = _Counted(result.batches())
        show_rows(Rows(result.schema, seen), self.mode, None)
        sys.stdout.flush()
        seconds = time.monotonic() - begin
        sys.stderr.write(f"{counted(seen.rows, 'row')} in {seconds:.2f} seconds\n")

    def _command(self, words: list[str]) -> None:
        commands: dict[str, Callable[[list[str]], None]] = {
            ".tables": lambda _: self._statement("SHOW TABLES;"),
            ".schema": self._schema,
            ".mode": self._set_mode,
            ".help": lambda _: line(_HELP),
        }
        if words[0] not in commands:
            raise UsageError(f"{words[0]}: there are {', '.join(_DOTS)}")
        commands[words[0]](words[1:])

    def _schema(self, words: list[str]) -> None:
        if len(words) != 1:
            raise UsageError(".schema TABLE: one table")
        self._statement(f"DESCRIBE {words[0]};")

    def _set_mode(self, words: list[str]) -> None:
        if len(words) != 1 or words[0] not in _MODES:
            raise UsageError(f".mode FORMAT: there are {', '.join(_MODES)}")
        self.mode = Format(words[0])


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


def _typed(at_work: Shell) -> Iterator[str]:
    """What is typed at the prompt."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import InMemoryHistory
    except ImportError:
        raise Unavailable(
            "the prompt needs prompt_toolkit: `pip install prompt_toolkit`; `stedi query` doesn't"
        ) from None
    completer = WordCompleter(at_work.words(), ignore_case=True, sentence=False)
    session: PromptSession[str] = PromptSession(
        history=InMemoryHistory(), completer=completer, complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt(_CONTINUED if at_work.begun else _PROMPT)
        except KeyboardInterrupt:
            at_work.begun = ""
        except EOFError:
            return

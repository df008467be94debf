"""What a person types at the prompt of `stedi shell`: with completion and history, or plain.

The history has whole statements, which can name people: only its owner may read the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from stedi.sql.script import statements

_PROMPT, _CONTINUED = "stedi> ", "   ... "


class Asked(Protocol):
    """Who follows the lines: it may have a statement that has no end yet."""

    begun: str

    def words(self) -> list[str]:
        """What may be completed."""


def typed(asked: Asked) -> Iterator[str]:
    """What is typed: whole statements if prompt_toolkit is installed, and lines if not."""
    try:
        read = _with_completion(asked)
    except ImportError:
        read = _plain(asked)
    while True:
        try:
            yield read()
        except KeyboardInterrupt:
            asked.begun = ""
        except EOFError:
            return


def history_file() -> Path:
    """The file that statements are kept in: its folder is the user's for what programs remember."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "stedi" / "history"


def _plain(asked: Asked) -> Callable[[], str]:
    with suppress(ImportError):
        import readline  # noqa: F401 - arrow keys, for what `input` reads

    def read() -> str:
        return input(_CONTINUED if asked.begun else _PROMPT)

    return read


def _with_completion(asked: Asked) -> Callable[[], str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import has_focus
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _(event: Any) -> None:
        if _is_whole(event.current_buffer.text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    session: PromptSession[str] = PromptSession(
        history=_history(),
        completer=WordCompleter(asked.words(), ignore_case=True, sentence=False),
        complete_while_typing=False,
        multiline=True,
        key_bindings=keys,
        prompt_continuation=_CONTINUED,
    )
    return lambda: session.prompt(_PROMPT)


def _is_whole(text: str) -> bool:
    return text.lstrip().startswith(".") or not statements(text)[1].strip()


def _history() -> Any:
    """The statements of earlier sessions, or of this one alone where no file can be kept."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        file = history_file()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
        file.chmod(0o600)
    except (OSError, RuntimeError):  # the latter where the user has no home
        return InMemoryHistory()
    return FileHistory(file)

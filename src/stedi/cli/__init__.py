"""The command line: reads arguments, calls the facade, shows the result."""

from __future__ import annotations

import gc
import json
import os
import sys
from contextlib import nullcontext
from typing import NoReturn

from stedi.cli import stopping
from stedi.errors import StediError

UMASK = "STEDI_UMASK"
"""The environment variable with the rights that files and folders don't get: 077 unless it says
otherwise, so that only their owner can read people's data; 027 lets a group read it."""


_PRINTED = frozenset({"-h", "--help", "--show-completion"})
"""Options for which Typer prints, and names no file where it can't."""


def main() -> NoReturn:
    """Run the command line; ends the process with 0 done, 1 a check failed, 2 wrong use."""
    # Modules make objects by the hundred thousand and no garbage: by default a third of the time
    # they take to load is spent looking for it.
    gc.set_threshold(100_000, 50, 50)
    _have_standard_streams()
    try:
        try:
            stopping.listen()
            _keep_private()
            _run()
        except KeyboardInterrupt:
            _stopped(stopping.NOTHING_CHANGED)
        exit_status = 0
    except SystemExit as end:
        exit_status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stderr.flush()
    if copies := sys.modules.get("stedi.roots.copies"):
        copies.remove_copies()
    # All is closed and flushed. Taking an interpreter down that has loaded engines and catalogs
    # takes a quarter of a second more.
    os._exit(exit_status)


def _have_standard_streams() -> None:
    """Put something in the place of standard streams that were closed, as by `>&-`.

    A file that is opened later would get the number of one, and what is printed with it. Nothing
    can be read there; writing fails for standard output, and messages are lost.
    """
    for number, (name, flags) in enumerate(
        (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
    ):
        if getattr(sys, name) is None:
            os.open(os.devnull, flags)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _keep_private() -> None:
    """Have this process make files and folders that only its user can read, or as told."""
    from stedi.errors import UsageError
    from stedi.roots.private import rights_kept_back

    try:
        os.umask(rights_kept_back())
    except UsageError as error:
        _fail("UsageError", str(error), 2)
    from stedi.roots.copies import remove_leftovers

    remove_leftovers()


def _run() -> None:
    try:
        _command()
    except StediError as error:
        _fail_unless_stopped(type(error).__name__, str(error), error.exit_status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that had enough
        sys.exit(0)
    except stopping.Stopped as error:
        _stopped(str(error))
    except KeyboardInterrupt:
        _stopped(stopping.NOTHING_CHANGED)
    except OSError as error:
        where, what = error.filename or "a file", error.strerror or type(error).__name__
        _fail_unless_stopped("OSError", f"{where}: {what}", 1)
    except Exception as error:
        if os.environ.get("STEDI_TRACEBACK"):
            raise
        # The message itself could hold a value of somebody's record.
        kind = type(error).__name__
        text = f"{kind}, which should not happen; STEDI_TRACEBACK=1 shows where"
        _fail_unless_stopped(kind, text, 1)


def _command() -> None:
    """Run the verb that the arguments name; Typer's own errors are told as all others are."""
    from typer import Abort
    from typer.exceptions import TyperException

    from stedi.cli.commands import app
    from stedi.cli.show import to_stdout

    try:
        with to_stdout() if _PRINTED.intersection(sys.argv[1:]) else nullcontext():
            status = app(standalone_mode=False)
    except Abort:  # Ctrl-C or Ctrl-D at a question
        raise stopping.Stopped(stopping.NOTHING_CHANGED) from None
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error}\n")
            sys.exit(2)
        from stedi.cli.usage import explained

        names = {command.name or command.callback.__name__ for command in app.registered_commands
                 if command.callback}  # fmt: skip
        _fail("UsageError", explained(error, names), 2)
    finally:
        with to_stdout():
            sys.stdout.flush()
    if status == stopping.EXIT_STATUS:  # before there was a verb
        raise KeyboardInterrupt
    sys.exit(status if isinstance(status, int) else 0)


def _fail_unless_stopped(kind: str, message: str, exit_status: int) -> NoReturn:
    """Report an error, unless it is what a library makes of Ctrl-C."""
    if stopping.was_asked_for():
        _stopped(stopping.NOTHING_CHANGED)
    _fail(kind, message, exit_status)


def _stopped(what_is_true: str) -> NoReturn:
    stopping.say()
    _fail("Stopped", f"stopped; {what_is_true}", stopping.EXIT_STATUS)


def _fail(kind: str, message: str, exit_status: int) -> NoReturn:
    from stedi.text import folded, visible_lines  # names of files and columns may be in it

    if "--json" in sys.argv[1:]:
        error = {"type": kind, "message": message, "exit_status": exit_status}
        print(json.dumps({"ok": False, "error": error}), file=sys.stderr)  # noqa: T201
    else:
        text = folded(f"stedi: {visible_lines(message)}", sys.stderr)
        print(text, file=sys.stderr)  # noqa: T201 - the one place that prints errors
    sys.exit(exit_status)

"""The command line: arguments in, the facade called, the result shown."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from stedi.errors import StediError

_INTERRUPTED = 130
UMASK = "STEDI_UMASK"
"""The environment variable with the rights that files and folders don't get: 077 unless it says
otherwise, so that only their owner can read people's data; 027 lets a group read it."""


def main() -> NoReturn:
    """Run the command line; ends the process with 0 done, 1 a check failed, 2 wrong use."""
    # Modules make objects by the hundred thousand and no garbage: by default a third of the time
    # they take to load is spent looking for it.
    gc.set_threshold(100_000, 50, 50)
    try:
        _keep_private()
        _run()
        exit_status = 0
    except SystemExit as end:
        exit_status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stderr.flush()
    if copies := sys.modules.get("stedi.roots.copies"):
        copies.remove_copies()
    # All is closed and flushed. Taking an interpreter down that has loaded engines and catalogs
    # takes a quarter of a second more.
    os._exit(exit_status)


def _keep_private() -> None:
    """Have this process make files and folders that only its user can read, or as told."""
    rights = os.environ.get(UMASK) or "077"
    if not (rights.isdecimal() and rights.isascii() and set(rights) <= set("01234567")):
        _fail(f"{UMASK}={rights!a}: three octal digits, as in 077 or 027", 2)
    os.umask(int(rights, 8) & 0o777)
    from stedi.roots.copies import remove_leftovers

    remove_leftovers()


def _run() -> None:
    try:
        from stedi.cli.commands import app

        try:
            app()
        except SystemExit as end:
            if end.code == _INTERRUPTED:  # Typer says nothing
                raise KeyboardInterrupt from None
            raise
        finally:
            sys.stdout.flush()
    except StediError as error:
        _fail(str(error), error.exit_status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that had enough
        sys.exit(0)
    except KeyboardInterrupt:
        _fail("stopped; nothing is half done, the next run does what is missing", _INTERRUPTED)
    except OSError as error:
        _fail(f"{error.strerror or type(error).__name__}: {error.filename or 'unnamed file'}", 1)
    except Exception as error:
        if os.environ.get("STEDI_TRACEBACK"):
            raise
        # The message itself could hold a value of somebody's record.
        _fail(f"{type(error).__name__}, which should not happen; STEDI_TRACEBACK=1 shows where", 1)


def _fail(message: str, exit_status: int) -> None:
    from stedi.text import visible_lines  # names of files and columns may be in it

    print(f"stedi: {visible_lines(message)}", file=sys.stderr)  # noqa: T201 - the one place that prints errors
    sys.exit(exit_status)

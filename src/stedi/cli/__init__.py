"""The command line: arguments in, the facade called, the result shown."""

from __future__ import annotations

import os
import sys

from stedi.errors import StediError


def main() -> None:
    """Run the command line; ends the process with 0 done, 1 a check failed, 2 wrong use."""
    from stedi.cli.commands import app

    try:
        app()
    except StediError as error:
        _fail(str(error), error.exit_status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader that had enough
        sys.exit(0)
    except KeyboardInterrupt:
        _fail("stopped; the next run does what is missing", 130)
    except OSError as error:
        _fail(f"{error.strerror or type(error).__name__}: {error.filename or 'unnamed file'}", 1)
    except Exception as error:
        if os.environ.get("STEDI_TRACEBACK"):
            raise
        # The message itself could hold a value of somebody's record.
        _fail(
            f"{type(error).__name__}, which should not happen; STEDI_TRACEBACK=1 shows where",
            1,
        )


def _fail(message: str, exit_status: int) -> None:
    print(f"stedi: {message}", file=sys.stderr)  # noqa: T201 - the one place that prints errors
    sys.exit(exit_status)

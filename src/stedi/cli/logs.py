"""The log: a line for each event, as JSON or as text, on stderr or in a file."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from typer import Exit

from stedi.errors import StediError, UsageError
from stedi.events import LOGGER, event, fields_of
from stedi.extras import to_install
from stedi.text import visible

LogFormat = Literal["text", "json"]


class Formatter(logging.Formatter):
    """One line an event: `time level event`, and its fields."""

    def __init__(self, kind: LogFormat) -> None:
        super().__init__()
        self._kind = kind

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        first = {"time": when.replace("+00:00", "Z"), "level": record.levelname.lower()}
        fields = fields_of(record)
        if self._kind == "json":
            return json.dumps({**first, "event": record.getMessage(), **fields})
        told = (f"{key}={_as_text(value)}" for key, value in fields.items())
        return visible(" ".join((*first.values(), record.getMessage(), *told)))


def _as_text(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text


class _File(logging.FileHandler):
    """A log file; where it can't be written, as on a full disk, that is said once."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say what is wrong; what was logged is lost, and the command goes on."""
        if not self._is_told:
            error = sys.exc_info()[1]
            reason = getattr(error, "strerror", None) or type(error).__name__
            sys.stderr.write(f"stedi: --log-file {self.baseFilename}: {reason}\n")
        self._is_told = True

    def close(self) -> None:
        """Close it, whatever is left to be written."""
        with suppress(OSError):
            super().close()


def begin(kind: LogFormat | None, file: Path | None, *, verbose: bool) -> None:
    """Write a log, if any of these is given; raises `UsageError` for a file that can't be."""
    if kind is None and file is None and not verbose:
        return
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        try:
            handler = _File(file, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--log-file {file}: {error.strerror}") from None
    handler.setFormatter(Formatter(kind or "text"))
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.DEBUG if verbose else logging.INFO)
    LOGGER.propagate = False


def is_on_stderr() -> bool:
    """Whether the log goes to where progress would be shown."""
    return any(getattr(handler, "stream", None) is sys.stderr for handler in LOGGER.handlers)


@contextmanager
def following(command: str) -> Iterator[None]:
    """Tell how a command ended, and have OpenTelemetry where it is asked for."""
    begun = time.monotonic()
    telemetry = _begin_telemetry()

    def ended(status: int, error: BaseException | None = None) -> None:
        # What was typed may name somebody: errors in it quote it.
        told = isinstance(error, StediError) and not isinstance(error, UsageError)
        event(
            "command.ended",
            logging.ERROR if status else logging.INFO,
            command=command,
            exit_status=status,
            error=type(error).__name__ if error else None,
            message=str(error) if told else None,
            seconds=round(time.monotonic() - begun, 3),
        )

    try:
        yield
    except Exit as end:
        ended(end.exit_code)
        raise
    except BaseException as error:
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
        ended(error.exit_status if isinstance(error, StediError) else status, error)
        raise
    else:
        ended(0)
    finally:
        if telemetry:
            from stedi import telemetry as open_telemetry

            open_telemetry.end()


def _begin_telemetry() -> bool:
    """Set OpenTelemetry up, where its environment variables say where to send; whether it is."""
    if not any(name.startswith("OTEL_") for name in os.environ):
        return False
    try:
        from stedi import telemetry

        if telemetry.is_asked_for(os.environ):
            telemetry.begin()
            return True
    except ImportError:
        sys.stderr.write(
            "stedi: OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry isn't installed: "
            f"{to_install('telemetry')}\n"
        )
    return False

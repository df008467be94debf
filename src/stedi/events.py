"""What happens, as events: a line each in a log, and spans and metrics where OpenTelemetry is used.

An event has a name and fields: table, rows, seconds, reason … None has a person's data: names of
tables, sources and reasons, and counts of many. They go to the logger `stedi` of Python's logging,
which is silent unless somebody listens.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

Field = str | int | float | bool | None
LOGGER = logging.getLogger("stedi")
LOGGER.addHandler(logging.NullHandler())
_run: list[str] = []
"""The run that is at work in this process: a lakehouse has one at a time."""


def new_run() -> str:
    """A number for a run, or for an attempt of one; later ones are greater."""
    return f"{time.time_ns():x}"


def event(name: str, level: int = logging.INFO, **fields: Field) -> None:
    """Tell that something happened."""
    _tell(name, level, fields)


def _tell(name: str, level: int, fields: Mapping[str, Field]) -> None:
    if not LOGGER.isEnabledFor(level):
        return
    told = {"run": _run[-1], **fields} if _run else fields
    LOGGER.log(level, name, extra={"fields": {k: v for k, v in told.items() if v is not None}})


@contextmanager
def running(run: str) -> Iterator[None]:
    """Let all that is told meanwhile be of a run."""
    _run.append(run)
    try:
        yield
    finally:
        _run.pop()


@contextmanager
def stage(name: str, level: int = logging.INFO, **fields: Field) -> Iterator[dict[str, Field]]:
    """Tell how a stage went, and how many seconds it took, when it is over.

    What it yields takes more fields. One that fails is told as an error, by the error's class.
    """
    begun, more = time.monotonic(), dict(fields)
    telemetry = _telemetry()
    with telemetry.span(name) if telemetry else nullcontext():
        try:
            yield more
        except BaseException as error:
            more["error"] = type(error).__name__
            _tell(f"{name}.failed", logging.ERROR, {**more, "seconds": _since(begun)})
            raise
        finally:
            more.setdefault("seconds", _since(begun))
            if telemetry:
                telemetry.describe(_run[-1] if _run else None, more)
                telemetry.count(name, more)
    _tell(name, level, more)


def done(name: str, **fields: Field) -> None:
    """Report a stage that is over and had no stages within it."""
    _tell(name, logging.INFO, fields)
    if telemetry := _telemetry():
        telemetry.count(name, fields)


def measure(name: str, value: float, **attributes: str) -> None:
    """Have OpenTelemetry know a number, such as seconds of staleness."""
    if telemetry := _telemetry():
        telemetry.measure(name, value, attributes)


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def _telemetry() -> ModuleType | None:
    """OpenTelemetry, where somebody in this process has loaded it: loading it takes a while."""
    if "opentelemetry" not in sys.modules:
        return None
    from stedi import telemetry

    return telemetry


def fields_of(record: logging.LogRecord) -> Mapping[str, Field]:
    """The fields of an event, of the record that logging has of it."""
    fields: Mapping[str, Field] = getattr(record, "fields", {})
    return fields

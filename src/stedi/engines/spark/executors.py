"""Spark's executors as a crew, watched over: a cluster that has lost them all is given up."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stedi.engines.crew import Item, Result
from stedi.engines.spark.session import runs_here
from stedi.errors import EngineFailed, StediError, Unavailable

if TYPE_CHECKING:
    from pyspark import SparkContext

LOST_AFTER = 60.0
"""Seconds without any executor after which work is given up."""
_LOOK_EVERY = 1.0
_CONDITION = re.compile(r"(?:^|Exception: )\[([A-Z][A-Z0-9_.]+)\]")
_Answer = TypeVar("_Answer")


class Executors:
    """Sends functions to Spark's executors, and waits for what Spark does."""

    def __init__(self, context: SparkContext, group: str) -> None:
        self._context, self._group = context, group
        self._runs_here = runs_here(str(context.master))
        self._waiting = ThreadPoolExecutor(16)
        self._is_closed = False
        self._lost: EngineFailed | None = None

    @property
    def size(self) -> int:
        """How many items are worked on at a time."""
        return max(1, self._context.defaultParallelism)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The result of a function for each item, in the items' order."""
        if not items:
            return []
        task = _Task(function)
        return [
            _unwrapped(result)
            for result in self.wait(
                lambda: self._context.parallelize(items, len(items)).map(task).collect(),
                getattr(function, "__qualname__", "map"),
            )
        ]

    def map_large(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The same: executors have memory of their own."""
        return self.map(function, items)

    def refuse_other_versions(self) -> None:
        """Raise `Unavailable` unless an executor answers, and has this version of stedi."""
        if self._runs_here:
            return
        here = version("stedi")
        try:
            versions = self.map(version, ["stedi"])
        except EngineFailed:
            raise Unavailable(
                f"no worker of {self._context.master} could load stedi within {LOST_AFTER:.0f} "
                f"seconds; install stedi {here} on all of them, for the same Python"
            ) from None
        if versions != [here]:
            raise Unavailable(
                f"the workers of {self._context.master} have stedi {versions[0]}, this is "
                f"{here}; install the same everywhere"
            )

    def wait(self, action: Callable[[], _Answer], what: str) -> _Answer:
        """The result of an action of Spark; raises `EngineFailed` where it can't be done.

        `what` is how Spark's own pages and logs call it.
        """
        if self._runs_here:
            return self._act(action, what)
        future = self._waiting.submit(self._act, action, what)
        alone = 0.0
        while True:
            try:
                return future.result(timeout=_LOOK_EVERY)
            except EngineFailed as failed:
                # What one waiter gives up is cancelled for all: they end for its reason.
                raise self._lost or failed from None
            except NotYet:
                alone = 0.0 if self._has_executors() else alone + _LOOK_EVERY
                if alone >= LOST_AFTER:
                    raise self._give_up(future) from None

    def close(self) -> None:
        """Stop what is at work."""
        if not self._is_closed:
            self._is_closed = True
            self._context.cancelJobGroup(self._group)
            self._waiting.shutdown(wait=False, cancel_futures=True)

    def _act(self, action: Callable[[], _Answer], what: str) -> _Answer:
        with translated_errors():
            self._context.setJobGroup(self._group, what, interruptOnCancel=True)
            return action()

    def _has_executors(self) -> bool:
        jvm = self._context._jsc
        return int(jvm.sc().getExecutorMemoryStatus().size()) > 1  # the driver is one

    def _give_up(self, future: Future[Any]) -> EngineFailed:
        self._lost = EngineFailed(
            f"{self._context.master} has had no executor for {LOST_AFTER:.0f} seconds; the table "
            "stays as it was. Start workers, or give them more memory or cores, and run again"
        )
        self._context.cancelJobGroup(self._group)
        future.cancel()
        return self._lost


@dataclass(frozen=True)
class _Refusal:
    """An error of ours, on its way from an executor."""

    error: StediError


class _Task(Generic[Item, Result]):
    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function

    def __call__(self, item: Item) -> Result | _Refusal:
        try:
            return self._function(item)
        except StediError as error:
            return _Refusal(error)


def _unwrapped(result: Result | _Refusal) -> Result:
    if isinstance(result, _Refusal):
        raise result.error
    return result


@contextmanager
def translated_errors() -> Iterator[None]:
    """Spark's errors as ours; their texts could hold values of rows and are left out."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        if os.environ.get("STEDI_TRACEBACK"):
            raise
        raise EngineFailed(_message(error)) from None


def _message(error: Exception) -> str:
    text = str(error)
    if "OutOfMemoryError" in text:
        return "Spark ran out of memory; give its driver and executors more, or run on more of them"
    if "maxResultSize" in text:
        return (
            "a result is larger than Spark sends to its driver; give spark.driver.maxResultSize=0 "
            "to spark-submit"
        )
    if "ExecutorLostFailure" in text or "executor loss" in text:
        return "Spark lost executors again and again; the table stays as it was. Run again"
    if "cancelled" in text or "has been shut down" in text or "SparkContext was shut" in text:
        return "Spark was stopped; the next run does what is missing"
    if any(sign in text for sign in ("FAILED_READ_FILE", "FileNotFound", "No space left")):
        return (
            "Spark could not read or write a file; is the disk full, a file damaged, or can't "
            "every worker see it? `stedi status --verify` tells which"
        )
    # Conditions are Spark's own words; what follows them can hold values.
    condition = _CONDITION.search(text)
    return (
        f"Spark failed{f' with {condition[1]}' if condition else ''}; the table stays as it was. "
        "STEDI_TRACEBACK=1 shows what it said, people's data included"
    )

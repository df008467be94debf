"""Calls that can be stopped: by Ctrl-C at once, or when their time is over."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

import duckdb

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")
_STOPS_WITHIN = 5.0
_ASKED_EVERY = 0.05


class TimeIsOver(Exception):
    """The calls on a connection have taken all the time that they were given."""


class Clock:
    """Time for several calls together, `seconds` of it; what lies between them isn't counted."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def call(
        self,
        function: Callable[_Arguments, _Answer],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Answer:
        """What a function of pure Python returns; raises what it raises, and `TimeIsOver`."""
        begin = time.monotonic()
        future: Future[_Answer] = Future()
        thread = threading.Thread(
            target=_answer, args=(future, partial(function, *arguments, **named)), daemon=True
        )
        thread.start()
        try:
            done, _ = wait([future], None if math.isinf(self.left) else max(0.0, self.left))
            if not done:
                raise TimeIsOver
            return future.result()
        finally:
            self.left -= time.monotonic() - begin
            if not future.done():
                _stop(thread, future)


def _stop(thread: threading.Thread, future: Future[_Answer]) -> None:
    """Raise `TimeIsOver` in a thread until it ends.

    Where it is raised while something is let go of, Python would print it and go on.
    """
    deadline, hook = time.monotonic() + _STOPS_WITHIN, sys.unraisablehook

    def unless_ours(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not TimeIsOver:
            hook(unraisable)

    sys.unraisablehook = unless_ours
    try:
        while not future.done() and time.monotonic() < deadline:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsOver)
            )
            wait([future], _ASKED_EVERY)
    finally:
        sys.unraisablehook = hook


def _answer(future: Future[_Answer], function: Callable[[], _Answer]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)


class Attended:
    """Makes the calls on one connection in a thread of their own, while the caller stays awake.

    Python looks for signals between two of its own steps only. A call into DuckDB is one step, and
    keeps Ctrl-C waiting until it returns, or turns it into an error of its own; waiting for a
    thread doesn't. `seconds` is for all calls together, what lies between them not counted.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float = math.inf) -> None:
        self._connection, self._left = connection, seconds
        self._pool = ThreadPoolExecutor(1, "duckdb")
        self._last: _Work[Any] | None = None

    def call(
        self,
        function: Callable[_Arguments, _Answer],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Answer:
        """What a function returns; raises what it raises, and `TimeIsOver`."""
        begin = time.monotonic()
        work = _Work(partial(function, *arguments, **named))
        self._last = work
        try:
            future = self._pool.submit(work)
            done, _ = wait([future], None if math.isinf(self._left) else max(0.0, self._left))
            if not done:
                raise TimeIsOver
            return future.result()
        finally:
            self._left -= time.monotonic() - begin
            self._stop(work)

    def close(self) -> None:
        """Close the connection, unless a call on it can't be stopped: that would wait for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._last is None or not self._last.is_at_work:
            self._connection.close()

    def _stop(self, work: _Work[_Answer]) -> None:
        """Interrupt a call until it ends; one that just begins wouldn't notice a single time."""
        work.is_wanted = False
        deadline = time.monotonic() + _STOPS_WITHIN
        while work.is_at_work and time.monotonic() < deadline:
            self._connection.interrupt()
            work.over.wait(_ASKED_EVERY)


class _Work(Generic[_Answer]):
    """A call that can be told not to begin: Ctrl-C may come while it is handed to its thread."""

    def __init__(self, function: Callable[[], _Answer]) -> None:
        self._function = function
        self.is_wanted, self.is_at_work = True, False
        self.over = threading.Event()

    def __call__(self) -> _Answer:
        self.is_at_work = True  # before it is looked at whether it is wanted
        try:
            if not self.is_wanted:
                raise CancelledError
            return self._function()
        finally:
            self.is_at_work = False
            self.over.set()

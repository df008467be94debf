"""Ctrl-C: "stopping" is said at once, and at the end what is true of the command that was stopped.

Python runs handlers of signals between two of its own steps. A long call into a library is one
step, so a thread that waits for the signal's byte says "stopping" meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

EXIT_STATUS = 130
"""What a shell expects of a command that Ctrl-C has ended."""
NOTHING_HALF_DONE = "nothing is half done, the next `stedi run` does what is missing"
NOTHING_CHANGED = "nothing was changed"
_asked = threading.Event()
_told = threading.Event()
_telling = threading.Lock()


class Stopped(BaseException):
    """Ctrl-C has ended a command; the message says what is true of it now."""


def listen() -> None:
    """Say "stopping" as soon as Ctrl-C is pressed, and raise `KeyboardInterrupt` as ever.

    Where the signal is ignored, as by what a shell starts in the background, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGINT, _interrupted)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(read,), name="stopping", daemon=True).start()


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    _asked.set()
    raise KeyboardInterrupt


def _wait(read: int) -> None:
    while signals := os.read(read, 64):
        if signal.SIGINT in signals:
            say()


def was_asked_for() -> bool:
    """Whether Ctrl-C was pressed: what libraries raise then may be an error of their own."""
    return _asked.is_set()


def say() -> None:
    """Say "stopping", once; it stands there when this returns, also if another thread wrote it."""
    with _telling:
        if not _told.is_set():
            # No buffer and no lock of Python's: another thread may be writing.
            os.write(sys.stderr.fileno(), b"\r\x1b[Kstedi: stopping\n" if _is_shown() else _PLAIN)
            _told.set()


_PLAIN = b"stedi: stopping\n"


def _is_shown() -> bool:
    return sys.stderr.isatty()


def forget() -> None:
    """Be as if Ctrl-C had not been pressed: the statement is over, the shell goes on."""
    _asked.clear()
    _told.clear()

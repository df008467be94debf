"""The progress of long work: steps in words of action, and how much of each is done.

A watcher receives it, such as the command line; by default there is none. There is one watcher a
process, since work is shared out among threads, and a terminal shows one step at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Watcher(Protocol):
    """Is called at each step, from any thread."""

    def step(self, text: str) -> None:
        """A step begins; `text` begins with what is done: "reading 20 files"."""

    def expect(self, total: int, unit: str) -> None:
        """The step is over after so many units: bytes, rows, or whatever is counted."""

    def advance(self, amount: int) -> None:
        """So many more units are done."""

    def reach(self, done: int) -> None:
        """So many units are done in all."""

    def note(self, text: str) -> None:
        """Something else is done within the step, until another note, or an empty one."""


_watchers: list[Watcher] = []


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher of all work meanwhile."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def doing(text: str) -> None:
    """Say that a step begins."""
    if _watchers:
        _watchers[-1].step(text)


def expect(total: int, unit: str) -> None:
    """Say how much there is to do in the step that has begun."""
    if _watchers:
        _watchers[-1].expect(total, unit)


def advance(amount: int = 1) -> None:
    """Say that so much more of it is done."""
    if _watchers:
        _watchers[-1].advance(amount)


def reach(done: int) -> None:
    """Say how much of it is done in all."""
    if _watchers:
        _watchers[-1].reach(done)


def note(text: str) -> None:
    """Say what is done within the step that goes on afterwards; an empty text is its end."""
    if _watchers:
        _watchers[-1].note(text)


def each(items: Sequence[Item], unit: str) -> Iterator[Item]:
    """Go through items, and say how many of them are done."""
    expect(len(items), unit)
    reach(0)
    for item in items:
        yield item
        advance()


def reached(done: int, total: int) -> None:
    """Say how many bytes of how many are done."""
    if _watchers:
        _watchers[-1].expect(total, "bytes")
        _watchers[-1].reach(done)

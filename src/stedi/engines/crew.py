"""Who does work that comes in independent parts: threads of this process, or others elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew(Protocol):
    """Does parts of a job side by side; `size` is how many at a time."""

    @property
    def size(self) -> int:
        """How many items are worked on at a time."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The result of a function for each item, in the items' order.

        Function and items travel: both can be pickled, and paths mean the same everywhere. A
        function may be run more than once for an item, of which one result counts; what the others
        have written is for the caller to remove. Several threads may ask at once.
        """

    def map_large(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The same for items that fill memory: one at a time on a machine of its own memory.

        The function uses all cores by itself.
        """


class Threads:
    """The cores of this machine."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The result of a function for each item, in the items' order."""
        futures = [self._pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def map_large(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The same, one item after the other."""
        return [function(item) for item in items]

    def close(self) -> None:
        """Begin nothing more, and wait for what was begun."""
        self._pool.shutdown(cancel_futures=True)

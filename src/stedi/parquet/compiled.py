"""Functions that Numba compiles: loops over numbers at the speed of C."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache

from stedi import progress

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Let Numba compile a function that allocates nothing, and keep the result on this machine.

    It runs without Python's lock. Counting references, which it needn't, would cost it a multiple.
    """
    options: dict[str, Any] = {"nogil": True, "_nrt": False}
    dispatcher: Any = njit(**options)(function)
    with suppress(RuntimeError):  # there is nowhere to keep it
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
    return cast(_Function, dispatcher)


class _Cache(FunctionCache):
    """What is kept of a function, loaded without all that Numba could compile, for half a second.

    That is loaded by the compiler itself where nothing is kept.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for a signature; None where nothing is kept.

        What an earlier version of this package kept may name classes that are gone: it is dropped.
        Another user may have kept what this one can't read.
        """
        kept = None
        with self._guard_against_spurious_io_errors():
            try:
                kept = self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
            except (AttributeError, ImportError):
                self.flush()  # type: ignore[no-untyped-call]
            except OSError:
                kept = None
        if kept is None:
            progress.note("compiling, first use only")
        return kept

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature, if this user may write there."""
        progress.note("")
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def inlined(function: _Function) -> _Function:
    """Make a function part of the compiled one that calls it; worth a quarter of its time."""
    return cast(_Function, njit(inline="always")(function))

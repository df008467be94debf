"""Functions that Numba compiles: loops over numbers at the speed of C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Let Numba compile a function that allocates nothing, and keep the result on this machine.

    It runs without Python's lock. Counting references, which it needn't, would cost it a multiple.
    """
    options: dict[str, Any] = {"nogil": True, "_nrt": False}
    try:
        return cast(_Function, njit(cache=True, **options)(function))
    except RuntimeError:  # there is nowhere to keep it
        return cast(_Function, njit(**options)(function))


def inlined(function: _Function) -> _Function:
    """Make a function part of the compiled one that calls it; worth a quarter of its time."""
    return cast(_Function, njit(inline="always")(function))

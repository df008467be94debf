"""Only their owner may read the files of a lakehouse, unless STEDI_UMASK says otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from stedi.errors import UsageError

UMASK = "STEDI_UMASK"
_PRIVATE = "077"
_change = Lock()
_inside: list[int] = []
"""What the process had before, once for each who is inside; the first is what it gets back."""


def rights_kept_back() -> int:
    """The permissions that new files and folders don't get; raises `UsageError`."""
    rights = os.environ.get(UMASK) or _PRIVATE
    if not (rights.isdecimal() and rights.isascii() and set(rights) <= set("01234567")):
        raise UsageError(f"{UMASK}={rights!a}: three octal digits, as in 077 or 027")
    return int(rights, 8) & 0o777


@contextmanager
def kept_private() -> Iterator[None]:
    """Have this process make private files meanwhile, whatever it makes else.

    The setting is the whole process's: it goes back when the last of those who asked is done.
    """
    rights = rights_kept_back()
    with _change:
        _inside.append(os.umask(rights))
    try:
        yield
    finally:
        with _change:
            if len(_inside) == 1:
                os.umask(_inside[0])
                _inside.clear()
            else:
                _inside.pop()

"""What is needed only meanwhile and belongs below no root: temporary folders of this process.

Only its user can read them. They are gone when it ends; where it was killed, the next process of
the same user removes them. Each is locked while it is in use: a number of a process says little, as
another may have it since, or this one, where a container was started again.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stedi.written import is_alive

_COPIES = "stedi-copies-"
_SETTLED = 60.0
"""Seconds after which a folder that is in use is locked for certain."""
_folders: dict[Path, int] = {}
"""Those of this process, with the descriptors that lock them."""


def remove_leftovers() -> None:
    """Remove the folders of processes that were killed."""
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError:
        return  # no folder can be written to, as on a full disk: anyone who needs one is told
    for leftover in temporary.glob(f"{_COPIES}*-*"):
        owner = leftover.name.removeprefix(_COPIES).split("-")[0]
        if leftover not in _folders and _is_left(leftover, owner):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that is gone afterwards."""
    folder = folder_for_copies()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(_folders.pop(folder))


def folder_for_copies() -> Path:
    """A new folder, empty."""
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_COPIES}{os.getpid()}-"))
    _folders[folder] = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(_folders[folder], fcntl.LOCK_SH)
    return folder


@atexit.register
def remove_copies() -> None:
    """Remove what this process has copied; to be called where it ends without exit handlers."""
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path, owner: str) -> bool:
    """Whether a folder is this user's, and the process that made it is dead."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        made = os.fstat(descriptor)
        if made.st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return time.time() - made.st_mtime > _SETTLED or not is_alive(owner)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return not is_alive(owner)
    finally:
        os.close(descriptor)

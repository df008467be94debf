"""What is needed only meanwhile and belongs below no root: temporary folders of this process.

Only its user can read them. They are gone when it ends; where it was killed, the next process of
the same user removes them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COPIES = "stedi-copies-"
_folders: list[Path] = []


def remove_leftovers() -> None:
    """Remove the folders of processes that were killed."""
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError:
        return  # no folder can be written to, as on a full disk: anyone who needs one is told
    for leftover in temporary.glob(f"{_COPIES}*-*"):
        owner = leftover.name.removeprefix(_COPIES).split("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that is gone afterwards."""
    folder = folder_for_copies()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _folders.remove(folder)


def folder_for_copies() -> Path:
    """A new folder, empty."""
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_COPIES}{os.getpid()}-"))
    _folders.append(folder)
    return folder


@atexit.register
def remove_copies() -> None:
    """Remove what this process has copied; to be called where it ends without exit handlers."""
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    return True

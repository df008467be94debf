"""Folders for what is needed only meanwhile; anyone who uses one holds it, until done or dead."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stedi.roots.names import inside, scratch_folder


@contextmanager
def scratch(root: Path, purpose: str) -> Iterator[Path]:
    """A folder in the lakehouse that is gone afterwards; none where nothing can be written."""
    from uuid import uuid4  # it would cost every command 2 ms

    folder = inside(scratch_folder(root), root) / f"{purpose}-{uuid4()}"
    descriptor = None
    with suppress(OSError):
        folder.mkdir(0o700, parents=True)
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        if descriptor is not None:
            os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # the last one out


def remove_abandoned(root: Path) -> None:
    """Remove the folders of processes that died."""
    parent = inside(scratch_folder(root), root)
    for folder in parent.glob("*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)
    with suppress(OSError):
        parent.rmdir()

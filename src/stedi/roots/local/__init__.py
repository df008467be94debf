"""A lakehouse folder on this machine."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from stedi.errors import UsageError
from stedi.roots.faces import Root
from stedi.roots.local.catalog import LocalCatalog
from stedi.roots.local.files import LocalFiles
from stedi.roots.local.lock import LocalLock

_ODD = re.compile(r"[#?\x00-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")
"""What URIs, in which Iceberg's metadata names files, would take for something else."""


def open_root(place: str) -> Root:
    """A lakehouse in a folder, which may not be there yet; raises `UsageError`."""
    if "://" in place or _ODD.search(place):
        raise UsageError(
            f"--root {place!a}: a local folder, without #, ?, control characters or %41 and the "
            "like in its path, or s3://bucket/prefix"
        )
    if not place:
        raise UsageError("--root: is empty")
    folder = Path(place).resolve()  # of one name, which files are known by
    try:
        is_other = folder.exists() and not folder.is_dir()
    except PermissionError as error:
        raise UsageError(f"--root {place} can't be read: {error.strerror}") from None
    if is_other:
        raise UsageError(f"--root {place}: not a folder")
    files = LocalFiles(folder)
    return Root(files, LocalCatalog(files), partial(LocalLock, folder))

"""A folder that its owner alone can read: what is held of somebody, on its way to them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stedi.errors import UsageError
from stedi.written import begun

_FOLDER, _FILE = 0o700, 0o600


@contextmanager
def private_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write to, which takes its place when all is written.

    Nobody else can open it at any time. Raises `UsageError` where something is there already, or
    it can't be written.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder}: something is there already; name a new or an empty folder")
    fresh = begun(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(mode=_FOLDER)
        yield fresh
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(_FOLDER if path.is_dir() else _FILE)
        fresh.replace(folder)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{folder} can't be written: {reason}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)

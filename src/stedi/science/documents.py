"""What is handed out: new folders, whole or not there at all."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from stedi.errors import UsageError

CHECKSUMS = "SHA256SUMS"


def require_empty(folder: Path) -> None:
    """Raise `UsageError` where something lies in a folder already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: something is there already; name a new or an empty folder")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of all files of a folder beside them, as `sha256sum --check` takes it."""
    listed = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    text = "".join(f"{digest}  {name}\n" for name, digest in listed.items())
    (folder / CHECKSUMS).write_text(text, encoding="utf-8")


@contextmanager
def new_folder(
    folder: Path, noting: Callable[[Path], AbstractContextManager[None]]
) -> Iterator[Path]:
    """A folder beside `folder` to write to, which takes its place when all is written.

    It does so inside of what `noting` returns for it.
    """
    require_empty(folder)
    _remove_leftovers(folder)
    fresh = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        with noting(fresh):
            fresh.replace(folder)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{folder} can't be written: {reason}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes that died have begun to write for a folder of that name."""
    begun = f".{folder.name}-"
    for leftover in folder.parent.glob(f"{glob.escape(begun)}*"):
        number = leftover.name.removeprefix(begun)
        if number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True

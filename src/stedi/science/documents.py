"""What is handed out: new folders, whole or not there at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from stedi.errors import UsageError
from stedi.written import begun

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
    fresh = begun(folder)
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

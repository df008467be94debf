"""A document that somebody asked for: one file of this machine, never in the place of another."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stedi.errors import UsageError


@dataclass(frozen=True)
class Document:
    """Where a document is to go, what messages call it, and how its name may end.

    `is_ours` says of a file that is there already whether it may be replaced; if not, `otherwise`
    says what it is.
    """

    path: Path
    name: str
    suffixes: tuple[str, ...]
    is_ours: Callable[[Path], bool]
    otherwise: str

    def require_writable(self, root: Path) -> None:
        """Raise `UsageError` where it can't be written, or would replace something else.

        `root` is the lakehouse, below which nothing but its own files may lie.
        """
        path, folder = self.path, self.path.parent
        if path.suffix.lower() not in self.suffixes or ":/" in str(path):
            raise self._refusal(f"name a file of this machine that ends in {self.suffixes[0]}")
        if not folder.is_dir():
            raise self._refusal(f"there is no folder {folder}; make it, or name another")
        if root.resolve() in path.resolve().parents:
            raise self._refusal("lies in the lakehouse; name a file outside")
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise self._refusal("is no plain file; name another")
        if path.exists() and not self.is_ours(path):
            raise self._refusal(f"is there already, and {self.otherwise}; name another file")
        if not os.access(folder, os.W_OK):
            raise self._refusal(f"nothing may be written to {folder}; name another folder")

    def write(self, text: str) -> None:
        """Write it, whole or not at all; raises `UsageError`."""
        fresh = begun(self.path)
        try:
            fresh.write_text(text, encoding="utf-8", errors="replace")
            fresh.replace(self.path)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise self._refusal(f"can't be written: {reason}") from None
        finally:
            fresh.unlink(missing_ok=True)

    def _refusal(self, why: str) -> UsageError:
        return UsageError(f"{self.name}: {why}")


def begun(path: Path) -> Path:
    """Where to write what takes the place of `path` when it is whole: a hidden name beside it.

    What processes that were killed have begun to write for that place is removed.
    """
    name = f".{path.name}-"
    for leftover in path.parent.glob(f"{glob.escape(name)}*"):
        number = leftover.name.removeprefix(name)
        if number.isdecimal() and not is_alive(number):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
    return path.with_name(f"{name}{os.getpid()}")


def is_alive(process: str) -> bool:
    """Whether any user has a process of that number; a text that is none counts as one."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (OSError, ValueError):  # somebody else's; no number
        pass
    return True

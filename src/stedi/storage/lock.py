"""One run at a time: a lock that the operating system lets go of when its owner dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from stedi.errors import Locked
from stedi.storage.warehouse import MACHINERY


class RunLock:
    """Holds a root for one run.

    The lock file names its owner while it is held and is empty afterwards; a name found in it
    means that a run died, and has left files behind that nothing refers to.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / MACHINERY / "lock"
        self._file: int | None = None
        self.last_run_died = False

    @property
    def is_held(self) -> bool:
        """Whether a run is at work."""
        try:
            with self._path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def __enter__(self) -> RunLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._file, 100).decode(errors="replace") or "another process"
            os.close(self._file)
            raise Locked(
                f"{self._path.parent.parent} is being worked on by {owner}; run again later"
            ) from None
        self.last_run_died = bool(os.read(self._file, 1))
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()}".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._file is not None
        if kind is None:
            os.ftruncate(self._file, 0)
        os.close(self._file)
        self._file = None

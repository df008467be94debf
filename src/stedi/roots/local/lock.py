"""One run at a time: a lock that the operating system lets go of when its owner dies."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from stedi.errors import Locked, StorageError
from stedi.roots.faces import open_local
from stedi.roots.names import OWN_FOLDER, inside
from stedi.roots.private import kept_private

_POLL = 0.05
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without locks answer, and servers of files that are not there to give them."""


class LocalLock:
    """Locks a lakehouse for one run; what is made meanwhile is private.

    `wait` is how many seconds to wait for its present owner. The lock file names its owner while it
    is held and is empty afterwards; a name found in it means that a run died, and has left files
    behind that nothing refers to.
    """

    def __init__(self, root: Path, wait: float = 0.0) -> None:
        self._root, self._path = root, root / OWN_FOLDER / "lock"
        self._wait = wait
        self._file: int | None = None
        self._stack = ExitStack()
        self.last_run_died = False

    @property
    def is_held(self) -> bool:
        """Whether a run is at work."""
        try:
            with open_local(self._path) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False  # and no run begins there
        return False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(kept_private())
            self._hold()
            self._stack = stack.pop_all()
        return self

    def _hold(self) -> None:
        try:
            path = inside(self._path, self._root)
        except RuntimeError:  # pathlib's for a loop
            raise StorageError(
                f"{self._path}: a link that leads to itself; remove it, and a run creates the lock "
                "again"
            ) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise StorageError(f"{self._path}: not a file; remove it, and a run creates it again")
        deadline = time.monotonic() + self._wait
        while not self._taken():
            if time.monotonic() >= deadline:
                owner = os.pread(self._file, 100, 0).decode(errors="replace") or "another process"
                os.close(self._file)
                raise Locked(
                    f"{self._path.parent.parent} is being worked on by {owner}; run again later, "
                    "or with --wait SECONDS"
                )
            time.sleep(_POLL)
        self.last_run_died = bool(os.read(self._file, 1))
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()}".encode(), 0)

    def check(self) -> None:
        """Nobody can take it from a process that lives."""

    def _taken(self) -> bool:
        try:
            return self._take()
        except BaseException:
            assert self._file is not None
            os.close(self._file)
            raise

    def _take(self) -> bool:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise StorageError(
                f"{self._root}: its file system has no locks ({error.strerror}), and two runs at "
                "once would damage tables. Use a local disk, S3, or a mount with locks (flock)"
            ) from None
        return True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._file is not None
        with self._stack:
            if kind is None:
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

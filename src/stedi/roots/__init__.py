"""Where a lakehouse's files lie: a folder of this machine, or a prefix of a bucket.

Whoever works with files names them by their local paths below `root`. On a disk these are the
files; of objects in a bucket they are copies, made where a whole file is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True)
class Stat:
    """What is known of a file without reading it.

    `size` is in bytes, `modified` in epoch nanoseconds; `changed` is another number whenever the
    content may be another.
    """

    size: int
    modified: int
    changed: int


class Lock(Protocol):
    """One run at a time on a root; held as a context manager."""

    last_run_died: bool

    @property
    def is_held(self) -> bool:
        """Whether a run is at work."""

    def check(self) -> None:
        """Raise `Locked` where it is no longer ours, before something is committed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Files(Protocol):
    """The files below one root; can be sent to other processes."""

    @property
    def root(self) -> Path:
        """Where the root is on this machine, or the copies of what lies below it."""

    @property
    def is_local(self) -> bool:
        """Whether the paths are the files themselves."""

    def uri(self, path: Path) -> str:
        """The URI of a file."""

    def path(self, uri: str) -> Path:
        """The path of a file by its URI."""

    def name(self, path: Path) -> str:
        """What people call a file."""

    def stat(self, path: Path) -> Stat | None:
        """What is known of a file; None where it isn't there."""

    def sizes(self, paths: Sequence[Path]) -> list[int | None]:
        """The sizes of files in bytes; None of those that aren't there."""

    def below(self, folder: Path) -> Iterator[tuple[Path, Stat]]:
        """All files below a folder, in no set order."""

    def open(self, path: Path) -> RawIOBase:
        """A file's bytes, read from any place; raises `OSError`."""

    def fetch(self, paths: Iterable[Path]) -> None:
        """Have whole files on this machine; raises `OSError`."""

    def publish(self, paths: Iterable[Path]) -> None:
        """Put files that were written on this machine where they belong."""

    def add(self, path: Path, target: Path) -> None:
        """Copy a local file from elsewhere to `target`: whole, or not at all."""

    def remove(self, paths: Iterable[Path], *, emptied: bool = False) -> None:
        """Remove files, older versions of them included; those that aren't there are.

        With `emptied`, folders that hold nothing then are removed too.
        """

    def remove_below(self, folder: Path) -> None:
        """Remove a folder with all that lies below it."""

    @property
    def remarks(self) -> list[str]:
        """What could not be done, or was passed over, and that somebody should know of."""

    def lock(self, wait: float = 0.0) -> Lock:
        """The lock of the root; `wait` is how many seconds to wait for whoever holds it."""


Opener = Callable[[Path], RawIOBase]


def open_local(path: Path) -> RawIOBase:
    """A file of this machine."""
    return path.open("rb", buffering=0)


def footer_source(files: Files, path: Path) -> Path | RawIOBase:
    """What to read the end of a Parquet file from, without having all of it here."""
    return path if files.is_local or path.exists() else files.open(path)

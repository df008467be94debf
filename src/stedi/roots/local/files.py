"""Files of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from urllib.parse import urlparse

from stedi.errors import UsageError
from stedi.roots import Stat, open_local
from stedi.roots.local.lock import DiskLock


@dataclass(frozen=True)
class Disk:
    """A folder."""

    root: Path
    remarks: list[str] = field(default_factory=list, compare=False)

    @property
    def is_local(self) -> bool:
        """Whether the paths are the files themselves: they are."""
        return True

    def uri(self, path: Path) -> str:
        """The `file://` URI of a path, spelled as Iceberg's libraries spell it."""
        return f"file://{path.absolute()}"

    def path(self, uri: str) -> Path:
        """The path of a `file://` URI."""
        return Path(urlparse(uri).path)

    def name(self, path: Path) -> str:
        """The path as text."""
        return str(path)

    def stat(self, path: Path) -> Stat | None:
        """What the disk says of a file; None where it isn't there."""
        try:
            found = path.stat()
        except OSError:
            return None
        return Stat(found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def sizes(self, paths: Sequence[Path]) -> list[int | None]:
        """The sizes of files in bytes; None of those that aren't there."""
        return [found.size if (found := self.stat(path)) else None for path in paths]

    def below(self, folder: Path) -> Iterator[tuple[Path, Stat]]:
        """All files below a folder, in no set order."""
        for path in folder.rglob("*"):
            if path.is_file() and (found := self.stat(path)):
                yield path, found

    def open(self, path: Path) -> RawIOBase:
        """A file's bytes, read from any place; raises `OSError`."""
        return open_local(path)

    def fetch(self, paths: Iterable[Path]) -> None:
        """They are here."""

    def publish(self, paths: Iterable[Path]) -> None:
        """They are where they belong."""

    def add(self, path: Path, target: Path) -> None:
        """Copy a file to `target`: whole, or not at all; raises `UsageError`."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{target.parent}: there is a file of that name already") from None
        part = target.with_name(f".{os.getpid()}.part")
        shutil.copyfile(path, part)
        part.replace(target)

    def remove(self, paths: Iterable[Path], *, emptied: bool = False) -> None:
        """Remove files, and folders that are `emptied` by it; those that aren't there are."""
        removed = list(paths)
        for path in removed:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in removed} if emptied else ():
            with suppress(OSError):  # it holds something, or is gone
                folder.rmdir()

    def remove_below(self, folder: Path) -> None:
        """Remove a folder with all that lies below it."""
        shutil.rmtree(folder, ignore_errors=True)

    def lock(self, wait: float = 0.0) -> DiskLock:
        """The lock of the root; `wait` is how many seconds to wait for whoever holds it."""
        return DiskLock(self.root, wait)

"""Files of this machine."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from stat import S_ISREG
from typing import Any
from urllib.parse import urlparse

from stedi.errors import LandingError, UsageError
from stedi.roots.faces import Remainder, Stat, open_local
from stedi.roots.names import inside, is_hidden
from stedi.roots.scratch import remove_abandoned
from stedi.text import counted, visible


def local_path(uri: str) -> Path:
    """The path of a `file://` URI."""
    return Path(urlparse(uri).path)


@dataclass(frozen=True)
class LocalFiles:
    """A folder."""

    root: Path
    remarks: list[str] = field(default_factory=list, compare=False)

    @property
    def exists(self) -> bool:
        """Whether the folder is there."""
        return self.root.is_dir()

    def holds(self, path: Path) -> bool:
        """Whether a file lies below the folder, links followed."""
        return path.resolve().is_relative_to(self.root)

    def uri(self, path: Path) -> str:
        """The `file://` URI of a path, spelled as Iceberg's libraries spell it."""
        return f"file://{path.absolute()}"

    def path(self, uri: str) -> Path:
        """The path of a `file://` URI in the lakehouse folder; raises `OSError` for any other."""
        path = local_path(uri)
        if ".." in path.parts or not path.is_relative_to(self.root.absolute()):
            raise OSError(f"{uri} doesn't lie below {self.root}")
        return path

    def name(self, path: Path) -> str:
        """The path as text for people."""
        return visible(str(path))

    def stat(self, path: Path) -> Stat | None:
        """What the disk says of a file; None where it isn't there, or something else is."""
        try:
            found = path.stat()
        except OSError:
            return None
        return _stat(found) if S_ISREG(found.st_mode) else None

    def sizes(self, paths: Sequence[Path]) -> list[int | None]:
        """The sizes of files in bytes; None of those that aren't there."""
        return [stat.size if (stat := self.stat(path)) else None for path in paths]

    def below(self, folder: Path) -> Iterator[tuple[Path, Stat]]:
        """All files below a folder, in no set order."""
        for path in folder.rglob("*"):
            if path.is_file() and (stat := self.stat(path)):
                yield path, stat

    def delivered(self, folder: Path, *, hidden: bool = False) -> Iterator[tuple[Path, Stat]]:
        """All files that people put below a folder; those in hidden folders only if asked for."""
        if not folder.exists():
            return
        if not folder.is_dir():
            raise LandingError(f"{folder} is a file; landing files lie in a folder of that name")
        if not _leads_below(folder, self.root):
            raise LandingError(
                f"{folder} leads out of {self.root}; copy the files there: stedi ingest"
            )
        odd: list[Path] = []
        yield from _walk(folder, folder, odd, hidden)
        if odd:
            names = f"{self.name(min(odd))}{', …' if len(odd) > 1 else ''}"
            remark = (
                f"passed over {counted(len(odd), 'entry', 'entries')} of {self.name(folder)} that "
                f"can't be read as files: links to nothing, pipes, sockets or devices ({names})"
            )
            if remark not in self.remarks:
                self.remarks.append(remark)

    def open(self, path: Path) -> RawIOBase:
        """A file's bytes, read from any place; raises `OSError`."""
        return open_local(path)

    def fetch(self, paths: Iterable[Path]) -> None:
        """They are here; raises `OSError` for what is no file: a reader of a pipe would wait."""
        for path in paths:
            if not S_ISREG(path.stat().st_mode):
                raise OSError(errno.EINVAL, "not a file", str(path))

    def inside(self, path: Path) -> Path:
        """A path that may be written or removed: it lies below the folder, links followed."""
        return inside(path, self.root)

    def publish(self, paths: Iterable[Path]) -> None:
        """They are where they belong."""

    def add(self, path: Path, target: Path) -> None:
        """Copy a file to `target`: whole, or not at all; raises `UsageError`."""
        self.inside(target.parent)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{target.parent}: there is a file of that name already") from None
        part = target.with_name(f".{os.getpid()}.part")
        shutil.copyfile(path, part)
        part.replace(target)

    def add_new(self, path: Path, target: Path) -> None:
        """The same; raises `FileExistsError` where something is there."""
        if target.exists() or target.is_symlink():
            raise FileExistsError(17, "there is a file of that name", str(target))
        self.add(path, target)

    def replace(self, path: Path, target: Path) -> None:
        """Put a file where `target` is, or what that leads to: whole, or not at all."""
        target = self.inside(target).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.copymode(target, path)
        try:
            path.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            part = target.with_name(f".{os.getpid()}.part")  # on the other file system
            shutil.copyfile(path, part)
            shutil.copymode(path, part)
            part.replace(target)
            path.unlink()

    def remainders(self) -> Iterator[Remainder]:
        """A folder keeps nothing but its files."""
        yield from ()

    def fetch_remainder(self, remainder: Remainder, target: Path) -> None:
        """There are none."""
        raise FileNotFoundError(2, "not there", str(remainder.path))

    def discard(self, remainders: Iterable[Remainder]) -> None:
        """There are none."""

    def remove(self, paths: Iterable[Path], *, emptied: bool = False) -> None:
        """Remove files, and folders that are `emptied` by it; those that aren't there are."""
        removed = list(paths)
        for folder in {path.parent for path in removed}:
            self.inside(folder)  # a link is removed itself, wherever it leads
        for path in removed:
            with suppress(IsADirectoryError):  # which is no file of ours
                path.unlink(missing_ok=True)
        for folder in {path.parent for path in removed} if emptied else ():
            with suppress(OSError):  # it holds something, or is gone
                folder.rmdir()

    def remove_below(self, folder: Path) -> None:
        """Remove a folder with all that lies below it."""
        shutil.rmtree(self.inside(folder), ignore_errors=True)

    def remove_abandoned(self, *, last_run_died: bool) -> None:
        """Remove the scratch folders that nobody holds, whether of runs or of queries."""
        remove_abandoned(self.root)

    def let_spark_read(self, session: Any) -> None:
        """It can."""


def _walk(folder: Path, top: Path, odd: list[Path], hidden: bool) -> Iterator[tuple[Path, Stat]]:
    """The files below a folder; to `odd` is added what is neither file nor folder.

    Links that have hidden names and lead out of it are passed over.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            path, is_seen = Path(entry.path), not is_hidden(entry.name)
            if is_seen:
                refuse_unreadable(path)
                if entry.is_symlink() and not _leads_below(path, top):
                    raise LandingError(
                        f"{visible(str(path))} is a symbolic link out of the landing folder; put "
                        "the file there"
                    )
            elif entry.is_symlink() and not _leads_below(path, top):
                continue
            if entry.is_dir(follow_symlinks=False):
                if is_seen or hidden:
                    yield from _walk(path, top, odd, hidden)
            elif path.is_file() if entry.is_symlink() else entry.is_file():
                yield path, _stat(entry.stat())
            elif is_seen:
                odd.append(path)


def _stat(status: os.stat_result) -> Stat:
    return Stat(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def refuse_unreadable(path: Path) -> None:
    """Raise `LandingError` for a name that no table can hold."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        name = path.name.encode(errors="surrogateescape")
        raise LandingError(
            f"{path.parent}: the name of a file in it is not UTF-8: {name!r}; rename it"
        ) from None


def _leads_below(link: Path, top: Path) -> bool:
    try:
        leads_to = link.resolve(strict=True)
    except FileNotFoundError:
        leads_to = link.resolve()
    except (OSError, RuntimeError):  # a link that leads back to itself
        return False
    return leads_to.is_relative_to(top.resolve())

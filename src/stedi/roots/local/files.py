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
from stat import S_ISDIR, S_ISREG
from typing import Any
from urllib.parse import urlparse

from stedi.errors import LandingError, UsageError
from stedi.roots.faces import Remainder, Stat, open_local
from stedi.roots.names import OWN_FOLDER, inside, is_hidden, landing_folder
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
    unread: dict[Path, str] = field(default_factory=dict, compare=False)

    @property
    def exists(self) -> bool:
        """Whether the folder is there."""
        return self.root.is_dir()

    def is_used(self, sources: Iterable[str]) -> bool:
        """Whether it has files of stedi's own, or a landing folder of a source."""
        own = (self.root / OWN_FOLDER, *(landing_folder(self.root, name) for name in sources))
        return any(map(os.path.lexists, own))

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

    def delivered(
        self, folder: Path, *, hidden: bool = False, unread: dict[Path, str] | None = None
    ) -> Iterator[tuple[Path, Stat]]:
        """All files that people put below a folder; those in hidden folders only if asked for.

        What can't be read is noted in `unread`; without it, it raises `LandingError`.
        """
        walk = _Walk(folder, hidden, {} if unread is None else unread, is_strict=unread is None)
        if (why := _why_no_folder(folder, self.root)) is not None:
            walk.pass_over(folder, why)
        elif folder.exists():
            yield from walk.below(folder, is_shown=True)
        if odd := walk.odd:
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


def _why_no_folder(folder: Path, root: Path) -> str | None:
    """Why nothing can be listed below a landing folder; None where it can, or isn't there."""
    try:
        is_folder = S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _unreadable(folder, error)
    if not is_folder:
        return f"{folder} is a file; landing files lie in a folder of that name"
    if not _leads_below(folder, root):
        return f"{folder} leads out of {root}; copy the files there: stedi ingest"
    return None


@dataclass
class _Walk:
    """Lists the files below a folder; to `odd` is added what is neither file nor folder.

    What can't be read is noted in `unread`, and the rest is listed. If it is hidden, it is noted
    only where the walk `is_strict`, and links that lead out of the folder never are.
    """

    top: Path
    hidden: bool
    unread: dict[Path, str]
    is_strict: bool
    odd: list[Path] = field(default_factory=list)

    def below(self, folder: Path, *, is_shown: bool) -> Iterator[tuple[Path, Stat]]:
        """The files below a folder; raises `LandingError` where one can't be read, if strict."""
        try:
            with os.scandir(folder) as scanned:
                entries = [*scanned]
        except OSError as error:
            if is_shown or self.is_strict:
                self.pass_over(folder, _unreadable(folder, error))
            return
        for entry in entries:
            path, is_seen = Path(entry.path), is_shown and not is_hidden(entry.name)
            if (why := self._why_not(entry, path, is_seen=is_seen)) is not None:
                is_own = self.is_strict and self.hidden and not entry.is_symlink()
                if is_seen or is_own:
                    self.pass_over(path, why)
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    if is_seen or self.hidden:
                        yield from self.below(path, is_shown=is_seen)
                elif entry.is_file():
                    yield path, _stat(entry.stat())
                elif is_seen:
                    self.odd.append(path)
            except FileNotFoundError:
                continue  # it has just been moved away

    def pass_over(self, path: Path, why: str) -> None:
        """Note what can't be read; raises `LandingError` if strict."""
        if self.is_strict:
            raise LandingError(why)
        self.unread[path] = why

    def _why_not(self, entry: os.DirEntry[str], path: Path, *, is_seen: bool) -> str | None:
        """Why an entry is not read."""
        is_link = entry.is_symlink()
        if is_seen and (why := _why_no_name(path)) is not None:
            return why
        if is_link and _is_loop(path):
            return f"{visible(str(path))} is a symbolic link that leads to itself; remove it"
        if is_link and not _leads_below(path, self.top):
            return (
                f"{visible(str(path))} is a symbolic link out of the landing folder; put the file "
                "there"
            )
        if entry.is_file() and not os.access(path, os.R_OK):
            return _unreadable(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        return None


def _unreadable(path: Path, error: OSError) -> str:
    advice = "; let stedi's user read it" if isinstance(error, PermissionError) else ""
    return f"{visible(str(path))} can't be read: {error.strerror or error}{advice}"


def _stat(status: os.stat_result) -> Stat:
    return Stat(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def refuse_unreadable(path: Path) -> None:
    """Raise `LandingError` for a name that no table can hold."""
    if (why := _why_no_name(path)) is not None:
        raise LandingError(why)


def _why_no_name(path: Path) -> str | None:
    """Why no table can hold a file's name; None where it can."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        name = path.name.encode(errors="surrogateescape")
        return f"{path.parent}: the name of a file in it is not UTF-8: {name!r}; rename it"
    return None


def _is_loop(link: Path) -> bool:
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _leads_below(link: Path, top: Path) -> bool:
    try:
        leads_to = link.resolve(strict=True)
    except FileNotFoundError:
        leads_to = link.resolve()
    except (OSError, RuntimeError):  # a link that leads back to itself
        return False
    return leads_to.is_relative_to(top.resolve())

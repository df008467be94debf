"""The parts of a lakehouse, on a disk or on S3: its files, its catalog and its lock."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, Protocol, Self

from stedi.errors import StorageError, Unavailable

if TYPE_CHECKING:
    from pyiceberg.catalog import MetastoreCatalog

    from stedi.declared.contract import Contract


@dataclass(frozen=True)
class Stat:
    """What is known of a file without reading it.

    `size` is in bytes, `modified` in epoch nanoseconds; `changed` is another number whenever the
    content may be another.
    """

    size: int
    modified: int
    changed: int


@dataclass(frozen=True)
class Remainder:
    """What a storage keeps beside its files: an earlier version, or an upload that never ended.

    `version` names the version of `path`, `upload` the upload to it; one of them is None. `size` is
    in bytes, None where nobody can tell.
    """

    path: Path
    version: str | None = None
    upload: str | None = None
    size: int | None = None


class Lock(Protocol):
    """One run at a time in a lakehouse; held as a context manager."""

    last_run_died: bool

    @property
    def is_held(self) -> bool:
        """Whether a run is at work."""

    def check(self) -> None:
        """Raise `Locked` where it is no longer ours, before something is committed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...


class Files(Protocol):
    """The files of one lakehouse; can be sent to other processes.

    They are named by local paths below `root`. On a disk these are the files; of objects in a
    bucket they are copies, made where a whole file is needed.
    """

    @property
    def root(self) -> Path:
        """Where the lakehouse folder is on this machine, or the copies of its files."""

    @property
    def exists(self) -> bool:
        """Whether there is a place to read from and write to, empty or not."""

    def is_used(self, sources: Iterable[str]) -> bool:
        """Whether it is a lakehouse: with files of stedi's own, or a landing folder of a source."""

    def holds(self, path: Path) -> bool:
        """Whether a file of this machine lies in the lakehouse folder itself."""

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

    def delivered(
        self, folder: Path, *, hidden: bool = False, unread: dict[Path, str] | None = None
    ) -> Iterator[tuple[Path, Stat]]:
        """All files that people put below a folder, in no set order; none where it isn't there.

        Hidden ones are among them; those in hidden folders not always unless `hidden`. What can't
        be read, or leads out of the folder or of the lakehouse folder, is noted in `unread` with
        the reason, and the rest is listed. Without `unread`, it raises `LandingError`.
        """

    def open(self, path: Path) -> RawIOBase:
        """A file's bytes, read from any place; raises `OSError`."""

    def fetch(self, paths: Iterable[Path]) -> None:
        """Have whole files on this machine; raises `OSError`."""

    def inside(self, path: Path) -> Path:
        """A path that may be written or removed; raises `StorageError` for one outside the folder.

        Links are followed. Whatever writes to a file by itself asks for its path, or its folder's.
        """

    def publish(self, paths: Iterable[Path]) -> None:
        """Put files that were written on this machine where they belong."""

    def add(self, path: Path, target: Path) -> None:
        """Copy a local file from elsewhere to `target`: whole, or not at all."""

    def add_new(self, path: Path, target: Path) -> None:
        """The same; raises `FileExistsError` where something is there, and leaves that as it is."""

    def replace(self, path: Path, target: Path) -> None:
        """Put a local file where `target` is, whole or not at all; nothing of that stays.

        Where `target` is a link, the file that it leads to is replaced.
        """

    def remainders(self) -> Iterator[Remainder]:
        """What the storage keeps beside the lakehouse's files."""

    def fetch_remainder(self, remainder: Remainder, target: Path) -> None:
        """Get an earlier version as a local file; raises `OSError`."""

    def discard(self, remainders: Iterable[Remainder]) -> None:
        """Remove earlier versions, and uploads that never ended."""

    def remove(self, paths: Iterable[Path], *, emptied: bool = False) -> None:
        """Remove files, older versions of them included; those that aren't there are.

        With `emptied`, folders that hold nothing then are removed too.
        """

    def remove_below(self, folder: Path) -> None:
        """Remove a folder with all that lies below it."""

    def remove_abandoned(self, *, last_run_died: bool) -> None:
        """Remove the scratch folders of processes that died; to be called by who has the lock."""

    def let_spark_read(self, session: Any) -> None:
        """Have a Spark session read and write files by their URIs; raises `Unavailable`."""

    @property
    def remarks(self) -> list[str]:
        """What could not be done, or was passed over, and that somebody should know of."""

    @property
    def unread(self) -> dict[Path, str]:
        """Landing files and folders that a run could not read, with the reason."""


class Catalog(Protocol):
    """Where the tables of one lakehouse are looked up."""

    namespace: str
    is_in_root: bool
    """Whether it has this lakehouse's tables only, and no other catalog has them."""

    @property
    def exists(self) -> bool:
        """Whether anything was ever noted in it."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What it raises where it can't be reached, beside what damage raises."""

    def translated(self, error: Exception) -> Exception:
        """One of `failures` as an error of ours."""

    def name(self, table: str) -> str:
        """What a table is called in it, namespace included."""

    def notes(self) -> Mapping[str, str]:
        """The notes on the lakehouse as a whole."""

    def tables(self) -> list[str]:
        """The names of all its tables, as it calls them."""

    def metadata_location(self, table: str) -> str | None:
        """The URI of the metadata of a table as it is now; None where there is no such table."""

    def prepare(self, landing: Sequence[Contract]) -> None:
        """Load what commits need, and let others who use it read the raw landing files."""

    def share(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """Let declared readers read these columns of tables; returns what could not be done."""

    def open(self) -> MetastoreCatalog:
        """The catalog, made if need be, with the namespace."""

    def forget(self, notes: Mapping[str, str]) -> None:
        """Remove all tables of the lakehouse from it, and note this on the lakehouse as a whole."""


class NotAllowed(Unavailable):
    """Missing rights; names the action and the resource."""


@dataclass(frozen=True)
class Root:
    """One lakehouse folder; get it with `open_root`. Opening it reads nothing.

    `lock` makes its lock; its argument is how many seconds to wait for anyone who holds it.
    """

    files: Files
    catalog: Catalog
    lock: Callable[..., Lock] = field(repr=False)


Opener = Callable[[Path], RawIOBase]


def only_files(files: Files, folder: Path) -> list[Path]:
    """The files below a folder in which nothing else may lie, for lists that nobody may lose.

    Raises `StorageError` where a folder, a pipe or a link to nothing lies in a file's place, and
    where the folder may not be read: what is in it is unknown then.
    """
    try:
        paths = [*folder.iterdir()]
        others = [path for path in paths if not path.is_file()]
    except FileNotFoundError:  # there is none, or not on this machine
        others = []
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"{files.name(folder)}: can't be read: {reason}") from None
    for path in others:
        raise StorageError(f"{files.name(path)}: not a file; restore it from a backup")
    return sorted(path for path, _ in files.below(folder))


def open_local(path: Path) -> RawIOBase:
    """A file of this machine; raises `OSError` for what is none, of a pipe without waiting."""
    if not S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a file", str(path))
    return path.open("rb", buffering=0)


def footer_source(files: Files, path: Path) -> Path | RawIOBase:
    """What to read the end of a Parquet file from, without having all of it here."""
    return path if path.is_file() else files.open(path)

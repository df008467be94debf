"""What lies in the landing zone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stedi.errors import LandingError
from stedi.files import Files
from stedi.files.names import landing_folder


@dataclass(frozen=True, order=True)
class LandingFile:
    """A raw file: its path below the source's landing folder, and what the disk says of it.

    `size` is in bytes, `modified` and `changed` (content, and inode) in epoch nanoseconds.
    """

    name: str
    size: int
    modified: int
    changed: int


def list_files(files: Files, source: str) -> list[LandingFile]:
    """All raw files of a source, by name; none where the folder isn't there.

    Names that begin with a dot or an underscore are not data, by the custom of Spark and Hive.
    Raises `LandingError` where that is a file, and for symbolic links that lead out of it, or of
    the root.
    """
    root, folder = files.root, landing_folder(files.root, source)
    if not files.is_local:
        return sorted(_listed(files, folder))
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise LandingError(f"{folder} is a file; landing files lie in a folder of that name")
    if not _leads_below(folder, root):
        raise LandingError(f"{folder} leads out of {root}; copy the files there: stedi ingest")
    return sorted(_walk(folder, folder))


def _listed(files: Files, folder: Path) -> Iterator[LandingFile]:
    for path, stat in files.below(folder):
        name = path.relative_to(folder)
        if not any(part.startswith((".", "_")) for part in name.parts):
            yield LandingFile(name.as_posix(), stat.size, stat.modified, stat.changed)


def _walk(folder: Path, top: Path) -> Iterator[LandingFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "_")):
                continue
            path = Path(entry.path)
            refuse_unreadable(path)
            if entry.is_symlink() and not _leads_below(path, top):
                raise LandingError(
                    f"{path} is a symbolic link out of the landing folder; put the file there"
                )
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path, top)
            elif entry.is_file():
                stat = entry.stat()
                name = path.relative_to(top).as_posix()
                yield LandingFile(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


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
        return link.resolve().is_relative_to(top.resolve())
    except (OSError, RuntimeError):  # a link that leads back to itself
        return False

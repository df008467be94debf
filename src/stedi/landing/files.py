"""What lies in the landing zone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stedi.errors import LandingError
from stedi.roots import Files
from stedi.roots.names import landing_folder
from stedi.text import counted

_JSON = (".json", ".jsonl", ".ndjson", ".json.gz", ".json.zst")


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

    Names that begin with a dot or an underscore are not data, by the custom of Spark and Hive;
    where they look like data, `files.remarks` says so. Raises `LandingError` where the folder is a
    file, and for symbolic links that lead out of it, or of the root.
    """
    folder = landing_folder(files.root, source)
    passed: list[str] = []
    found = _walk(folder, files.root, passed) if files.is_local else _listed(files, folder, passed)
    listed = sorted(found)
    files.remarks.extend(tell_passed(source, passed))
    return listed


def tell_passed(source: str, names: Sequence[str]) -> list[str]:
    """The remark on files that look like data but for a dot or an underscore before their names."""
    if not names:
        return []
    return [
        f"passed over {counted(len(names), 'landing file')} of the source {source}: a name "
        "that begins with a dot or an underscore says that it isn't ready "
        f"({min(names)}{', …' if len(names) > 1 else ''})"
    ]


def _listed(files: Files, folder: Path, passed: list[str]) -> Iterator[LandingFile]:
    """The files below a prefix; adds to `passed` the names of those that are not read."""
    for path, stat in files.below(folder):
        name = path.relative_to(folder)
        if not any(map(is_hidden, name.parts)):
            yield LandingFile(name.as_posix(), stat.size, stat.modified, stat.changed)
        elif looks_like_data(path.name):
            passed.append(name.as_posix())


def _walk(folder: Path, root: Path, passed: list[str]) -> Iterator[LandingFile]:
    """The files below a folder of a disk; adds to `passed` the names of those that are not read."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise LandingError(f"{folder} is a file; landing files lie in a folder of that name")
    if not _leads_below(folder, root):
        raise LandingError(f"{folder} leads out of {root}; copy the files there: stedi ingest")
    yield from _walk_below(folder, folder, passed)


def _walk_below(folder: Path, top: Path, passed: list[str]) -> Iterator[LandingFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if is_hidden(entry.name):
                if looks_like_data(entry.name) and entry.is_file():
                    passed.append(path.relative_to(top).as_posix())
                continue
            refuse_unreadable(path)
            if entry.is_symlink() and not _leads_below(path, top):
                raise LandingError(
                    f"{path} is a symbolic link out of the landing folder; put the file there"
                )
            if entry.is_dir(follow_symlinks=False):
                yield from _walk_below(path, top, passed)
            elif entry.is_file():
                stat = entry.stat()
                name = path.relative_to(top).as_posix()
                yield LandingFile(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def is_hidden(name: str) -> bool:
    """Whether a name says that what has it is not data."""
    return name.startswith((".", "_"))


def looks_like_data(name: str) -> bool:
    """Whether a hidden name is one of JSON, packed or not, and no companion that macOS leaves."""
    return name.lower().endswith(_JSON) and not name.startswith("._")


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

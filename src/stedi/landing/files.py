"""What lies in the landing zone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stedi.errors import LandingError
from stedi.roots import Files
from stedi.roots.names import is_hidden, is_unfinished, landing_folder
from stedi.text import counted, visible

_MOST_NAMED = 8
_MOST_LOOKED_AT = 1_000
"""So many files that are passed over are opened to see what they contain."""
_FIRST_BYTES = 64
_JSON = (".json", ".jsonl", ".ndjson", ".json.gz", ".json.zst")


@dataclass(frozen=True, order=True)
class LandingFile:
    """A raw file: its path below the source's landing folder, and what the disk says of it.

    `size` is in bytes, `modified` and `changed` (content, and inode) in epoch nanoseconds, and so
    is `arrived`: when its content first came, as far as is known.
    """

    name: str
    size: int
    modified: int
    changed: int
    arrived: int = 0


_UNKNOWN_BEFORE = 631_152_000 * 10**9
"""1990: archives that keep no times give their files some earlier one."""


def first_arrival(modified: int, now: int) -> int:
    """When a file came of which nothing is noted, epoch ns: when it was written, and by now."""
    return min(modified, now) if modified >= _UNKNOWN_BEFORE else now


class Unreadable(LandingError):
    """A landing file that can't be read, or that changed while it was read."""

    def __init__(
        self, message: str = "", report: Any = None, found: Mapping[Path, str] | None = None
    ) -> None:
        super().__init__(message, report)
        self.found: Mapping[Path, str] = found or {}
        """The paths, with the reasons."""

    def is_news(self, files: Files) -> bool:
        """Whether a run doesn't know of all the paths yet."""
        return not self.found.keys() <= files.unread.keys()

    @classmethod
    def of(cls, found: Mapping[Path, str]) -> Unreadable:
        """The error for some paths, with the reasons."""
        return cls("\n".join(found.values()), found=found)


def list_readable(files: Files, source: str) -> list[LandingFile]:
    """The raw files of a source that can be read; `files.unread` gets the others."""
    folder = landing_folder(files.root, source)
    listed = _list(files, folder, source, files.unread)
    return [file for file in listed if folder / file.name not in files.unread]


def is_unread(files: Files, path: Path) -> bool:
    """Whether a landing file, or a folder that it lies in, could not be read."""
    return not files.unread.keys().isdisjoint((path, *path.parents))


def list_files(files: Files, source: str) -> list[LandingFile]:
    """All raw files of a source, by name; none where the folder isn't there.

    Names that begin with a dot or an underscore are not data, by the custom of Spark and Hive, nor
    are those of files in the making; where they look like data, `files.remarks` says so. Raises
    `LandingError` where the folder is a file, for what can't be read, and for symbolic links that
    lead out of it, or out of the lakehouse folder.
    """
    return _list(files, landing_folder(files.root, source), source, None)


def _list(
    files: Files, folder: Path, source: str, unread: dict[Path, str] | None
) -> list[LandingFile]:
    skipped: list[str] = []
    landing_files = sorted(_listed(files, folder, skipped, unread))
    files.remarks.extend(skipped_remarks(source, skipped))
    return landing_files


def skipped_remarks(source: str, names: Sequence[str]) -> list[str]:
    """The remarks on files that are passed over by their names, though they look like data."""
    unfinished = [name for name in names if any(map(is_unfinished, Path(name).parts))]
    hidden = [name for name in names if name not in unfinished]
    return [
        f"passed over {counted(len(found), 'landing file')} of the source {source}: a name "
        f"that {what} says that it isn't ready ({_named(found)})"
        for found, what in (
            (hidden, "begins with a dot or an underscore"),
            (unfinished, "ends with .tmp, .part, .crdownload, .swp or ~"),
        )
        if found
    ]


def _named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    first, more = sorted(names)[:_MOST_NAMED], len(names) - _MOST_NAMED
    return ", ".join(map(visible, first)) + (f" and {more:,} more" if more > 0 else "")


def _listed(
    files: Files, folder: Path, skipped: list[str], unread: dict[Path, str] | None
) -> Iterator[LandingFile]:
    """The files below a folder; adds to `skipped` the names of those that are not read."""
    now = time.time_ns()
    looked: list[Path] = []
    for path, stat in files.delivered(folder, hidden=unread is not None, unread=unread):
        name = path.relative_to(folder)
        if not is_passed_over(name):
            arrived = first_arrival(stat.modified, now)
            yield LandingFile(name.as_posix(), stat.size, stat.modified, stat.changed, arrived)
        elif looks_like_data(path.name) or (
            unread is not None
            and len(looked) < _MOST_LOOKED_AT
            and _begins_json(files, path, looked)
        ):
            skipped.append(name.as_posix())


def _begins_json(files: Files, path: Path, looked: list[Path]) -> bool:
    """Whether a file that is passed over begins as JSON does; adds it to those `looked` at."""
    if is_hidden(path.name) and is_unfinished(path.name):
        return False  # a copy in the making, of ours or of a program that copies
    looked.append(path)
    try:
        with files.open(path) as opened:
            begin = opened.read(_FIRST_BYTES) or b""
    except OSError:
        return False
    return begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def is_passed_over(name: Path) -> bool:
    """Whether a file is not read, by its path below the landing folder."""
    return any(is_hidden(part) or is_unfinished(part) for part in name.parts)


def looks_like_data(name: str) -> bool:
    """Whether a name that is passed over is worth a word: one of JSON, or of a file in the making.

    No companion that macOS leaves is, and nothing that hides and is in the making.
    """
    if is_hidden(name):
        return name.lower().endswith(_JSON) and not name.startswith("._")
    return is_unfinished(name) or name.lower().endswith(_JSON)

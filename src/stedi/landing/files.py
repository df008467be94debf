"""What lies in the landing zone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stedi.roots import Files
from stedi.roots.names import is_hidden, is_unfinished, landing_folder
from stedi.text import counted, visible

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


def list_files(files: Files, source: str) -> list[LandingFile]:
    """All raw files of a source, by name; none where the folder isn't there.

    Names that begin with a dot or an underscore are not data, by the custom of Spark and Hive, nor
    are those of files in the making; where they look like data, `files.remarks` says so. Raises
    `LandingError` where the folder is a file, and for symbolic links that lead out of it, or out of
    the lakehouse folder.
    """
    folder = landing_folder(files.root, source)
    skipped: list[str] = []
    landing_files = sorted(_listed(files, folder, skipped))
    files.remarks.extend(skipped_remarks(source, skipped))
    return landing_files


def skipped_remarks(source: str, names: Sequence[str]) -> list[str]:
    """The remarks on files that are passed over by their names, though they look like data."""
    unfinished = [name for name in names if any(map(is_unfinished, Path(name).parts))]
    hidden = [name for name in names if name not in unfinished]
    return [
        f"passed over {counted(len(found), 'landing file')} of the source {source}: a name "
        f"that {what} says that it isn't ready ({visible(min(found))}"
        f"{', …' if len(found) > 1 else ''})"
        for found, what in (
            (hidden, "begins with a dot or an underscore"),
            (unfinished, "ends with .tmp, .part, .crdownload, .swp or ~"),
        )
        if found
    ]


def _listed(files: Files, folder: Path, skipped: list[str]) -> Iterator[LandingFile]:
    """The files below a folder; adds to `passed` the names of those that are not read."""
    now = time.time_ns()
    for path, stat in files.delivered(folder):
        name = path.relative_to(folder)
        if not is_passed_over(name):
            arrived = first_arrival(stat.modified, now)
            yield LandingFile(name.as_posix(), stat.size, stat.modified, stat.changed, arrived)
        elif looks_like_data(path.name):
            skipped.append(name.as_posix())


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

"""Where a lakehouse lies: a folder of this machine, or a prefix of a bucket.

Another storage is another folder here, with the same files in it, and a line in `_ELSEWHERE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from stedi.roots.faces import (
    Catalog,
    Files,
    Lock,
    NotAllowed,
    Opener,
    Remainder,
    Root,
    Stat,
    footer_source,
    only_files,
    open_local,
)

__all__ = [
    "DEFAULT_DATABASE",
    "Catalog",
    "Files",
    "Lock",
    "NotAllowed",
    "Opener",
    "Remainder",
    "Root",
    "Stat",
    "fetch_folder",
    "footer_source",
    "is_elsewhere",
    "local_files",
    "only_files",
    "open_local",
    "open_root",
]

DEFAULT_DATABASE = "stedi"


def _open_s3(uri: str, database: str) -> Root:
    from stedi.roots import s3

    return s3.open_root(uri, database)


_ELSEWHERE: Mapping[str, Callable[[str, str], Root]] = {"s3://": _open_s3}
"""What opens roots that are not folders of this machine, by how their URIs begin."""


def open_root(uri: str | Path, database: str = DEFAULT_DATABASE) -> Root:
    """The lakehouse folder at a path or a URI; raises `UsageError`, `Unavailable`.

    `database` is where a catalog that several roots share keeps the tables of this one.
    """
    place = str(uri)
    for beginning, open_there in _ELSEWHERE.items():
        if place.startswith(beginning):
            return open_there(place, database)
    from stedi.roots import local

    return local.open_root(place)


def local_files(folder: Path) -> Files:
    """The files of a folder of this machine that is no root, such as a delivery or scratch."""
    from stedi.roots.local.files import LocalFiles

    return LocalFiles(folder)


def is_elsewhere(uri: str | Path) -> bool:
    """Whether it is a URI of a storage, rather than a path of this machine."""
    return str(uri).startswith(tuple(_ELSEWHERE))


def fetch_folder(uri: str | Path) -> Path:
    """A folder of this machine as it is, or copies of all that lies below a URI."""
    if not is_elsewhere(uri):
        return Path(uri)
    files = open_root(uri).files
    files.fetch([path for path, _ in files.below(files.root)])
    return files.root

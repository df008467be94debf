"""Copies of what a storage keeps of files as they were before."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

from stedi.roots import Files, Remainder
from stedi.roots.scratch import scratch


def copies(
    files: Files, remainders: Iterable[Remainder]
) -> Generator[tuple[Remainder, Path], None, None]:
    """Versions with a copy of each on this machine, that is there until the next one is."""
    for remainder in remainders:
        with scratch(files.root, "version") as folder:
            copy = folder / remainder.path.name
            with suppress(FileNotFoundError):  # gone meanwhile
                files.fetch_remainder(remainder, copy)
            if copy.exists():
                yield remainder, copy

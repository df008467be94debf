"""Files of rows that were written apart by the number in a column: `folder/column=7/file`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def files_by_number(paths: Iterable[Path]) -> dict[int, list[Path]]:
    """The Parquet files among these, in order, by the number that their folder names."""
    found: dict[int, list[Path]] = {}
    for path in sorted(paths):
        if path.suffix == ".parquet":
            found.setdefault(int(path.parent.name.partition("=")[2]), []).append(path)
    return found

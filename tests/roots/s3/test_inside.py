"""Nothing outside of a root's prefix is written or removed; no request is made to find out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stedi.errors import StorageError
from stedi.roots.s3.files import S3Files


def copy_of(place: Path) -> Path:
    """A file that is there, so that it could be uploaded."""
    return place / ("../" * len(place.parts)) / __file__.lstrip("/")


@pytest.mark.parametrize(
    "way", ["../other/key", "customer/../../other", "..", "a/../b", "/etc/passwd"]
)
@pytest.mark.parametrize(
    "act",
    [
        lambda files, place: files.inside(place),
        lambda files, place: files.remove([place]),
        lambda files, place: files.remove_below(place),
        lambda files, place: files.add(Path(__file__), place),
        lambda files, place: files.publish([copy_of(place)]),
        lambda files, place: files.fetch([place / "missing"]),
    ],
)
def test_keys_outside_are_neither_written_nor_removed(
    tmp_path: Path, way: str, act: Callable[[S3Files, Path], object]
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "key").write_bytes(b"stays")
    files = S3Files("bucket", "prefix", copies)
    files.__dict__["client"] = None  # which any request would fail at
    place = copies / way
    for part in ("customer", "a"):
        (copies / part).mkdir()
    with pytest.raises(StorageError, match="outside of s3://bucket/prefix"):
        act(files, place)
    assert (tmp_path / "other" / "key").read_bytes() == b"stays"

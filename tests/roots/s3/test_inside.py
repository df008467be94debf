"""Nothing outside of a lakehouse's prefix is written or removed; no request is made to find out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stedi.errors import StorageError
from stedi.roots.s3.files import S3Files


@pytest.fixture
def files(tmp_path: Path) -> S3Files:
    copies = tmp_path / "copies"
    copies.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "key").write_bytes(b"stays")
    files = S3Files("bucket", "prefix", copies)
    files.__dict__["client"] = None  # which any request would fail at
    return files


@pytest.mark.parametrize("way", ["../other/key", "a/../../other/key", "..", "a/../b", "/no/such"])
@pytest.mark.parametrize(
    "act",
    [
        lambda files, place: files.inside(place),
        lambda files, place: files.remove([place]),
        lambda files, place: files.remove_below(place),
        lambda files, place: files.add(Path(__file__), place),
        lambda files, place: files.fetch([place / "missing"]),
    ],
)
def test_keys_outside_are_neither_written_nor_removed(
    files: S3Files, tmp_path: Path, way: str, act: Callable[[S3Files, Path], object]
) -> None:
    with pytest.raises(StorageError, match="outside of s3://bucket/prefix"):
        act(files, files.root / way)
    assert (tmp_path / "other" / "key").read_bytes() == b"stays"


@pytest.mark.parametrize("way", ["../other/key", "../copies/../other/key", "/dev/null"])
def test_no_file_of_this_machine_from_outside_is_uploaded(files: S3Files, way: str) -> None:
    with pytest.raises(StorageError, match="outside of s3://bucket/prefix"):
        files.publish([files.root / way])

"""Nothing outside of a lakehouse folder is written or removed, wherever links lead."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import StorageError
from stedi.roots.local.file_io import LocalFileIO
from stedi.roots.local.files import LocalFiles
from stedi.roots.local.lock import LocalLock
from stedi.roots.scratch import remove_abandoned, scratch
from stedi.storage.suspensions import note_decision
from tests.conftest import already_run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the lakehouse folder, with a file that must stay."""
    folder = tmp_path / "outside" / "typed" / "data"
    folder.mkdir(parents=True)
    (folder / "stays.parquet").write_bytes(b"somebody else's")
    return tmp_path / "outside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "in").symlink_to(tmp_path / "outside")
    return tmp_path / "root"


def new(files: LocalFiles) -> Path:
    path = files.root / "new"
    path.write_bytes(b"ours")
    return path


WAYS_OUT = ("../outside", "in", "customer/../../outside", "in/typed/..")


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize(
    "act",
    [
        lambda files, place: files.remove([place / "typed/data/stays.parquet"]),
        lambda files, place: files.remove([place / "typed/data/stays.parquet"], emptied=True),
        lambda files, place: files.remove_below(place / "typed"),
        lambda files, place: files.remove_below(place),
        lambda files, place: files.add(Path(__file__), place / "typed/data/stays.parquet"),
        lambda files, place: files.add(Path(__file__), place / "new/file"),
        lambda files, place: files.replace(new(files), place / "typed/data/stays.parquet"),
        lambda files, place: files.replace(new(files), place / "new/file"),
        lambda files, place: files.inside(place / "typed/data/stays.parquet"),
        lambda files, place: LocalFileIO({"warehouse": f"file://{files.root}"}).delete(
            f"file://{place}/typed/data/stays.parquet"
        ),
        lambda files, place: LocalFileIO({"warehouse": f"file://{files.root}"}).new_output(
            f"file://{place}/typed/data/stays.parquet"
        ),
    ],
)
def test_files_outside_are_neither_written_nor_removed(
    root: Path, outside: Path, way: str, act: Callable[[LocalFiles, Path], object]
) -> None:
    with pytest.raises(StorageError, match="outside of"):
        act(LocalFiles(root), root / way)
    assert sorted(path.name for path in outside.rglob("*")) == ["data", "stays.parquet", "typed"]
    assert (outside / "typed/data/stays.parquet").read_bytes() == b"somebody else's"


def test_a_link_is_removed_and_not_what_it_leads_to(root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside / "typed/data/stays.parquet")
    LocalFiles(root).remove([root / "link"])
    assert not (root / "link").is_symlink()
    assert (outside / "typed/data/stays.parquet").exists()


def test_scratch_that_leads_out_is_neither_used_nor_swept(root: Path, outside: Path) -> None:
    (root / "_stedi").mkdir()
    (root / "_stedi" / "scratch").symlink_to(outside)
    with pytest.raises(StorageError, match="outside of"), scratch(root, "run"):
        pass
    with pytest.raises(StorageError, match="outside of"):
        remove_abandoned(root)
    assert (outside / "typed/data/stays.parquet").exists()


@pytest.mark.parametrize("what", ["_stedi", "_stedi/lock"])
def test_a_lock_that_lies_elsewhere_is_not_taken(root: Path, outside: Path, what: str) -> None:
    (root / what).parent.mkdir(exist_ok=True)
    (root / what).symlink_to(outside / "lock")
    with pytest.raises(StorageError, match="outside of"), LocalLock(root):
        pass
    assert not (outside / "lock").exists()


@pytest.mark.parametrize("name", ["_stedi", "_stedi/review", "_stedi/review/0123456789abcdef"])
def test_no_decision_is_noted_elsewhere(root: Path, outside: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(
        outside / "typed/data/stays.parquet" if "/review/" in name else outside
    )
    with pytest.raises(StorageError, match="outside of"):
        note_decision(LocalFiles(root), "0123456789abcdef")
    assert sorted(path.name for path in outside.rglob("*")) == ["data", "stays.parquet", "typed"]
    assert (outside / "typed/data/stays.parquet").read_bytes() == b"somebody else's"


@already_run
@pytest.mark.parametrize("table", ["customer/typed", "step_trainer/trusted", "_stedi/quarantine"])
def test_a_run_removes_nothing_of_a_table_that_a_link_leads_out_to(
    small_lakehouse: Lakehouse, outside: Path, table: str
) -> None:
    shutil.rmtree(small_lakehouse.root / table)
    (small_lakehouse.root / table).symlink_to(outside / "typed")
    with pytest.raises(StorageError):
        small_lakehouse.run(full=True)
    assert [path.name for path in outside.rglob("*.*")] == ["stays.parquet"]


@already_run
def test_metadata_that_names_files_elsewhere_is_damaged(
    small_lakehouse: Lakehouse, tmp_path: Path, outside: Path
) -> None:
    """Files that a changed snapshot names are not swept with it, nor read."""
    for path in (small_lakehouse.root / "customer" / "trusted" / "metadata").glob("*.json"):
        text = path.read_text()
        path.write_text(text.replace(f"file://{small_lakehouse.root}/", f"file://{tmp_path}/x/"))
    shutil.copytree(small_lakehouse.root, tmp_path / "x")
    with pytest.raises(StorageError, match="missing or damaged"):
        small_lakehouse.query("SELECT COUNT(*) FROM customer_trusted")
    small_lakehouse.run(full=True)
    assert small_lakehouse.status(verify=True).ok
    assert len(list((tmp_path / "x/customer/trusted/data").rglob("*.parquet"))) == 1


@already_run
def test_a_catalog_that_lies_elsewhere_is_not_opened(
    small_lakehouse: Lakehouse, outside: Path
) -> None:
    """SQLite opens to write even what is only read, and makes tables where it finds none."""
    catalog = small_lakehouse.root / "_stedi" / "catalog.db"
    catalog.unlink()
    (outside / "empty.db").touch()
    catalog.symlink_to(outside / "empty.db")
    with pytest.raises(StorageError, match="outside of"):
        small_lakehouse.query("SELECT COUNT(*) FROM customer_trusted")
    assert (outside / "empty.db").read_bytes() == b""

"""Deliveries are copied whole, once, and never over another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stedi import Lakehouse, LandingError, Unavailable, UsageError
from stedi.landing import ingest
from tests.support import small


@pytest.fixture
def published(starter: Path, tmp_path: Path) -> tuple[str, str]:
    """A git repository on this machine that holds the starter data where the public one has it."""
    repository = tmp_path / "repository"
    for source in ("customer", "accelerometer", "step_trainer"):
        shutil.copytree(starter / source, repository / ingest.STARTER_FOLDER / source)
    (repository / "other").mkdir()
    (repository / "other" / "large.bin").write_bytes(b"x" * 1000)

    def git(*words: str) -> str:
        command = [
            "git",
            "-C",
            str(repository),
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@e",
            *words,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "starter")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    git("config", "uploadpack.allowFilter", "true")
    return f"file://{repository}", git("rev-parse", "HEAD")


def test_the_starter_data_comes_by_git_sparse_and_shallow(
    published: tuple[str, str], tmp_path: Path
) -> None:
    with ingest.starter(*published) as folder:
        assert not (folder.parents[1] / "other").exists()
        copied = Lakehouse(tmp_path / "root").ingest(folder).copied
    assert len(copied) == 13
    assert not folder.exists()


def test_starter_data_that_is_not_as_published_is_refused(
    published: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ingest.STARTER_RECORDS, "customer", 957)
    with (
        pytest.raises(Unavailable, match="956 customer records where 957"),
        ingest.starter(*published),
    ):
        pass


def test_without_a_network_the_folder_form_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match="stedi ingest FOLDER"),
        ingest.starter(f"file://{tmp_path}/nowhere", "0" * 40),
    ):
        pass


def test_without_git_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="git is not installed"), ingest.starter():
        pass


def test_a_folder_in_another_layout_is_refused_with_the_layout(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(UsageError, match=r"customer/landing/.*--source NAME"):
        Lakehouse(tmp_path / "root").ingest(tmp_path / "data")


def test_a_copy_that_was_cut_off_is_not_data(lakehouse: Lakehouse, tmp_path: Path) -> None:
    folder = lakehouse.root / "customer" / "landing"
    folder.mkdir(parents=True)
    (folder / ".x.json.part").write_text('{"half')
    lakehouse.run()
    assert lakehouse.status().sources["customer"].files == 0
    (tmp_path / "x.json").write_text("")
    lakehouse.ingest(tmp_path / "x.json", source="customer")
    assert [path.name for path in folder.iterdir()] == ["x.json"]


def test_data_under_a_hidden_name_stays_and_is_reported(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "delivery" / "customer" / "landing"
    (folder / "_days").mkdir(parents=True)
    for name in ("a.json", "_b.json", ".c.json.gz", ".DS_Store", "_days/d.json"):
        (folder / name).write_text("")
    for ingested in (
        lakehouse.ingest(tmp_path / "delivery"),
        lakehouse.ingest(folder, source="customer"),
    ):
        [*copied, remark] = *ingested.copied, *ingested.remarks
        assert copied in (["customer/landing/a.json"], [])
        assert "2 landing files of the source customer" in remark and ".c.json.gz" in remark
    assert [path.name for path in (lakehouse.root / "customer" / "landing").iterdir()] == ["a.json"]
    (folder / "a.json").unlink()
    with pytest.raises(UsageError, match="no files in it; passed over 2"):
        lakehouse.ingest(folder, source="customer")


def test_a_link_out_of_a_delivery_is_refused_and_what_is_no_file_is_told(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    folder, secret = tmp_path / "delivery" / "customer" / "landing", tmp_path / "secret.json"
    folder.mkdir(parents=True)
    secret.write_text("nobody delivered it")
    (folder / "a.json").write_text("")
    os.mkfifo(folder / "pipe.json")
    (folder / "nothing.json").symlink_to(folder / "nowhere")
    for ingested in (
        lakehouse.ingest(tmp_path / "delivery"),
        lakehouse.ingest(folder, source="customer"),
    ):
        [remark] = ingested.remarks
        assert "passed over 2 entries" in remark and "pipes, sockets or devices" in remark
    for name in ("pipe.json", "nothing.json"):
        with pytest.raises(UsageError, match="neither file nor folder, but a pipe"):
            lakehouse.ingest(folder / name, source="customer")
    (folder / "out.json").symlink_to(secret)
    for path, source in ((tmp_path / "delivery", None), (folder, "customer")):
        with pytest.raises(LandingError, match="symbolic link out"):
            lakehouse.ingest(path, source=source)
    assert [path.name for path in (lakehouse.root / "customer" / "landing").iterdir()] == ["a.json"]


def test_the_lakehouse_itself_is_no_delivery(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    lakehouse = Lakehouse(tmp_path / "here" / "lakehouse")
    (tmp_path / "here" / "x.json").write_text(json.dumps(small.acceleration("ann", 100, 0.1)))
    assert lakehouse.ingest(tmp_path / "here", source="accelerometer").copied
    lakehouse.run()
    again = lakehouse.ingest(tmp_path / "here", source="accelerometer")
    assert (again.copied, len(again.present)) == ((), 2)  # the file, and its copy


def test_a_folder_of_no_source_is_reported(lakehouse: Lakehouse, tmp_path: Path) -> None:
    for name in ("customer", "step-trainer", ".git", "notes"):
        (tmp_path / "delivery" / name / "landing").mkdir(parents=True)
    (tmp_path / "delivery" / "notes" / "landing").rmdir()
    (tmp_path / "delivery" / "customer" / "landing" / "a.json").write_text("")
    ingested = lakehouse.ingest(tmp_path / "delivery")
    [remark] = ingested.remarks
    assert remark.startswith("step-trainer/landing/ was not copied")
    assert "step_trainer" in remark


def test_a_symbolic_link_out_of_the_landing_folder_is_refused(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    folder = lakehouse.root / "customer" / "landing"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "secret")
    with pytest.raises(LandingError, match="symbolic link"):
        lakehouse.run()


@pytest.mark.parametrize("name", [b"\xff.json", b"\xff/a.json"])
def test_a_name_that_no_table_can_hold_is_refused(
    lakehouse: Lakehouse, tmp_path: Path, name: bytes
) -> None:
    path = tmp_path / "deliveries" / os.fsdecode(name)
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(LandingError, match="not UTF-8"):
        lakehouse.ingest(tmp_path / "deliveries", source="customer")
    assert not [*(lakehouse.root / "customer" / "landing").glob("*")]

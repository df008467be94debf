"""A lakehouse that was moved or copied says so; under another name it is the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import StorageError
from tests.conftest import already_run, counts, on
from tests.support import small
from tests.support.processes import started
from tests.support.tables import how, strays


def test_a_moved_root_says_which_command_makes_it_work(
    small_lakehouse: Lakehouse, tmp_path: Path, not_anonymous: Path
) -> None:
    small_lakehouse.run(profile="strict")
    expected = counts(small_lakehouse)
    for make, name in ((shutil.copytree, "copied"), (shutil.move, "moved")):
        place = tmp_path / name
        make(small_lakehouse.root, place)
        other = on("duckdb", place, not_anonymous)
        for verb in ("status", "plan", "run", "quarantine"):
            with pytest.raises(StorageError, match="run --full --root"):
                getattr(other, verb)()
        with pytest.raises(StorageError, match=r"was moved or copied from .*/root"):
            other.query("SELECT COUNT(*) FROM customer_trusted")
        done = started("run", "--full", "--root", place).ended()
        assert done.returncode == 0, done.stderr
        assert counts(other) == expected
        assert other.status(verify=True).ok
        assert other.status().profile == "strict"
        assert strays(other) == []
        if name == "copied":
            assert counts(small_lakehouse) == expected
            assert small_lakehouse.status(verify=True).ok


@already_run
def test_a_lakehouse_under_another_name_is_not_moved(
    small_lakehouse: Lakehouse, tmp_path: Path, not_anonymous: Path
) -> None:
    (tmp_path / "link").symlink_to(small_lakehouse.root)
    (tmp_path / "elsewhere").mkdir()
    for name in ("link", "elsewhere/../link"):
        other = on("duckdb", tmp_path / name, not_anonymous)
        assert counts(other) == small.SEED
        assert how(other) == {}
        built = {one.table: one.how for one in other.run(full=True).built}
        assert built["machine_learning_curated"] == "rebuild"
        assert counts(small_lakehouse) == small.SEED
        assert small_lakehouse.status(verify=True).ok

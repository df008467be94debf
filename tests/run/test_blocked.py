"""A landing folder with something that can't be read: all else is read, and withdrawals count."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, LandingError
from stedi.landing.reader import Counts, FileReader
from tests.conftest import Land, already_run, on, rows
from tests.support import small
from tests.support.dying import command_as_nobody
from tests.support.processes import Process

WITHDRAWN = [small.customer("ann", "S1", 5_000)]


def trusted(lakehouse: Lakehouse) -> list[str]:
    return [email for (email,) in rows(lakehouse, "SELECT email FROM customer_trusted ORDER BY 1")]


def link_out(folder: Path) -> None:
    (folder.parents[2] / "elsewhere.json").write_text("{}")
    (folder / "link.json").symlink_to(folder.parents[2] / "elsewhere.json")


def link_to_itself(folder: Path) -> None:
    (folder / "loop.json").symlink_to("loop.json")


def folder_link_out(folder: Path) -> None:
    (folder.parents[2] / "elsewhere").mkdir(exist_ok=True)
    (folder / "sub").symlink_to(folder.parents[2] / "elsewhere")


def name_not_utf8(folder: Path) -> None:
    (folder / os.fsdecode(b"a\xff.json")).write_bytes(b"{}")


def folder_name_not_utf8(folder: Path) -> None:
    (folder / os.fsdecode(b"a\xff")).mkdir()
    (folder / os.fsdecode(b"a\xff") / "a.json").write_bytes(b"{}")


OBSTACLES: dict[Callable[[Path], None], str] = {
    link_out: r"link\.json is a symbolic link out of the landing folder",
    link_to_itself: r"loop\.json is a symbolic link that leads to itself",
    folder_link_out: r"sub is a symbolic link out of the landing folder",
    name_not_utf8: "the name of a file in it is not UTF-8",
    folder_name_not_utf8: "the name of a file in it is not UTF-8",
}


@already_run
@pytest.mark.parametrize("source", ["customer", "accelerometer"])
@pytest.mark.parametrize("obstruct", OBSTACLES)
def test_what_can_not_be_read_is_reported_and_withdrawals_beside_it_count(
    small_lakehouse: Lakehouse, land: Land, source: str, obstruct: Callable[[Path], None]
) -> None:
    before = trusted(small_lakehouse)
    obstruct(small_lakehouse.root / source / "landing")
    land("customer", WITHDRAWN, name="w.json")
    with pytest.raises(LandingError, match=OBSTACLES[obstruct]) as raised:
        small_lakehouse.run()
    assert raised.value.report.built
    assert trusted(small_lakehouse) == [who for who in before if who != "ann@example.com"]
    [problem] = small_lakehouse.status(verify=True).problems
    assert re.search(OBSTACLES[obstruct], problem)
    with pytest.raises(LandingError, match=OBSTACLES[obstruct]):
        small_lakehouse.run()  # as long as it is there


@already_run
def test_a_landing_folder_that_leads_elsewhere_stops_no_other_source(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    before = trusted(small_lakehouse)
    folder = small_lakehouse.root / "accelerometer" / "landing"
    shutil.move(folder, small_lakehouse.root.parent / "moved")
    folder.symlink_to(small_lakehouse.root.parent / "moved")
    land("customer", WITHDRAWN, name="w.json")
    with pytest.raises(LandingError, match="leads out of"):
        small_lakehouse.run()
    assert trusted(small_lakehouse) == [who for who in before if who != "ann@example.com"]
    [(readings,)] = rows(small_lakehouse, "SELECT COUNT(*) FROM accelerometer_landing")
    assert readings == len(small.ACCELEROMETER)  # what was read of it stays
    with pytest.raises(LandingError, match=r"source accelerometer must be read again"):
        small_lakehouse.run(full=True)
    assert rows(small_lakehouse, "SELECT COUNT(*) FROM accelerometer_landing") == [(readings,)]


@already_run
@pytest.mark.parametrize("source", ["customer", "accelerometer"])
@pytest.mark.parametrize("how", ["can't be read", "vanishes", "is replaced"])
def test_a_file_that_fails_while_it_is_read_stops_no_other(
    small_lakehouse: Lakehouse,
    land: Land,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    how: str,
) -> None:
    before = trusted(small_lakehouse)
    content = small.CUSTOMERS[:1] if source == "customer" else small.ACCELEROMETER[:1]
    bad = land(source, content, name="bad.json")
    land("customer", WITHDRAWN, name="w.json")
    read = FileReader.read

    def failing(self: FileReader, file: Path, *args: Any, **options: Any) -> Counts:
        if file == bad and how == "can't be read":
            raise OSError(5, "Input/output error")
        counts = read(self, file, *args, **options)
        if file == bad:
            file.unlink()
            if how == "is replaced":
                file.write_bytes(b"")
        return counts

    monkeypatch.setattr(FileReader, "read", failing)
    with pytest.raises(LandingError, match=r"bad\.json (can't be read|changed while it was read)"):
        small_lakehouse.run()
    assert trusted(small_lakehouse) == [who for who in before if who != "ann@example.com"]
    monkeypatch.setattr(FileReader, "read", read)
    bad.unlink(missing_ok=True)
    small_lakehouse.run()
    assert small_lakehouse.status(verify=True).ok


@pytest.fixture
def here() -> Iterator[Path]:
    """A folder that anybody may enter: those above pytest's are their owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["new file", "read file", "folder", "read folder", "whole folder"])
def test_what_somebody_may_not_read_stays_as_it_was_and_withdrawals_beside_it_count(
    here: Path, not_anonymous: Path, what: str
) -> None:
    root, own = here / "root", here / "declarations"
    small.land(root)
    small.write(root, "customer", [small.customer("zoe", "S14", 100, consent=100)], "sub/z.json")
    # The newest record of a customer is in a file that can't be read later: it still counts.
    small.write(root, "customer", [small.customer("gus", "S6", 4_000)], "gone/g.json")
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    before = trusted(lakehouse)
    small.write(root, "customer", [small.customer("new", "S15", 100, consent=100)], "new/n.json")
    small.write(root, "customer", WITHDRAWN, "w.json")
    shutil.copytree(not_anonymous, own)
    for path in (here, *here.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
    folder = root / "customer" / "landing"
    shut = {
        "new file": folder / "new" / "n.json",
        "read file": folder / "gone" / "g.json",
        "folder": folder / "new",
        "read folder": folder / "gone",
        "whole folder": root / "accelerometer" / "landing",
    }[what]
    shut.chmod(0)
    small.land(here / "warm")
    done = Process(
        command_as_nobody, str(here / "warm"), str(own), [["run", str(root)], ["status", str(root)]]
    ).ended()
    shut.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"run 1 .*{shut.name} can't be read: Permission denied", done.stdout)
    assert re.search(rf"status done .*{shut.name} can't be read", done.stdout), done.stdout
    assert "gone since it was read" not in done.stdout
    is_new_read = what not in ("new file", "folder")
    expected = {*before, *(["new@example.com"] if is_new_read else [])} - {"ann@example.com"}
    assert {*trusted(lakehouse)} == expected

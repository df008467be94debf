"""What comes from outside can't command a terminal, run in a spreadsheet, or be read by others."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import socket
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import Locked, NotAnonymous, UsageError
from stedi.rights.private import private_folder
from stedi.roots.copies import temporary_folder
from stedi.science.documents import new_folder
from stedi.text import visible, visible_lines
from tests.support import small
from tests.support.processes import STEDI, stedi

HOSTILE = "a\x1b[31m\x9b2J\x07\u202eb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small.land(tmp_path / "root")
    return tmp_path / "root"


def controls(text: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable() and letter != "\n"}


@pytest.mark.parametrize(
    "text", ["\x1b]0;x\x07", "\x9b31m", "\r", "\t", "\0", "\u202e", "\u200b", "\u2028", "\x7f"]
)
def test_signs_that_nobody_sees_are_spelled_out(text: str) -> None:
    assert visible(f"a{text}b").isprintable()
    assert visible_lines(f"a{text}\nb").count("\n") == 1
    assert visible("Ann Müller, 漢字 🦶") == "Ann Müller, 漢字 🦶"


def test_names_of_files_and_columns_are_printed_with_escapes_spelled_out(
    root: Path, tmp_path: Path
) -> None:
    small.write(root, "customer", b"nonsense\n", f"{HOSTILE}.json")
    (root / "customer" / "landing" / f".{HOSTILE}.json").write_text("{}")
    said = [stedi("run", "--root", root, check=None)]
    said.append(stedi("quarantine", "list", "--root", root))
    said.append(stedi("query", f'SELECT 1 AS "{HOSTILE}"', "--root", root))
    said.append(stedi("query", f"SELECT '{HOSTILE}' AS n", "--root", root))
    said.append(stedi("query", f'SELECT "{HOSTILE}" FROM loads', "--root", root, check=2))
    said.append(stedi("query", f'SELECT * FROM "{HOSTILE}"', "--root", root, check=2))
    said.append(stedi("status", "--root", tmp_path / HOSTILE, check=None))
    (root / "customer" / "landing" / f"{HOSTILE}.json").unlink()
    said.append(stedi("status", "--root", root, check=1))
    (root / "customer" / "landing" / f"x{HOSTILE}.json").symlink_to("/etc/passwd")
    said.append(stedi("run", "--root", root, check=1))
    assert [controls(text) for text in said] == [set()] * len(said)
    assert all("\\x1b" in text for text in (said[1], said[2], said[3], said[7], said[8]))


@pytest.mark.slow
def test_a_line_break_in_a_name_begins_no_line(root: Path) -> None:
    name = f"a{HOSTILE}\nstedi: all is well\u202e"
    landing = root / "customer" / "landing"
    small.write(root, "customer", [{**small.customer("ann", "S1", 9, 5), name: 1}], f"{name}.json")
    small.write(root, "customer", b"nonsense\n", f"x{name}.json")
    (landing / f"{name}.part").write_text("{}")
    os.mkfifo(landing / f"{name}.pipe")
    commands = [
        ("ingest", "--look", root), ("run",), ("status",), ("quarantine", "list"), ("review",),
        ("explain", "customer_trusted"), ("explain", "customer_trusted", "--json"),
        ("quarantine", "show", f"customer/x{name}.json@0", "--raw"),
        ("run", "--log-format", "text", "--full"), ("run", "--log-format", "json", "--full"),
    ]  # fmt: skip
    said = [stedi(*command, "--root", root, check=None) for command in commands]
    (landing / f"{name}.json").unlink()
    (landing / f"{name}.json").symlink_to("/etc/passwd")
    said += [stedi("run", "--root", root, check=1), stedi("ingest", root, "--root", root, check=1)]
    assert [controls(text) for text in said] == [set()] * len(said)
    assert not [
        line for text in said for line in text.splitlines() if line.startswith("stedi: all")
    ]
    assert json.loads(said[6])


def test_csv_on_a_terminal_commands_nothing(root: Path) -> None:
    held, other = pty.openpty()
    sql = f"SELECT '{HOSTILE}' AS n, 'Müller 漢' AS m"
    done = subprocess.run(
        [STEDI, "query", sql, "--format", "csv", "--root", root],
        stdout=other,
        stderr=subprocess.DEVNULL,
        timeout=120,
    )
    os.close(other)
    said = os.read(held, 1 << 16).decode().replace("\r\n", "\n")
    os.close(held)
    assert done.returncode == 0
    assert controls(said) == set()
    assert "\\x1b" in said and "Müller 漢" in said


def test_a_delivery_is_looked_at_before_there_is_a_lakehouse(root: Path, tmp_path: Path) -> None:
    said = stedi("ingest", "--look", root, "--root", tmp_path / "none")
    assert "people: 0 known" in said
    assert not (tmp_path / "none").exists()


def test_what_is_no_file_in_the_landing_zone_is_remarked_upon(root: Path) -> None:
    landing = root / "customer" / "landing"
    (landing / "gone.json").symlink_to(landing / "nothing.json")
    os.mkfifo(landing / "pipe.json")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(landing)  # names of sockets are short
        server.bind("socket.json")
        os.chdir(here)
    said = stedi("run", "--root", root, check=None)
    assert "assed over 3 entries of " in said
    assert "gone.json, …" in said


CELLS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain", "a=b", ""]


def test_a_file_of_csv_has_no_formulas_and_a_pipe_texts_as_they_are(
    root: Path, tmp_path: Path
) -> None:
    stedi("run", "--root", root, check=None)
    values = ", ".join(f"('{cell}', -{n})" for n, cell in enumerate(CELLS))
    sql = f"SELECT s, n FROM (VALUES {values}) AS t (s, n) ORDER BY n DESC"
    piped = stedi("query", sql, "--root", root, "--format", "csv")
    assert '"=1+1",0' in piped
    exact = tmp_path / "exact.csv"
    stedi("query", sql, "--root", root, "-o", exact, "--no-safe")
    assert exact.read_text().splitlines()[1] == '"=1+1",0'
    safe = tmp_path / "safe.csv"
    stedi("query", sql, "--root", root, "-o", safe)
    assert [line.startswith("\"'") for line in safe.read_text().split("\n")[1:-1]].count(True) == 6
    assert '"plain",-6' in safe.read_text()
    assert stedi("query", sql, "--root", root, "--format", "csv", "--safe").count("\"'") == 6


def modes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(("umask", "folder", "file"), [("", 0o700, 0o600), ("027", 0o750, 0o640)])
def test_only_their_owner_reads_peoples_data_or_a_group_too(
    tmp_path: Path, umask: str, folder: int, file: int
) -> None:
    small.land(tmp_path / "delivery")
    delivered = tmp_path / "delivery" / "customer" / "landing"
    for path in delivered.glob("*.json"):
        path.chmod(0o600)
    root = tmp_path / "root"
    stedi("ingest", tmp_path / "delivery", "--root", root, STEDI_UMASK=umask)
    stedi("run", "--root", root, check=None, STEDI_UMASK=umask)
    stedi("query", "SELECT 1 AS n", "--root", root, "-o", root / "n.csv", STEDI_UMASK=umask)
    found = modes(root)
    assert len(found) > 40
    wrong = {
        name: oct(mode)
        for name, mode in found.items()
        if mode & ~(folder if (root / name).is_dir() else file)
    }
    assert wrong == {}


@pytest.mark.parametrize(("umask", "folder", "file"), [("", 0o700, 0o600), ("027", 0o750, 0o640)])
def test_so_it_is_in_a_program_whose_own_files_others_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: str, folder: int, file: int
) -> None:
    monkeypatch.setenv("STEDI_UMASK", umask)
    small.land(tmp_path / "delivery")
    before = os.umask(0o022)
    try:
        lakehouse = Lakehouse(tmp_path / "root")
        lakehouse.ingest(tmp_path / "delivery")
        with ThreadPoolExecutor(2) as pool, suppress(NotAnonymous, Locked):
            for run in [pool.submit(lakehouse.run, wait=60) for _ in range(2)]:
                run.result()
        lakehouse.query("SELECT * FROM customer_trusted").to_arrow()
        own = os.umask(0o022)
    finally:
        os.umask(before)
    assert own == 0o022
    found = {**modes(tmp_path / "root"), ".": stat.S_IMODE((tmp_path / "root").stat().st_mode)}
    assert len(found) > 40
    wrong = {
        name: oct(mode)
        for name, mode in found.items()
        if mode & ~(folder if (tmp_path / "root" / name).is_dir() else file)
    }
    assert wrong == {}


@pytest.mark.parametrize("umask", ["rwx", "8", "-1", "0x1f", "७७"])
def test_rights_that_are_none_are_wrong_use(tmp_path: Path, umask: str) -> None:
    assert "STEDI_UMASK" in stedi("status", "--root", tmp_path, check=2, STEDI_UMASK=umask)


def test_folders_of_processes_that_were_killed_are_gone_with_the_next_command(
    tmp_path: Path,
) -> None:
    """A process that has got the number since, or had it before in another container."""
    dead = tmp_path / "stedi-copies-4194304-x"  # no process has so high a number
    numbered_again = tmp_path / f"stedi-copies-{os.getpid()}-old"
    begun = tmp_path / f"stedi-copies-{os.getpid()}-x"
    held = tmp_path / "stedi-copies-4194304-held"
    odd = [tmp_path / f"stedi-copies-{number}-x" for number in ("²", "9" * 99, "-5", "1e3")]
    for folder in (dead, numbered_again, begun, held, *odd):
        folder.mkdir()
        (folder / "people.parquet").write_bytes(b"x")
    os.utime(numbered_again, (0, 0))
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    stedi("--version", TMPDIR=str(tmp_path))
    os.close(descriptor)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert begun.exists()
    assert held.exists()
    assert not {dead.name, numbered_again.name, odd[1].name} & {*left}


def test_a_folder_for_copies_is_held_while_it_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        os.utime(folder, (0, 0))
        stedi("--version", TMPDIR=str(tmp_path))
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "hand_out", [private_folder, partial(new_folder, noting=lambda _: nullcontext())]
)
def test_what_was_begun_for_a_folder_is_gone_with_the_next_for_it(
    tmp_path: Path, hand_out: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    names = (".ann-4194304", ".ann-4194305", ".anne-4194304", f".ann-{os.getppid()}", ".ann-notes")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "person.json").write_text("{}")
    (tmp_path / ".ann-4194306").write_text("{}")
    with hand_out(tmp_path / "ann") as folder:
        (folder / "person.json").write_text("{}")
    assert {p.name for p in tmp_path.iterdir()} == {*names[2:], "ann"}


def test_a_model_that_unpacks_to_too_much_is_none(tmp_path: Path) -> None:
    from stedi.science.models import load

    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"[" + b"[]," * (3 << 20) + b"[]]")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UsageError, match="unpacks to"):
        load(path)


@pytest.mark.parametrize("name", ["model.skops", "figures.json"])
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "large"])
def test_a_model_that_is_no_plain_file_is_none_at_once(
    tmp_path: Path, name: str, kind: str
) -> None:
    """To open a pipe is to wait for ever, and a device has no end."""
    from stedi.declared import packaged, read_declarations
    from stedi.science.models import load
    from stedi.science.predicting import predict

    path = tmp_path / name
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    with pytest.raises(UsageError, match=f"{name}: no plain file"):
        if name == "model.skops":
            load(path)
        else:
            predict(read_declarations(packaged()), tmp_path, [])

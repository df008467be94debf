"""Every kind of damage to every kind of file has an answer: a problem that names it, and a command.

The table in docs/explanation/internals.md says what each command does; this is what holds it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.errors import NotAnonymous, StediError
from tests.conftest import counts, on
from tests.support import small

Damage = Callable[[Path], object]
DAMAGES: dict[str, Damage] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "flipped": lambda path: path.write_bytes(_flipped(path.read_bytes())),
    "without its head": lambda path: path.write_bytes(path.read_bytes()[9:]),
    "other": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "another table's": lambda path: path.write_bytes(_of_another_table(path)),
    "JSON of another shape": lambda path: path.write_bytes(b'[{"a": [null]}]'),
    "a folder": lambda path: _instead(path, Path.mkdir),
    "a pipe": lambda path: _instead(path, os.mkfifo),
    "a link to nothing": lambda path: _instead(path, lambda p: p.symlink_to("/nowhere/at/all")),
    "a link to itself": lambda path: _instead(path, lambda p: p.symlink_to(p.name)),
    "an endless device": lambda path: _instead(path, lambda p: p.symlink_to("/dev/zero")),
}
FILES = {
    "data": "customer/trusted/data/*/*.parquet",
    "typed data": "step_trainer/typed/data/*/*.parquet",
    "published data": "step_trainer/curated/data/*/*.parquet",
    "manifest": "customer/trusted/metadata/*-m0.avro",
    "manifest list": "customer/trusted/metadata/snap-*.avro",
    "metadata": "customer/trusted/metadata/*.metadata.json",
    "catalog": "_stedi/catalog.db",
    "boxes": "_stedi/boxes/*.parquet",
    "notes": "_stedi/notes/*.json",
    "loads": "_stedi/loads/data/*/*.parquet",
    "quarantine": "_stedi/quarantine/data/*/*.parquet",
    "lock": "_stedi/lock",
}


def _flipped(content: bytes) -> bytes:
    content = content or b"x"
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def _of_another_table(path: Path) -> bytes:
    """The content of another table's file of that kind, the first that isn't the same."""
    [root] = (above for above in path.parents if above.name == "root")
    is_list, own = path.name.startswith("snap-"), path.read_bytes()
    for other in sorted(root.rglob(f"*{path.suffix}")):
        is_like = other.is_file() and other.name.startswith("snap-") == is_list
        is_elsewhere = other.parts[:-3] != path.parts[:-3] and "landing" not in other.parts
        if is_like and is_elsewhere and other.read_bytes() != own:
            return other.read_bytes()
    return b"of no other table"


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    root = tmp_path_factory.mktemp("damaged") / "root"
    small.land(root)
    small.write(root, "step_trainer", b"nonsense\n", "bad.json")
    lakehouse = on("duckdb", root, not_anonymous)
    lakehouse.run()
    shutil.copytree(root, root.with_name("saved"))
    return lakehouse


@contextlib.contextmanager
def damaged(done: Lakehouse, kind: str, how: str) -> Iterator[None]:
    paths = list(done.root.glob(FILES[kind]))
    assert paths, kind
    try:
        for path in paths:
            DAMAGES[how](path)
        yield
    finally:
        shutil.rmtree(done.root)
        shutil.copytree(done.root.with_name("saved"), done.root)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", FILES)
def test_status_names_each_kind_of_damage(done: Lakehouse, kind: str, how: str) -> None:
    with damaged(done, kind, how):
        try:
            problems = done.status(verify=True).problems
        except StediError as error:
            problems = [str(error)]
            assert error.exit_status == 1
        if kind == "lock" or (kind, how) in UNSEEN:
            return
        assert problems
        assert any("stedi run" in problem for problem in problems)


READING: dict[str, Callable[[Lakehouse, Path], object]] = {
    "query": lambda lake, _: lake.query("SELECT MIN(email) FROM customer_trusted").to_arrow(),
    "query what is published": lambda lake, _: lake.query(
        "SELECT * FROM machine_learning_curated"
    ).to_arrow(),
    "audit": lambda lake, _: lake.audit(),
    "page": lambda lake, folder: lake.page(folder / "page.html"),
    "explain": lambda lake, _: lake.explain("accelerometer_trusted"),
    "quarantine": lambda lake, _: lake.quarantine(limit=9),
    "releases": lambda lake, _: lake.releases(),
    "review": lambda lake, _: lake.review(),
    "disclose": lambda lake, folder: lake.disclose("fay@example.com", folder / "disclosed"),
    "held": lambda lake, _: lake.held([("email", "fay@example.com")]),
    "plan": lambda lake, _: lake.plan(),
}


@pytest.mark.parametrize(
    "how",
    [
        *("another table's", "a folder", "a pipe"),
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in DAMAGES
            if how not in ("another table's", "a folder", "a pipe")
        ),
    ],
)
@pytest.mark.parametrize("kind", FILES)
def test_no_command_waits_or_fails_in_words_of_its_libraries(
    done: Lakehouse, kind: str, how: str, tmp_path: Path
) -> None:
    """Where it can't do its work, it raises an error of stedi's, which says what is wrong."""
    with damaged(done, kind, how):
        for name, read in READING.items():
            (tmp_path / name).mkdir()
            with contextlib.suppress(StediError):
                read(Lakehouse(done.root, declarations=done._declarations), tmp_path / name)


UNSEEN = {
    ("manifest", "flipped"),
    ("metadata", "flipped"),
    ("catalog", "flipped"),
}
"""One byte of these may be one that nothing depends on, or that only the audit would tell."""


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("data", "gone"),
        ("typed data", "cut"),
        ("boxes", "gone"),
        ("notes", "gone"),
        ("manifest", "cut"),
        ("metadata", "gone"),
        ("catalog", "other"),
        ("loads", "empty"),
        ("quarantine", "gone"),
        ("lock", "gone"),
        ("data", "a pipe"),
        ("data", "another table's"),
        ("typed data", "a folder"),
        ("metadata", "another table's"),
        ("manifest", "another table's"),
        ("catalog", "a folder"),
        ("catalog", "a pipe"),
        ("loads", "another table's"),
        ("quarantine", "an endless device"),
        ("boxes", "a link to nothing"),
    ],
)
def test_a_run_mends_it_or_says_which_run_does(done: Lakehouse, kind: str, how: str) -> None:
    expected = counts(done)
    with damaged(done, kind, how):
        try:
            done.run()
        except NotAnonymous:
            raise
        except StediError as error:
            assert "stedi run --full" in str(error) or "--profile" in str(error)
            done.run(full=True, profile="seed")
        assert counts(done) == expected
        assert done.status(verify=True).problems == []

"""Every kind of damage to every kind of file has an answer: a problem that names it, and a command.

The table in docs/explanation/internals.md says what each command does; this is what holds it.
"""

from __future__ import annotations

import contextlib
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
    "other": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
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


UNSEEN = {
    ("boxes", "flipped"),
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

"""Notes of a published table lie beside it, where its readers don't look."""

from __future__ import annotations

from collections.abc import Callable
from io import RawIOBase
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.roots import Files, open_root
from stedi.storage.warehouse import Warehouse
from tests.conftest import already_run, counts
from tests.support import small
from tests.support.tables import how, strays

TABLE = "machine_learning_curated"


def notes_files(lakehouse: Lakehouse) -> list[Path]:
    return list((lakehouse.root / "_stedi" / "notes").iterdir())


@already_run
def test_they_are_read_where_they_are_needed(
    small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(open_root(small_lakehouse.root))
    opened, notes = list[Path](), notes_files(small_lakehouse)
    opener = type(warehouse.files).open

    def noting(files: Files, path: Path) -> RawIOBase:
        opened.extend({path} & {*notes})
        return opener(files, path)

    monkeypatch.setattr(type(warehouse.files), "open", noting)
    version, [past] = warehouse.version(TABLE), warehouse.history(TABLE)
    assert version is not None
    assert opened == []
    assert version.published is not None
    assert version.published == past.published
    assert version.published.rows_in == small.SEED[TABLE]
    assert opened == notes


@already_run
@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda path: path.write_bytes(b"\xff{"), lambda path: path.write_text("[]")],
    ids=["gone", "no JSON", "other JSON"],
)
def test_without_them_the_table_is_rebuilt(
    small_lakehouse: Lakehouse, spoil: Callable[[Path], object]
) -> None:
    [before] = notes_files(small_lakehouse)
    spoil(before)
    assert not small_lakehouse.status().ok
    planned = {step.table: step.reason for step in small_lakehouse.plan()}
    assert planned.pop("loads", None) in (None, "3 landing files with another time, same bytes")
    assert planned == {TABLE: "not as the last run left it"}
    assert how(small_lakehouse) == {TABLE: "rebuild"}
    [after] = notes_files(small_lakehouse)
    assert after.name != before.name
    assert counts(small_lakehouse) == small.SEED
    assert small_lakehouse.status().ok


@already_run
def test_those_of_a_run_that_stopped_are_swept(
    small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it wrote them, before it committed the table."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    [before] = notes_files(small_lakehouse)
    monkeypatch.setattr("stedi.storage.warehouse.without_past", die)
    with pytest.raises(KeyboardInterrupt):
        small_lakehouse.run(full=True)
    monkeypatch.undo()
    assert notes_files(small_lakehouse) == [before]
    small_lakehouse.run(full=True)
    assert strays(small_lakehouse) == []
    [after] = notes_files(small_lakehouse)
    assert after != before

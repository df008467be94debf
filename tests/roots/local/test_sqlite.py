"""The catalog in a SQLite file, held to PyIceberg's own catalog over the same tables."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from stedi.roots.local.sqlite import SqliteTables

SCHEMA = Schema(NestedField(1, "n", LongType()))
Opens = Callable[[], MetastoreCatalog]


@pytest.fixture
def ours(tmp_path: Path) -> Opens:
    return lambda: SqliteTables(
        "stedi",
        tmp_path / "catalog.db",
        **{"warehouse": tmp_path.as_uri(), "py-io-impl": "stedi.roots.local.file_io.LocalFileIO"},
    )


@pytest.fixture
def theirs(tmp_path: Path) -> Opens:
    return lambda: SqlCatalog(
        "stedi", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=tmp_path.as_uri()
    )


@pytest.mark.parametrize("makes", ["ours", "theirs"])
def test_each_opens_and_goes_on_with_what_the_other_made(
    makes: str, ours: Opens, theirs: Opens
) -> None:
    one, other = (ours, theirs) if makes == "ours" else (theirs, ours)
    one().create_namespace("stedi", {"of": "one"})
    one().create_table("stedi.t", SCHEMA).append(pa.table({"n": [1]}))
    assert other().list_tables("stedi") == [("stedi", "t")]
    assert other().load_namespace_properties("stedi")["of"] == "one"
    other().load_table("stedi.t").append(pa.table({"n": [2]}))
    other().update_namespace_properties("stedi", updates={"of": "other", "more": "yes"})
    other().create_table("stedi.u", SCHEMA)
    assert sorted(one().list_tables("stedi")) == [("stedi", "t"), ("stedi", "u")]
    assert {"of": "other", "more": "yes"}.items() <= one().load_namespace_properties(
        "stedi"
    ).items()
    table = one().load_table("stedi.t")
    assert sorted(table.scan().to_arrow().column("n").to_pylist()) == [1, 2]
    assert len(table.snapshots()) == 2


def test_a_file_that_was_made_half_is_made_whole(tmp_path: Path, ours: Opens) -> None:
    whole = tmp_path / "catalog.db"
    ours().create_namespace("stedi")
    with sqlite3.connect(whole) as connection:
        connection.execute("DROP TABLE iceberg_namespace_properties")
    ours().create_namespace("stedi")
    ours().create_table("stedi.t", SCHEMA)
    with sqlite3.connect(whole) as connection:
        connection.execute("DROP TABLE iceberg_namespace_properties")
    ours().create_namespace("stedi")
    assert ours().list_tables("stedi") == [("stedi", "t")]


def test_what_is_not_there_or_there_already_is_told_as_by_pyiceberg(
    ours: Opens, theirs: Opens
) -> None:
    for opens in (ours, theirs):
        with pytest.raises(NoSuchNamespaceError):
            opens().load_namespace_properties("none")
        with pytest.raises(NoSuchNamespaceError):
            opens().update_namespace_properties("none", updates={"a": "b"})
        with pytest.raises(NoSuchTableError):
            opens().load_table("none.t")
    ours().create_namespace("stedi")
    ours().create_table("stedi.t", SCHEMA)
    for opens in (ours, theirs):
        with pytest.raises(NamespaceAlreadyExistsError):
            opens().create_namespace("stedi")
        with pytest.raises(TableAlreadyExistsError):
            opens().create_table("stedi.t", SCHEMA)


def test_a_commit_over_another_s_fails(
    ours: Opens, theirs: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours().create_namespace("stedi")
    catalog = ours()
    catalog.create_table("stedi.t", SCHEMA)
    stage = SqliteTables._update_and_stage_table

    def late(self: SqliteTables, *args: object) -> object:
        staged = stage(self, *args)  # type: ignore[arg-type]
        theirs().load_table("stedi.t").append(pa.table({"n": [1]}))
        return staged

    monkeypatch.setattr(SqliteTables, "_update_and_stage_table", late)
    mine = catalog.load_table("stedi.t")
    with pytest.raises(CommitFailedException):
        mine.transaction().set_properties(a="b").commit_transaction()
    table = ours().load_table("stedi.t")
    assert table.scan().to_arrow().column("n").to_pylist() == [1]
    assert "a" not in table.properties


def test_another_program_s_file_is_not_taken_for_an_empty_catalog(
    ours: Opens, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("CREATE TABLE other (n INTEGER)")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ours().list_tables("stedi")

"""Trino, the engine behind Athena, reads our tables and runs our SQL with the same rows.

Raw JSON is read by its own OpenX reader, tables by its own Iceberg reader, both found in Glue.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import as_file
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from athena_checks import checks

from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.declared.athena import typed_name
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.search import points
from stedi.privacy.published import published_table
from tests.conftest import Land, counts, rows
from tests.roots.s3.conftest import MakeOnS3, OnS3
from tests.support import small
from tests.support.athena import (
    LETTERS,
    QUERIES,
    ROWS,
    SPACES,
    VALUES,
    WORTHLESS,
    lower,
    upper,
)
from tests.support.edges import EDGES, FAILS, shown_by_trino
from tests.support.starter import SEED, STRICT
from tests.support.trino import Row, Trino, TrinoFailed

pytestmark = pytest.mark.slow

SQL = Path(__file__).parents[3] / "sql"
PUBLISHED = "machine_learning_curated"
TRANSFORMED = sorted(read_declarations(packaged()).transforms)
Made = Callable[[str, str], OnS3]


def write_small(folder: Path) -> Path:
    for source, records in {
        "customer": small.CUSTOMERS,
        "accelerometer": small.ACCELEROMETER,
        "step_trainer": small.STEP_TRAINER,
    }.items():
        landing = folder / source / "landing"
        landing.mkdir(parents=True)
        (landing / "small.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


@pytest.fixture(scope="module")
def made(
    request: pytest.FixtureRequest,
    on_s3: MakeOnS3,
    not_anonymous: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """A lakehouse on S3 over the small or the starter data, run once a profile; read it only."""
    known: dict[str, OnS3] = {}

    def make(data: str, profile: str) -> OnS3:
        database = f"{data}_{profile}"
        if database not in known:
            if data == "small":
                folder = write_small(tmp_path_factory.mktemp("small") / "root")
                one = on_s3(database, not_anonymous)
            else:
                folder = request.getfixturevalue("starter")
                with as_file(packaged()) as declarations:
                    one = on_s3(database, declarations)
            one.lakehouse.ingest(folder)
            one.lakehouse.run(profile=profile)
            known[database] = one
        return known[database]

    return make


both_data = pytest.mark.parametrize("data", ["small", "starter"])
both_profiles = pytest.mark.parametrize("profile", ["seed", "strict"])


def expressions(column: Column) -> Iterator[str]:
    """What is compared of a column, in Athena's SQL."""
    name = f'"{column.name}"'
    yield f"COUNT({name})"
    yield f"MIN({name})"
    yield f"MAX({name})"
    if column.type == "long":
        yield f"SUM(CAST({name} AS DECIMAL(38, 0)))"
    if column.type == "double":
        yield f"SUM({name})"
    if column.type == "string":
        yield f"SUM(LENGTH({name}))"


def figures(columns: tuple[Column, ...], table: str) -> str:
    compared = ", ".join(one for column in columns for one in expressions(column))
    return f"SELECT COUNT(*), {compared} FROM {table}"


def built(one: OnS3) -> dict[str, tuple[Column, ...]]:
    """The tables that are there: no one is suspended, and nothing is released in private."""
    warehouse, schemas = one.lakehouse._warehouse(), one.lakehouse._declared().schemas
    found = {name: columns for name, columns in schemas.items() if warehouse.version(name)}
    assert {*schemas} - {*found} <= {"suspended", "machine_learning_synthetic", "quarantine"}
    return found


def assert_same_figures(trino: Trino, one: OnS3) -> None:
    """Every table of a lakehouse, by Trino's Iceberg reader and by DuckDB's of Parquet."""
    session = trino.within("iceberg", one.database)
    for table, columns in built(one).items():
        [theirs] = session.rows(figures(columns, typed_name(table)))
        [ours] = rows(one.lakehouse, figures(columns, table))
        assert len(theirs) == len(ours) > len(columns)
        for mine, other in zip(ours, theirs, strict=True):
            if isinstance(mine, float):
                assert other == pytest.approx(mine, rel=1e-12), table
            else:
                assert other == mine, table


@both_data
def test_trino_counts_the_raw_json(trino: Trino, made: Made, data: str) -> None:
    one = made(data, "seed")
    known = small.LANDED if data == "small" else SEED
    session = trino.within("hive", one.database)
    for table in small.LANDED:
        assert session.rows(f"SELECT COUNT(*) FROM {table}") == [(known[table],)]


@both_data
def test_trino_reads_from_the_raw_json_what_the_typed_tables_have(
    trino: Trino, made: Made, data: str
) -> None:
    one = made(data, "seed")
    session = trino.within("hive", one.database)
    for table in small.LANDED:
        delivered = delivered_columns(one, table)
        raw, typed = (f"SELECT {delivered} FROM {name}" for name in (table, typed_name(table)))
        assert Counter(session.rows(raw)) == Counter(session.rows(typed))


def delivered_columns(one: OnS3, table: str) -> str:
    """The columns that records have: landing computes the others, and no raw file has them."""
    contract = one.lakehouse._declared().contracts[table]
    return ", ".join(f'"{column.name}"' for column in contract.delivered)


@both_data
@both_profiles
def test_trino_reads_the_same_tables(trino: Trino, made: Made, data: str, profile: str) -> None:
    one = made(data, profile)
    known = {
        "small": {"seed": small.SEED, "strict": small.STRICT},
        "starter": {"seed": SEED, "strict": STRICT},
    }[data][profile]
    session = trino.within("iceberg", one.database)
    assert known == {
        table: session.rows(f"SELECT COUNT(*) FROM {typed_name(table)}")[0][0] for table in known
    }
    assert_same_figures(trino, one)


def test_trino_reads_the_same_tables_after_an_append_a_rewrite_and_other_columns(
    trino: Trino, on_s3: MakeOnS3, not_anonymous: Path, tmp_path: Path, land: Land
) -> None:
    declarations = Path(shutil.copytree(not_anonymous, tmp_path / "declarations"))
    one = on_s3("changing", declarations)
    folder = write_small(tmp_path / "root")

    def how() -> dict[str, str]:
        one.lakehouse.ingest(folder)
        made: dict[str, str] = {built.table: built.how for built in one.lakehouse.run().built}
        assert_same_figures(trino, one)
        return made

    land("step_trainer", b'nonsense\n{"serialNumber": "S1"', name="bad.json")
    how()
    assert rows(one.lakehouse, "SELECT COUNT(*) FROM quarantine") == [(2,)]

    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    land("customer", [small.customer("ben", "S2", 900, consent=900)], name="given.json")
    appended = how()
    assert appended["accelerometer_landing"] == appended["customer_trusted"] == "append"

    land("customer", [small.customer("ben", "S2", 1900)], name="withdrawn.json")
    swapped = how()
    assert swapped["customer_trusted"] == swapped["accelerometer_trusted"] == "swap"

    contract = declarations / "contracts" / "accelerometer_landing.yaml"
    note = (
        "      - {name: note, logicalType: string, physicalType: string, classification: none,\n"
        "         customProperties: [{property: jsonKey, value: note}]}\n"
    )
    text = contract.read_text()
    contract.write_text(text.replace("    properties:\n", f"    properties:\n{note}"))
    land("accelerometer", [{**small.acceleration("ann", 4000, 0.9), "note": "slow"}], "noted.json")
    assert how()["accelerometer_landing"] == "rebuild"
    session = trino.within("iceberg", one.database)
    new = session.rows('SELECT "timestamp", note FROM accelerometer_typed WHERE x = 0.9')
    assert Counter(new) == {(400, None): 1, (3000, None): 1, (4000, "slow"): 1}


def test_what_is_not_json_is_a_row_of_nulls_in_the_raw_table_and_quarantined_by_us(
    trino: Trino, on_s3: MakeOnS3, not_anonymous: Path, tmp_path: Path, land: Land
) -> None:
    one = on_s3("malformed", not_anonymous)
    write_small(tmp_path / "root")
    land("step_trainer", b'nonsense\n{"sensorReadingTime": 1, "serialNumber": "S', name="bad.json")
    one.lakehouse.ingest(tmp_path / "root")
    one.lakehouse.run()
    delivered = delivered_columns(one, "step_trainer_landing")
    raw = Counter(
        trino.within("hive", one.database).rows(f"SELECT {delivered} FROM step_trainer_landing")
    )
    typed = trino.within("iceberg", one.database).rows(
        f"SELECT {delivered} FROM step_trainer_typed"
    )
    assert raw - Counter(typed) == {(None, None, None): 2}
    assert rows(one.lakehouse, "SELECT COUNT(*) FROM quarantine") == [(2,)]


def select_of(profile: str, table: str) -> str:
    """The file of a transform, as it is."""
    transforms = packaged() / "transforms"
    for path in (transforms / profile / f"{table}.sql", transforms / f"{table}.sql"):
        if path.is_file():
            return path.read_text()
    raise AssertionError(table)


def over_typed_tables(trino: Trino, one: OnS3) -> Trino:
    """A session in which `…_landing` is the typed table, and any other name what it is."""
    views = f"{one.database}_views"
    if (views,) not in trino.rows("SHOW SCHEMAS FROM iceberg"):
        trino.rows(f"CREATE SCHEMA iceberg.{views}")
        for table in built(one):
            trino.rows(
                f"CREATE VIEW iceberg.{views}.{table} AS "
                f"SELECT * FROM iceberg.{one.database}.{typed_name(table)}"
            )
    return trino.within("iceberg", views)


def over_raw_json(trino: Trino, one: OnS3) -> Trino:
    """A session as in Athena: `…_landing` is the raw JSON, any other name an Iceberg table."""
    return trino.within("hive", one.database)


def coded(one: OnS3, pairs: list[Row]) -> list[Row]:
    """Rows of the time join as they are published: by the table of boxes."""
    opened = published_table(one.lakehouse._warehouse(), one.lakehouse._declared(), PUBLISHED)
    columns = dict(
        zip(
            (column.name for column in opened.contract.selected_columns),
            map(np.array, zip(*pairs, strict=True)),
            strict=True,
        )
    )
    publication, boxes = opened.publication, opened.evidence.boxes
    assert boxes is not None
    people = [columns[side].astype(np.int64) for side in publication.people]
    on_grid = points(publication, {name: columns[name] for name in boxes}, people)
    classes = Coder(boxes, on_grid).classes_of(on_grid.rows)
    values = [boxes[column.name].values[classes].tolist() for column in opened.contract.columns]
    return list(zip(*values, strict=True))


@both_data
@both_profiles
@pytest.mark.parametrize("table", TRANSFORMED)
@pytest.mark.parametrize("over", [over_typed_tables, over_raw_json])
def test_a_select_pasted_into_trino_gives_the_tables_rows(
    trino: Trino,
    made: Made,
    data: str,
    profile: str,
    table: str,
    over: Callable[[Trino, OnS3], Trino],
) -> None:
    one = made(data, profile)
    given = over(trino, one).rows(select_of(profile, table))
    if table == PUBLISHED:
        given = coded(one, given)
    held = rows(one.lakehouse, f"SELECT * FROM {table}")
    assert len(held) == counts(one.lakehouse)[table]
    assert Counter(given) == Counter(held)


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_what_engines_are_held_to_is_what_trino_gives(
    trino: Trino, expression: str, expected: Any
) -> None:
    assert trino.rows(f"SELECT {expression}") == [(expected,)]


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_a_query_returns_on_trino_the_rows_that_engines_are_held_to(
    trino: Trino, sql: str, expected: list[Any]
) -> None:
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in ROWS)
    table = f"WITH t (n, m, x, s) AS (VALUES {values})"
    if "(WITH" in sql and "UNION" in sql:  # of a UNION's parts Trino lets none have a WITH
        with pytest.raises(TrinoFailed, match="mismatched input"):
            trino.rows(f"{table} SELECT * FROM ({sql}) AS whole")
    elif sql.startswith("WITH"):  # its own tables are inside, and so it has no order
        found = [row[0] for row in trino.rows(f"{table} SELECT * FROM ({sql}) AS whole")]
        assert sorted(found) == expected
    else:
        assert [row[0] for row in trino.rows(f"{table} {sql}")] == expected


def test_expressions_at_the_edges_give_what_is_noted_of_them(trino: Trino) -> None:
    """Those that have a value, some at a time; each of the others fails by itself."""
    having = [edge for edge in EDGES if edge.value != FAILS]
    for begin in range(0, len(having), 40):
        edges = having[begin : begin + 40]
        sql = ", ".join(edge.expression for edge in edges)
        [row] = trino.shown(f"SELECT {sql}")
        for edge, (type_, value) in zip(edges, row, strict=True):
            shown, noted = shown_by_trino(value, type_), edge.value
            if noted == "-0.0":  # whose sign is lost among other expressions
                shown, noted = (shown or "").lstrip("-"), "0.0"
            assert (type_, shown) == (edge.type, noted), edge
    for edge in EDGES:
        if edge.value == FAILS:
            with pytest.raises(TrinoFailed):
                trino.rows(f"SELECT {edge.expression}")


def literal(value: Any) -> str:
    """A value of a row in Athena's SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return f"CAST({value} AS BIGINT)"
    return (
        f"'{value}'"
        if isinstance(value, str)
        else f"CAST('{value}' AS DOUBLE)".replace("inf", "Infinity")
    )


@pytest.mark.parametrize("expression", WORTHLESS)
def test_what_has_no_value_on_engines_has_none_on_trino(trino: Trino, expression: str) -> None:
    with pytest.raises(TrinoFailed):
        trino.rows(f"SELECT {expression}")


def test_every_letter_is_turned_by_itself(trino: Trino) -> None:
    text = "".join(LETTERS).replace("'", "''")
    [(turned_up, turned_down)] = trino.rows(f"SELECT UPPER('{text}'), LOWER('{text}')")
    assert turned_up == "".join(map(upper, LETTERS))
    assert turned_down == "".join(map(lower, LETTERS))


def test_white_space_is_what_java_takes_for_it(trino: Trino) -> None:
    letters = ", ".join(f"({ord(letter)})" for letter in LETTERS if letter < "\U00010000")
    found = trino.rows(f"SELECT CHR(n) FROM (VALUES {letters}) AS t (n) WHERE TRIM(CHR(n)) = ''")
    assert {letter for (letter,) in found} == SPACES


def statements(file: Path) -> list[str]:
    """The statements of a file, without those that are only a comment."""
    parts = re.split(r";\s*$", file.read_text(), flags=re.MULTILINE)
    return [part for part in parts if re.sub(r"--.*", "", part).strip()]


@both_data
@pytest.mark.parametrize("file", sorted(SQL.glob("*_check*.sql")), ids=lambda file: file.stem)
def test_the_checks_run_on_trino(trino: Trino, made: Made, data: str, file: Path) -> None:
    session = over_raw_json(trino, made(data, "seed"))
    assert statements(file)
    for statement in statements(file):
        session.rows(statement)


@both_data
def test_the_checks_give_what_is_right(trino: Trino, made: Made, data: str) -> None:
    one = made(data, "seed")
    session = over_raw_json(trino, one)
    found = [
        check
        for zone in checks(one.lakehouse._declared(), one.database).values()
        for check in zone
        if check.right is not None
    ]
    assert len(found) > 10
    for check in found:
        assert session.rows(check.sql) == [check.right], check.comment

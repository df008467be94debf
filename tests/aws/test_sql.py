"""The statements in sql/ say what is true of a lakehouse, and see what isn't."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from athena_checks import Check, checks
from sqlglot import exp

from stedi import Lakehouse
from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Zone
from stedi.engines import Engine
from stedi.lakehouse import DEFAULT_DATABASE
from stedi.sql.tree import parse, typed
from tests.conftest import already_run, rows
from tests.support.small import CUSTOMERS

SQL = Path(__file__).parents[2] / "sql"
DECLARED = read_declarations(packaged())
ZONES = checks(DECLARED, DEFAULT_DATABASE)
EVERY = [check for zone in ZONES.values() for check in zone]
HERE = [check for check in EVERY if not check.only_in_athena]
ARROW = {"long": pa.int64(), "double": pa.float64(), "string": pa.string(), "binary": pa.binary()}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path_factory.mktemp("demo") / "root")
    lakehouse.demo()
    return lakehouse


def statements(file: Path) -> list[str]:
    """What stands between the semicolons of a file, comments included."""
    *found, rest = re.split(r";\n", file.read_text())
    assert rest == ""
    return found


def test_each_zone_has_a_file_and_each_landing_table_its_ddl() -> None:
    assert {path.name for path in SQL.iterdir()} == {
        *("landing_checks.sql", "trusted_checks.sql", "curated_checks.sql"),
        *("customer_landing.sql", "accelerometer_landing.sql", "step_trainer_landing.sql"),
    }


@pytest.mark.parametrize("zone", ZONES)
def test_a_file_has_one_statement_a_check_each_below_a_comment(zone: Zone) -> None:
    found = statements(SQL / f"{zone}_checks.sql")
    assert [text.split("\n\n")[-1].lstrip("\n") + ";\n" for text in found] == [
        check.text for check in ZONES[zone]
    ]
    assert all(re.match(r"(-- .*\n)+SELECT", check.text) for check in ZONES[zone])


@pytest.mark.parametrize("dialect", ["athena", "trino"])
@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.comment[:60])
def test_every_check_is_one_select(check: Check, dialect: str) -> None:
    [tree] = sqlglot.parse(check.text, dialect=dialect)
    assert isinstance(tree, exp.Select)


def test_every_table_is_counted_and_typed_rows_by_their_name_on_aws() -> None:
    counted = {
        found[1]
        for check in EVERY
        if (found := re.fullmatch(r"SELECT COUNT\(\*\) FROM (\w+)", check.sql))
    }
    typed = {"customer_typed", "accelerometer_typed", "step_trainer_typed"}
    assert counted == {*DECLARED.contracts, *typed}


def test_every_rule_that_stops_a_run_is_checked() -> None:
    rules = [rule for contract in DECLARED.contracts.values() for rule in contract.rules]
    stops = {rule.query for rule in rules if rule.severity == "error"}
    assert len(stops) == 4
    assert stops <= {check.sql for check in EVERY}


LENIENT = ("customerName", "phone", "birthDay")
"""Records may lack them, and none that is simulated does."""


@pytest.mark.parametrize("check", HERE, ids=lambda check: check.comment[:60])
def test_every_check_runs_and_gives_what_its_comment_says(demo: Lakehouse, check: Check) -> None:
    found = demo.query(check.text).to_arrow()
    if check.right is not None:
        assert [tuple(row.values()) for row in found.to_pylist()] == [check.right]
        assert f"Must be {check.right[0]}" in check.comment
    elif "no other" in check.comment:
        assert found.column_names == ["distancefromobject", "x", "y", "z"]
    else:
        [[number]] = found.columns
        always_there = any(f"blank {key}, as" in check.comment for key in LENIENT)
        assert (number.as_py() > 0) is not always_there


def test_counts_are_those_of_status(demo: Lakehouse) -> None:
    for name, table in demo.status().tables.items():
        assert rows(demo, f"SELECT COUNT(*) FROM {name}") == [(table.rows,)]


def good(column: Column, number: int) -> Any:
    return {"long": number, "double": float(number), "string": f"text {number}"}[column.type]


def table(name: str, change: Callable[[dict[str, Any]], None], count: int = 1) -> pa.Table:
    """`count` rows without a fault, each then changed."""
    columns = DECLARED.contracts[name].columns
    made = []
    for _ in range(count):
        row = {column.name: good(column, 1) for column in columns}
        change(row)
        made.append(row)
    return pa.Table.from_pylist(
        made, schema=pa.schema([(column.name, ARROW[column.type]) for column in columns])
    )


def blank(column: str) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.update({column: None})


def as_is(row: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize(
    ("broken", "change", "count", "said"),
    [
        ("customer_trusted", blank("sharewithresearchasofdate"), 1, "no_blank_consent"),
        ("customer_trusted", lambda row: row.update(sharewithresearchasofdate=0), 1, "no_blank_consent"),
        ("customer_trusted", blank("sharewithresearchasofdate"), 1, "lack a value"),
        ("customer_trusted", as_is, 2, "email another row"),
        ("customer_curated", as_is, 1, "customer_without_readings"),
        ("customer_curated", as_is, 2, "email another row"),
        ("accelerometer_trusted", as_is, 1, "user_without_consent"),
        ("accelerometer_trusted", blank("x"), 1, "lack a value"),
        ("step_trainer_trusted", as_is, 1, "serial_number_not_curated"),
        ("step_trainer_trusted", blank("distancefromobject"), 1, "lack a value"),
        ("machine_learning_curated", as_is, 4, "fewer than 5 rows"),
        ("machine_learning_curated", blank("z"), 1, "lack a value"),
        ("step_trainer_landing", blank("serialnumber"), 1, "lack a value"),
    ],
)  # fmt: skip
def test_a_broken_table_is_seen(
    broken: str,
    change: Callable[[dict[str, Any]], None],
    count: int,
    said: str,
    working: Engine,
    tmp_path: Path,
) -> None:
    file = tmp_path / "broken.parquet"
    pq.write_table(table(broken, change, count), file)
    for name, columns in DECLARED.schemas.items():
        working.declare(name, columns, [str(file)] if name == broken else [])
    [check] = [
        one for one in HERE if one.comment.startswith(broken) and said in one.comment and one.right
    ]
    tree = typed(parse(check.sql, "check"), DECLARED.schemas, "check")
    [[found]] = working.fetch(tree).columns
    assert found.as_py() > 0


@already_run
def test_blank_consent_shows_in_the_landing_zone_and_nowhere_else(
    small_lakehouse: Lakehouse,
) -> None:
    [landing] = [check for check in HERE if "blank shareWithResearchAsOfDate" in check.comment]
    [trusted] = [check for check in HERE if "no_blank_consent" in check.comment]
    blanks = sum("shareWithResearchAsOfDate" not in record for record in CUSTOMERS)
    assert rows(small_lakehouse, landing.sql) == [(blanks,)]
    assert blanks > 0
    assert rows(small_lakehouse, trusted.sql) == [(0,)]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["distancefromobject", "x", "y", "z"], (4, 0, 0)),
        (["distancefromobject", "x", "y", "z", "email"], (4, 1, 1)),
        (["distancefromobject", "x", "y", "z", "step_person"], (4, 1, 1)),
        (["distancefromobject", "x", "y", "z", "sensorreadingtime"], (4, 1, 0)),
        (["distancefromobject", "x", "y"], (3, 0, 0)),
        ([], (0, 0, 0)),
    ],
)
def test_a_published_column_too_many_is_seen_in_the_catalog(
    columns: list[str], found: tuple[int, ...]
) -> None:
    [check] = [one for one in EVERY if "information_schema" in one.sql]
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA stedi")
    if columns:
        types = ", ".join(f"{name} VARCHAR" for name in columns)
        connection.execute(f"CREATE TABLE stedi.machine_learning_curated ({types})")
    [sql] = sqlglot.transpile(check.sql, read="athena", write="duckdb")
    [row] = connection.execute(sql).fetchall()
    assert tuple(number or 0 for number in row) == found  # over no rows DuckDB counts to NULL
    assert (found == check.right) == (columns == ["distancefromobject", "x", "y", "z"])


@pytest.mark.parametrize("source", ["customer", "accelerometer", "step_trainer"])
def test_the_ddl_begins_with_how_athena_reads(source: str) -> None:
    text = (SQL / f"{source}_landing.sql").read_text()
    comment, statement = text.split("CREATE EXTERNAL TABLE", 1)
    assert all(line.startswith("-- ") for line in comment.splitlines())
    for word in ("row of NULLs", "only the first", "docs/aws.md"):
        assert word in comment.replace("\n-- ", " ")
    assert not set(comment) & set(";'`")
    assert statement.count(";") == 1
    assert statement.endswith(";\n")


def test_generating_again_changes_nothing() -> None:
    files = runpy.run_path(str(SQL.parent / "docs" / "generate.py"))["generated"]()
    for path in SQL.iterdir():
        assert files[Path("sql") / path.name] == path.read_text()

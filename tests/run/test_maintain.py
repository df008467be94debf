"""What changes costs what changed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from stedi import Lakehouse
from stedi.declared import read_declarations
from stedi.lakehouse import EngineName
from stedi.run.incremental import incremental
from tests.conftest import Land, already_run, both_engines_at_length, counts, on, rows
from tests.support import small
from tests.support.tables import files, held_on_disk, how


@already_run
@both_engines_at_length
def test_new_readings_are_added(small_lakehouse: Lakehouse, land: Land) -> None:
    before = {table: files(small_lakehouse, table) for table in small.SEED}
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    assert how(small_lakehouse) == {
        "accelerometer_landing": "append",
        "accelerometer_trusted": "append",
        "customer_curated": "no change",
        "machine_learning_curated": "rebuild",
    }
    for table in small.SEED:
        if table != "machine_learning_curated":
            assert before[table] <= files(small_lakehouse, table)
    assert how(small_lakehouse) == {}
    assert small_lakehouse.status(verify=True).ok


@already_run
@both_engines_at_length
def test_consent_given_late_and_withdrawn_touches_its_customers_rows(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [small.customer("ben", "S2", 900, consent=900)], name="given.json")
    made = how(small_lakehouse)
    assert made["customer_landing"] == "append"
    assert made["customer_trusted"] == made["accelerometer_trusted"] == "append"
    assert rows(
        small_lakehouse, "SELECT COUNT(*) FROM accelerometer_trusted WHERE \"user\" LIKE 'ben%'"
    ) == [(1,)]
    land("customer", [small.customer("ben", "S2", 1900)], name="withdrawn.json")
    made = how(small_lakehouse)
    assert made["customer_trusted"] == made["accelerometer_trusted"] == "swap"
    assert counts(small_lakehouse) == small.SEED | {
        "customer_landing": small.SEED["customer_landing"] + 2
    }
    assert small_lakehouse.status(verify=True).ok


def crowd(land: Land, people: int) -> None:
    """People who all share what they measure, ten readings each."""
    names = [f"p{n}" for n in range(people)]
    land("customer", [small.customer(n, f"S-{n}", 100, consent=100) for n in names], "crowd.json")
    land("accelerometer", [small.acceleration(n, t, 0.1) for n in names for t in range(200, 210)])
    land("step_trainer", [small.reading(f"S-{n}", t, 210) for n in names for t in range(200, 210)])


@both_engines_at_length
def test_one_of_many_who_withdraws_has_tables_of_people_rewritten_too(
    engine: EngineName, folder: Path, tmp_path: Path, land: Land
) -> None:
    crowd(land, 30)
    lakehouse = on(engine, tmp_path / "root", folder)
    lakehouse.run()
    land("customer", [small.customer("p7", "S-p7", 900)], name="withdrawn.json")
    land("customer", [small.customer("new", "S-p8", 900, consent=900)], name="came.json")
    made = how(lakehouse)
    assert {made[t] for t in ("customer_trusted", "customer_curated")} == {"swap"}
    assert {made[t] for t in ("accelerometer_trusted", "step_trainer_trusted")} == {"swap"}
    for table, column, value in (
        ("customer_curated", "email", "p7@example.com"),
        ("customer_curated", "email", "new@example.com"),
        ("accelerometer_trusted", '"user"', "p7@example.com"),
        ("step_trainer_trusted", "serialnumber", "S-p7"),
    ):
        assert rows(lakehouse, f"SELECT COUNT(*) FROM {table} WHERE {column} = '{value}'") == [(0,)]
    assert rows(lakehouse, "SELECT COUNT(*) FROM customer_trusted") == [(30,)]
    assert rows(lakehouse, "SELECT COUNT(*) FROM customer_curated") == [(29,)]
    assert rows(lakehouse, "SELECT COUNT(*) FROM step_trainer_trusted") == [(290,)]
    assert held_on_disk(lakehouse.root, "p7@example.com") == []
    assert lakehouse.status(verify=True).ok


def test_a_table_whose_key_may_be_blank_in_what_it_is_made_from_is_rebuilt(
    folder: Path, tmp_path: Path, land: Land
) -> None:
    contract = folder / "contracts" / "accelerometer_landing.yaml"
    text = contract.read_text()
    of_user = text.index("required: true", text.index("- name: user"))
    contract.write_text(text[:of_user] + text[of_user:].replace("true", "false", 1))
    crowd(land, 5)
    lakehouse = Lakehouse(tmp_path / "root", declarations=folder)
    lakehouse.run()
    land("customer", [small.customer("p3", "S-p3", 900)], name="withdrawn.json")
    nobody = {k: v for k, v in small.acceleration("p1", 300, 0.1).items() if k != "user"}
    path = land("accelerometer", [nobody, small.acceleration("p1", 301, 0.1)], name="more.json")
    for expected in (41, 40):
        [planned] = (one for one in lakehouse.plan() if one.table == "accelerometer_trusted")
        assert "user may be blank in accelerometer_landing" in planned.reason
        assert how(lakehouse)["accelerometer_trusted"] == "rebuild"
        assert rows(lakehouse, "SELECT COUNT(*) FROM accelerometer_trusted") == [(expected,)]
        assert lakehouse.status(verify=True).ok
        path.unlink(missing_ok=True)


def test_a_key_is_looked_up_by_its_own_type(folder: Path) -> None:
    transform = folder / "transforms" / "accelerometer_trusted.sql"
    wide = "SELECT CAST(c.registrationdate AS DOUBLE) AS at FROM customer_trusted c"
    transform.write_text(
        f"""WITH known AS ({wide}),
        judged AS (
          SELECT a.*, CASE WHEN k.at IS NULL THEN 'unknown' END AS dropped
          FROM accelerometer_landing a LEFT JOIN known k ON k.at = a."timestamp"
        )
        SELECT "user", "timestamp", x, y, z FROM judged WHERE dropped IS NULL"""
    )
    contract = folder / "contracts" / "accelerometer_trusted.yaml"
    contract.write_text(
        contract.read_text().replace("        value: user\n", "        value: timestamp\n")
    )
    found = incremental(read_declarations(folder), "accelerometer_trusted")
    assert found == "the key of its lookup table known is of another type"


@already_run
def test_row_groups_of_typed_data_say_whom_they_lack(small_lakehouse: Lakehouse) -> None:
    for source, column, known in (
        ("customer", "email", "ann@example.com"),
        ("accelerometer", "user", "ann@example.com"),
        ("step_trainer", "serialnumber", "S1"),
    ):
        [*typed] = (small_lakehouse.root / source / "typed").rglob("*.parquet")
        assert typed
        for path in typed:
            for value, excluded in ((known, False), ("someone@else.com", True)):
                found = duckdb.execute(
                    "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, ?, ?)",
                    [str(path), column, value],
                ).fetchall()
                assert found == [(excluded,)]


@already_run
def test_a_file_taken_away_takes_its_part_of_a_table_along(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    for n in range(3):
        land("accelerometer", [small.acceleration("ann", 3000 + n, 0.9)], name=f"{n}.json")
        small_lakehouse.run()
    before = files(small_lakehouse, "accelerometer_landing")
    (small_lakehouse.root / "accelerometer" / "landing" / "1.json").unlink()
    assert how(small_lakehouse)["accelerometer_landing"] == "swap"
    after = files(small_lakehouse, "accelerometer_landing")
    assert len(before - after) == 1
    assert after < before
    assert rows(small_lakehouse, "SELECT COUNT(*) FROM accelerometer_trusted") == [
        (small.SEED["accelerometer_trusted"] + 2,)
    ]


def test_a_copy_stays_when_the_file_it_is_of_goes(small_lakehouse: Lakehouse, land: Land) -> None:
    first = land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="a.json")
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="b.json")
    small_lakehouse.run()
    first.unlink()
    small_lakehouse.run()
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.sources["accelerometer"].copies == []
    expected = small.SEED["accelerometer_landing"] + 1
    assert status.tables["accelerometer_landing"].rows == expected


@already_run
def test_a_new_column_evolves_the_table(small_lakehouse: Lakehouse, folder: Path) -> None:
    uri = f"sqlite:///{small_lakehouse.root}/_stedi/catalog.db"
    before = SqlCatalog("stedi", uri=uri).load_table("stedi.accelerometer_landing")
    when = datetime.now()
    contract = folder / "contracts" / "accelerometer_landing.yaml"
    contract.write_text(
        contract.read_text().replace(
            "    properties:\n",
            "    properties:\n      - {name: note, logicalType: string, physicalType: string, "
            "classification: none,\n         customProperties: [{property: jsonKey, value: note}]}\n",
        )
    )
    other = on("duckdb", small_lakehouse.root, folder)
    made = how(other)
    assert made["accelerometer_landing"] == "rebuild"
    after = SqlCatalog("stedi", uri=uri).load_table("stedi.accelerometer_landing")
    assert after.metadata.table_uuid == before.metadata.table_uuid
    assert [field.name for field in after.schema().fields] == [
        "note", "user", "timestamp", "x", "y", "z", "userfolded",
    ]  # fmt: skip
    ids = {field.name: field.field_id for field in before.schema().fields}
    assert {f.name: f.field_id for f in after.schema().fields} == ids | {"note": 7}
    assert other.query("SELECT * FROM accelerometer_landing", as_of=when).schema.names == [*ids]
    assert other.status(verify=True).ok


@already_run
def test_words_in_a_contract_change_no_table(small_lakehouse: Lakehouse, folder: Path) -> None:
    contract = folder / "contracts" / "accelerometer_landing.yaml"
    contract.write_text(
        contract.read_text().replace("as the phone app delivered", "as the app sent")
    )
    assert how(on("duckdb", small_lakehouse.root, folder)) == {}


def test_what_a_select_must_be_like_to_be_maintained_is_told(
    small_lakehouse: Lakehouse, folder: Path
) -> None:
    """A SELECT that can't be followed is rebuilt, and the plan says why."""
    transform = folder / "transforms" / "accelerometer_trusted.sql"
    sql = transform.read_text()
    for other, why in (
        (sql.replace('SELECT "user"', 'SELECT LOWER("user") AS "user"'), "as it stands"),
        (
            sql.replace('c.email = a."user"', 'c.email = LOWER(a."user")'),
            "something else than the key",
        ),
        (
            sql.replace(
                "c.email IS NULL",
                "c.email IS NULL OR a.x > (SELECT MAX(x) FROM accelerometer_landing)",
            ),
            "has more in it",
        ),
        (sql.replace('SELECT "user"', 'SELECT DISTINCT "user"'), "groups or cuts rows"),
    ):
        assert other != sql
        transform.write_text(other)
        declarations = read_declarations(folder)
        found = incremental(declarations, "accelerometer_trusted")
        assert isinstance(found, str), other
        assert why in found
    transform.write_text(sql)
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    transform.write_text(other)
    told = {one.table: one for one in lakehouse.plan()}
    assert told["accelerometer_trusted"].how == "rebuild"
    assert "not by its key: the statement groups" in told["accelerometer_trusted"].reason


def test_a_look_up_that_reads_rows_of_other_keys_is_not_maintained(folder: Path) -> None:
    transform = folder / "transforms" / "customer_trusted.sql"
    sql = transform.read_text()
    assert not isinstance(incremental(read_declarations(folder), "customer_trusted"), str)
    transform.write_text(
        sql.replace(
            "judged AS (",
            "shared AS (SELECT serialnumber, COUNT(*) AS n FROM ranked GROUP BY serialnumber),\n"
            "judged AS (",
        ).replace(
            "ON s.subject = r.email\n",
            "ON s.subject = r.email\n  LEFT JOIN shared h ON h.serialnumber = r.email\n",
        )
    )
    found = incremental(read_declarations(folder), "customer_trusted")
    assert found == "its CTE shared reads all rows of its CTE ranked"


@pytest.mark.parametrize("value", ["NULL", "'from before'"])
def test_a_row_that_an_earlier_reason_keeps_needs_no_look_up(folder: Path, value: str) -> None:
    transform = folder / "transforms" / "accelerometer_trusted.sql"
    first = f"CASE WHEN a.x > 100 THEN {value} WHEN a"
    transform.write_text(transform.read_text().replace("CASE\n      WHEN a", first))
    found = incremental(read_declarations(folder), "accelerometer_trusted")
    assert not isinstance(found, str)
    assert found.lookups[0].name == "customer_trusted"
    assert found.lookups[0].is_required is (value != "NULL")


def test_copies_that_go_leave_quarantined_records_where_they_are(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", b'{"email": "ann@example.com"\n', name="bad.json")
    copies = []
    for source in ("customer", "accelerometer", "step_trainer"):
        first = small_lakehouse.root / source / "landing" / "one.json"
        copies.append(land(source, first.read_bytes(), name="two.json"))
    small_lakehouse.run()
    for path in copies:
        path.unlink()
    small_lakehouse.run()
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert sum(status.sources["customer"].quarantined.values()) == 1

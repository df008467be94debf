"""What changes costs what changed; what is over its time is gone from disk."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from pyiceberg.catalog.sql import SqlCatalog
from sqlglot.expressions import Query

from stedi import Lakehouse
from stedi.check import check as check_declarations
from stedi.declared import Declarations, read_declarations
from stedi.engines import Engine
from stedi.engines.duckdb import DuckDBEngine
from stedi.errors import QueryError, RuleBroken, StorageError, UsageError
from stedi.lakehouse import EngineName
from stedi.parquet import Field
from stedi.privacy.proof import Proof
from stedi.roots.local.files import Disk
from stedi.run.compact import to_merge
from stedi.run.keyed import asks_presence, keyed
from stedi.storage.warehouse import DataFile, Warehouse
from tests import small
from tests.conftest import Land, already_run, both_engines, both_engines_at_length, counts, on, rows
from tests.processes import started
from tests.test_crashes import strays

PEOPLE = ("customer/trusted", "customer/curated", "accelerometer/trusted", "step_trainer/trusted")


def how(lakehouse: Lakehouse) -> dict[str, str]:
    """What a run does with each table."""
    return {built.table: built.how for built in lakehouse.run().built}


def files(lakehouse: Lakehouse, table: str) -> set[str]:
    version = Warehouse(Disk(lakehouse.root)).version(table)
    assert version is not None
    return {file.uri for file in version.files}


@pytest.fixture
def folder(tmp_path: Path, not_anonymous: Path) -> Path:
    """Declarations of the test's own."""
    return Path(shutil.copytree(not_anonymous, tmp_path / "declarations"))


def declare(folder: Path, table: str, line: str) -> None:
    """Add a custom property to a contract."""
    path = folder / "contracts" / f"{table}.yaml"
    name, value = line.split(": ")
    first = "      - property: zone\n"
    text = path.read_text()
    assert name not in text
    path.write_text(text.replace(first, f"      - {{property: {name}, value: {value}}}\n{first}"))


@already_run
@both_engines
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
def test_one_of_many_who_withdraws_has_tables_of_people_swapped_too(
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


def test_declarations_that_an_engine_has_checked_are_not_checked_again(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(declarations: Declarations, engine: Engine, **others: Any) -> Proof:
        checked.append(engine.name)
        return check_declarations(declarations, engine, **others)

    monkeypatch.setattr("stedi.run.execute.check", check)
    small_lakehouse.run()
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    small_lakehouse.run()
    assert checked == ["duckdb"]
    Warehouse(Disk(small_lakehouse.root)).checked_by = "spark"
    land("accelerometer", [small.acceleration("ann", 3001, 0.9)], name="three.json")
    small_lakehouse.run()
    assert checked == ["duckdb", "duckdb"]


def test_a_table_whose_key_may_be_blank_in_what_it_is_made_from_is_made_anew(
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
    found = keyed(read_declarations(folder), "accelerometer_trusted")
    assert found == "the key of its look-up known is of another type"


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


def test_a_dry_run_says_what_a_run_does_and_writes_nothing(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    def everything() -> dict[Path, int]:
        found = small_lakehouse.root.rglob("*")
        return {path: path.stat().st_mtime_ns for path in found if path.is_file()}

    before = everything()
    planned = {one.table: one.how for one in small_lakehouse.plan()}
    assert planned == dict.fromkeys(small.SEED, "rebuild")
    assert everything() == before
    small_lakehouse.run()
    assert small_lakehouse.plan() == []
    land("customer", [small.customer("ben", "S2", 900, consent=900)], name="given.json")
    (small_lakehouse.root / "step_trainer" / "landing" / "one.json").unlink()
    before = everything()
    found = {one.table: (one.how, one.files) for one in small_lakehouse.plan()}
    assert everything() == before
    assert found == {
        "customer_landing": ("append", 1),
        "step_trainer_landing": ("swap", 0),
        "customer_trusted": ("by key", 1),
        "accelerometer_trusted": ("by key", 1),
        "customer_curated": ("by key", 1),
        "step_trainer_trusted": ("by key", 1),
        "machine_learning_curated": ("rebuild", 1),
    }
    told = {one.table: one.how for one in small_lakehouse.plan(profile="strict")}
    assert told["accelerometer_trusted"] == "rebuild"
    done = started("run", "--dry-run", "--json", "--root", small_lakehouse.root).ended()
    assert {one["table"] for one in json.loads(done.stdout)} == found.keys()


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
        "note", "user", "timestamp", "x", "y", "z",
    ]  # fmt: skip
    ids = {field.name: field.field_id for field in before.schema().fields}
    assert {f.name: f.field_id for f in after.schema().fields} == ids | {"note": 6}
    assert other.query("SELECT * FROM accelerometer_landing", as_of=when).schema.names == [*ids]
    assert other.status(verify=True).ok


@already_run
def test_words_in_a_contract_change_no_table(small_lakehouse: Lakehouse, folder: Path) -> None:
    contract = folder / "contracts" / "accelerometer_landing.yaml"
    contract.write_text(
        contract.read_text().replace("as the phone app delivered", "as the app sent")
    )
    assert how(on("duckdb", small_lakehouse.root, folder)) == {}


def test_tables_can_be_asked_as_they_were(small_lakehouse: Lakehouse, land: Land) -> None:
    early = datetime.now(UTC)
    time.sleep(0.01)
    small_lakehouse.run()
    when = datetime.now(UTC)
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    time.sleep(0.01)
    small_lakehouse.run()
    sql = "SELECT COUNT(*) FROM accelerometer_trusted"
    now = small.SEED["accelerometer_trusted"] + 1
    assert rows(small_lakehouse, sql) == [(now,)]
    assert small_lakehouse.query(sql, as_of=when).to_arrow().to_pylist()[0].popitem()[1] == now - 1
    with pytest.raises(QueryError, match="no snapshot of"):
        small_lakehouse.query(sql, as_of=early)
    with pytest.raises(QueryError, match="no snapshot of 2020-01-01 00:00:00"):
        small_lakehouse.query(sql, as_of="2020-01-01")
    with pytest.raises(UsageError, match="--as-of 'yesterday'"):
        small_lakehouse.query(sql, as_of="yesterday")
    with pytest.raises(UsageError, match="as in 2026"):
        small_lakehouse.query(sql, as_of=5)  # type: ignore[arg-type]
    as_of = ("--as-of", "2020-01-01")
    done = started("query", "--root", small_lakehouse.root, *as_of, sql).ended()
    assert done.returncode == 2
    assert "no snapshot of 2020-01-01" in done.stderr


def test_snapshots_are_kept_for_the_declared_time(
    small_lakehouse: Lakehouse, folder: Path, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(folder, "accelerometer_trusted", "snapshotDays: 2")
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    first = files(lakehouse, "accelerometer_trusted")
    small_lakehouse_files = set((lakehouse.root / "accelerometer").rglob("*.avro"))
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)] * 2, name="two.json")
    lakehouse.run(full=True)
    assert len(Warehouse(Disk(lakehouse.root)).history("accelerometer_trusted")) == 2
    now = time.time_ns()
    for days, kept in ((1, 2), (3, 1)):
        later = now + int(timedelta(days=days).total_seconds() * 1e9)
        monkeypatch.setattr("stedi.storage.withdrawals.time.time_ns", lambda later=later: later)
        lakehouse.run()
        assert len(Warehouse(Disk(lakehouse.root)).history("accelerometer_trusted")) == kept
        assert len(Warehouse(Disk(lakehouse.root)).history("accelerometer_landing")) == 2
    assert not any(Path(uri.removeprefix("file://")).exists() for uri in first)
    gone = [path for path in small_lakehouse_files if "trusted" in path.parts and path.exists()]
    assert gone == []
    assert strays(lakehouse) == []
    assert lakehouse.status(verify=True).ok


def held_on_disk(root: Path, word: str) -> list[Path]:
    """Files of the trusted and curated zones that hold a word, whatever refers to them."""
    found = []
    for place in (*PEOPLE, "step_trainer/curated", "_stedi/boxes"):
        for path in (root / place).rglob("*"):
            if path.suffix == ".parquet":
                text = repr(pq.read_table(path).to_pylist())
            elif path.is_file():
                text = path.read_bytes().decode("latin-1")
            else:
                continue
            if word in text:
                found.append(path)
    return found


@both_engines_at_length
def test_who_withdraws_is_gone_from_every_snapshot_at_once(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    for n in range(3):
        land("accelerometer", [small.acceleration("ann", 3000 + n, 0.9)], name=f"{n}.json")
        small_lakehouse.run()
    assert held_on_disk(small_lakehouse.root, "ann@example.com")
    assert held_on_disk(small_lakehouse.root, "'S1'")
    land("customer", [small.customer("ann", "S1", 9000)], name="withdrawn.json")
    report = small_lakehouse.run()
    assert held_on_disk(small_lakehouse.root, "ann@example.com") == []
    assert held_on_disk(small_lakehouse.root, "'S1'") == []
    assert report.withdrawn is not None
    assert report.withdrawn.people == 1
    assert report.withdrawn.rows == {
        "customer_trusted": 1,
        "accelerometer_trusted": 6,
        "customer_curated": 1,
        "step_trainer_trusted": 3,
    }
    assert report.withdrawn.difference is not None
    assert small_lakehouse.run().withdrawn is None
    assert small_lakehouse.status(verify=True).ok


def test_who_withdraws_is_gone_after_the_declared_time(
    small_lakehouse: Lakehouse, folder: Path, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = folder / "contracts" / "customer_trusted.yaml"
    text = contract.read_text()
    kept = "      - property: withdrawalDays\n        value: {}\n"
    assert kept.format(0) in text
    contract.write_text(text.replace(kept.format(0), kept.format(3)))
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    land("customer", [small.customer("ann", "S1", 9000)], name="withdrawn.json")
    assert lakehouse.run().withdrawn is not None
    assert held_on_disk(lakehouse.root, "ann@example.com")
    now = time.time_ns()
    for days, expected in ((2, True), (4, False)):
        later = now + int(timedelta(days=days).total_seconds() * 1e9)
        monkeypatch.setattr("stedi.storage.withdrawals.time.time_ns", lambda later=later: later)
        lakehouse.run()
        assert bool(held_on_disk(lakehouse.root, "ann@example.com")) is expected
    assert strays(lakehouse) == []


@pytest.mark.parametrize("runs", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_many_small_runs_leave_a_handful_of_files(
    small_lakehouse: Lakehouse, folder: Path, land: Land, runs: int
) -> None:
    for table in small.SEED:
        if table != "machine_learning_curated":
            declare(folder, table, "snapshotDays: 0")
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    for n in range(runs):
        land("accelerometer", [small.acceleration("ann", 3000 + n, 0.9)], name=f"a{n}.json")
        land("step_trainer", [small.reading("S1", 3000 + n, 210)], name=f"s{n}.json")
        if n % 7 == 0:
            land("customer", [small.customer("ben", "S2", 900 + n, 1 - n % 2)], name="b.json")
        lakehouse.run()
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert status.tables["accelerometer_landing"].rows == 19 + runs
    for table in small.SEED:
        assert len(files(lakehouse, table)) < 10, table
        folder_ = Path(status.tables[table].location.removeprefix("file://"))
        assert len(list(folder_.rglob("*.parquet"))) < 10
        assert len(list((folder_ / "metadata").glob("*"))) < 30
        folders = [path for path in folder_.rglob("*") if path.is_dir()]
        assert [path for path in folders if not any(path.iterdir())] == []
    assert strays(lakehouse) == []
    (lakehouse.root / "accelerometer" / "landing" / "a3.json").unlink()
    lakehouse.run()
    assert rows(lakehouse, "SELECT COUNT(*) FROM accelerometer_landing") == [(18 + runs,)]
    assert lakehouse.status(verify=True).ok


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", True),
        ("EXISTS (SELECT 1 FROM b AS c WHERE c.k = a.k AND a.n > 1)", True),
        ("NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.n > 1)", False),
        ("a.k IN (SELECT b.k FROM b)", False),
        ("EXISTS (SELECT 1 FROM b WHERE b.k = a.k) AND EXISTS (SELECT 1 FROM b WHERE b.n = 1)", False),
    ],
)  # fmt: skip
def test_a_rule_that_asks_for_more_than_presence_is_told(condition: str, expected: bool) -> None:
    query = sqlglot.parse_one(f"SELECT COUNT(*) FROM a WHERE {condition}", dialect="athena")
    assert isinstance(query, Query)
    assert asks_presence(query, "b", "k") is expected


def test_what_is_merged_at_once_makes_a_file_of_the_usual_size() -> None:
    sizes = [4_000_000, *(900_000 + n for n in range(30)), 10]
    files = [DataFile(f"{rows}", Path(f"{rows}"), 1, rows) for rows in sizes]
    merged = to_merge(files)
    assert [file.rows for file in merged] == [10, 900_000, 900_001, 900_002, 900_003]
    assert to_merge(files[:8]) == ()
    few = [DataFile(f"{rows}", Path(f"{rows}"), 1, rows) for rows in (5, 4, 3, 2, 1, 9, 8, 7)]
    assert {file.rows for file in to_merge([*few, files[0]])} == {1, 2, 3, 4, 5, 7, 8, 9}


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
def test_a_root_under_another_name_is_not_moved(
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


def test_nothing_that_is_said_names_a_person(
    small_lakehouse: Lakehouse, land: Land, folder: Path
) -> None:
    """Plans, reports, errors and logs; names, e-mails, serial numbers and birthdays."""
    land(
        "customer", b'{"email": "ann@example.com", "customerName": "Ann", "serial', name="bad.json"
    )
    rule = folder / "contracts" / "step_trainer_trusted.yaml"
    rule.write_text(rule.read_text().replace("WHERE NOT EXISTS", "WHERE EXISTS"))
    told = ""
    for arguments, declarations in (
        (["run", "--dry-run"], None),
        (["run"], None),
        (["run", "--json"], None),
        (["run"], folder),
        (["run", "--full", "--max-pairs", "1"], None),
        (["status", "--verify"], None),
        (["status", "--json"], None),
        (["quarantine", "list"], None),
        (["quarantine", "list", "--json"], None),
        (["audit"], None),
        (["audit", "--json"], None),
        (["check"], None),
        (["query", "SELECT CAST(email AS BIGINT) FROM customer_trusted"], None),
        (["run", "--dry-run", "--json"], folder),
    ):
        env = {"STEDI_DECLARATIONS": str(declarations)} if declarations else {}
        done = started(*arguments, "--root", small_lakehouse.root, env=env).ended()
        assert "Traceback" not in done.stderr
        told += done.stdout + done.stderr
    land("customer", [small.customer("eve", "S5", 9000)], name="withdrawn.json")
    for arguments in (["run", "--dry-run"], ["run"], ["status"]):
        done = started(*arguments, "--root", small_lakehouse.root).ended()
        told += done.stdout + done.stderr
    told += "".join(path.read_text() for path in (small_lakehouse.root / "_stedi").glob("*.jsonl"))
    told += (small_lakehouse.root / "_stedi" / "lock").read_text()
    assert "People who don't consent any more: 1." in told
    assert "serial number of no curated customer" in told  # the rule that was broken
    for name in ("ann", "ben", "cat", "eve", "fay", "ivy"):
        assert f"{name}@example.com" not in told
        assert f'"{name.title()}"' not in told
    assert "1980-01-01" not in told
    assert "S13" not in told


@already_run
@pytest.mark.parametrize(
    "late",
    [
        ("accelerometer", [small.acceleration("ann", 3000, 0.9)]),  # new rows are added
        ("customer", [small.customer("ann", "S1", 900, 200)]),  # her rows are worked out anew
    ],
)
def test_a_row_without_consent_stops_the_run_also_where_few_rows_are_looked_at(
    small_lakehouse: Lakehouse,
    land: Land,
    monkeypatch: pytest.MonkeyPatch,
    late: tuple[str, list[dict[str, object]]],
) -> None:
    before = counts(small_lakehouse)
    land(*late, name="late.json")
    write = DuckDBEngine.write

    def wrong(self: DuckDBEngine, query: Query, fields: list[Field], folder: Path) -> list[Path]:
        """Give ann's new rows to ben, who doesn't consent; no row more or less."""
        paths = write(self, query, fields, folder)
        for path in paths if "accelerometer/trusted" in str(folder) else ():
            if path.parent.name.endswith(("-added", "-changed")):
                rows = pq.read_table(path)
                users = pa.array(["ben@example.com"] * rows.num_rows)
                pq.write_table(rows.set_column(0, rows.schema.field(0), users), path)
        return paths

    monkeypatch.setattr(DuckDBEngine, "write", wrong)
    with pytest.raises(RuleBroken, match="belong to a user who does not consent"):
        small_lakehouse.run()
    assert counts(small_lakehouse) | {late[0] + "_landing": 0} == before | {late[0] + "_landing": 0}
    monkeypatch.undo()
    small_lakehouse.run()
    assert small_lakehouse.status(verify=True).ok


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
        found = keyed(declarations, "accelerometer_trusted")
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
    assert not isinstance(keyed(read_declarations(folder), "customer_trusted"), str)
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
    found = keyed(read_declarations(folder), "customer_trusted")
    assert found == "its CTE shared reads all rows of its CTE ranked"


@pytest.mark.parametrize("value", ["NULL", "'from before'"])
def test_a_row_that_an_earlier_reason_keeps_needs_no_look_up(folder: Path, value: str) -> None:
    transform = folder / "transforms" / "accelerometer_trusted.sql"
    first = f"CASE WHEN a.x > 100 THEN {value} WHEN c.email"
    transform.write_text(transform.read_text().replace("CASE WHEN c.email", first))
    found = keyed(read_declarations(folder), "accelerometer_trusted")
    assert not isinstance(found, str)
    assert [look_up.is_required for look_up in found.lookups] == [value != "NULL"]


@already_run
def test_a_rule_with_a_cte_is_counted_where_a_table_is_maintained(
    small_lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    contract = folder / "contracts" / "accelerometer_trusted.yaml"
    text = contract.read_text()
    rule = """    quality:
      - name: of_many
        type: sql
        description: readings of people who are known
        query: |
          WITH known AS (SELECT DISTINCT email FROM customer_trusted)
          SELECT COUNT(*) FROM accelerometer_trusted a INNER JOIN known k ON k.email = a."user"
        mustBe: 0
        severity: warning
"""
    assert text.count("    quality:\n") == 1
    contract.write_text(text.replace("    quality:\n", rule))
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    land("accelerometer", [small.acceleration("ann", 3000, 0.9)], name="two.json")
    assert how(lakehouse)["accelerometer_trusted"] == "append"
    [note] = (one for one in lakehouse.status().notes if one.code == "of_many")
    assert note.count == (small.SEED["accelerometer_trusted"] or 0) + 1


@both_engines_at_length
def test_groups_that_a_landing_tables_rule_counts_are_the_same_run_by_run(
    lakehouse: Lakehouse, land: Land
) -> None:
    """An e-mail comes in, in another spelling, in a third, and with another person's."""
    names = ["ann ben", "ann", " ann", "Ann cat", "dan Ben", "eve", "EVE ann", "fay"]
    spelled: dict[str, set[str]] = {}
    for number, one in enumerate(names):
        emails = [f"{name}@example.com" for name in ([one] if one[0] == " " else one.split())]
        for email in emails:
            spelled.setdefault(email.strip().lower(), set()).add(email)
        record = small.customer("ann", "S1", 100)
        land("customer", [record | {"email": email} for email in emails], name=f"{number}.json")
        lakehouse.run()
        noted = {note.code: note.count for note in lakehouse.status().notes}
        several = sum(len(ways) > 1 for ways in spelled.values())
        assert noted.get("email_spelled_otherwise", 0) == several


def test_a_group_of_blanks_is_counted_run_by_run(
    lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    contract = folder / "contracts" / "customer_landing.yaml"
    rule = """    quality:
      - name: consents_at_once
        type: sql
        description: times at which several people consented
        query: |
          SELECT COUNT(*) FROM (
            SELECT sharewithresearchasofdate FROM customer_landing
            GROUP BY sharewithresearchasofdate HAVING COUNT(*) > 1
          ) AS at_once
        mustBe: 0
        severity: warning
"""
    text = contract.read_text()
    assert text.count("    quality:\n") == 1
    contract.write_text(text.replace("    quality:\n", rule))
    lakehouse = on("duckdb", lakehouse.root, folder)
    given: Counter[int | None] = Counter()
    for number, consent in enumerate([100, None, 200, None, None, 100, 100, 200]):
        given[consent] += 1
        land("customer", [small.customer(f"p{number}", "S1", 100, consent)], name=f"{number}.json")
        lakehouse.run()
        noted = {note.code: note.count for note in lakehouse.status().notes}
        several = sum(count > 1 for count in given.values())
        assert noted.get("consents_at_once", 0) == several


def test_copies_that_go_leave_what_was_set_aside_where_it_is(
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


def test_a_unique_column_of_a_landing_table_is_held_to_over_all_files(
    small_lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    contract = folder / "contracts" / "step_trainer_landing.yaml"
    column = "        physicalType: long\n"
    contract.write_text(contract.read_text().replace(column, f"{column}        unique: true\n", 1))
    land("step_trainer", [small.reading("S1", 1, 210)], name="one.json")
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    land("step_trainer", [small.reading("S2", 2, 220)], name="two.json")
    lakehouse.run()
    land("step_trainer", [small.reading("S3", 1, 230)], name="three.json")
    with pytest.raises(RuleBroken, match="sensorreadingtime is unique and repeats"):
        lakehouse.run()


def test_a_unique_key_is_held_to_where_a_table_is_maintained(
    lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    transform = folder / "transforms" / "customer_trusted.sql"
    text = transform.read_text()
    transform.write_text(text.replace("WHEN r.recency > 1 THEN", "WHEN r.recency > 2 THEN"))
    assert transform.read_text() != text
    others = [small.customer(f"p{n}", f"S{n}", 100, consent=100) for n in range(9)]
    land("customer", [*others, small.customer("ann", "S1", 100, consent=100)], name="one.json")
    lakehouse = on("duckdb", lakehouse.root, folder)
    lakehouse.run()
    land("customer", [small.customer("bob", "S10", 200, consent=200)], name="two.json")
    assert how(lakehouse)["customer_trusted"] in ("append", "swap")
    land("customer", [small.customer("ann", "S1", 200, consent=200)], name="three.json")
    with pytest.raises(RuleBroken, match="email is unique and repeats"):
        lakehouse.run()

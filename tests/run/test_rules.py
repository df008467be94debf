"""Data quality checks work also where few rows are looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot.expressions import Query

from stedi import Lakehouse
from stedi.engines.duckdb import DuckDBEngine
from stedi.errors import RuleBroken
from stedi.parquet import Field
from stedi.run.incremental import asks_presence
from tests.conftest import Land, already_run, both_engines_at_length, counts, on
from tests.support import small
from tests.support.tables import how


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


@already_run
@pytest.mark.parametrize(
    "late",
    [
        ("accelerometer", [small.acceleration("ann", 3000, 0.9)]),  # new rows are added
        ("customer", [small.customer("ann", "S1", 900, 200)]),  # her rows are recomputed
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


@pytest.mark.slow
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


def test_a_unique_column_of_a_landing_table_is_held_to_over_all_files(
    small_lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    contract = folder / "contracts" / "step_trainer_landing.yaml"
    column = "        physicalType: long\n"
    contract.write_text(contract.read_text().replace(column, f"{column}        unique: true\n", 1))
    land("step_trainer", [small.reading("S1", 1000, 210)], name="one.json")
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    land("step_trainer", [small.reading("S2", 2, 220)], name="two.json")
    lakehouse.run()
    land("step_trainer", [small.reading("S3", 1000, 230)], name="three.json")
    with pytest.raises(RuleBroken, match="sensorreadingtime is unique and repeats"):
        lakehouse.run()


def test_a_unique_key_is_held_to_where_a_table_is_maintained(
    lakehouse: Lakehouse, folder: Path, land: Land
) -> None:
    transform = folder / "transforms" / "customer_trusted.sql"
    text = transform.read_text()
    transform.write_text(
        text.replace("WHEN r.recency > 1 THEN", "WHEN r.recency > 1 AND r.email = '' THEN")
    )
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

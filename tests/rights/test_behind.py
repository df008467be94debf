"""Whose rows a SELECT has is read from it, and where that can't be, everybody counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.declared import Declarations, read_declarations
from stedi.rights.behind import with_sides
from tests.conftest import on
from tests.support import small

COLUMNS = """
SELECT
  CAST(s.distancefromobject AS DOUBLE) AS distancefromobject, a.x, a.y, a.z,
  p.person AS step_person, u.person AS accelerometer_person,
  CAST(0 AS BIGINT) AS taken_before_consent
"""
PEOPLE = """
WITH people AS (
  SELECT serialnumber, ROW_NUMBER() OVER (ORDER BY serialnumber) AS person
  FROM customer_trusted GROUP BY serialnumber
),
users AS (
  SELECT c.email, p.person FROM customer_trusted c
  INNER JOIN people p ON p.serialnumber = c.serialnumber
)
"""
LOOKUPS = """
LEFT JOIN people p ON p.serialnumber = s.serialnumber
LEFT JOIN users u ON u.email = a."user"
"""
STEPS_FIRST = 'FROM step_trainer_trusted s JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime'
PHONES_FIRST = 'FROM accelerometer_trusted a JOIN step_trainer_trusted s ON a."timestamp" = s.sensorreadingtime'
DEVICE, CUSTOMER = "device", "customer"


def declared(folder: Path, sql: str) -> Declarations:
    (folder / "transforms" / "machine_learning_curated.sql").write_text(sql)
    return read_declarations(folder)


@pytest.mark.parametrize("profile", ["seed", "strict"])
def test_the_sides_of_our_own_selects(folder: Path, profile: str) -> None:
    declarations = read_declarations(folder, profile)
    found = with_sides(declarations.select("machine_learning_curated"), declarations)
    assert found is not None
    assert [side.subject for side in found[1]] == [DEVICE, CUSTOMER]


@pytest.mark.parametrize(
    ("sql", "subjects"),
    [
        (PEOPLE + COLUMNS + STEPS_FIRST + LOOKUPS, [DEVICE, CUSTOMER]),
        (PEOPLE + COLUMNS + PHONES_FIRST + LOOKUPS, [CUSTOMER, DEVICE]),
        (PEOPLE + COLUMNS + STEPS_FIRST + LOOKUPS + "WHERE a.x > 0", [DEVICE, CUSTOMER]),
        (PEOPLE + COLUMNS + STEPS_FIRST + LOOKUPS + "ORDER BY a.x", [DEVICE, CUSTOMER]),
        # Rows of a CTE, or of a subquery, may be anybody's.
        (
            PEOPLE.rstrip() + ", steps AS (SELECT * FROM step_trainer_trusted)" + COLUMNS
            + STEPS_FIRST.replace("FROM step_trainer_trusted s", "FROM steps s") + LOOKUPS,
            None,
        ),
        (
            PEOPLE + COLUMNS
            + STEPS_FIRST.replace("step_trainer_trusted s", "(SELECT * FROM step_trainer_trusted) s")
            + LOOKUPS,
            None,
        ),
        (PEOPLE + COLUMNS + STEPS_FIRST.replace("JOIN", "RIGHT JOIN") + LOOKUPS, None),
        (PEOPLE + COLUMNS + STEPS_FIRST + LOOKUPS + "LIMIT 5", None),
        (PEOPLE + COLUMNS.replace("SELECT", "SELECT DISTINCT", 1) + STEPS_FIRST + LOOKUPS, None),
    ],
)  # fmt: skip
def test_whose_rows_a_select_has(folder: Path, sql: str, subjects: list[str] | None) -> None:
    declarations = declared(folder, sql)
    found = with_sides(declarations.select("machine_learning_curated"), declarations)
    assert (None if found is None else [side.subject for side in found[1]]) == subjects


def test_where_it_can_not_be_told_everybody_who_consents_counts(
    small_lakehouse: Lakehouse, folder: Path, tmp_path: Path
) -> None:
    path = folder / "contracts" / "accelerometer_trusted.yaml"
    text = path.read_text()
    own = "        customProperties:\n          - property: subject\n            value: customer\n"
    assert own in text
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    lakehouse.release(tmp_path / "told")
    path.write_text(text.replace(own, ""))
    lakehouse.release(tmp_path / "not-told")
    assert [given.people for given in lakehouse.releases().given] == [
        7,
        small.SEED["customer_trusted"],
    ]

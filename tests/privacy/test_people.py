"""People are counted by numbers: each is one identity, and each identity one number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.check import prove
from stedi.declared import Declarations, packaged, read_declarations
from stedi.engines import Engine
from stedi.errors import RuleBroken
from stedi.privacy.people import control_problems, people_problems
from stedi.privacy.proof import Proof
from stedi.sql.tree import parse
from tests.conftest import already_run

TABLE = "machine_learning_curated"
CONTRACT = f"contracts/{TABLE}.yaml"
NUMBERED = "ROW_NUMBER() OVER (ORDER BY c.serialnumber) AS person"
GROUPED = "            GROUP BY c.serialnumber\n"
SEVERAL_IDENTITIES = "numbers of people that stand for several identities, or for none"
SEVERAL_NUMBERS = "identities that have several numbers, or none"
NOT_NUMBERS = "numbers of people that are none of its identities'"


IN_BOTH = "people of the control group who are also `identities` of the table"
STRANGERS = "WHERE n.recency = 1 AND c.email IS NULL AND s.serialnumber IS NULL"


def with_identities(query: str | None, controls: str | None = None) -> Declarations:
    declarations = read_declarations(packaged())
    contract = declarations.contracts[TABLE]
    assert contract.publication is not None
    publication = replace(contract.publication, identities=query)
    if controls is not None:
        publication = replace(publication, controls=controls)
    changed = replace(contract, publication=publication)
    return replace(declarations, contracts={**declarations.contracts, TABLE: changed})


ONE_TO_ONE = "(1, 'ann'), (2, 'ben'), (3, 'cat')"


@pytest.mark.parametrize(
    ("identities", "rows", "problems"),
    [
        (ONE_TO_ONE, "(1, 1), (1, 2)", []),
        (f"{ONE_TO_ONE}, (3, 'cat')", "(3, 3)", []),  # the same said twice
        (f"{ONE_TO_ONE}, (3, 'Cat')", "(3, 3)",
         [f"{SEVERAL_IDENTITIES}: 1"]),
        (f"{ONE_TO_ONE}, (4, 'ann'), (5, 'ann'), (6, 'ben')", "(3, 3)",
         [f"{SEVERAL_NUMBERS}: 2"]),
        ("(1, 'ann'), (2, NULL)", "(1, 1)",
         [f"{SEVERAL_IDENTITIES}: 1"]),
        ("(1, 'ann'), (NULL, 'ben')", "(1, 1)", [f"{SEVERAL_NUMBERS}: 1"]),
        ("(1, 'ann'), (1, 'ben'), (2, 'ann')", "(1, 2), (7, 8), (8, 7)",
         [f"{SEVERAL_IDENTITIES}: 1",
          f"{SEVERAL_NUMBERS}: 1", f"{NOT_NUMBERS}: 2"]),
        (ONE_TO_ONE, "(1, 1), (NULL, 1)", []),  # refused where rows are read
        (ONE_TO_ONE, "(1, 1), (1, 4)", [f"{NOT_NUMBERS}: 1"]),
    ],
)  # fmt: skip
def test_numbers_are_identities_one_to_one(
    working: Engine, identities: str, rows: str, problems: list[str]
) -> None:
    people = "CAST(step_person AS BIGINT) AS step_person"
    people += ", CAST(accelerometer_person AS BIGINT) AS accelerometer_person"
    working.gather(
        TABLE,
        parse(f"SELECT {people} FROM (VALUES {rows}) AS v (step_person, accelerometer_person)", ""),
    )
    declarations = with_identities(
        f"SELECT person, identity FROM (VALUES {identities}) AS v (person, identity)"
    )
    assert [*people_problems(working, declarations, TABLE)] == problems
    assert [*people_problems(working, with_identities(None), TABLE)] == []


def test_a_run_that_would_miscount_people_commits_nothing(
    small_lakehouse: Lakehouse, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved = prove(read_declarations(folder))
    contract = folder / CONTRACT
    sound = contract.read_text()
    by_email = sound.replace(NUMBERED, NUMBERED.replace("serialnumber", "email"))
    contract.write_text(by_email.replace(GROUPED, ""))
    monkeypatch.setattr("stedi.run.execute.prove", lambda declarations: proved)  # which refuses
    lakehouse = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    with pytest.raises(RuleBroken) as caught:
        lakehouse.run()
    assert f"{SEVERAL_NUMBERS}: 1; people would be miscounted" in str(caught.value)
    assert "S6" not in str(caught.value) and "@" not in str(caught.value)
    tables = lakehouse.status().tables
    assert tables[TABLE].freshness == "missing"
    assert tables["customer_trusted"].freshness == "fresh"
    contract.write_text(sound)
    lakehouse.run()
    assert lakehouse.status().tables[TABLE].freshness == "fresh"


@already_run
def test_an_audit_reports_people_who_are_miscounted(
    small_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert small_lakehouse.audit().checks["people"] == []
    wrong = with_identities("SELECT 1 AS person, c.email AS identity FROM customer_trusted c")
    identities = wrong.identities(TABLE)
    monkeypatch.setattr(Declarations, "identities", lambda declarations, table: identities)
    audit = small_lakehouse.audit()
    assert not audit.ok
    several, unknown = audit.checks["people"]
    assert several == f"{SEVERAL_IDENTITIES}: 1"
    assert unknown.startswith(NOT_NUMBERS)
    assert f"people: {several}" in audit.problems


@pytest.mark.parametrize(
    ("numbered", "several"),
    [
        ("DENSE_RANK() OVER (ORDER BY v.one) AS step_person, "
         "DENSE_RANK() OVER (ORDER BY v.other) AS accelerometer_person", 2),
        ("DENSE_RANK() OVER w AS step_person, v.other AS accelerometer_person", 2),
        ("v.one AS step_person, v.one AS accelerometer_person", 1),
        ("DENSE_RANK() OVER (ORDER BY v.other DESC) AS step_person, "
         "CAST(NULL AS VARCHAR) AS accelerometer_person", 1),
        ("v.third AS step_person, v.third AS accelerometer_person", 0),
    ],
)  # fmt: skip
def test_people_of_the_control_group_are_not_in_the_table(
    working: Engine, numbered: str, several: int
) -> None:
    people = "(VALUES ('ann', 'ben', 'dan'), ('ann', 'zoe', 'eve')) AS v (one, other, third)"
    declarations = with_identities(
        f"SELECT person, identity FROM (VALUES {ONE_TO_ONE}) AS v (person, identity)",
        controls=f"SELECT {numbered} FROM {people} WINDOW w AS (ORDER BY v.one)",
    )
    found = [*control_problems(working, declarations, TABLE)]
    assert found == ([f"{IN_BOTH}: {several}"] if several else [])


@pytest.mark.parametrize(
    "who",
    [
        "n.recency = 1 AND s.serialnumber IS NOT NULL",
        "n.recency = 1",
        "n.recency = 1 AND c.email IS NOT NULL",
    ],
)
def test_an_audit_of_a_control_group_of_the_tables_own_people_fails(
    small_lakehouse: Lakehouse, folder: Path, who: str
) -> None:
    contract = folder / CONTRACT
    honest = contract.read_text()
    assert STRANGERS in honest
    lakehouse = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    lakehouse.run()
    assert lakehouse.audit().checks["people"] == []
    contract.write_text(honest.replace(STRANGERS, f"WHERE {who}"))
    lakehouse = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    lakehouse.run()
    audit = lakehouse.audit()
    assert not audit.ok
    [problem] = audit.checks["people"]
    assert problem.startswith(f"{IN_BOTH}: ")


def test_a_control_group_is_numbered_by_the_identities_kind(folder: Path) -> None:
    contract = folder / CONTRACT
    text = contract.read_text()
    by_email = text.replace(
        "DENSE_RANK() OVER (ORDER BY n.serialnumber)", "DENSE_RANK() OVER (ORDER BY n.email)"
    )
    assert by_email != text
    contract.write_text(by_email)
    declarations = read_declarations(folder)
    problems = [*Proof(declarations).misplaced_beside(declarations.contracts[TABLE])]
    assert any("the audit can't see that they aren't in the table" in text for text in problems)

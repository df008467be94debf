"""No value of a `direct` column reaches a published one, however a transform is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stedi.declared import packaged, read_declarations
from stedi.errors import DeclarationError
from stedi.privacy.proof import Proof
from tests.support.mutants import declared
from tests.support.rewrites import HARMLESS, LAST, LEAKING, in_place_of_x, last


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "declarations"
    shutil.copytree(str(packaged()), folder)
    return folder


def problems(folder: Path, table: str, sql: str) -> list[str]:
    """What the proof says of the real declarations with one file rewritten."""
    path = folder / "transforms" / f"{table}.sql"
    before = path.read_bytes()
    path.write_text(sql)
    try:
        declarations = read_declarations(folder)
        proof = Proof(declarations)
        published = [c for c in declarations.contracts.values() if c.is_published]
        leaks = [
            leak
            for contract in published
            for leak in (*proof.leaks(contract), *proof.misplaced(contract))
        ]
        return [*proof.problems, *leaks]
    except DeclarationError as error:
        return [str(error)]
    finally:
        path.write_bytes(before)


def test_the_corpus_is_large_enough() -> None:
    assert len(LEAKING) >= 40
    assert len(HARMLESS) >= 40


@pytest.mark.parametrize("profile", ["seed", "strict"])
def test_the_real_transforms_leak_nothing(profile: str) -> None:
    declarations = read_declarations(packaged(), profile)
    proof = Proof(declarations)
    for contract in declarations.contracts.values():
        if contract.is_published:
            assert list(proof.leaks(contract)) == []
            assert list(proof.misplaced(contract)) == []
            assert list(proof.misplaced_beside(contract)) == []
    assert proof.problems == []


@pytest.mark.parametrize("name", LEAKING)
def test_a_leak_is_caught(name: str, folder: Path) -> None:
    assert problems(folder, *LEAKING[name])


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_rewrite_passes(name: str, folder: Path) -> None:
    assert problems(folder, *HARMLESS[name]) == []


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("'too early'", []),
        ("c.birthday", ["customer_trusted.birthday"]),
        ("CONCAT('at ', CAST(a.\"timestamp\" AS VARCHAR))", ["accelerometer_landing.timestamp"]),
        ("CASE WHEN a.x > 0 THEN 'right' ELSE 'left' END", []),
        ('(SELECT MAX(q.why) FROM suspended q WHERE q.subject = a."user")', []),
    ],
)
def test_a_reason_for_dropping_rows_is_nobodys_value(reason: str, told: list[str]) -> None:
    sql = f"""
        WITH judged AS (
          SELECT a.*, CASE WHEN a."timestamp" < c.registrationdate THEN {reason} END AS dropped
          FROM accelerometer_landing a INNER JOIN customer_trusted c ON c.email = a."user"
        )
        SELECT "user", "timestamp", x, y, z FROM judged WHERE dropped IS NULL
    """
    declarations = declared(sql, "accelerometer_trusted")
    problems = Proof(declarations).told_reasons(declarations.contracts["accelerometer_trusted"])
    assert [problem.split("the values of ")[1].split(",")[0] for problem in problems] == told


def test_a_leak_is_told_step_by_step_through_every_file(folder: Path) -> None:
    found, misplaced = problems(folder, *LEAKING["in accelerometer_trusted"])
    assert misplaced.startswith(
        'transforms/accelerometer_trusted.sql, line 1: LENGTH(a."user"): user is a direct identifier'
    )
    assert found.splitlines() == [
        "machine_learning_curated.x: the value of accelerometer_landing.user, which is direct, "
        "reaches it:",
        "    x = a.x (transforms/machine_learning_curated.sql)",
        "    x = LENGTH(a.\"user\") (transforms/accelerometer_trusted.sql)",
    ]  # fmt: skip


# Generated leaks: a value that names somebody, wrapped, aliased, nested and united at random --------

NAMING = ['a."user"', "c.email", "c.phone", "s.serialnumber", "c.customername"]
WRAPS = [
    "LENGTH({})",
    "UPPER({})",
    "COALESCE({}, '')",
    "{} || 'x'",
    "REPLACE({}, 'a', 'b')",
    "CASE WHEN a.x > 0 THEN {} ELSE '' END",
    "IF(a.y > 0, '', {})",
    "MAX({}) OVER (PARTITION BY a.x)",
    "LAG({}) OVER (ORDER BY a.z)",
    "CAST({} AS VARCHAR)",
    "NULLIF({}, '')",
    "SUBSTR({}, 2)",
    "CONCAT({}, '-', 'y')",
    "TRY_CAST({} AS DOUBLE)",
    "MD5(TO_UTF8({}))",
]
TELLS = [
    "DENSE_RANK() OVER (ORDER BY {})",
    "CASE WHEN {} < 'm' THEN 1 ELSE 2 END",
    "CASE {} WHEN 'a' THEN a.x ELSE a.y END",
    "COUNT(*) OVER (ORDER BY {})",
    "IF({} LIKE 'a%', 1, 0)",
]


def leak(random: Random) -> str:
    """The last transform with a leak somewhere in it."""
    expression = random.choice(NAMING)
    for _ in range(random.randint(0, 4)):
        expression = random.choice(WRAPS).format(expression)
    if random.random() < 0.4:
        expression = random.choice(TELLS).format(expression)
        if random.random() < 0.5:
            expression = f"COALESCE({expression}, 0)"
    sql = in_place_of_x(expression)
    for level in range(random.randint(0, 4)):
        how, name = random.randint(0, 4), f"t{level}"
        columns = (
            "distancefromobject, x, y, z, step_person, accelerometer_person, taken_before_consent"
        )
        if how == 0:
            sql = f"SELECT * FROM ({sql}) {name}"
        elif how == 1:
            sql = f"WITH {name} AS ({sql}) SELECT {columns} FROM {name}"
        elif how == 2:
            parts = [sql, last("")]
            random.shuffle(parts)
            sql = f"SELECT {columns} FROM ({' UNION ALL '.join(parts)}) {name}"
        elif how == 3:
            renamed = columns.replace("x,", "u AS x,", 1)
            inner = columns.replace("x,", "x AS u,", 1)
            sql = f"SELECT {renamed} FROM (SELECT {inner} FROM ({sql}) {name}) {name}"
        else:
            sql = f"SELECT DISTINCT {columns} FROM ({sql}) {name} WHERE {name}.y IS NOT NULL"
    return sql


@settings(max_examples=settings().max_examples // 5)
@given(seed=st.integers(0, 2**32))
def test_a_generated_leak_is_always_caught(folder: Path, seed: int) -> None:
    sql = leak(Random(seed))
    found = problems(folder, LAST, sql)
    assert any("which is direct" in problem for problem in found), sql

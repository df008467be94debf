"""What passes the rule tells neither how identifiers are spelled nor values of who isn't counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from stedi.errors import DeclarationError, StediError
from tests.support.mutants import (
    DECLARED,
    LAST,
    WITH,
    Mutant,
    World,
    declared,
    said_of_select,
    tells,
    worlds,
)


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[World]]:
    with worlds(tmp_path_factory.mktemp("worlds"), DECLARED) as made:
        yield made


def passes(sql: str) -> bool:
    try:
        return not said_of_select(sql)
    except DeclarationError:
        return False


def verdicts(seeds: range, spelled: list[World]) -> Counter[str]:
    """How many of the mutants pass, can be run, and tell; fails for one that passes and tells."""
    counted: Counter[str] = Counter()
    for seed in seeds:
        sql = Mutant(seed).sql()
        good = passes(sql)
        if not good and seed % 4:
            counted["refused"] += 1
            continue
        try:
            told = tells(declared(sql).select(LAST), spelled)
        except StediError:
            counted["can't be run"] += 1
            continue
        assert not (good and told), f"{seed}: {' and '.join(told)}: {sql}"
        counted["passes" if good else "tells" if told else "refused"] += 1
    return counted


def test_what_passes_can_not_tell(spelled: list[World]) -> None:
    counted = verdicts(range(60), spelled)
    assert counted["passes"] > 5, counted
    assert counted["tells"], counted


@pytest.mark.parametrize(
    ("x", "what"),
    [
        ("(SELECT MAX(d.registrationdate) FROM customer_landing d "
         "WHERE s.serialnumber = d.serialnumber)", "values of eve"),
        ("(SELECT MAX(d.registrationdate) FROM customer_landing d INNER JOIN customer_landing e ON "
         'e.emailfolded = d.emailfolded WHERE e.email = a."user")', "values of cat or tom or Bob"),
        ("LENGTH(c.phone)", "how identifiers are spelled"),
    ],
)  # fmt: skip
def test_what_is_told_is_seen(x: str, what: str, spelled: list[World]) -> None:
    sql = f"WITH {', '.join(WITH)} {Mutant(0).statement(x, '')}"
    assert not passes(sql)
    assert what in tells(declared(sql).select(LAST), spelled)


@pytest.mark.slow  # the same with more of them
def test_what_passes_can_not_reveal_many(spelled: list[World]) -> None:
    assert verdicts(range(60, 6_000), spelled)["passes"] > 700


FOUND_FOLDED = (
    "FROM customer_landing d INNER JOIN accelerometer_landing b ON b.userfolded = d.emailfolded"
)
TOLD_APART = [
    f'EXISTS (SELECT 1 {FOUND_FOLDED} WHERE d.email = a."user" AND b."user" <> d.email)',
    f'EXISTS (SELECT 1 {FOUND_FOLDED} WHERE d.email = a."user" AND b."user" IS DISTINCT FROM d.email)',
    f'EXISTS (SELECT 1 {FOUND_FOLDED} LEFT JOIN customer_trusted e ON e.email = b."user" '
    'WHERE d.email = a."user" AND e.email IS NULL)',
    f'a."user" IN (SELECT d.email {FOUND_FOLDED} WHERE b."user" <> d.email)',
]


@pytest.mark.parametrize("condition", TOLD_APART)
def test_two_spellings_are_a_fact_and_how_they_are_spelled_is_not(
    condition: str, spelled: list[World]
) -> None:
    mutant = Mutant(0)
    sql = mutant.statement(f"CASE WHEN {condition} THEN 1e0 ELSE 0e0 END", "")
    sql = f"WITH {', '.join(WITH)} {sql}"
    assert passes(sql)
    select = declared(sql).select(LAST)
    assert not tells(select, spelled)
    first = spelled[0].published(select)
    assert {value[2] for value in first if value[0] == "all"} == {0.0, 1.0}  # lea, and all others

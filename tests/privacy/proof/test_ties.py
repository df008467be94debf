"""Windows that go by order have one of all that their SELECT gives: else the engine chooses."""

from __future__ import annotations

import pytest

from tests.support.mutants import said_of_select
from tests.support.rewrites import LAST, in_place_of_x, last


def problems(sql: str, table: str = LAST) -> list[str]:
    """What the rule says of STEDI's declarations with one SELECT replaced."""
    return said_of_select(sql, table)


BY_ORDER = [
    *("ROW_NUMBER() OVER ({})", "FIRST_VALUE(a.x) OVER ({})", "LAST_VALUE(a.x) OVER ({})"),
    *("LAG(a.x) OVER ({})", "LEAD(a.x) OVER ({})"),
    "SUM(a.x) OVER ({} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
]
OWN = 'PARTITION BY a."user", s.serialnumber'
GIVEN = ["s.distancefromobject", "a.x", "a.y", "a.z"]


@pytest.mark.parametrize("window", BY_ORDER)
def test_an_order_is_of_all_that_is_given(window: str) -> None:
    def told(*terms: str) -> list[str]:
        order = f"ORDER BY {', '.join(terms)}" if terms else ""
        return problems(in_place_of_x(window.format(f"{OWN} {order}")))

    assert told()
    assert told('a."timestamp"')
    assert not told('a."timestamp"', *GIVEN)
    assert not told(*(f"{value} DESC NULLS LAST" for value in reversed(GIVEN)))
    given = [value for value in GIVEN if value != "a.x" or value in window]
    for one in given:
        [problem] = told('a."timestamp"', *(value for value in GIVEN if value != one))
        assert problem.endswith(f"order by {one}, too, which this SELECT gives")


def chosen(keys: str, order: str, source: str, partition: str = "k.email") -> list[str]:
    """What is said of a list of people that a rank decides about."""
    over = f"PARTITION BY {partition} ORDER BY {order}"
    ranked = f"SELECT k.email, {keys}, ROW_NUMBER() OVER ({over}) AS n FROM {source}"
    first = f"SELECT DISTINCT r.email FROM ({ranked}) r WHERE r.n = 1"
    return problems(last(f'LEFT JOIN ({first}) f ON f.email = a."user" WHERE f.email IS NULL'))


TRUSTED, LANDING = "customer_trusted k", "customer_landing k"
BY_DEVICE = f"{LANDING} GROUP BY k.email, k.serialnumber, k.lastupdatedate"


@pytest.mark.parametrize(
    ("keys", "order", "source"),
    [
        ("k.registrationdate", "k.lastupdatedate", TRUSTED),  # no e-mail is in it twice
        ("k.lastupdatedate", "k.lastupdatedate", LANDING),
        ("ROUND(k.lastupdatedate, 1) AS v", "ROUND(k.lastupdatedate, 1)", LANDING),
        ("k.emailfolded", "k.lastupdatedate", LANDING),  # which follows from the e-mail
        ("k.phone", "k.lastupdatedate, k.phone", LANDING),
        ("MIN(k.arrived) AS v", "k.lastupdatedate",
         f"{LANDING} GROUP BY k.email, k.lastupdatedate"),
        ("MIN(k.arrived) AS v", "k.lastupdatedate, MIN(k.arrived)", BY_DEVICE),
        ("c.registrationdate", "k.lastupdatedate",
         f"{LANDING} LEFT JOIN customer_trusted c ON c.email = k.email"),
        ("c.registrationdate", "k.lastupdatedate",
         f"{LANDING} LEFT JOIN customer_trusted c ON c.email = k.email AND c.registrationdate < 60"),
    ],
)  # fmt: skip
def test_what_follows_from_keys_and_order_is_not_asked_for(
    keys: str, order: str, source: str
) -> None:
    assert chosen(keys, order, source) == []


@pytest.mark.parametrize(
    ("keys", "order", "source"),
    [
        ("k.registrationdate", "k.lastupdatedate", LANDING),
        ("k.lastupdatedate", "k.lastupdatedate + 1", LANDING),
        ("k.phone", "k.lastupdatedate", LANDING),
        ("CASE WHEN k.phone IS NULL THEN 1 ELSE 0 END AS v", "k.lastupdatedate", LANDING),
        ("CASE WHEN k.serialnumber <> '' THEN 1 ELSE 0 END AS v", "k.lastupdatedate", LANDING),
        ("(SELECT COUNT(*) FROM accelerometer_trusted b WHERE b.\"user\" = k.email AND b.x < "
         "k.registrationdate) AS v", "k.lastupdatedate", LANDING),
        ("MIN(k.arrived) AS v", "k.lastupdatedate", BY_DEVICE),
        ("MIN(k.arrived) AS v, COUNT(*) AS w", "k.lastupdatedate, MIN(k.arrived)", BY_DEVICE),
        ("MIN(k.arrived) AS v, COUNT(*) FILTER (WHERE k.serialnumber <> '') AS w",
         "k.lastupdatedate, MIN(k.arrived)", BY_DEVICE),
        ("c.registrationdate", "k.lastupdatedate",
         f"{LANDING} LEFT JOIN customer_trusted c ON c.email = k.email AND k.registrationdate < 60"),
        ("CASE WHEN c.email IS NULL THEN 1 ELSE 0 END AS v", "k.lastupdatedate",
         f"{LANDING} LEFT JOIN customer_trusted c ON c.email = k.email AND k.registrationdate < 60"),
        ("k.registrationdate", "c.registrationdate",
         f"{LANDING} LEFT JOIN customer_trusted c ON c.email = k.email "
         "AND c.registrationdate = k.registrationdate"),
        ("MIN(k.registrationdate) AS v", "1e0",
         f"{LANDING} LEFT JOIN customer_trusted c ON c.email = k.email AND k.arrived > 5 "
         "GROUP BY k.email, c.registrationdate"),
    ],
)  # fmt: skip
def test_what_rows_may_differ_in_is_asked_for(keys: str, order: str, source: str) -> None:
    [problem, *_] = chosen(keys, order, source)
    assert "of rows that are equal in its ORDER BY the engine chooses" in problem


@pytest.mark.parametrize(
    "window",
    [
        "FIRST_VALUE(k.registrationdate) OVER (PARTITION BY k.serialnumber ORDER BY k.registrationdate)",
        "ROW_NUMBER() OVER (PARTITION BY k.serialnumber ORDER BY k.registrationdate)",
    ],
)
def test_whose_row_comes_first_of_several_people_is_not_the_engines_choice(window: str) -> None:
    rows = f"SELECT k.serialnumber, k.email, k.registrationdate, {window} AS n FROM {TRUSTED}"
    joined = f"LEFT JOIN ({rows}) f ON f.serialnumber = s.serialnumber WHERE f.n > 1"
    assert any("PARTITION BY it, or leave it out" in problem for problem in problems(last(joined)))


def test_a_frame_of_all_rows_has_no_order() -> None:
    frame = "ROWS BETWEEN {} AND UNBOUNDED FOLLOWING"
    whole, rest = (frame.format(begin) for begin in ("UNBOUNDED PRECEDING", "CURRENT ROW"))
    assert not problems(in_place_of_x(f"AVG(a.x) OVER ({OWN} {whole})"))
    assert problems(in_place_of_x(f"AVG(a.x) OVER ({OWN} {rest})"))


def test_a_double_is_not_what_a_whole_number_equals() -> None:
    """Several whole numbers from 2 to the power of 53 on equal one double."""
    source = (
        f'{LANDING} INNER JOIN accelerometer_trusted b ON b."user" = k.email AND b.{{}} = k.{{}}'
    )
    for column, chosen_by in (("x", "b.x"), ('"timestamp"', 'b."timestamp"')):
        told = chosen("k.arrived", chosen_by, source.format(column, "arrived"))
        assert bool(told) == (column == "x")


def by_two(first: str, second: str, source: str = LANDING) -> list[str]:
    """What is said of a list of people that two windows decide about."""
    rows = f"SELECT k.email, k.registrationdate, k.lastupdatedate, {first} AS n, {second} AS m FROM {source}"
    chosen = f"SELECT DISTINCT r.email FROM ({rows}) r WHERE r.n = 1 AND r.m = 2"
    return problems(last(f'LEFT JOIN ({chosen}) f ON f.email = a."user" WHERE f.email IS NULL'))


RANK, BEFORE = "ROW_NUMBER() OVER ({})", "LAG(k.lastupdatedate) OVER ({})"
RUNNING = "COUNT(k.registrationdate) OVER ({} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
UP = "PARTITION BY k.email ORDER BY k.lastupdatedate, k.registrationdate"


@pytest.mark.parametrize("function", [RANK, BEFORE, RUNNING])
@pytest.mark.parametrize(
    "other",
    [
        "PARTITION BY k.email ORDER BY k.registrationdate, k.lastupdatedate",
        "PARTITION BY k.email ORDER BY k.lastupdatedate DESC, k.registrationdate DESC",
        "PARTITION BY k.email ORDER BY k.lastupdatedate, k.registrationdate NULLS FIRST",
        "PARTITION BY k.email, k.registrationdate ORDER BY k.lastupdatedate",
    ],
)
def test_equal_rows_have_one_order_in_a_select(function: str, other: str) -> None:
    assert by_two(function.format(UP), RANK.format(UP)) == []
    told = by_two(RANK.format(UP), function.format(other))
    assert any("may come in another order for another window" in problem for problem in told)


def test_rows_that_are_never_equal_may_be_ordered_twice() -> None:
    down = "PARTITION BY k.email ORDER BY k.lastupdatedate DESC, k.registrationdate DESC"
    assert by_two(RANK.format(UP), RANK.format(down), TRUSTED) == []
    groups = f"{LANDING} GROUP BY k.email, k.registrationdate, k.lastupdatedate"
    assert by_two(RANK.format(UP), RANK.format(down), groups) == []
    inside = f"(SELECT k.email, k.registrationdate, k.lastupdatedate, {RANK.format(UP)} AS o FROM {LANDING}) k"
    assert by_two("k.o", RANK.format(f"{down}, k.o"), inside) == []


TEXTS = "(SELECT DISTINCT l.email, l.birthday, l.arrived FROM customer_landing l) k"


@pytest.mark.parametrize(
    ("values", "column"),
    [("VALUES DATE '1980-01-01'", "birthday"), ("VALUES 5", "birthday"), ("VALUES 5e0", "birthday"),
     ("VALUES TRUE", "birthday"), ("VALUES TIMESTAMP '1980-01-01 00:00:00'", "birthday"),
     ("VALUES 5e0", "arrived"), ("VALUES DECIMAL '5.0'", "birthday")],
)  # fmt: skip
def test_what_is_equal_as_another_type_may_differ(values: str, column: str) -> None:
    source = f"{TEXTS} INNER JOIN ({values}) AS o (d) ON o.d = k.{column}"
    assert chosen(f"k.{column}", "o.d", source)


PARTNERS = (
    "LEFT JOIN (SELECT t.email, {} AS m FROM customer_trusted t) c ON c.email = k.email AND {}"
)


@pytest.mark.parametrize(
    ("given", "condition"),
    [("t.registrationdate", "c.m IS NOT DISTINCT FROM k.registrationdate"),
     ("CAST(t.registrationdate AS DOUBLE)", "c.m = k.registrationdate"),
     ("t.birthday", "c.m = k.registrationdate"), ("t.birthday", "k.arrived = c.m"),
     ("t.registrationdate", "k.registrationdate = c.m")],
)  # fmt: skip
def test_whether_there_is_a_partner_depends_on_all_that_it_is_found_by(
    given: str, condition: str
) -> None:
    value = "CASE WHEN c.email IS NULL THEN 1 ELSE 0 END AS v"
    source = f"{LANDING} {PARTNERS.format(given, condition)}"
    assert chosen(value, "k.lastupdatedate", source)
    by_email = source.removesuffix(f" AND {condition}")
    assert chosen(value, "k.lastupdatedate", by_email) == []


NUMBERS = [
    "l.registrationdate * 1.0", "l.registrationdate + 0.0", "l.registrationdate - 0.5",
    "COALESCE(l.registrationdate * 1.0, 0.0)", "ABS(l.registrationdate * 1.0)",
    "NULLIF(l.registrationdate, 0e0)", "CAST(l.registrationdate AS DOUBLE)",
    "CASE WHEN l.arrived > 5 THEN l.registrationdate ELSE 1.5 END",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_the_type_of_an_expression_is_the_engines(number: str) -> None:
    """A decimal, say, where another has a double: several decimals equal one double."""
    made = f"SELECT DISTINCT l.email, {number} AS b, 1e0 AS d FROM customer_landing l"
    assert chosen("k.b", "k.d", f"({made}) k WHERE k.b = k.d")
    assert chosen("k.b", "k.b", f"({made}) k WHERE k.b = k.d") == []

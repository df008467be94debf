"""Where a direct column may stand: the places on the list pass, every other is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from stedi.declared import packaged
from stedi.errors import DeclarationError
from stedi.privacy.proof import Proof
from stedi.privacy.proof.places import Places
from stedi.privacy.proof.positions import Positions
from stedi.sql.tree import parse, resolve
from tests.support.mutants import DECLARED, declared, said_of_select
from tests.support.rewrites import LAST, PAIRS, accelerations, in_place_of_x, last

DOCS = Path(__file__).parents[3] / "docs" / "privacy.md"
_SECTION = DOCS.read_text().split("### Where an identifier may stand")[1].split("\n## ")[0]
_ALLOWED, _REFUSED = _SECTION.split("Refused, for example")
_REFUSED, _INSTEAD = _REFUSED.split("| refused | instead |")


def examples(part: str) -> list[str]:
    """The SELECTs in the lines of a table."""
    rows = [line for line in part.splitlines() if line.startswith("| ")][2:]
    found = [re.findall(r"`(SELECT .*|WITH .*)` \|", row) for row in rows]
    assert all(len(one) == 1 for one in found), rows
    return [one[0].replace("\\|", "|") for one in found]


def refused(sql: str) -> list[str]:
    """What the rule says of a SELECT, as if it were that of a table that isn't published."""
    positions = Positions("docs", Places(DECLARED)._table)
    positions.relation(resolve(parse(sql, "docs"), DECLARED.schemas, "docs"))
    return positions.problems


@pytest.mark.parametrize("sql", examples(_ALLOWED))
def test_each_line_of_the_table_has_an_example_that_passes(sql: str) -> None:
    assert refused(sql) == []


@pytest.mark.parametrize("sql", examples(_REFUSED))
def test_each_example_of_what_is_refused_is_refused(sql: str) -> None:
    assert refused(sql)


@pytest.mark.parametrize(
    ("wanted", "instead"), re.findall(r"^\| `(.+)` \| `(.+)` \|$", _INSTEAD, re.MULTILINE)
)
def test_what_is_refused_though_it_tells_nothing_can_be_written_otherwise(
    wanted: str, instead: str
) -> None:
    assert problems(in_place_of_x(f"CASE WHEN {wanted} THEN 1e0 ELSE a.x END"))
    assert not problems(in_place_of_x(f"CASE WHEN {instead} THEN 1e0 ELSE a.x END"))


BY_BOTH = """
  WITH people AS (
    SELECT serialnumber, ROW_NUMBER() OVER (ORDER BY serialnumber) AS person
    FROM customer_trusted GROUP BY serialnumber
  ),
  users AS (
    SELECT k.email, q.person FROM customer_trusted k
    INNER JOIN people q ON q.serialnumber = k.serialnumber
  )
  SELECT CAST(s.distancefromobject AS DOUBLE) AS distancefromobject, a.x, a.y, a.z,
    p.person AS step_person, {number} AS accelerometer_person, 0 AS taken_before_consent
  FROM step_trainer_trusted s
  INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime
  INNER JOIN customer_trusted c ON c.email = a."user" AND c.serialnumber = s.serialnumber
  INNER JOIN people p ON p.serialnumber = s.serialnumber
"""


def test_one_person_of_both_identifiers_has_one_number() -> None:
    users = 'INNER JOIN users u ON u.email = a."user"'
    assert not problems(BY_BOTH.format(number="p.person"))
    assert not problems(f"{BY_BOTH.format(number='u.person')} {users} AND u.person = p.person")
    assert problems(f"{BY_BOTH.format(number='u.person')} {users}")


@pytest.mark.parametrize(
    "order", ["= {}", "<> {}", "IS NOT DISTINCT FROM {}", "IS DISTINCT FROM {}"]
)
def test_identifiers_are_compared_in_any_way_that_is_equal_or_not(order: str) -> None:
    def compared(left: str, right: str) -> list[str]:
        condition = f"{left} {order.format(right)}"
        return problems(in_place_of_x(f"CASE WHEN {condition} THEN 0e0 ELSE a.x END"))

    assert not compared('a."user"', "c.email")
    assert not compared("p.person", "u.person")
    assert not compared("c.email", "''")
    for other in ("'ann'", "c.phone", "s.serialnumber", "a.x", 'LOWER(a."user")'):
        assert compared('a."user"', other)


def test_sides_that_may_both_be_missing_are_not_one() -> None:
    """NULL is nobody, and is not distinct from another NULL."""
    joined = f'{PAIRS} {{how}} JOIN customer_trusted k ON k.registrationdate = a."timestamp"'
    for how, equal, is_one in (
        ("LEFT", "k.email = c.email", True),
        ("LEFT", "k.email IS NOT DISTINCT FROM c.email", False),
        ("INNER", "k.email IS NOT DISTINCT FROM c.email", True),
        ("LEFT", 'k.email IS NOT DISTINCT FROM a."user"', True),
    ):
        found = problems(in_place_of_x("k.registrationdate * 1e0", joined.format(how=how))
                         + f" WHERE {equal}")  # fmt: skip
        assert (found == []) == is_one, (how, equal, found)


RANKED = (
    "SELECT l.email, ROW_NUMBER() OVER (PARTITION BY l.email ORDER BY l.lastupdatedate, "
    "l.serialnumber) AS n FROM customer_landing l"
)


@pytest.mark.parametrize(
    ("condition", "passes"),
    [("r.n = 1", True), ("1 = r.n", True), ("1 <> r.n", True), ("1 < r.n", True), ("1 >= r.n", True),
     ("1 > r.n", False), ("1 <= r.n", False), ("2 = r.n", False), ("2 > r.n", False),
     ("r.n >= 1", False), ("r.n IS NOT DISTINCT FROM 2", False), ("r.n = r.n", False)],
)  # fmt: skip
def test_a_rank_by_an_identifier_is_compared_with_1_on_either_side(
    condition: str, passes: bool
) -> None:
    sql = f"{accelerations('a.x')} INNER JOIN ({RANKED}) r ON r.email = c.email WHERE {condition}"
    assert (problems(sql, "accelerometer_trusted") == []) == passes


NOBODYS = {
    "a scale": ("v.w", "INNER JOIN (VALUES (0, 1e0), (1, 2e0)) AS v (k, w) ON v.k = ROUND(a.x)"),
    "two rows each": ("v.k * 1e0", "CROSS JOIN (VALUES 1, 2) AS v (k)"),
    "by a SELECT": ("v.k * 1e0", "LEFT JOIN (SELECT k FROM (VALUES 1, 2) AS t (k)) v ON v.k < a.x"),
}
KNOWN = {
    "known names": "LEFT JOIN (VALUES 'ann', 'bob') AS v (k) ON v.k = c.email",
    "not distinct": "LEFT JOIN (VALUES 'ann', 'bob') AS v (k) ON v.k IS NOT DISTINCT FROM c.email",
    "names in a row": 'CROSS JOIN LATERAL (SELECT k FROM (VALUES (LENGTH(a."user"))) AS t (k)) v',
    "alike": "LEFT JOIN (VALUES 'a%') AS v (k) ON c.email LIKE v.k",
    "united": "LEFT JOIN (SELECT email AS k FROM customer_trusted UNION ALL SELECT k FROM (VALUES "
    "'ann') AS t (k)) v ON v.k = c.email",
}  # fmt: skip


@pytest.mark.parametrize("name", NOBODYS)
def test_written_out_values_are_nobodys(name: str) -> None:
    value, join = NOBODYS[name]
    assert not problems(in_place_of_x(value, f"{PAIRS} {join}"))


@pytest.mark.parametrize("name", KNOWN)
def test_written_out_names_are_not_compared_with_identifiers(name: str) -> None:
    assert problems(
        in_place_of_x("CASE WHEN v.k IS NULL THEN 1e0 ELSE 2e0 END", f"{PAIRS} {KNOWN[name]}")
    )


def test_a_list_of_written_out_values_is_asked_for_values_alone() -> None:
    listed = "IN (SELECT k FROM (VALUES 1, 2) AS v (k))"
    assert not problems(last(f"WHERE s.distancefromobject {listed}"))
    assert problems(last(f"WHERE s.serialnumber {listed}"))
    assert problems(last("WHERE a.x IN (SELECT b.x FROM accelerometer_trusted b)"))


def problems(sql: str, table: str = LAST) -> list[str]:
    """What the rule says of STEDI's declarations with one SELECT replaced."""
    return said_of_select(sql, table)


# A lookup table whose presence speaks.
LOOK_UPS = {
    "filtered by an identifier": "SELECT email FROM customer_trusted WHERE email < 'm'",
    "limited": "SELECT email FROM customer_trusted LIMIT 9",
    "ordered and limited": "SELECT email FROM customer_trusted ORDER BY email LIMIT 9",
    "by its length": "SELECT email FROM customer_trusted WHERE LENGTH(email) > 9",
    "by a pattern": "SELECT email FROM customer_trusted WHERE email LIKE 'a%'",
    "by a list": "SELECT email FROM customer_trusted WHERE email IN ('a', 'b')",
    "by a rank": "SELECT email FROM (SELECT email, DENSE_RANK() OVER (ORDER BY email) AS n "
    "FROM customer_trusted) r WHERE n < 9",
    "by a rank in a WITH": "SELECT email FROM (WITH r AS (SELECT email, ROW_NUMBER() OVER ("
    "ORDER BY email) AS n FROM customer_trusted GROUP BY email) SELECT * FROM r) q WHERE n = 1",
    "by a part": "SELECT email FROM customer_trusted WHERE SUBSTR(email, 1, 1) = 'a'",
    "by another's": "SELECT email FROM customer_trusted WHERE email < phone",
    "by a greatest": "SELECT email FROM customer_trusted WHERE email = "
    "(SELECT MAX(email) FROM customer_trusted)",
    "by a group": "SELECT email FROM customer_trusted GROUP BY email HAVING MIN(email) < 'm'",
    "known serial numbers": "SELECT v.email FROM (VALUES 'ann', 'bob') AS v (email)",
    "constants": "SELECT 'ann@example.com' AS email",
    "united constants": "SELECT 'ann' AS email UNION ALL SELECT 'bob' AS email",
    "sampled": "SELECT email FROM customer_trusted TABLESAMPLE BERNOULLI (10)",
    "some less others": "SELECT email FROM customer_trusted EXCEPT SELECT email FROM "
    "customer_curated",
    "made one": "SELECT LOWER(email) AS email FROM customer_trusted",
    "unnested": "SELECT o.email FROM UNNEST(ARRAY['ann', 'bob']) AS o (email)",
    "of other kinds": "SELECT serialnumber AS email FROM customer_trusted",
}
TOLD = 'f ON f.email = a."user"'


@pytest.mark.parametrize("name", LOOK_UPS)
def test_a_look_up_that_is_not_of_all_is_refused(name: str) -> None:
    joined = f"{PAIRS} LEFT JOIN ({LOOK_UPS[name]}) {TOLD}"
    assert problems(in_place_of_x("CASE WHEN f.email IS NULL THEN 0e0 ELSE 1e0 END", joined))
    among = f'a."user" IN ({LOOK_UPS[name]})'
    assert problems(in_place_of_x(f"CASE WHEN {among} THEN 0e0 ELSE 1e0 END"))
    assert problems(last(f"WHERE {among}"))


def test_a_look_up_of_all_passes() -> None:
    joined = f"{PAIRS} LEFT JOIN (SELECT email FROM customer_trusted) {TOLD}"
    assert not problems(in_place_of_x("IF(f.email IS NULL, 0e0, 1e0)", joined))


# Values of people who are chosen, of many, or of nobody in the row.
OTHERS_VALUES = {
    "a chosen person's date": "(SELECT MAX(d.registrationdate) FROM customer_trusted d "
    "WHERE d.email = 'ann@example.com')",
    "a chosen person's reading": "(SELECT MAX(b.x) FROM accelerometer_trusted b "
    "WHERE b.\"user\" = 'ann@example.com')",
    "everybody's greatest": "(SELECT MAX(b.x) FROM accelerometer_trusted b)",
    "by a quasi": "(SELECT MAX(b.x) FROM accelerometer_trusted b WHERE b.x < a.x)",
    "of everybody else": '(SELECT MAX(b.x) FROM accelerometer_trusted b WHERE b."user" <> a."user")',
    "or of oneself": '(SELECT MAX(b.x) FROM accelerometer_trusted b WHERE b."user" = a."user" '
    "OR b.x > 0)",
    "how many there are": "(SELECT COUNT(*) FROM customer_trusted)",
    "how many come before": '(SELECT COUNT(*) FROM customer_trusted d WHERE d.email < a."user")',
    "the first by e-mail": "FIRST_VALUE(a.x) OVER (ORDER BY c.email)",
    "the one before by e-mail": "LAG(a.x) OVER (ORDER BY c.email)",
    "that of the greatest e-mail": "MAX_BY(a.x, c.email) OVER ()",
    "how many begin alike": "COUNT(*) OVER (PARTITION BY SUBSTR(c.email, 1, 1))",
    "how many there are by a window": "COUNT(*) OVER ()",
    "of the same instant": 'AVG(a.x) OVER (PARTITION BY a."timestamp")',
    "of pairs with others": 'AVG(s.distancefromobject) OVER (PARTITION BY a."user")',
    "the first of one's own by e-mail": 'FIRST_VALUE(a.x) OVER (PARTITION BY a."user", '
    "s.serialnumber ORDER BY c.phone)",
    "a rank among all": "RANK() OVER (ORDER BY a.x)",
    "its number": "p.person",
    "of its number": "p.person + 0e0",
    "its rank by serial numbers": 'ROW_NUMBER() OVER (PARTITION BY a."user", s.serialnumber '
    'ORDER BY a."timestamp", c.phone)',
    "the distance to the mean": "a.x - AVG(a.x) OVER (PARTITION BY c.birthday)",
    "filtered by e-mail": "COUNT(*) FILTER (WHERE c.email < 'm') OVER (PARTITION BY a.\"user\", "
    "s.serialnumber)",
}


@pytest.mark.parametrize("name", OTHERS_VALUES)
def test_a_value_of_others_is_refused(name: str) -> None:
    assert problems(in_place_of_x(OTHERS_VALUES[name]))
    assert problems(last(f"WHERE {OTHERS_VALUES[name]} > 0"))


@pytest.mark.parametrize(
    "joined",
    [
        "INNER JOIN customer_trusted z ON z.registrationdate = s.sensorreadingtime",
        "CROSS JOIN customer_trusted z",
        "LEFT JOIN customer_trusted z ON z.email = a.\"user\" OR z.birthday < '1970'",
        'LEFT JOIN customer_trusted z ON z.email <> a."user"',
        "CROSS JOIN (SELECT MAX(registrationdate) AS registrationdate FROM customer_trusted) z",
        "CROSS JOIN loads z",
        'FULL JOIN customer_trusted z ON z.birthday = c.birthday',
    ],
)  # fmt: skip
def test_a_table_of_people_who_are_not_counted_is_refused(joined: str) -> None:
    assert problems(last("", f"{PAIRS} {joined}"))


LINES = "CROSS JOIN UNNEST(SPLIT(q.subject, CHR(10))) AS t (k)"


@pytest.mark.parametrize("length", ["byte_length", "byte_offset", "byte_offset + q.byte_length"])
def test_where_and_how_long_a_quarantined_record_is_is_no_value(length: str) -> None:
    """It has the identifier in it."""
    of_own = f"FROM quarantine q {LINES} WHERE t.k = a.userfolded"
    refused = {}
    for value in (length, "load"):
        found = accelerations(f"(SELECT MAX(CAST(q.{value} AS DOUBLE)) {of_own})")
        said = problems(found, "accelerometer_trusted")
        refused[value] = any("is a direct identifier and may not stand here" in p for p in said)
    assert refused == {length: True, "load": False}


@pytest.mark.parametrize("column", ["evidence", "why", "question"])
def test_evidence_may_say_where_a_record_is_and_is_not_read(column: str) -> None:
    assert DECLARED.suspending is not None
    query = DECLARED.suspending.suspensions or ""
    place = "CONCAT('customer/', p.file, '@', CAST(p.byte_offset AS VARCHAR)) AS evidence"
    assert place in query
    text = place.replace("evidence", column)
    was = {"why": "'consent suspended: a record of the customer was set aside' AS why",
           "question": next(re.finditer(r"'[^']+' AS question", query))[0]}.get(column, place)  # fmt: skip
    contract = replace(DECLARED.suspending, suspensions=query.replace(was, text))
    told = replace(DECLARED, contracts={**DECLARED.contracts, contract.name: contract})
    assert bool([*Places(told).problems(told.contracts[LAST])]) == (column != "evidence")


def test_evidence_is_not_read() -> None:
    joined = f'{PAIRS} LEFT JOIN suspended z ON z.subject = a."user"'
    assert not problems(in_place_of_x("LENGTH(z.why)", joined))
    assert problems(in_place_of_x("LENGTH(z.evidence)", joined))


def test_two_sides_are_not_one_where_a_look_up_may_be_missing() -> None:
    source = """
      FROM step_trainer_trusted s
      INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime
      {how} JOIN customer_trusted c ON c.email = a."user" AND c.serialnumber = s.serialnumber
      LEFT JOIN (SELECT serialnumber, DENSE_RANK() OVER (ORDER BY serialnumber) AS person
        FROM customer_trusted GROUP BY serialnumber) p ON p.serialnumber = s.serialnumber
    """
    working = "p.person AS step_person, p.person AS accelerometer_person, 0 AS taken_before_consent"
    select = f"SELECT CAST(s.distancefromobject AS DOUBLE) AS distancefromobject, a.x, a.y, a.z, {working}"
    assert not problems(f"{select} {source.format(how='INNER')}")
    assert any("don't count" in one or "whose" in one
               for one in problems(f"{select} {source.format(how='LEFT')}"))  # fmt: skip


def test_a_union_tells_no_part() -> None:
    assert not problems(f"{last('')} UNION ALL {last('')}")
    assert problems(f"{in_place_of_x('1e0')} UNION ALL {in_place_of_x('2e0')}")
    assert problems(f"{in_place_of_x('a.x')} UNION ALL {in_place_of_x('a.x + 1e0')}")
    who = "WHERE c.email IN (SELECT email FROM customer_trusted WHERE email {} 'M')"
    parts = (in_place_of_x(n, f"{PAIRS} {who.format(o)}") for n, o in (("1e0", "<"), ("2e0", ">=")))
    assert problems(" UNION ALL ".join(parts))
    assert problems(f"{last('')} UNION ALL {last('')} LIMIT 3")


# People ------------------------------------------------------------------------------------------

NOBODY = {
    "a number of rows": 'ROW_NUMBER() OVER (ORDER BY a."timestamp")',
    "a number of rows by who": "ROW_NUMBER() OVER (ORDER BY s.serialnumber)",
    "a constant": "1",
    "a length": "LENGTH(s.serialnumber)",
    "a number made another": "p.person + 1",
    "a number per instant": "DENSE_RANK() OVER (PARTITION BY a.x ORDER BY s.serialnumber)",
    "by who and when": 'DENSE_RANK() OVER (ORDER BY s.serialnumber, a."timestamp")',
    "a rank with gaps": "RANK() OVER (ORDER BY s.serialnumber)",
    "of those in the rows": "DENSE_RANK() OVER (ORDER BY s.serialnumber)",
    "the other way round": "(SELECT 1)",
    "a number or a moment": 'COALESCE(p.person, a."timestamp")',
    "an instant": 'a."timestamp"',
}


@pytest.mark.parametrize("name", NOBODY)
def test_people_are_numbers_of_the_declared_identities(name: str) -> None:
    for was in ("p.person AS step_person", "u.person AS accelerometer_person"):
        assert problems(last("").replace(was, f"{NOBODY[name]} AS {was.split()[-1]}"))


@pytest.mark.parametrize(
    ("of", "to"),
    [
        ("ROW_NUMBER() OVER (ORDER BY serialnumber)", "ROW_NUMBER() OVER (ORDER BY serialnumber DESC)"),
        ("ROW_NUMBER() OVER (ORDER BY serialnumber)", "ROW_NUMBER() OVER (ORDER BY serialnumber NULLS FIRST)"),
        ("FROM customer_trusted GROUP BY serialnumber", "FROM customer_curated GROUP BY serialnumber"),
        ("FROM customer_trusted GROUP BY serialnumber", "FROM customer_trusted WHERE birthday > '1970' GROUP BY serialnumber"),
        ("FROM customer_trusted GROUP BY serialnumber", "FROM customer_trusted GROUP BY serialnumber HAVING COUNT(*) > 1"),
        ("FROM customer_trusted GROUP BY serialnumber", "FROM customer_trusted GROUP BY serialnumber, birthday"),
        ("DENSE_RANK() OVER (ORDER BY serialnumber)", "DENSE_RANK() OVER (ORDER BY email)"),
        ("DENSE_RANK() OVER (ORDER BY serialnumber)", "DENSE_RANK() OVER (ORDER BY phone)"),
        ('u.email = a."user"', 'u.email = c.phone'),
        ('u.email = a."user"', 'u.person = p.person'),
        ("u.person AS accelerometer_person", "p.person AS accelerometer_person"),
        ("p.person AS step_person", "u.person AS step_person"),
    ],
)  # fmt: skip
def test_people_are_numbered_like_the_identities(of: str, to: str) -> None:
    sql = last("")
    assert not problems(sql)
    assert of in sql
    assert problems(sql.replace(of, to))


@pytest.mark.parametrize(
    ("users", "passes"),
    [
        ("SELECT k.email, q.person FROM customer_trusted k INNER JOIN people q "
         "ON q.serialnumber = k.serialnumber", True),
        ("SELECT k.email, q.person FROM customer_landing k INNER JOIN people q "
         "ON q.serialnumber = k.serialnumber", False),
        ("SELECT DISTINCT k.email, q.person FROM customer_landing k INNER JOIN people q "
         "ON q.serialnumber = k.serialnumber", False),
        ("SELECT k.email, q.person FROM customer_trusted k INNER JOIN customer_landing l "
         "ON l.email = k.email INNER JOIN people q ON q.serialnumber = l.serialnumber", False),
        ("SELECT k.email, q.person FROM people q INNER JOIN customer_landing k "
         "ON k.serialnumber = q.serialnumber", False),
    ],
)  # fmt: skip
def test_nobody_has_several_numbers(users: str, passes: bool) -> None:
    people = (
        "WITH people AS (SELECT serialnumber, DENSE_RANK() OVER (ORDER BY serialnumber) AS person "
        "FROM customer_trusted GROUP BY serialnumber)"
    )
    inlined = (
        "SELECT email, DENSE_RANK() OVER (ORDER BY serialnumber) AS person FROM customer_trusted"
    )
    sql = last("")
    assert inlined in sql
    assert (problems(f"{people} {sql.replace(inlined, users)}") == []) == passes


@pytest.mark.parametrize("column", ["phone", "customername"])
@pytest.mark.parametrize(
    "test",
    ["= ''", "<> ''", "IS NULL", "IS NOT NULL", "IS DISTINCT FROM ''", "IS NOT DISTINCT FROM ''"],
)
def test_whether_a_former_owners_name_or_phone_is_there_tells_nothing(
    column: str, test: str
) -> None:
    """It is of no row that is published."""
    others = f"SELECT serialnumber FROM customer_landing WHERE {column} {test}"
    assert problems(last(f"WHERE s.serialnumber NOT IN ({others})"))
    assert problems(last(f"WHERE s.serialnumber IN ({others})"))
    through = f"WITH o AS ({others}) SELECT serialnumber FROM o"
    assert problems(last(f"WHERE s.serialnumber NOT IN ({through})"))
    assert not problems(last(f"WHERE c.{column} {test}"))  # of a row's own person
    swapped = f"SELECT serialnumber FROM customer_landing WHERE '' = {column}"
    assert problems(last(f"WHERE s.serialnumber NOT IN ({swapped})"))


CUT = {
    "limited": "({} LIMIT 1)",
    "limited outside": "(({}) LIMIT 1)",
    "limited around twice": "((({})) LIMIT 1)",
    "the first": "(({}) FETCH FIRST 1 ROW ONLY)",
    "the last": "(({}) ORDER BY 1 DESC LIMIT 1)",
    "of two": "({0} UNION ALL {0} LIMIT 1)",
}


@pytest.mark.parametrize("how", CUT)
def test_one_of_several_values_is_not_the_engines_to_choose(how: str) -> None:
    inner = 'SELECT b.x FROM accelerometer_landing b WHERE b."user" = a."user"'
    for sql in (in_place_of_x(cut := CUT[how].format(inner)), last(f"WHERE EXISTS {cut}")):
        try:
            assert problems(sql)
        except DeclarationError as error:
            assert "write it inside the parentheses" in str(error)
    assert not problems(in_place_of_x(f"(({inner.replace('b.x', 'MAX(b.x)')}))"))
    assert not problems(last(f"WHERE EXISTS (({inner}))"))


@pytest.mark.parametrize("how", ["UNION ALL BY NAME", "UNION BY NAME"])
def test_the_parts_of_a_union_go_by_the_places_of_columns(how: str) -> None:
    one, other = ("SELECT d.email AS e, d.{} AS f, d.{} AS g FROM customer_trusted d".format(*names)
                  for names in (("email", "birthday"), ("birthday", "email")))  # fmt: skip
    if "ALL" in how:
        one, other = other, one
    united = f"SELECT COUNT(*) FROM ({one} {how} {other}) t WHERE t.e = a.\"user\" AND t.f < 'm'"
    assert problems(last(f"WHERE ({united}) > 1"))


@pytest.mark.parametrize(
    "value", ["UNNEST(ARRAY[1, 2])", "UNNEST(SEQUENCE(1, 2))", "1 + UNNEST(ARRAY[1, 2])"]
)
@pytest.mark.parametrize("rest", ["", " GROUP BY k.email"])
def test_rows_are_made_of_one_in_from_alone(value: str, rest: str) -> None:
    made = f"SELECT k.email, {value} AS n FROM customer_trusted k{rest}"
    join = f'LEFT JOIN ({made}) f ON f.email = a."user"'
    assert problems(in_place_of_x("f.n * 1e0", f"{PAIRS} {join}"))
    assert problems(in_place_of_x(f"{value} * 1e0"))


@pytest.mark.parametrize(
    "given",
    ["UNNEST(CASE WHEN d.email < 'm' THEN ARRAY[1] END)", "UNNEST(ARRAY[1])", "LENGTH(d.email)",
     "(SELECT MAX(b.x) FROM accelerometer_trusted b)", "MAX(d.email)"],
)  # fmt: skip
def test_what_exists_gives_is_looked_at(given: str) -> None:
    """Whether there is a row can depend on it."""
    asked = 'EXISTS (SELECT {} FROM customer_trusted d WHERE d.email = a."user")'
    assert problems(last(f"WHERE {asked.format(given)}"))
    for harmless in ("1", "d.email", "*", "d.registrationdate + 1"):
        assert not problems(last(f"WHERE {asked.format(harmless)}"))


ONE_KIND = [("l.email", "m.email"), ("l.emailfolded", "m.emailfolded"), ("l.phone", "m.phone"),
            ("l.serialnumber", "m.serialnumber"), ("l.customername", "m.customername")]  # fmt: skip
TWO_KINDS = [("l.email", "m.emailfolded"), ("l.emailfolded", "m.email"), ("l.phone", "m.email"),
             ("l.email", "m.serialnumber"), ("l.phone", "m.customername"),
             ("l.email", "DENSE_RANK() OVER (ORDER BY m.email)"),
             ("DENSE_RANK() OVER (ORDER BY l.email)", "DENSE_RANK() OVER (ORDER BY m.phone)")]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [*ONE_KIND, *TWO_KINDS])
@pytest.mark.parametrize("how", ["UNION", "UNION ALL"])
@pytest.mark.parametrize("of", ["customer_landing m", "(SELECT * FROM customer_landing) m"])
def test_a_column_of_a_union_has_identifiers_of_one_kind(
    one: str, other: str, how: str, of: str
) -> None:
    """UNION, or DISTINCT of it, compares them."""
    parts = (f"SELECT {name}.email AS e, {what} AS k FROM {source}"
             for name, what, source in (("l", one, "customer_landing l"), ("m", other, of)))  # fmt: skip
    distinct = f"SELECT DISTINCT v.e, v.k FROM ({f' {how} '.join(parts)}) v"
    told = problems(in_place_of_x(f'(SELECT COUNT(*) FROM ({distinct}) t WHERE t.e = a."user")'))
    assert (told == []) == ((one, other) in ONE_KIND)


def test_all_columns_of_a_table_are_not_counted() -> None:
    sql = in_place_of_x('(SELECT COUNT(d.*) FROM customer_landing d WHERE d.email = a."user")')
    declarations = declared(sql)
    proof, contract = Proof(declarations), declarations.contracts[LAST]
    assert [*proof.leaks(contract)]
    assert [*proof.misplaced(contract)]


def test_a_row_beside_a_row_is_there_whatever_the_values_are() -> None:
    beside = "JOIN LATERAL (SELECT a.x * 2 AS n) l"
    assert problems(in_place_of_x("l.n", f"{PAIRS} LEFT {beside} ON l.n = a.y"))
    assert not problems(in_place_of_x("l.n", f"{PAIRS} CROSS {beside}"))


@pytest.mark.parametrize("column", ["review", "evidence"])
def test_what_is_worked_out_of_identifiers_is_direct(column: str) -> None:
    join = 'LEFT JOIN suspended s ON s.subject = a."user"'
    sql = f"{accelerations('a.x')} {join} WHERE "
    assert problems(f"{sql}s.{column} < '8'", "accelerometer_trusted")
    assert not problems(f"{sql}s.why <> '8'", "accelerometer_trusted")


def of_suspensions(query: str) -> list[str]:
    """What the rule says of STEDI's declarations with another query for suspended consents."""
    assert DECLARED.suspending is not None
    contract = replace(DECLARED.suspending, suspensions=query)
    told = replace(DECLARED, contracts={**DECLARED.contracts, contract.name: contract})
    return [*Places(told).problems(told.contracts[LAST])]


def suspended(subject: str, suspect: str, source: str, until: str = "CAST(NULL AS BIGINT)") -> str:
    texts = "'consent suspended: x' AS why, 'q' AS question, '' AS evidence"
    return f"SELECT {subject} AS subject, {suspect} AS suspect, {texts}, {until} AS until {source}"


FROM_LANDING = "FROM customer_landing l"
WITH_ANOTHER = f"{FROM_LANDING} CROSS JOIN customer_trusted e"


@pytest.mark.parametrize("suspect", ["l.email", "l.emailfolded"])
def test_a_suspect_is_the_subject_as_spelled_or_folded(suspect: str) -> None:
    assert of_suspensions(suspended("l.email", suspect, FROM_LANDING)) == []


@pytest.mark.parametrize(
    ("subject", "suspect", "source"),
    [
        ("l.email", "CAST(l.registrationdate AS VARCHAR)", FROM_LANDING),
        ("l.email", "l.serialnumber", FROM_LANDING),
        ("l.email", "l.phone", FROM_LANDING),
        ("l.email", "'all'", FROM_LANDING),
        ("l.email", "e.email", WITH_ANOTHER),
        ("e.email", "l.emailfolded", WITH_ANOTHER),
        ("k.email", "l.emailfolded", f"{FROM_LANDING} LEFT JOIN customer_landing k "
         "ON k.email = l.email AND k.registrationdate > 51"),
    ],
)  # fmt: skip
def test_no_other_suspect_is_anybodys(subject: str, suspect: str, source: str) -> None:
    told = of_suspensions(suspended(subject, suspect, source))
    assert any("suspect must be" in one or "subject must be" in one for one in told)


OF_ALL_SPELLINGS = (
    "(SELECT MAX(k.registrationdate) FROM customer_landing k WHERE k.emailfolded = l.emailfolded)"
)
ALIKE = f"{FROM_LANDING} INNER JOIN customer_landing k ON k.emailfolded = l.emailfolded"


@pytest.mark.parametrize(
    ("until", "source", "passes"),
    [
        ("l.registrationdate", FROM_LANDING, True),
        ("CAST(NULL AS BIGINT)", ALIKE, True),
        (OF_ALL_SPELLINGS, FROM_LANDING, False),
        (f"CASE WHEN {OF_ALL_SPELLINGS} > 5 THEN 1 ELSE 2 END", FROM_LANDING, False),
        ("k.registrationdate", ALIKE, False),
        ("l.registrationdate", ALIKE, False),
    ],
)
def test_what_another_spelling_brought_is_read_nowhere(
    until: str, source: str, passes: bool
) -> None:
    """Who is spelled so may be somebody else."""
    contract = DECLARED.suspending
    assert contract is not None
    query = suspended("l.email", "l.emailfolded", source, until)
    own = suspended("l.email", "l.emailfolded", FROM_LANDING, "l.lastupdatedate")
    for told, suspensions in ((passes, query), (passes, f"{own} UNION ALL {query}"), (True, own)):
        for read in ("MAX(q.until)", "COUNT(q.until)", "MAX(CASE WHEN q.until IS NULL THEN 1 END)"):
            x = f'({read} FROM suspended q WHERE q.subject = a."user") * 1e0'
            mutant = declared(in_place_of_x(x.replace("(", "(SELECT ", 1)))
            contracts = {
                **mutant.contracts,
                contract.name: replace(contract, suspensions=suspensions),
            }
            mutant = replace(mutant, contracts=contracts)
            found = [*Places(mutant).problems(mutant.contracts[LAST])]
            assert (found == []) == told, found
            assert told or any("of the subject's other spellings" in one for one in found)


def of_identities(query: str) -> list[str]:
    """What the rule says of STEDI's declarations with another query for identities."""
    contract = DECLARED.contracts[LAST]
    assert contract.publication is not None
    publication = replace(contract.publication, identities=query)
    told = replace(contract, publication=publication)
    return [*Places(replace(DECLARED, contracts={**DECLARED.contracts, LAST: told})).problems(told)]


NUMBERED = (
    "(SELECT c.email, c.serialnumber, DENSE_RANK() OVER (ORDER BY c.serialnumber) AS person "
    "FROM customer_trusted c) p"
)


@pytest.mark.parametrize(
    ("person", "identity", "source", "passes"),
    [
        ("p.person", "p.serialnumber", NUMBERED, True),
        ("p.person", "p.email", NUMBERED, False),
        ("p.person", "p.person", NUMBERED, False),
        ("p.person", "k.serialnumber",
         f"{NUMBERED} LEFT JOIN customer_trusted k ON k.email = p.email", False),
        ("p.person", "k.serialnumber",
         f"{NUMBERED} INNER JOIN customer_landing k ON k.email = p.email", False),
        ("p.person", "p.serialnumber", f"{NUMBERED} WHERE p.email <> ''", False),
    ],
)  # fmt: skip
def test_an_identity_is_what_the_number_beside_it_numbers(
    person: str, identity: str, source: str, passes: bool
) -> None:
    told = of_identities(f"SELECT {person} AS person, {identity} AS identity FROM {source}")
    assert (told == []) == passes
    assert passes or any("must number the identity beside it" in one for one in told)


BYTES = "SELECT DISTINCT t.k, q.byte_length FROM quarantine q CROSS JOIN UNNEST(SPLIT(q.subject, CHR(10))) AS t (k)"


@pytest.mark.parametrize(
    "condition",
    [
        f"(SELECT COUNT(*) FROM ({BYTES}) d WHERE d.k = l.emailfolded) > 1",
        f"(SELECT COUNT(*) FROM ({BYTES.replace('DISTINCT ', '')} UNION {BYTES.replace('DISTINCT ', '')}) d "
        "WHERE d.k = l.emailfolded) > 1",
        f"EXISTS (SELECT 1 FROM ({BYTES.replace('DISTINCT ', '')} GROUP BY t.k, q.byte_length) d "
        "WHERE d.k = l.emailfolded)",
        "(SELECT COUNT(*) FROM (SELECT DISTINCT d.size FROM loads d) d) > 1",
        "(SELECT COUNT(*) FROM loads d INNER JOIN loads e ON e.size = d.size) > 1",
        "(SELECT MAX(d.n) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY e.size ORDER BY e.file) AS n "
        "FROM loads e) d) > 1",
    ],
)  # fmt: skip
def test_that_two_lengths_are_equal_is_told_nowhere(condition: str) -> None:
    source = f"{FROM_LANDING} WHERE l.registrationdate > 50 AND {condition}"
    told = of_suspensions(suspended("l.email", "l.emailfolded", source))
    assert any("made of identifiers" in problem for problem in told)


@pytest.mark.parametrize("column", ["fingerprint", "size", "records", "parts", "oddities"])
def test_of_files_that_have_identifiers_only_which_and_when_is_told(column: str) -> None:
    source = f"{FROM_LANDING} WHERE (SELECT MAX({{}}) FROM loads d) > {{}}"
    told = of_suspensions(
        suspended(
            "l.email", "l.emailfolded", source.format(f"LENGTH(CAST(d.{column} AS VARCHAR))", 5)
        )
    )
    assert any(f"{column} is made of identifiers" in problem for problem in told)
    arrived = suspended("l.email", "l.emailfolded", source.format("d.arrived", "l.arrived"))
    assert of_suspensions(arrived) == []


def test_an_earlier_table_is_held_to_the_same() -> None:
    table = "accelerometer_trusted"
    assert not problems(accelerations("a.x"), table)
    for told in ("WHERE c.email < 'm'", "WHERE c.phone LIKE '5%'", "ORDER BY c.email LIMIT 5"):
        assert problems(f"{accelerations('a.x')} {told}", table)
    assert problems('SELECT c.phone AS "user", a."timestamp", a.x, a.y, a.z FROM '
                    'accelerometer_landing a INNER JOIN customer_trusted c ON c.email = a."user"',
                    table)  # fmt: skip
    [first, *_] = problems(f"{accelerations('a.x')}\nWHERE c.email < 'm'", table)
    assert first.startswith("mutant, line 2: c.email < 'm': email is a direct identifier")


def test_a_look_up_by_what_is_not_distinct_is_one_by_what_is_equal() -> None:
    """Also for the proof by lineage: nothing is told by it that an equal key doesn't tell."""
    sql = Path(str(packaged()), "transforms/strict/machine_learning_curated.sql").read_text()
    for old, new in (
        ("p.person <> u.person", "p.person IS DISTINCT FROM u.person"),
        ('u.email = a."user"', 'u.email IS NOT DISTINCT FROM a."user"'),
        ('a."user"\n)', 'a."user"\n  LEFT JOIN (VALUES 1, 2) AS v (k) ON v.k = a.x\n)'),
    ):
        assert old in sql
        sql = sql.replace(old, new)
    declarations = declared(sql)
    proof, contract = Proof(declarations), declarations.contracts[LAST]
    assert not [*proof.misplaced(contract), *proof.leaks(contract), *proof.weakened(contract)]
    assert not proof.problems


TWICE = [
    "(SELECT c.email, c.phone AS birthday, c.birthday AS birthday FROM customer_trusted c) t",
    '(SELECT c.email, c.phone AS "Birthday", c.birthday FROM customer_trusted c) t',
    "(SELECT c.email, c.phone, c.birthday FROM customer_trusted c) AS t (email, birthday, birthday)",
    'customer_trusted AS t (n, email, "BIRTHDAY", birthday)',
]


@pytest.mark.parametrize("told", TWICE)
def test_two_columns_of_one_name_are_refused(told: str) -> None:
    join = f'{PAIRS} INNER JOIN {told} ON t.email = a."user"'
    said = problems(last("WHERE t.birthday < '550'", join))
    assert any("two columns are called birthday" in problem for problem in said)

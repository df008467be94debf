"""Values of people who aren't counted in a row have no place in it, however they are come by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from stedi.columns import Column
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.privacy.proof import Proof
from stedi.privacy.proof.places import Places
from tests.support.mutants import DECLARED, said_of_select
from tests.support.rewrites import LAST, PAIRS, in_place_of_x, last


def problems(sql: str, table: str = LAST) -> list[str]:
    """What the rule says of STEDI's declarations with one SELECT replaced."""
    return said_of_select(sql, table)


def said_of(declarations: Declarations) -> list[str]:
    return [*Places(declarations).problems(declarations.contracts[LAST])]


RECORDS = "FROM customer_landing l WHERE l.serialnumber = s.serialnumber"
READINGS = 'FROM accelerometer_landing b INNER JOIN customer_landing l ON l.email = b."user"'
# Of those who had the device before.
FORMER = {
    "a record of theirs": f"(SELECT MAX(l.registrationdate) {RECORDS})",
    "a reading of theirs": f"(SELECT MAX(b.x) {READINGS} WHERE l.serialnumber = s.serialnumber)",
    "how many records": f"(SELECT COUNT(*) {RECORDS})",
    "whether there is such a record": f"IF(EXISTS (SELECT 1 {RECORDS} AND l.birthday < '1970'), 1e0, 0e0)",
    "whether there is such a reading": "IF(EXISTS (SELECT 1 FROM customer_landing l WHERE "
    "l.serialnumber = s.serialnumber AND EXISTS (SELECT 1 FROM accelerometer_landing b WHERE "
    'b."user" = l.email AND b.x > 1)), 1e0, 0e0)',
    "whether it is in a list": "IF(s.serialnumber IN (SELECT l.serialnumber FROM customer_landing l "
    "WHERE l.birthday < '1970'), 1e0, 0e0)",
    "of who had one's own device": "(SELECT MAX(m.registrationdate) FROM customer_landing l "
    'INNER JOIN customer_landing m ON m.serialnumber = l.serialnumber WHERE l.email = a."user")',
    "of all of their devices": "(SELECT MAX(n.registrationdate) FROM customer_landing l "
    "INNER JOIN customer_landing m ON m.serialnumber = l.serialnumber "
    'INNER JOIN customer_landing n ON n.email = m.email WHERE l.email = a."user")',
}


@pytest.mark.parametrize("name", FORMER)
def test_a_value_of_a_former_owner_is_refused(name: str) -> None:
    assert problems(in_place_of_x(FORMER[name]))


@pytest.mark.parametrize("name", FORMER)
def test_which_side_of_an_equality_names_the_row_around_makes_no_difference(name: str) -> None:
    """A record is of the side of the row around that it is joined to, which that row must know."""
    turned = re.sub(r"(\w+\.\w+) = (\w\.(?:\w+|\"user\"))", r"\2 = \1", FORMER[name])
    assert turned != FORMER[name] or " IN " in turned
    assert problems(in_place_of_x(turned))


LOOKED_UP = {
    "as it is": "SELECT l.serialnumber, l.registrationdate AS v FROM customer_landing l",
    "distinct": "SELECT DISTINCT l.serialnumber, l.registrationdate AS v FROM customer_landing l",
    "grouped": "SELECT serialnumber, MAX(registrationdate) AS v FROM customer_landing GROUP BY serialnumber",
    "counted": "SELECT serialnumber, COUNT(*) AS v FROM customer_landing GROUP BY serialnumber",
    "grouped twice": "SELECT serialnumber, MAX(v) AS v FROM (SELECT email, serialnumber, "
    "MAX(registrationdate) AS v FROM customer_landing GROUP BY email, serialnumber) g GROUP BY serialnumber",
    "by a window": "SELECT DISTINCT l.serialnumber, MAX(l.registrationdate) OVER "
    "(PARTITION BY l.serialnumber) AS v FROM customer_landing l",
    "their readings": f"SELECT l.serialnumber, MAX(b.x) AS v {READINGS} GROUP BY l.serialnumber",
    "nothing, but how many": "SELECT l.serialnumber, 1 AS v FROM customer_landing l",
    "those of some": "SELECT serialnumber, 1 AS v FROM customer_landing GROUP BY serialnumber "
    "HAVING MAX(registrationdate) > 5",
    "as often as there were owners": "SELECT serialnumber, 1 AS v FROM customer_landing "
    "GROUP BY serialnumber, email",
    "through a list": "SELECT DISTINCT f.serialnumber, 1 AS v FROM (SELECT l.email, l.serialnumber "
    "FROM customer_landing l WHERE l.birthday < '1970') f",
}


@pytest.mark.parametrize("name", LOOKED_UP)
def test_a_look_up_of_former_owners_is_refused(name: str) -> None:
    joined = f"{PAIRS} LEFT JOIN ({LOOKED_UP[name]}) f ON f.serialnumber = s.serialnumber"
    assert problems(in_place_of_x("COALESCE(f.v, 0)", joined))
    assert problems(in_place_of_x("IF(f.serialnumber IS NULL, 0e0, 1e0)", joined))


@pytest.mark.parametrize("of", ["customer_trusted", "customer_curated"])
def test_values_of_who_has_it_now_pass(of: str) -> None:
    grouped = f"SELECT serialnumber, MAX(registrationdate) AS v FROM {of} GROUP BY serialnumber"
    joined = f"{PAIRS} LEFT JOIN ({grouped}) f ON f.serialnumber = s.serialnumber"
    assert not problems(in_place_of_x("COALESCE(f.v, 0)", joined))
    own = f"SELECT MAX(k.registrationdate) FROM {of} k WHERE k.serialnumber = s.serialnumber"
    assert not problems(in_place_of_x(f"COALESCE(({own}), 0)"))


BOTH_WAYS = "LEFT JOIN customer_trusted k ON k.email = l.email AND k.serialnumber = l.serialnumber"
"""What it is looked up by is equal where it is there, and of anybody where it is lacking."""
E_MAIL_TWICE = "(SELECT c.email, c.email AS again FROM customer_trusted c) k"


@pytest.mark.parametrize("more", ["", " AND k.registrationdate > 5", " AND l.arrived > 5"])
def test_a_partner_that_may_be_lacking_makes_no_former_owner_the_present_one(more: str) -> None:
    former, owner = f"FROM customer_landing l {BOTH_WAYS}{more}", "l.serialnumber = s.serialnumber"
    for x in (
        f"(SELECT MAX(l.registrationdate) {former} WHERE {owner})",
        f"(SELECT COUNT(*) {former} WHERE {owner})",
        f"IF(EXISTS (SELECT 1 {former} WHERE {owner} AND l.registrationdate > 5), 1e0, 0e0)",
        f"IF(s.serialnumber IN (SELECT l.serialnumber {former} WHERE l.arrived > 7), 1e0, 0e0)",
    ):
        assert problems(in_place_of_x(x)), x
        only_there = x.replace("WHERE", "WHERE NOT k.email IS NULL AND")
        assert not problems(in_place_of_x(only_there)), only_there
        assert not problems(in_place_of_x(x.replace("LEFT JOIN", "INNER JOIN"))), x
    looked_up = (
        f"SELECT l.serialnumber, MAX(l.registrationdate) AS v {former} GROUP BY l.serialnumber"
    )
    joined = f"{PAIRS} LEFT JOIN ({looked_up}) f ON f.serialnumber = s.serialnumber"
    assert problems(in_place_of_x("COALESCE(f.v, 0)", joined))
    assert not problems(in_place_of_x("COALESCE(f.v, 0)", joined.replace("l LEFT", "l INNER")))


@pytest.mark.parametrize(
    ("partner", "passes"),
    [
        (f"LEFT JOIN {E_MAIL_TWICE} ON k.email = c.email AND k.again = z.email", False),
        (f"INNER JOIN {E_MAIL_TWICE} ON k.email = c.email AND k.again = z.email", True),
        (f"LEFT JOIN {E_MAIL_TWICE} ON k.email = z.email WHERE k.again = c.email", True),
        (f"LEFT JOIN {E_MAIL_TWICE} ON k.email = c.email LEFT JOIN customer_curated m "
         "ON m.email = k.again AND m.email = z.email", False),
        (f"LEFT JOIN {E_MAIL_TWICE} ON k.email = c.email LEFT JOIN customer_curated m "
         "ON m.email = k.again INNER JOIN customer_curated n ON n.email = m.email "
         "AND n.email = z.email", True),
    ],
)  # fmt: skip
def test_a_row_that_lacks_a_partner_is_of_several_people(partner: str, passes: bool) -> None:
    rows = (
        "SELECT c.email, z.registrationdate AS v FROM customer_trusted c "
        f"INNER JOIN customer_landing z ON z.serialnumber = c.serialnumber {partner}"
    )
    joined = f'{PAIRS} INNER JOIN ({rows}) t ON t.email = a."user"'
    assert (problems(in_place_of_x("t.v * 1e0", joined)) == []) == passes


REFUSED_DEVICES = [
    "s.serialnumber NOT IN (SELECT l.serialnumber FROM customer_landing l LEFT JOIN customer_trusted "
    "c ON c.email = l.email WHERE c.email IS NULL)",
    "NOT EXISTS (SELECT 1 FROM customer_landing l LEFT JOIN customer_trusted c ON c.email = l.email "
    "WHERE l.serialnumber = s.serialnumber AND c.email IS NULL)",
    "s.serialnumber IN (SELECT l.serialnumber FROM customer_landing l)",
]


@pytest.mark.parametrize("where", REFUSED_DEVICES)
def test_a_list_of_devices_passes_whichever_people_had_them(where: str) -> None:
    select = f"SELECT s.* FROM step_trainer_landing s WHERE {where}"
    assert not problems(select, "step_trainer_trusted")


OF_ALL = "FROM customer_trusted k {} JOIN accelerometer_trusted b ON {}"


@pytest.mark.parametrize("side", ["RIGHT", "FULL"])
@pytest.mark.parametrize(
    "on",
    ['b."user" = a."user"', 'k.email = b."user" AND k.email = a."user"',
     'b."user" = a."user" AND k.email = a."user"'],
)  # fmt: skip
@pytest.mark.parametrize("what", ["MAX(b.x)", "COUNT(*)", "MIN(k.registrationdate)"])
def test_a_join_that_keeps_all_rows_does_not_describe_the_row_around(
    side: str, on: str, what: str
) -> None:
    assert problems(in_place_of_x(f"(SELECT {what} {OF_ALL.format(side, on)})"))


APART = (
    '(SELECT b."user" AS one, d."user" AS two, b."timestamp" AS t, d.x FROM accelerometer_trusted b '
    'INNER JOIN accelerometer_trusted d ON d."timestamp" = b."timestamp") t'
)


@pytest.mark.parametrize("side", ["RIGHT", "FULL"])
@pytest.mark.parametrize(
    "on",
    ["c.email = t.one AND t.one = t.two", "c.email = t.one AND c.email = t.two", "c.email = t.one"],
)
def test_a_join_whose_other_side_stays_makes_nobody_one(side: str, on: str) -> None:
    rows = f"SELECT t.one, t.t, t.x FROM customer_trusted c {side} JOIN {APART} ON {on}"
    [*told] = problems(
        in_place_of_x(
            "r.x", f'{PAIRS} INNER JOIN ({rows}) r ON r.one = a."user" AND r.t = a."timestamp"'
        )
    )
    assert any(f"{side} JOIN may not stand here: LEFT JOIN" in problem for problem in told)


def test_a_join_turned_round_passes() -> None:
    of_own = 'FROM accelerometer_trusted b LEFT JOIN customer_trusted k ON k.email = b."user"'
    assert not problems(in_place_of_x(f'(SELECT MAX(b.x) {of_own} WHERE b."user" = a."user")'))
    twice = f"SELECT t.one, t.t, t.x FROM {APART} LEFT JOIN customer_trusted c ON c.email = t.one"
    for on in ("AND t.one = t.two", "AND c.email = t.two", ""):
        joined = f'INNER JOIN ({twice} {on}) r ON r.one = a."user" AND r.t = a."timestamp"'
        assert problems(in_place_of_x("r.x", f"{PAIRS} {joined}"))


READING = '(SELECT b."user" AS email FROM accelerometer_landing b WHERE b.x > 400)'
FORMERLY = [
    f"s.serialnumber IN (SELECT l.serialnumber FROM customer_landing l WHERE l.email IN "
    f"(SELECT {{0}}.email FROM {READING} {{0}}))",
    f"s.serialnumber IN (SELECT l.serialnumber FROM customer_landing l WHERE EXISTS "
    f"(SELECT 1 FROM {READING} z WHERE z.email = l.email AND EXISTS (SELECT 1 FROM {READING} "
    "{0} WHERE {0}.email = z.email)))",
    f"s.serialnumber IN (SELECT q.serialnumber FROM (SELECT DISTINCT l.serialnumber FROM "
    f"customer_landing l WHERE l.email IN (SELECT {{0}}.email FROM {READING} {{0}})) q)",
]


@pytest.mark.parametrize("where", FORMERLY)
@pytest.mark.parametrize("alias", ["l", "v", "s", "a"])
def test_a_list_reads_what_statements_inside_it_read_whatever_they_call_it(
    where: str, alias: str
) -> None:
    assert problems(in_place_of_x(f"IF({where.format(alias)}, 1e0, 0e0)"))


COUNTED = """
  SELECT CAST(s.distancefromobject AS DOUBLE) AS distancefromobject, t.x, t.y, t.z,
    p.person AS step_person, u.person AS accelerometer_person, 0 AS taken_before_consent
  FROM step_trainer_trusted s INNER JOIN ({}) t ON t."timestamp" = s.sensorreadingtime
  LEFT JOIN ({}) p ON p.serialnumber = s.serialnumber
  INNER JOIN ({}) u ON u.serialnumber = t.serialnumber
"""
NUMBERED = """SELECT serialnumber, DENSE_RANK() OVER (ORDER BY serialnumber) AS person
  FROM customer_trusted GROUP BY serialnumber"""


SOME_EMAILS = (
    "SELECT k.email FROM accelerometer_trusted b LEFT JOIN customer_trusted k "
    'ON k.email = b."user" AND b.x < 5'
)


@pytest.mark.parametrize(
    ("among", "passes"),
    [("customer_trusted", True), ("customer_landing", False), ("customer_curated", True)],
)
@pytest.mark.parametrize("kept", ["", 'b."user", '])
def test_nobody_is_counted_by_each_device_that_they_had(
    among: str, passes: bool, kept: str
) -> None:
    readings = (
        f'SELECT {kept}c.serialnumber, b."timestamp", b.x, b.y, b.z FROM accelerometer_trusted b '
        f'INNER JOIN {among} c ON c.email = b."user"'
    )
    assert (problems(COUNTED.format(readings, NUMBERED, NUMBERED)) == []) == passes


TABLES = {
    "accelerometer_trusted": 'SELECT m.email AS "user", b."timestamp", b.x, b.y, b.z FROM '
    'accelerometer_landing b INNER JOIN customer_landing l ON l.email = b."user" '
    "LEFT JOIN customer_landing m ON m.serialnumber = l.serialnumber",
    "step_trainer_trusted": "SELECT r.sensorreadingtime, m.serialnumber, r.distancefromobject FROM "
    "step_trainer_landing r INNER JOIN customer_landing l ON l.serialnumber = r.serialnumber "
    "LEFT JOIN customer_landing m ON m.email = l.email",
    "customer_curated": "SELECT c.customername, c.email, c.phone, c.birthday, c.serialnumber, "
    "MAX(l.registrationdate) OVER (PARTITION BY l.serialnumber) AS registrationdate, "
    "c.lastupdatedate, c.sharewithresearchasofdate, c.sharewithpublicasofdate, "
    "c.sharewithfriendsasofdate FROM customer_trusted c LEFT JOIN customer_landing l "
    "ON l.email = c.email",
}


@pytest.mark.parametrize("table", TABLES)
def test_an_earlier_table_hands_nobodys_rows_to_others(table: str) -> None:
    assert problems(TABLES[table], table)


@pytest.mark.parametrize("tie", ["k.email", "k.phone", "k.customername"])
@pytest.mark.parametrize("table", ["customer_trusted", "customer_landing"])
def test_ties_are_broken_among_one_persons_records_only(tie: str, table: str) -> None:
    def looked_up(key: str) -> str:
        ranked = (
            f"SELECT k.{key}, k.registrationdate AS v, ROW_NUMBER() OVER (PARTITION BY k.{key} "
            f"ORDER BY k.lastupdatedate, k.registrationdate, {tie}) AS n FROM {table} k"
        )
        of = "s.serialnumber" if key == "serialnumber" else 'a."user"'
        joined = (
            f"LEFT JOIN (SELECT r.{key}, r.v FROM ({ranked}) r WHERE r.n = 1) f ON f.{key} = {of}"
        )
        return in_place_of_x("COALESCE(f.v, 0)", f"{PAIRS} {joined}")

    assert problems(looked_up("serialnumber"))
    assert not problems(looked_up("email"))


@pytest.mark.parametrize(
    ("among", "passes"),
    [
        (SOME_EMAILS, False),
        (f"{SOME_EMAILS} WHERE k.email IS NOT NULL", True),
        (f"{SOME_EMAILS} WHERE NOT k.email IS NULL AND b.y > 0", True),
        (f"SELECT z.e FROM (SELECT t.email AS e FROM ({SOME_EMAILS}) t) z", False),
        ("SELECT k.email FROM customer_trusted k", True),
    ],
)  # fmt: skip
def test_a_list_that_may_have_a_null_is_refused(among: str, passes: bool) -> None:
    assert (problems(last(f'WHERE a."user" NOT IN ({among})')) == []) == passes


def test_an_order_by_another_name_for_an_identifier_is_refused() -> None:
    told = "SELECT k.email, k.registrationdate AS phone FROM customer_trusted k ORDER BY {}"
    for order in ("LENGTH(k.phone)", "k.phone", "k.registrationdate + LENGTH(k.phone)"):
        joined = f'{PAIRS} LEFT JOIN ({told.format(order)}) f ON f.email = a."user"'
        assert problems(last("", joined)), order


# Declarations --------------------------------------------------------------------------------------


def with_contract(name: str, change: Callable[[Contract], Contract]) -> Declarations:
    contracts = {**DECLARED.contracts, name: change(DECLARED.contracts[name])}
    return replace(DECLARED, contracts=contracts)


def with_column(name: str, change: Callable[[Column], Column], *tables: str) -> Declarations:
    declarations = DECLARED
    for table in tables:
        contract = declarations.contracts[table]
        columns = tuple(change(c) if c.name == name else c for c in contract.columns)
        contracts = {**declarations.contracts, table: replace(contract, columns=columns)}
        declarations = replace(declarations, contracts=contracts)
    return declarations


OF_DEVICES = ("customer_landing", "customer_trusted", "customer_curated", "step_trainer_landing",
              "step_trainer_trusted")  # fmt: skip


@pytest.mark.parametrize(
    "declarations",
    [
        with_column("user", lambda c: replace(c, classification="none", subject=None),
                    "accelerometer_landing"),
        with_column("user", lambda c: replace(c, classification="none", subject=None),
                    "accelerometer_landing", "accelerometer_trusted"),
        with_column("user", lambda c: replace(c, subject=None), "accelerometer_landing"),
        with_column("email", lambda c: replace(c, subject="device"), "customer_landing"),
        with_column("serialnumber", lambda c: replace(c, subject="customer"), *OF_DEVICES),
        with_column("phone", lambda c: replace(c, subject="customer"), "customer_landing"),
        with_column("phone", lambda c: replace(c, subject="device"), "customer_landing"),
        with_column("customername", lambda c: replace(c, subject="customer"), "customer_landing"),
        with_column("email", lambda c: replace(c, unique=False), "customer_trusted"),
        with_contract("customer_landing", lambda c: replace(c, subject=None)),
        with_contract("customer_landing", lambda c: replace(c, subject="birthday")),
        with_contract("customer_landing", lambda c: replace(c, subject="serialnumber")),
        with_contract("accelerometer_landing", lambda c: replace(c, subject="x")),
    ],
)  # fmt: skip
def test_who_is_who_is_declared_soundly(declarations: Declarations) -> None:
    assert said_of(declarations)


@pytest.mark.parametrize("column", ["phone", "customername"])
def test_the_same_value_is_not_direct_in_one_table_only(column: str) -> None:
    weak = with_column(column, lambda c: replace(c, classification="quasi"), "customer_landing")
    contract = weak.contracts["customer_trusted"]
    [problem] = Proof(weak).weakened(contract)
    assert f"column {column}, which is classified direct, has the values of" in problem
    assert not [*Proof(DECLARED).weakened(contract)]


def test_a_published_table_declares_who_its_people_are() -> None:
    def unsaid(contract: Contract) -> Contract:
        assert contract.publication is not None
        return replace(contract, publication=replace(contract.publication, identities=None))

    [problem] = said_of(with_contract(LAST, unsaid))
    assert "declares no `identities`" in problem


def test_two_identifiers_of_one_kind_in_a_record_are_two_people() -> None:
    """A ninth source: who walked with whom."""
    landing = DECLARED.contracts["accelerometer_landing"]
    friend = replace(landing.columns[0], name="friend", json_key="friend")
    walks = replace(landing, name="walks", columns=(*landing.columns, friend))
    contracts = {**DECLARED.contracts, "walks": walks}

    def said(sql: str) -> list[str]:
        transforms = {**DECLARED.transforms}
        transforms[LAST] = replace(transforms[LAST], sql=sql, place="mutant")
        declarations = replace(DECLARED, contracts=contracts, transforms=transforms)
        return said_of(declarations)

    pairs = PAIRS.replace("accelerometer_trusted a", "walks a")
    assert said(last("", pairs))  # nobody counts the friend
    readings = 'FROM accelerometer_trusted b INNER JOIN walks w ON w.friend = b."user"'
    assert said(in_place_of_x(f'(SELECT MAX(b.x) {readings} WHERE w."user" = a."user")'))
    assert said(in_place_of_x('(SELECT MAX(w.x) FROM walks w WHERE w."user" = a."user")'))

"""SELECTs made up at random that have identifiers in any place that SQL has.

Each replaces the last transform. Most of them tell something; the rule must find all that do. Which
do is seen from outside: identifiers are spelled otherwise, equal ones alike, and what is published
compared; and one person's values are changed, and the rows compared that don't count that person.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from stedi.columns import TYPES
from stedi.declared import Declarations, packaged, read_declarations
from stedi.declared.transform import Transform
from stedi.engines.duckdb import DuckDBEngine
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.fold import fold
from stedi.privacy.proof.places import Places
from stedi.privacy.proof.sides import Relation
from stedi.run.suspend import suspensions
from tests.support.lookups import LookUps

LAST = "machine_learning_curated"
PEOPLE = ("step_person", "accelerometer_person")
DIRECT = ['a."user"', "s.serialnumber", "c.email", "c.serialnumber", "c.phone", "p.person"]
OUR_KINDS = ['a."user"', "s.serialnumber", "c.email", "c.serialnumber"]
OURS = ["a.x", "a.y", "s.distancefromobject", "c.registrationdate", 'a."timestamp"']
EVERYTHING = [*OURS, "a.y", "a.z"]
"""All that is published, or made into it."""
FOLDED = "d.emailfolded"
WRITTEN = ["100, 101, 209", "1e0, 0e0", "'ann@example.com', 'S5'"]
TEXTS = ["''", "'m'", "'S5'", "'ann@example.com'", "'%a%'"]


DECLARED = read_declarations(packaged())


def declared(sql: str, table: str = LAST) -> Declarations:
    """The declarations of STEDI with another SELECT of a table."""
    transform = Transform(table, sql, "mutant", "mutant")
    known = {key: tree for key, tree in DECLARED._known.items() if table not in key[1]}
    mutant = replace(DECLARED, transforms={**DECLARED.transforms, table: transform})
    mutant._known.update(known)
    return mutant


@cache
def _relations() -> Mapping[str, Relation | None]:
    """What the rule says of the tables of STEDI; no table but the last is made from the last."""
    places = Places(DECLARED)
    assert not [*places.problems(DECLARED.contracts[LAST])]
    return {name: one for name, one in places._known.items() if name != LAST}


def said_of_select(sql: str, table: str = LAST) -> list[str]:
    """What the rule says of the published table of STEDI with another SELECT of one table.

    Tables that can't have been made from that one are followed once for all SELECTs.
    """
    declarations = declared(sql, table)
    places = Places(declarations)
    derived = DECLARED.transforms if table != LAST else ()
    places._known.update({n: one for n, one in _relations().items() if n not in derived})
    return [*places.problems(declarations.contracts[LAST])]


class Mutant(LookUps):
    """One SELECT, made from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.with_: list[str] = []
        self.joins: list[str] = []

    def sql(self) -> str:
        """The SELECT in Athena's SQL."""
        if self.rare(0.5):
            sql = self.statement(self.looked_for(), "")
            if self.rare(0.1):
                sql = sql.replace("accelerometer_trusted a ", f"{self.accelerations()} a ", 1)
            elif self.rare(0.1):
                sql = sql.replace("step_trainer_trusted s ", f"{self.distances()} s ", 1)
            return f"WITH {', '.join([*WITH, *self.with_])} {sql}"
        x, part = self.value(), self.one([*[""] * 9, "order", "limit", "union", "distinct"])
        if self.rare(0.2):
            self.join()
        where = f"WHERE {self.condition()}" if self.rare() else ""
        sql = self.statement(x, where)
        if part == "order":
            sql = f"{sql} ORDER BY {self.direct()}"
        elif part == "limit":
            sql = f"{sql} ORDER BY {self.one([*DIRECT, *OURS])} LIMIT 7"
        elif part == "union":
            other = self.statement(self.one(["a.x", "1e0", x]), f"WHERE {self.condition()}")
            sql = f"{sql} {self.one(['UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT'])} {other}"
        elif part == "distinct":
            sql = sql.replace("SELECT CAST(s", "SELECT DISTINCT CAST(s", 1)
        return f"WITH {', '.join([*WITH, *self.with_])} {sql}"

    def statement(self, x: str, where: str) -> str:
        person = "u.person" if self.rare(0.95) else self.one(["p.person", "1", "u.person + 1"])
        return (
            "SELECT CAST(s.distancefromobject AS DOUBLE) AS distancefromobject, "
            f"CAST({x} AS DOUBLE) AS x, a.y, a.z, p.person AS step_person, "
            f"{person} AS accelerometer_person, CAST(0 AS BIGINT) AS taken_before_consent "
            "FROM step_trainer_trusted s "
            'INNER JOIN accelerometer_trusted a ON a."timestamp" = s.sensorreadingtime '
            "INNER JOIN people p ON p.serialnumber = s.serialnumber "
            'INNER JOIN users u ON u.email = a."user" '
            f'LEFT JOIN customer_trusted c ON c.email = a."user" {" ".join(self.joins)} {where}'
        )

    # The grammar ---------------------------------------------------------------------------------

    def one(self, choices: list[str]) -> str:
        return self.random.choice(choices)

    def rare(self, share: float = 0.4) -> bool:
        return self.random.random() < share

    def direct(self) -> str:
        atom = self.one(DIRECT)
        return self.one([atom, atom, f"SUBSTR(CAST({atom} AS VARCHAR), 1, 1)",
                         f"LENGTH(CAST({atom} AS VARCHAR))"])  # fmt: skip

    def made(self, *makers: Callable[[], str]) -> str:
        return self.random.choice(makers)()

    def value(self, depth: int = 0) -> str:
        if depth > 1 or self.rare(0.3):
            return self.one(OURS)
        return self.made(
            lambda: f"CASE WHEN {self.condition()} THEN {self.value(depth + 1)} ELSE a.x END",
            lambda: f"IF({self.condition()}, 1e0, {self.value(depth + 1)})",
            lambda: f"LENGTH({self.one(OUR_KINDS)})",
            lambda: f"COALESCE({self.value(depth + 1)}, LENGTH({self.one(OUR_KINDS)}))",
            lambda: f"({self.value(depth + 1)} + {self.one(OURS)})",
            self.window, self.window, self.scalar, self.looked_up,
            self.worked_out, self.worked_out, self.joined_to, self.joined_to, self.joined_to,
        )  # fmt: skip

    def condition(self, depth: int = 0) -> str:
        simple: tuple[Callable[[], str], ...] = (
            lambda: f"{self.one(OUR_KINDS)} {self.one(['=', '<>', '<', '>='])} {self.one(TEXTS)}",
            lambda: f"{self.one(OUR_KINDS)} {self.one(['=', '<>', '<'])} {self.one(OUR_KINDS)}",
            lambda: f"{self.one(OUR_KINDS)} IS {self.one(['', 'NOT'])} DISTINCT FROM "
            f"{self.one([*OUR_KINDS, *TEXTS])}",
            lambda: f"{self.one([*OURS, *OUR_KINDS])} IN (SELECT v.k FROM (VALUES {self.one(WRITTEN)}"
            ") AS v (k))",
            lambda: f"{self.one(OUR_KINDS)} {self.one(['=', '<>'])} ''",
            lambda: "p.person <> u.person",
            lambda: f"p.person {self.one(['=', '<>', '<'])} {self.one(['u.person', '3'])}",
            lambda: f"{self.one(DIRECT)} IS {self.one(['', 'NOT'])} NULL",
            lambda: f"{self.one(OUR_KINDS)} LIKE {self.one(TEXTS)}",
            lambda: f"{self.one(OUR_KINDS)} IN ({self.one(TEXTS)}, {self.one(TEXTS)})",
            lambda: f"{self.one(OURS)} {self.one(['<', '>', '='])} {self.one(OURS)}",
            lambda: f"LENGTH({self.one(OUR_KINDS)}) > 15",
            self.found_in, self.found_in, self.exists, self.exists, self.tested,
            self.asked, self.asked, self.in_list, self.in_list,
        )  # fmt: skip
        if depth < 2 and self.rare(0.3):
            how = self.one(["AND", "OR"])
            return f"({self.condition(depth + 1)} {how} NOT {self.condition(depth + 1)})"
        return self.made(*simple)

    def found_in(self) -> str:
        column, of = self.one(['a."user"', "c.email"]), self.one(["d.email", "d.email", FOLDED])
        if self.rare():
            column, of = self.one(["s.serialnumber", "c.serialnumber"]), "d.serialnumber"
        return f"{column} {self.one(['', 'NOT'])} IN (SELECT {of} {self.others()})"

    def exists(self) -> str:
        equal = self.one(['d.email = a."user"', "d.serialnumber = s.serialnumber", "1 = 1",
                          'd.email <> a."user"', f'{FOLDED} = a."user"'])  # fmt: skip
        more = self.one(["", f"AND {self.other_condition()}", f"OR {self.other_condition()}"])
        return f"EXISTS (SELECT 1 FROM customer_landing d WHERE {equal} {more})"

    def others(self) -> str:
        """FROM and what follows it, of some people."""
        where = self.one(["", f"WHERE {self.other_condition()}"])
        cut = self.one(["", "", "", "", "LIMIT 3", "ORDER BY d.email LIMIT 2"])
        return f"FROM {self.one(['customer_trusted', 'customer_landing'])} d {where} {cut}"

    def other_condition(self) -> str:
        return self.one([
            "d.email < 'm'", "d.email = 'ann@example.com'", "LENGTH(d.serialnumber) > 2",
            "d.phone LIKE '5%'", "d.registrationdate < 60", "d.lastupdatedate > 100",
            "d.email IS NOT NULL", f"{FOLDED} = d.email", "d.serialnumber <> ''", "d.serialnumber > d.email",
            "d.lastupdatedate = (SELECT MAX(e.lastupdatedate) FROM customer_landing e)",
        ])  # fmt: skip

    def window(self) -> str:
        keys = self.random.sample(
            [*OUR_KINDS, *OURS, "SUBSTR(c.email, 1, 1)", "p.person", "u.person"], 2
        )
        partition = f"PARTITION BY {', '.join(keys[: self.random.randint(0, 2)])}"
        if self.rare():
            partition = f'PARTITION BY {self.one(["s.serialnumber", "p.person"])}, a."user"'
        orders = self.random.sample([*OURS, *DIRECT, "LENGTH(c.email)"], 2)
        function = self.one([
            "ROW_NUMBER()", "RANK()", "DENSE_RANK()", "COUNT(*)", "SUM(a.x)", "MAX(LENGTH(c.email))",
            "FIRST_VALUE(a.x)", "LAG(s.distancefromobject)", "MAX_BY(a.x, c.email)", "AVG(a.x)",
        ])  # fmt: skip
        if function.startswith(("ROW_NUMBER", "LAG", "FIRST_VALUE")) and self.rare(0.8):
            orders += EVERYTHING  # else it may be refused: of equal rows the engine chooses
        over = f"{'' if partition.endswith('BY ') else partition} ORDER BY {', '.join(orders)}"
        return f"{function} OVER ({over})"

    def scalar(self) -> str:
        what = self.one(["COUNT(*)", "MAX(d.registrationdate)", "MAX(LENGTH(d.email))",
                         "MAX_BY(d.registrationdate, d.email)", "MIN(d.lastupdatedate)"])  # fmt: skip
        where = self.one([
            "", 'WHERE d.email = a."user"', 'WHERE d.email < a."user"',
            f'WHERE d.email = a."user" AND {self.other_condition()}',
            "WHERE d.serialnumber = s.serialnumber", "WHERE d.serialnumber = c.serialnumber",
            "WHERE d.email = 'ann@example.com'", f"WHERE {self.other_condition()}",
        ])  # fmt: skip
        return f"(SELECT {what} FROM {self.chained()} {where})"

    def chained(self) -> str:
        """Records of customers, alone or by way of others': those who had the same device."""
        return self.one([
            *["customer_landing d"] * 4, "customer_trusted d",
            "customer_landing d INNER JOIN customer_landing e ON e.serialnumber = d.serialnumber "
            'AND e.email = a."user"',
            "customer_trusted e RIGHT JOIN customer_landing d ON d.email = e.email "
            'AND e.email = a."user"',
            'customer_trusted e FULL JOIN customer_landing d ON d.email = a."user"',
            "customer_landing d LEFT JOIN accelerometer_landing b ON b.\"user\" = d.email "
            "AND b.x > 0",
        ])  # fmt: skip

    def looked_up(self) -> str:
        return f"CASE WHEN {self.tested()} THEN 1e0 ELSE a.x END"

    def tested(self) -> str:
        """A lookup table that is joined, and the test for NULL of it."""
        name = self.join()
        return f"{name}.k IS {self.one(['', 'NOT'])} NULL"

    def join(self) -> str:
        name = f"f{len(self.joins)}"
        inside = self.one([
            f"SELECT DISTINCT d.email AS k {self.others()}",
            f"SELECT DISTINCT {FOLDED} AS k FROM customer_landing d",
            "SELECT d.email AS k FROM customer_landing d GROUP BY d.email "
            f"HAVING {self.one(['COUNT(*) > 1', 'MAX(d.phone) > chr(53)', 'MIN(d.email) < chr(109)'])}",
            "SELECT v.k FROM (VALUES 'ann@example.com', 'bob@example.com') AS v (k)",
            "SELECT w.k FROM (SELECT d.email AS k, ROW_NUMBER() OVER (PARTITION BY d.email ORDER BY "
            f"{self.one(['d.lastupdatedate DESC, d.serialnumber', 'd.serialnumber', 'd.phone'])}) "
            f"AS n {self.others()}) w WHERE w.n {self.one(['= 1', '> 1', '= 2', '< 3', '>= 1'])}",
            "SELECT w.k FROM (SELECT d.email AS k, ROW_NUMBER() OVER (PARTITION BY d.email ORDER BY "
            f"{self.one(['d.lastupdatedate DESC, d.serialnumber', '1, d.serialnumber', 'd.phone'])}) "
            f"AS n {self.others()}) w WHERE {self.one(['1 =', '1 >=', '1 <', '2 >', '2 ='])} w.n",
            f"SELECT v.k FROM (VALUES {self.one(WRITTEN)}) AS v (k)",
            f"SELECT d.serialnumber AS k FROM customer_landing d WHERE {self.other_condition()}",
            "SELECT d.serialnumber AS k FROM customer_landing d GROUP BY d.serialnumber "
            f"HAVING {self.one(['COUNT(*) > 1', 'MAX(d.registrationdate) > 100'])}",
            "SELECT DISTINCT d.serialnumber AS k FROM customer_landing d INNER JOIN "
            "accelerometer_landing b ON b.\"user\" = d.email WHERE b.x > 100",
        ])  # fmt: skip
        key = self.one(['a."user"', 'a."user"', "c.email", "c.phone", "s.serialnumber"])
        if self.rare():
            self.with_.append(f"{name}w AS ({inside})")
            inside = f"SELECT k FROM {name}w"
        self.joins.append(f"LEFT JOIN ({inside}) {name} ON {name}.k = {key}")
        return name


WITH = [
    "people AS (SELECT serialnumber, ROW_NUMBER() OVER (ORDER BY serialnumber) AS person "
    "FROM customer_trusted GROUP BY serialnumber)",
    "users AS (SELECT k.email, q.person FROM customer_trusted k "
    "INNER JOIN people q ON q.serialnumber = k.serialnumber)",
]  # fmt: skip

# Running them ------------------------------------------------------------------------------------

Spelling = Callable[[str], str]


class World:
    """A few people's records, with their identifiers spelled in one way, and an engine over them."""

    def __init__(
        self,
        folder: Path,
        declarations: Declarations,
        spelling: Spelling,
        changed: Collection[str] = (),
    ) -> None:
        self._engine = DuckDBEngine(folder)
        self._folder, self._schemas = folder, declarations.schemas
        for table, rows in _records(spelling, changed).items():
            self._declare(table, rows)
        assert declarations.suspensions is not None
        found = self._engine.fetch(declarations.suspensions).to_pylist()
        suspended = suspensions(found, frozenset(), 10**12, Fingerprinter(b"a key"))
        self._declare("suspended", [vars(row) for row in suspended])
        for table in declarations.transforms:
            if table != LAST:
                self._engine.materialise(table, declarations.select(table))

        identities = self._engine.fetch(declarations.identities(LAST) or exp.select()).to_pylist()
        self._identities = {row["person"]: row["identity"] for row in identities}

    def _declare(self, table: str, rows: list[dict[str, Any]]) -> None:
        columns = self._schemas[table]
        schema = pa.schema([(c.name, pa.type_for_alias(TYPES[c.type].arrow)) for c in columns])
        path = self._folder / f"{table}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema), path)
        self._engine.declare(table, columns, [str(path)])

    def of_others(self, select: exp.Query, people: Collection[str]) -> Counter[Any]:
        """The rows in which nobody of some is counted, each with the identities of its people."""
        rows = self._engine.fetch(select).to_pylist()
        counted = Counter(
            (*(self._identities.get(row[side]) for side in PEOPLE), *_values(row)) for row in rows
        )
        those = {DEVICES.get(name, name.upper()) for name in people}
        return Counter({one: n for one, n in counted.items() if not those & {*one[:2]}})

    def published(self, select: exp.Query) -> Counter[Any]:
        """What is published, each person with the rows of each side; their numbers are left out."""
        rows = self._engine.fetch(select).to_pylist()
        values = [_values(row) for row in rows]
        people: Counter[Any] = Counter({("all", *one): n for one, n in Counter(values).items()})
        for side in PEOPLE:
            of = defaultdict(list)
            for row, value in zip(rows, values, strict=True):
                of[row[side]].append(value)
            people.update((side, *sorted(one, key=repr)) for one in of.values())
        return people

    def close(self) -> None:
        self._engine.close()


def _values(row: dict[str, Any]) -> tuple[float | None, ...]:
    """What is published of a row, without the last digits, in which sums differ by their order."""
    values = (row[name] for name in ("distancefromobject", *"xyz"))
    return tuple(None if value is None else round(float(value), 9) for value in values)


def otherwise(name: str) -> str:
    """Everybody's identifiers in another order, with another beginning and length.

    Those that differ by case only still do.
    """
    more = "x" * (ord(name[:1].lower() or "x") % 5)
    return name if not name else f"{'zmba'[len(name) % 4]}{name[::-1]}{more}"


def one_otherwise(whose: str, prefix: str) -> Spelling:
    """One person's identifiers spelled otherwise."""
    return lambda name: (
        f"{prefix}{name}" if name in (f"{whose}@example.com", whose.upper()) else name
    )


CHANGED = (("eve",), ("cat", "tom", "Bob"))
"""Whose values are changed, together. Each had a device that is another person's now."""
DEVICES = {"tom": "ZOE", "Bob": "BOB2"}
HAD = {"eve": "DAN", "dan": "FAY", "cat": "MIA", "Bob": "LEA"}
"""The devices that people have, if not of their names; and those that they had before."""
PHONELESS = ("fay", "dan")


def _records(spelling: Spelling, changed: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Eleven people; two share a device, four had another's, two of them in a chain.

    One consents no more, one was quarantined. One is spelled in two ways, and two are folded alike.
    Some have other values: `changed`.
    """
    random = Random(7)
    names = ["ann", "bob", "cat", "dan", "eve", "fay", "mia", "tom", "zoe", "lea", "Bob"]
    customers, accelerations, readings = [], [], []
    for n, name in enumerate(names):
        device, more = DEVICES.get(name, name.upper()), 500 if name in changed else 0
        for record in range(1 + max(n % 3, name in HAD)):
            had = HAD.get(name, device) if record == 0 else device
            customers.append({
                "customername": spelling(name), "email": spelling(f"{name}@example.com"),
                "emailfolded": fold(spelling(f"{name}@example.com")), "arrived": 10**12,
                "phone": None if name in PHONELESS else spelling(f"{555 - n}"),
                "birthday": "1980-01-01" if not more else "1990-01-01", "serialnumber": spelling(had),
                "registrationdate": 50 + n % 4 + more, "lastupdatedate": 100 + record + n % 2 + more,
                "sharewithresearchasofdate": 0 if name == "cat" else 100 + n % 3 + more,
            })  # fmt: skip
        for at in range(4):
            x, y = (round(random.gauss(0, 1), 2) + more for _ in "xy")
            moment = {"timestamp": 100 + at, "x": x, "y": y, "z": 0.5}
            user = spelling(f"{'LEA' if name == 'lea' and at < 2 else name}@example.com")
            accelerations.append({"user": user, "userfolded": fold(user), **moment})
            distance = 200 + 9 * at + random.randint(0, 8) + more
            reading = {"sensorreadingtime": 100 + at, "distancefromobject": distance}
            if name != "tom":  # or two readings of one device and time are equally first
                readings.append({"serialnumber": spelling(device), **reading})
    aside = {
        "source": "customer", "file": "one", "byte_offset": 0, "byte_length": 1, "line": 1,
        "reason": "bad", "subject": fold(spelling("eve@example.com")), "raw": b"", "load": 1,
    }  # fmt: skip
    return {
        "customer_landing": customers, "accelerometer_landing": accelerations,
        "step_trainer_landing": readings, "quarantine": [aside], "loads": [],
    }  # fmt: skip


@contextmanager
def worlds(folder: Path, declarations: Declarations) -> Iterator[list[World]]:
    """The same people's records: as they are, with one person's values changed, spelled otherwise."""
    spellings: list[Spelling] = [
        lambda name: name,
        otherwise,
        one_otherwise("ann", "zz-"),
        one_otherwise("zoe", "A"),
        lambda name: name.upper() if name in ("bob@example.com", "mia@example.com") else name,
    ]
    kinds: list[tuple[Spelling, Collection[str]]] = [(spelling, ()) for spelling in spellings]
    made = []
    for n, (spelling, changed) in enumerate([*kinds, *((spellings[0], whom) for whom in CHANGED)]):
        (folder / str(n)).mkdir()
        made.append(World(folder / str(n), declarations, spelling, changed))
    try:
        yield made
    finally:
        for world in made:
            world.close()


def tells(select: exp.Query, made: list[World]) -> list[str]:
    """What a SELECT is found to tell, by the rows that it gives in each of the worlds."""
    *spelled, others, several = made
    first, *rest = (world.published(select) for world in spelled)
    found = ["how identifiers are spelled"] if any(one != first for one in rest) else []
    for world, whom in zip((others, several), CHANGED, strict=True):
        if made[0].of_others(select, whom) != world.of_others(select, whom):
            found.append(f"values of {' or '.join(whom)}")
    return found

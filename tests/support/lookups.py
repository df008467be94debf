"""FROM clauses made up at random: lookup tables by one or two identifiers, joined, grouped, combined.

They are made of tables of STEDI and of SELECTs of these, several levels deep. The columns of a
lookup table are named `e` (an e-mail), `s` (a serial number) and `v` (a value).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

OUTSIDE = {"e": ['a."user"', 'a."user"', "c.email"], "s": ["s.serialnumber", "c.serialnumber"]}
"""The identifiers of the row around, by kind."""
CUSTOMERS = {
    "e": ["email"], "s": ["serialnumber"], "v": ["registrationdate", "lastupdatedate"],
    "t": ["phone", "customername"],
}  # fmt: skip
LANDED = {
    **CUSTOMERS, "f": ["emailfolded"],
    "v": ["registrationdate", "lastupdatedate", "sharewithresearchasofdate"],
}  # fmt: skip
TABLES: dict[str, dict[str, list[str]]] = {
    "customer_landing": LANDED,
    "customer_trusted": CUSTOMERS,
    "customer_curated": CUSTOMERS,
    "accelerometer_landing": {"e": ['"user"'], "f": ["userfolded"], "v": ["x", "y", '"timestamp"']},
    "accelerometer_trusted": {"e": ['"user"'], "v": ["x", "y"]},
    "step_trainer_landing": {"s": ["serialnumber"], "v": ["distancefromobject"]},
    "step_trainer_trusted": {"s": ["serialnumber"], "v": ["distancefromobject"]},
}
OFTEN = [
    *TABLES,
    "customer_landing",
    "customer_landing",
    "customer_trusted",
    "accelerometer_landing",
]


@dataclass
class Source:
    """A FROM clause, and its columns by kind: e-mails, devices, folded ones, values, other texts."""

    sql: str
    columns: dict[str, list[str]] = field(default_factory=dict)

    def has(self, *kinds: str) -> bool:
        return all(self.columns.get(kind) for kind in kinds)

    def and_of(self, other: Source) -> dict[str, list[str]]:
        """The columns of both."""
        kinds = {*self.columns, *other.columns}
        both = {k: [*self.columns.get(k, ()), *other.columns.get(k, ())] for k in sorted(kinds)}
        return {kind: names for kind, names in both.items() if names}


class LookUps:
    """What is looked up in a SELECT that is made from a seed."""

    random: Random
    with_: list[str]
    joins: list[str]
    _named = 0

    def _name(self, letter: str) -> str:
        self._named += 1
        return f"{letter}{self._named}"

    def _one(self, choices: Sequence[str]) -> str:
        return self.random.choice(choices)

    def _rare(self, share: float) -> bool:
        return self.random.random() < share

    # FROM ----------------------------------------------------------------------------------------

    def source(self, depth: int = 0, need: str = "") -> Source:
        """Tables, and SELECTs of tables, joined by identifiers."""
        found = self._table(depth, need)
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2] if depth else [0, 0, 1, 1, 2])):
            found = self._joined(found, self._table(depth))
        return found

    def _table(self, depth: int, need: str = "") -> Source:
        if depth < 2 and self._rare(0.35):
            return self.derived(depth + 1, need)
        table = self._one([t for t in OFTEN if not need or need in TABLES[t]])
        alias = self._name("t")
        columns = {k: [f"{alias}.{n}" for n in names] for k, names in TABLES[table].items()}
        return Source(f"{table} {alias}", columns)

    def _joined(self, left: Source, right: Source) -> Source:
        both = Source("", left.and_of(right))
        kind = self._one([*["INNER JOIN"] * 10, *["LEFT JOIN"] * 25, "NATURAL JOIN", "RIGHT JOIN",
                          "CROSS JOIN", "USING"])  # fmt: skip
        if kind == "USING" and left.has("t") and right.has("t"):
            return Source(f"{left.sql} INNER JOIN {right.sql} USING (email)", both.columns)
        kind = "LEFT JOIN" if kind == "USING" else kind
        if kind in ("NATURAL JOIN", "CROSS JOIN"):
            return Source(f"{left.sql} {kind} {right.sql}", both.columns)
        on = self._equal(left.columns, right.columns) or ["1 = 1"]
        if self._rare(0.3):
            on.append(self.tested_rows(self._one_of(left, right, both), 2))
        return Source(f"{left.sql} {kind} {right.sql} ON {' AND '.join(on)}", both.columns)

    def _one_of(self, *sources: Source) -> Source:
        return self.random.choice(sources)

    def _equal(
        self, left: dict[str, list[str]], right: dict[str, list[str]], second: float = 0.4
    ) -> list[str]:
        """One or two identifiers of the one equal to those of the other."""
        shared = [k for k in ("e", "s", "f") if left.get(k) and right.get(k)]
        if not shared:
            return []
        kinds = [self._one(["e", *shared] if "e" in shared else shared)]
        if self._rare(second):
            kinds.append(self._one(shared))
        return [self._pair(self._one(left[kind]), self._one(right[kind])) for kind in kinds]

    def _pair(self, one: str, other: str) -> str:
        if self._rare(0.5):
            one, other = other, one
        if self._rare(0.85):
            return f"{one} = {other}"
        return self._one([
            f"{one} IS NOT DISTINCT FROM {other}", f"NOT {one} <> {other}",
            f"COALESCE({one}, '') = {other}", f"NULLIF({one}, '') = {other}",
            f"CASE WHEN {one} = '' THEN NULL ELSE {one} END = {other}", f"ROW({one}) = ROW({other})",
            f"({one} = {other} OR {other} IS NULL)", f"({one} = {other} OR 1 = 0)",
            f"{one} >= {other} AND {one} <= {other}", f"NOT {one} IS DISTINCT FROM {other}",
        ])  # fmt: skip

    # SELECTs of them -----------------------------------------------------------------------------

    def derived(self, depth: int, need: str = "") -> Source:
        """A SELECT in FROM, or in WITH."""
        kinds = [
            *dict.fromkeys([need or self._one("es"), *self._one(["", "s", "e", "ev", "v", "v"])])
        ]
        if "v" not in kinds and self._rare(0.6):
            kinds.append("v")
        is_combined = self._rare(0.15)
        query, given = self._query(depth, kinds, combined=is_combined)
        if is_combined:
            more, same = self._query(depth, given, combined=True)
            if same == given:
                how = self._one(
                    [
                        "UNION",
                        "UNION",
                        "UNION",
                        "UNION ALL",
                        "UNION ALL",
                        "UNION ALL",
                        "EXCEPT",
                        "INTERSECT",
                    ]
                )
                query = f"{query} {how} {more}"
        name = self._name("q")
        columns = {kind: [f"{name}.{kind}"] for kind in given}
        if self._rare(0.25):
            self.with_.append(f"{name}w AS ({query})")
            return Source(f"{name}w {name}", columns)
        return Source(f"({query}) {name}", columns)

    def _query(
        self, depth: int, kinds: list[str], *, combined: bool = False
    ) -> tuple[str, list[str]]:
        """A SELECT that gives columns of these kinds, if there are any in what it reads."""
        found = self.source(depth, kinds[0])
        given = [kind for kind in kinds if found.has(kind)]
        keys = {k: self._one(found.columns[k]) for k in given if k != "v"}
        value = self._one(found.columns["v"]) if "v" in given else ""
        where = f" WHERE {self.tested_rows(found, depth)}" if self._rare(0.45) else ""
        how = self._one(["plain"] * 4 + ["distinct"] * 4 + ["grouped"] * 6 + ["ranked"] * 3
                        + ["window"] * 3 + ["sets"])  # fmt: skip
        if combined:
            how = self._one(["plain", "distinct"])
        named = ", ".join(f"{key} AS {kind}" for kind, key in keys.items())
        listed = ", ".join(keys.values())
        if how in ("grouped", "sets") and keys:
            by = listed
            if how == "sets":
                by = self._one([f"GROUPING SETS (({listed}), ())", f"ROLLUP ({listed})"])
            elif self._rare(0.2):
                by = self._one([f"{listed}, {self._one([*found.columns.get('v', ['1'])])}",
                                f"{listed}, {self._one([key for k in 'es' for key in found.columns.get(k, ())])}",
                                f"COALESCE({listed.split(',')[0]}, '')"])  # fmt: skip
            having = (
                f" HAVING {self.aggregate(found)} > {self._one('1358')}" if self._rare(0.3) else ""
            )
            of = f", {self.aggregate(found)} AS v" if value else ""
            return f"SELECT {named}{of} FROM {found.sql}{where} GROUP BY {by}{having}", given
        if how == "ranked" and keys:
            order = [f"{value or 1} DESC", *keys.values()][: self.random.choice([1, 2, 3])]
            order += [self._one(found.columns.get(k, ["1"])) for k in "ves" if self._rare(0.5)]
            name = self._name("r")
            by = self._one([*keys.values(), listed])
            inner = (
                f"SELECT {named}{f', {value} AS v' if value else ''}, ROW_NUMBER() OVER (PARTITION BY "
                f"{by} ORDER BY {', '.join(order)}) AS n FROM {found.sql}{where}"
            )
            outer = ", ".join(f"{name}.{kind}" for kind in given)
            test = self._one(["= 1", "= 1", "> 1", "<= 1"])
            return f"SELECT {outer} FROM ({inner}) {name} WHERE {name}.n {test}", given
        if how == "window" and keys and value:
            by = self._one([*keys.values(), listed])
            frame = self._one(["", "", f"ORDER BY {value}",
                f"ORDER BY {value} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                f"ORDER BY {value} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                f"ORDER BY {value} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"])  # fmt: skip
            value = f"{self.aggregate(found, window=True)} OVER (PARTITION BY {by} {frame})"
        distinct = "DISTINCT " if how == "distinct" else ""
        more = f", {value} AS v" if value else ""
        limit = " LIMIT 3" if self._rare(0.02) else ""
        return f"SELECT {distinct}{named}{more} FROM {found.sql}{where}{limit}", given

    def aggregate(self, found: Source, *, window: bool = False) -> str:
        """A number that is worked out of several rows."""
        value = self._one(found.columns.get("v", ["1"]))
        another = self._one(found.columns.get("v", ["1"]))
        plain = [f"MAX({value})", f"MIN({value})", "COUNT(*)", f"SUM({value})"]
        if window or self._rare(0.5):
            return self._one(plain)
        key = self._one([key for k in "esft" for key in found.columns.get(k, ())] or ["1"])
        return self._one([
            *plain, f"COUNT(DISTINCT {value})", f"SUM(DISTINCT {value})", f"COUNT({value})",
            f"MAX({value}) FILTER (WHERE {another} > 60)", f"COUNT(*) FILTER (WHERE {key} IS NULL)",
            f"COUNT(*) FILTER (WHERE {self.tested_rows(found, 2)})", f"COUNT({key})",
            f"COUNT(DISTINCT {key})", f"MAX_BY({value}, {another})", f"AVG({value})",
            f"MAX(CASE WHEN {self.tested_rows(found, 2)} THEN {value} END)",
            f"SUM(CASE WHEN {key} IS NULL THEN 1 ELSE 0 END)", f"MAX(COALESCE({value}, {another}))",
        ])  # fmt: skip

    # Conditions ----------------------------------------------------------------------------------

    def tested_rows(self, found: Source, depth: int) -> str:
        """A condition of the rows that a FROM clause gives."""
        value = self._one(found.columns.get("v", ["1"]))
        keys = [key for k in "es" for key in found.columns.get(k, ())]
        key = self._one(keys or ["''"])
        kind = self._one([k for k in "esf" if found.has(k)] or ["v"])
        same = found.columns.get(kind, ["1"])
        simple: list[Callable[[], str]] = [
            lambda: f"{value} {self._one(['>', '<', '='])} {self._one(['0', '52', '60', '101', '300'])}",
            lambda: f"{value} {self._one(['>', '<='])} {self._one(found.columns.get('v', ['1']))}",
            lambda: f"{key} IS {self._one(['', 'NOT'])} NULL", lambda: f"{key} IS NOT NULL",
            lambda: f"NOT {key} IS NULL", lambda: f"{key} <> ''", lambda: f"{value} IS NULL",
            lambda: f"{self._one(same)} {self._one(['=', '<>', '='])} {self._one(same)}",
            lambda: self._pair(self._one(same), self._one(same)),
            lambda: f"{self._one(found.columns.get('t', [key]))} IS {self._one(['', 'NOT'])} NULL",
            lambda: f"{self._one(found.columns.get('t', [key]))} {self._one(['<', '=', 'LIKE'])} '55%'",
        ]  # fmt: skip
        if depth < 2:
            simple += [
                lambda: self.asked(found.columns, depth + 1),
                lambda: self.asked(found.columns, depth + 1),
                lambda: self.in_list(found.columns, depth + 1),
                lambda: self.in_list(found.columns, depth + 1),
                lambda: f"{value} >= {self.worked_out(found.columns, depth + 1)}",
            ]
        if self._rare(0.15):
            return f"({self.random.choice(simple)()} {self._one(['AND', 'AND NOT', 'OR'])} {self.random.choice(simple)()})"
        return self.random.choice(simple)()

    def _tied(self, found: Source, outside: dict[str, list[str]]) -> list[str]:
        """The conditions by which what is looked up is of the row around."""
        return self._equal(found.columns, outside, 0.35) or [self._one(["1 = 1", "1 = 1"])]

    def asked(self, outside: dict[str, list[str]] = OUTSIDE, depth: int = 0) -> str:
        """EXISTS or NOT EXISTS, which can have another inside."""
        found = self.source(depth, self._one([k for k in "es" if outside.get(k)] or ["e"]))
        terms = self._tied(found, outside)
        if self._rare(0.6):
            terms.append(self.tested_rows(found, depth))
        given = self._one(["1", "1", "1", self._one(next(iter(found.columns.values())))])
        group = ""
        if self._rare(0.1):
            key = self._one([key for k in "es" for key in found.columns.get(k, ())] or ["1"])
            group, given = f" GROUP BY {key} HAVING {self.aggregate(found)} > 1", "1"
        return f"{self._one(['', 'NOT '])}EXISTS (SELECT {given} FROM {found.sql} WHERE {' AND '.join(terms)}{group})"

    def in_list(self, outside: dict[str, list[str]] = OUTSIDE, depth: int = 0) -> str:
        """IN or NOT IN of identifiers; of two lists combined, or of rows of two identifiers."""
        kind = self._one([k for k in "esf" if outside.get(k)] or ["e"])
        sought = self._one(outside.get(kind, ["'m'"]))
        if self._rare(0.05):
            found = self.source(depth, "s")
            if found.has("e") and outside.get("e") and outside.get("s"):
                pair = f"{self._one(outside['e'])}, {self._one(outside['s'])}"
                both = f"{self._one(found.columns['e'])}, {self._one(found.columns['s'])}"
                return f"({pair}) IN (SELECT {both} FROM {found.sql})"
        lists = [self._list(kind, outside, depth)]
        if self._rare(0.2):
            lists.append(self._one(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]))
            lists.append(self._list(kind, outside, depth))
        return f"{sought} {self._one(['', 'NOT '])}IN ({' '.join(lists)})"

    def _list(self, kind: str, outside: dict[str, list[str]], depth: int) -> str:
        found = self.source(depth, kind if kind in "es" else "f" if depth > 1 else "e")
        key = self._one(found.columns.get(kind, ["'m'"]))
        terms = [self.tested_rows(found, depth)] if self._rare(0.5) else []
        if self._rare(0.15):
            terms += self._tied(found, outside)
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        how = self._one(["", "", "DISTINCT ", f" GROUP BY {key}"])
        if how.startswith(" "):
            having = (
                f" HAVING {self.aggregate(found)} > {self._one('12')}" if self._rare(0.5) else ""
            )
            return f"SELECT {key} FROM {found.sql}{where}{how}{having}"
        return f"SELECT {how}{key} FROM {found.sql}{where}"

    # Values --------------------------------------------------------------------------------------

    def worked_out(self, outside: dict[str, list[str]] = OUTSIDE, depth: int = 0) -> str:
        """A scalar subquery."""
        found = self.source(depth, self._one([k for k in "es" if outside.get(k)] or ["e"]))
        terms = self._tied(found, outside)
        if self._rare(0.5):
            terms.append(self.tested_rows(found, depth))
        having = f" HAVING {self.aggregate(found)} > 1" if self._rare(0.08) else ""
        return (
            f"(SELECT {self.aggregate(found)} FROM {found.sql} WHERE {' AND '.join(terms)}{having})"
        )

    def joined_to(self) -> str:
        """A value of a table that is joined to the row, or whether there is one."""
        found = self.derived(0, self._one("ees"))
        terms = self._tied(found, OUTSIDE)
        if self._rare(0.2):
            terms.append(self.tested_rows(found, 1))
        kind = self._one(["LEFT JOIN", "LEFT JOIN", "LEFT JOIN", "INNER JOIN"])
        self.joins.append(f"{kind} {found.sql} ON {' AND '.join(terms)}")
        if self._rare(0.3):  # a chain
            more = self.derived(1, self._one("es"))
            terms = self._equal(found.columns, more.columns)
            terms += self._tied(more, OUTSIDE) if self._rare(0.5) else []
            self.joins.append(f"LEFT JOIN {more.sql} ON {' AND '.join(terms or ['1 = 1'])}")
            found = Source("", found.and_of(more))
        key = self._one([key for k in "es" for key in found.columns.get(k, ())])
        values = [f"COALESCE({v}, 0)" for v in found.columns.get("v", ())]
        return self._one([*values, *values, f"CASE WHEN {key} IS NULL THEN 1e0 ELSE 0e0 END",
                          f"IF({self.tested_rows(found, 1)}, 1e0, 0e0)"])  # fmt: skip

    def looked_for(self) -> str:
        """A value that is looked up in one way."""
        ways: list[Callable[[], str]] = [
            self.worked_out, self.joined_to, self.joined_to,
            lambda: f"IF({self.asked()}, 1e0, 0e0)", lambda: f"IF({self.in_list()}, 1e0, 0e0)",
        ]  # fmt: skip
        return self.random.choice(ways)()

    # Tables in place of others -------------------------------------------------------------------

    def accelerations(self) -> str:
        """A SELECT in place of accelerometer_trusted."""
        b = Source(
            "accelerometer_landing b",
            {"e": ['b."user"'], "f": ["b.userfolded"], "v": ["b.x", "b.y"]},
        )
        return self._in_place(b, 'b."user", b."timestamp", {x} AS x, b.y, b.z', "b.x")

    def distances(self) -> str:
        """A SELECT in place of step_trainer_trusted."""
        b = Source(
            "step_trainer_landing b", {"s": ["b.serialnumber"], "v": ["b.distancefromobject"]}
        )
        return self._in_place(b, "b.serialnumber, b.sensorreadingtime, {x} AS distancefromobject",
                              "b.distancefromobject")  # fmt: skip

    def _in_place(self, b: Source, given: str, value: str) -> str:
        found = b
        for _ in range(self.random.choice([0, 1, 1, 2])):
            found = self._joined(found, self._table(1))
        x = self._one([value, f"COALESCE({self._one(found.columns['v'])}, 0)",
                       self.worked_out(found.columns, 1),
                       f"CASE WHEN {self.tested_rows(found, 0)} THEN {value} ELSE 0e0 END"])  # fmt: skip
        where = f" WHERE {self.tested_rows(found, 0)}" if self._rare(0.5) else ""
        return f"(SELECT {given.format(x=x)} FROM {found.sql}{where})"

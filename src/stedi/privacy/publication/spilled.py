"""Rows in an engine's files, on the grids of their publication: more than memory has room for.

What is asked of all of them is counted by the engine, and comes here as counts: who has the rows,
how far out they lie, and what is left out. `search.Points` is the same for rows in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from sqlglot import exp

from stedi.arrays import Int64s
from stedi.declared.contract import Publication
from stedi.engines import Engine
from stedi.parquet import as_array, identifier
from stedi.privacy.publication.ends import EndOfColumn, Ends, ends_of, enough
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.mondrian import AXES, SIDES, TARGET
from stedi.privacy.publication.search import PEOPLE_AN_END, Crowds, Grids, shortcomings_of
from stedi.privacy.publication.suppression import OVER_CAP, SUPPRESSED
from stedi.sql.tree import parse

TARGET_NAME, BAND_NAME = "target", "band"
_ROWS, _PLACED = "_rows", "_placed"
_NUMBER, _BAND = "_number{}", "_band"
"""Columns that rows have beside their own; no declared column is called so."""


def axis_name(axis: int) -> str:
    """What the number on an axis is called in `Spilled.points`."""
    return f"axis{axis}"


def side_name(side: int) -> str:
    """What a side's person is called in `Spilled.points`."""
    return f"person{side}"


def fetch(engine: Engine, sql: str) -> list[dict[str, int]]:
    """The rows of a query whose values are whole numbers."""
    rows: list[dict[str, int]] = engine.fetch(parse(sql, "publication")).to_pylist()
    return rows


def columns(engine: Engine, sql: str) -> dict[str, Int64s]:
    """The columns of such a query."""
    rows: pa.Table = engine.fetch(parse(sql, "publication"))
    return {name: as_array(rows, name) for name in rows.column_names}


@dataclass(frozen=True)
class Spilled:
    """Rows that an engine knows as `table`, with their numbers on the grids beside them.

    `rows` is how many there are, `columns` those that the SELECT returned.
    """

    engine: Engine
    publication: Publication
    table: str
    columns: tuple[str, ...]
    rows: int

    @classmethod
    def of(cls, engine: Engine, table: str, query: exp.Query, publication: Publication) -> Spilled:
        """Write the rows of a query to files; the engine knows them as `table` from then on."""
        engine.spill(table, _numbered(query, Grids.of(publication)))
        [count] = fetch(engine, f"SELECT COUNT(*) AS n FROM {identifier(table)}")
        return cls(engine, publication, table, tuple(query.named_selects), count["n"])

    @cached_property
    def grids(self) -> Grids:
        """The grids that they are on."""
        return Grids.of(self.publication)

    def points(self, ends: Ends | None = None) -> str:
        """A query for the rows as whole numbers, drawn in to `ends` where they are given.

        Its columns are those of `mondrian`'s rows.
        """
        target = f"{self._value(TARGET, ends)} AS {TARGET_NAME}"
        axes = (
            f"{self._value(AXES + n, ends)} AS {axis_name(n)}" for n in range(len(self.grids.axes))
        )
        sides = (
            f"{self._person(side)} - {self._first_person} AS {side_name(side)}"
            for side in range(AXES - SIDES)
        )
        columns = [target, f"{_BAND} AS {BAND_NAME}", *sides, *axes]
        return f"SELECT {', '.join(columns)} FROM {identifier(self.table)}"

    @property
    def blanks(self) -> dict[str, int]:
        """How many rows lack a value, or a person, by column; only columns with such rows."""
        names = [*(c.column for c in self.publication.coarsened), *self.publication.people]
        counts = {name: self._figures[f"blank{n}"] for n, name in enumerate(names)}
        return {name: count for name, count in counts.items() if count}

    @property
    def no_numbers(self) -> dict[str, int]:
        """How many rows have NaN, by column; only columns with such rows."""
        counts = {grid.column: self._figures[f"nan{at}"] for at, grid in self.grids.placed}
        return {column: count for column, count in counts.items() if count}

    @property
    def beyond(self) -> dict[str, int]:
        """How many values lie beyond their grids, by column; only columns with such values."""
        counts = {grid.column: self._figures[f"beyond{at}"] for at, grid in self.grids.placed}
        return {column: count for column, count in counts.items() if count}

    @property
    def deviations(self) -> dict[str, float]:
        """The standard deviation of each column."""
        return {grid.column: self._figures[f"deviation{at}"] for at, grid in self.grids.placed}

    @cached_property
    def _figures(self) -> dict[str, int]:
        names = [*(c.column for c in self.publication.coarsened), *self.publication.people]
        wanted = [
            f"COUNT(*) - COUNT({identifier(name)}) AS blank{n}" for n, name in enumerate(names)
        ]
        for at, grid in self.grids.placed:
            number = _NUMBER.format(at)
            is_beyond = f"{number} < 0 OR {number} >= {grid.size}"
            deviation = f"STDDEV_POP(CAST({self._value(at)} AS DOUBLE)) * {_double(grid.step)}"
            wanted.append(f"COUNT(CASE WHEN {is_beyond} THEN 1 END) AS beyond{at}")
            wanted.append(f"{deviation} AS deviation{at}")
            is_nan = f"IS_NAN({identifier(grid.column)})"
            wanted.append(f"COUNT(CASE WHEN {is_nan} THEN 1 END) AS nan{at}")
        [found] = fetch(self.engine, f"SELECT {', '.join(wanted)} FROM {identifier(self.table)}")
        return found

    @cached_property
    def crowds(self) -> Crowds:
        """Who has the rows."""
        figures: Int64s = np.zeros((AXES - SIDES, len(self.grids.bands), 3), np.int64)
        most = 0
        for side, people in enumerate(self._people):
            for found in fetch(
                self.engine,
                f"SELECT band, CAST(SUM(n) AS BIGINT) AS n, COUNT(*) AS people, MAX(n) AS most "
                f"FROM {people} GROUP BY band",
            ):
                figures[side, found["band"]] = found["n"], found["people"], found["most"]
            [found] = fetch(
                self.engine,
                "SELECT CAST(MAX(n) AS BIGINT) AS most FROM "
                f"(SELECT SUM(n) AS n FROM {people} GROUP BY person) AS p",
            )
            most = max(most, found["most"] or 0)
        each = " UNION ".join(f"SELECT person FROM {people}" for people in self._people)
        [found] = fetch(self.engine, f"SELECT COUNT(*) AS n FROM ({each}) AS p")
        return Crowds(figures, found["n"], most)

    @cached_property
    def people_are_small(self) -> bool:
        """Whether the numbers of people in `points` are small ones, of 32 bits."""
        least, most = self._numbers_of_people
        return least >= 0 and most - least < 1 << 31

    @property
    def _first_person(self) -> int:
        """The least number of a person; negative ones as they are, which could be far apart."""
        return max(0, self._numbers_of_people[0])

    @cached_property
    def _numbers_of_people(self) -> tuple[int, int]:
        """The least and the greatest number of a person."""
        each = " UNION ALL ".join(f"SELECT person FROM {people}" for people in self._people)
        query = f"SELECT MIN(person) AS least, MAX(person) AS most FROM ({each}) AS p"
        [found] = fetch(self.engine, query)
        return found["least"], found["most"]

    def people(self) -> Int64s:
        """The numbers of all people, on either side, in order."""
        each = " UNION ".join(f"SELECT person FROM {people}" for people in self._people)
        query = f"SELECT person FROM ({each}) AS p ORDER BY person"
        return columns(self.engine, query)["person"]

    def people_in_all(self) -> list[tuple[int, int, int]]:
        """By side: how many people, the most rows of one, and ordered twos of rows of one."""
        found = [
            fetch(
                self.engine,
                "SELECT COUNT(*) AS people, CAST(MAX(n) AS BIGINT) AS most, "
                "CAST(SUM(n * (n - 1)) AS BIGINT) AS pairs FROM "
                f"(SELECT CAST(SUM(n) AS BIGINT) AS n FROM {people} GROUP BY person) AS p",
            )
            for people in self._people[: len(self.publication.people)]
        ]
        return [(row["people"], row["most"] or 0, row["pairs"] or 0) for [row] in found]

    def people_beyond(self, column: str, least: int, most: int) -> tuple[int, int]:
        """How many people have a row as far out as each end of a column, on the side with fewer.

        Ends are numbers of its grid, doubled.
        """
        [at] = [at for at, grid in self.grids.placed if grid.column == column]
        found = [
            fetch(
                self.engine,
                "SELECT COUNT(CASE WHEN least <= "
                f"{least} THEN 1 END) AS low, COUNT(CASE WHEN most >= {most} THEN 1 END) AS high "
                f"FROM (SELECT 2 * MIN(least{at}) AS least, 2 * MAX(most{at}) AS most "
                f"FROM {people} GROUP BY person) AS p",
            )
            for people in self._people
        ]
        return min(row["low"] for [row] in found), min(row["high"] for [row] in found)

    @cached_property
    def raw_deviations(self) -> dict[str, float]:
        """The standard deviation of each column's own values, beyond the grid or not."""
        names = [column.column for column in self.publication.coarsened]
        largest = ", ".join(
            f"GREATEST(MAX(ABS({identifier(name)})), {_double(1)}) AS c{n}"
            for n, name in enumerate(names)
        )
        [units] = fetch(self.engine, f"SELECT {largest} FROM {identifier(self.table)}")
        scaled = ", ".join(  # squares of large doubles are none
            f"STDDEV_POP({identifier(name)} / {_double(units[f'c{n}'])}) AS c{n}"
            for n, name in enumerate(names)
        )
        [found] = fetch(self.engine, f"SELECT {scaled} FROM {identifier(self.table)}")
        return {name: found[f"c{n}"] * units[f"c{n}"] for n, name in enumerate(names)}

    def shortcomings(self) -> Iterator[str]:
        """Why no partition at all is good, a sentence each."""
        return shortcomings_of(self.crowds, self.grids.target, self.publication)

    def ends(self) -> Ends:
        """Where the target and the axes end, as `ends.draw_in` finds it."""
        sides = [self._reaches(people) for people in self._people]
        columns = [*zip(*sides, strict=True)]
        if self.grids.target is None:
            nothing = EndOfColumn(0, 0, 0)
            columns.insert(0, ((nothing, nothing),) * len(sides))
        return ends_of(columns, self.publication.k, self.grids.bands)

    def _reaches(self, people: str) -> list[tuple[EndOfColumn, EndOfColumn]]:
        """The reaches of one side, by column."""
        [found] = fetch(
            self.engine,
            f"SELECT COUNT(*) AS n FROM (SELECT 1 AS n FROM {people} GROUP BY person) AS p",
        )
        count, queries = found["n"], []
        for number, (at, _) in enumerate(self.grids.placed):
            wanted = enough(count, self.publication.k, count if at == TARGET else PEOPLE_AN_END)
            for end, value in enumerate((f"MIN(least{at})", f"-MAX(most{at})")):
                queries.append(
                    f"""
                    SELECT {2 * number + end} AS place, MIN(v) AS outermost,
                      MIN(CASE WHEN upto >= {min(wanted, count)} THEN v END) AS enough,
                      MIN(CASE WHEN upto >= {min(2 * wanted, count)} THEN v END) AS twice
                    FROM (SELECT v, SUM(n) OVER (ORDER BY v) AS upto FROM (
                      SELECT v, COUNT(*) AS n
                      FROM (SELECT {value} AS v FROM {people} GROUP BY person) AS p
                      GROUP BY v) AS h) AS w"""
                )
        rows = {row["place"]: row for row in fetch(self.engine, " UNION ALL ".join(queries))}
        reaches = [
            EndOfColumn(*(int(rows[n][name]) for name in EndOfColumn._fields))
            for n in range(len(rows))
        ]
        return [*zip(reaches[::2], reaches[1::2], strict=True)]

    @cached_property
    def _people(self) -> Sequence[str]:
        """Tables of the people of each side: their rows by band, and how far out these lie."""
        names = []
        reach = ", ".join(
            f"MIN({self._value(at)}) AS least{at}, MAX({self._value(at)}) AS most{at}"
            for at, _ in self.grids.placed
        )
        for side, _ in enumerate(self.publication.people):
            name = f"{self.table}_people{side}"
            query = (
                f"SELECT {self._person(side)} AS person, {_BAND} AS band, COUNT(*) AS n, {reach} "
                f"FROM {identifier(self.table)} GROUP BY {self._person(side)}, {_BAND}"
            )
            self.engine.spill(name, parse(query, "publication"))
            names.append(identifier(name))
        return names * (AXES - SIDES) if len(names) == 1 else names

    def suppressed(self) -> tuple[Spilled, dict[str, int]]:
        """The rows without those that the contract lets be left out, and how many by reason.

        As `suppression.suppress` does it.
        """
        capped, noise = self, self.publication.noise
        cap = self.publication.rows_per_person if noise is None else noise.rows_per_person
        if cap is not None and self.crowds.most > cap:
            for side in range(AXES - SIDES):
                capped = capped._capped(side, cap)
        over_cap = self.rows - capped.rows
        reasons = {OVER_CAP: over_cap} if over_cap else {}
        may_go = int(self.publication.suppress * self.rows + 1e-9)
        if may_go and capped.rows and any(capped.shortcomings()):
            fewer = capped._good(self.rows - over_cap - may_go)
            if fewer is not None:
                reasons[SUPPRESSED] = capped.rows - fewer.rows
                return fewer, reasons
        return capped, reasons

    def _good(self, least: int) -> Spilled | None:
        """Fewer rows that are good for k; None where there would be fewer than `least`."""
        rows, k = self, self.publication.k
        is_changed = True
        while is_changed:
            is_changed = False
            for band in range(len(self.grids.bands)):
                for side in range(AXES - SIDES):
                    total, people, most = map(int, rows.crowds.figures[side, band])
                    if most * k <= total:
                        continue  # none, too, where there are no rows
                    is_changed = True
                    if people < k:
                        rows = rows._kept(f"WHERE {_BAND} <> {band}")
                    else:
                        rows = rows._thinned(band, side, most, (total - most) // (k - 1))
                    if rows.rows < least:
                        return None
        return rows

    def _capped(self, side: int, cap: int) -> Spilled:
        """At most so many rows of each person on a side."""
        person = self._person(side)
        ranked = (
            f"SELECT *, ROW_NUMBER() OVER (PARTITION BY {person} ORDER BY {self._order(side)}) "
            f"AS _rank, COUNT(*) OVER (PARTITION BY {person}) AS _of FROM {identifier(self.table)}"
        )
        return self._kept(f"WHERE _of <= {cap} OR MOD(_rank * {cap}, _of) < {cap}", ranked)

    def _thinned(self, band: int, side: int, most: int, wanted: int) -> Spilled:
        """So many rows, in a band and on a side, of the person who has the most there."""
        people, person = self._people[side], self._person(side)
        [found] = fetch(
            self.engine,
            f"SELECT MIN(person) AS person FROM {people} WHERE band = {band} AND n = {most}",
        )
        theirs = f"{_BAND} = {band} AND {person} = {found['person']}"
        ranked = (
            f"SELECT *, 0 AS _rank FROM {identifier(self.table)} WHERE NOT ({theirs}) UNION ALL "
            f"SELECT *, ROW_NUMBER() OVER (ORDER BY {self._order(side)}) AS _rank "
            f"FROM {identifier(self.table)} WHERE {theirs}"
        )
        return self._kept(f"WHERE MOD(_rank * {wanted}, {most}) < {wanted} OR _rank = 0", ranked)

    def _kept(self, condition: str, source: str | None = None) -> Spilled:
        numbers = [_NUMBER.format(at) for at, _ in self.grids.placed]
        columns = ", ".join([*map(identifier, self.columns), *numbers, _BAND])
        from_ = f"({source}) AS r" if source else identifier(self.table)
        stem, _, number = self.table.rpartition("_kept")
        table = f"{stem}_kept{int(number) + 1}" if stem else f"{self.table}_kept0"
        query = parse(f"SELECT {columns} FROM {from_} {condition}", "publication")
        self.engine.spill(table, query)
        [count] = fetch(self.engine, f"SELECT COUNT(*) AS n FROM {identifier(table)}")
        return replace(self, table=table, rows=count["n"])

    def _order(self, side: int) -> str:
        """The order of one person's rows."""
        on_grid = [self._value(at) for at, _ in self.grids.placed]
        measured = [identifier(column.column) for column in self.publication.coarsened]
        return ", ".join([*on_grid, self._person(1 - side), *measured])

    def _person(self, side: int) -> str:
        people = self.publication.people
        return identifier(people[min(side, len(people) - 1)])

    def _value(self, at: int, ends: Ends | None = None) -> str:
        """The number in a column of `mondrian`'s rows."""
        sizes = {at: grid.size for at, grid in self.grids.placed}
        if at not in sizes:
            return "0"
        least, most = 0, sizes[at] - 1
        if ends:
            least, most = ends.target if at == TARGET else map(int, ends.axes[at - AXES])
        return f"LEAST(GREATEST({_NUMBER.format(at)}, {least}), {most})"


def _numbered(query: exp.Query, grids: Grids) -> exp.Query:
    """A query's rows with their numbers on the grids, as `Grid.write_numbers` finds them."""
    own = ", ".join(map(identifier, query.named_selects))
    near = ", ".join(f"{_near(grid)} AS near{at}" for at, grid in grids.placed)
    numbers = ", ".join(f"{_number(at, grid)} AS {_NUMBER.format(at)}" for at, grid in grids.placed)
    band = "0"
    if grids.target is not None:
        begins = [*enumerate(grids.bands[1:, 0], start=1)]
        cases = "".join(
            f" WHEN {_NUMBER.format(TARGET)} >= {begin} THEN {number}"
            for number, begin in reversed(begins)
        )
        band = f"CASE{cases} ELSE 0 END" if cases else "0"
    tree = parse(
        f"""
        SELECT *, CAST({band} AS BIGINT) AS {_BAND} FROM (
          SELECT {own}, {numbers} FROM (SELECT *, {near} FROM {_ROWS}) AS n) AS b""",
        "publication",
    )
    assert isinstance(tree, exp.Select)
    return tree.with_(_ROWS, as_=query.copy())


def _near(grid: Grid) -> str:
    """The number that a value's position is rounded to, beyond the grid by a little at most."""
    value = f"({identifier(grid.column)} - {_double(grid.origin)}) / {_double(grid.step)}"
    least, most = grid.first - 2.0, grid.first + grid.size + 1.0
    clipped = f"LEAST(GREATEST({value}, {_double(least)}), {_double(most)})"
    return f"CAST(FLOOR({clipped} + {_double(0.5)}) AS DOUBLE)"


def _number(at: int, grid: Grid) -> str:
    """Half-way between two numbers rounding decides; an edge is told by comparison, always."""

    def edge(doubled: str) -> str:
        if grid.per_unit:
            return f"{_double(grid.origin)} + {doubled} / {_double(2.0 * grid.per_unit)}"
        return f"{_double(grid.origin)} + {doubled} * {_double(grid.step / 2)}"

    near, value = f"near{at}", identifier(grid.column)
    above = edge(f"({_double(2)} * {near} + {_double(1)})")
    below = edge(f"({_double(2)} * {near} - {_double(1)})")
    number = (
        f"CASE WHEN {value} >= {above} THEN {near} + {_double(1)} "
        f"WHEN {value} < {below} THEN {near} - {_double(1)} ELSE {near} END"
    )
    return f"CAST({number} AS BIGINT) - {grid.first}"


def _double(value: float) -> str:
    """A double, written so that every engine reads the same one."""
    text = repr(float(value))
    return f"({text})" if "e" in text else f"({text}E0)"

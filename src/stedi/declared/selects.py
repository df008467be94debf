"""What a derived table's SELECT shows: its inputs, why rows are dropped, what a join matches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp

from stedi.errors import DeclarationError
from stedi.sql.tree import DIALECT, parse, tables_read


class Select:
    """The SELECT of a derived table as a tree, and what a run asks beside it."""

    def __init__(self, sql: str, place: str) -> None:
        self.tree, self.place = parse(sql, place), place

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tables it reads, in alphabetical order."""
        return tuple(sorted({table.name for table in tables_read(self.tree)}))

    @cached_property
    def reasons(self) -> exp.Query | None:
        """Counts the dropped rows by reason; None where the SELECT drops none.

        A SELECT names its reasons in a CTE `judged`; one that just filters a table by a WHERE has
        one reason, "WHERE not met".
        """
        if self._is_judged:
            count = _select(
                "SELECT dropped, COUNT(*) AS rows_dropped FROM judged "
                "WHERE dropped IS NOT NULL GROUP BY dropped ORDER BY dropped"
            )
        elif self._just_filters:
            count = _select("SELECT 'WHERE not met' AS dropped, COUNT(*) AS rows_dropped")
            count.set("from_", self.tree.args["from_"].copy())
            met = exp.func("COALESCE", self.tree.args["where"].this.copy(), exp.false())
            count = count.where(exp.not_(met)).having("COUNT(*) > 0")
        else:
            return None
        return self._with_ctes(count)

    def _with_ctes(self, count: exp.Select) -> exp.Select:
        """A query about parts of the SELECT, with the CTEs that these may name."""
        if (with_ := self.tree.args.get("with_")) is not None:
            count.set("with_", with_.copy())
        return count

    @cached_property
    def pairing(self) -> exp.Query | None:
        """Counts the rows of the transform's one INNER JOIN by equal values, without joining.

        Returns `pairs` (rows of the join) and `crowd` (the most rows of the FROM table that share
        one value); None where the SELECT has no INNER JOIN of two tables.
        """
        paired = self._paired
        if paired is None:
            return None
        left, right, of_left, of_right = paired
        groups = (
            exp.select(
                *(key.copy().as_(f"key_{n}") for n, key in enumerate(of_left)), "COUNT(*) AS n"
            )
            .from_(left.copy())
            .group_by(*(key.copy() for key in of_left))
        )
        on = exp.and_(*(exp.EQ(this=key.copy(), expression=exp.column(f"key_{n}", "groups"))
                        for n, key in enumerate(of_right)))  # fmt: skip
        count = (
            exp.select("SUM(groups.n) AS pairs", "MAX(groups.n) AS crowd")
            .from_(right.copy())
            .join(groups.subquery("groups"), on=on)
        )
        return self._with_ctes(count)

    @cached_property
    def _paired(self) -> _Paired | None:
        """The two tables of its one INNER JOIN, and their columns that it sets equal."""
        select = self._judging_select
        joins = [join for join in select.args.get("joins") or () if join.side == ""]
        if not joins:
            return None
        left = select.args["from_"].this
        right, condition = joins[0].this, joins[0].args.get("on")
        keys = _equal_columns(condition, left, right)
        if len(joins) > 1 or not keys:
            raise DeclarationError(
                f"{self.place}: a SELECT that multiplies rows may have one INNER JOIN, of two "
                "tables, on equal columns; use LEFT JOIN for lookup tables"
            )
        of_left, of_right = zip(*keys, strict=True)
        return _Paired(left, right, of_left, of_right)

    @property
    def sources(self) -> tuple[str, ...]:
        """The FROM table, and the table of the INNER JOIN, if there is one."""
        paired = self._paired
        return (self.source.name, *((paired.right.name,) if paired else ()))

    @property
    def paired_columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that the INNER JOIN compares: of the FROM table, and of the other table."""
        if self._paired is None:
            return ()
        sides = zip(self._paired.of_left, self._paired.of_right, strict=True)
        return tuple((left.name, right.name) for left, right in sides)

    @cached_property
    def one_sided(self) -> exp.Query | None:
        """Counts the values that both sides of the join have, and those that only one side has.

        Returns how many both have; then values and rows of the FROM table alone, and of the other.
        """
        paired = self._paired
        if paired is None:
            return None
        left = _counted_by(paired.left, paired.of_left, "one")
        right = _counted_by(paired.right, paired.of_right, "other")
        on = exp.and_(
            *(
                exp.column(f"key_{n}", "one").eq(exp.column(f"key_{n}", "other"))
                for n in range(len(paired.of_left))
            )
        )
        count = (
            exp.select(
                "COUNT_IF(one.n IS NOT NULL AND other.n IS NOT NULL)",
                "COUNT_IF(other.n IS NULL)",
                "SUM(CASE WHEN other.n IS NULL THEN one.n END)",
                "COUNT_IF(one.n IS NULL)",
                "SUM(CASE WHEN one.n IS NULL THEN other.n END)",
            )
            .from_(left)
            .join(right, on=on, join_type="FULL")
        )
        return self._with_ctes(count)

    @property
    def sums_hold(self) -> bool:
        """Whether each row in is kept or dropped: not so where a SELECT groups or cuts."""
        return (
            isinstance(self.tree, exp.Select)
            and (self._is_judged or self._just_filters or not self.tree.args.get("where"))
            and not any(map(_groups_or_cuts, (self.tree, *self._select_chain)))
        )

    @property
    def _is_judged(self) -> bool:
        return any(cte.alias == "judged" for cte in self.tree.ctes)

    @property
    def _just_filters(self) -> bool:
        parts = ("joins", "group", "distinct", "limit", "having", "laterals")
        return bool(self.tree.args.get("where")) and not any(map(self.tree.args.get, parts))

    @property
    def source(self) -> exp.Table:
        """The FROM table whose rows are counted as `in`."""
        source: exp.Table = self._select_chain[-1].args["from_"].this
        return source

    @cached_property
    def _select_chain(self) -> list[exp.Select]:
        """The SELECTs from the one that looks at every row to the one that reads a table."""
        named = {cte.alias: cte.this for cte in self.tree.ctes}
        chain = [self._judging_select]
        while True:
            source = chain[-1].args["from_"].this if chain[-1].args.get("from_") else None
            if isinstance(source, exp.Subquery):
                chain.append(self._first_select(source))
            elif not isinstance(source, exp.Table):
                raise DeclarationError(f"{self.place}: a transform reads FROM a declared table")
            elif source.name in named:
                chain.append(self._first_select(named.pop(source.name)))
            else:
                return chain

    @property
    def _judging_select(self) -> exp.Select:
        """The SELECT that looks at every row: the CTE `judged`, or the statement itself."""
        for cte in self.tree.ctes:
            if cte.alias == "judged" and isinstance(cte.this, exp.Select):
                return cte.this
        return self._first_select(self.tree)

    @staticmethod
    def _first_select(query: Any) -> exp.Select:
        while not isinstance(query, exp.Select):
            query = query.this
        return query


class _Paired(NamedTuple):
    """Two tables, and their columns that a join sets equal."""

    left: exp.Expression
    right: exp.Expression
    of_left: tuple[exp.Column, ...]
    of_right: tuple[exp.Column, ...]


def _counted_by(table: exp.Expression, keys: Sequence[exp.Column], alias: str) -> exp.Subquery:
    """How many rows a table has for each value of its keys, blanks left out."""
    columns = (key.copy().as_(f"key_{n}") for n, key in enumerate(keys))
    given = (exp.not_(exp.Is(this=key.copy(), expression=exp.null())) for key in keys)
    groups = exp.select(*columns, "COUNT(*) AS n").from_(table.copy()).where(*given)
    return groups.group_by(*(key.copy() for key in keys)).subquery(alias)


def _groups_or_cuts(select: exp.Select) -> bool:
    return any(select.args.get(part) for part in ("group", "distinct", "limit", "having")) or any(
        aggregate.find_ancestor(exp.Window, exp.Subquery) is None
        for projection in select.selects
        for aggregate in projection.find_all(exp.AggFunc)
    )


def _select(sql: str) -> exp.Select:
    return sqlglot.parse_one(sql, dialect=DIALECT, into=exp.Select)


def _equal_columns(
    condition: exp.Expression | None, left: exp.Expression, right: exp.Expression
) -> list[tuple[exp.Column, exp.Column]]:
    """The columns (left, right) that a join compares; empty if it has any other condition."""
    pairs = []
    for term in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        if not isinstance(term, exp.EQ):
            return []
        sides = {
            side.table: side for side in (term.left, term.right) if isinstance(side, exp.Column)
        }
        if set(sides) != {left.alias_or_name, right.alias_or_name}:
            return []
        pairs.append((sides[left.alias_or_name], sides[right.alias_or_name]))
    return pairs

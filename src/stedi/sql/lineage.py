"""Where a column's values come from, and what else decides about them, from the SQL alone.

The words are OpenLineage's (column lineage facet 1-2-0). A source column reaches a column DIRECTly
by its value: IDENTITY, TRANSFORMATION, AGGREGATION. It influences a column INDIRECTly where it
decides which rows there are, in which order or group: JOIN, FILTER, GROUP_BY, SORT, WINDOW,
CONDITIONAL.

An influence can carry a value all the same: `CASE email WHEN 'a' THEN 1 ELSE 2 END` tells who it
was, and so does a count of the e-mails that come before one. Such an influence `tells`; one that
looks a row up by equal columns, or asks whether there is a value at all, doesn't.

Specification: https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from stedi.errors import DeclarationError
from stedi.sql.tree import DIALECT

Subtype = Literal[
    "IDENTITY", "TRANSFORMATION", "AGGREGATION",
    "JOIN", "FILTER", "GROUP_BY", "SORT", "WINDOW", "CONDITIONAL",
]  # fmt: skip
_DIRECT: tuple[Subtype, ...] = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
_PICKING = (exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead)
_SHOWN = 90


@dataclass(frozen=True)
class Reach:
    """A column of a table that reaches another column, and how.

    `tells` is set for an influence from which the value could be told. `path` names the steps from
    the column that is reached to this one.
    """

    table: str
    column: str
    subtype: Subtype
    tells: bool
    path: tuple[str, ...]

    @property
    def is_direct(self) -> bool:
        """Whether the value itself arrives."""
        return self.subtype in _DIRECT

    @property
    def carries_value(self) -> bool:
        """Whether the value arrives, or could be told."""
        return self.is_direct or self.tells

    def seen_through(self, outer: Reach) -> Reach:
        """The same, continued: what this column reaches, reaches further as `outer` says."""
        path = outer.path + self.path
        if not outer.is_direct:
            tells = outer.tells and self.carries_value
            return replace(self, subtype=outer.subtype, tells=tells, path=path)
        if not self.is_direct:
            return replace(self, path=path)
        stronger = max(outer.subtype, self.subtype, key=_DIRECT.index)
        return replace(self, subtype=stronger, path=path)


def column_lineage(resolved: exp.Query, place: str) -> dict[str, tuple[Reach, ...]]:
    """For each column that a resolved query returns, the columns that reach it, once a way.

    Raises `DeclarationError` for what can't be followed: a column that isn't declared, a table
    function, a pivot.
    """
    root = build_scope(resolved)
    if root is None:
        raise DeclarationError(f"{place}: expected one SELECT")
    return _Following(place, resolved).columns(root)


class _Following:
    """Follows the columns of one query through its scopes to its tables."""

    _REFUSED = (exp.Pivot, exp.MatchRecognize, exp.JSONTable, exp.Lambda, exp.TableSample)

    def __init__(self, place: str, tree: exp.Query) -> None:
        self.place = place
        for node in tree.find_all(*self._REFUSED):
            raise self._cannot(node)
        for table in tree.find_all(exp.Table):
            alias = table.args.get("alias")
            if not isinstance(table.this, exp.Identifier) or (alias and alias.columns):
                raise self._cannot(table)
        self._known: dict[tuple[int, str], tuple[Reach, ...]] = {}
        self._influences: dict[int, tuple[Reach, ...]] = {}
        self._open: set[tuple[int, str]] = set()

    def columns(self, scope: Scope) -> dict[str, tuple[Reach, ...]]:
        """What reaches each column of a scope."""
        return {name: self._column(scope, name) for name in self._query(scope).named_selects}

    def _cannot(self, node: exp.Expr) -> DeclarationError:
        text = " ".join(node.sql(DIALECT).split())[:_SHOWN]
        return DeclarationError(f"{self.place}: {text}: can't be followed to its table")

    # Columns of a scope --------------------------------------------------------------------------

    def _column(self, scope: Scope, name: str) -> tuple[Reach, ...]:
        key = (id(scope), name)
        if key in self._open:  # a recursive CTE, of whose other parts the same holds
            return ()
        if key not in self._known:
            self._open.add(key)
            try:
                reaches = [*self._values_of(scope, name), *self._scope_influences(scope)]
            finally:
                self._open.discard(key)
            self._known[key] = once(reaches)
        return self._known[key]

    def _values_of(self, scope: Scope, name: str) -> Iterator[Reach]:
        if isinstance(scope.expression, exp.SetOperation):
            yield from self._united(scope, name)
            return
        projection = self._projection(scope, name)
        reaches = list(self._values(projection, scope))
        if not any(reach.is_direct for reach in reaches):
            # A constant or a count tells by which rows there are of it.
            reaches += self._telling(scope)
        step = self._step(projection, scope, name)
        yield from (replace(reach, path=(step, *reach.path)) for reach in reaches)

    def _united(self, scope: Scope, name: str) -> Iterator[Reach]:
        position = self._query(scope).named_selects.index(name)
        parts = scope.set_operation_scopes
        spelled = set()
        for part in parts:
            inner = self._query(part).named_selects[position]
            yield from self._column(part, inner)
            if isinstance(part.expression, exp.Select):
                spelled.add(self._projection(part, inner).unalias().sql(DIALECT))
            else:
                spelled.add(f"{id(part)}")
        if len(spelled) > 1:  # which of them a row has tells which part it is from
            for part in parts:
                yield from self._telling(part)

    def _projection(self, scope: Scope, name: str) -> exp.Expr:
        projections = [p for p in self._query(scope).selects if p.alias_or_name == name]
        if len(projections) != 1 or projections[0].is_star:
            raise self._cannot(scope.expression)
        return projections[0]

    def _step(self, projection: exp.Expr, scope: Scope, name: str) -> str:
        parent = scope.expression.parent
        owner = f"{parent.alias}." if isinstance(parent, exp.CTE | exp.Subquery) else ""
        text = " ".join(projection.unalias().sql(DIALECT).split())
        return f"{owner}{name} = {text[:_SHOWN]} ({self.place})"

    # Values --------------------------------------------------------------------------------------

    def _values(self, node: exp.Expr, scope: Scope) -> Iterator[Reach]:
        """What reaches the value of an expression."""
        if isinstance(node, exp.Column):
            yield from self._source_column(node, scope)
        elif isinstance(node, exp.Alias | exp.Paren):
            yield from self._values(node.this, scope)
        elif isinstance(node, exp.Window):
            yield from self._window(node, scope)
        elif isinstance(node, exp.Case | exp.If):
            yield from self._case(node, scope)
        elif isinstance(node, exp.Nullif):
            yield from self._values(node.this, scope)
            yield from self._used(node.expression, scope, "CONDITIONAL", tells=True)
        elif isinstance(node, exp.Filter):
            yield from self._values(node.this, scope)
            yield from self._condition(node.expression.this, scope)
        elif isinstance(node, exp.ArgMax | exp.ArgMin):
            yield from self._as(self._values(node.this, scope), "AGGREGATION")
            yield from self._used(node.expression, scope, "SORT")
        elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            yield from self._used(node.this, scope, "CONDITIONAL")
        elif isinstance(node, exp.Exists | exp.In) and _subquery_of(node) is not None:
            yield from self._subquery_condition(node, scope)
        elif isinstance(node, exp.Query):
            yield from self._scalar(node, scope)
        elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise self._cannot(node)
        else:
            subtype: Subtype = "AGGREGATION" if isinstance(node, exp.AggFunc) else "TRANSFORMATION"
            for child in node.iter_expressions():
                yield from self._as(self._values(child, scope), subtype)

    def _source_column(self, column: exp.Column, scope: Scope) -> Iterator[Reach]:
        source = self._source(column, scope)
        if not column.table and column.name in self._query(scope).named_selects:
            # A term of ORDER BY that names a column of its SELECT.
            yield from self._values(self._projection(scope, column.name), scope)
        elif isinstance(source, exp.Table):
            yield Reach(source.name, column.name, "IDENTITY", False, ())
        elif isinstance(source, Scope):
            if isinstance(source.expression, exp.Query):
                yield from self._column(source, column.name)
            else:  # UNNEST, VALUES: all that stands in it
                for child in source.expression.iter_expressions():
                    if not isinstance(child, exp.TableAlias):
                        yield from self._as(self._values(child, source), "TRANSFORMATION")
        else:
            raise self._cannot(column)

    def _source(self, column: exp.Column, scope: Scope) -> exp.Expr | Scope | None:
        around: Scope | None = scope
        while around is not None:
            if column.table in around.sources:
                source = around.sources[column.table]
                if source is not scope:
                    return source
            around = around.parent
        return None

    def _case(self, node: exp.Case | exp.If, scope: Scope) -> Iterator[Reach]:
        branches = [node] if isinstance(node, exp.If) else node.args["ifs"]
        for branch in branches:
            yield from self._condition(branch.this, scope)
            yield from self._transformed(branch.args.get("true"), scope)
        if isinstance(node, exp.If):
            yield from self._transformed(node.args.get("false"), scope)
        else:
            if node.this is not None:
                yield from self._used(node.this, scope, "CONDITIONAL", tells=True)
            yield from self._transformed(node.args.get("default"), scope)

    def _transformed(self, node: exp.Expr | None, scope: Scope) -> Iterator[Reach]:
        if node is not None:
            yield from self._as(self._values(node, scope), "TRANSFORMATION")

    def _condition(self, node: exp.Expr, scope: Scope) -> Iterator[Reach]:
        """What decides between values: all but the question whether there is one tells."""
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            yield from self._used(node.this, scope, "CONDITIONAL")
        elif isinstance(node, exp.And | exp.Or | exp.Not | exp.Paren):
            for child in node.iter_expressions():
                yield from self._condition(child, scope)
        else:
            yield from self._used(node, scope, "CONDITIONAL", tells=True)

    def _window(self, node: exp.Window, scope: Scope) -> Iterator[Reach]:
        function = node.this
        values = list(self._values(function, scope))
        yield from self._as(values, "AGGREGATION")
        named = tuple(self._named_windows(node, scope))
        while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
            function = function.this
        picks = isinstance(function, _PICKING)
        for window in (node, *named):
            for key in window.args.get("partition_by") or ():
                yield from self._used(key, scope, "WINDOW")
            order = window.args.get("order")
            if order is not None:  # a rank or a running sum tells the order
                yield from self._used(order, scope, "WINDOW", tells=not picks)

    def _named_windows(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        """The windows by whose names a window is defined."""
        name = node.args.get("alias")
        if name is None:
            return
        for window in scope.expression.args.get("windows") or ():
            if window.name == name.name and window is not node:
                yield window
                yield from self._named_windows(window, scope)
                return
        raise self._cannot(node)

    def _query(self, scope: Scope) -> exp.Query:
        if not isinstance(scope.expression, exp.Query):  # VALUES where a SELECT is wanted
            raise self._cannot(scope.expression)
        return scope.expression

    def _scalar(self, node: exp.Query, scope: Scope) -> Iterator[Reach]:
        inner = self._inner(node, scope)
        for name in self._query(inner).named_selects:
            yield from self._column(inner, name)

    def _subquery_condition(self, node: exp.Expr, scope: Scope) -> Iterator[Reach]:
        """Whether a row is found in a subquery, as a value."""
        for child in node.iter_expressions():
            if not isinstance(child, exp.Query):
                yield from self._used(child, scope, "CONDITIONAL", tells=True)
        inner = self._inner(_subquery_of(node), scope)
        for reach in self._all_of(inner):
            yield replace(reach, subtype="CONDITIONAL", tells=reach.carries_value)

    def _inner(self, node: exp.Expr | None, scope: Scope) -> Scope:
        wanted = node.unnest() if node is not None else None
        around: Scope | None = scope
        while around is not None:
            for inner in around.subquery_scopes:
                if inner.expression is wanted or inner.expression is node:
                    return inner
            around = around.parent
        raise self._cannot(node or scope.expression)

    # Influences ----------------------------------------------------------------------------------

    def _used(
        self, node: exp.Expr, scope: Scope, subtype: Subtype, *, tells: bool = False
    ) -> Iterator[Reach]:
        """What reaches an expression whose value only decides."""
        if subtype in ("FILTER", "JOIN"):
            for query in node.find_all(exp.Query):
                if query.find_ancestor(exp.Query) is scope.expression:
                    for reach in self._all_of(self._inner(query, scope)):
                        yield replace(reach, subtype=subtype, tells=False)
        outer = Reach("", "", subtype, tells, ())
        for reach in self._values(node, scope):
            yield reach.seen_through(outer)

    def _all_of(self, scope: Scope) -> Iterator[Reach]:
        for name in self._query(scope).named_selects:
            yield from self._column(scope, name)
        yield from self._scope_influences(scope)

    def _scope_influences(self, scope: Scope) -> tuple[Reach, ...]:
        """What decides which rows a scope has."""
        key = id(scope)
        if key not in self._influences:
            self._influences[key] = ()  # of a recursive CTE
            self._influences[key] = once(self._find_influences(scope))
        return self._influences[key]

    def _find_influences(self, scope: Scope) -> Iterator[Reach]:
        for part in scope.set_operation_scopes:
            yield from self._scope_influences(part)
            if isinstance(
                scope.expression, exp.Except | exp.Intersect
            ) or scope.expression.args.get("distinct"):
                for reach in self._all_of(part):
                    yield replace(reach, subtype="FILTER", tells=False)
        for subtype, node in self._clauses(scope):
            yield from self._used(node, scope, subtype)
        for source in scope.sources.values():
            if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
                yield from self._scope_influences(source)

    def _clauses(self, scope: Scope) -> Iterator[tuple[Subtype, exp.Expr]]:
        tree = scope.expression
        kinds: tuple[tuple[str, Subtype], ...] = (
            ("where", "FILTER"), ("having", "FILTER"), ("qualify", "FILTER"),
            ("group", "GROUP_BY"), ("order", "SORT"),
        )  # fmt: skip
        for name, subtype in kinds:
            node = tree.args.get(name)
            if isinstance(tree, exp.SetOperation) and name == "order":
                continue  # by columns of its own, which reach it anyhow
            if node is not None:
                yield subtype, node
        for join in tree.args.get("joins") or ():
            if join.args.get("using"):
                raise self._cannot(join)
            if join.args.get("on") is not None:
                yield "JOIN", join.args["on"]
        if isinstance(tree, exp.Select) and tree.args.get("distinct"):
            for projection in tree.selects:
                yield "GROUP_BY", projection

    def _telling(self, scope: Scope) -> Iterator[Reach]:
        """Conditions on rows that tell more than a lookup table, to a value that counts rows."""
        for subtype, node in self._clauses(scope):
            if subtype in ("FILTER", "JOIN"):
                for condition in _more_than_lookups(node):
                    yield from self._used(condition, scope, "CONDITIONAL", tells=True)
        for source in scope.sources.values():
            if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
                yield from self._telling(source)

    @staticmethod
    def _as(reaches: Iterable[Reach], subtype: Subtype) -> Iterator[Reach]:
        outer = Reach("", "", subtype, False, ())
        return (reach.seen_through(outer) for reach in reaches)


_COMBINING = (exp.Where, exp.Having, exp.Qualify, exp.Paren, exp.And, exp.Or, exp.Not)


def _more_than_lookups(node: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of a condition that are neither equal columns nor the question for a value."""
    if isinstance(node, _COMBINING):
        for child in node.iter_expressions():
            yield from _more_than_lookups(child)
    elif not _is_lookup(node):
        yield node


def _is_lookup(node: exp.Expr) -> bool:
    if isinstance(node, exp.EQ | exp.NullSafeEQ):
        return isinstance(node.left, exp.Column) and isinstance(node.right, exp.Column)
    if isinstance(node, exp.Is):
        return isinstance(node.expression, exp.Null)
    return isinstance(node, exp.Exists | exp.In) and _subquery_of(node) is not None


def _subquery_of(node: exp.Expr) -> exp.Expr | None:
    query = node.args.get("query") if isinstance(node, exp.In) else node.this
    return query if isinstance(query, exp.Query) else None


def once(reaches: Iterable[Reach]) -> tuple[Reach, ...]:
    """Each way in which a column reaches another once, by the shortest path."""
    shortest: dict[tuple[str, str, str, bool], Reach] = {}
    for reach in reaches:
        key = (reach.table, reach.column, reach.subtype, reach.tells)
        if key not in shortest or len(reach.path) < len(shortest[key].path):
            shortest[key] = reach
    return tuple(shortest.values())

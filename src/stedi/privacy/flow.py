"""Which columns' values reach a column of a SELECT.

A value reaches a column through projections, expressions and aggregates, in CTEs, subqueries and
set operations. What only decides (WHERE, ON, the conditions of CASE, the order of a window)
influences without reaching.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from stedi.contracts import Column
from stedi.errors import DeclarationError
from stedi.transforms import resolve

Origin = tuple[str, str]
"""A table and one of its columns."""


def origins(
    tree: exp.Query, schemas: Mapping[str, tuple[Column, ...]], place: str
) -> dict[str, frozenset[Origin]]:
    """For each column that a query gives, the table columns whose values reach it.

    Raises `DeclarationError` where a column can't be followed to its tables.
    """
    root = build_scope(resolve(tree, schemas, place))
    if root is None:
        raise DeclarationError(f"{place}: expected one SELECT")
    return {name: frozenset(_reaching(root, name, place)) for name in _query(root).named_selects}


def _reaching(scope: Scope, name: str, place: str) -> Iterator[Origin]:
    if scope.set_operation_scopes:
        position = _query(scope).named_selects.index(name)
        for part in scope.set_operation_scopes:
            yield from _reaching(part, _query(part).named_selects[position], place)
        return
    projection = next((p for p in _query(scope).selects if p.alias_or_name == name), None)
    if projection is None:
        raise DeclarationError(f"{place}: column {name} can't be followed to its table")
    yield from _values(projection, scope, place)


def _values(node: exp.Expr, scope: Scope, place: str) -> Iterator[Origin]:
    if isinstance(node, exp.Column):
        yield from _column(node, scope, place)
    elif isinstance(node, exp.Window):
        yield from _values(node.this, scope, place)
    elif isinstance(node, exp.If):
        for branch in (node.args.get("true"), node.args.get("false")):
            if branch is not None:
                yield from _values(branch, scope, place)
    elif isinstance(node, exp.Case):
        for branch in (*node.args["ifs"], node.args.get("default")):
            if branch is not None:
                yield from _values(branch, scope, place)
    elif isinstance(node, exp.Query):
        inner = next((s for s in scope.subquery_scopes if s.expression is node.unnest()), None)
        if inner is None:
            raise DeclarationError(f"{place}: a subquery can't be followed: {node.sql()[:80]}")
        for name in _query(inner).named_selects:
            yield from _reaching(inner, name, place)
    else:
        for child in node.iter_expressions():
            yield from _values(child, scope, place)


def _column(column: exp.Column, scope: Scope, place: str) -> Iterator[Origin]:
    source = scope.sources.get(column.table)
    if isinstance(source, exp.Table):
        yield source.name, column.name
    elif isinstance(source, Scope):
        yield from _reaching(source, column.name, place)
    else:
        raise DeclarationError(f"{place}: column {column.sql()} can't be followed to its table")


def _query(scope: Scope) -> exp.Query:
    assert isinstance(scope.expression, exp.Query)
    return scope.expression

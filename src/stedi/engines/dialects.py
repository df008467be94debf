"""Athena's SQL in the words of each engine, where sqlglot's translation alone means another thing.

A query means what it means in Athena (Trino). What an engine does differently is rewritten in the
tree before it is translated; tests/engines/test_dialects.py holds the engines to the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

_WHOLE = exp.DataType.INTEGER_TYPES
_REAL = exp.DataType.REAL_TYPES - {exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL}
_TEXT = exp.DataType.TEXT_TYPES

_REWRITTEN = (exp.Filter, exp.Div, exp.Cast, exp.Sum, exp.Avg, exp.Round, exp.Floor, exp.Ceil,
              exp.Greatest, exp.Least)  # fmt: skip


def for_duckdb(query: exp.Query) -> str:
    """The query, resolved and typed, in DuckDB's SQL."""
    return _rewritten(query, _for_duckdb).sql("duckdb")


def for_spark(query: exp.Query, small: Container[str] = ()) -> str:
    """The query, resolved and typed, in Spark's SQL (ANSI mode, time zone UTC).

    What is made from nothing but `small` tables is broadcast where it is joined.
    """
    tree = _rewritten(query, _for_spark)
    return _broadcasting(tree.copy(), small).sql("spark")


def _broadcasting(tree: exp.Query, small: Container[str]) -> exp.Query:
    for scope in traverse_scope(tree):
        select = scope.expression
        if not isinstance(select, exp.Select) or not select.args.get("joins"):
            continue
        names = [
            name
            for name, (_, source) in scope.selected_sources.items()
            if all(table in small for table in _tables_below(source))
        ]
        if names:
            columns = [exp.to_identifier(name) for name in names]
            hint = exp.Anonymous(this="BROADCAST", expressions=columns)
            select.set("hint", exp.Hint(expressions=[hint]))
    return tree


def _tables_below(source: exp.Expr | Scope) -> Iterator[str]:
    if isinstance(source, exp.Table):
        yield source.name
    elif isinstance(source, Scope):
        for scope in source.traverse():
            for one in scope.sources.values():
                yield from _tables_below(one)


def _rewritten(query: exp.Query, rewrite: Callable[[exp.Expr], exp.Expr | None]) -> exp.Query:
    if not any(isinstance(node, _REWRITTEN) for node in query.walk()):
        return query
    tree = query.copy()
    for node in reversed(list(tree.walk())):  # what is inside first
        if isinstance(node.parent, exp.Filter) and node.arg_key == "this":
            continue  # it is rewritten with its FILTER
        replacement = rewrite(node)
        if replacement is not None:
            replacement.type = node.type
            node.replace(replacement)
    return tree


def _for_duckdb(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Div) and _is_whole_division(node):
        return _made("duckdb", "(:a // :b)", a=node.left, b=node.right)
    if isinstance(node, exp.Cast) and node.is_type(*_WHOLE):
        if node.this.is_type(*_REAL):  # DuckDB would round halves to even
            return _like(node, _made("duckdb", "ROUND(:a)", a=node.this))
        if node.this.is_type(*_TEXT):  # DuckDB would take '1.5' and '1e3'
            wrong = "NULL" if isinstance(node, exp.TryCast) else "ERROR('not a whole number')"
            whole = "CASE WHEN REGEXP_FULL_MATCH(:a, '[+-]?[0-9]+') THEN :a"
            text = _made("duckdb", f"{whole} WHEN :a IS NOT NULL THEN {wrong} END", a=node.this)
            return _like(node, text)
    if rounded := _rounded(node, "duckdb"):
        return rounded
    if not isinstance(node.parent, exp.Window | exp.Filter):
        summed = node
        while isinstance(summed, exp.Window | exp.Filter):
            summed = summed.this
        if isinstance(summed, exp.Sum) and summed.this.is_type(*_WHOLE):  # DuckDB: a HUGEINT
            return exp.cast(node.copy(), "BIGINT", dialect="duckdb")
    return None


def _for_spark(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Div):
        if _is_whole_division(node):
            return _made("spark", "(:a DIV :b)", a=node.left, b=node.right)
        if node.left.is_type(*_REAL) or node.right.is_type(*_REAL):  # Spark would fail for zero
            division = "CASE WHEN :b = 0 THEN :a * POWER(:b, -1) ELSE :a / :b END"
            return _made("spark", division, a=node.left, b=node.right)
    if isinstance(node, exp.Cast) and node.is_type(*_WHOLE):
        if node.this.is_type(*_REAL):  # Spark would cut
            return _like(node, _made("spark", "ROUND(:a)", a=node.this))
        if node.this.is_type(*_TEXT):  # Spark would take ' 12 '
            wrong = "NULL" if isinstance(node, exp.TryCast) else "RAISE_ERROR('not a whole number')"
            whole = r"CASE WHEN :a RLIKE '^[+-]?[0-9]+\\z' THEN :a"
            text = _made("spark", f"{whole} WHEN :a IS NOT NULL THEN {wrong} END", a=node.this)
            return _like(node, text)
    if rounded := _rounded(node, "spark"):
        return rounded
    if isinstance(node, exp.Floor | exp.Ceil) and node.this.is_type(*_REAL):
        # Spark would give a bigint. From 2^52 on, every double is whole.
        cut = "CASE WHEN ABS(:a) >= 4503599627370496 THEN :a ELSE CAST(:cut AS DOUBLE) END"
        return _made("spark", cut, a=node.this, cut=node)
    if isinstance(node, exp.Greatest | exp.Least):  # Spark would leave nulls out
        given = [node.this, *node.expressions]
        blank = exp.or_(*(exp.Is(this=one.copy(), expression=exp.null()) for one in given))
        return exp.Case(ifs=[exp.If(this=blank, true=exp.null())], default=node.copy())
    averaged = node.this if isinstance(node, exp.Filter) else node
    if (
        isinstance(averaged, exp.Avg)
        and averaged.this.is_type(*_WHOLE)
        and not isinstance(node.parent, exp.Window)
        and not isinstance(averaged.this, exp.Distinct)
    ):  # Spark would sum up doubles
        only = " FILTER (WHERE :c)" if isinstance(node, exp.Filter) else ""
        total = f"CAST(SUM(CAST(:a AS DECIMAL(38, 0))){only} AS DOUBLE)"
        mean = f"({total} / NULLIF(COUNT(:a){only}, 0))"
        parts = {"c": node.expression.this} if isinstance(node, exp.Filter) else {}
        return _made("spark", mean, a=averaged.this, **parts)
    return None


def _rounded(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """A double rounded to digits as Trino does it: engines would round what stands for it."""
    if not (isinstance(node, exp.Round) and node.args.get("decimals")):
        return None
    if not node.this.is_type(*_REAL):
        return None
    digits = "ROUND(:a * POWER(10, :n)) / POWER(10, :n)"
    rounded = f"CASE WHEN ABS(:a * POWER(10, :n)) < 1e308 THEN {digits} ELSE :a END"
    return _made(dialect, rounded, a=node.this, n=node.args["decimals"])


def _is_whole_division(node: exp.Div) -> bool:
    return node.left.is_type(*_WHOLE) and node.right.is_type(*_WHOLE)


def _like(cast: exp.Cast, value: exp.Expr) -> exp.Expr:
    copy = cast.copy()
    copy.set("this", value)
    return copy


def _made(dialect: str, template: str, **parts: exp.Expr) -> exp.Expr:
    """An expression in an engine's own words, with `:name` standing for its parts."""
    tree = sqlglot.parse_one(template, dialect=dialect)
    return exp.replace_placeholders(tree, **{name: part.copy() for name, part in parts.items()})

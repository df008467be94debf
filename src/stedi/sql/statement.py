"""Statements that people ask: one that does nothing but read declared tables."""

from __future__ import annotations

import logging
from difflib import get_close_matches

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from stedi.errors import QueryError
from stedi.sql.tree import DIALECT

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings are about statements we refuse


def read_only(sql: str, declared: set[str]) -> exp.Query:
    """The tree of a statement that does nothing but read `declared` tables.

    Raises `QueryError`, with the place where the statement can't be read.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect=DIALECT) if tree is not None]
    except ParseError as error:
        raise QueryError(_syntax(sql, error)) from None
    except SqlglotError:  # its message shows what stands there
        raise QueryError(
            "the statement can't be read: is a quote or a comment without its end?"
        ) from None
    if len(trees) != 1:
        raise QueryError(f"one statement at a time, not {len(trees)}")
    tree = trees[0]
    if not isinstance(tree, exp.Query):
        raise QueryError(f"only SELECT can be run here, not {sql.split()[0].upper()[:20]}")
    for forbidden in (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Pragma, exp.Set, exp.Describe):
        node = next((n for n in tree.find_all(forbidden) if not isinstance(n, exp.Query)), None)
        if node is not None:
            raise QueryError(f"only SELECT can be run here, not {node.key.upper()}")
    _only_declared(tree, declared)
    return tree


def _only_declared(tree: exp.Query, declared: set[str]) -> None:
    for lateral in tree.find_all(exp.Lateral):
        if not isinstance(lateral.this, exp.Subquery | exp.Unnest):
            raise QueryError(f"table functions can't be called: {lateral.sql(DIALECT)[:60]}")
    cte_ids = {id(table) for table in _references_to_ctes(tree)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise QueryError(f"table functions can't be called: {table.sql(DIALECT)[:60]}")
        if table.db or table.catalog:
            raise QueryError(f"{table.sql(DIALECT)[:60]}: tables are named without a schema")
        if id(table) in cte_ids:
            continue
        table.this.set("this", table.name.lower())
        if table.name not in declared:
            near = get_close_matches(table.name, sorted(declared), n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(declared))}"
            )
            raise QueryError(f"there is no table {table.name[:60]}; {hint}")


def _references_to_ctes(tree: exp.Query) -> list[exp.Table]:
    """The table nodes that name a CTE in whose reach they stand."""
    references = []
    for scope in traverse_scope(tree):
        names = {name.lower() for name in scope.cte_sources}
        references += [t for t in scope.tables if t.name.lower() in names and not t.db]
    return references


def _syntax(sql: str, error: ParseError) -> str:
    if not error.errors:
        return f"the statement can't be read: {error}"
    detail = error.errors[0]
    number, column = int(detail.get("line") or 1), int(detail.get("col") or 1)
    lines = sql.splitlines() or [""]
    line = lines[min(number, len(lines)) - 1]
    description = str(detail.get("description", "syntax error")).rstrip(".")
    if "<" in description:  # sqlglot's own objects
        description = "the statement is not complete here, or not as it should be"
    begin = column - len(str(detail.get("highlight") or " "))
    return f"line {number}, column {begin + 1}: {description}\n  {line}\n  {' ' * max(begin, 0)}^"

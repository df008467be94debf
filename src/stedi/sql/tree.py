"""Statements in Athena's SQL as trees: parsed, with every column tied to its table, and typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.resolver import Resolver
from sqlglot.optimizer.scope import Scope, find_all_in_scope, traverse_scope
from sqlglot.schema import ensure_schema

from stedi.columns import TYPES, Schemas
from stedi.errors import DeclarationError

DIALECT = "athena"
WHOLE, TEXT = exp.DataType.INTEGER_TYPES, exp.DataType.TEXT_TYPES
DECIMAL = {exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL}
REAL = exp.DataType.REAL_TYPES - DECIMAL

_AFTER_PARENS = ("order", "limit", "offset")
_TOKEN = re.compile(r"<Token [^>]*?text: (.*?), line: [^>]*>")
"""How sqlglot names a word of a statement in some of its errors."""


def parse(sql: str, place: str) -> exp.Query:
    """One SELECT (or set operation) in Athena's SQL as a tree; `DeclarationError` otherwise."""
    try:
        with not_too_deep(place):
            trees = [tree for tree in sqlglot.parse(sql, dialect=DIALECT) if tree is not None]
    except TokenError:  # its message shows what stands there
        raise DeclarationError(
            f"{place}: it can't be read: a quote or a comment has no end"
        ) from None
    except ParseError as error:
        detail = error.errors[0] if error.errors else {}
        where = f"line {detail.get('line')}, column {detail.get('col')}" if detail else "somewhere"
        description = _TOKEN.sub(r"\1", str(detail.get("description", error)))
        raise DeclarationError(f"{place}: {where}: {description}") from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise DeclarationError(f"{place}: expected one SELECT")
    for table in trees[0].find_all(exp.Table):
        if table.args.get("db"):  # an engine would read the table where a WITH has the same name
            raise DeclarationError(
                f"{place}: {table.sql(DIALECT)[:60]}: name tables without a database"
            )
    for outer in trees[0].find_all(exp.Subquery):
        lost = [outer.args[part] for part in _AFTER_PARENS if outer.args.get(part)]
        if lost and isinstance(outer.this, exp.Subquery):  # sqlglot drops it with the parentheses
            raise DeclarationError(
                f"{place}: {lost[0].sql(DIALECT)[:60]}: write it inside the parentheses"
            )
    return trees[0]


@contextmanager
def not_too_deep(place: str) -> Iterator[None]:
    """Raise `DeclarationError` where SQL nests deeper than Python calls functions."""
    try:
        yield
    except RecursionError:
        raise DeclarationError(
            f"{place}: a SELECT nests too deep to be read; WITH takes parts of it out"
        ) from None


def without_parens(node: exp.Expr) -> exp.Expr:
    """What is in the parentheses; a SELECT's own stay, which can have an ORDER BY and a LIMIT."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def tables_read(tree: exp.Query) -> list[exp.Table]:
    """The tables of a statement that are not its own CTEs, scope by scope."""
    return [
        source
        for scope in traverse_scope(tree)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    ]


def resolve(
    tree: exp.Query, schemas: Schemas, place: str, others: Types | None = None
) -> exp.Query:
    """The tree with stars expanded and every column tied to its table.

    Raises `DeclarationError` where a column can't be tied to exactly one declared table.
    """
    try:
        resolved = qualify(
            tree.copy(),
            dialect=DIALECT,
            schema=_sql_schema(tree, schemas, others),
            quote_identifiers=False,
            validate_qualify_columns=True,
        )
    except OptimizeError as error:
        message = str(error).replace("Column '", "column '")
        raise DeclarationError(f"{place}: {message}") from None
    unresolved = [c for scope in traverse_scope(resolved) for c in _untied(scope)]
    if unresolved:
        raise DeclarationError(f"{place}: column {unresolved[0].sql(DIALECT)} can't be resolved")
    return resolved


def resolved_without_own_names(
    tree: exp.Query, schemas: Schemas, others: Types | None = None
) -> exp.Query:
    """The tree resolved, where names that a SELECT gives its own columns are tied to no table."""
    schema = ensure_schema(_sql_schema(tree, schemas, others), dialect=DIALECT)
    resolved = qualify(
        tree.copy(),
        dialect=DIALECT,
        schema=schema,
        quote_identifiers=False,
        validate_qualify_columns=False,
        expand_alias_refs=False,
    )
    for scope in traverse_scope(resolved):
        having, resolver = scope.expression.args.get("having"), Resolver(scope, schema)
        for column in find_all_in_scope(having, exp.Column) if having else ():
            if not column.table and (table := resolver.get_table(column)):
                column.set("table", table)  # which it does along with names otherwise
    return resolved


Types = Mapping[str, Mapping[str, str]]
"""Types of columns by table, in Trino's words."""


def typed(tree: exp.Query, schemas: Schemas, place: str, others: Types | None = None) -> exp.Query:
    """The tree resolved, with types, without which 7 / 2 is not the same in every dialect.

    `others` are tables beside the declared ones.
    """
    resolved = resolve(tree, schemas, place, others)
    return annotate_types(resolved, schema=_sql_schema(tree, schemas, others), dialect=DIALECT)


def _sql_schema(tree: exp.Query, schemas: Schemas, others: Types | None) -> dict[str, object]:
    """The columns of the tables that a tree names: sqlglot goes through all that it is given."""
    named = {table.name.lower() for table in tree.find_all(exp.Table)}
    declared = {
        table: {column.name: TYPES[column.type].trino for column in columns}
        for table, columns in schemas.items()
        if table in named
    }
    return {**declared, **{table: dict(types) for table, types in (others or {}).items()}}


def _untied(scope: Scope) -> Iterable[exp.Column]:
    """Columns without a table; what a UNION is sorted by has none."""
    query = scope.expression
    named = set(query.named_selects) if isinstance(query, exp.SetOperation) else set[str]()
    return (c for c in scope.unqualified_columns if not c.table and c.name not in named)

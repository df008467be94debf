"""Statements that people ask: one that does nothing but read declared tables."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from stedi.errors import QueryError
from stedi.sql.tree import DIALECT

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings are about statements we refuse


LISTINGS = ("information_schema.tables", "information_schema.columns")
_OF_TABLES = ("snapshots", "files")


@dataclass(frozen=True)
class Names:
    """How tables may be called: bare, or with their `database` and Athena's catalog before them."""

    database: str

    def known(self, name: str, declared: set[str]) -> str:
        """The declared table that a name in a statement means; raises `QueryError`."""
        *before, table = (part.strip('`"').lower() for part in name.split("."))
        if before and before[-1] != self.database:
            raise QueryError(f"there is no database {before[-1][:60]}; it is {self.database}")
        if table.partition("$")[0] not in declared:
            raise QueryError(_no_table(table, declared))
        return table


def read_only(sql: str, declared: set[str], names: Names | None = None) -> exp.Query:
    """The tree of a statement that does nothing but read `declared` tables.

    With `names` tables may be called so, and are bare in the tree; beside the declared ones there
    are `LISTINGS` then, and what Iceberg knows of each, as in `"table$snapshots"`. Raises
    `QueryError`, with the place where the statement can't be read.
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
    _only_declared(tree, declared, names)
    return tree


def _only_declared(tree: exp.Query, declared: set[str], names: Names | None) -> None:
    for lateral in tree.find_all(exp.Lateral):
        if not isinstance(lateral.this, exp.Subquery | exp.Unnest):
            raise QueryError(f"table functions can't be called: {lateral.sql(DIALECT)[:60]}")
    cte_ids = {id(table) for table in _references_to_ctes(tree)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise QueryError(f"table functions can't be called: {table.sql(DIALECT)[:60]}")
        if id(table) in cte_ids:
            continue
        if names is None and (table.db or table.catalog):
            raise QueryError(f"{table.sql(DIALECT)[:60]}: tables are named without a schema")
        if table.db.lower() == "information_schema":
            _name_listing(table)
            continue
        if table.catalog.lower() not in ("", "awsdatacatalog"):
            raise QueryError(f"there is no catalog {table.catalog[:60]}; it is awsdatacatalog")
        if names is not None and table.db and table.db.lower() != names.database:
            raise QueryError(f"there is no database {table.db[:60]}; it is {names.database}")
        _name_bare(table)
        name, _, what = table.name.partition("$") if names else (table.name, "", "")
        if name not in declared:
            raise QueryError(_no_table(name, declared))
        if what != "" and what not in _OF_TABLES:
            of = " and ".join(f'"{name}${one}"' for one in _OF_TABLES)
            raise QueryError(f"there is no table {table.name[:60]}; there are {of}")
    for column in tree.find_all(exp.Column):
        database = column.args.get("db")
        if names and database and database.name.lower() == names.database:
            column.set("db", None)
            column.set("catalog", None)


def _name_listing(table: exp.Table) -> None:
    """Name a table of information_schema by all of its name, with its own as the alias."""
    bare = table.name.lower()
    if f"information_schema.{bare}" not in LISTINGS:
        raise QueryError(f"there is no table information_schema.{bare[:60]}; there are "
                         f"{' and '.join(LISTINGS)}")  # fmt: skip
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(bare)))
    table.set("this", exp.to_identifier(f"information_schema.{bare}", quoted=True))
    table.set("db", None)
    table.set("catalog", None)


def _name_bare(table: exp.Table) -> None:
    table.this.set("this", table.name.lower())
    table.set("db", None)
    table.set("catalog", None)


def _no_table(name: str, declared: set[str]) -> str:
    near = get_close_matches(name, sorted(declared), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(declared))}"
    return f"there is no table {name[:60]}; {hint}"


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

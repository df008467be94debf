"""Statements that people ask: one that does nothing but read declared tables."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.tokenizer_core import TokenType

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
    if not trees:
        raise QueryError(f"the statement is empty; it begins with {_BEGINS}")
    if len(trees) != 1:
        raise QueryError(f"one statement at a time, not {len(trees)}")
    tree = trees[0]
    if not isinstance(tree, exp.Query):
        if sql.upper().split()[:3] == ["SHOW", "CREATE", "TABLE"]:
            raise QueryError(
                "SHOW CREATE TABLE can't be run here; `stedi ddl TABLE` prints the statement"
            )
        raise QueryError(
            f"only SELECT can be run here, not {sql.split()[0].upper()[:20]}; besides it, "
            f"{_BESIDES}"
        )
    for forbidden in (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Pragma, exp.Set, exp.Describe):
        node = next((n for n in tree.find_all(forbidden) if not isinstance(n, exp.Query)), None)
        if node is not None:
            raise QueryError(f"only SELECT can be run here, not {node.key.upper()}")
    _refuse_loose_ends(sql, tree)
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


def named_for_athena(tree: exp.Query, names: Names) -> exp.Query:
    """A statement read with `names` as Athena takes it; `LISTINGS` are of our database alone."""
    for table in [*tree.find_all(exp.Table)]:
        if table.name in LISTINGS:
            rows = (
                exp.select("*")
                .from_(table.name)
                .where(exp.column("table_schema").eq(exp.Literal.string(names.database)))
            )
            table.replace(rows.subquery(table.alias))
    return tree


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
    found = str(detail.get("highlight") or " ")
    what = _fault(sql, str(detail.get("description", "")).rstrip("."), found)
    begin = column - len(found)
    if what.is_first_word:
        number, begin = 1, len(sql) - len(sql.lstrip())
    return _placed(sql, number, begin, what.text)


def _placed(sql: str, number: int, begin: int, what: str) -> str:
    """A fault with its place, the line that it is in, and a sign below it."""
    lines = sql.splitlines() or [""]
    line = lines[min(number, len(lines)) - 1]
    place = f"line {number}, column {begin + 1}"
    return f"{place}: {what}\n  {line}\n  {' ' * max(begin, 0)}^"


class _Fault(NamedTuple):
    text: str
    is_first_word: bool = False


def _fault(sql: str, description: str, found: str) -> _Fault:
    """What is wrong with a statement, from what sqlglot says of it and where."""
    first = (sql.split() or [""])[0]
    near = get_close_matches(first.upper(), _FIRST_WORDS, n=1)
    if first.upper() not in _FIRST_WORDS and not first.startswith("("):
        guess = f"; did you mean {near[0]}?" if near else f"; it begins with {_BEGINS}"
        return _Fault(f"a statement doesn't begin with {first[:20]!a}{guess}", is_first_word=True)
    if description.startswith("Invalid expression"):
        return _Fault(f"{found[:40]!a} is unexpected here; a comma or a keyword may be missing")
    if description.startswith("Expected table name"):
        return _Fault(f"a table is missing after {found[:40]}")
    if missing := re.fullmatch(r"Expecting (\S+)", description):
        return _Fault(f"{missing[1]} is missing before or after {found[:40]!a}")
    if missing := re.fullmatch(r"Expected (\S+) after (\S+)", description):
        return _Fault(f"{missing[1]} is missing after {missing[2]}")
    if description and "<" not in description:
        return _Fault(f"syntax error: {description}")
    return _Fault(f"the statement is incomplete here, or has a syntax error, at {found[:40]!a}")


def _refuse_loose_ends(sql: str, tree: exp.Query) -> None:
    """Refuse what sqlglot passes and Athena doesn't: a comma or ON with nothing after it."""
    tokens = sqlglot.tokenize(sql, dialect=DIALECT)
    for number, (token, following) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        ends = following is None or following.token_type in _AFTER_A_LIST
        if ends and token.token_type in (TokenType.COMMA, TokenType.ON):
            missing = "a condition" if token.token_type is TokenType.ON else "something"
            begin = token.col - len(token.text)
            what = f"{missing} is missing after {token.text}"
            raise QueryError(_placed(sql, token.line, begin, what))
        is_limit = token.token_type is TokenType.OFFSET and number > 1
        if is_limit and tokens[number - 2].token_type is TokenType.LIMIT:
            begin = token.col - len(token.text)
            what = "OFFSET comes before LIMIT in Athena"
            raise QueryError(_placed(sql, token.line, begin, what))
    joins = zip([None, *tokens], tokens, strict=False)
    written = sum(
        token.token_type is TokenType.JOIN
        and (before is None or before.text.upper() not in ("CROSS", "NATURAL"))
        and not _is_natural(sql)
        for before, token in joins
    )
    conditions = sum(bool(j.args.get("on") or j.args.get("using")) for j in tree.find_all(exp.Join))
    if written > conditions:
        raise QueryError(
            "a JOIN has no condition: write ON or USING after its table, or CROSS JOIN"
        )


def _is_natural(sql: str) -> bool:
    return re.search(r"\bNATURAL\b", sql, re.IGNORECASE) is not None


_FIRST_WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
_BESIDES = "SHOW TABLES, SHOW COLUMNS, SHOW DATABASES, DESCRIBE and EXPLAIN"
_BEGINS = "SELECT, WITH, SHOW, DESCRIBE or EXPLAIN"
_AFTER_A_LIST = {
    TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.HAVING,
    TokenType.LIMIT, TokenType.R_PAREN, TokenType.SEMICOLON, TokenType.UNION, TokenType.JOIN,
}  # fmt: skip

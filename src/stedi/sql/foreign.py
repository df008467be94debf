"""Syntax of other dialects, which is read here and which Athena refuses; names of the same SELECT.

What is refused must not run here: people would find out when they ask Athena.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from stedi.columns import Schemas
from stedi.errors import QueryError
from stedi.sql.tree import DIALECT, Types, resolved_without_own_names


def refuse_foreign(sql: str, tree: exp.Expr) -> None:
    """Raise `QueryError` for the first syntax of a statement that Athena doesn't have."""
    for node in tree.walk():
        for kind, is_foreign, what in _IN_TREES:
            if isinstance(node, kind) and is_foreign(node):
                raise QueryError(what)
    tokens = sqlglot.tokenize(sql, dialect=DIALECT)
    for what in (*_in_words(sql, tokens), *_in_types(tokens), *_in_truths(tokens)):
        raise QueryError(what)
    stars = sum(token.token_type is TokenType.STAR for token in tokens)
    if sum(not _is_of_values(star) for star in tree.find_all(exp.Star)) > stars:
        if tokens[0].text.upper() == "TABLE":
            raise QueryError("TABLE can't be run here; write SELECT * FROM before the name")
        raise QueryError("FROM without SELECT isn't in Athena's SQL; write SELECT * before it")


def _is_of_values(star: exp.Star) -> bool:
    """Whether it is what sqlglot reads WITH t AS (VALUES …) as."""
    source = star.parent.args.get("from_") if isinstance(star.parent, exp.Select) else None
    return (
        source is not None
        and isinstance(source.this, exp.Values)
        and (source.this.alias == "_values")
    )


def _has(*names: str) -> Callable[[exp.Expr], bool]:
    return lambda node: any(node.args.get(name) for name in names)


def _limit(name: str) -> Callable[[exp.Expr], bool]:
    return lambda node: bool((options := node.args.get("limit_options")) and options.args.get(name))


def _is_no_count(node: exp.Expr) -> bool:
    count = node.expression if isinstance(node, exp.Limit) else node.args.get("count")
    is_whole = isinstance(count, exp.Literal) and count.is_int
    return count is not None and not is_whole and not isinstance(count, exp.Placeholder | exp.Var)


def _is_other_join(node: exp.Expr) -> bool:
    return (
        node.text("kind").upper() not in ("", "INNER", "CROSS", "OUTER")
        or node.text("method").upper() not in ("", "NATURAL")
        or node.text("side").upper() not in ("", "LEFT", "RIGHT", "FULL")
    )


def _is_rollup_behind(node: exp.Expr) -> bool:
    return not node.expressions


def _counts_several(node: exp.Expr) -> bool:
    return len(node.expressions) > 1 and isinstance(node.parent, exp.AggFunc)


_ROWS = "LIMIT and FETCH FIRST take a whole number of rows"
_Kinds = type[exp.Expr] | tuple[type[exp.Expr], ...]
_IN_TREES: tuple[tuple[_Kinds, Callable[[exp.Expr], bool], str], ...] = (
    ((exp.Limit, exp.Fetch), _limit("with_ties"),
     "WITH TIES can't be had here as Athena has it; RANK() OVER (ORDER BY …) <= n returns ties"),
    ((exp.Limit, exp.Fetch), _limit("percent"), f"{_ROWS}, and no percentage"),
    ((exp.Limit, exp.Fetch), _is_no_count, _ROWS),
    (exp.Distinct, _has("on"), "DISTINCT ON isn't in Athena's SQL; ROW_NUMBER() OVER (PARTITION BY "
     "… ORDER BY …) = 1 picks a row of each group"),
    (exp.Distinct, _counts_several,
     "DISTINCT takes one value in an aggregate; ROW(a, b) makes one of several"),
    (exp.Group, _has("all"), "GROUP BY ALL isn't in Athena's SQL; name the columns"),
    (exp.Group, _has("totals"), "WITH TOTALS isn't in Athena's SQL; write GROUP BY ROLLUP (…)"),
    ((exp.Rollup, exp.Cube), _is_rollup_behind,
     "WITH ROLLUP and WITH CUBE aren't in Athena's SQL; write GROUP BY ROLLUP (…)"),
    (exp.TableSample, bool, "TABLESAMPLE can't be had here as Athena has it; "
     "WHERE random() < 0.1 takes a tenth of the rows"),
    (exp.Join, _is_other_join, "Athena's SQL has the joins INNER, LEFT, RIGHT, FULL and CROSS; "
     "EXISTS and NOT EXISTS find rows with or without a match"),
    (exp.Star, _has("except_", "replace", "rename"),
     "* with EXCEPT, EXCLUDE, REPLACE or RENAME isn't in Athena's SQL; name the columns"),
    (exp.WindowSpec, _has("exclude"), "EXCLUDE in a window isn't in Athena's SQL"),
    (exp.SetOperation, _has("by_name", "side", "kind", "on"),
     "BY NAME and CORRESPONDING aren't in Athena's SQL; name the columns in the same order"),
    ((exp.Table, exp.Subquery), _has("pivots"),
     "PIVOT isn't in Athena's SQL; SUM(…) FILTER (WHERE …) makes columns"),
    (exp.Select, _has("cluster", "sort", "distribute", "laterals", "connect", "locks"),
     "CLUSTER BY, SORT BY, LATERAL VIEW, CONNECT BY and FOR UPDATE aren't in Athena's SQL"),
    (exp.In, _has("field"), "IN takes values in parentheses; CONTAINS(array, value) asks an array"),
    ((exp.Any, exp.All), lambda node: isinstance(node.this, exp.Tuple),
     "ANY and ALL take a SELECT in parentheses; OR joins conditions"),
    (exp.Aliases, bool, "AS names one column"),
    (exp.Between, lambda node: node.args.get("symmetric") is not None,
     "BETWEEN SYMMETRIC and ASYMMETRIC aren't in Athena's SQL; write the smaller value first"),
    (exp.Parameter, bool, "@ isn't in Athena's SQL; parameters are question marks"),
    (exp.Column, lambda node: node.name == "ALL" and not node.this.args.get("quoted"),
     "ORDER BY ALL isn't in Athena's SQL; name the columns"),
)  # fmt: skip


def _in_words(sql: str, tokens: Sequence[Token]) -> Iterator[str]:
    """What a tree doesn't show any more."""
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        kind = token.token_type
        if kind in (TokenType.L_BRACE, TokenType.R_BRACE):
            yield "{…} isn't in Athena's SQL; write MAP(ARRAY[…], ARRAY[…]) or ROW(…)"
        elif kind is TokenType.L_BRACKET and not _has_elements(before):
            yield "[…] alone isn't in Athena's SQL; write ARRAY[…]"
        elif _is_odd_number(sql, token, after):
            word = sql[
                token.start : (after if _is_glued(token, after) and after else token).end + 1
            ]
            yield f"{word[:40]}: write the number in decimal digits alone, as in 1000"
        elif after is None:
            continue
        elif kind is TokenType.STRING and after.token_type is TokenType.STRING:
            yield "two texts side by side aren't in Athena's SQL; || joins them"
        elif kind is TokenType.ALIAS and after.token_type is TokenType.STRING:
            yield "a name behind AS is in double quotes, or in none"
        elif kind is TokenType.INTERVAL and after.token_type is TokenType.NUMBER:
            yield "the number of an INTERVAL is in quotes, as in INTERVAL '1' DAY"
        elif (
            before and before.token_type is TokenType.LIMIT and after.token_type is TokenType.COMMA
        ):
            yield "LIMIT takes one number; OFFSET comes before it"
        elif kind in (TokenType.ISNULL, TokenType.NOTNULL):
            yield f"{token.text.upper()} isn't in Athena's SQL; write IS NULL or IS NOT NULL"


_TYPE_WORDS = frozenset(
    {
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "REAL", "DOUBLE"),
        *("DOUBLE PRECISION", "DECIMAL", "VARCHAR", "CHAR", "VARBINARY", "JSON", "DATE", "TIME"),
        *("TIMESTAMP", "WITH", "WITHOUT", "ZONE", "INTERVAL", "YEAR", "TO", "MONTH", "DAY"),
        *("SECOND", "ARRAY", "MAP", "ROW", "UUID", "IPADDRESS", "HYPERLOGLOG", "QDIGEST"),
        *("TDIGEST", "SETDIGEST", "P4HYPERLOGLOG", "COLOR", "UNKNOWN", "GEOMETRY"),
    }
)
"""Words of types: https://trino.io/docs/476/language/types.html"""
_TYPES_OF_OTHERS = {
    **dict.fromkeys(("STRING", "TEXT", "NVARCHAR", "VARCHAR2", "BPCHAR"), "VARCHAR"),
    **dict.fromkeys(("FLOAT", "FLOAT8", "FLOAT4"), "DOUBLE or REAL"),
    **dict.fromkeys(("NUMERIC", "NUMBER", "DEC"), "DECIMAL"),
    **dict.fromkeys(("LONG", "INT8", "INT64"), "BIGINT"),
    **dict.fromkeys(("INT4", "INT32", "SIGNED"), "INTEGER"),
    **dict.fromkeys(("DATETIME", "TIMESTAMP_NTZ"), "TIMESTAMP"),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP_LTZ"), "TIMESTAMP WITH TIME ZONE"),
    **dict.fromkeys(("BLOB", "BYTEA", "BINARY"), "VARBINARY"),
    "BOOL": "BOOLEAN", "CHARACTER": "CHAR", "STRUCT": "ROW", "LIST": "ARRAY",
}  # fmt: skip


def _in_types(tokens: Sequence[Token]) -> Iterator[str]:
    """Types behind CAST's AS that Athena doesn't have; fields of ROW have names, then types."""
    inside: list[int | None] = []  # of each parenthesis: 0 before a CAST's AS, 1 behind it
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.token_type is TokenType.L_PAREN:
            is_cast = before is not None and before.text.upper() in ("CAST", "TRY_CAST")
            inside.append(0 if is_cast else inside[-1] if inside and inside[-1] == 1 else None)
        elif token.token_type is TokenType.R_PAREN:
            if inside:
                inside.pop()
        elif token.token_type is TokenType.ALIAS and inside and inside[-1] == 0:
            inside[-1] = 1
        elif inside and inside[-1] == 1 and _is_word(token) and not _is_word(after):
            word = token.text.upper()
            if word not in _TYPE_WORDS:
                instead = _TYPES_OF_OTHERS.get(word)
                hint = f"; write {instead}" if instead else ""
                yield f"there is no type {word[:40]} in Athena's SQL{hint}"


def _is_word(token: Token | None) -> bool:
    return token is not None and token.text[:1].isidentifier()


def _in_truths(tokens: Sequence[Token]) -> Iterator[str]:
    """The first that asks whether a condition is true, false or unknown."""
    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    words = ["" if t.token_type in quoted else t.text.upper() for t in tokens]
    for at, word in enumerate(words):
        if word == "IS":
            behind = words[at + 2 : at + 3] if words[at + 1 : at + 2] == ["NOT"] else []
            for truth in (behind or words[at + 1 : at + 2])[:1]:
                if truth in ("TRUE", "FALSE", "UNKNOWN"):
                    yield (
                        f"IS {truth} isn't in Athena's SQL; write the condition alone, NOT before "
                        "it, or IS NOT DISTINCT FROM TRUE, which isn't NULL where the condition is"
                    )


_NO_VALUES = frozenset(
    {
        *("SELECT", "DISTINCT", "ALL", "WHERE", "AND", "OR", "NOT", "IN", "ON", "BY", "THEN"),
        *("ELSE", "WHEN", "CASE", "HAVING", "VALUES", "LIKE", "BETWEEN", "IS", "FROM", "AS"),
    }
)
"""Words that no value ends with."""


def _has_elements(token: Token | None) -> bool:
    """Whether what ends with a token may have a position in brackets behind it, or is ARRAY."""
    if token is None or token.text.upper() in _NO_VALUES:
        return False
    is_word = token.text[:1].isalpha() or token.text[:1] in ("_", "$")
    return is_word or token.token_type in (
        *(TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.R_BRACKET),
        *(TokenType.PLACEHOLDER, TokenType.STRING),
    )


def _is_glued(token: Token, after: Token | None) -> bool:
    return after is not None and after.start == token.end + 1 and after.text[:1].isidentifier()


def _is_odd_number(sql: str, token: Token, after: Token | None) -> bool:
    """Whether a number is written as 0x1F, 0b11 or 1_000, or has a name that begins right at it."""
    if token.token_type in (TokenType.HEX_STRING, TokenType.BIT_STRING):
        return sql[token.start] == "0"
    return token.token_type is TokenType.NUMBER and _is_glued(token, after)


# Names of the same SELECT -------------------------------------------------------------------------

_CLAUSES = {"where": "WHERE", "group": "GROUP BY", "having": "HAVING", "joins": "ON"}


def refuse_own_names(tree: exp.Query, schemas: Schemas, others: Types | None = None) -> None:
    """Raise `QueryError` where a name of a SELECT's own columns is used outside of its ORDER BY.

    Athena doesn't know it there, unless a table has a column of that name, which is then meant.
    """
    own = {name for select in tree.find_all(exp.Select) for name in _own_names(select)}
    if not any(not c.table and c.name.lower() in own for c in tree.find_all(exp.Column)):
        return
    for column in resolved_without_own_names(tree, schemas, others).find_all(exp.Column):
        if column.table:
            continue
        node: exp.Expr = column
        while node.parent is not None:
            clause, node = node.arg_key, node.parent
            is_own = isinstance(node, exp.Select) and column.name.lower() in _own_names(node)
            if is_own and clause != "order":
                where = _CLAUSES.get(clause or "", "another column")
                raise QueryError(
                    f"{column.name[:60]} is a name that its own SELECT gives, which Athena doesn't "
                    f"know in {where}; repeat the expression, or name it in a WITH"
                )


def sort_by_own_names(tree: exp.Query) -> None:
    """Replace names of a SELECT's own columns in the terms of its ORDER BY by their expressions.

    Where a table has a column of that name, too, Athena takes its own; an engine takes the table's.
    """
    for select in tree.find_all(exp.Select):
        order, own = select.args.get("order"), _own_names(select)
        for ordered in order.expressions if order and own else ():
            if isinstance(ordered.this, exp.Column):
                continue
            for column in [*ordered.find_all(exp.Column)]:
                value = own.get(column.name.lower())
                is_of_it = column.find_ancestor(exp.Select) is select and not column.table
                if is_of_it and value and not column.find_ancestor(exp.AggFunc):
                    column.replace(exp.Paren(this=value.copy()))


def _own_names(select: exp.Select) -> dict[str, exp.Expr]:
    """What columns are made of, by their names, but for columns and what is another each time."""
    return {
        column.alias.lower(): column.this
        for column in select.selects
        if isinstance(column, exp.Alias)
        and not (isinstance(column.this, exp.Column) and column.name == column.alias)
        and not column.find(exp.Rand, exp.Uuid)
    }

"""Whether a statement is spelled as Athena has it: names of functions, and operators.

What reads statements knows many dialects, and takes what is written in one of them for the same as
in another. Athena would refuse it.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from stedi.sql.functions import NAMES
from stedi.sql.tree import DIALECT

_ALSO = {"pow", "week_of_year", "json_array"}
"""Other names on Athena of functions that queries may call."""
_FUNCTIONS = {*NAMES, *_ALSO}
_WORDS = """
all and any array as asc between bigint by case char cube current_row date decimal desc distinct
double else end escape except exists filter from full group grouping having in inner integer
intersect interval is join lateral left like limit map not null offset on or order outer over
partition real recursive right rollup row rows select sets smallint some table tablesample then
time timestamp tinyint union unnest using values varbinary varchar when where with within
"""
_BEFORE_PARENTHESES = frozenset(_WORDS.split())
"""Words that may stand before a parenthesis and are no functions."""
_OPERATORS = {
    *("::", "&", "&&", "^", "~", "<<", ">>", "<=>", "!", "==", "//", "**"),
    *("RLIKE", "REGEXP"),
}
"""Of other dialects: what Athena says of them is that the syntax is wrong."""
_IN_TREES = {
    exp.ILike: "ILIKE",
    exp.IntDiv: "DIV",
    exp.SimilarTo: "SIMILAR TO",
    exp.Glob: "GLOB",
    exp.Qualify: "QUALIFY",
}
"""The same, of those whose words are also names."""
OPERATORS = frozenset({*_OPERATORS, *_IN_TREES.values()})


def misspelt(sql: str, tree: exp.Expr) -> str | None:
    """An operator or function in a statement that Athena doesn't have; None if there is none.

    `tree` is what was read of it, before anything was changed there.
    """
    if foreign := tree.find(*_IN_TREES):
        return _IN_TREES[type(foreign)]
    tokens = sqlglot.tokenize(sql, dialect=DIALECT)
    for number, token in enumerate(tokens):
        if token.token_type == TokenType.STRING:
            continue
        is_quoted = token.token_type == TokenType.IDENTIFIER
        if token.text.upper() in _OPERATORS and not is_quoted:
            return token.text.upper()
        if _is_called(tokens, number) and token.text.lower() not in _FUNCTIONS:
            return token.text[:60]
    return None


def _is_called(tokens: Sequence[Token], number: int) -> bool:
    """Whether a word is called as a function: no keyword, and no alias with names of columns."""
    token = tokens[number]
    following = tokens[number + 1] if number + 1 < len(tokens) else None
    if following is None or following.token_type != TokenType.L_PAREN:
        return False
    if not (token.text[:1].isalpha() or token.text[:1] == "_"):
        return False
    if " " in token.text or token.text.lower() in _BEFORE_PARENTHESES:
        return False
    if _is_name(tokens, number):
        return False
    return not _begins_a_cte(tokens, number + 1)


def _is_name(tokens: Sequence[Token], number: int) -> bool:
    """Whether a word stands where only a name can: behind AS, a dot, another name, or a `)`."""
    if number == 0:
        return False
    before = tokens[number - 1]
    names = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.ALIAS, TokenType.DOT)
    is_word = tokens[number].text[:1].isalpha()
    return is_word and (before.token_type in names or before.text.upper() == "ORDINALITY")


def _begins_a_cte(tokens: Sequence[Token], opening: int) -> bool:
    """Whether what follows the parenthesis is `AS (`, as behind the columns of a CTE."""
    depth = 0
    for number in range(opening, len(tokens)):
        kind = tokens[number].token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if depth == 0:
            after = [token.text.upper() for token in tokens[number + 1 : number + 3]]
            return after == ["AS", "("]
    return False

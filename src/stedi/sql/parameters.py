"""Values for the question marks of a statement, put in as literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from stedi.errors import QueryError
from stedi.sql.tree import DIALECT
from stedi.text import counted

Parameter = None | bool | int | float | Decimal | str | date | datetime
_RESERVED = {"null": None, "true": True, "false": False}


_NAME = "stedi_parameter_"


def filled_in(sql: str, read: Callable[[str], exp.Query], values: Sequence[Parameter]) -> exp.Query:
    """A statement, as `read` reads it, with a value for each `?`, in the order they are written in.

    Raises `QueryError` where there are too few or too many, or one can't be a literal.
    """
    tree = read(sql)
    placeholders = [*tree.find_all(exp.Placeholder)]
    if named := [p.this for p in placeholders if p.this]:
        raise QueryError(f":{str(named[0])[:60]}: parameters are question marks, without names")
    if len(values) < len(placeholders):
        raise QueryError(f"no value for parameter {len(values) + 1}")
    if len(values) > len(placeholders):
        raise QueryError(
            f"{counted(len(values), 'parameter')} for {counted(len(placeholders), 'question mark')}"
        )
    if not placeholders:
        return tree
    tree = read(_numbered(sql))  # a tree has them in an order of its own
    for placeholder in [*tree.find_all(exp.Placeholder)]:
        number = int(placeholder.name.removeprefix(_NAME))
        placeholder.replace(_literal(values[number - 1], number))
    return tree


def _numbered(sql: str) -> str:
    parts, end, number = [], 0, 0
    for token in sqlglot.tokenize(sql, dialect=DIALECT):
        if token.token_type is TokenType.PLACEHOLDER:
            number += 1
            parts += [sql[end : token.start], f":{_NAME}{number}"]
            end = token.end + 1
    return "".join([*parts, sql[end:]])


def read_parameter(text: str) -> Parameter:
    """A parameter of the command line: a number, NULL, true, false, a text in quotes or without."""
    if text.lower() in _RESERVED:
        return _RESERVED[text.lower()]
    if len(text) >= len("''") and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _literal(value: Parameter, number: int) -> exp.Expr:
    if value is None:
        return exp.null()
    if isinstance(value, bool):
        return exp.true() if value else exp.false()
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return exp.cast(exp.Literal.string(value.isoformat(" ")), "TIMESTAMP")
        text = f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(' ')} UTC"
        return exp.cast(exp.Literal.string(text), "TIMESTAMPTZ")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, str):
        return exp.Literal.string(value)
    raise QueryError(f"parameter {number}: a {type(value).__name__} can't be one")


def _number(value: float | Decimal) -> exp.Expr:
    if isinstance(value, float):
        text = repr(value)
        if not text.lstrip("-")[:1].isdigit():  # infinite, or none
            return exp.cast(exp.Literal.string(text), "DOUBLE")
        text = text if "e" in text else f"{text}e0"
    else:
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    literal = exp.Literal.number(text.lstrip("-"))
    return exp.Paren(this=exp.Neg(this=literal)) if text.startswith("-") else literal

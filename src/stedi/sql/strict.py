"""Types that Athena doesn't mix: `x = '1'` of a double is an error, where DuckDB would convert.

What sqlglot knows no type of passes, and so does NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlglot import exp

from stedi.errors import QueryError
from stedi.sql.tree import DIALECT, REAL, TEXT, WHOLE

_T = exp.DataType.Type
_KINDS: dict[str, Iterable[Any]] = {
    "a number": {*WHOLE, *REAL, _T.DECIMAL, _T.BIGDECIMAL},
    "a text": TEXT,
    "true or false": {_T.BOOLEAN},
    "a time": {_T.DATE, _T.TIMESTAMP, _T.TIMESTAMPTZ, _T.TIMESTAMPNTZ, _T.TIMESTAMPLTZ},
    "bytes": {_T.BINARY, _T.VARBINARY},
}
_COMPARING = (exp.EQ, exp.NEQ, exp.LT, exp.GT, exp.LTE, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_OF_NUMBERS = (
    *(exp.Abs, exp.Sqrt, exp.Cbrt, exp.Exp, exp.Ln, exp.Log, exp.Round, exp.Floor, exp.Ceil),
    *(exp.Sin, exp.Cos, exp.Tan, exp.Asin, exp.Acos, exp.Atan, exp.Sum, exp.Avg, exp.Stddev),
    *(exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Neg, exp.Sign),
)
_OF_TEXT = (
    *(exp.Upper, exp.Lower, exp.Substring, exp.Trim, exp.Like, exp.RegexpLike, exp.StrPosition),
    *(exp.Split, exp.SplitPart, exp.Replace, exp.StartsWith),
)
_OF_TIMES = (exp.Year, exp.Quarter, exp.Month, exp.Day, exp.DateAdd, exp.DateDiff)
_SHOWN = 60


def refuse_mixed(query: exp.Expr) -> None:
    """Raise `QueryError` for the first place where a query mixes types as Athena doesn't."""
    for problem in _problems(query):
        raise QueryError(problem)


def _problems(query: exp.Expr) -> Iterator[str]:
    for node in query.walk():
        if isinstance(node, _COMPARING):
            yield from _mixed(node, [node.this, node.expression])
        elif isinstance(node, exp.Between):
            yield from _mixed(node, [node.this, node.args["low"], node.args["high"]])
        elif isinstance(node, exp.In):
            yield from _mixed(node, [node.this, *node.expressions])
        elif isinstance(node, exp.Case):
            yield from _mixed_case(node)
        elif isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
            yield from _mixed(node, [node.args.get("true"), node.args.get("false")])
            yield from _only(node, [node.this], "true or false")
        elif isinstance(node, exp.Coalesce | exp.Greatest | exp.Least | exp.Array):
            first = [node.this] if not isinstance(node, exp.Array) else []
            yield from _mixed(node, [*first, *node.expressions])
        elif isinstance(node, exp.Nullif):
            yield from _mixed(node, [node.this, node.expression])
        else:
            yield from _of_one_kind(node)


def _of_one_kind(node: exp.Expr) -> Iterator[str]:
    if isinstance(node, exp.And | exp.Or):
        yield from _only(node, [node.this, node.expression], "true or false")
    elif isinstance(node, exp.Not):
        yield from _only(node, [node.this], "true or false")
    elif isinstance(node, exp.DPipe | exp.Concat):
        parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
        for part in parts:  # bytes and arrays may be joined, too
            if _kind(part) in ("a number", "true or false", "a time") and not _has_array(parts):
                yield _told(node, "a text", part)
    elif isinstance(node, exp.Mul | exp.Div | exp.Mod):
        for side in (node.this, node.expression):
            if _kind(side) in ("a text", "true or false"):
                yield _told(node, "a number", side)
    elif isinstance(node, exp.Add | exp.Sub):
        for side in (node.this, node.expression):
            if _kind(side) in ("a text", "true or false"):
                yield _told(node, "a number or a time", side)
        if {_kind(node.this), _kind(node.expression)} == {"a number", "a time"}:
            text = " ".join(node.sql(DIALECT).split())[:_SHOWN]
            yield f"{text}: a time moves by an INTERVAL; write INTERVAL '1' DAY, not a number"
    elif isinstance(node, _OF_NUMBERS):
        yield from _only(node, [node.this], "a number")
    elif isinstance(node, _OF_TEXT):
        for part in (node.this,):
            if _kind(part) in ("a number", "true or false", "a time"):
                yield _told(node, "a text", part)
    elif isinstance(node, _OF_TIMES) and _kind(node.this) in ("a text", "a number"):
        yield _told(node, "a time", node.this)


def _mixed(node: exp.Expr, parts: Iterable[exp.Expr | None]) -> Iterator[str]:
    kinds = [(part, kind) for part in parts if part is not None and (kind := _kind(part))]
    for part, kind in kinds[1:]:
        if kind != kinds[0][1]:
            yield _told(node, kinds[0][1], part)


def _mixed_case(node: exp.Case) -> Iterator[str]:
    branches = node.args["ifs"]
    values = [branch.args["true"] for branch in branches]
    yield from _mixed(node, [*values, node.args.get("default")])
    if node.this is not None:
        yield from _mixed(node, [node.this, *(branch.this for branch in branches)])
    else:
        yield from _only(node, [branch.this for branch in branches], "true or false")


def _only(node: exp.Expr, parts: Iterable[exp.Expr | None], kind: str) -> Iterator[str]:
    for part in parts:
        if part is not None and _kind(part) not in (None, kind):
            yield _told(node, kind, part)


def _has_array(parts: Iterable[exp.Expr]) -> bool:
    return any(isinstance(part, exp.Array) or part.is_type(_T.ARRAY) for part in parts)


def _kind(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Null | exp.Any | exp.All):  # whose type sqlglot takes for boolean
        return None
    if isinstance(node.unnest(), exp.HexString | exp.SHA):  # which sqlglot takes for text
        return "bytes"
    for kind, types in _KINDS.items():
        if node.is_type(*types):
            return kind
    return None


def _told(node: exp.Expr, expected: str, found: exp.Expr) -> str:
    text, part = (" ".join(n.sql(DIALECT).split())[:_SHOWN] for n in (node, found))
    return f"{text}: {part} is {_kind(found)}, and {expected} belongs there; CAST converts"

"""SQL that means the same on every engine, or nothing: what engines disagree on is refused.

A declared query that used it would give other rows on Spark than on DuckDB, or others each time.
Where an engine can be brought to say what Athena says, `sql/dialects.py` does that instead.
Tests hold each function of `HELD` to the same values on every engine and on Trino.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import pairwise

from sqlglot import exp

from stedi.sql.tree import DECIMAL, REAL, TEXT, WHOLE

_MOMENT = exp.DataType.TEMPORAL_TYPES - {exp.DataType.Type.DATE}
_CHANCE = "gives something else each time, and a table is made from its inputs alone"
_DIGITS = "engines disagree on the last digit"

HELD = (
    *(exp.And, exp.Or, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
    *(exp.Exists, exp.Cast, exp.TryCast, exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Sqrt),
    *(exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Concat, exp.Substring, exp.StrPosition),
    *(exp.Replace, exp.RegexpLike, exp.Chr, exp.Split, exp.SplitPart, exp.StartsWith, exp.Array),
    *(exp.UnixToTime, exp.Year, exp.Quarter, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second),
    *(exp.Extract, exp.DateDiff, exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max),
    *(exp.LogicalAnd, exp.LogicalOr, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead),
    *(exp.FirstValue, exp.LastValue, exp.Unnest, exp.ArraySize),
)
"""The functions that tests hold every engine to, and Trino; any other is refused."""

_REFUSED: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.Rand, exp.Uuid, exp.TableSample), _CHANCE),
    ((exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Localtimestamp), _CHANCE),
    ((exp.Ln, exp.Log), "engines disagree on numbers that aren't positive"),
    ((exp.Exp, exp.Pow, exp.Cbrt, exp.Sin, exp.Cos, exp.Tan, exp.Atan, exp.Atan2), _DIGITS),
    ((exp.DayOfWeek, exp.DayOfWeekIso), "engines disagree on the first day"),
    ((exp.SHA, exp.SHA2, exp.SHA2Digest, exp.MD5, exp.MD5Digest), "gives bytes, or text of them"),
    ((exp.RegexpReplace,), "engines write groups differently"),
    ((exp.RegexpExtract,), "engines disagree on what isn't there"),
    ((exp.Reverse,), "engines disagree on what is a letter"),
    ((exp.ArgMax, exp.ArgMin), "engines disagree on blanks, and on which of several rows counts"),
    ((exp.ArrayAgg, exp.GroupConcat), "the order of what it gathers is not the same everywhere"),
    ((exp.ArrayPosition,), "engines disagree on what isn't there"),
    ((exp.ApproxDistinct, exp.ApproxQuantile), "engines estimate differently"),
    ((exp.Sign, exp.TimeToUnix), "gives another type on each engine"),
    ((exp.Try,), "engines disagree on what can go wrong; TRY_CAST they agree on"),
    ((exp.AtTimeZone, exp.Interval), "gives another type on each engine"),
)


def disagreements(query: exp.Query) -> Iterator[str]:
    """What engines would disagree on in a query, resolved and typed."""
    for node in query.walk():
        why = _why_refused(node) or _why_refused_as_used(node)
        if why:
            yield f"{_name(node)}: {why}"


def _name(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.this).upper()
    return node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()


def _why_refused(node: exp.Expr) -> str | None:
    for kinds, why in _REFUSED:
        if isinstance(node, kinds):
            return why
    if isinstance(node, exp.Func) and not isinstance(node, HELD):
        return "none of the functions that engines agree on (docs/reference/sql.md)"
    return None


def _why_refused_as_used(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Cast):
        return _why_refused_cast(node)
    if isinstance(node, exp.DateDiff):
        dates = all(side.is_type(exp.DataType.Type.DATE) for side in (node.this, node.expression))
        if node.text("unit").upper() != "DAY" or not dates:
            return "engines disagree on when a unit is over; take days between two dates"
    if isinstance(node, exp.Div) and is_decimal_division(node):
        return "engines round decimals differently; write 1e0 for a double, or cast to DOUBLE"
    if isinstance(node, exp.Avg) and node.this.is_type(*DECIMAL):
        return "engines round decimals differently; cast to DOUBLE"
    if isinstance(node, exp.Mod) and any(side.is_type(*REAL) for side in (node.left, node.right)):
        return "of doubles, which engines disagree on"
    if isinstance(node, exp.Floor | exp.Ceil) and node.this.is_type(*WHOLE):
        return "of a whole number, whose type is another on each engine"
    if isinstance(node, exp.Unnest) and node.args.get("offset"):
        return "WITH ORDINALITY: engines count differently"
    if isinstance(node, exp.Join) and isinstance(node.this, exp.Unnest) and node.side:
        return f"{node.side} JOIN UNNEST: engines disagree on what is empty"
    if isinstance(node, exp.UnixToTime) and not node.this.is_type(*WHOLE):
        return "of a number that isn't whole, which engines cut differently"
    if isinstance(node, exp.Extract) and node.name.upper() not in _UNITS:
        return f"{node.name.upper()}: engines agree on {', '.join(_UNITS)} only"
    if isinstance(node, exp.Bracket) and not (
        node.args.get("safe") and _is_positive_literal(node.expressions[0])
    ):
        return "engines disagree on what isn't there; write ELEMENT_AT with a number from 1 on"
    return _why_refused_text(node)


_UNITS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")


def _why_refused_text(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Split | exp.SplitPart | exp.Replace):
        sought = node.args.get("delimiter") if isinstance(node, exp.SplitPart) else node.expression
        if not (isinstance(sought, exp.Chr) or (isinstance(sought, exp.Literal) and sought.name)):
            return "engines disagree where what is looked for is empty; write it out"
        if isinstance(node, exp.SplitPart) and not _is_positive_literal(node.args["part_index"]):
            return "engines disagree on parts but those from 1 on; write the number out"
    if isinstance(node, exp.Chr) and not _is_code_point(node.expressions[0]):
        return "of what isn't the number of a letter, written out"
    if isinstance(node, exp.RegexpLike):
        pattern = node.expression
        if not is_portable_pattern(pattern):
            return (
                "engines agree on patterns that are written out, of letters, sets as [0-9], (…|…), "
                "+, *, ^ and \\z only, with a backslash before any other sign"
            )
        if _backtracks(pattern.name):
            return (
                "a group that is repeated has no + or * in it, and no alternatives that begin "
                "alike: Java's engine would try for ever"
            )
    return None


_PLAIN = re.compile(
    r"(?!.*[+*][+*])\^?([\w @%,:;=/-]|\\[][.*+?(){}|^$\\-]|\[\^?[\w @%,:;=/.+-]+\]|[()|+*])*(\\z)?",
    re.ASCII,
)
"""Patterns that mean the same to RE2, Java and Trino: no flags, no classes, no `.`, `?` and `$`."""


_SIGN = re.compile(r"\\.|\[[^]]*\]|.", re.DOTALL)


def _backtracks(pattern: str) -> bool:
    """Whether a group is repeated that could match one text in several ways, as in (a+)+.

    Alternatives are clear where each begins with another letter.
    """
    signs = [*_SIGN.findall(pattern), ""]
    varies, begins = [False], [set[str]()]
    for sign, following in pairwise(signs):
        if sign == "(":
            varies.append(False)
            begins.append({following})
        elif sign == ")" and len(varies) > 1:
            first = begins.pop()
            does_vary = varies.pop() or (len(first) > 1 and not all(map(_is_letter, first)))
            if does_vary and following in ("+", "*"):
                return True
            varies[-1] |= does_vary
        elif sign in ("+", "*"):
            varies[-1] = True
        elif sign == "|":
            varies[-1] |= following in begins[-1]
            begins[-1].add(following)
    return False


def is_portable_pattern(pattern: exp.Expr) -> bool:
    """Whether a pattern is written out, and means the same to RE2, Java and Trino."""
    return isinstance(pattern, exp.Literal) and bool(_PLAIN.fullmatch(pattern.name))


def _is_letter(sign: str) -> bool:
    return sign.isalnum() or sign.startswith("\\")


def _is_code_point(node: exp.Expr) -> bool:
    return _is_positive_literal(node) and int(node.name) <= sys.maxunicode


def _is_positive_literal(node: exp.Expr) -> bool:
    """Whether it is a number from 1 on, written out."""
    return isinstance(node, exp.Literal) and node.is_int and int(node.name) >= 1


def _why_refused_cast(node: exp.Cast) -> str | None:
    to, value = node.to, node.this
    if isinstance(value, exp.Null | exp.Literal) and not to.expressions:
        return None
    if to.is_type(exp.DataType.Type.FLOAT):
        return "to few digits, which engines write differently; cast to DOUBLE"
    if to.is_type(*TEXT):
        if to.expressions:
            return "engines disagree on what is too long; SUBSTR cuts"
        if value.is_type(*REAL, *DECIMAL, *_MOMENT):
            return "engines write decimal numbers and times differently"
        return None
    if to.is_type(*DECIMAL) and not value.is_type(*WHOLE):
        return "engines round decimals differently; cast to DOUBLE"
    if to.is_type(*_MOMENT):
        return "gives another type on each engine"
    if value.is_type(*TEXT) and not to.is_type(*WHOLE, exp.DataType.Type.DOUBLE):
        return "engines read text differently but for whole numbers and doubles"
    return None


def is_decimal_division(node: exp.Div) -> bool:
    """Whether decimals are divided, which Athena rounds to their digits."""
    sides = (node.left, node.right)
    is_real = any(side.is_type(*REAL) and not is_decimal(side) for side in sides)
    return any(map(is_decimal, sides)) and not is_real


def is_decimal(node: exp.Expr) -> bool:
    """Whether Athena takes it for a decimal; sqlglot takes 1.0 for a double."""
    text = node.name.lower()
    is_literal = isinstance(node, exp.Literal) and node.is_number and "." in text
    return node.is_type(*DECIMAL) or (is_literal and "e" not in text)

"""SQL that means the same on every engine, or nothing: what engines disagree on is refused.

A declared query that used it would give other rows on Spark than on DuckDB, or others each time.
Where an engine can be brought to say what Athena says, `engines/dialects.py` does that instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

_WHOLE = exp.DataType.INTEGER_TYPES
_REAL = exp.DataType.REAL_TYPES - {exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL}
_DECIMAL = {exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL}
_CHANCE = "gives something else each time, and a table is made from its inputs alone"

_REFUSED: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.Rand, exp.Uuid, exp.TableSample), _CHANCE),
    ((exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Localtimestamp), _CHANCE),
    ((exp.Ln, exp.Log), "engines disagree on numbers that aren't positive"),
    ((exp.DayOfWeek, exp.DayOfWeekIso), "engines disagree on the first day"),
    ((exp.SHA, exp.SHA2, exp.SHA2Digest, exp.MD5, exp.MD5Digest), "gives bytes, or text of them"),
    ((exp.RegexpReplace,), "engines write groups differently"),
    ((exp.ArgMax, exp.ArgMin), "engines disagree on blanks, and on which of several rows counts"),
    ((exp.ArrayAgg, exp.GroupConcat), "the order of what it gathers is not the same everywhere"),
    ((exp.ArrayPosition,), "engines disagree on what isn't there"),
    ((exp.ApproxDistinct, exp.ApproxQuantile), "engines estimate differently"),
    ((exp.Sign, exp.TimeToUnix), "gives another type on each engine"),
    ((exp.Try,), "engines disagree on what can go wrong; TRY_CAST they agree on"),
)


def disagreements(query: exp.Query) -> Iterator[str]:
    """What engines would disagree on in a query, resolved and typed."""
    for node in query.walk():
        name = node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()
        for kinds, why in _REFUSED:
            if isinstance(node, kinds):
                yield f"{name}: {why}"
        by_types = _refused_by_its_types(node)
        if by_types:
            yield f"{name}: {by_types}"


def _refused_by_its_types(node: exp.Expr) -> str | None:
    if isinstance(node, exp.DateDiff) and node.text("unit").upper() in ("MONTH", "QUARTER", "YEAR"):
        return f"engines disagree on when a {node.text('unit').lower()} is over"
    if isinstance(node, exp.Div) and _is_decimal_division(node):
        return "engines round decimals differently; write 1e0 for a double, or cast to DOUBLE"
    if isinstance(node, exp.Avg) and node.this.is_type(*_DECIMAL):
        return "engines round decimals differently; cast to DOUBLE"
    if isinstance(node, exp.Mod) and any(one.is_type(*_REAL) for one in (node.left, node.right)):
        return "of doubles, which engines disagree on"
    if isinstance(node, exp.Floor | exp.Ceil) and node.this.is_type(*_WHOLE):
        return "of a whole number, whose type is another on each engine"
    if isinstance(node, exp.Unnest) and node.args.get("offset"):
        return "WITH ORDINALITY: engines count differently"
    if isinstance(node, exp.Join) and isinstance(node.this, exp.Unnest) and node.side:
        return f"{node.side} JOIN UNNEST: engines disagree on what is empty"
    return None


def _is_decimal_division(node: exp.Div) -> bool:
    sides = (node.left, node.right)
    is_real = any(one.is_type(*_REAL) and not _is_decimal(one) for one in sides)
    return any(map(_is_decimal, sides)) and not is_real


def _is_decimal(node: exp.Expr) -> bool:
    """Whether Athena takes it for a decimal; sqlglot takes 1.0 for a double."""
    text = node.name.lower()
    is_literal = isinstance(node, exp.Literal) and node.is_number and "." in text
    return node.is_type(*_DECIMAL) or (is_literal and "e" not in text)

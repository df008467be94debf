"""What a query asks that can have other values here than on Athena, for people to know.

Every function that a query may call is either held to Trino's values by a test
(tests/engines/test_asked.py), or named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from stedi.sql.portable import is_decimal, is_decimal_division, is_portable_pattern
from stedi.sql.tree import REAL

_PATTERNS = (
    "regular expressions are RE2's here and Java's on Athena, which knows more, and means another "
    "thing by $, by a pattern that is empty, and by a group that takes no part"
)
_ZONES = "times are in UTC here, or have no zone; Athena keeps the zone that they are given in"
_ESTIMATES = "an estimate, which Athena makes in another way"
_BY_KIND: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    (
        (
            *(exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpReplace, exp.RegexpSplit),
            exp.RegexpCount,
        ),
        _PATTERNS,
    ),
    ((exp.AtTimeZone, exp.FromISO8601Timestamp), _ZONES),
    ((exp.ApproxDistinct, exp.ApproxQuantile), _ESTIMATES),
    ((exp.ParseJSON,), "keys stay in their order here; Athena sorts them"),
)
_BY_NAME = {
    "at_timezone": _ZONES,
    "approx_most_frequent": "counted exactly here; Athena estimates",
    "numeric_histogram": _ESTIMATES,
    "nan": "NaN is equal to itself here, and greater than all others; on Athena to nothing",
}


def differences(query: exp.Expr) -> list[str]:
    """What may be another value here than on Athena, each function once, of a typed query."""
    return [*dict.fromkeys(_differences(query))]


def _differences(query: exp.Expr) -> Iterator[str]:
    for node in query.walk():
        for kinds, why in _BY_KIND:
            if isinstance(node, kinds):
                yield f"{_name(node)}: {why}"
        if isinstance(node, exp.Anonymous) and node.name.lower() in _BY_NAME:
            yield f"{node.name.lower()}: {_BY_NAME[node.name.lower()]}"
        for asks, why in _AS_USED:
            if asks(node):
                yield why


def _name(node: exp.Expr) -> str:
    if isinstance(node, exp.AtTimeZone):
        return "AT TIME ZONE"
    names: dict[type[exp.Expr], str] = {
        exp.ApproxQuantile: "approx_percentile",
        exp.ParseJSON: "json_parse",
    }
    return names.get(type(node)) or (
        node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__.lower()
    )


def _is_other_pattern(node: exp.Expr) -> bool:
    return isinstance(node, exp.RegexpLike) and not is_portable_pattern(node.expression)


def _rounds_decimals(node: exp.Expr) -> bool:
    """Whether decimals are divided or averaged, also those that a function returns, or a CASE."""
    if not isinstance(node, exp.Avg | exp.Div):
        return False
    if _may_be_decimal(node) or (isinstance(node, exp.Div) and is_decimal_division(node)):
        return True
    parts = [*node.walk()]
    return any(map(is_decimal, parts)) and not any(map(_is_double, parts))


_OF_DOUBLES = (exp.Sqrt, exp.Cbrt, exp.Pow, exp.Exp, exp.Ln, exp.Log)


def _is_double(part: exp.Expr) -> bool:
    is_written = isinstance(part, exp.Literal) and part.is_number and "e" in part.name.lower()
    is_made = isinstance(part, exp.Column | exp.Cast) and part.is_type(*REAL)
    return is_written or is_made or isinstance(part, _OF_DOUBLES)


def _may_be_decimal(node: exp.Expr) -> bool:
    """Whether a column is divided that may be a decimal: no table has any, but a query may."""
    return node.find(exp.Column) is not None and any(
        is_decimal(value) and isinstance(value.parent, exp.Tuple | exp.Values | exp.Alias)
        for value in node.root().find_all(exp.Literal, exp.Cast)
    )


def _is_short_year(node: exp.Expr) -> bool:
    return isinstance(node, exp.StrToTime) and "%y" in node.text("format")


_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.GT, exp.LTE, exp.GTE)
_NESTED = (exp.DataType.Type.ARRAY, exp.DataType.Type.MAP, exp.DataType.Type.STRUCT)


def _is_nested(value: exp.Expr | None) -> bool:
    value = value.unnest() if value else None
    kinds = (exp.Array, exp.Map, exp.VarMap, exp.Struct, exp.Tuple)
    return isinstance(value, kinds) or (value is not None and value.is_type(*_NESTED))


def _compares_nested(node: exp.Expr) -> bool:
    return isinstance(node, _COMPARISONS) and (_is_nested(node.this) or _is_nested(node.expression))


def _is_map_as_json(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and node.args["to"].is_type("json") and _is_nested(node.this)


def _is_row_as_json(node: exp.Expr) -> bool:
    """Whether the fields of a row that have no names need some."""
    return (
        isinstance(node, exp.Cast)
        and node.args["to"].is_type("json")
        and any(
            not isinstance(value, exp.PropertyEQ)
            for row in node.find_all(exp.Struct)
            for value in row.expressions
        )
    )


def _is_no_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and node.this.name.lower() == "nan"


_AS_USED: tuple[tuple[Callable[[exp.Expr], bool], str], ...] = (
    (_is_other_pattern, f"regexp_like: {_PATTERNS}"),
    (
        _rounds_decimals,
        "decimals are divided as doubles here; Athena rounds to the digits that are written "
        "(1e0 for a double)",
    ),
    (
        _compares_nested,
        "arrays, maps and rows with NULL in them are equal here or not; on Athena that is NULL",
    ),
    (_is_map_as_json, "keys of JSON stay in their order here; Athena sorts them"),
    (
        _is_row_as_json,
        "fields of a row that have no names are _0, _1 in JSON here; Athena names them otherwise",
    ),
    (_is_no_number, f"nan: {_BY_NAME['nan']}"),
    (_is_short_year, "date_parse: %y of 69 is 1969 here and 2069 on Athena"),
)

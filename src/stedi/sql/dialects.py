"""Athena's SQL in the words of each engine, where sqlglot's translation alone means another thing.

A query means what it means in Athena (Trino). What an engine does differently is rewritten in the
tree before it is translated; tests/engines/test_dialects.py holds the engines to the same values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator
from functools import cache
from typing import ClassVar, Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.optimizer.scope import Scope, traverse_scope

from stedi.sql.tree import REAL, TEXT, WHOLE

_REWRITTEN = (exp.Filter, exp.Div, exp.Cast, exp.Sum, exp.Avg, exp.Round, exp.Floor, exp.Ceil,
              exp.Greatest, exp.Least, exp.Upper, exp.Lower, exp.Substring, exp.SplitPart, exp.Chr,
              exp.UnixToTime, exp.Extract, exp.CountIf, exp.Trim)  # fmt: skip


def for_duckdb(query: exp.Query) -> str:
    """The query, resolved and typed, in DuckDB's SQL."""
    return _rewritten(query, _for_duckdb).sql("duckdb", copy=False)


def duckdb_words(query: exp.Query, before: Callable[[exp.Expr], exp.Expr | None]) -> str:
    """The same, with what `before` says of a node first."""

    def rewrite(node: exp.Expr) -> exp.Expr | None:
        return before(node) or _for_duckdb(node)

    return _rewritten(query, rewrite, every=True).sql("duckdb", copy=False)


def for_spark(query: exp.Query, small: Container[str] = ()) -> str:
    """The query, resolved and typed, in Spark's SQL (ANSI mode, time zone UTC).

    What is made from nothing but `small` tables is broadcast where it is joined.
    """
    tree = _rewritten(query, _for_spark)
    return _broadcasting(tree, small).sql(_spark(), copy=False)


@cache
def _spark() -> type[Dialect]:
    """Spark's SQL, in which a WITH stays where it is.

    sqlglot moves those of subqueries to the top: where two have a CTE of one name, it would be
    there twice, and Spark refuses that.
    """
    from sqlglot.dialects.spark import Spark
    from sqlglot.generators.spark import SparkGenerator

    class NestedSpark(Spark):
        class Generator(SparkGenerator):
            EXPRESSIONS_WITHOUT_NESTED_CTES: ClassVar[set[type[exp.Expr]]] = set()

    return NestedSpark


def _broadcasting(tree: exp.Query, small: Container[str]) -> exp.Query:
    for scope in traverse_scope(tree):
        select = scope.expression
        if not isinstance(select, exp.Select) or not select.args.get("joins"):
            continue
        names = [
            name
            for name, (_, source) in scope.selected_sources.items()
            if all(table in small for table in _tables_below(source))
        ]
        if names:
            columns = [exp.to_identifier(name) for name in names]
            hint = exp.Anonymous(this="BROADCAST", expressions=columns)
            select.set("hint", exp.Hint(expressions=[hint]))
    return tree


def _tables_below(source: exp.Expr | Scope) -> Iterator[str]:
    if isinstance(source, exp.Table):
        yield source.name
    elif isinstance(source, Scope):
        for scope in source.traverse():
            for below in scope.sources.values():
                yield from _tables_below(below)


def _rewritten(
    query: exp.Query, rewrite: Callable[[exp.Expr], exp.Expr | None], *, every: bool = False
) -> exp.Query:
    """A copy with what `rewrite` makes of its nodes; as it is where none is of those above."""
    tree = query.copy()
    if not every and not any(isinstance(node, _REWRITTEN) for node in tree.walk()):
        return tree
    for node in reversed(list(tree.walk())):  # what is inside first
        if isinstance(node.parent, exp.Filter) and node.arg_key == "this":
            continue  # it is rewritten with its FILTER
        replacement = rewrite(node)
        if replacement is not None:
            replacement.type = node.type
            node.replace(replacement)
    return tree


def _for_duckdb(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Div) and _is_whole_division(node):
        return from_template("duckdb", "(:a // :b)", a=node.left, b=node.right)
    if isinstance(node, exp.Cast) and node.is_type(*WHOLE) and node.this.is_type(*REAL):
        return _cast_like(
            node, from_template("duckdb", "ROUND(:a)", a=node.this)
        )  # not halves to even
    for rewrite in (_number, _rounded, _part_of_text, _timestamp):
        if rewritten := rewrite(node, "duckdb"):
            return rewritten
    if isinstance(node, exp.Round | exp.Floor | exp.Ceil) and node.this.is_type(*REAL):
        return from_template("duckdb", "(:whole + 0e0)", whole=node)  # never -0.0, as in Spark
    if isinstance(node, exp.Upper):  # DuckDB would make ẞ of ß
        parts = "[UPPER(part) FOR part IN STRING_SPLIT(:a, 'ß')]"
        return from_template("duckdb", f"ARRAY_TO_STRING({parts}, 'ß')", a=node.this)
    if not isinstance(node.parent, exp.Window | exp.Filter):
        summed = node
        while isinstance(summed, exp.Window | exp.Filter):
            summed = summed.this
        is_whole = isinstance(summed, exp.Sum) and summed.this.is_type(*WHOLE)
        if is_whole:  # DuckDB: a HUGEINT
            return exp.cast(node.copy(), "BIGINT", dialect="duckdb")
        if isinstance(summed, exp.CountIf):  # the same, and NULL where there are no rows
            counted = exp.cast(node.copy(), "BIGINT", dialect="duckdb")
            return exp.Coalesce(this=counted, expressions=[exp.Literal.number(0)])
    return None


def _for_spark(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Div):
        if _is_whole_division(node):
            return from_template("spark", "(:a DIV :b)", a=node.left, b=node.right)
        if node.left.is_type(*REAL) or node.right.is_type(*REAL):  # Spark would fail for zero
            division = "CASE WHEN :b = 0 THEN :a * POWER(:b, -1) ELSE :a / :b END"
            return from_template("spark", division, a=node.left, b=node.right)
    if isinstance(node, exp.Cast) and node.is_type(*WHOLE) and node.this.is_type(*REAL):
        # Spark would cut, and make 2^63 a little less; 1e300 is no whole number to it either.
        rounded = "CASE WHEN :a = 9223372036854775807D THEN 1E300 ELSE ROUND(:a) END"
        return _cast_like(node, from_template("spark", rounded, a=node.this))
    for rewrite in (_number, _rounded, _part_of_text, _timestamp):
        if rewritten := rewrite(node, "spark"):
            return rewritten
    if isinstance(node, exp.Floor | exp.Ceil) and node.this.is_type(*REAL):
        # Spark would give a bigint. From 2^52 on, every double is whole.
        rounded_down = "CASE WHEN ABS(:a) >= 4503599627370496 THEN :a ELSE CAST(:cut AS DOUBLE) END"
        return from_template("spark", rounded_down, a=node.this, cut=node)
    if isinstance(node, exp.Upper | exp.Lower):  # Spark would make SS of ß, and ς of some Σ
        letters = _letters_by_case("UPPER" if isinstance(node, exp.Upper) else "LOWER")
        before, after = map(exp.Literal.string, letters)
        return from_template(
            "spark", "TRANSLATE(:a, :before, :after)", a=node.this, before=before, after=after
        )
    if isinstance(node, exp.Greatest | exp.Least):  # Spark would leave nulls out
        arguments = [node.this, *node.expressions]
        blank = exp.or_(*(exp.Is(this=a.copy(), expression=exp.null()) for a in arguments))
        return exp.Case(ifs=[exp.If(this=blank, true=exp.null())], default=node.copy())
    averaged = node.this if isinstance(node, exp.Filter) else node
    if (
        isinstance(averaged, exp.Avg)
        and averaged.this.is_type(*WHOLE)
        and not isinstance(node.parent, exp.Window)
        and not isinstance(averaged.this, exp.Distinct)
    ):  # Spark would sum up doubles
        only = " FILTER (WHERE :c)" if isinstance(node, exp.Filter) else ""
        total = f"CAST(SUM(CAST(:a AS DECIMAL(38, 0))){only} AS DOUBLE)"
        mean = f"({total} / NULLIF(COUNT(:a){only}, 0))"
        parts = {"c": node.expression.this} if isinstance(node, exp.Filter) else {}
        return from_template("spark", mean, a=averaged.this, **parts)
    return None


@cache
def _letters_by_case(case: Literal["UPPER", "LOWER"]) -> tuple[str, str]:
    """The letters that another case turns into another letter, and those, one for one.

    DuckDB knows: it turns every letter by itself, as Trino does, but for ß.
    """
    import duckdb

    query = (
        "SELECT STRING_AGG(given, '' ORDER BY given), STRING_AGG(turned, '' ORDER BY given) FROM ("
        f"SELECT CHR(n::INTEGER) AS given, {case}(given) AS turned"
        " FROM (SELECT UNNEST(RANGE(1, 55296) || RANGE(57344, 131072)) AS n))"  # no surrogates
        " WHERE given <> turned AND given <> 'ß'"
    )
    [(letters, turned)] = duckdb.execute(query).fetchall()
    return letters, turned


def _rounded(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """A double rounded to digits as Trino does it: engines would round what stands for it."""
    if not (isinstance(node, exp.Round) and node.args.get("decimals")):
        return None
    if not node.this.is_type(*REAL):
        return None
    digits = "(ROUND(:a * POWER(10, :n)) + 0) / POWER(10, :n)"
    rounded = f"CASE WHEN ABS(:a * POWER(10, :n)) < 1e308 THEN {digits} ELSE :a END"
    return from_template(dialect, rounded, a=node.this, n=node.args["decimals"])


def _number(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """Text read as a number as Java reads it, on which Trino relies; engines would read more."""
    if not (isinstance(node, exp.Cast) and node.this.is_type(*TEXT)):
        return None
    if node.is_type(*WHOLE):
        number = "[+-]?[0-9]+"
        pattern = f"{_BLANK}({number}){_BLANK}"
    elif node.is_type(exp.DataType.Type.DOUBLE):
        number = r"[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|NaN|Infinity)"
        pattern = f"{_BLANK}({number})[dDfF]?{_BLANK}"
    else:
        return None
    if dialect == "duckdb":
        error, test = "ERROR", f"REGEXP_FULL_MATCH(:a, '{pattern}')"
    else:
        pattern = pattern.replace("\\", "\\\\")
        error, test = "RAISE_ERROR", f":a RLIKE '^{pattern}\\\\z'"
    wrong = "NULL" if isinstance(node, exp.TryCast) else f"{error}('not a number')"
    extract = f"REGEXP_EXTRACT(:a, '{pattern}', 1)"
    text = f"CASE WHEN {test} THEN {extract} WHEN :a IS NOT NULL THEN {wrong} END"
    return _cast_like(node, from_template(dialect, text, a=node.this))


_SURROGATES = range(0xD800, 0xE000)
_BLANK = r"[\x00-\x20]*"
_SPACES = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009"
    "\u200a\u2028\u2029\u205f\u3000"
)
"""What Java takes for white space, and Trino with it; engines would trim plain spaces only."""


def _part_of_text(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """Part of a text as Trino cuts it; engines would return something where it has no such part."""
    if isinstance(node, exp.Trim) and not node.args.get("expression"):
        trimmed = node.copy()
        trimmed.set("expression", exp.Literal.string(_SPACES))
        if dialect != "duckdb":
            return trimmed
        # Most texts have nothing to trim, and a list of spaces is looked through for 2 µs a text.
        ends = " AND ".join(f"{end}(:text, 1) BETWEEN '!' AND '~'" for end in ("LEFT", "RIGHT"))
        quick = f"CASE WHEN {ends} THEN :text ELSE :trimmed END"
        return from_template(dialect, quick, text=node.this, trimmed=trimmed)
    if isinstance(node, exp.Chr) and _is_positive_int32(node.expressions[0]):
        number = int(node.expressions[0].name)
        if number > sys.maxunicode or number in _SURROGATES:
            error = "ERROR" if dialect == "duckdb" else "RAISE_ERROR"
            return from_template(dialect, f"{error}('no such letter')")
        return exp.Literal.string(chr(number))
    if isinstance(node, exp.SplitPart):
        parts = exp.Split(this=node.this.copy(), expression=node.args["delimiter"].copy())
        has = exp.ArraySize(this=parts) >= node.args["part_index"].copy()
        return exp.Case(ifs=[exp.If(this=has, true=node.copy())])
    if not isinstance(node, exp.Substring):
        return None
    text, start, length = node.this, node.args["start"], node.args.get("length")
    cut = node.copy()
    if length is not None and not _is_positive_int32(length):
        some = (
            "CASE WHEN :length < 0 THEN 0 WHEN :length > LENGTH(:text) THEN LENGTH(:text) "
            "ELSE :length END"
        )
        cut.set("length", from_template(dialect, some, length=length, text=text))
    if _is_positive_int32(start):
        return cut
    is_outside = "(:start = 0 OR :start NOT BETWEEN -LENGTH(:text) AND LENGTH(:text))"
    nothing = "CASE WHEN :length IS NOT NULL THEN '' END" if length is not None else "''"
    checked = f"CASE WHEN :text IS NOT NULL AND {is_outside} THEN {nothing} ELSE :cut END"
    parts_of = {"text": text, "start": start, "cut": cut}
    if length is not None:
        parts_of["length"] = length
    return from_template(dialect, checked, **parts_of)


def _timestamp(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """A time from seconds, to the second; an error outside of the years 1 to 9999."""
    if isinstance(node, exp.Extract) and node.name.upper() == "SECOND":  # Spark: with decimals
        return exp.Second(this=node.expression.copy())
    if not (isinstance(node, exp.UnixToTime) and node.this.is_type(*WHOLE)):
        return None
    moment, error = {
        "duckdb": (
            "CAST(MAKE_TIMESTAMP(CAST(:n AS BIGINT) * 1000000) AS TIMESTAMPTZ)",
            "ERROR('no time')",
        ),
        "spark": ("TIMESTAMP_SECONDS(:n)", "RAISE_ERROR('no time')"),
    }[dialect]
    within = f"CASE WHEN :n BETWEEN -62135596800 AND 253402300799 THEN {moment}"
    return from_template(dialect, f"{within} WHEN :n IS NOT NULL THEN {error} END", n=node.this)


def _is_positive_int32(node: exp.Expr) -> bool:
    """Whether it is a number from 1 on that is written out, and no larger than an integer."""
    is_number = isinstance(node, exp.Literal) and node.is_int
    return is_number and 1 <= int(node.name) < 1 << 31


def _is_whole_division(node: exp.Div) -> bool:
    return node.left.is_type(*WHOLE) and node.right.is_type(*WHOLE)


def _cast_like(cast: exp.Cast, value: exp.Expr) -> exp.Expr:
    copy = cast.copy()
    copy.set("this", value)
    return copy


def from_template(dialect: str, template: str, **parts: exp.Expr) -> exp.Expr:
    """An expression in an engine's own words, with `:name` standing for its parts."""
    tree = exp.Paren(this=sqlglot.parse_one(template, dialect=dialect))
    for placeholder in list(tree.find_all(exp.Placeholder)):
        if placeholder.name in parts:
            placeholder.replace(parts[placeholder.name].copy())
    made: exp.Expr = tree.this
    return made

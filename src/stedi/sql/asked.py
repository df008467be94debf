"""Functions that only queries call, in DuckDB's words with Athena's values.

`sql/dialects.py` does the same for those that declared SQL may use on every engine. What starts
with `athena_` is Python's: `engines/athena_functions.py` has it. What DuckDB can't do as Athena
does is refused here, or reported by `sql/told.py`. tests/support/edges.json has the values of Trino
that tests hold this to.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from stedi.errors import QueryError
from stedi.sql.dialects import duckdb_words, from_template
from stedi.sql.portable import is_decimal
from stedi.sql.tree import REAL, TEXT, WHOLE

_DATE = exp.DataType.Type.DATE
_ZONED = exp.DataType.Type.TIMESTAMPTZ
_TIMES = (_DATE, _ZONED, exp.DataType.Type.TIMESTAMP, exp.DataType.Type.DATETIME)
_DAYS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_FORMAT = re.compile(r"%(.)", re.DOTALL)
_TIME_SIGNS = set("aYymcdehHiIjkMbpSsTrfl%BL-")
"""What may follow % in a format of MySQL's, and of what sqlglot makes of it."""


def for_query(query: exp.Query) -> str:
    """A query that people asked, resolved and typed, in DuckDB's SQL; raises `QueryError`."""
    for node in query.find_all(exp.UnixToTime, exp.CurrentTimestamp, exp.FromISO8601Timestamp):
        node.type = exp.DataType.build("TIMESTAMPTZ")  # sqlglot takes them for times without a zone
    for tried in query.find_all(exp.Try):
        tried.type = tried.this.type
    return duckdb_words(query, _rewritten)


def _rewritten(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Filter):
        return _aggregated(node.this, node.expression.this)
    if isinstance(node, exp.Anonymous):
        return _by_name(node) or _aggregated(node, None)
    if isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
        _json_path(node)
    for kinds, rewrite in _TYPED:
        if isinstance(node, kinds):
            return rewrite(node)
    if aggregated := _aggregated(node, None):
        return aggregated
    if template := _TEMPLATES.get(type(node)):
        return _from(template, node)
    return None


def _from(template: str, node: exp.Expr, **more: exp.Expr) -> exp.Expr:
    """A template with `:this`, `:expression` and so on of a node."""
    parts = {name: part for name, part in node.args.items() if isinstance(part, exp.Expr)}
    return from_template("duckdb", template, **{**parts, **more})


def _cannot(what: str) -> QueryError:
    return QueryError(f"{what}: can't be had here as Athena has it; `--athena` asks Athena")


# Functions that sqlglot doesn't know, by name and number of arguments -----------------------------

_DISTINCT = "LIST_FILTER({0}, (el, ix) -> LIST_POSITION({0}, el) = ix)"
_BITS = "CASE WHEN :b = {0} THEN BIT_COUNT(CAST(:a AS {1}))"
_MATCH = "LIST_TRANSFORM(:a, :b)"
_ANY = "LIST_CONTAINS({0}, TRUE)"
_BLANK = "LEN({0}) > LIST_COUNT({0})"
_NAMED: dict[tuple[str, int], str] = {
    ("nan", 0): "CAST('NaN' AS DOUBLE)",
    ("infinity", 0): "CAST('Infinity' AS DOUBLE)",
    ("e", 0): "EXP(1)",
    ("is_finite", 1): "ISFINITE(:a)",
    ("is_infinite", 1): "ISINF(:a)",
    ("to_base", 2): "CASE WHEN :a < 0 THEN '-' || LOWER(TO_BASE(-:a, :b)) "
    "ELSE LOWER(TO_BASE(:a, :b)) END",
    ("bit_count", 2): "athena_bit_count(CAST(:a AS BIGINT), CAST(:b AS BIGINT))",
    ("codepoint", 1): "CASE WHEN LENGTH(:a) = 1 THEN UNICODE(:a) "
    "WHEN :a IS NOT NULL THEN ERROR('not one letter') END",
    ("hamming_distance", 2): "CASE WHEN LENGTH(:a) <> LENGTH(:b) THEN ERROR('of other length') "
    "WHEN :a = '' THEN 0 ELSE athena_hamming(:a, :b) END",
    ("crc32", 1): "athena_crc32(:a)",
    ("xxhash64", 1): "athena_xxhash64(:a)",
    ("url_encode", 1): "athena_url_encode(:a)",
    ("url_decode", 1): "athena_url_decode(:a)",
    ("url_extract_host", 1): "athena_url_part(:a, 'host')",
    ("url_extract_path", 1): "athena_url_part(:a, 'path')",
    ("url_extract_query", 1): "athena_url_part(:a, 'query')",
    ("millisecond", 1): "CAST(MILLISECOND(:a) % 1000 AS BIGINT)",
    ("yow", 1): "ISOYEAR(:a)",
    ("array_union", 2): _DISTINCT.format("LIST_CONCAT(:a, :b)"),
    ("arrays_overlap", 2): "CASE WHEN LEN(LIST_FILTER(:a, el -> el IS NOT NULL AND "
    "LIST_CONTAINS(:b, el))) > 0 THEN TRUE "
    f"WHEN {_BLANK.format(':a')} OR {_BLANK.format(':b')} THEN NULL "
    "WHEN :a IS NOT NULL AND :b IS NOT NULL THEN FALSE END",
    ("any_match", 2): f"CASE WHEN {_ANY.format(_MATCH)} THEN TRUE "
    f"WHEN {_BLANK.format(_MATCH)} THEN NULL WHEN :a IS NOT NULL THEN FALSE END",
    ("none_match", 2): f"CASE WHEN {_ANY.format(_MATCH)} THEN FALSE "
    f"WHEN {_BLANK.format(_MATCH)} THEN NULL WHEN :a IS NOT NULL THEN TRUE END",
    ("all_match", 2): f"CASE WHEN LIST_CONTAINS({_MATCH}, FALSE) THEN FALSE "
    f"WHEN {_BLANK.format(_MATCH)} THEN NULL WHEN :a IS NOT NULL THEN TRUE END",
    ("zip", 2): "LIST_TRANSFORM(LIST_ZIP(:a, :b), "
    "el -> {'field0': STRUCT_EXTRACT_AT(el, 1), 'field1': STRUCT_EXTRACT_AT(el, 2)})",
    ("map_entries", 1): "LIST_TRANSFORM(MAP_ENTRIES(:a), "
    "el -> {'field0': el.key, 'field1': el.value})",
    ("json_array_length", 1): "CASE WHEN JSON_VALID(:a) AND JSON_TYPE(:a) = 'ARRAY' "
    "THEN CAST(JSON_ARRAY_LENGTH(:a) AS BIGINT) END",
    ("json_size", 2): "CASE JSON_TYPE(:a, :b) WHEN 'OBJECT' THEN LEN(JSON_KEYS(:a, :b)) "
    "WHEN 'ARRAY' THEN CAST(JSON_ARRAY_LENGTH(:a, :b) AS BIGINT) "
    "ELSE CASE WHEN JSON_EXISTS(:a, :b) THEN 0 END END",
}


def _by_name(node: exp.Anonymous) -> exp.Expr | None:
    name, arguments = node.name.lower(), node.expressions
    parts = dict(zip("abcd", arguments, strict=False))
    if template := _NAMED.get((name, len(arguments))):
        return from_template("duckdb", template, **parts)
    if name in ("bitwise_left_shift", "bitwise_right_shift"):
        is_big = arguments[0].is_type("bigint")
        bits = exp.Literal.number(64 if is_big else 32)
        call = f"athena_{name}(CAST(:a AS BIGINT), CAST(:b AS BIGINT), :bits)"
        call = call if is_big else f"CAST({call} AS INTEGER)"
        return from_template("duckdb", call, **parts, bits=bits)
    if name == "zip_with":
        return _zipped(node)
    if name == "map_filter" and len(arguments) == 2:
        return _map_filtered(node)
    if name == "format_datetime" and len(arguments) == 2:
        zone = "'UTC'" if arguments[0].is_type(_ZONED) else "''"
        call = f"athena_format_datetime(CAST(:a AS TIMESTAMP), :b, {zone})"
        return from_template("duckdb", call, **parts)
    if name == "to_iso8601":
        return from_template("duckdb", f"STRFTIME(:a, '{_iso(arguments[0])}')", **parts)
    if name == "at_timezone":
        return from_template("duckdb", "TIMEZONE(:b, :a)", **parts)
    return None


def _iso(moment: exp.Expr) -> str:
    if moment.is_type(_DATE):
        return "%Y-%m-%d"
    return f"%Y-%m-%dT%H:%M:%S.%g{'Z' if moment.is_type(_ZONED) else ''}"


def _zipped(node: exp.Anonymous) -> exp.Expr:
    one, other, function = node.expressions
    if not isinstance(function, exp.Lambda) or len(function.expressions) != 2:
        raise _cannot("zip_with without a function of two values")
    body = _with(function, ("STRUCT_EXTRACT_AT(el, 1)", "STRUCT_EXTRACT_AT(el, 2)"))
    return from_template(
        "duckdb", "LIST_TRANSFORM(LIST_ZIP(:a, :b), el -> :body)", a=one, b=other, body=body
    )


def _map_filtered(node: exp.Anonymous) -> exp.Expr:
    given, function = node.expressions
    if not isinstance(function, exp.Lambda) or len(function.expressions) != 2:
        raise _cannot("map_filter without a function of two values")
    body = _with(function, ("el.key", "el.value"))
    template = "MAP_FROM_ENTRIES(LIST_FILTER(MAP_ENTRIES(:a), el -> :body))"
    return from_template("duckdb", template, a=given, body=body)


def _with(function: exp.Lambda, values: tuple[str, ...]) -> exp.Expr:
    """What a function returns, with these values in place of its variables."""
    names = [variable.name.lower() for variable in function.expressions]
    by_name = dict(zip(names, values, strict=True))
    body = exp.Paren(this=function.this.copy())
    for node in list(body.find_all(exp.Column, exp.Identifier)):
        is_own = isinstance(node, exp.Column) or not isinstance(node.parent, exp.Column)
        if is_own and node.name.lower() in by_name and not getattr(node, "table", ""):
            node.replace(from_template("duckdb", by_name[node.name.lower()]))
    return body


# Functions that sqlglot knows --------------------------------------------------------------------

_IS_AMONG = "LIST_POSITION({1}, {0}) IS {2} NULL"
_TEMPLATES: dict[type[exp.Expr], str] = {
    exp.ArrayRemove: "CASE WHEN :expression IS NOT NULL THEN "
    "LIST_FILTER(:this, el -> el IS DISTINCT FROM :expression) END",
    exp.ArrayContains: "CASE WHEN LIST_CONTAINS(:this, :expression) THEN TRUE "
    f"WHEN :expression IS NULL OR {_BLANK.format(':this')} THEN NULL "
    "WHEN :this IS NOT NULL THEN FALSE END",
    exp.ArrayPosition: "CASE WHEN :this IS NOT NULL AND :expression IS NOT NULL "
    "THEN CAST(COALESCE(LIST_POSITION(:this, :expression), 0) AS BIGINT) END",
    exp.ArrayDistinct: _DISTINCT.format(":this"),
    exp.ArrayMax: f"CASE WHEN NOT ({_BLANK.format(':this')}) THEN LIST_MAX(:this) END",
    exp.ArrayMin: f"CASE WHEN NOT ({_BLANK.format(':this')}) THEN LIST_MIN(:this) END",
    exp.FromBase: "athena_from_base(:this, CAST(:expression AS BIGINT))",
    exp.JSONExtractScalar: "CASE WHEN JSON_VALID(:this) AND "
    "JSON_TYPE(:this, :expression) NOT IN ('ARRAY', 'OBJECT') "
    "THEN CASE WHEN JSON_TYPE(:this, :expression) = 'DOUBLE' "
    "OR JSON_EXTRACT(:this, :expression) = '0' "
    "THEN athena_json_number(CAST(:this AS VARCHAR), :expression) "
    "ELSE JSON_EXTRACT_STRING(:this, :expression) END END",
    exp.JSONExtract: "CASE WHEN JSON_VALID(:this) THEN JSON_EXTRACT(:this, :expression) END",
    exp.SHA: "UNHEX(SHA1(:this))",
    exp.Cbrt: "athena_cbrt(CAST(:this AS DOUBLE))",
    exp.CurrentTimezone: "'UTC'",
}


_WIDE = (exp.JSONPathWildcard, exp.JSONPathRecursive, exp.JSONPathSlice, exp.JSONPathUnion,
         exp.JSONPathFilter, exp.JSONPathScript)  # fmt: skip


def _json_path(node: exp.Expr) -> None:
    """Refuse a path that leads to several values, which Athena has no word for."""
    path = node.expression
    if (path and path.find(*_WIDE)) or (isinstance(path, exp.Literal) and "*" in path.name):
        raise QueryError("a path in JSON leads to one value: it has no *, no .. and no filter")


def _date_of(node: exp.Expr) -> exp.Expr | None:
    if not node.this.is_type(*TEXT):
        return None
    template = (
        "CASE WHEN REGEXP_FULL_MATCH(:this, '[0-9]+-[0-9]+-[0-9]+') THEN CAST(:this AS DATE) "
        "WHEN :this IS NOT NULL THEN ERROR('not a date') END"
    )
    return _from(template, node)


def _arrays_except(node: exp.Expr) -> exp.Expr:
    rest = "LIST_FILTER(:a, el -> LIST_POSITION(:b, el) IS {} NULL)"
    one, other = (
        node.expressions if isinstance(node, exp.ArrayIntersect) else (node.this, node.expression)
    )
    inner = rest.format("NOT" if isinstance(node, exp.ArrayIntersect) else "")
    return from_template("duckdb", _DISTINCT.format(inner), a=one, b=other)


def _array_sort(node: exp.Expr) -> exp.Expr | None:
    if node.args.get("expression"):
        raise _cannot("array_sort with a function of its own")
    return None


def _slice(node: exp.Expr) -> exp.Expr:
    start, length = node.args.get("start"), node.args.get("end")
    if start is None or length is None:
        raise _cannot("slice without a length")
    return _from(
        "CASE WHEN :s = 0 OR :n < 0 THEN ERROR('no such part') "
        "WHEN :s > 0 THEN LIST_SLICE(:this, :s, :s + :n - 1) "
        "WHEN -:s > LEN(:this) THEN LIST_SLICE(:this, 1, 0) "
        "ELSE LIST_SLICE(:this, LEN(:this) + :s + 1, LEN(:this) + :s + :n) END",
        node, s=start, n=length,
    )  # fmt: skip


def _sequence(node: exp.Expr) -> exp.Expr | None:
    start, end, step = (node.args.get(name) for name in ("start", "end", "step"))
    assert start is not None
    assert end is not None
    if isinstance(step, exp.Interval):
        if step.text("unit").upper() in ("MONTH", "YEAR", "QUARTER"):
            raise _cannot("sequence by months")
        numbers = from_template("duckdb", "GENERATE_SERIES(:a, :b, :c)", a=start, b=end, c=step)
        type_ = "DATE[]" if start.is_type(_DATE) else "TIMESTAMP[]"
        return exp.cast(numbers, type_, dialect="duckdb")
    if start.is_type(_DATE):
        series = "CAST(GENERATE_SERIES(:a, :b, INTERVAL 1 DAY) AS DATE[])"
        return from_template("duckdb", series, a=start, b=end)
    if step is None:
        series = (
            "CASE WHEN :a <= :b THEN GENERATE_SERIES(CAST(:a AS BIGINT), CAST(:b AS BIGINT)) "
            "ELSE GENERATE_SERIES(CAST(:a AS BIGINT), CAST(:b AS BIGINT), -1) END"
        )
        return from_template("duckdb", series, a=start, b=end)
    series = (
        "CASE WHEN :c = 0 OR (:b > :a AND :c < 0) OR (:b < :a AND :c > 0) "
        "THEN ERROR('a step that leads nowhere') "
        "ELSE GENERATE_SERIES(CAST(:a AS BIGINT), CAST(:b AS BIGINT), CAST(:c AS BIGINT)) END"
    )
    return from_template("duckdb", series, a=start, b=end, c=step)


def _bracket(node: exp.Expr) -> exp.Expr | None:
    [index] = node.expressions if len(node.expressions) == 1 else [None]
    if index is None:
        return None
    if node.args.get("safe"):
        if isinstance(index, exp.Literal) and index.name == "0" and not index.is_string:
            raise QueryError("element_at: positions are counted from 1")
        return None
    # sqlglot counts from 0 here, as its own trees do
    is_of_map = index.is_type(*TEXT) or node.this.is_type(exp.DataType.Type.MAP)
    if is_of_map or isinstance(node.this, exp.Map | exp.VarMap):
        template = (
            "CASE WHEN MAP_CONTAINS(:m, :k) THEN MAP_EXTRACT_VALUE(:m, :k) "
            "WHEN :m IS NOT NULL AND :k IS NOT NULL THEN ERROR('no such key') END"
        )
        return from_template("duckdb", template, m=node.this, k=index)
    template = (
        "CASE WHEN :k BETWEEN 1 AND LEN(:m) THEN LIST_EXTRACT(:m, CAST(:k AS BIGINT)) "
        "WHEN :m IS NOT NULL AND :k IS NOT NULL THEN ERROR('no such position') END"
    )
    return from_template("duckdb", template, m=node.this, k=_from_one(node, index))


def _from_one(node: exp.Expr, index: exp.Expr) -> exp.Expr:
    """The position as it was written: sqlglot makes it one less."""
    if node.args.get("offset") is not None:
        return index
    if isinstance(index, exp.Literal) and index.is_int:
        return exp.Literal.number(int(index.name) + 1)
    if isinstance(index, exp.Neg) and isinstance(index.this, exp.Literal):
        return from_template("duckdb", ":k + 1", k=index)
    return from_template("duckdb", "(:k + 1)", k=index)


def _width_bucket(node: exp.Expr) -> exp.Expr:
    low, high, number = (node.args.get(k) for k in ("min_value", "max_value", "num_buckets"))
    assert low is not None
    if high is None:
        template = (
            "CASE WHEN ISNAN(:x) OR LEN(:bins) = 0 THEN ERROR('no number, or no bins') "
            "WHEN :x IS NOT NULL THEN LEN(LIST_FILTER(:bins, el -> el <= :x)) END"
        )
        return from_template("duckdb", template, x=_double(node.this), bins=low)
    assert number is not None
    template = (
        "CASE WHEN :n <= 0 OR :a = :b OR ISNAN(:x) OR NOT ISFINITE(:a) OR NOT ISFINITE(:b) "
        "THEN ERROR('no such bins') "
        "WHEN :a < :b THEN CASE WHEN :x < :a THEN 0 WHEN :x >= :b THEN :n + 1 "
        "ELSE CAST(FLOOR(:n * (:x - :a) / (:b - :a) + 1) AS BIGINT) END "
        "ELSE :n + 1 - CASE WHEN :x < :b THEN 0 WHEN :x >= :a THEN :n + 1 "
        "ELSE CAST(FLOOR(:n * (:x - :b) / (:a - :b) + 1) AS BIGINT) END END"
    )
    bigint = exp.cast(number.copy(), "BIGINT", dialect="duckdb")
    doubles = {name: _double(value) for name, value in (("x", node.this), ("a", low), ("b", high))}
    return from_template("duckdb", template, n=bigint, **doubles)


def _double(value: exp.Expr) -> exp.Expr:
    return exp.cast(value.copy(), "DOUBLE", dialect="duckdb")


def _position(node: exp.Expr) -> exp.Expr | None:
    if node.args.get("occurrence") is not None:
        raise _cannot("strpos of a later occurrence")
    return None


def _split(node: exp.Expr) -> exp.Expr | None:
    limit = node.args.get("limit")
    if isinstance(node.expression, exp.Literal) and not node.expression.name:
        raise QueryError("split: what separates the parts is empty")
    if limit is None:
        return None
    template = (
        "CASE WHEN LEN(STRING_SPLIT(:this, :expression)) <= :limit "
        "THEN STRING_SPLIT(:this, :expression) "
        "ELSE LIST_APPEND(LIST_SLICE(STRING_SPLIT(:this, :expression), 1, :limit - 1), "
        "ARRAY_TO_STRING(LIST_SLICE(STRING_SPLIT(:this, :expression), :limit, "
        "LEN(STRING_SPLIT(:this, :expression))), "
        ":expression)) END"
    )
    return _from(template, node)


def _split_part(node: exp.Expr) -> exp.Expr | None:
    part = node.args["part_index"]
    if isinstance(part, exp.Neg) or (isinstance(part, exp.Literal) and part.name == "0"):
        raise QueryError("split_part: parts are counted from 1")
    return None


def _replace(node: exp.Expr) -> exp.Expr | None:
    sought = node.expression
    if isinstance(sought, exp.Literal) and sought.name:
        return None
    template = (
        "CASE WHEN :expression = '' THEN :replacement || ARRAY_TO_STRING(LIST_TRANSFORM("
        "STRING_SPLIT(:this, ''), el -> CASE WHEN el = '' THEN '' ELSE el || :replacement END), '')"
        " ELSE REPLACE(:this, :expression, :replacement) END"
    )
    replacement = node.args.get("replacement") or exp.Literal.string("")
    return _from(template, node, replacement=replacement)


def _regexp_extract(node: exp.Expr) -> exp.Expr | None:
    group = node.args.get("group") or exp.Literal.number(0)
    if not isinstance(group, exp.Literal):
        raise _cannot("regexp_extract of a group that isn't written out")
    if not group.is_int:
        raise QueryError("regexp_extract: a group has a number")
    pattern = node.expression
    if isinstance(pattern, exp.Literal) and int(group.name) > _groups(pattern.name):
        raise QueryError(f"regexp_extract: the pattern has no group {group.name}")
    template = (
        "CASE WHEN REGEXP_MATCHES(:this, :expression) "
        "THEN REGEXP_EXTRACT(:this, :expression, :group) END"
    )
    return _from(template, node, group=group)


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error:
        return len(pattern)


def _regexp_replace(node: exp.Expr) -> exp.Expr | None:
    replacement = node.args.get("replacement") or exp.Literal.string("")
    if not isinstance(replacement, exp.Literal):
        raise _cannot("regexp_replace by what isn't written out")
    parts = re.split(r"(\\.|\$\d+|\$)", replacement.name)
    words = []
    for part in parts:
        if part == "$":
            raise _cannot("regexp_replace by groups with names")
        if part[:1] == "$":
            if isinstance(node.expression, exp.Literal) and int(part[1:]) > _groups(
                node.expression.name
            ):
                raise QueryError(f"regexp_replace: the pattern has no group {part[1:]}")
            words.append(f"\\{part[1:]}")
        elif part[:1] == "\\":
            words.append("\\\\" if part == "\\\\" else part[1:])
        else:
            words.append(part)
    text = exp.Literal.string("".join(words))
    return _from("REGEXP_REPLACE(:this, :expression, :r, 'g')", node, r=text)


def _sha2(node: exp.Expr) -> exp.Expr | None:
    if node.args.get("length") is not None and node.args["length"].name == "512":
        return _from("athena_sha512(:this)", node)
    return None


def _truncated(node: exp.Expr) -> exp.Expr | None:
    if not node.this.is_type(_DATE):
        return None
    unit = node.args["unit"].name.upper()
    if unit not in _DAYS:
        raise QueryError(f"date_trunc: a date has no {unit.lower()}")
    return exp.cast(node.copy(), "DATE", dialect="duckdb")


def _moved(node: exp.Expr) -> exp.Expr | None:
    """A date moved by days or longer, which stays a date."""
    if not node.this.is_type(_DATE):
        if node.this.is_type(*TEXT):
            raise QueryError("date_add: of a text; write DATE or TIMESTAMP before it")
        return None
    unit = node.text("unit").upper()
    if unit not in _DAYS:
        raise QueryError(f"date_add: a date has no {unit.lower()}; cast it to TIMESTAMP")
    return exp.cast(node.copy(), "DATE", dialect="duckdb")


def _difference(node: exp.Expr) -> exp.Expr:
    """Whole units between two times: DuckDB's DATE_DIFF counts how often a unit begins."""
    unit = node.text("unit").upper()
    later, earlier = node.this, node.expression
    dates = [side.is_type(_DATE) for side in (later, earlier)]
    if all(dates) and unit not in _DAYS:
        raise QueryError(f"date_diff: a date has no {unit.lower()}; cast it to TIMESTAMP")
    template = "DATESUB(:unit, CAST(:a AS TIMESTAMP), CAST(:b AS TIMESTAMP))"
    name = exp.Literal.string(unit.lower())
    return from_template("duckdb", template, unit=name, a=earlier, b=later)


def _sum_of_times(node: exp.Expr) -> exp.Expr | None:
    """A date and an interval of days is a date; two dates are an interval apart."""
    one, other = node.this, node.expression
    if isinstance(node, exp.Sub) and one.is_type(_DATE) and other.is_type(_DATE):
        return from_template("duckdb", "TO_DAYS(CAST(:a - :b AS INTEGER))", a=one, b=other)
    pair = [side for side in (one, other) if isinstance(side, exp.Interval)]
    if len(pair) == 1 and any(side.is_type(_DATE) for side in (one, other)):
        if pair[0].text("unit").upper() not in _DAYS:
            raise QueryError("a date has no hours; cast it to TIMESTAMP")
        return exp.cast(exp.Paren(this=node.copy()), "DATE", dialect="duckdb")
    return None


def _format_of_time(node: exp.Expr) -> exp.Expr | None:
    form = node.args.get("format")
    if isinstance(form, exp.Literal):
        if isinstance(node, exp.StrToTime) and not re.search("%[Yy]", form.name):
            raise _cannot("date_parse without a year")
        for sign in _FORMAT.findall(form.name):
            if sign not in _TIME_SIGNS and sign in "DUuVwXxvWgn":
                raise _cannot(f"%{sign} in a format")
    return None


def _is_interval(value: exp.Expr) -> bool:
    """Whether a value is how long something takes, as far as can be seen."""
    value = value.unnest()
    if isinstance(value, exp.Sub | exp.Add):
        sides = (value.this, value.expression)
        is_moved = any(side.is_type(*_TIMES) for side in sides) and any(map(_is_interval, sides))
        are_apart = isinstance(value, exp.Sub) and all(side.is_type(*_TIMES) for side in sides)
        return are_apart or (not is_moved and any(map(_is_interval, sides)))
    return isinstance(value, exp.Interval) or value.is_type(exp.DataType.Type.INTERVAL)


def _part(node: exp.Expr) -> exp.Expr | None:
    """A part of an interval, of which Athena has as many days as there are 24 hours."""
    if _is_interval(node.expression if isinstance(node, exp.Extract) else node.this):
        raise _cannot("a part of an interval")
    return _extracted(node) if isinstance(node, exp.Extract) else None


def _extracted(node: exp.Expr) -> exp.Expr | None:
    part = {
        "DAY_OF_WEEK": "ISODOW", "DOW": "ISODOW", "DAY_OF_YEAR": "DOY", "DAY_OF_MONTH": "DAY",
        "YEAR_OF_WEEK": "ISOYEAR", "YOW": "ISOYEAR",
    }.get(node.name.upper())  # fmt: skip
    if part is None:
        return None
    return from_template("duckdb", f"EXTRACT({part} FROM :x)", x=node.expression)


def _from_seconds(node: exp.Expr) -> exp.Expr | None:
    zone = node.args.get("zone")
    if node.args.get("hours") is not None or node.args.get("minutes") is not None:
        raise _cannot("from_unixtime with hours and minutes")
    if zone is not None:
        raise _cannot("from_unixtime in another time zone")
    if node.this.is_type(*WHOLE):
        return None
    template = (
        "CASE WHEN ABS(:x) < 253402300800 "
        "THEN CAST(MAKE_TIMESTAMP(CAST(ROUND(:x * 1000) AS BIGINT) * 1000) AS TIMESTAMPTZ) "
        "WHEN :x IS NOT NULL THEN ERROR('beyond the year 9999') END"
    )
    return from_template("duckdb", template, x=_double(node.this))


def _cast(node: exp.Expr) -> exp.Expr | None:
    """Doubles and times written as Trino does, text cut to a length, and what text may be."""
    value, to = node.this, node.args["to"]
    if isinstance(value, exp.Literal) and value.is_string and to.is_type(_ZONED):
        if re.search(r"[A-Za-z]", value.name) and not re.search(r"\b(UTC|Z)$", value.name):
            raise _cannot("a time in another time zone")
        return None
    if to.is_type(exp.DataType.Type.BOOLEAN) and value.is_type(*TEXT):
        return _to_boolean(node)
    if to.is_type(exp.DataType.Type.DECIMAL) and not to.expressions:
        return _to_decimal(node)
    if to.is_type(exp.DataType.Type.DECIMAL) and value.is_type(*REAL) and not _is_decimal(value):
        # By the digits that a double is written with, as Athena rounds: 1.005 is 1.01.
        copy = node.copy()
        copy.set("this", exp.cast(value.copy(), "VARCHAR", dialect="duckdb"))
        return copy
    if not to.is_type(*TEXT):
        return None
    written: exp.Expr = node.copy()
    written.set("to", exp.DataType.build("VARCHAR"))
    if value.is_type(*REAL) and not _is_decimal(value):
        # A real's digits are those of its own text: 0.1, and not the double that is nearest to it.
        exact = "CAST(:x AS VARCHAR)" if value.is_type(exp.DataType.Type.FLOAT) else ":x"
        written = from_template("duckdb", f"athena_double(CAST({exact} AS DOUBLE))", x=value)
    elif value.is_type(_ZONED):
        written = from_template("duckdb", "STRFTIME(:x, '%Y-%m-%d %H:%M:%S.%g UTC')", x=value)
    elif not to.expressions:
        return None
    if to.expressions and to.is_type("varchar"):
        length = to.expressions[0]
        if value.is_type(*WHOLE):
            template = "CASE WHEN LENGTH(:x) > :n THEN ERROR('too long') ELSE :x END"
            return from_template("duckdb", template, x=written, n=length.this)
        return from_template("duckdb", "LEFT(:x, :n)", x=written, n=length.this)
    if to.expressions:
        length = to.expressions[0]
        return from_template("duckdb", "RPAD(:x, :n, ' ')", x=written, n=length.this)
    return written


def _is_decimal(value: exp.Expr) -> bool:
    """Whether a number that is written out is a decimal: a double has an exponent."""
    return isinstance(value, exp.Literal) and "e" not in value.name.lower()


def _to_boolean(node: exp.Expr) -> exp.Expr:
    wrong = "NULL" if isinstance(node, exp.TryCast) else "ERROR('neither true nor false')"
    template = (
        "CASE WHEN LOWER(:x) IN ('t', 'true', '1') THEN TRUE "
        "WHEN LOWER(:x) IN ('f', 'false', '0') THEN FALSE "
        f"WHEN :x IS NOT NULL THEN {wrong} END"
    )
    return from_template("duckdb", template, x=node.this)


def _to_decimal(node: exp.Expr) -> exp.Expr | None:
    """DECIMAL '1.50' has as many digits as are written."""
    if not (isinstance(node.this, exp.Literal) and node.this.is_string):
        return None
    whole, _, fraction = node.this.name.lstrip("+-").partition(".")
    digits = max(1, len(whole.lstrip("0")) + len(fraction))
    to = f"DECIMAL({digits}, {len(fraction)})"
    return from_template("duckdb", f"CAST(:x AS {to})", x=node.this)


def _random(node: exp.Expr) -> exp.Expr | None:
    if node.this is not None or node.args.get("lower") is not None:
        raise _cannot("random with limits")
    return None


def _nth(node: exp.Expr) -> exp.Expr | None:
    offset = node.args.get("offset")
    if isinstance(offset, exp.Literal) and offset.name == "0":
        raise QueryError("nth_value: rows are counted from 1")
    return None


def _size(node: exp.Expr) -> exp.Expr | None:
    given = node.this
    named = given.name.lower() if isinstance(given, exp.Anonymous) else ""
    is_map = isinstance(given, exp.Map | exp.VarMap) or given.is_type(exp.DataType.Type.MAP)
    if is_map or named in ("map_agg", "histogram", "map_filter"):
        return from_template("duckdb", "CAST(CARDINALITY(:x) AS BIGINT)", x=given)
    return None


def _padded(node: exp.Expr) -> exp.Expr | None:
    name = "LPAD" if node.args.get("is_left") else "RPAD"
    template = (
        f"CASE WHEN :expression < 0 OR :fill_pattern = '' THEN ERROR('no such length, or nothing')"
        f" ELSE {name}(:this, CAST(:expression AS INTEGER), :fill_pattern) END"
    )
    return _from(template, node)


def _normalised(node: exp.Expr) -> exp.Expr:
    form = node.args.get("form")
    name = exp.Literal.string(form.name.upper() if isinstance(form, exp.Expr) else "NFC")
    return from_template("duckdb", "athena_normalize(:a, :form)", a=node.this, form=name)


def _formatted(node: exp.Expr) -> exp.Expr:
    """`format` is Java's: each value with a sign for its type, for Python to format."""
    values = []
    for value in node.expressions:
        written: exp.Expr = exp.cast(value.copy(), "VARCHAR", dialect="duckdb")
        if value.is_type(*WHOLE):
            kind = "i"
        elif value.is_type(exp.DataType.Type.DECIMAL) or (
            isinstance(value, exp.Literal) and value.is_number and "e" not in value.name.lower()
        ):
            kind = "d"
        elif value.is_type(*REAL):
            kind = "f"
        elif value.is_type(exp.DataType.Type.BOOLEAN):
            kind = "b"
        elif value.is_type(_ZONED, exp.DataType.Type.TIMESTAMP):
            raise _cannot("format of a time")
        else:
            kind = "s"
        values.append(from_template("duckdb", f"'{kind}' || :x", x=written))
    given = exp.Array(expressions=values)
    return from_template("duckdb", "athena_format(:f, :given)", f=node.this, given=given)


def _reversed(node: exp.Expr) -> exp.Expr | None:
    """Letters or values from the last to the first: DuckDB leaves an accent with its letter."""
    if node.this.is_type(exp.DataType.Type.ARRAY) or isinstance(node.this, exp.Array):
        return _from("LIST_REVERSE(:this)", node)
    return _from("ARRAY_TO_STRING(LIST_REVERSE(STRING_SPLIT(:this, '')), '')", node)


def _joined(node: exp.Expr) -> exp.Expr | None:
    """Values of an array as texts: what sqlglot takes for a double may be a decimal to DuckDB."""
    inner = node.this.expressions if isinstance(node.this, exp.Array) else []
    if inner and not any(value.is_type(*REAL) for value in inner):
        return None
    template = (
        "LIST_TRANSFORM(:x, el -> CASE WHEN TYPEOF(el) IN ('DOUBLE', 'FLOAT') "
        "THEN athena_double(CAST(CAST(el AS VARCHAR) AS DOUBLE)) ELSE CAST(el AS VARCHAR) END)"
    )
    copy = node.copy()
    copy.set("this", from_template("duckdb", template, x=node.this))
    return copy


def _whole_of_decimal(node: exp.Expr) -> exp.Expr | None:
    """A decimal without its fraction stays one; one rounded to digits keeps its digits: 5.60."""
    value = node.this.unnest()
    value = value.this.unnest() if isinstance(value, exp.Neg) else value
    if not is_decimal(value):
        return None
    if node.args.get("decimals"):
        return from_template("duckdb", "(:rounded + (:x - :x))", rounded=node.copy(), x=node.this)
    return exp.Paren(this=node.copy())


_FAILING = "LIST_EXTRACT([NULL], CAST('' AS INTEGER))"
"""Fails as ERROR does, and is of no type either; but DuckDB takes it for the same each time."""


def _tried(node: exp.Expr) -> exp.Expr:
    """TRY of what fails by ERROR here, which DuckDB refuses to try: it may be another each time."""
    for kinds, what in (
        ((exp.AggFunc,), "an aggregate"),
        ((exp.Query, exp.Subquery), "a SELECT"),
        ((exp.Rand, exp.Uuid), "random() or uuid()"),
    ):
        if node.find(*kinds):
            raise QueryError(f"TRY of {what} can't be had here; write TRY inside of it, or a CASE")
    tried = node.copy()
    for call in [*tried.find_all(exp.Anonymous)]:
        if call.name.upper() == "ERROR":
            call.replace(from_template("duckdb", _FAILING))
    return tried


UNNESTED_ROWS = "UNNEST of rows"
"""What the error of an UNNEST says that would make a column of each field on Athena."""
_UNNESTED = (
    "CASE WHEN STARTS_WITH(TYPEOF(:a), 'STRUCT(') AND ENDS_WITH(TYPEOF(:a), ')[]') "
    f"THEN ERROR('{UNNESTED_ROWS}') ELSE :a END"
)


def _unnested(node: exp.Expr) -> exp.Expr:
    """UNNEST of values alone: of rows, Athena makes a column of each field, DuckDB only one."""
    if len(node.expressions) > 1:
        raise QueryError(
            "UNNEST of several arrays can't be had here as Athena has it; WITH ORDINALITY numbers "
            "the values of each, and a join by these numbers puts them side by side"
        )
    values = from_template("duckdb", _UNNESTED, a=node.expressions[0])
    node.set("expressions", [values])
    return node


def _row(node: exp.Expr) -> exp.Expr | None:
    """A row whose fields have no names, as on Athena: sqlglot names them like their columns.

    DuckDB compares fields by their names, so that ROW(x, y) would be equal to ROW(y, x).
    """
    if not any(isinstance(value, exp.Column) for value in node.expressions):
        return None
    values = [exp.paren(v) if isinstance(v, exp.Column) else v for v in node.expressions]
    return exp.Struct(expressions=values)


_Rewrite = Callable[[exp.Expr], exp.Expr | None]
_TYPED: tuple[tuple[tuple[type[exp.Expr], ...], _Rewrite], ...] = (
    ((exp.ArrayExcept, exp.ArrayIntersect), _arrays_except),
    ((exp.ArraySort,), _array_sort),
    ((exp.ArraySlice,), _slice),
    ((exp.GenerateSeries,), _sequence),
    ((exp.Bracket,), _bracket),
    ((exp.WidthBucket,), _width_bucket),
    ((exp.StrPosition,), _position),
    ((exp.Split,), _split),
    ((exp.SplitPart,), _split_part),
    ((exp.Replace,), _replace),
    ((exp.RegexpExtract,), _regexp_extract),
    ((exp.RegexpReplace,), _regexp_replace),
    ((exp.SHA2Digest,), _sha2),
    ((exp.DateTrunc, exp.TimestampTrunc), _truncated),
    ((exp.DateAdd,), _moved),
    ((exp.DateDiff,), _difference),
    ((exp.Add, exp.Sub), _sum_of_times),
    ((exp.TimeToStr, exp.StrToTime), _format_of_time),
    ((exp.Extract, exp.Year, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second), _part),
    ((exp.UnixToTime,), _from_seconds),
    ((exp.Cast,), _cast),
    ((exp.Pad,), _padded),
    ((exp.Normalize,), _normalised),
    ((exp.Format,), _formatted),
    ((exp.Date,), _date_of),
    ((exp.Rand,), _random),
    ((exp.NthValue,), _nth),
    ((exp.ArraySize,), _size),
    ((exp.ArrayToString,), _joined),
    ((exp.Try,), _tried),
    ((exp.Round, exp.Floor, exp.Ceil), _whole_of_decimal),
    ((exp.Reverse,), _reversed),
    ((exp.Unnest,), _unnested),
    ((exp.Struct,), _row),
)


# Aggregates, whose FILTER goes with each part -----------------------------------------------------

_SORTED = (
    "LIST_REVERSE_SORT(LIST_TRANSFORM(MAP_ENTRIES({0}), el -> {{'n': el.value, 'k': el.key}}))"
)
_AGGREGATES: dict[str, str] = {
    "every": "BOOL_AND(:a) FILTER (WHERE :cond)",
    "geometric_mean": "EXP(AVG(LN(CAST(:a AS DOUBLE))) FILTER (WHERE :cond))",
    "histogram": "CAST(HISTOGRAM(:a) FILTER (WHERE :cond) AS :type)",
    "map_agg": "MAP_FROM_ENTRIES(LIST_FILTER(LIST({'k': :a, 'v': :b}) "
    "FILTER (WHERE :cond AND :a IS NOT NULL), (el, ix) -> LIST_POSITION(LIST_TRANSFORM("
    "LIST({'k': :a, 'v': :b}) FILTER (WHERE :cond AND :a IS NOT NULL), el2 -> el2.k), el.k) = ix))",
    "checksum": "athena_checksum(SUM(athena_hash(:coded)) FILTER (WHERE :cond))",
    "approx_most_frequent": "CASE WHEN COUNT(:b) FILTER (WHERE :cond) > 0 THEN MAP_FROM_ENTRIES("
    f"LIST_TRANSFORM(LIST_SLICE({_SORTED.format('HISTOGRAM(:b) FILTER (WHERE :cond)')}, 1, :a), "
    "el -> {'k': el.k, 'v': CAST(el.n AS BIGINT)})) END",
    "numeric_histogram": "CASE WHEN COUNT(:b) FILTER (WHERE :cond) > 0 THEN MAP_FROM_ENTRIES("
    "athena_histogram(CAST(:a AS BIGINT), LIST(CAST(:b AS DOUBLE)) "
    "FILTER (WHERE :cond AND :b IS NOT NULL))) END",
}
_N = "COUNT(:x) FILTER (WHERE :cond)"
_FLAT = f"{_N} >= {{0}} AND VAR_POP(:x) FILTER (WHERE :cond) = 0 THEN CAST('NaN' AS DOUBLE)"


def _aggregated(node: exp.Expr, only: exp.Expr | None) -> exp.Expr | None:
    """An aggregate over the rows that a FILTER lets pass; None where it needs no other words."""
    condition = only or exp.true()
    if isinstance(node, exp.Anonymous):
        return _aggregated_by_name(node, condition)
    if isinstance(node, exp.Skewness):
        # Of all there are, where DuckDB takes them for a sample.
        template = (
            f"CASE WHEN {_FLAT.format(3)} ELSE SKEWNESS(:x) FILTER (WHERE :cond) "
            f"* ({_N} - 2) / SQRT(CAST({_N} AS DOUBLE) * ({_N} - 1)) END"
        )
        return from_template("duckdb", template, x=node.this, cond=condition)
    if isinstance(node, exp.Kurtosis):
        template = f"CASE WHEN {_FLAT.format(4)} ELSE KURTOSIS(:x) FILTER (WHERE :cond) END"
        return from_template("duckdb", template, x=node.this, cond=condition)
    if isinstance(node, exp.Corr | exp.RegrSlope | exp.RegrIntercept):
        name = {exp.Corr: "CORR", exp.RegrSlope: "REGR_SLOPE"}.get(type(node), "REGR_INTERCEPT")
        call = f"{name}(:a, :b) FILTER (WHERE :cond)"
        template = f"CASE WHEN NOT ISNAN({call}) THEN {call} END"
        return from_template("duckdb", template, a=node.this, b=node.expression, cond=condition)
    if isinstance(node, exp.ApproxQuantile) and isinstance(node.args.get("quantile"), exp.Array):
        several = [
            from_template(
                "duckdb", "APPROX_QUANTILE(:x, :q) FILTER (WHERE :cond)",
                x=node.this, q=quantile, cond=condition,
            )
            for quantile in node.args["quantile"].expressions
        ]  # fmt: skip
        template = "CASE WHEN COUNT(:x) FILTER (WHERE :cond) > 0 THEN :several END"
        listed = exp.Array(expressions=several)
        return from_template("duckdb", template, x=node.this, cond=condition, several=listed)
    return None


def _aggregated_by_name(node: exp.Anonymous, condition: exp.Expr) -> exp.Expr | None:
    name = node.name.lower()
    template = _AGGREGATES.get(name)
    if template is None:
        return None
    if isinstance(node.parent, exp.Window) or isinstance(
        node.parent.parent if node.parent else None, exp.Window
    ):
        raise _cannot(f"{name} over a window")
    parts = dict(zip("abc", node.expressions, strict=False))
    if name == "checksum":
        parts["coded"] = _coded(node.expressions[0])
    if name == "histogram":
        template = (
            "CASE WHEN COUNT(:a) FILTER (WHERE :cond) > 0 THEN MAP_FROM_ENTRIES(LIST_TRANSFORM("
            "MAP_ENTRIES(HISTOGRAM(:a) FILTER (WHERE :cond)), "
            "el -> {'k': el.key, 'v': CAST(el.value AS BIGINT)})) END"
        )
    return from_template("duckdb", template, **parts, cond=condition)


def _coded(value: exp.Expr) -> exp.Expr:
    """The bytes of a value that Trino hashes, after a sign for how."""
    if value.is_type(*TEXT):
        return from_template("duckdb", "CASE WHEN :x IS NULL THEN '' ELSE 's' || :x END", x=value)
    if value.is_type(*WHOLE, exp.DataType.Type.BOOLEAN):
        template = (
            "CASE WHEN :x IS NULL THEN '' ELSE 'n' || CAST(CAST(:x AS BIGINT) AS VARCHAR) END"
        )
    elif value.is_type(*REAL):
        template = (
            "CASE WHEN :x IS NULL THEN '' ELSE 'f' || CAST(CAST(:x AS DOUBLE) AS VARCHAR) END"
        )
    else:
        raise _cannot("checksum of anything but texts and numbers")
    return from_template("duckdb", template, x=value)

"""Values of rows as Athena shows them: `true`, `[1, 2]`, `{a=1}`, `2020-01-01 00:00:00.000 UTC`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

NULL = "NULL"
_LEAST_PLAIN, _MOST_PLAIN = 1e-3, 1e7
"""Between them Java writes a number without an exponent."""


def shown(value: Any, type_: pa.DataType) -> str | None:
    """A value of an Arrow column, as Python has it, as Athena shows it; None for NULL."""
    return None if value is None else _shower(type_)(value)


def shower(type_: pa.DataType) -> Callable[[Any], str | None]:
    """What shows the values of a column of that type."""
    show = _shower(type_)
    return lambda value: None if value is None else show(value)


def _shower(type_: pa.DataType) -> Callable[[Any], str]:
    if types.is_list(type_) or types.is_large_list(type_):
        element = _or_null(_shower(type_.value_type))
        return lambda values: f"[{', '.join(map(element, values))}]"
    if types.is_map(type_):
        key, item = _or_null(_shower(type_.key_type)), _or_null(_shower(type_.item_type))
        return lambda pairs: "{" + ", ".join(f"{key(k)}={item(v)}" for k, v in pairs) + "}"
    if types.is_struct(type_):
        fields = [(field.name, _or_null(_shower(field.type))) for field in type_]
        return lambda row: (
            "{" + ", ".join(f"{_field(n)}={show(row[n])}" for n, show in fields) + "}"
        )
    if types.is_timestamp(type_) and type_.tz:
        return lambda moment: f"{_moment(moment)} {moment.tzname()}"
    if types.is_float32(type_):
        return lambda value: double(float(str(np.float32(value))))
    if types.is_interval(type_):
        return interval
    return _scalar


_UNNAMED = re.compile(r"_(\d+)|element(\d+)")


def _field(name: str) -> str:
    """The name of a row's field: those without one are counted from 0."""
    match = _UNNAMED.fullmatch(name)
    if match is None:
        return name
    return f"field{match[1] or int(match[2]) - 1}"


def interval(value: Any) -> str:
    """An interval, of months or of what is shorter."""
    if value.months and not (value.days or value.nanoseconds):
        years, months = divmod(abs(value.months), 12)
        return f"{'-' if value.months < 0 else ''}{years}-{months}"
    seconds = value.nanoseconds / 1e9
    return _interval(timedelta(days=value.days + 30 * value.months, seconds=seconds))


def _or_null(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "null" if value is None else show(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return double(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, time):
        return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}"
    if isinstance(value, timedelta):
        return _interval(value)
    if isinstance(value, bytes):
        return value.hex(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def double(value: float) -> str:
    """A double as Java writes it (JLS, `Double.toString`), with as few digits as tell it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or _LEAST_PLAIN <= abs(value) < _MOST_PLAIN:
        text = repr(value)
        return text if "e" not in text else f"{value:f}"
    digits, exponent = f"{Decimal(repr(value)):E}".split("E")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


def _moment(value: datetime) -> str:
    """To the millisecond; further digits where there are any."""
    text = f"{value.year:04d}-{value:%m-%d %H:%M:%S.%f}"
    return text if value.microsecond % 1000 else text[:-3]


def _interval(value: timedelta) -> str:
    sign = "-" if value < timedelta(0) else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    millis = value.microseconds // 1000
    return f"{sign}{value.days} {hours:02d}:{minutes:02d}:{seconds:02d}.{millis:03d}"

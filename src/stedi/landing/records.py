"""Reads what isn't plain, piece by piece: a record that fits its contract, or why it doesn't.

Slow and strict. Harmless spellings are read: blank space, a byte order mark, commas and brackets
between objects, several objects on a line, one object over several lines, keys in any order and
case, escapes, whole numbers written 12.0 or 1e3, keys that the contract lacks. A piece that is set
aside ends where the next good object or the next line begins, so that it costs no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from mmap import mmap
from typing import Literal, TypeVar

from stedi.contracts import Column, Contract
from stedi.landing.lines import Region

Data = bytes | mmap
Value = str | int | float | None
Reason = Literal[
    "not JSON",
    "cut off",
    "not UTF-8",
    "not an object",
    "key missing",
    "key twice",
    "number in quotes",
    "text where a number belongs",
    "number where text belongs",
    "true or false where a value belongs",
    "object or list where a value belongs",
    "fraction where a whole number belongs",
    "value out of range",
    "archive damaged",
]

_BETWEEN = re.compile(rb"(?>[ \t\r\n,\[\]]|\xef\xbb\xbf)*+")
_TOKEN = re.compile(rb'"(?>[^"\\\r\n]|\\[^\r\n])*+"|["{}\[\]:,]')
_FLAT_OBJECT = re.compile(rb'\{(?>[^{}"\r\n]|"(?>[^"\\\r\n]|\\[^\r\n])*")*+\}')
_OPENS = {b"}": b"{", b"]": b"["}
_LINE_OF_OBJECT = re.compile(rb"\n[ \t\r,\[\]]*+\{")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEEPEST = 64
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Record:
    """A record that fits: its values in the order of the contract's columns."""

    values: tuple[Value, ...]
    has_unknown_keys: bool


@dataclass(frozen=True)
class Piece:
    """A piece that was set aside; `subject` is whom it is about, where that can be read."""

    offset: int
    line: int
    reason: Reason
    raw: bytes
    subject: str | None


class _Misfit(Exception):
    """Why a value or an object does not fit."""

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason


class _Pairs(list[tuple[str, object]]):
    """A JSON object as it was written: keys in order, each as often as it stands there."""


def read_region(data: Data, region: Region, contract: Contract) -> Iterator[Record | Piece]:
    """Read the records in one region of a file's bytes; places are given within the file."""
    shape = _Shape(contract)
    at, end = region.offset, min(region.offset + region.length, len(data))
    line, counted = region.line, at
    while (begin := _skip_between(data, at, end)) < end:
        at, problem = _extent(data, begin, end)
        raw = data[begin:at].rstrip()
        found = problem or shape.read(raw)
        if isinstance(found, Record):
            yield found
        else:
            line += data[counted:begin].count(b"\n")
            counted = begin
            yield Piece(begin, line, found, raw, shape.subject(raw))


def _skip_between(data: Data, at: int, end: int) -> int:
    match = _BETWEEN.match(data, at, end)
    return match.end() if match else at


def _extent(data: Data, begin: int, end: int) -> tuple[int, Reason | None]:
    """Where the piece that begins at `begin` ends, and what is wrong if that shows already."""
    if data[begin] != ord("{"):
        line_end = _line_end(data, begin, end)
        next_object = data.find(b"{", begin, line_end)
        stop = next_object if next_object > 0 else line_end
        return stop, _what_is(data[begin:stop].rstrip())
    if flat := _FLAT_OBJECT.match(data, begin, end):
        return flat.end(), None
    open_: list[bytes] = []
    before = b""
    for token in _TOKEN.finditer(data, begin, end):
        text, place = token.group(), token.start()
        if text in (b"{", b"["):
            in_list = open_[-1:] == [b"["]
            if open_ and before != b":" and not (in_list and before in (b"[", b",")):
                # Nothing can begin here but another record: the one before lost its end.
                return _before_good(data, begin, place), "cut off"
            open_.append(text)
            if len(open_) > _DEEPEST:
                line_end = _line_end(data, place, end)
                return _before_good(data, begin, line_end), "object or list where a value belongs"
        elif text in (b"}", b"]"):
            if open_.pop() != _OPENS[text]:
                return _before_good(data, begin, _line_end(data, place, end)), "cut off"
            if not open_:
                return token.end(), None
        elif text == b'"':
            return _before_good(data, begin, _line_end(data, place, end)), "cut off"
        before = text
    return _before_good(data, begin, end), "cut off"


def _before_good(data: Data, begin: int, end: int) -> int:
    """The end of a broken piece: `end`, or where before that a good object or line begins."""
    line = _LINE_OF_OBJECT.search(data, begin, end)
    limit = line.start() if line else end
    for match in _FLAT_OBJECT.finditer(data, begin + 1, limit):
        if isinstance(_parse(match.group()), _Pairs):
            return match.start()
    return limit


def _line_end(data: Data, at: int, end: int) -> int:
    newline = data.find(b"\n", at, end)
    return end if newline < 0 else newline


def _what_is(raw: bytes) -> Reason:
    value = _parse(raw)
    return value.reason if isinstance(value, _Misfit) else "not an object"


def _refuse_constant(_: str) -> object:
    raise ValueError


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs,
    parse_float=Decimal,
    parse_int=Decimal,
    parse_constant=_refuse_constant,
)


def _parse(raw: bytes) -> object:
    """The JSON value of a piece, or the `_Misfit` that says why there is none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _Misfit("not UTF-8")
    try:
        return _DECODER.decode(text)
    except InvalidOperation:
        return _Misfit("value out of range")
    except RecursionError:
        return _Misfit("object or list where a value belongs")
    except ValueError:
        return _Misfit("not JSON")


class _Shape:
    """What a record of one contract looks like."""

    def __init__(self, contract: Contract) -> None:
        self._columns = contract.columns
        self._by_key = {(c.json_key or c.name).lower(): n for n, c in enumerate(contract.columns)}
        self._subject: tuple[str, re.Pattern[bytes]] | None = None
        subject = contract.column(contract.subject) if contract.subject else None
        if subject is not None:
            key = (subject.json_key or subject.name).lower()
            pattern = rb'"' + re.escape(key.encode()) + rb'"\s*:\s*("(?:[^"\\]|\\.)*")'
            self._subject = key, re.compile(pattern, re.IGNORECASE)

    def read(self, raw: bytes) -> Record | Reason:
        """The record that a whole JSON object is, or why it is none."""
        value = _parse(raw)
        try:
            if isinstance(value, _Misfit):
                raise value
            if not isinstance(value, _Pairs):
                raise _Misfit("not an object")
            return self._record(value)
        except _Misfit as misfit:
            return misfit.reason

    def subject(self, raw: bytes) -> str | None:
        """Whom a broken piece is about, where that can be read.

        Of an object the value under the key, the last if there are several, as JSON readers have
        it; of a piece that isn't one, the first text that follows the key.
        """
        if self._subject is None:
            return None
        key, pattern = self._subject
        whole = _parse(raw)
        if isinstance(whole, _Pairs):
            values = [value for name, value in whole if name.lower() == key]
        else:
            match = pattern.search(raw)
            values = [_parse(match.group(1))] if match else []
        texts = [value for value in values if isinstance(value, str) and _is_text(value)]
        return texts[-1] if texts else None

    def _record(self, pairs: _Pairs) -> Record:
        keys = [key.lower() for key, _ in pairs]
        if len(set(keys)) < len(keys):
            raise _Misfit("key twice")
        values: list[Value] = [None] * len(self._columns)
        has_unknown_keys = False
        for key, (_, value) in zip(keys, pairs, strict=True):
            n = self._by_key.get(key)
            if n is None:
                has_unknown_keys = True
            else:
                values[n] = _fit(value, self._columns[n])
        for value, column in zip(values, self._columns, strict=True):
            if value is None and column.required:
                raise _Misfit("key missing")
        return Record(tuple(values), has_unknown_keys)


def _fit(value: object, column: Column) -> Value:
    if value is None:
        return None
    if isinstance(value, bool):
        raise _Misfit("true or false where a value belongs")
    if isinstance(value, list):
        raise _Misfit("object or list where a value belongs")
    if isinstance(value, str):
        if column.type == "string":
            return _text(value, column)
        if value == "" and not column.required:
            return None  # an empty consent is none
        raise _Misfit("number in quotes" if _is_number(value) else "text where a number belongs")
    assert isinstance(value, Decimal)
    if column.type == "string":
        raise _Misfit("number where text belongs")
    return _whole(value, column) if column.type == "long" else _double(value, column)


def _text(value: str, column: Column) -> str:
    if not _is_text(value):
        raise _Misfit("not UTF-8")
    if (
        len(value) < (column.min_length or 0)
        or (column.max_length is not None and len(value) > column.max_length)
        or (column.pattern is not None and not re.search(column.pattern, value))
    ):
        raise _Misfit("value out of range")
    return value


def _is_text(value: str) -> bool:
    """Whether a string can be stored: JSON can spell half a surrogate pair, UTF-8 can't."""
    return _SURROGATE.search(value) is None


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


def _whole(value: Decimal, column: Column) -> int:
    if value.is_zero():
        whole = 0
    elif value.adjusted() > 18:
        raise _Misfit("value out of range")
    elif value != value.to_integral_value():
        raise _Misfit("fraction where a whole number belongs")
    else:
        whole = int(value)
    if not _LONG_MIN <= whole <= _LONG_MAX:
        raise _Misfit("value out of range")
    return _in_range(whole, column)


def _double(value: Decimal, column: Column) -> float:
    number = float(value)
    if number in (float("inf"), float("-inf")):
        raise _Misfit("value out of range")
    return _in_range(number, column)


_Number = TypeVar("_Number", int, float)


def _in_range(value: _Number, column: Column) -> _Number:
    if (column.minimum is not None and value < column.minimum) or (
        column.maximum is not None and value > column.maximum
    ):
        raise _Misfit("value out of range")
    return value

"""The compiled parser of valid records: one strict pass from bytes to typed columns.

Where `scan` isn't sure, `stedi.landing.records` reads the record; so what `scan` reads it must read
exactly as `records` does. It reads objects of scalar values with known keys, in any order and with
any spacing, whole numbers of up to 18 digits, decimal numbers, and text without escapes. Of the
rest, it passes over flat objects and lines whose end is clear, and stops before anything else.
Numba compiles it when it is first called on a machine and keeps the result.

The bytes of a file must be followed by NUL. No token continues over a NUL, so only the beginning of
a record has to be compared with the end.

Decimal numbers whose digits make a whole number below 2^53 and whose power of ten is at most 22 are
exact after one division or multiplication (W. D. Clinger, "How to read floating point numbers
accurately", PLDI 1990); the texts of others are collected for Arrow to convert.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Compiled in: Numba sees that one of them changed once this file does.
from stedi.arrays import Bools, Bytes, Float64s, Int32s, Int64s
from stedi.landing.records import CUT_OFF, LOST_QUOTE, WHOLE
from stedi.parquet.compiled import compiled, inlined

LONG, DOUBLE, TEXT, UNKNOWN = 0, 1, 2, 3
DONE, UNCLEAR, FULL = 0, 1, 2
MOST_SLOTS = 62
LONGEST_NUMBER = 32
_LONGEST_EXPONENT = 280
_POWERS_OF_TEN = 10.0 ** np.arange(23)
_EXACT = 1 << 53
_LONGEST_PASSED = 1 << 16
_MARK = 0xEF
"""The first byte of a byte order mark."""
_TAB, _NEWLINE, _RETURN, _SPACE, _QUOTE, _COMMA, _COLON, _BACKSLASH = b'\t\n\r ",:\\'
_LIST, _UNLIST, _OBJECT, _UNOBJECT = b"[]{}"
_LITERALS = (b"true", b"false", b"null")
_PLUS, _MINUS, _POINT, _0, _9, _E, _SMALL_E, _N = b"+-.09Een"


class Keys(NamedTuple):
    """What a contract allows in a record.

    Spelling `n` is `text[ends[n] : ends[n + 1]]` and means slot `slots[n]`. The first slots are the
    columns, in order; those behind are keys that the contract lacks. By slot: `kinds`, whether it
    is `required`, and the ranges of numbers and of lengths in characters. What can't be taken is
    passed over only where the parser `passes` it: never where records may be wrapped.
    """

    text: Bytes
    ends: Int64s
    slots: Int64s
    kinds: Int64s
    required: Bools
    least_long: Int64s
    most_long: Int64s
    least_double: Float64s
    most_double: Float64s
    least_length: Int64s
    most_length: Int64s
    passes: bool


class Columns(NamedTuple):
    """Room for rows, by column and row; of each column only the array of its kind is used.

    `text` holds the texts of a column one after another, `text_ends` where each ends, after a 0.
    `begins` is where a row's record began, `unknown` has a bit for each slot of a key that it has
    and the contract lacks, the first such slot's lowest.
    `passed` says of what was passed over where it begins and ends, how many newlines were passed
    before, and what it is. `open_rows` and `open_columns` name the decimal numbers that have yet to
    be converted; their texts are laid out like others.
    """

    longs: Int64s
    doubles: Float64s
    text: Bytes
    text_ends: Int32s
    valid: Bytes
    begins: Int64s
    unknown: Int64s
    passed: Int64s
    open_rows: Int64s
    open_columns: Int64s
    open_text: Bytes
    open_ends: Int32s


@compiled
def scan(
    data: Bytes, at: int, end: int, keys: Keys, columns: Columns, row: int
) -> tuple[int, int, int, int, int, int]:
    """Read records that begin in `data[at:end]` into `columns` from `row` on.

    Returns why it stopped (`DONE` at the end, `UNCLEAR`, or `FULL`), where, the next row, how many
    newlines it passed, how many decimal numbers are open, and how many invalid records it passed
    over.
    """
    n_columns, most_rows = columns.valid.shape
    most_open = len(columns.open_rows) - n_columns
    every_key = (1 << n_columns) - 1
    newlines = n_open = n_passed = 0
    while True:
        while True:  # what may stand between records
            c = _byte(data, at)
            if c == _NEWLINE:
                newlines += 1
            elif c not in (_COMMA, _SPACE, _RETURN, _TAB, _LIST, _UNLIST):
                break
            at += 1
        if at >= end:
            return DONE, at, row, newlines, n_open, n_passed
        if row == most_rows or n_open > most_open:
            return FULL, at, row, newlines, n_open, n_passed
        behind, lines, opened, seen = _record(data, at, keys, columns, row, n_open)
        if behind >= 0 and seen & every_key != every_key:
            for column in range(n_columns):
                if not seen >> column & 1:
                    if keys.required[column]:
                        behind = -1
                    columns.valid[column, row] = 0
                    columns.text_ends[column, row + 1] = columns.text_ends[column, row]
        if behind < 0:
            if keys.passes and n_passed < len(columns.passed):
                behind, what = piece(data, at)
            if behind < 0:
                return UNCLEAR, at, row, newlines, n_open, n_passed
            passed = columns.passed[n_passed]
            passed[0], passed[1], passed[2], passed[3] = at, behind, newlines, what
            at, n_passed = behind, n_passed + 1
            continue
        columns.begins[row] = at
        at, newlines, n_open = behind, newlines + lines, opened
        columns.unknown[row] = seen >> n_columns
        row += 1


@inlined
def _record(
    data: Bytes, at: int, keys: Keys, columns: Columns, row: int, n_open: int
) -> tuple[int, int, int, int]:
    """Behind a record, the newlines in it, the open numbers, and a bit for each slot; or -1."""
    unclear = -1, 0, n_open, 0
    newlines = seen = spelling = 0
    if _byte(data, at) != _OBJECT:
        return unclear
    while True:
        at, newlines = _skip_space(data, at + 1, newlines)
        at, spelling = _key(data, at, keys, spelling)
        if spelling < 0:
            return unclear
        slot = keys.slots[spelling]
        spelling += 1
        if seen >> slot & 1:
            return unclear
        seen |= 1 << slot
        at, newlines = _skip_space(data, at, newlines)
        if _byte(data, at) != _COLON:
            return unclear
        at, newlines = _skip_space(data, at + 1, newlines)
        kind = keys.kinds[slot]
        if kind == UNKNOWN:
            at = _scalar(data, at)
        elif _byte(data, at) == _N or (kind != TEXT and _byte(data, at) == _QUOTE):
            at = _nothing(data, at)
            if keys.required[slot]:
                return unclear
            columns.valid[slot, row] = 0
            columns.text_ends[slot, row + 1] = columns.text_ends[slot, row]
        elif kind == LONG:
            at, long = _long(data, at)
            if not keys.least_long[slot] <= long <= keys.most_long[slot]:
                return unclear
            columns.longs[slot, row] = long
            columns.valid[slot, row] = 1
        elif kind == DOUBLE:
            first = at
            at, double, is_exact = _double(data, at)
            if is_exact:
                if not keys.least_double[slot] <= double <= keys.most_double[slot]:
                    return unclear
                columns.doubles[slot, row] = double
            elif at >= 0:
                _keep_open(data, first, at, columns, n_open, slot, row)
                n_open += 1
            columns.valid[slot, row] = 1
        else:
            begin = columns.text_ends[slot, row]
            at, text_end, length = _text(data, at, columns.text[slot], begin)
            if not keys.least_length[slot] <= length <= keys.most_length[slot]:
                return unclear
            columns.text_ends[slot, row + 1] = text_end
            columns.valid[slot, row] = 1
        if at < 0:
            return unclear
        at, newlines = _skip_space(data, at, newlines)
        if _byte(data, at) == _UNOBJECT:
            return at + 1, newlines, n_open, seen
        if _byte(data, at) != _COMMA:
            return unclear


@compiled
def piece(data: Bytes, at: int) -> tuple[int, int]:
    """The place behind an invalid record whose end is clear, and what it is; or -1."""
    if _byte(data, at) == _OBJECT:
        behind = _flat(data, at)
        return (behind, WHOLE) if behind >= 0 else _broken(data, at)
    begin = at
    while _byte(data, at) not in (_NEWLINE, _OBJECT):
        if _byte(data, at) in (_MARK, 0) or at - begin > _LONGEST_PASSED:
            return -1, WHOLE
        at += 1
    return at, WHOLE


@compiled
def _broken(data: Bytes, at: int) -> tuple[int, int]:
    """Behind an object without an end whose line ends and whose next line begins another; or -1.

    It holds no object, list or escape, so that nothing can begin or end within it.
    """
    begin, last, what = at, _OBJECT, CUT_OFF
    is_text = is_decided = False
    at += 1
    while _byte(data, at) != _NEWLINE:
        c = _byte(data, at)
        if c in (_OBJECT, _LIST, _UNLIST, _BACKSLASH, 0) or at - begin > _LONGEST_PASSED:
            return -1, what
        at += 1
        if c not in (_SPACE, _TAB, _RETURN):
            last = c
        if is_decided:
            continue
        if c == _QUOTE:
            is_text = not is_text
            behind = at
            while _byte(data, behind) in (_SPACE, _TAB, _RETURN, _NEWLINE):
                behind += 1
            if not is_text and _byte(data, behind) not in (_COLON, _COMMA, _UNOBJECT, _UNLIST):
                what, is_decided = LOST_QUOTE, True
        elif is_text:
            is_decided = c == _RETURN  # no text goes on over one
        elif c == _UNOBJECT:
            return -1, what
    behind = at
    while _byte(data, behind) in (_SPACE, _TAB, _RETURN, _NEWLINE):
        behind += 1
    if last == _COLON or _byte(data, behind) != _OBJECT:
        return -1, what
    return at, what


@compiled
def _flat(data: Bytes, at: int) -> int:
    """Behind an object on one line that holds no other and no text that lost a quote; or -1."""
    if _byte(data, at) != _OBJECT:
        return -1
    at += 1
    while True:
        c = _byte(data, at)
        if c == _UNOBJECT:
            return at + 1
        if c in (_OBJECT, _BACKSLASH, _NEWLINE, _RETURN, 0):
            return -1
        at += 1
        if c != _QUOTE:
            continue
        while _byte(data, at) != _QUOTE:
            if _byte(data, at) == _BACKSLASH:
                at += 1
            if _byte(data, at) in (_NEWLINE, _RETURN, 0):
                return -1
            at += 1
        at += 1
        behind = at
        while _byte(data, behind) in (_SPACE, _TAB):
            behind += 1
        if _byte(data, behind) not in (_COLON, _COMMA, _UNOBJECT, _UNLIST):
            return -1


@compiled
def _byte(data: Bytes, at: int) -> int:
    """One byte. An index of a signed type would be looked at for being negative: a third slower."""
    return int(data[np.uintp(at)])


@compiled
def _skip_space(data: Bytes, at: int, newlines: int) -> tuple[int, int]:
    while _byte(data, at) <= _SPACE:
        c = _byte(data, at)
        if c == _NEWLINE:
            newlines += 1
        elif c not in (_SPACE, _RETURN, _TAB):
            break
        at += 1
    return at, newlines


@compiled
def _key(data: Bytes, at: int, keys: Keys, expected: int) -> tuple[int, int]:
    """Behind the key at `at`, and which spelling it is, `expected` tried first; -1 if none is."""
    if _byte(data, at) == _QUOTE:
        at += 1
        count = len(keys.slots)
        for step in range(count):
            spelling = expected + step
            if spelling >= count:
                spelling -= count
            first = keys.ends[spelling]
            length = keys.ends[spelling + 1] - first
            if _byte(data, at + length) == _QUOTE:
                n = 0
                while n < length and _byte(data, at + n) == _byte(keys.text, first + n):
                    n += 1
                if n == length:
                    return at + length + 1, spelling
    return at, -1


@compiled
def _nothing(data: Bytes, at: int) -> int:
    """Behind null, or behind the empty text that some write where there is no number; or -1."""
    if _byte(data, at) == _QUOTE:
        return at + 2 if _byte(data, at + 1) == _QUOTE else -1
    return _literal(data, at)


@compiled
def _long(data: Bytes, at: int) -> tuple[int, int]:
    """Behind a whole number of up to 18 digits (12.0 is whole), and its value; or -1."""
    negative = _byte(data, at) == _MINUS
    at += negative
    first, value = at, 0
    while _0 <= _byte(data, at) <= _9:
        value = value * 10 + (_byte(data, at) - _0)
        at += 1
    digits = at - first
    if digits == 0 or digits > 18 or (digits > 1 and _byte(data, first) == _0):
        return -1, 0
    if _byte(data, at) == _POINT:
        at += 1
        first = at
        while _byte(data, at) == _0:
            at += 1
        if at == first:
            return -1, 0
    c = _byte(data, at)
    if _0 <= c <= _9 or c in (_E, _SMALL_E):
        return -1, 0
    return at, -value if negative else value


@inlined
def _double(data: Bytes, at: int) -> tuple[int, float, bool]:
    """Behind a number, its value, and whether that is exact already; or -1."""
    begin = at
    negative = _byte(data, at) == _MINUS
    at += negative
    first, value = at, 0
    while _0 <= _byte(data, at) <= _9:
        value = value * 10 + (_byte(data, at) - _0)
        at += 1
    digits = at - first
    if digits == 0 or (digits > 1 and _byte(data, first) == _0):
        return -1, 0.0, False
    power = 0
    if _byte(data, at) == _POINT:
        at += 1
        first = at
        while _0 <= _byte(data, at) <= _9:
            value = value * 10 + (_byte(data, at) - _0)
            at += 1
        power = first - at
        if power == 0:
            return -1, 0.0, False
        digits -= power
    if _byte(data, at) == _E or _byte(data, at) == _SMALL_E:
        at += 1
        sign = 1
        if _byte(data, at) == _PLUS or _byte(data, at) == _MINUS:
            sign = 1 if _byte(data, at) == _PLUS else -1
            at += 1
        first, exponent = at, 0
        while _0 <= _byte(data, at) <= _9 and exponent < 1000:
            exponent = exponent * 10 + (_byte(data, at) - _0)
            at += 1
        if at == first or exponent > _LONGEST_EXPONENT:
            return -1, 0.0, False
        power += sign * exponent
    if digits > 18 or value > _EXACT or not -22 <= power <= 22:
        if at - begin > LONGEST_NUMBER:
            return -1, 0.0, False
        return at, 0.0, False
    double = float(value)
    double = double / _POWERS_OF_TEN[-power] if power < 0 else double * _POWERS_OF_TEN[power]
    return at, -double if negative else double, True


@compiled
def _keep_open(
    data: Bytes, first: int, end: int, columns: Columns, n: int, column: int, row: int
) -> None:
    columns.open_rows[n] = row
    columns.open_columns[n] = column
    o = columns.open_ends[n]
    for i in range(first, end):
        columns.open_text[o] = _byte(data, i)
        o += 1
    columns.open_ends[n + 1] = o


@compiled
def _text(data: Bytes, at: int, out: Bytes, o: int) -> tuple[int, int, int]:
    """Behind a text without escapes, copied to `out[o:]`; where its copy ends; its characters."""
    if _byte(data, at) != _QUOTE:
        return -1, o, 0
    at += 1
    first, more = o, 0
    while True:
        c = _byte(data, at)
        if c == _QUOTE:
            return at + 1, o, o - first - more
        if c == _BACKSLASH or c < _SPACE:
            return -1, o, 0
        if c < 128:
            out[np.uintp(o)] = c
            at += 1
            o += 1
            continue
        size = _utf8(data, at)
        if size == 0:
            return -1, o, 0
        more += size - 1
        for _ in range(size):
            out[np.uintp(o)] = _byte(data, at)
            at += 1
            o += 1


@compiled
def _utf8(data: Bytes, at: int) -> int:
    """How many bytes the character beyond ASCII at `at` has; 0 if it is none (RFC 3629)."""
    c, second = _byte(data, at), _byte(data, at + 1)
    if 0xC2 <= c <= 0xDF:
        return 2 if 0x80 <= second <= 0xBF else 0
    if 0xE0 <= c <= 0xEF:
        least = 0xA0 if c == 0xE0 else 0x80
        most = 0x9F if c == 0xED else 0xBF
        return 3 if least <= second <= most and 0x80 <= _byte(data, at + 2) <= 0xBF else 0
    if 0xF0 <= c <= 0xF4:
        least = 0x90 if c == 0xF0 else 0x80
        most = 0x8F if c == 0xF4 else 0xBF
        rest = 0x80 <= _byte(data, at + 2) <= 0xBF and 0x80 <= _byte(data, at + 3) <= 0xBF
        return 4 if least <= second <= most and rest else 0
    return 0


@compiled
def _scalar(data: Bytes, at: int) -> int:
    """Behind any text without escapes, number or literal; or -1."""
    c = _byte(data, at)
    if c == _QUOTE:
        at += 1
        while _byte(data, at) != _QUOTE:
            c = _byte(data, at)
            if c == _BACKSLASH or c < _SPACE:
                return -1
            size = 1 if c < 128 else _utf8(data, at)
            if size == 0:
                return -1
            at += size
        return at + 1
    if c == _MINUS or _0 <= c <= _9:
        return _double(data, at)[0]
    return _literal(data, at)


@compiled
def _literal(data: Bytes, at: int) -> int:
    """Behind true, false or null; or -1."""
    for word in _LITERALS:
        n = 0
        while n < len(word) and _byte(data, at + n) == word[n]:
            n += 1
        if n == len(word):
            return at + n
    return -1

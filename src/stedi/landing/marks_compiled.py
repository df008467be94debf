"""Where texts, brackets and flat objects lie in raw bytes, found by compiled code.

It finds what the regular expressions of `stedi.landing.marks` find, in the same bytes. What is
broken at length is read through this: what a byte costs there, a hostile file costs as a whole.
"""

from __future__ import annotations

import numpy as np

from stedi.arrays import Bytes, Int64s
from stedi.landing.marks import DEEPEST, LONGEST_GARBAGE, NONE, OPEN, Clear
from stedi.parquet.compiled import compiled

_TAB, _NEWLINE, _RETURN, _SPACE, _QUOTE, _COMMA, _COLON, _BACKSLASH = b'\t\n\r ",:\\'
_LIST, _UNLIST, _OBJECT, _UNOBJECT = b"[]{}"
_SEPARATING = (_SPACE, _TAB, _NEWLINE, _RETURN, _COMMA, _LIST, _UNLIST)
_MARK = 0xEF
"""The first byte of a byte order mark."""


class CompiledMarks:
    """Finds marks as `Patterns` does."""

    def flat(self, data: bytearray, at: int, end: int) -> int:
        """Behind a flat object, or `NONE`, or `OPEN`."""
        return int(_flat(np.frombuffer(data, np.uint8), at, end))

    def between(self, data: bytearray, at: int, end: int) -> int:
        """Where the next bracket is, or a quote that begins no text as it should be; or `end`."""
        return int(_between(np.frombuffer(data, np.uint8), at, end))

    def text(self, data: bytearray, at: int, end: int) -> int:
        """Behind a text and the blanks behind it, or `NONE`."""
        return int(_text(np.frombuffer(data, np.uint8), at, end))

    def line_or_object(self, data: bytearray, at: int, end: int, broken: int) -> int:
        """Where a line ends, or what may be a flat object with a key begins; or `NONE`."""
        return int(_line_or_object(np.frombuffer(data, np.uint8), at, end, broken))

    def clear(self, data: bytearray, begin: int, at: int, end: int, open_: list[int]) -> Clear:
        """Pass over brackets that need no second look."""
        stack = np.zeros(DEEPEST, np.int64)
        stack[: len(open_)] = open_
        behind, depth = _clear(np.frombuffer(data, np.uint8), begin, at, end, stack, len(open_))
        return Clear(int(behind), stack[:depth].tolist())


@compiled
def _byte(data: Bytes, at: int) -> int:
    return int(data[np.uintp(at)])


@compiled
def _behind_string(data: Bytes, at: int, end: int) -> int:
    """Where the text that begins with the quote at `at` has its other quote, or can't go on."""
    at += 1
    while at < end:
        c = _byte(data, at)
        if c in (_QUOTE, _NEWLINE, _RETURN):
            return at
        if c == _BACKSLASH:
            if at + 1 >= end or _byte(data, at + 1) in (_NEWLINE, _RETURN):
                return at
            at += 1
        at += 1
    return end


@compiled
def _behind_blanks(data: Bytes, at: int, end: int) -> int:
    while at < end and _byte(data, at) in (_SPACE, _TAB):
        at += 1
    return at


@compiled
def _behind_space(data: Bytes, at: int, end: int) -> int:
    while at < end and _byte(data, at) in (_SPACE, _TAB, _NEWLINE, _RETURN):
        at += 1
    return at


@compiled
def _flat(data: Bytes, at: int, end: int) -> int:
    return _inner(data, at + 1, end) if at < end and _byte(data, at) == _OBJECT else NONE


@compiled
def _inner(data: Bytes, at: int, end: int) -> int:
    """Behind the brace that ends an object without another in it."""
    while at < end:
        c = _byte(data, at)
        if c == _UNOBJECT:
            return at + 1
        if c in (_OBJECT, _BACKSLASH, _NEWLINE, _RETURN):
            return NONE
        if c == _QUOTE:
            at = _behind_string(data, at, end)
            if at == end or (at + 1 == end and _byte(data, at) == _BACKSLASH):
                return OPEN
            if _byte(data, at) != _QUOTE:
                return NONE
            behind = _behind_blanks(data, at + 1, end)
            if behind == end:
                return OPEN
            if _byte(data, behind) not in (_COLON, _COMMA, _UNOBJECT, _UNLIST):
                return NONE
        at += 1
    return OPEN


@compiled
def _between(data: Bytes, at: int, end: int) -> int:
    while at < end:
        c = _byte(data, at)
        if c in (_OBJECT, _UNOBJECT, _LIST, _UNLIST):
            return at
        if c == _QUOTE:
            stop = _behind_string(data, at, end)
            if stop == end or _byte(data, stop) != _QUOTE:
                return at
            behind = _behind_space(data, stop + 1, end)
            if behind == end or _byte(data, behind) not in (_COLON, _COMMA, _UNOBJECT, _UNLIST):
                return at
            at = stop
        at += 1
    return end


@compiled
def _text(data: Bytes, at: int, end: int) -> int:
    stop = _behind_string(data, at, end)
    if stop == end or _byte(data, stop) != _QUOTE:
        return NONE
    return _behind_space(data, stop + 1, end)


@compiled
def _line_or_object(data: Bytes, at: int, end: int, broken: int) -> int:
    while at < end:
        c = _byte(data, at)
        if c == _NEWLINE:
            behind = at
            while behind < end and _byte(data, behind) in _SEPARATING:
                behind += 1
            if at >= broken or behind == end or _byte(data, behind) in (_OBJECT, _MARK):
                return at
            at = min(behind, broken) - 1
        elif c == _OBJECT and _may_be_flat(data, at, end):
            return at
        at += 1
    return NONE


@compiled
def _may_be_flat(data: Bytes, at: int, end: int) -> bool:
    """Whether an object is flat, as far as it is seen, and its first key is one."""
    at = _behind_blanks(data, at + 1, end)
    if at == end or _byte(data, at) == _UNOBJECT:
        return True
    if _byte(data, at) != _QUOTE:
        return False
    at = _behind_string(data, at, end)
    if at == end or (at + 1 == end and _byte(data, at) == _BACKSLASH):
        return True
    if _byte(data, at) != _QUOTE:
        return False
    at = _behind_blanks(data, at + 1, end)
    if at == end:
        return True
    return _byte(data, at) == _COLON and _inner(data, at + 1, end) != NONE


@compiled
def _clear(
    data: Bytes, begin: int, at: int, end: int, stack: Int64s, depth: int
) -> tuple[int, int]:
    """Behind the last bracket that is clear, and how many are open there."""
    while True:
        place = _between(data, at, end)
        if place == end or _byte(data, place) == _QUOTE:
            return at, depth
        c = _byte(data, place)
        in_list = stack[depth - 1] == _LIST
        if c in (_OBJECT, _LIST):
            last, is_below = place - 1, False
            while last >= at and _byte(data, last) in (_SPACE, _TAB, _NEWLINE, _RETURN):
                is_below |= _byte(data, last) == _NEWLINE
                last -= 1
            before = _byte(data, last)
            if before == _COLON:
                if c == _OBJECT and is_below and not _is_value_below(data, place, end):
                    return at, depth
            elif not (in_list and (before in (_LIST, _COMMA))):
                return at, depth
            is_long = in_list and place - begin > LONGEST_GARBAGE
            if is_long and _begins_line(data, place) and _flat(data, place, end) != NONE:
                return at, depth
            if depth == DEEPEST:
                return at, depth
            stack[depth] = c
            depth += 1
        else:
            if depth == 1 or in_list != (c == _UNLIST):
                return at, depth
            depth -= 1
        at = place + 1


@compiled
def _begins_line(data: Bytes, place: int) -> bool:
    place -= 1
    while place > 0 and _byte(data, place) in (_SPACE, _TAB, _RETURN):
        place -= 1
    return _byte(data, place) == _NEWLINE


@compiled
def _is_value_below(data: Bytes, place: int, end: int) -> bool:
    """Whether an object at the beginning of a line is the value of the key before, for certain."""
    behind = _flat(data, place, end)
    if behind == OPEN:
        return False
    if behind == NONE:
        return not (_byte(data, place - 1) == _NEWLINE and _byte(data, place + 1) == _QUOTE)
    behind = _behind_space(data, behind, end)
    if behind == end:
        return False
    if _byte(data, behind) == _UNOBJECT:
        return True
    if _byte(data, behind) != _COMMA:
        return False
    behind = _behind_space(data, behind + 1, end)
    return behind < end and _byte(data, behind) == _QUOTE

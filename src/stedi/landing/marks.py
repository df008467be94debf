"""Where texts, brackets and flat objects lie in raw bytes.

`Patterns` finds them by regular expressions. `stedi.landing.marks_compiled` finds the same in
compiled code, many times as fast, where that is loaded anyway.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

DEEPEST = 64
"""Objects and lists in one another. Python's reader has a limit too, another in each version."""
LONGEST_GARBAGE = 1 << 20
"""Bytes after which the end of what is broken, or no object, is no longer looked for."""
NONE, OPEN = -1, -2
"""There is none; more bytes have to be seen."""

STRING = rb'"[^"\\\r\n]*+(?>(?:\\[^\r\n])++[^"\\\r\n]*+)*+'
_TEXT = re.compile(STRING + rb'"[ \t\r\n]*+')
_NO_BRACKET = rb'[^"{}\[\]]*+'
_BETWEEN_BRACKETS = re.compile(
    _NO_BRACKET + rb"(?>" + STRING + rb'"(?=[ \t\r\n]*+[:,}\]])' + _NO_BRACKET + rb")*+"
)
"""Whatever opens and closes nothing, texts included that keep their quotes."""
_PLAIN = rb'[^{}"\\\r\n]*+'
_INNER = _PLAIN + rb"(?>" + STRING + rb'"(?=[ \t]*+[:,}\]])' + _PLAIN + rb")*+"
_BEGUN = rb"(?>" + STRING + rb'(?>"[ \t]*+|\\)?+)?+'
_FLAT_OBJECT = re.compile(rb"\{" + _INNER + rb"(?:(\})|(" + _BEGUN + rb"\Z))")
"""One on a line that has no other in it: whole, or as far as bytes are seen."""
_BEHIND_KEY = _INNER + rb"(?:\}|" + _BEGUN + rb"\Z)"
_KEYED = STRING + rb'(?:"[ \t]*+(?::' + _BEHIND_KEY + rb"|\Z)|\\?+\Z)"
# As each way begins with a byte that is named, `re` passes over all others quickly.
_LINE_OR_FLAT_OBJECT = re.compile(rb"\n|\{[ \t]*+(?:\}|\Z|" + _KEYED + rb")")


class Clear(NamedTuple):
    """Up to where brackets are clear, and which are open there."""

    at: int
    open: list[int]


class Marks(Protocol):
    """Finds marks in `data[at:end]`; what follows `end` is never looked at."""

    def flat(self, data: bytearray, at: int, end: int) -> int:
        """Behind the flat object that begins at `at`, or `NONE`, or `OPEN`."""

    def between(self, data: bytearray, at: int, end: int) -> int:
        """Where the next bracket is, or a quote that begins no text as it should be; or `end`."""

    def text(self, data: bytearray, at: int, end: int) -> int:
        """Behind the text that begins at `at` and the blanks behind it, or `NONE`."""

    def line_or_object(self, data: bytearray, at: int, end: int, broken: int) -> int:
        """Where a line ends, or what may be a flat object with a key begins; or `NONE`.

        Before `broken`, line ends that no object follows may be passed over.
        """

    def clear(self, data: bytearray, begin: int, at: int, end: int, open_: list[int]) -> Clear:
        """Pass over brackets of the object at `begin` that need no second look, as many as can be.

        `at` is behind its first bracket, `open_` are those open there. Never passes its last one.
        """


class Patterns:
    """Finds marks by regular expressions."""

    def flat(self, data: bytearray, at: int, end: int) -> int:
        """Behind a flat object, or `NONE`, or `OPEN`."""
        match = _FLAT_OBJECT.match(data, at, end)
        if match is None:
            return NONE
        return OPEN if match[1] is None else match.end()

    def between(self, data: bytearray, at: int, end: int) -> int:
        """Where the next bracket is, or a quote that begins no text as it should be; or `end`."""
        match = _BETWEEN_BRACKETS.match(data, at, end)
        assert match
        return match.end()

    def text(self, data: bytearray, at: int, end: int) -> int:
        """Behind a text and the blanks behind it, or `NONE`."""
        match = _TEXT.match(data, at, end)
        return match.end() if match else NONE

    def line_or_object(self, data: bytearray, at: int, end: int, broken: int) -> int:
        """Where a line ends, or what may be a flat object with a key begins; or `NONE`."""
        match = _LINE_OR_FLAT_OBJECT.search(data, at, end)
        return match.start() if match else NONE

    def clear(self, data: bytearray, begin: int, at: int, end: int, open_: list[int]) -> Clear:
        """Nothing is passed over: each bracket is looked at."""
        return Clear(at, open_)

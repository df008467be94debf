"""Objects that wrap records, as exports and event queues write them: `{"Records": [{…}, {…}]}`.

Where a contract declares under which key records lie (`recordsUnder`), what stands around them is
passed over: the object's beginning up to the list, and its end behind it, whatever other keys it
has.
"""

from __future__ import annotations

import re

_BETWEEN = re.compile(rb"(?>[ \t\r\n,\[\]]++|\xef\xbb\xbf)*+")
_TOKEN = re.compile(
    rb'[ \t\r\n]*+(?:("(?>[^"\\]++|\\.)*+")|([{}\[\],:])|([^ \t\r\n"{}\[\],:]++))', re.DOTALL
)
_DEEPEST = 64
_LONGEST = 1 << 16
"""Bytes of what may stand around records."""


class Undecided(Exception):
    """More bytes have to be seen."""


class Wrappers:
    """Passes over what stands around records of one file; `is_inside` says that a list is open."""

    def __init__(self, key: str, is_inside: bool = False) -> None:
        self._key, self.is_inside = f'"{key}"'.lower().encode(), is_inside

    def behind(self, data: bytearray, at: int, end: int, is_last: bool) -> int | None:
        """Behind the beginning or the end of a wrapper at `data[at:end]`; None if neither is there.

        Raises `Undecided` where more bytes have to be seen.
        """
        match = _BETWEEN.match(data, at, end)
        assert match
        at = match.end()
        if at == end:
            return None
        tokens = _Tokens(data, at, end, is_last)
        if data[at] == ord("{"):
            behind = tokens.beginning(self._key)
            self.is_inside |= behind is not None
            return behind
        if not self.is_inside:
            return None
        behind = tokens.end()
        self.is_inside = behind is None
        return behind


class _Tokens:
    """JSON tokens, one after another."""

    def __init__(self, data: bytearray, at: int, end: int, is_last: bool) -> None:
        self._data, self.at, self._end, self._is_last = data, at, end, is_last
        self._limit = at + _LONGEST

    def _next(self) -> bytes:
        """The next token; empty where there is none."""
        match = _TOKEN.match(self._data, self.at, self._end)
        is_cut = match is None or (match.end() == self._end and match[2] is None)
        if is_cut and not self._is_last and self._end < self._limit:
            raise Undecided
        if match is None or match.end() > self._limit:
            return b""
        self.at = match.end()
        return bytes(match[1] or match[2] or match[3])

    def beginning(self, key: bytes) -> int | None:
        """Behind the bracket that opens the list under the key of an object that begins here."""
        if self._next() != b"{":
            return None
        while (name := self._next()).startswith(b'"') and self._next() == b":":
            value = self._next()
            if value == b"[" and name.lower() == key:
                return self.at
            if not self._skipped(value) or self._next() != b",":
                return None
        return None

    def end(self) -> int | None:
        """Behind the brace that closes the object whose list was closed before."""
        name = self._next()
        while name.startswith(b'"'):
            if self._next() != b":" or not self._skipped(self._next()):
                return None
            if (name := self._next()) == b",":
                name = self._next()
        return self.at if name == b"}" else None

    def _skipped(self, token: bytes) -> bool:
        """Whether a value that begins with a token ends, and is passed over."""
        depth = 0
        while token:
            depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
            if depth == 0:
                return token not in (b",", b":")
            if not 0 < depth <= _DEEPEST:
                return False
            token = self._next()
        return False

"""Objects that wrap records, as exports and event queues write them: `{"Records": [{…}, {…}]}`.

Where a contract declares under which key records lie (`recordsUnder`), what stands around them is
passed over: the object's beginning up to the list, and its end behind it, whatever other keys it
has. Of a list in objects within objects all keys are named, with dots between them: `hits.hits`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    """Passes over what stands around records of one file, which lie under a path of keys.

    `is_inside` says that a list is open.
    """

    def __init__(self, path: str, is_inside: bool = False) -> None:
        self._path, self.is_inside = path.lower(), is_inside
        self._depths: Sequence[int] = range(path.count(".") + 1, 0, -1)

    def behind(self, data: bytearray, at: int, end: int, is_last: bool) -> int | None:
        """Behind the beginning or the end of a wrapper at `data[at:end]`; None if neither is there.

        Raises `Undecided` where more bytes have to be seen.
        """
        match = _BETWEEN.match(data, at, end)
        assert match
        at = match.end()
        if at == end:
            return None
        if data[at] == ord("{"):
            tokens = _Tokens(data, at, end, is_last)
            behind = tokens.beginning(self._path)
            if behind is not None:
                self.is_inside, self._depths = True, (tokens.depth,)
            return behind
        if not self.is_inside:
            return None
        for depth in self._depths:
            behind = _Tokens(data, at, end, is_last).end(depth)
            if behind is not None:
                self.is_inside = False
                return behind
        return None


class _Tokens:
    """JSON tokens, one after another; `depth` counts the objects around a list that was found."""

    def __init__(self, data: bytearray, at: int, end: int, is_last: bool) -> None:
        self._data, self.at, self._end, self._is_last = data, at, end, is_last
        self._limit = at + _LONGEST
        self.depth = 0

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

    def beginning(self, path: str) -> int | None:
        """Behind the bracket that opens the list at a path of an object that begins here."""
        return self.at if self._next() == b"{" and self._finds(path) else None

    def _finds(self, path: str) -> bool | None:
        """Whether the rest of an object has the list; None where that is no object."""
        self.depth += 1
        while (name := self._next()).startswith(b'"') and self._next() == b":":
            key, value = name[1:-1].decode(errors="replace").lower(), self._next()
            if value == b"[" and key == path:
                return True
            if value == b"{" and path.startswith(f"{key}."):
                is_found = self._finds(path[len(key) + 1 :])
                if is_found is not False:
                    return is_found
            elif not self._skipped(value):
                return None
            if (name := self._next()) != b",":
                break
        self.depth -= 1
        return False if name == b"}" else None

    def end(self, depth: int) -> int | None:
        """Behind the braces that close so many objects, whose list was closed before."""
        for _ in range(depth):
            if (name := self._next()) == b",":
                name = self._next()
            while name.startswith(b'"'):
                if self._next() != b":" or not self._skipped(self._next()):
                    return None
                if (name := self._next()) == b",":
                    name = self._next()
            if name != b"}":
                return None
        return self.at

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

"""A stretch of a raw file's content that slides forward over it, in memory of a set size."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from io import BufferedReader, RawIOBase
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import zstandard
from blake3 import blake3

from stedi.roots import Opener, open_local

WINDOW_BYTES = 1 << 21
LONGEST_RECORD = 1 << 28
"""A record with more bytes than this is quarantined as cut off here."""
PADDING = 1 << 11
_PACKED_BYTES = 1 << 11
_LARGEST_FRAME = 1 << 28
"""Bytes that an archive may look back, which have to be kept in memory."""
_DAMAGE = (zlib.error, zstandard.ZstdError)
_COMPRESSIONS: Mapping[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".zst": lambda: zstandard.ZstdDecompressor(max_window_size=_LARGEST_FRAME).decompressobj(),
}


_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
"""What archives begin with (RFC 1952, RFC 8878); no text in UTF-8 does."""
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n,]*[{\[]")
_HEAD_BYTES = 64
_MAGIC_BYTES = 4
_MOST_PACKED = 3
"""How often what an archive has is unpacked again."""


class ArchiveTooLarge(Exception):
    """An archive that unpacks to more than it may."""


def is_packed(name: str) -> bool:
    """Whether a file of that name should be an archive; its first bytes tell, see `packing_of`."""
    return Path(name).suffix.lower() in _COMPRESSIONS


def packing_of(path: Path, opener: Opener = open_local) -> str | None:
    """How a file is packed, by its first bytes: as files are called that are; None if it is not.

    What begins neither like an archive nor like JSON is what its name says.
    """
    with opener(path) as file:
        return _packing(_begin(file), path.suffix.lower())


def _begin(file: RawIOBase) -> bytes:
    """The first bytes of a file, as many as there are."""
    begin = b""
    while len(begin) < _HEAD_BYTES and (more := file.read(_HEAD_BYTES - len(begin))):
        begin += more
    return begin


def _packing(begin: bytes, suffix: str) -> str | None:
    if begin.startswith(_GZIP):
        return ".gz"
    if begin.startswith(_ZSTD) or _ZSTD_SKIPPABLE.match(begin):
        return ".zst"
    return suffix if suffix in _COMPRESSIONS and not _JSON.match(begin) else None


class Window:
    """What is seen of a file: `data[at:end]`, with NUL behind it.

    `data` is a bytearray and `array` the same bytes for NumPy; both are others after `slide`.
    `offset` is where `data` begins in the (uncompressed) content, `line` the line of `at`, counted
    from where the window was opened.
    `has_ended` says that no more follows, `is_last` that no more is going to be seen at once.
    Of an archive no more than `most` bytes are unpacked: `ArchiveTooLarge` is raised behind them.
    """

    def __init__(
        self,
        path: Path,
        digest: blake3 | None,
        begin: int = 0,
        opener: Opener = open_local,
        most: int | None = None,
    ) -> None:
        self.data = bytearray(WINDOW_BYTES + PADDING)
        self.array = np.frombuffer(self.data, np.uint8)
        self.at = self.end = 0
        self.offset = begin
        self.line = 1
        self.is_last = self.has_ended = False
        self.is_damaged = False
        self._path, self._open, self._most = path, opener, most
        self._file = opener(path)
        self._digest = digest
        self._head = b""  # of what was read to see how the file is packed
        packing = None
        if begin == 0:
            self._head = _begin(self._file)
            packing = _packing(self._head, path.suffix.lower())
        else:
            self._file.seek(begin)
        self._unpacked = self._unpack_all(packing) if packing else None
        self._left = memoryview(b"")
        self._block = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def ends_damaged(self, at: int) -> bool:
        """Whether nothing more was seen behind `at` of an archive that is damaged there."""
        return self.is_damaged and self.has_ended and at == self.end

    def newlines(self, begin: int, end: int) -> int:
        """How many newlines there are in `data[begin:end]`."""
        return self.data.count(b"\n", begin, end)

    def advance(self, at: int, lines: int) -> None:
        """Go on to `at`, over that many newlines."""
        self.at, self.line = at, self.line + lines

    def slide(self) -> None:
        """Let go of what lies before `at`, and see more behind.

        The window grows where nothing could be let go of, up to `LONGEST_RECORD`.
        """
        kept = self.end - self.at
        size = WINDOW_BYTES
        while size <= kept:
            size *= 2
        if size + PADDING == len(self.data):
            self.data[:kept] = bytes(memoryview(self.data)[self.at : self.end])
        else:
            data = bytearray(size + PADDING)
            data[:kept] = memoryview(self.data)[self.at : self.end]
            self.data, self.array = data, np.frombuffer(data, np.uint8)
        self.offset += self.at
        self.at, self.end = 0, kept
        with memoryview(self.data) as view:
            while self.end < size and not self.has_ended:
                count = self._read(view[self.end : size])
                self.end += count
                self.has_ended = count == 0
        self.is_last = self.has_ended or size >= LONGEST_RECORD
        self.data[self.end : self.end + PADDING] = bytes(PADDING)

    def _read(self, view: memoryview) -> int:
        if self._unpacked is None:
            if self._head:
                count = min(len(view), len(self._head))
                view[:count], self._head = self._head[:count], self._head[count:]
            else:
                count = self._file.readinto(view) or 0
            if self._digest is not None:
                self._digest.update(view[:count])
            return count
        while not self._left:
            try:
                self._left = memoryview(next(self._unpacked))
            except StopIteration:
                return 0
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _unpack_all(self, packing: str) -> Iterator[bytes]:
        """The content of an archive, also of one that was packed again."""
        contents = self._unpack(_COMPRESSIONS[packing])
        for _ in range(_MOST_PACKED):
            begin = b""
            while len(begin) < _MAGIC_BYTES and (more := next(contents, None)) is not None:
                begin += more
            contents = chain([begin], contents)
            again = _packing(begin, "")
            if again is None:
                break
            contents = self._unpack_again(_COMPRESSIONS[again], contents)
        yield from contents

    def _unpack_again(self, make: Callable[[], Any], packed: Iterator[bytes]) -> Iterator[bytes]:
        """The content of an archive in another, up to where it is damaged."""
        n_unpacked = 0
        pieces = (
            part[at : at + _PACKED_BYTES]
            for part in packed
            for at in range(0, len(part), _PACKED_BYTES)
        )
        try:
            for content in _content(make, pieces):
                n_unpacked += len(content)
                if self._most is not None and n_unpacked > self._most:
                    raise ArchiveTooLarge
                yield content
        except (EOFError, *_DAMAGE):
            self.is_damaged = True
            for _ in packed:
                pass  # the fingerprint is that of the whole file

    def _unpack(self, make: Callable[[], Any]) -> Iterator[bytes]:
        """The content of an archive, up to where it is damaged."""
        n_unpacked = 0
        try:
            for content in _content(make, self._blocks()):
                n_unpacked += len(content)
                if self._most is not None and n_unpacked > self._most:
                    raise ArchiveTooLarge
                yield content
        except EOFError:
            self.is_damaged = True
        except _DAMAGE:
            self.is_damaged = True
            # The block in which the damage lies gave nothing: take it byte by byte.
            with BufferedReader(self._open(self._path)) as reopened, suppress(*_DAMAGE, EOFError):
                whole = iter(
                    lambda: reopened.read(min(_PACKED_BYTES, self._block - reopened.tell())), b""
                )
                single = iter(lambda: reopened.read(1), b"")
                for content in _content(make, chain(whole, single)):
                    yield content[n_unpacked:]
                    n_unpacked = max(0, n_unpacked - len(content))
            for _ in self._blocks():
                pass  # the fingerprint is that of the whole file

    def _blocks(self) -> Iterator[bytes]:
        while True:
            self._block = 0 if self._head else self._file.tell()
            block, self._head = self._head or self._file.read(_PACKED_BYTES) or b"", b""
            if not block:
                return
            if self._digest is not None:
                self._digest.update(block)
            yield block


def _content(make: Callable[[], Any], blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of an archive of one or more frames; raises where it is damaged or cut off."""
    frame, begun = make(), False
    for block in blocks:
        rest = block
        while rest:
            if not begun and not rest.strip(b"\0"):
                break  # padding behind the last frame
            begun = True
            yield frame.decompress(rest)
            rest = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame, begun = make(), False
    if begun:
        raise EOFError

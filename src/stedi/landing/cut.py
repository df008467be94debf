"""Cuts records out of a raw file, so that all else stays byte for byte.

A record goes with what separates it from the next: its comma, and its line where it has one of its
own. In front of a list's end the comma before it goes, or the list would be none. Archives are
packed again.
"""

from __future__ import annotations

import gzip
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from stedi.landing.window import Window, packing_of
from stedi.roots import Opener, open_local

Span = tuple[int, int]
"""Where a record begins and ends in the content of a file once unpacked."""
_BLOCK = 1 << 22
_BLANK, _LINE = b" \t", b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_BEHIND = re.compile(rb"[ \t\r\n]*+")
_BETWEEN = re.compile(rb"[ \t\r\n]*+(?:,[ \t\r\n]*+)?")
_REST_OF_LINE = re.compile(rb"[ \t]*+(?:\r?\n)?")
_NOTHING = re.compile(rb"(?>[ \t\r\n,\[\]]++|\xef\xbb\xbf)*+")


def cut(path: Path, spans: Sequence[Span], target: Path, opener: Opener = open_local) -> bool:
    """Write a file without some records to `target`; whether anything but separators is left.

    `spans` lie in the file's order, and none reaches into another. Raises `OSError`.
    """
    content = target.with_name(f"{target.name}-content")
    packing = packing_of(path, opener)
    plain = target if packing is None else target.with_name(f"{target.name}-plain")
    try:
        source = path if packing is None and path.exists() else content
        if source is content:
            _unpack(path, content, opener)
        has_rest = _without(source, spans, plain)
        if packing is not None:
            _pack(plain, target, packing)
        with target.open("rb") as file:
            os.fsync(file.fileno())
        return has_rest
    finally:
        for made in {content, plain} - {target}:
            made.unlink(missing_ok=True)


def _unpack(path: Path, target: Path, opener: Opener) -> None:
    """Write the content of a file, up to where an archive is damaged."""
    with Window(path, None, 0, opener) as window, target.open("wb") as file:
        while not window.has_ended:
            window.slide()
            with memoryview(window.data) as view:
                file.write(view[window.at : window.end])
            window.at = window.end


def _pack(path: Path, target: Path, packing: str) -> None:
    size = path.stat().st_size
    with (
        path.open("rb") as source,
        target.open("wb") as file,
        _packed(file, packing, size) as packed,
    ):
        while block := source.read(_BLOCK):
            packed.write(block)


@contextmanager
def _packed(file: BinaryIO, packing: str, size: int) -> Iterator[BinaryIO]:
    if packing == ".gz":
        with gzip.GzipFile("", "wb", 6, file, 0) as packed:
            yield cast(BinaryIO, packed)
    else:
        with zstandard.ZstdCompressor().stream_writer(file, size, closefd=False) as stream:
            yield cast(BinaryIO, stream)


def _without(path: Path, spans: Sequence[Span], target: Path) -> bool:
    """Write a file's content without some records; whether anything but separators is left."""
    has_rest = False
    with path.open("rb") as source, target.open("wb") as file:
        if not os.fstat(source.fileno()).st_size:
            return False
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = 0
            for begin, end in [*_widened(data, spans), (len(data), len(data))]:
                has_rest = _copy(data, at, begin, file, has_rest)
                at = end
    return has_rest


def _copy(data: mmap.mmap, begin: int, end: int, file: BinaryIO, has_rest: bool) -> bool:
    for first in range(begin, end, _BLOCK):
        block = data[first : min(end, first + _BLOCK)]
        if not has_rest:
            match = _NOTHING.match(block)
            has_rest = match is not None and match.end() < len(block)
        file.write(block)
    return has_rest


def _widened(data: mmap.mmap, spans: Sequence[Span]) -> Iterator[Span]:
    """What goes with runs of records that lie side by side."""
    last = 0
    for begin, end in _runs(data, spans):
        wide = _wide(data, begin, end)
        last = max(last, wide[0])
        yield last, max(last, wide[1])
        last = max(last, wide[1])


def _runs(data: mmap.mmap, spans: Sequence[Span]) -> Iterator[Span]:
    """Records with nothing but a separator between them, together."""
    run: Span | None = None
    for begin, end in spans:
        if run is not None:
            between = _BETWEEN.match(data, run[1])
            if begin <= run[1] or (between and between.end() == begin):
                run = run[0], max(run[1], end)
                continue
            yield run
        run = begin, end
    if run is not None:
        yield run


def _wide(data: mmap.mmap, begin: int, end: int) -> Span:
    """A run of records with what separates it from its neighbours."""
    following = _skip(data, end)
    if data[following : following + 1] == b",":
        return _with_line(data, begin, following + 1)
    if data[following : following + 1] == b"]":
        before = _skip_back(data, begin, _LINE)
        if data[before - 1 : before] == b",":
            return before - 1, end
    return _with_line(data, begin, end)


def _with_line(data: mmap.mmap, begin: int, end: int) -> Span:
    """With its line where it has one of its own, or with the blanks that part it from the next."""
    line = _skip_back(data, begin, _BLANK)
    match = _REST_OF_LINE.match(data, end)
    assert match is not None
    rest = match.end()
    ends_line = rest == len(data) or data[rest - 1 : rest] == b"\n"
    # A byte order mark says how the file is encoded, and stays.
    is_first = line == 0 or (line == len(_MARK) and data[:line] == _MARK)
    if is_first or data[line - 1 : line] == b"\n":
        if ends_line:
            return line, rest
        return begin, rest  # others follow on its line
    if ends_line:
        newline = len(data[end:rest]) - len(data[end:rest].rstrip(b"\r\n"))
        return line, rest - newline  # others come before it
    return begin, rest


def _skip(data: mmap.mmap, at: int) -> int:
    match = _BEHIND.match(data, at)
    assert match is not None
    return match.end()


def _skip_back(data: mmap.mmap, at: int, blanks: bytes) -> int:
    while at > 0 and data[at - 1] in blanks:
        at -= 1
    return at

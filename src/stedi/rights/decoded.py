"""What files say once they are decoded: archives, Avro, SQLite, escapes in text."""

from __future__ import annotations

import bz2
import gzip
import html
import json
import lzma
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, unquote_to_bytes

import zstandard

from stedi.rights.whole import unescaped

_DAMAGE = (OSError, EOFError, ValueError, LookupError, zlib.error, lzma.LZMAError)
_DAMAGE_OF_ARCHIVES = (*_DAMAGE, zstandard.ZstdError, zipfile.BadZipFile, RuntimeError)
_LARGEST_FRAME = 1 << 31
AVRO, SQLITE, PARQUET = b"Obj\x01", b"SQLite format 3\x00", b"PAR1"
_ARCHIVES: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb")),
    b"\x28\xb5\x2f\xfd": lambda file: cast(
        IO[bytes],
        zstandard.ZstdDecompressor(max_window_size=_LARGEST_FRAME).stream_reader(
            file, read_across_frames=True
        ),
    ),
    b"BZh": lambda file: cast(IO[bytes], bz2.BZ2File(file)),
    b"\xfd7zXZ\x00": lambda file: cast(IO[bytes], lzma.LZMAFile(file)),  # noqa: SIM115
}


def archived(head: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """What unpacks a file that begins so; None where it is no archive of one file."""
    return next((opens for magic, opens in _ARCHIVES.items() if head.startswith(magic)), None)


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The files in a ZIP archive."""
    with suppress(*_DAMAGE_OF_ARCHIVES), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                yield name, file


def blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """A file's content in blocks, up to where it is damaged."""
    read = getattr(file, "read1", file.read)  # which loses nothing that comes before damage
    block = bytearray()
    with suppress(*_DAMAGE_OF_ARCHIVES):
        while piece := read(size):
            block += piece
            if len(block) >= size:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def layers(text: bytes) -> Iterator[tuple[str, bytes]]:
    """What a text says with its escapes undone; nothing for what is no text, or has none."""
    if b"\0" in text:
        return
    if b"\\" in text:
        text = unescaped(text.decode(errors="replace")).encode(errors="replace")
        yield "JSON escapes undone", text
    if b"%" in text:
        text = unquote_to_bytes(text)
        yield "percent encoding undone", text
    if b"&" in text:
        text = html.unescape(text.decode(errors="replace")).encode(errors="replace")
        yield "HTML undone", text


def sqlite_values(path: Path) -> Iterator[bytes]:
    """Every text and blob in a SQLite file's tables, a row at a time."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as db,
    ):
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            name = str(table).replace('"', '""')
            for row in db.execute(f'SELECT * FROM "{name}"'):
                values = (v if isinstance(v, bytes) else str(v).encode() for v in row if v)
                yield b"\n".join(values)


def avro_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The metadata and the blocks of an Avro file, unpacked."""
    with suppress(*_DAMAGE, zstandard.ZstdError):
        file.read(4)
        metadata = dict(_avro_map(file))
        yield json.dumps({k: v.decode(errors="replace") for k, v in metadata.items()}).encode()
        yield b"\n".join(metadata.values())
        unpack = _AVRO_CODECS.get(metadata.get("avro.codec", b"null").decode())
        sync = file.read(16)
        while head := file.read(1):
            _avro_long(file, head)
            data = file.read(_avro_long(file))
            yield unpack(data) if unpack else data
            if file.read(16) != sync:
                return


_AVRO_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "deflate": lambda data: zlib.decompress(data, -15),
    "zstandard": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
}


def _avro_map(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    while count := _avro_long(file):
        if count < 0:
            _avro_long(file)
        for _ in range(abs(count)):
            key = file.read(_avro_long(file)).decode()
            yield key, file.read(_avro_long(file))


def _avro_long(file: IO[bytes], head: bytes = b"") -> int:
    value, shift = 0, 0
    while True:
        [byte] = head or file.read(1)
        head = b""
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1)


def text_of(value: Any) -> bytes:
    """A value of some statistics as bytes."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")

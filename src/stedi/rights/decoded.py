"""The decoded content of files: archives, Avro, SQLite, escapes in text."""

from __future__ import annotations

import bz2
import gzip
import html
import json
import lzma
import quopri
import re
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, unquote_to_bytes

import pyarrow as pa
import zstandard

from stedi.rights.whole import unescaped

_DAMAGE = (OSError, EOFError, ValueError, LookupError, zlib.error, lzma.LZMAError)
_DAMAGE_OF_ARCHIVES = (*_DAMAGE, zstandard.ZstdError, zipfile.BadZipFile, RuntimeError)
_LARGEST_FRAME = 1 << 31
_QUOTED_LINE = re.compile(rb"=\r?\n")
AVRO, SQLITE, PARQUET = b"Obj\x01", b"SQLite format 3\x00", b"PAR1"
ORC, ARROW, ZIP, TAR = b"ORC", b"ARROW1", b"PK\x03\x04", b"ustar"
_ROUNDS = 3
"""How often escapes in a text are undone: what was escaped twice is."""
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
    b"\x5d\x00\x00": lambda file: cast(IO[bytes], lzma.LZMAFile(file)),  # noqa: SIM115
    b"\x04\x22\x4d\x18": lambda file: cast(IO[bytes], pa.CompressedInputStream(file, "lz4")),
    **dict.fromkeys(
        (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"), lambda file: cast(IO[bytes], _Inflated(file))
    ),
}


class _Inflated:
    """The content of a zlib stream (RFC 1950)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._stream = file, zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Some of it, nothing at its end; raises `zlib.error` where it is none."""
        while not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(size)
            content = self._stream.decompress(packed, size)
            if content or not packed:
                return content
        return b""


def archived(head: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """What unpacks a file that begins so; None where it is no archive of one file."""
    return next((opens for magic, opens in _ARCHIVES.items() if head.startswith(magic)), None)


def members(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes] | None]]:
    """The files in a ZIP or tar archive; None for what can't be unpacked, as without a password."""
    with suppress(*_DAMAGE_OF_ARCHIVES):
        if not is_zip(file):
            yield from _members_of_tar(file)
            return
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                try:
                    opened = archive.open(member)
                except (RuntimeError, NotImplementedError, *_DAMAGE_OF_ARCHIVES):
                    yield member.filename, None
                    continue
                with opened:
                    yield member.filename, opened


def _members_of_tar(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes] | None]]:
    with suppress(tarfile.TarError), tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if member.isfile():
                yield member.name, archive.extractfile(member)


def is_zip(file: IO[bytes]) -> bool:
    """Whether a file ends as ZIP archives do, whatever lies before; it is then at its beginning."""
    try:
        return zipfile.is_zipfile(file)
    finally:
        file.seek(0)


def is_container(head: bytes) -> bool:
    """Whether a file that begins so has to be decoded, so that its bytes alone say little."""
    known = (AVRO, SQLITE, PARQUET, ORC, ARROW, ZIP)
    return head.startswith(known) or head[257:262] == TAR or archived(head) is not None


def batches(file: IO[bytes], head: bytes) -> Iterator[pa.RecordBatch]:
    """The rows of an ORC or Arrow file; raises `pa.ArrowException`."""
    if head.startswith(ARROW):
        with pa.ipc.open_file(file) as opened:
            yield from (opened.get_batch(n) for n in range(opened.num_record_batches))
        return
    from pyarrow import orc

    rows = orc.ORCFile(file)
    yield from (rows.read_stripe(n) for n in range(rows.nstripes))


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
    for _ in range(_ROUNDS):
        before = text
        if b"\\" in text:
            text = unescaped(text.decode(errors="replace")).encode(errors="replace")
            yield "JSON escapes undone", text
        if b"%" in text:
            text = unquote_to_bytes(text)
            yield "percent encoding undone", text
        if b"&" in text:
            text = html.unescape(text.decode(errors="replace")).encode(errors="replace")
            yield "HTML undone", text
        if _QUOTED_LINE.search(text):
            text = quopri.decodestring(text)
            yield "quoted-printable undone", text
        if text == before:
            return


def sqlite_values(file: IO[bytes], path: Path | None) -> Iterator[bytes]:
    """Every text and blob in a SQLite file's tables, a row at a time."""
    place = f"file:{quote(str(path))}?mode=ro&immutable=1" if path else ":memory:"
    with suppress(sqlite3.Error), closing(sqlite3.connect(place, uri=bool(path))) as db:
        if path is None:
            db.deserialize(file.read())
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            name = str(table).replace('"', '""')
            for row in db.execute(f'SELECT * FROM "{name}"'):
                values = (v if isinstance(v, bytes) else str(v).encode() for v in row if v)
                yield b"\n".join(values)


def avro_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The metadata and the blocks of an Avro file, unpacked; raises `KeyError` for its codec."""
    with suppress(
        OSError, EOFError, ValueError, IndexError, zlib.error, lzma.LZMAError, zstandard.ZstdError
    ):
        file.read(4)
        metadata = dict(_avro_map(file))
        yield json.dumps({k: v.decode(errors="replace") for k, v in metadata.items()}).encode()
        yield b"\n".join(metadata.values())
        codec = metadata.get("avro.codec", b"null").decode()
        unpack = _AVRO_CODECS[codec]
        sync = file.read(16)
        while head := file.read(1):
            _avro_long(file, head)
            data = file.read(_avro_long(file))
            yield unpack(data)
            if file.read(16) != sync:
                return


def _from_snappy(data: bytes) -> bytes:
    size = shift = 0
    for byte in data:
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    packed = pa.py_buffer(data[:-4])  # a checksum follows
    return bytes(pa.decompress(packed, decompressed_size=size, codec="snappy"))


_AVRO_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda data: data,
    "snappy": _from_snappy,
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

"""Reads Avro's container files, in which Iceberg keeps manifests, without loading PyIceberg.

Specification: https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_MOST_BITS = 70


class _Bytes:
    """Bytes that are read from the beginning to the end."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if count < 0 or len(taken) != count:
            raise EOFError
        self.at += count
        return taken

    def number(self) -> int:
        shift = read = 0
        while shift < _MOST_BITS:
            byte = self.data[self.at]
            self.at += 1
            read |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (read >> 1) ^ -(read & 1)
            shift += 7
        raise ValueError("a number without an end")

    def counts(self) -> Iterator[int]:
        """How many items there are in each block of an array or a map."""
        while count := self.number():
            if count < 0:
                count = -count
                self.number()  # the block's bytes
            if count > len(self.data):
                raise ValueError("more items than bytes")
            yield count

    def bytes(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return self.bytes().decode()


_Read = Callable[[_Bytes], Any]
_PRIMITIVES: dict[str, _Read] = {
    "null": lambda _: None,
    "boolean": lambda data: data.take(1) != b"\0",
    "int": _Bytes.number,
    "long": _Bytes.number,
    "float": lambda data: data.take(4),  # of which nothing is asked
    "double": lambda data: data.take(8),
    "bytes": _Bytes.bytes,
    "string": _Bytes.text,
}


def records(content: bytes) -> Iterator[dict[str, Any]]:
    """The records of a container file; those of Iceberg's that matter have no floats.

    Raises `EOFError`, `LookupError`, `TypeError` or `ValueError` for a file that is damaged.
    """
    data = _Bytes(content)
    if data.take(len(_MAGIC)) != _MAGIC:
        raise ValueError("no Avro file")
    header = {data.text(): data.bytes() for count in data.counts() for _ in range(count)}
    read = _reader(json.loads(header["avro.schema"]), {})
    unpack = _CODECS[header.get("avro.codec", b"null").decode()]
    sync = data.take(_SYNC_BYTES)
    while data.at < len(content):
        count, packed = data.number(), data.bytes()
        try:
            block = _Bytes(unpack(packed))
        except zlib.error as error:
            raise ValueError(str(error)) from None
        for _ in range(count):
            yield read(block)
        if block.at != len(block.data) or data.take(_SYNC_BYTES) != sync:
            raise ValueError("a block that doesn't end where it should")


def _zstandard(packed: bytes) -> bytes:
    import pyarrow as pa

    with pa.input_stream(pa.py_buffer(packed), compression="zstd") as stream:
        unpacked: bytes = stream.read()
        return unpacked


def _bzip2(packed: bytes) -> bytes:
    import bz2

    return bz2.decompress(packed)


_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda packed: packed,
    "deflate": lambda packed: zlib.decompress(packed, -zlib.MAX_WBITS),
    "zstandard": _zstandard,
    "bzip2": _bzip2,
}


def _reader(schema: Any, named: dict[str, _Read]) -> _Read:
    """What reads values of a schema; `named` are the types that it may refer to by their names."""
    if isinstance(schema, str):
        return _PRIMITIVES.get(schema) or (lambda data: named[schema](data))
    if isinstance(schema, list):
        choices = [_reader(choice, named) for choice in schema]
        return lambda data: choices[_place(data, len(choices))](data)
    kind = schema["type"]
    if kind == "record":
        read = _record(schema, named)
    elif kind == "array":
        item = _reader(schema["items"], named)
        read = lambda data: [item(data) for count in data.counts() for _ in range(count)]  # noqa: E731
    elif kind == "map":
        value = _reader(schema["values"], named)
        read = lambda data: {  # noqa: E731
            data.text(): value(data) for count in data.counts() for _ in range(count)
        }
    elif kind == "fixed":
        size = schema["size"]
        read = lambda data: data.take(size)  # noqa: E731
    elif kind == "enum":
        symbols = schema["symbols"]
        read = lambda data: symbols[_place(data, len(symbols))]  # noqa: E731
    else:
        return _reader(kind, named)
    if "name" in schema:
        named[schema["name"]] = read
    return read


def _record(schema: Any, named: dict[str, _Read]) -> _Read:
    readers: list[tuple[str, _Read]] = []

    def read(data: _Bytes) -> dict[str, Any]:
        return {name: of_field(data) for name, of_field in readers}

    named[schema["name"]] = read  # which its own fields may refer to
    readers += [(field["name"], _reader(field["type"], named)) for field in schema["fields"]]
    return read


def _place(data: _Bytes, count: int) -> int:
    place = data.number()
    if not 0 <= place < count:
        raise ValueError("no such choice")
    return place

"""Looks for words below a folder in every way that comes to mind, with readers of its own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sqlite3
import urllib.parse
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import zstandard


def spelled(word: str) -> dict[str, bytes]:
    """A word in many encodings."""
    utf8 = word.encode()
    forms = {
        "utf-8": utf8,
        "upper case": word.upper().encode(),
        "utf-16": word.encode("utf-16-le"),
        "utf-16-be": word.encode("utf-16-be"),
        "utf-32": word.encode("utf-32-le"),
        "ebcdic": word.encode("cp500", "replace"),
        "hex": utf8.hex().encode(),
        "HEX": utf8.hex().upper().encode(),
        "percent": urllib.parse.quote(word, safe="").encode(),
        "all percent": "".join(f"%{byte:02X}" for byte in utf8).encode(),
        "json": json.dumps(word)[1:-1].encode(),
        "all json": "".join(f"\\u{ord(c):04x}" for c in word).encode(),
        "base32": base64.b32encode(utf8)[:-8],
        "base85": base64.b85encode(utf8)[:-5],
        "backwards": word[::-1].encode(),
    }
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, utf8)
        forms |= {name: digest.hexdigest().encode(), f"{name} bytes": digest.digest()}
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + utf8).rstrip(b"=")
        forms[f"base64 {shift}"] = whole[4 if shift else 0 : -3]
    return {name: form for name, form in forms.items() if name == "utf-8" or len(form) > 7}


def layers(path: Path) -> Iterator[tuple[str, bytes]]:
    """The content of a file, as it lies and decoded."""
    data = path.read_bytes()
    yield "raw", data
    if data[:4] == b"PAR1":
        with duckdb.connect() as db:
            rows = db.execute(f"SELECT * FROM read_parquet('{path}')").fetchall()
            yield "rows", "\n".join(_plain(value) for row in rows for value in row).encode()
            about = db.execute(f"SELECT * FROM parquet_metadata('{path}')").fetchall()
            yield "metadata", repr(about).encode()
    elif data[:4] == b"Obj\x01":
        for at in range(len(data)):  # wherever a deflated block may begin
            try:
                yield "unpacked", zlib.decompressobj(-15).decompress(data[at:])
            except zlib.error:
                continue
    elif data[:2] == b"\x1f\x8b":
        yield "unpacked", gzip.decompress(data)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        yield "unpacked", zstandard.ZstdDecompressor().decompressobj().decompress(data)
    elif data[:6] == b"SQLite":
        with closing(sqlite3.connect(path)) as db:
            yield "dump", "\n".join(db.iterdump()).encode()


def _plain(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def holding(folder: Path, *words: str) -> list[str]:
    """Each file that has a word, with where in it and how it is spelled there."""
    found = []
    forms = [(word, name, form) for word in words for name, form in spelled(word).items()]
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        found += [f"{place}: its name" for word in words if word in place]
        for layer, text in layers(path) if path.is_file() else ():
            for word, name, form in forms:
                for match in re.finditer(re.escape(form), text):
                    before = text[match.start() - 1 : match.start()]
                    behind = text[match.end() : match.end() + 1]
                    if name in ("utf-8", "json", "upper case") and (
                        before.isalnum() or behind.isalnum()
                    ):
                        continue  # a part of another word
                    found.append(f"{place}: {layer}: {word} as {name}")
                    break
    return found


def bloom_may_have(path: Path, column: str, word: str) -> bool:
    """Whether DuckDB can't rule out by Bloom filters that a Parquet file has a value."""
    with duckdb.connect() as db:
        probe = f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', '{column}', ?)"
        return any(not excludes for (excludes,) in db.execute(probe, [word]).fetchall())

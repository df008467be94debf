"""The proof finds an identifier wherever, and however, something still has it."""

from __future__ import annotations

import base64
import bz2
import functools
import gzip
import hashlib
import io
import json
import lzma
import marshal
import random
import sqlite3
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyarrow import feather, orc

from stedi.rights.bloom import xxhash64
from stedi.rights.search import Searcher
from stedi.rights.subjects import Identity
from stedi.rights.traces import Traced, trace
from stedi.roots import open_root

ANN = "ann@example.com"


def traced(root: Path, *values: str) -> Traced:
    identities = [Identity("customer", value) for value in values or (ANN,)]
    return trace(open_root(root).files, identities)


def names(found: Traced) -> set[str]:
    return {one.file for one in found.exact}


FORMS: dict[str, bytes] = {
    "as it is": ANN.encode(),
    "in a line": f'{{"user":"{ANN}"}}\n'.encode(),
    "utf-16": ANN.encode("utf-16"),
    "utf-16-be": b"\0" + ANN.encode("utf-16-be"),
    "utf-32": ANN.encode("utf-32"),
    "ebcdic": ANN.encode("cp037"),
    "base64": base64.b64encode(ANN.encode()),
    "base64 in a text": base64.b64encode(b'{"user": "ann@example.com", "x": 1}'),
    "base64 one further": base64.b64encode(b" ann@example.com "),
    "base64 for addresses": base64.urlsafe_b64encode(b"  ann@example.com?"),
    "hexadecimal": ANN.encode().hex().upper().encode(),
    "JSON": b'"\\u0061nn@example.com"',
    "JSON through and through": "".join(f"\\u{ord(c):04X}" for c in ANN).encode(),
    "percent": b"user=ann%40example.com&x=1",
    "percent through and through": "".join(f"%{ord(c):02x}" for c in ANN).encode(),
    "HTML": b"<a>ann&#64;example.com</a>",
    "backwards": ANN[::-1].encode(),
    "SHA-256": hashlib.sha256(ANN.encode()).hexdigest().encode(),
    "MD5, as bytes": b"\0\1" + hashlib.md5(ANN.encode(), usedforsecurity=False).digest(),
    "behind its length": b"\0\x0f" + ANN.encode() + b"\0",
    "in MessagePack, before true": b"\x92\xaf" + ANN.encode() + b"\xc3",
    "in MessagePack, before a number": b"\x92\xaf" + ANN.encode() + b"\xe9",
    "in Python's marshal": marshal.dumps((ANN, 1)),
    "UTF-7 of a mail": b"ann+AEA-example.com",
    "JSON in JSON, escaped": json.dumps(
        json.dumps("".join(f"\\u{ord(c):04x}" for c in ANN))
    ).encode(),
    "escapes of Python": "".join(f"\\x{ord(c):02x}" for c in ANN).encode(),
    "percent twice": b"user=ann%252540example.com",
    "HTML twice": b"<a>ann&amp;#64;example.com</a>",
    "quoted-printable": b"dear ann=\n@exam=\r\nple.com",
    "base32": base64.b32encode(b"I am <ann@example.com>."),
    "base64 of UTF-16": base64.b64encode("I am <ann@example.com>.".encode("utf-16-le")),
    "hexadecimal of UTF-16": "<ann@example.com>".encode("utf-16-le").hex().encode(),
    "hexadecimal, parted": b" " + ANN.encode().hex(":").encode() + b" ",
    "numbers": json.dumps([*ANN.encode()]).encode(),
    "SHA-1 of a line": hashlib.sha1(ANN.encode() + b"\n", usedforsecurity=False)
    .hexdigest()
    .encode(),
    "twice JSON": json.dumps(json.dumps({"user": "ann/x@example.com"})).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found(tmp_path: Path, form: str) -> None:
    value = "ann/x@example.com" if form == "twice JSON" else ANN
    (tmp_path / "x.bin").write_bytes(b"beginning " * 1000 + FORMS[form] + b" end" * 1000)
    (tmp_path / "empty").write_bytes(b"")
    assert names(traced(tmp_path, value)) == {"x.bin"}, form
    assert names(traced(tmp_path, "somebody.else@example.com")) == set()


NUMBER = "0f927963-7909-165d-9956-50571686f480"
OF_A_NUMBER: dict[str, bytes] = {
    "upper case": b"{0F927963-7909-165D-9956-50571686F480}",
    "without dashes": b"0f9279637909165d995650571686f480",
    "its bytes": uuid.UUID(NUMBER).bytes,
    "its bytes, little end first": uuid.UUID(NUMBER).bytes_le,
    "base64 of its bytes": base64.b64encode(b"x" + uuid.UUID(NUMBER).bytes),
}


@pytest.mark.parametrize("form", OF_A_NUMBER)
def test_a_number_in_the_form_of_a_uuid_is_found_as_that(tmp_path: Path, form: str) -> None:
    (tmp_path / "x.bin").write_bytes(b"\0begin " + OF_A_NUMBER[form] + b" end")
    found = traced(tmp_path, NUMBER)
    assert {one.file for one in found.traces} == {"x.bin"}
    assert names(found) == ({"x.bin"} if form != "upper case" else set())
    assert traced(tmp_path, NUMBER.replace("f", "e")).traces == ()


def test_a_domain_is_found_in_ascii_and_as_it_means(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mailto:ann@xn--exmple-cua.com")
    (tmp_path / "y").write_text("mailto:ann@ex\u00e4mple.com", encoding="utf-8")
    for value in ("ann@ex\u00e4mple.com", "ann@xn--exmple-cua.com"):
        assert names(traced(tmp_path, value)) == {"x", "y"}


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstandard.compress,
    "two frames": lambda data: gzip.compress(b"x" * 100) + gzip.compress(data),
    "gzip in gzip": lambda data: gzip.compress(gzip.compress(data)),
    "gzip in zstandard": lambda data: zstandard.compress(gzip.compress(data)),
    "zlib": zlib.compress,
    "lz4": lambda data: compressed(b"ann@example.org\n" + data + b"\n" * 64, "lz4"),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "six times": lambda data: functools.reduce(lambda d, _: gzip.compress(d), range(6), data),
    "zip in zip": lambda data: zipped(**{"inner.zip": zipped(a=data)}),
    "zip in gzip": lambda data: gzip.compress(zipped(a=data)),
    "zip behind a program": lambda data: b"#!/bin/sh\n" + zipped(a=data),
    "gzip in tar": lambda data: tarred(gzip.compress(data)),
    "gzip in tar in gzip": lambda data: gzip.compress(tarred(gzip.compress(data))),
    "Parquet in gzip": lambda data: gzip.compress(columns({"a": [data.decode()]})),
    "a list in Parquet": lambda data: columns({"a": [[data.decode()]]}),
    "a structure in Parquet": lambda data: columns({"a": [{"b": [{"c": data}]}]}),
    "Parquet of fixed length": lambda data: columns({"a": pa.array([data], pa.binary(len(data)))}),
    "ORC": lambda data: as_orc(data),
    "Arrow": lambda data: as_arrow(data),
    "SQLite in gzip": lambda data: gzip.compress(as_sqlite(data.decode())),
    "cut off": lambda data: gzip.compress(data + bytes(100_000))[:-9],
}


def compressed(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as file:
        file.write(data)
    return bytes(sink.getvalue())


def zipped(**content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(data: bytes) -> bytes:
    file, member = io.BytesIO(), tarfile.TarInfo("inner")
    member.size = len(data)
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def columns(values: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(values), file, compression="zstd", write_statistics=False)
    return file.getvalue()


def as_orc(data: bytes) -> bytes:
    file = io.BytesIO()
    orc.write_table(pa.table({"a": [data.decode()]}), file, compression="zlib")
    return file.getvalue()


def as_arrow(data: bytes) -> bytes:
    file = io.BytesIO()
    feather.write_feather(pa.table({"a": [data.decode()]}), file, compression="zstd")
    return file.getvalue()


def as_sqlite(text: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (v TEXT)")
        db.execute("INSERT INTO t VALUES (?)", (text,))
        db.commit()
        return db.serialize()


@pytest.mark.parametrize("how", PACKED)
def test_archives_are_unpacked_whatever_they_are_called(tmp_path: Path, how: str) -> None:
    data = b"".join(f"line {n}\n".encode() for n in range(5000)) + ANN.encode()
    (tmp_path / "x").write_bytes(PACKED[how](data))
    assert ANN.encode() not in (tmp_path / "x").read_bytes()
    found = traced(tmp_path)
    assert names(found) == {"x"}
    assert found.unreadable == ()


def test_what_nobody_can_decode_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep").write_bytes(
        functools.reduce(lambda d, _: gzip.compress(d), range(10), b"x")
    )
    locked = bytearray(zipped(inner=b"hello"))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + flags] |= 1  # says that it needs a password
    (tmp_path / "locked.zip").write_bytes(bytes(locked))
    (tmp_path / "cut.parquet").write_bytes(columns({"a": ["b"]})[:-8])
    (tmp_path / "other.avro").write_bytes(
        b"Obj\x01\x02\x14avro.codec\x08rare\0" + bytes(16) + b"\2\2"
    )
    for begin in ("PAR1", "ORC", "ARROW1", "Obj\x01"[:3], "x^2", "BZh"):
        (tmp_path / f"{begin} is text").write_text(f"{begin} is how this text begins\n" * 50)
    found = traced(tmp_path)
    assert [one.partition(",")[0] for one in found.unreadable] == [
        "cut.parquet", "deep", "locked.zip", "other.avro",
    ]  # fmt: skip


def test_names_of_empty_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "of" / ANN).mkdir(parents=True)
    assert names(traced(tmp_path)) == {f"of/{ANN}"}


def test_values_are_read_however_parquet_codes_them(tmp_path: Path) -> None:
    rows = pa.table({"a": ["ann@example.de", ANN, "ann@example.net"]})
    pq.write_table(
        rows, tmp_path / "x.parquet", use_dictionary=False, write_statistics=False,
        column_encoding={"a": "DELTA_BYTE_ARRAY"},
    )  # fmt: skip
    assert ANN.encode() not in (tmp_path / "x.parquet").read_bytes()
    assert names(traced(tmp_path)) == {"x.parquet"}


def test_zip_archives_and_names_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", "a" * 5000 + f" {ANN} " + "b" * 5000)
    (tmp_path / f"{ANN}.json").write_text("{}")
    (tmp_path / ANN).mkdir()
    (tmp_path / ANN / "y").write_text("{}")
    assert names(traced(tmp_path)) == {"x.zip", f"{ANN}.json", f"{ANN}/y"}


def test_parquet_is_asked_for_values_statistics_and_bloom_filters(tmp_path: Path) -> None:
    many = [f"person{n}@example.com" for n in range(3000)]
    filters = {"user": {"ndv": 4000, "fpp": 0.01}}
    for name, values in (("with", [*many, ANN]), ("without", many)):
        table = pa.table({"user": values, "n": [*range(len(values))]})
        pq.write_table(
            table, tmp_path / f"{name}.parquet", compression="zstd", bloom_filter_options=filters
        )
    found = traced(tmp_path)
    assert names(found) == {"with.parquet"}
    wheres = {one.where for one in found.exact}
    assert "values of user, row group 0" in wheres
    assert "statistics of user, row group 0" in wheres  # it is the least
    # A filter that still says yes of who is no longer among the values: that of another file.
    with_, without = (tmp_path / f"{n}.parquet" for n in ("with", "without"))
    place = pq.read_metadata(with_).row_group(0).column(0)
    other = pq.read_metadata(without).row_group(0).column(0)
    assert place.bloom_filter_length == other.bloom_filter_length
    data, begin = bytearray(without.read_bytes()), other.bloom_filter_offset
    data[begin : begin + other.bloom_filter_length] = with_.read_bytes()[
        place.bloom_filter_offset :
    ][: place.bloom_filter_length]
    without.write_bytes(bytes(data))
    with_.unlink()
    found = traced(tmp_path)
    assert {one.where for one in found.exact} == {"Bloom filter of user, row group 0"}


def test_a_value_that_a_filter_can_not_rule_out_by_chance_is_no_trace(tmp_path: Path) -> None:
    many = [f"person{n}@example.com" for n in range(2000)]
    table = pa.table({"user": many})
    filters = {"user": {"ndv": 100, "fpp": 0.3}}  # which says yes to nearly all
    pq.write_table(table, tmp_path / "x.parquet", bloom_filter_options=filters)
    assert names(traced(tmp_path)) == set()


def test_free_pages_of_sqlite_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE t (v TEXT)")
        db.executemany("INSERT INTO t VALUES (?)", [(f"{ANN} {'x' * 3000}",)] * 20)
        db.commit()
        db.execute("DELETE FROM t")
        db.commit()
    assert names(traced(tmp_path)) == {"x.db"}


def test_a_match_across_the_blocks_that_are_read_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.rights.traces._BLOCK", 64)
    for shift in range(0, 70, 7):
        (tmp_path / "x").write_bytes(b" " * shift + b"." * 40 + b" " + ANN.encode() + b" " * 99)
        assert names(traced(tmp_path)) == {"x"}


@pytest.mark.parametrize(
    "text",
    ["joann@example.com", "x.ann@example.com", "ann@example.com.au", "ann@example.community",
     "ann@example.com-x.net", "mary-ann@example.com", "_ann@example.com", "eann@example.com"],
)  # fmt: skip
def test_a_longer_identifier_is_another(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"user": text}))
    (tmp_path / "a.b64").write_bytes(base64.b64encode(text.encode()))
    (tmp_path / "a.hex").write_bytes(text.encode().hex().encode())
    (tmp_path / "a.b32").write_bytes(base64.b32encode(b"<" + text.encode() + b">"))
    (tmp_path / "a.wide64").write_bytes(base64.b64encode(f"<{text}>".encode("utf-16-le")))
    (tmp_path / "a.widehex").write_bytes(text.encode("utf-16-le").hex().encode())
    (tmp_path / "a.wide").write_bytes(text.encode("utf-16-le"))
    pq.write_table(pa.table({"user": [text]}), tmp_path / "a.parquet")
    assert names(traced(tmp_path)) == set()


@pytest.mark.parametrize("text", ["éann@example.com", "жann@example.com", "ann@example.comé"])
def test_letters_beyond_ascii_make_a_longer_identifier(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"user": text}, ensure_ascii=False))
    (tmp_path / "b.json").write_text(json.dumps({"user": text}))
    pq.write_table(pa.table({"user": [text]}), tmp_path / "a.parquet")
    assert names(traced(tmp_path)) == set()


@pytest.mark.parametrize("text", ["ANN@EXAMPLE.COM", "Ann@example.com", " ann@example.com "])
def test_another_spelling_is_told_and_is_no_trace_of_this_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"user": text}))
    pq.write_table(pa.table({"user": [text]}), tmp_path / "a.parquet")
    found = traced(tmp_path)
    assert names(found) == set()
    assert {one.file for one in found.traces} == {"a.json", "a.parquet"}


def test_short_identifiers_are_found_as_values_and_not_by_chance(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"serialNumber": "S1"}\n')
    (tmp_path / "b.json").write_text('{"serialNumber": "S10"}\n')
    pq.write_table(pa.table({"serial": ["S1", "S2"]}), tmp_path / "c.parquet")
    pq.write_table(pa.table({"serial": ["S10", "S11"]}), tmp_path / "d.parquet")
    (tmp_path / "noise").write_bytes(b"S1" * 1000 + bytes(range(256)) * 1000)
    assert names(traced(tmp_path, "S1")) == {"a.json", "c.parquet"}


def test_hashes_of_bloom_filters_are_as_specified() -> None:
    """The examples of xxHash's own documentation and of other implementations."""
    assert xxhash64(b"") == 0xEF46DB3751D8E999
    assert xxhash64(b"a") == 0xD24EC4F1A98C6E5B
    assert xxhash64(b"Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1


def test_many_strings_are_found_as_one_by_one() -> None:
    words = [f"w{n:03}{'x' * (n % 30)}".encode() for n in range(500)]
    text = b"-".join(word.upper() if n % 2 else word for n, word in enumerate(words))
    found = {(at, words[number]) for at, number in Searcher(words).find(text)}
    expected = {
        (at, word)
        for word in words
        for at in range(len(text))
        if text[at : at + len(word)].lower() == word
    }
    assert found == expected


@pytest.mark.parametrize("value", ["S1", "A12", "S123", "x9z4k"])
def test_short_identifiers_are_found_encoded_and_not_in_random_names(
    tmp_path: Path, value: str
) -> None:
    rng = random.Random(11)
    names_of_files = [f"{rng.getrandbits(128):032x}" for _ in range(40_000)]
    names_of_files += [str(uuid.UUID(name)) for name in names_of_files]
    keys = [base64.b64encode(rng.randbytes(24)).decode() for _ in range(40_000)]
    digits = value.encode().hex()
    assert len(digits) > 4 or sum(digits in name for name in names_of_files) > 10  # by chance
    (tmp_path / "metadata.json").write_text(json.dumps(names_of_files + keys))
    assert names(traced(tmp_path, value)) == set()
    said = f'{{"serialNumber": "{value}"}}'.encode()
    (tmp_path / "a.hex").write_bytes(said.hex().encode())
    (tmp_path / "b.hex").write_bytes(value.encode().hex().encode())
    assert names(traced(tmp_path, value)) == {"a.hex", "b.hex"}


def test_a_number_is_no_short_identifier(tmp_path: Path) -> None:
    """`S1` is 5331 in hexadecimal digits, which a file's size can be, too."""
    sizes = {"total-files-size": "5331", "bytes": 5331, "sizes": [1, 5331, 20]}
    (tmp_path / "metadata.json").write_text(json.dumps(sizes, indent=1))
    assert names(traced(tmp_path, "S1")) == set()

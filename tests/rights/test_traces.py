"""The proof finds an identifier wherever, and however, something still has it."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import json
import lzma
import random
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

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
    "twice JSON": json.dumps(json.dumps({"user": "ann/x@example.com"})).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found(tmp_path: Path, form: str) -> None:
    value = "ann/x@example.com" if form == "twice JSON" else ANN
    (tmp_path / "x.bin").write_bytes(b"beginning " * 1000 + FORMS[form] + b" end" * 1000)
    (tmp_path / "empty").write_bytes(b"")
    assert names(traced(tmp_path, value)) == {"x.bin"}, form
    assert names(traced(tmp_path, "somebody.else@example.com")) == set()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstandard.compress,
    "two frames": lambda data: gzip.compress(b"x" * 100) + gzip.compress(data),
    "gzip in gzip": lambda data: gzip.compress(gzip.compress(data)),
    "cut off": lambda data: gzip.compress(data + bytes(100_000))[:-9],
}


@pytest.mark.parametrize("how", PACKED)
def test_archives_are_unpacked_whatever_they_are_called(tmp_path: Path, how: str) -> None:
    data = b"".join(f"line {n}\n".encode() for n in range(5000)) + ANN.encode()
    (tmp_path / "x").write_bytes(PACKED[how](data))
    assert names(traced(tmp_path)) == {"x"}


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
    (tmp_path / "a.wide").write_bytes(text.encode("utf-16-le"))
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
    keys = [base64.b64encode(rng.randbytes(24)).decode() for _ in range(40_000)]
    digits = value.encode().hex()
    assert len(digits) > 4 or sum(digits in name for name in names_of_files) > 10  # by chance
    (tmp_path / "metadata.json").write_text(json.dumps(names_of_files + keys))
    assert names(traced(tmp_path, value)) == set()
    said = f'{{"serialNumber": "{value}"}}'.encode()
    (tmp_path / "a.hex").write_bytes(said.hex().encode())
    (tmp_path / "b.hex").write_bytes(value.encode().hex().encode())
    assert names(traced(tmp_path, value)) == {"a.hex", "b.hex"}

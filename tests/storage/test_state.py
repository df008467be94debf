"""Metadata and manifests are read as PyIceberg reads them; damage is told, and never loops."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

from stedi import Lakehouse
from stedi.roots.local.files import LocalFiles
from stedi.roots.local.sqlite import SqliteTables
from stedi.storage import avro
from stedi.storage.state import Manifests, read_state
from tests.conftest import already_run

DAMAGE = (OSError, EOFError, LookupError, TypeError, ValueError)
"""What the warehouse takes for damage."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> SqliteTables:
    """A table that another writer appended to, changed the columns of, and deleted from."""
    root = tmp_path_factory.mktemp("state")
    catalog = SqliteTables("ours", root / "catalog.db", warehouse=root.as_uri())
    catalog.create_namespace("stedi")
    schema = Schema(NestedField(1, "n", LongType()), NestedField(2, "name", StringType()))
    table = catalog.create_table("stedi.t", schema, location=(root / "t").as_uri())
    for start in range(0, 30, 10):
        rows = [{"n": n, "name": f"ä{n}"} for n in range(start, start + 10)]
        table.append(pa.Table.from_pylist(rows))
    with table.update_schema() as update:
        update.add_column("more", LongType())
    table.delete("n = 3")
    return catalog


def test_state_and_files_are_as_pyiceberg_reads_them(catalog: SqliteTables) -> None:
    theirs = catalog.load_table("stedi.t")
    files = LocalFiles(Path(theirs.location().removeprefix("file://")).parent)
    ours = read_state(files, theirs.metadata_location)
    manifests = Manifests(files)
    assert ours.location == theirs.location()
    assert ours.current_id == theirs.metadata.current_snapshot_id
    assert ours.last_column_id == theirs.metadata.last_column_id
    assert [*ours.logged] == [log.metadata_file for log in theirs.metadata.metadata_log]
    assert [(f.id, f.name, f.type) for f in ours.fields] == [
        (f.field_id, f.name, str(f.field_type)) for f in theirs.schema().fields
    ]
    assert len(ours.snapshots) == len(theirs.snapshots()) == 4
    for one, other in zip(ours.snapshots, theirs.snapshots(), strict=True):
        assert (one.id, one.committed) == (other.snapshot_id, other.timestamp_ms)
        assert other.summary is not None
        assert one.summary == other.summary.additional_properties
        entries = [
            entry.data_file
            for manifest in other.manifests(theirs.io)
            for entry in manifest.fetch_manifest_entry(theirs.io)
        ]
        assert sorted((f.uri, f.size, f.rows) for f in manifests.files(one)) == sorted(
            (file.file_path, file.file_size_in_bytes, file.record_count) for file in entries
        )
    assert len(ours.fields_of(ours.snapshots[0])) == 2


@already_run
def test_a_lakehouse_is_looked_at_without_pyiceberg(small_lakehouse: Lakehouse) -> None:
    code = (
        "import sys; from stedi import Lakehouse; done = Lakehouse(sys.argv[1]); done.plan(); "
        "print(len(done.status().tables), 'pyiceberg' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(small_lakehouse.root)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout == "8 False\n", done.stderr


def test_any_damage_is_told_as_damage(catalog: SqliteTables, tmp_path: Path) -> None:
    theirs = catalog.load_table("stedi.t")
    chance = random.Random(5)
    [current] = [
        s for s in theirs.snapshots() if s.snapshot_id == theirs.metadata.current_snapshot_id
    ]
    manifest = current.manifests(theirs.io)[0].manifest_path
    files = LocalFiles(tmp_path)
    for uri in (theirs.metadata_location, current.manifest_list, manifest):
        whole = Path(uri.removeprefix("file://")).read_bytes()
        for _ in range(100):
            content = bytearray(whole)
            for _ in range(chance.choice((1, 1, 5))):
                content[chance.randrange(len(content))] = chance.randrange(256)
            del content[chance.choice((len(content), chance.randrange(len(content)))) :]
            path = tmp_path / "damaged"
            path.write_bytes(content)
            try:
                if uri.endswith(".json"):
                    read_state(files, path.as_uri())
                else:
                    [*avro.records(bytes(content))]
            except DAMAGE:
                pass


def number(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value: str) -> bytes:
    return number(len(value.encode())) + value.encode()


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard", "bzip2"])
def test_every_kind_of_value_is_read(codec: str) -> None:
    schema = """{"type": "record", "name": "r", "fields": [
      {"name": "long", "type": "long"}, {"name": "text", "type": ["null", "string"]},
      {"name": "list", "type": {"type": "array", "items": "int"}},
      {"name": "map", "type": {"type": "map", "values": "boolean"}},
      {"name": "fixed", "type": {"type": "fixed", "name": "f", "size": 2}},
      {"name": "again", "type": "f"},
      {"name": "enum", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}},
      {"name": "logical", "type": {"type": "long", "logicalType": "timestamp-micros"}},
      {"name": "inner", "type": ["null", "r"]}]}"""
    of_inner = number(7) + number(0) + number(0) + number(0) + b"abcd" + number(0) + number(0)
    of_inner += number(0)
    block = number(-(1 << 40)) + number(1) + text("ä")
    block += number(2) + number(1) + number(-1) + number(-1) + number(1) + number(9) + number(0)
    block += number(1) + text("k") + b"\1" + number(0) + b"\0\1" + b"\2\3"
    block += number(1) + number(5) + number(1) + of_inner
    packed = {
        "null": lambda data: data,
        "deflate": lambda data: zlib.compress(data, wbits=-15),
        "zstandard": lambda data: bytes(pa.Codec("zstd").compress(data)),
        "bzip2": __import__("bz2").compress,
    }[codec](block)
    file = io.BytesIO()
    file.write(b"Obj\1" + number(2) + text("avro.schema") + text(schema))
    file.write(text("avro.codec") + text(codec) + number(0) + b"s" * 16)
    file.write(number(1) + number(len(packed)) + packed + b"s" * 16)
    inner: dict[str, object] = {"long": 7, "text": None, "list": [], "map": {}, "fixed": b"ab", "again": b"cd",
             "enum": "A", "logical": 0, "inner": None}  # fmt: skip
    assert [*avro.records(file.getvalue())] == [
        {"long": -(1 << 40), "text": "ä", "list": [1, -1, 9], "map": {"k": True},
         "fixed": b"\0\1", "again": b"\2\3", "enum": "B", "logical": 5, "inner": inner}
    ]  # fmt: skip

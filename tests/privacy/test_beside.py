"""What lies beside the published rows does not reveal who left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.avro.file import AvroFile
from pyiceberg.typedef import Record
from pyiceberg.types import ListType, MapType, StructType

from stedi import Lakehouse
from stedi.roots.local.file_io import LocalFileIO
from tests.conftest import Land
from tests.support import small

TABLE = "machine_learning_curated"
WORDS = (
    *("withdr", "left", "dropped", "difference", "inputs", "withheld", "boxes", "deleted-"),
    *("removed-", "_stedi", "trusted", "landing", "typed", "customer", "example.com"),
)
OWN = {
    *("current-snapshot-id", "last-sequence-number", "last-updated-ms", "sequence-number"),
    *("snapshot-id", "snapshot_id", "snapshot-log.snapshot-id", "timestamp-ms", "sequence_number"),
    *("manifest-list", "metadata-file", "manifest_path", "manifest_length", "stedi.kept-as"),
    *("added_snapshot_id", "min_sequence_number", "file_path", "avro.sync"),
}
"""Ids, times and names of files."""
OF_ROWS = {
    *("added-records", "total-records", "added-files-size", "total-files-size"),
    *("added_rows_count", "record_count", "file_size_in_bytes", "num_rows", "serialized_size"),
    *("column_sizes", "value_counts", "null_value_counts", "lower_bounds", "upper_bounds"),
    *("total_byte_size", "total_compressed_size", "total_uncompressed_size", "num_values"),
    *("data_page_offset", "dictionary_page_offset", "file_offset", "min", "max"),
}
"""Facts of the published file, which its readers have."""


def read_by_anybody(prefix: Path) -> dict[str, dict[str, Any]]:
    """All that lies below a prefix, decoded, by kinds of files."""
    decoded: dict[str, dict[str, Any]] = {}
    for path in sorted(prefix.rglob("*")):
        if path.is_dir():
            continue
        match path.suffix:
            case ".json":
                kind, content = "metadata", json.loads(path.read_text())
            case ".avro":
                kind = "manifest list" if path.name.startswith("snap-") else "manifest"
                content = avro(path)
            case ".parquet":
                kind, file = "data", pq.ParquetFile(path)
                content = file.metadata.to_dict() | {"key_values": repr(file.metadata.metadata)}
                content["schema"] = str(file.schema_arrow)
            case _:
                raise AssertionError(path)
        assert kind not in decoded, f"{path}: more than one"
        decoded[kind] = {"name": str(path), "content": content}
    return decoded


def avro(path: Path) -> dict[str, Any]:
    with AvroFile[Record](LocalFileIO().new_input(f"file://{path}")) as file:
        records = [named(record, file.schema.as_struct()) for record in file]
        return {"header": dict(file.header.meta), "records": records}


def named(value: Any, kind: object) -> Any:
    """A value that Avro has, with the names of its fields."""
    if value is None:
        return None
    match kind:
        case StructType():
            pairs = zip(kind.fields, range(len(kind.fields)), strict=True)
            return {field.name: named(value[n], field.field_type) for field, n in pairs}
        case ListType():
            return [named(item, kind.element_type) for item in value]
        case MapType():
            return {str(key): named(item, kind.value_type) for key, item in value.items()}
    return value


def leaves(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value in there, with the names that lead to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, *path, key)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item, *path)
    else:
        yield path, value


def told(
    decoded: dict[str, dict[str, Any]], hidden: set[str] = OWN | OF_ROWS
) -> set[tuple[tuple[str, ...], str]]:
    """What it says, but for ids and times, and for what follows from the published rows."""
    all_ = (leaf for kind, file in decoded.items() for leaf in leaves(file["content"], kind))
    return {
        (path, "" if hidden & set(path) or path[-1] in _HEADERS else repr(value))
        for path, value in all_
    }


def times(decoded: dict[str, dict[str, Any]]) -> set[Any]:
    """The times that metadata names."""
    content = decoded["metadata"]["content"]
    return {value for path, value in leaves(content) if path[-1].endswith("-ms")}


_HEADERS = {"snapshot-id", "sequence-number"}


def test_a_reader_of_the_published_prefix_learns_nothing_of_who_left(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    """All bytes below it, before and after one person withdrew."""
    prefix = small_lakehouse.root / "step_trainer" / "curated"
    small_lakehouse.run()
    small_lakehouse.run(full=True)
    before = read_by_anybody(prefix)
    had = small_lakehouse.status().tables[TABLE].rows
    land("customer", [small.customer("eve", "S5", 9000)], name="withdrawn.json")
    report = small_lakehouse.run()
    assert report.withdrawn
    assert report.withdrawn.people == 1
    after = read_by_anybody(prefix)
    assert small_lakehouse.status().tables[TABLE].rows != had
    assert set(before) == {"metadata", "manifest list", "manifest", "data"}
    assert told(before) == told(after)
    for path, value in (x for file in after.values() for x in leaves(file)):
        assert value not in (had, str(had)), path  # which is known of the one before only
    [summary] = (s["summary"] for s in after["metadata"]["content"]["snapshots"])
    assert {key for key in summary if key.startswith("stedi.")} == {"stedi.kept-as"}
    assert re.fullmatch("[0-9a-f]{32}", summary["stedi.kept-as"])
    assert not times(before) & times(after)  # of its own publication alone
    text = repr([list(leaves(file["content"])) for file in after.values()]).lower()
    text += "".join(p.read_bytes().decode("latin-1") for p in prefix.rglob("*.json")).lower()
    names = {name for name in small_lakehouse.status().tables if name != TABLE}
    own = str(prefix).lower()
    for word in (*WORDS, *names, str(small_lakehouse.root).lower()):
        assert word not in text.replace(own, ""), word


def test_what_a_reader_finds_is_the_same_had_the_person_never_consented(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path, not_anonymous: Path
) -> None:
    """The same rows of a lakehouse without this past: Parquet's bytes are, and all that Avro says."""
    small_lakehouse.run()
    small_lakehouse.run(full=True)
    withdrawn = [small.customer("eve", "S5", 9000)]
    land("customer", withdrawn, name="withdrawn.json")
    small_lakehouse.run()
    other = Lakehouse(tmp_path / "never", declarations=not_anonymous)
    small.land(other.root)
    small.write(other.root, "customer", withdrawn, "withdrawn.json")
    other.run()
    prefixes = [one.root / "step_trainer" / "curated" for one in (small_lakehouse, other)]
    [data], [same] = ([*prefix.rglob("*.parquet")] for prefix in prefixes)
    assert data.read_bytes() == same.read_bytes()
    both = []
    for prefix in prefixes:
        said = told(read_by_anybody(prefix), {*OWN, "table-uuid"})
        both.append({(path, value.replace(str(prefix), "")) for path, value in said})
    assert len(both[0]) > 100
    assert both[0] == both[1]


def test_files_have_nothing_that_their_readers_do_not_decode(small_lakehouse: Lakehouse) -> None:
    """No byte lies between, before or behind what Parquet and Avro say is theirs."""
    small_lakehouse.run()
    prefix = small_lakehouse.root / "step_trainer" / "curated"
    [data] = prefix.rglob("*.parquet")
    written, metadata = data.read_bytes(), pq.ParquetFile(data).metadata
    taken = [(0, 4), (len(written) - 8 - metadata.serialized_size, len(written))]
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            pages = (chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset)
            taken.append((min(pages), min(pages) + chunk.total_compressed_size))
    ends = [end for _, end in sorted(taken)]
    assert [begin for begin, _ in sorted(taken)] == [0, *ends[:-1]]
    assert ends[-1] == len(written)
    avro_files = [*prefix.rglob("*.avro")]
    assert len(avro_files) == 2
    for path in avro_files:
        assert blocks(path.read_bytes()) == path.stat().st_size


def blocks(content: bytes) -> int:
    """Where the last block of an Avro container ends, by the format's specification."""
    assert content[:4] == b"Obj\x01"
    at, pairs = 4, -1
    while pairs:
        pairs, at = whole(content, at)
        for _ in range(2 * abs(pairs)):
            length, at = whole(content, at)
            at += length
    sync, at = content[at : at + 16], at + 16
    while at < len(content):
        _, at = whole(content, at)
        length, at = whole(content, at)
        at += length
        assert content[at : at + 16] == sync
        at += 16
    return at


def whole(content: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and where it ends."""
    value = shift = 0
    while True:
        byte, at = content[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value >> 1 ^ -(value & 1), at

"""A table as its metadata has it, read without PyIceberg.

That takes a third of a second to load, and only those who commit need it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stedi.columns import Column
from stedi.roots import Files
from stedi.storage import avro

_PACKED = b"\x1f\x8b"
_DELETED = 2


@dataclass(frozen=True)
class Snapshot:
    """One snapshot; `committed` is in epoch milliseconds, `manifests` is the URI of their list."""

    id: int
    sequence: int
    committed: int
    manifests: str
    schema_id: int
    summary: Mapping[str, str]


@dataclass(frozen=True)
class FieldOf:
    """A column of a table, by the id that it has for ever."""

    id: int
    name: str
    type: str


@dataclass(frozen=True)
class State:
    """The content of one metadata file, the one at the URI `place`; `logged` are those before it.

    `snapshots` are in the order in which they were committed.
    """

    place: str
    location: str
    snapshots: tuple[Snapshot, ...]
    current_id: int | None
    schemas: Mapping[int, tuple[FieldOf, ...]]
    schema_id: int
    last_column_id: int
    logged: tuple[str, ...]

    @cached_property
    def current(self) -> Snapshot | None:
        """The newest snapshot; None where there is none."""
        return next((s for s in self.snapshots if s.id == self.current_id), None)

    @property
    def fields(self) -> tuple[FieldOf, ...]:
        """The columns that the table has now."""
        return self.schemas[self.schema_id]

    def fields_of(self, snapshot: Snapshot) -> tuple[FieldOf, ...]:
        """The columns that it had in a snapshot."""
        return self.schemas.get(snapshot.schema_id, self.fields)

    def has_columns(self, columns: Sequence[Column]) -> bool:
        """Whether the table has these columns, in this order."""
        return [(f.name, f.type) for f in self.fields] == [(c.name, c.type) for c in columns]


def read_state(files: Files, place: str) -> State:
    """Read a metadata file.

    Raises `OSError`, `EOFError`, `LookupError`, `TypeError` or `ValueError` where it is damaged.
    """
    content = _content(files, place)
    try:
        read = json.loads(gzip.decompress(content) if content.startswith(_PACKED) else content)
        return _state(place, read)
    except (AttributeError, zlib.error) as error:
        raise ValueError(str(error)) from None


def _state(place: str, read: Mapping[str, Any]) -> State:
    snapshots = [_snapshot(snapshot) for snapshot in read.get("snapshots") or ()]
    schemas = {
        int(schema["schema-id"]): tuple(
            FieldOf(int(f["id"]), str(f["name"]), str(f["type"])) for f in schema["fields"]
        )
        for schema in read["schemas"]
    }
    state = State(
        place,
        str(read["location"]).rstrip("/"),
        tuple(sorted(snapshots, key=lambda snapshot: snapshot.sequence)),
        read.get("current-snapshot-id"),
        schemas,
        int(read["current-schema-id"]),
        int(read["last-column-id"]),
        tuple(str(log["metadata-file"]) for log in read.get("metadata-log") or ()),
    )
    if state.current is None and state.current_id not in (None, -1):
        raise ValueError("its newest snapshot isn't there")
    _ = state.fields
    return state


def _snapshot(read: Mapping[str, Any]) -> Snapshot:
    summary = {str(key): str(value) for key, value in (read.get("summary") or {}).items()}
    summary.pop("operation", None)
    return Snapshot(
        int(read["snapshot-id"]),
        int(read.get("sequence-number") or 0),
        int(read["timestamp-ms"]),
        str(read["manifest-list"]),
        int(read.get("schema-id", -1)),
        summary,
    )


@dataclass(frozen=True)
class Listed:
    """A file as a manifest lists it: its URI, its bytes, its rows."""

    uri: str
    size: int
    rows: int


class Manifests:
    """What snapshots refer to: each manifest, which nobody changes once it is there, read once."""

    def __init__(self, files: Files) -> None:
        self._root = files
        self._of: dict[str, list[str]] = {}
        self._files: dict[str, list[Listed]] = {}

    def of(self, snapshot: Snapshot) -> list[str]:
        """Where the manifests of a snapshot are; what they list is read too."""
        if snapshot.manifests not in self._of:
            listed = avro.records(_content(self._root, snapshot.manifests))
            manifests = [str(manifest["manifest_path"]) for manifest in listed]
            for manifest in manifests:
                if manifest not in self._files:
                    self._files[manifest] = self._read(manifest)
            self._of[snapshot.manifests] = manifests
        return self._of[snapshot.manifests]

    def files(self, snapshot: Snapshot | None) -> list[Listed]:
        """The files of a snapshot."""
        manifests = self.of(snapshot) if snapshot else []
        return [file for manifest in manifests for file in self._files[manifest]]

    def _read(self, manifest: str) -> list[Listed]:
        files = []
        for entry in avro.records(_content(self._root, manifest)):
            if entry["status"] != _DELETED:
                file = entry["data_file"]
                uri, size, rows = (file[name] for name in _OF_FILE)
                files.append(Listed(str(uri), int(size), int(rows)))
        return files


_OF_FILE = ("file_path", "file_size_in_bytes", "record_count")


def _content(files: Files, uri: str) -> bytes:
    with files.open(files.path(uri)) as file:
        content: bytes = file.readall()
        return content

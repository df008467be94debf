"""Iceberg tables under one root: looked up, made, and committed to, one snapshot at a time.

A snapshot's `content` names what is in it: the id of the snapshot that first had these rows. One
that only stores the same rows in other files, or notes that they are still right, keeps it.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stedi.columns import Column, ColumnType
from stedi.declared.contract import Contract
from stedi.errors import StediError, StorageError
from stedi.parquet import Field
from stedi.roots import Files, Lock, Root
from stedi.roots.names import boxes_folder, notes_file
from stedi.storage.notes import (
    CONTENT,
    PREFIX,
    LandingNotes,
    Noted,
    Notes,
    PublishedNotes,
    read_content,
    read_notes,
    refer_to,
    referred_to,
)
from stedi.storage.schemas import (
    Manifests,
    describe,
    evolve,
    forget_versions,
    has_columns,
    make_table,
    transaction,
    without_empty_manifests,
    without_past,
)

if TYPE_CHECKING:
    from pyiceberg.catalog import MetastoreCatalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.table.update.snapshot import _SnapshotProducer

_METADATA_KEPT = 3
_MOST_MERGED = 100
_CHANGED = "a file of it was changed"


@dataclass(frozen=True)
class DataFile:
    """A Parquet file that a snapshot refers to: its URI and path, bytes, rows."""

    uri: str
    path: Path
    size: int
    rows: int


@dataclass(frozen=True)
class Version(Noted):
    """A table's snapshot: what is in it, and what its writer noted of it.

    `committed` is in epoch milliseconds, `columns` are names and types.
    """

    table: str
    location: str
    snapshot_id: int
    content: int
    committed: int
    files: tuple[DataFile, ...]
    columns: tuple[tuple[str, ColumnType], ...]

    @property
    def rows(self) -> int:
        """Rows of all files, by the manifests."""
        return sum(file.rows for file in self.files)


@dataclass(frozen=True)
class Past(Noted):
    """A snapshot by what is known of it without reading its manifests; `committed` in epoch ms.

    `rows` are those that its summary tells; None where it tells none.
    """

    snapshot_id: int
    committed: int
    content: int
    rows: int | None = None


class Warehouse:
    """The Iceberg tables of a lakehouse, looked up in the catalog of its root."""

    def __init__(self, root: Root) -> None:
        self.files, self.root = root.files, root.files.root
        self.name = self.files.name(self.root)
        self.make_lock = root.lock
        self._root_catalog = root.catalog
        self._is_there = False
        self._tables: dict[str, Table | None] = {}
        self._to_make: dict[str, tuple[Sequence[Column], str]] = {}
        self._to_evolve: dict[str, Sequence[Column]] = {}
        self._versions: dict[tuple[str, int], Version] = {}
        self._notes_beside: dict[str, Notes] = {}
        self._manifests = Manifests()
        self.lock: Lock | None = None
        """What says, before each commit, that this root is still ours to work on."""
        self.committed: set[str] = set()
        """Tables that were committed to through this object."""
        self.changed: set[Path] = set()
        """Data files that were found to have another content than they were written with."""

    @property
    def exists(self) -> bool:
        """Whether anything was ever committed here."""
        self._is_there = self._is_there or self._root_catalog.exists
        return self._is_there

    def version(
        self, table: str, *, content: int | None = None, at: int | None = None
    ) -> Version | None:
        """The newest snapshot of a table; None while it has none.

        With `content` the newest that has these rows, with `at` (epoch ms) the newest at that
        time; None also where that was expired.
        """
        loaded = self._load(table)
        if loaded is None:
            return None
        with self._reading(f"table {table}"):
            return self._version(table, loaded, content, at)

    def _version(
        self, table: str, loaded: Table, content: int | None, at: int | None
    ) -> Version | None:
        snapshot = loaded.current_snapshot()
        if content is not None:
            having = (s for s in loaded.snapshots() if _content(s) == content)
            snapshot = max(having, key=_order, default=None)
        elif at is not None:
            before = (s for s in loaded.snapshots() if s.timestamp_ms <= at)
            snapshot = max(before, key=_order, default=None)
        if snapshot is None:
            return None
        key = (table, snapshot.snapshot_id)
        if key not in self._versions:
            self._versions[key] = self._describe(table, loaded, snapshot)
        return self._versions[key]

    def history(self, table: str) -> tuple[Past, ...]:
        """Every snapshot of a table that is kept, the newest last."""
        loaded = self._load(table)
        snapshots = sorted(loaded.snapshots(), key=_order) if loaded else []
        return tuple(
            Past(self._notes(table, s), s.snapshot_id, s.timestamp_ms, _content(s), _rows(s))
            for s in snapshots
        )

    def snapshots(self, table: str, last: int = 0) -> dict[int, tuple[DataFile, ...]]:
        """The data files of every snapshot of a table that is kept, by its id, the newest last.

        With `last`, those of so many.
        """
        loaded = self._load(table)
        if loaded is None:
            return {}
        with self._reading(f"table {table}"):
            return {
                s.snapshot_id: self._data_files(loaded, s)
                for s in sorted(loaded.snapshots(), key=_order)[-last:]
            }

    def fields(self, table: str, columns: Sequence[Column], location: str) -> tuple[Field, ...]:
        """The fields of a table for writing its files.

        Where the table isn't there or has other columns, the commit that follows makes it, or gives
        it these; all its files must then be new.
        """
        loaded = self._load(table)
        if loaded is None:
            self._to_make[table] = (columns, location)
            return tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, start=1))
        new = itertools.count(loaded.metadata.last_column_id + 1)
        ids = {(f.name, str(f.field_type)): f.field_id for f in loaded.schema().fields}
        if not has_columns(loaded.schema(), columns):
            self._to_evolve[table] = columns
        return tuple(Field(c.name, c.type, ids.get((c.name, c.type)) or next(new)) for c in columns)

    def commit(
        self,
        table: str,
        add: Sequence[Path],
        notes: Notes,
        keep: Collection[str] = (),
        content: int | None = None,
    ) -> Version:
        """Commit one snapshot: the present files whose URIs are in `keep`, and the files `add`.

        `content` is given where the rows are those of the snapshot before. What is published stands
        alone: its notes lie beside it, and nothing in its metadata tells of the files before it.
        Raises `StorageError` where field ids don't fit or another process committed meanwhile.
        """
        from pyiceberg.exceptions import CommitFailedException

        if table in self._to_make:
            columns, location = self._to_make.pop(table)
            uri = self.files.uri(self.root / location)
            with self._writing(f"table {table}"):
                name = self._root_catalog.name(table)
                self._tables[table] = make_table(self._catalog, name, uri, columns)
        loaded = self._load(table)
        if loaded is None:
            raise StorageError(f"table {table}: not there to commit to")
        present = self._manifests.data_files(loaded, loaded.current_snapshot())
        removed = [file for file in present if file.file_path not in keep]
        if len(present) - len(removed) != len(keep):
            raise StorageError(f"table {table}: a file to keep is not in its newest snapshot")
        is_published = isinstance(notes, PublishedNotes)
        with self._writing(f"table {table}"):
            summary = notes.summary(content)
            if is_published or _is_large(notes):
                summary = self._keep_beside(table, notes) | _content_in(summary, is_published)
            self.files.publish(add)
        if self.lock is not None:
            self.lock.check()
        try:
            with self._writing(f"table {table}"), transaction(loaded) as staged:
                if table in self._to_evolve:
                    evolve(staged, self._to_evolve.pop(table))
                added = [describe(self.files, path, staged.table_metadata) for path in add]
                update = staged.update_snapshot(snapshot_properties=summary)
                producer: _SnapshotProducer[Any]
                if is_published:
                    forget_versions(staged)
                    producer = without_past(update.fast_append())
                elif removed or not present:
                    producer = without_empty_manifests(update.overwrite())
                    for file in removed:
                        producer.delete_data_file(file)
                else:
                    producer = update.fast_append()
                for file in added:
                    producer.append_data_file(file)
                producer.commit()
        except CommitFailedException:
            raise StorageError(
                f"table {table}: someone else committed to it meanwhile; run again"
            ) from None
        self.committed.add(table)
        version = self.version(table)
        assert version is not None
        return version

    def expire(self, table: str, snapshots: Collection[int]) -> None:
        """Remove snapshots of a table from disk, the newest never: data, manifests, metadata.

        A reader who holds an older file finishes; one who looks for it finds it gone.
        """
        loaded = self._load(table)
        if loaded is None:
            return
        newest = loaded.metadata.current_snapshot_id
        ids = (snapshot.snapshot_id for snapshot in loaded.snapshots())
        older = [id_ for id_ in ids if id_ in snapshots and id_ != newest]
        outdated = self.referenced(table) if older else self._logged(loaded)
        if older:
            with self._writing(f"table {table}"):
                loaded.maintenance.expire_snapshots().by_ids(older).commit()
            outdated |= self._logged(loaded)
        if outdated:
            self.files.remove(outdated - self._alive(table, loaded), emptied=True)

    def tidy(self, table: str) -> None:
        """Remove metadata files of before, but for the last few, which a reader may be opening."""
        loaded = self._load(table)
        if loaded is None:
            return
        logged = [self.files.path(log.metadata_file) for log in loaded.metadata.metadata_log]
        self.files.remove(logged[:-_METADATA_KEPT])

    def has_history(self, table: str) -> bool:
        """Whether anything is left of what a table was before."""
        loaded = self._load(table)
        return loaded is not None and (len(loaded.snapshots()) > 1 or bool(self._logged(loaded)))

    def prepare(self, landing: Sequence[Contract], profile: str) -> None:
        """Make the catalog if need be, and load what commits need, before there is any to make.

        From now on the root is one of that profile.
        """
        self._root_catalog.prepare(landing)
        self._tables = {name: table for name, table in self._tables.items() if table}
        self._note(root=self.name, profile=profile)

    def share(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """Let declared readers read columns of tables; returns what could not be done."""
        return self._root_catalog.share(columns)

    def damage(self, version: Version) -> str | None:
        """Why a table can't be used as it lies there, as far as sizes and this object know.

        None where it can.
        """
        if any(file.path in self.changed for file in version.files):
            return _CHANGED
        return damage(self.files, version)

    def look_again(self) -> None:
        """Forget how tables were, so that they are looked up as they are now."""
        self._tables.clear()
        self._versions.clear()

    @property
    def may_have_lost_files(self) -> bool:
        """Whether files of tables may lie there that the catalog doesn't know any more.

        No run has got as far as its commits with it, and no other catalog can have them.
        """
        return self._root_catalog.is_in_root and "root" not in self._noted

    def undeclared_tables(self, declared: Collection[str]) -> list[str]:
        """Tables of this root alone that are not among these, and whose folders are there."""
        if not (self._root_catalog.is_in_root and self.exists):
            return []
        in_catalog = {
            table[-1] for table in self._catalog.list_tables(self._root_catalog.namespace)
        }
        tables = []
        for table in sorted(in_catalog - set(declared)):
            with suppress(*_unreadable()):
                self._catalog.load_table(self._root_catalog.name(table))
                tables.append(table)
        return tables

    def data_folder(self, location: str) -> Path:
        """Where the data files of the table at `location` (relative to the root) lie."""
        return self.files.inside(self.root / location / "data")

    @property
    def profile(self) -> str | None:
        """The profile of the last run that was about to write."""
        return self._noted.get("profile")

    def refuse_lost(self, locations: Mapping[str, str]) -> None:
        """Raise `StorageError` where tables lie there, and nothing says of which profile."""
        if self.profile is not None or not self._root_catalog.is_in_root:
            return
        folders = (self.root / location / "metadata" for location in locations.values())
        if any(True for folder in folders for _ in self.files.below(folder)):
            raise StorageError(
                f"{self.name} has tables, but its catalog is gone, and with it their profile. "
                f"`stedi run --profile NAME --root {self.name}` rebuilds all tables from the "
                "landing files"
            )

    @property
    def checked(self) -> str | None:
        """Which declarations were last proved to hold together."""
        return self._noted.get("checked")

    @checked.setter
    def checked(self, fingerprint: str) -> None:
        self._note(checked=fingerprint)

    @property
    def checked_by(self) -> str | None:
        """The engine by which they were."""
        return self._noted.get("checked_by")

    @checked_by.setter
    def checked_by(self, engine: str) -> None:
        self._note(checked_by=engine)

    @property
    def moved_from(self) -> str | None:
        """Where the root was when its tables were made, if that is elsewhere."""
        root = self._noted.get("root")
        return None if root in (None, self.name) else root

    @property
    def moved_message(self) -> str:
        """What to tell who works on a root that was moved."""
        return (
            f"{self.name} was moved or copied from {self.moved_from}, and its tables' metadata "
            f"names files there. `stedi run --full --root {self.name}` rebuilds the tables from "
            "the landing files; or move it back"
        )

    def forget(self, profile: str) -> None:
        """Take all tables out of the catalog: whatever they were, they aren't this root's any more.

        At no time is the root without a profile.
        """
        with self._writing("the catalog"):
            self._root_catalog.forget({PREFIX + "profile": profile})
        self._is_there = False
        self.look_again()
        for cached in ("_catalog", "_noted"):
            self.__dict__.pop(cached, None)

    @cached_property
    def _noted(self) -> dict[str, str]:
        """What is noted of the root as a whole."""
        if not self.exists:
            return {}
        with self._reading("the catalog"):
            properties = self._catalog.load_namespace_properties(self._root_catalog.namespace)
        return {
            key.removeprefix(PREFIX): str(value)
            for key, value in properties.items()
            if key.startswith(PREFIX)
        }

    def _note(self, **values: str) -> None:
        """Note what is new of these, at once."""
        if values.items() <= self._noted.items():
            return
        with self._writing("the catalog"):
            updates = {PREFIX + key: value for key, value in values.items()}
            self._catalog.update_namespace_properties(self._root_catalog.namespace, updates=updates)
        self._noted.update(values)

    def referenced(self, table: str) -> set[Path]:
        """Every file that any snapshot of a table still refers to, metadata included."""
        loaded = self._load(table)
        return self._alive(table, loaded) | self._logged(loaded) if loaded else set()

    def alive(self, table: str) -> set[Path]:
        """Every file that a table's present metadata needs, itself included."""
        loaded = self._load(table)
        return self._alive(table, loaded) if loaded else set()

    def _load(self, table: str) -> Table | None:
        """A table as it is, or was when this object first looked; None while it isn't there."""
        if table not in self._tables:
            self._tables[table] = self._look_up(table)
        return self._tables[table]

    def _look_up(self, table: str) -> Table | None:
        from pyiceberg.exceptions import NoSuchTableError

        if not self.exists:
            return None
        if self.moved_from:
            raise StorageError(self.moved_message)
        try:
            with self._reading(f"table {table}", but=NoSuchTableError):
                return self._catalog.load_table(self._root_catalog.name(table))
        except NoSuchTableError:
            return None

    @contextmanager
    def _reading(self, what: str, but: type[Exception] = StorageError) -> Iterator[None]:
        """Whatever goes wrong with a damaged catalog or metadata file, as one error."""
        try:
            yield
        except (StediError, but):
            raise
        except self._root_catalog.failures as error:
            raise self._root_catalog.translated(error) from None
        except _unreadable() as error:
            profile = "" if what.startswith("table") else " --profile NAME"  # which it knew
            raise StorageError(
                f"{what} can't be read: its metadata is missing or damaged "
                f"({type(error).__name__}). `stedi run --full{profile} --root {self.name}` makes "
                "all tables again from the landing files"
            ) from None

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        from pyiceberg.exceptions import CommitFailedException

        try:
            yield
        except CommitFailedException:
            raise
        except self._root_catalog.failures as error:
            raise self._root_catalog.translated(error) from None
        except _unwritable() as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise StorageError(
                f"{what} can't be committed to {self.name}: {reason}; is the disk full, or the "
                "folder read-only?"
            ) from None

    @cached_property
    def _catalog(self) -> MetastoreCatalog:
        if not self.exists:
            with self._writing("the catalog"):
                return self._root_catalog.open()
        with self._reading("the catalog"):
            return self._root_catalog.open()

    def _describe(self, table: str, loaded: Table, snapshot: Snapshot) -> Version:
        files = self._data_files(loaded, snapshot)
        schema = next(
            (s for s in loaded.metadata.schemas if s.schema_id == snapshot.schema_id),
            loaded.schema(),
        )
        columns = tuple((f.name, cast(ColumnType, str(f.field_type))) for f in schema.fields)
        return Version(
            self._notes(table, snapshot),
            table,
            loaded.location(),
            snapshot.snapshot_id,
            _content(snapshot),
            snapshot.timestamp_ms,
            files,
            columns,
        )

    def _data_files(self, loaded: Table, snapshot: Snapshot) -> tuple[DataFile, ...]:
        return tuple(
            DataFile(
                file.file_path,
                self.files.path(file.file_path),
                file.file_size_in_bytes,
                file.record_count,
            )
            for file in self._manifests.data_files(loaded, snapshot)
        )

    def _keep_beside(self, table: str, notes: Notes) -> dict[str, str]:
        """Keep notes in a file of their own; returns what the snapshot's summary has for them."""
        name = uuid.uuid4().hex
        path = self.files.inside(notes_file(self.root, table, name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notes.summary()), encoding="utf-8")
        self.files.publish([path])
        return refer_to(name)

    def _notes(self, table: str, snapshot: Snapshot) -> Notes | Callable[[], Notes]:
        name = referred_to(_summary(snapshot))
        return partial(self._beside, table, name) if name else read_notes(_summary(snapshot))

    def _beside(self, table: str, name: str) -> Notes:
        """Notes that lie beside a table; none where that file is damaged or gone."""
        if name not in self._notes_beside:
            notes = Notes()
            with (
                self._reading(f"table {table}"),
                suppress(FileNotFoundError, ValueError, TypeError, LookupError, AttributeError),
                self.files.open(notes_file(self.root, table, name)) as file,
            ):
                notes = read_notes(json.loads(file.readall()))
            self._notes_beside[name] = notes
        return self._notes_beside[name]

    def _logged(self, loaded: Table) -> set[Path]:
        """Metadata files of before that are still there."""
        logged = [self.files.path(log.metadata_file) for log in loaded.metadata.metadata_log]
        sizes = self.files.sizes(logged)
        return {path for path, size in zip(logged, sizes, strict=True) if size is not None}

    def _alive(self, table: str, loaded: Table) -> set[Path]:
        """Every file that a table's present metadata needs, itself included."""
        uris, notes = {loaded.metadata_location}, set()
        for snapshot in loaded.snapshots():
            uris.add(snapshot.manifest_list)
            uris.update(self._manifests.of(loaded, snapshot))
            uris.update(file.file_path for file in self._manifests.data_files(loaded, snapshot))
            if name := referred_to(_summary(snapshot)):
                notes.add(notes_file(self.root, table, name))
        return notes | {self.files.path(uri) for uri in uris}


def _unreadable() -> tuple[type[Exception], ...]:
    """What readers of JSON, Avro and SQLite raise where a file is damaged."""
    from pyiceberg.exceptions import ValidationError

    damage = (EOFError, ValueError, TypeError, LookupError, ArithmeticError, ValidationError)
    return (*_unwritable(), *damage)


def _unwritable() -> tuple[type[Exception], ...]:
    import sqlite3

    return (OSError, sqlite3.Error)


def damage(files: Files, version: Version) -> str | None:
    """Why a table can't be used as it lies there, as far as sizes show; None if it can."""
    for file, size in zip(
        version.files, files.sizes([file.path for file in version.files]), strict=True
    ):
        if size is None:
            return "a file of it is missing"
        if size != file.size:
            return _CHANGED
    boxes = version.published.boxes if version.published else None
    if boxes is not None and files.stat(boxes_folder(files.root) / boxes) is None:
        return "its table of boxes is missing"
    return None


def short_name(path: Path) -> str:
    """A data file's name below its table's data folder."""
    return f"{path.parent.name}/{path.name}"


def _is_large(notes: Notes) -> bool:
    """Whether notes name so many files that a table's metadata, which has them all, would grow."""
    merged = notes.merged.values() if isinstance(notes, LandingNotes) else ()
    return sum(map(len, merged)) > _MOST_MERGED


def _content_in(summary: Mapping[str, str], is_published: bool) -> dict[str, str]:
    """What a summary says of the content, which is nobody's secret but of what is published."""
    return {} if is_published else {k: v for k, v in summary.items() if k == CONTENT}


def _summary(snapshot: Snapshot) -> Mapping[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary else {}


def _content(snapshot: Snapshot) -> int:
    return read_content(_summary(snapshot), snapshot.snapshot_id)


def _order(snapshot: Snapshot) -> int:
    return snapshot.sequence_number or 0


def _rows(snapshot: Snapshot) -> int | None:
    rows = _summary(snapshot).get("total-records")
    return None if rows is None else int(rows)

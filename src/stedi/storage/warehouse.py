"""The Iceberg tables of a lakehouse: looked up, made, and committed to, one snapshot at a time.

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
    data_files,
    describe,
    evolve,
    forget_versions,
    make_table,
    transaction,
    without_empty_manifests,
    without_past,
)
from stedi.storage.state import Manifests, Snapshot, State, read_state

if TYPE_CHECKING:
    from pyiceberg.catalog import MetastoreCatalog
    from pyiceberg.table import Table
    from pyiceberg.table.update.snapshot import _SnapshotProducer

_METADATA_KEPT = 3
_MOST_MERGED = 100
_CHANGED = "a file of it was changed"
_MEANWHILE = "table {}: someone else committed to it meanwhile; run again"


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
    """The Iceberg tables of a lakehouse, looked up in its catalog."""

    def __init__(self, root: Root) -> None:
        self.files, self.root = root.files, root.files.root
        self.name = self.files.name(self.root)
        self.make_lock = root.lock
        self._root_catalog = root.catalog
        self._is_there = False
        self._states: dict[str, State | None] = {}
        self._to_make: dict[str, tuple[Sequence[Column], str]] = {}
        self._to_evolve: dict[str, Sequence[Column]] = {}
        self._versions: dict[tuple[str, int], Version] = {}
        self._notes_beside: dict[str, Notes] = {}
        self._manifests = Manifests(self.files)
        self.lock: Lock | None = None
        """Is asked before each commit: the lakehouse must still be this run's."""
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
        state = self._state(table)
        if state is None:
            return None
        with self._reading(f"table {table}"):
            return self._version(table, state, content, at)

    def _version(
        self, table: str, state: State, content: int | None, at: int | None
    ) -> Version | None:
        snapshot = state.current
        if content is not None:
            having = [s for s in state.snapshots if _content(s) == content]
            snapshot = having[-1] if having else None
        elif at is not None:
            before = [s for s in state.snapshots if s.committed <= at]
            snapshot = before[-1] if before else None
        if snapshot is None:
            return None
        key = (table, snapshot.id)
        if key not in self._versions:
            self._versions[key] = self._describe(table, state, snapshot)
        return self._versions[key]

    def history(self, table: str) -> tuple[Past, ...]:
        """Every snapshot of a table that is kept, the newest last."""
        state = self._state(table)
        return tuple(
            Past(self._notes(table, s), s.id, s.committed, _content(s), _rows(s))
            for s in (state.snapshots if state else ())
        )

    def snapshots(self, table: str, last: int = 0) -> dict[int, tuple[DataFile, ...]]:
        """The data files of every snapshot of a table that is kept, by its id, the newest last.

        With `last`, those of so many.
        """
        state = self._state(table)
        if state is None:
            return {}
        with self._reading(f"table {table}"):
            return {s.id: self._data_files(s) for s in state.snapshots[-last:]}

    def fields(self, table: str, columns: Sequence[Column], location: str) -> tuple[Field, ...]:
        """The fields of a table for writing its files.

        Where the table isn't there or has other columns, the commit that follows makes it, or gives
        it these; all its files must then be new.
        """
        state = self._state(table)
        if state is None:
            self._to_make[table] = (columns, location)
            return tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, start=1))
        new = itertools.count(state.last_column_id + 1)
        ids = {(f.name, f.type): f.id for f in state.fields}
        if not state.has_columns(columns):
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
        alone: its notes lie beside it, and nothing in its metadata refers to the files before it.
        Raises `StorageError` where field ids don't fit or another process committed meanwhile.
        """
        from pyiceberg.exceptions import CommitFailedException

        if table in self._to_make:
            columns, location = self._to_make.pop(table)
            uri = self.files.uri(self.root / location)
            with self._writing(f"table {table}"):
                made = make_table(self._catalog, self._root_catalog.name(table), uri, columns)
                self._states[table] = read_state(self.files, made.metadata_location)
        state, loaded = self._state(table), self._load(table)
        if state is None or loaded is None:
            raise StorageError(f"table {table}: not there to commit to")
        if loaded.metadata_location != state.place:
            raise StorageError(_MEANWHILE.format(table))
        present = [file.uri for file in self._manifests.files(state.current)]
        removed = {uri for uri in present if uri not in keep}
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
                    for file in data_files(loaded, removed):
                        producer.delete_data_file(file)
                else:
                    producer = update.fast_append()
                for file in added:
                    producer.append_data_file(file)
                producer.commit()
        except CommitFailedException:
            raise StorageError(_MEANWHILE.format(table)) from None
        self._states[table] = read_state(self.files, loaded.metadata_location)
        self.committed.add(table)
        version = self.version(table)
        assert version is not None
        return version

    def expire(self, table: str, snapshots: Collection[int]) -> None:
        """Remove snapshots of a table from disk, the newest never: data, manifests, metadata.

        A reader who holds an older file finishes; one who looks for it finds it gone.
        """
        state = self._state(table)
        if state is None:
            return
        ids = (snapshot.id for snapshot in state.snapshots)
        older = [id_ for id_ in ids if id_ in snapshots and id_ != state.current_id]
        outdated = self.referenced(table) if older else self._logged(state)
        if older and (loaded := self._load(table)):
            with self._writing(f"table {table}"):
                loaded.maintenance.expire_snapshots().by_ids(older).commit()
            state = self._states[table] = read_state(self.files, loaded.metadata_location)
            outdated |= self._logged(state)
        if outdated:
            self.files.remove(outdated - self._alive(table, state), emptied=True)

    def tidy(self, table: str) -> None:
        """Remove earlier metadata files, but for the last few, which a reader may be opening."""
        state = self._state(table)
        if state is None:
            return
        logged = [self.files.path(uri) for uri in state.logged]
        self.files.remove(logged[:-_METADATA_KEPT])

    def has_history(self, table: str) -> bool:
        """Whether anything is left of what a table was before."""
        state = self._state(table)
        return state is not None and (len(state.snapshots) > 1 or bool(self._logged(state)))

    def prepare(self, landing: Sequence[Contract], profile: str) -> None:
        """Make the catalog if need be, and load what commits need, before there is any to make.

        From now on the lakehouse has that profile.
        """
        self._root_catalog.prepare(landing)
        self._states = {name: state for name, state in self._states.items() if state}
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
        self._states.clear()
        self._versions.clear()

    @property
    def may_have_lost_files(self) -> bool:
        """Whether files of tables may lie there that the catalog doesn't know any more.

        No run has got as far as its commits with it, and no other catalog can have them.
        """
        return self._root_catalog.is_in_root and "root" not in self._noted

    def undeclared_tables(self, declared: Collection[str]) -> list[str]:
        """Tables of this lakehouse alone that are not among these, and whose folders are there."""
        if not (self._root_catalog.is_in_root and self.exists):
            return []
        tables = []
        for table in sorted({*self._root_catalog.tables()} - set(declared)):
            with suppress(StorageError):
                if self._look_up(table):
                    tables.append(table)
        return tables

    def data_folder(self, location: str) -> Path:
        """Where the data files of the table at `location` (below the lakehouse folder) lie."""
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
        """Where the lakehouse was when its tables were made, if that is elsewhere."""
        root = self._noted.get("root")
        return None if root in (None, self.name) else root

    @property
    def moved_message(self) -> str:
        """The advice for a lakehouse that was moved."""
        return (
            f"{self.name} was moved or copied from {self.moved_from}, and its tables' metadata "
            f"names files there. `stedi run --full --root {self.name}` rebuilds the tables from "
            "the landing files; or move it back"
        )

    def forget(self, profile: str) -> None:
        """Remove all tables from the catalog: they aren't this lakehouse's any more.

        At no time is the lakehouse without a profile.
        """
        with self._writing("the catalog"):
            self._root_catalog.forget({PREFIX + "profile": profile})
        self._is_there = False
        self.look_again()
        for cached in ("_catalog", "_noted"):
            self.__dict__.pop(cached, None)

    @cached_property
    def _noted(self) -> dict[str, str]:
        """The notes on the lakehouse as a whole."""
        if not self.exists:
            return {}
        with self._reading("the catalog"):
            properties = self._root_catalog.notes()
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
        state = self._state(table)
        return self._alive(table, state) | self._logged(state) if state else set()

    def alive(self, table: str) -> set[Path]:
        """Every file that a table's present metadata needs, itself included."""
        state = self._state(table)
        return self._alive(table, state) if state else set()

    def _state(self, table: str) -> State | None:
        """A table as it is, or was when this object first looked; None while it isn't there."""
        if table not in self._states:
            self._states[table] = self._look_up(table)
        return self._states[table]

    def _look_up(self, table: str) -> State | None:
        if not self.exists:
            return None
        if self.moved_from:
            raise StorageError(self.moved_message)
        with self._reading(f"table {table}"):
            place = self._root_catalog.metadata_location(table)
            return None if place is None else self._own_state(table, place)

    def _own_state(self, table: str, place: str) -> State:
        """The content of a metadata file, if it is of the table in whose folder it lies."""
        state = read_state(self.files, place)
        if not place.startswith(f"{state.location}/"):
            raise ValueError(f"{table}: the metadata of another table")
        return state

    def _load(self, table: str) -> Table | None:
        """A table as it is, for PyIceberg to commit to; None while it isn't there."""
        from pyiceberg.exceptions import NoSuchTableError

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

    def _describe(self, table: str, state: State, snapshot: Snapshot) -> Version:
        files, fields = self._data_files(snapshot), state.fields_of(snapshot)
        return Version(
            self._notes(table, snapshot),
            table,
            state.location,
            snapshot.id,
            _content(snapshot),
            snapshot.committed,
            files,
            tuple((f.name, cast(ColumnType, f.type)) for f in fields),
        )

    def _data_files(self, snapshot: Snapshot) -> tuple[DataFile, ...]:
        listed, rows = self._manifests.files(snapshot), _rows(snapshot)
        if rows not in (None, sum(file.rows for file in listed)):
            raise ValueError("a manifest of another table or snapshot")
        return tuple(
            DataFile(file.uri, self.files.path(file.uri), file.size, file.rows) for file in listed
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
        name = referred_to(snapshot.summary)
        return partial(self._beside, table, name) if name else read_notes(snapshot.summary)

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

    def _logged(self, state: State) -> set[Path]:
        """Earlier metadata files that are still there."""
        logged = [self.files.path(uri) for uri in state.logged]
        sizes = self.files.sizes(logged)
        return {path for path, size in zip(logged, sizes, strict=True) if size is not None}

    def _alive(self, table: str, state: State) -> set[Path]:
        """Every file that a table's present metadata needs, itself included."""
        uris, notes = {state.place}, set()
        for snapshot in state.snapshots:
            uris.add(snapshot.manifests)
            uris.update(self._manifests.of(snapshot))
            uris.update(file.uri for file in self._manifests.files(snapshot))
            if name := referred_to(snapshot.summary):
                notes.add(notes_file(self.root, table, name))
        return notes | {self.files.path(uri) for uri in uris}


def _unreadable() -> tuple[type[Exception], ...]:
    """What readers of JSON, Avro and SQLite raise where a file is damaged."""
    from pyiceberg.exceptions import ValidationError

    damage = (EOFError, ValueError, TypeError, LookupError, ArithmeticError, ValidationError)
    lengths = (MemoryError, SystemError)  # a length that is none, in compiled readers
    return (*_unwritable(), *damage, *lengths)


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


def _content(snapshot: Snapshot) -> int:
    return read_content(snapshot.summary, snapshot.id)


def _rows(snapshot: Snapshot) -> int | None:
    rows = snapshot.summary.get("total-records")
    return None if rows is None else int(rows)

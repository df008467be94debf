"""The ledger of releases and models: recipients, snapshots, files; kept below `_stedi/ledger`.

An entry is two files that are written once and never changed, and one that says that it was done:

    NAME.people   keyed fingerprints of the people in it, 16 bytes each, sorted
    NAME.json     what was given out, noted before anybody can see it
    NAME.done     empty, written when it could be seen

A new secret (`stedi secret rotate`) makes new fingerprints of the people: NAME.KEY.people is
written, then NAME.json is replaced by one with the name of that key and another seal, then
NAME.people is removed.

So a kill leaves a whole entry, or one that is only begun. The folder of a begun entry may be there
or not, so the entry counts as released. `stedi run --full` doesn't touch the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from stedi.errors import StediError, StorageError, UsageError
from stedi.landing.erased import Keyer
from stedi.privacy.published import PublishedTable
from stedi.rights.behind import Person, people_behind
from stedi.roots import Files
from stedi.roots.copies import temporary_folder
from stedi.roots.names import ledger_folder
from stedi.storage.withdrawals import epoch_ms

Kind = Literal["release", "model", "private release"]
Fingerprints = npt.NDArray[np.bytes_]
_BYTES = 16
_LONGEST = 200


class File(BaseModel, frozen=True):
    """A file that was given out, as it was then."""

    bytes: int
    sha256: str


class PrivateCost(BaseModel, frozen=True):
    """What a private release promises; `charge` is the number of its charge in the budget."""

    charge: int
    epsilon: float
    delta: float
    rho: float


class Entry(BaseModel, frozen=True):
    """What was given out, as it was noted.

    `at` and `committed` (when the snapshot was published) are epoch milliseconds. `people` is how
    many people are in it, None where no table names people. `key` says which secret their
    fingerprints were made with. `is_early` is set where it could have been held back. `cost` is
    that of a private release, whose rows are nobody's. `seal` can be made and checked with the
    secret alone, and is of all this and of who is in it.
    """

    name: str
    kind: Kind
    at: int
    table: str
    snapshot: str
    committed: int
    profile: str
    rows: int
    recipient: str | None
    folder: str
    files: dict[str, File]
    people: int | None
    key: str
    is_early: bool = False
    cost: PrivateCost | None = None
    seal: str = ""

    def sealed(self, keyer: Keyer, people: Fingerprints | None) -> Entry:
        """The same with its seal."""
        body = self.model_dump_json(exclude={"seal"}, exclude_defaults=True).encode()
        names = b"" if people is None else people.tobytes()
        return self.model_copy(update={"seal": keyer.seal(body + b"\0" + names)})


def fingerprints(keyer: Keyer, people: Iterable[Person]) -> Fingerprints:
    """Keyed fingerprints of people, sorted, each once: nobody without the secret can try names."""
    return coded(keyer.of(kind, value) for kind, value in people)


def coded(digests: Iterable[str]) -> Fingerprints:
    """Fingerprints in hexadecimal digits as the ledger has them."""
    return np.array(sorted({bytes.fromhex(d)[:_BYTES] for d in digests}), dtype=f"S{_BYTES}")


@dataclass(frozen=True)
class Recorded:
    """An entry in the ledger; not `is_done` where it was begun, and perhaps not given out."""

    files: Files
    entry: Entry
    is_done: bool

    @cached_property
    def people(self) -> Fingerprints | None:
        """Fingerprints of the people in it, sorted; None where no table named people.

        Raises `StorageError` where they were lost.
        """
        if self.entry.people is None:
            return None
        path = _path(self.files, self.entry.name, f"{self.entry.key}.people")
        if self.files.stat(path) is None:
            path = _path(self.files, self.entry.name, "people")
        try:
            with self.files.open(path) as file:
                people = np.frombuffer(file.readall(), dtype=f"S{_BYTES}")
        except (OSError, ValueError):
            people = np.empty(0, dtype=f"S{_BYTES}")
        if len(people) != self.entry.people:
            raise StorageError(
                f"{self.files.name(path)}: missing or damaged, so nobody can tell who is in "
                f"{self.entry.name}; restore it from a backup"
            )
        return people

    def who(self, keyer: Keyer) -> Fingerprints | None:
        """Those in it, where the seal holds; raises `StorageError` where nobody can tell."""
        sealer = keyer.as_of(self.entry.key)
        if sealer is None:
            raise StorageError(
                f"{self.entry.name}: who is in it can't be told without the secret that it was "
                "noted with; set STEDI_SECRET to that one"
            )
        people = self.people
        if not hmac.compare_digest(self.entry.sealed(sealer, people).seal, self.entry.seal):
            raise StorageError(
                f"{self.entry.name}: was changed since it was noted, so don't rely on it; restore "
                f"{self.files.name(ledger_folder(self.files.root))} from a backup"
            )
        return people if people is None or sealer is keyer else self._renewed(people, keyer)

    def _renewed(self, people: Fingerprints, keyer: Keyer) -> Fingerprints:
        """Fingerprints of people as the newest secret makes them."""
        digits = (bytes(one).ljust(_BYTES, b"\0").hex() for one in people)
        return coded(new for one in digits if (new := keyer.renewed(one, self.entry.key)))

    @property
    def when(self) -> datetime:
        """When it was given out."""
        return datetime.fromtimestamp(self.entry.at / 1000, UTC)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one lakehouse."""

    files: Files

    def read(self) -> tuple[list[Recorded], list[str]]:
        """All entries, the earliest first, and what is wrong with those that can't be read."""
        folder = ledger_folder(self.files.root)
        paths = {path.name: path for path, _ in self.files.below(folder)}
        paths |= {path.name: path for path in folder.glob("*.json")}  # also what is no file
        noted, problems = [], []
        for file in sorted(name for name in paths if name.endswith(".json")):
            name = file.removesuffix(".json")
            try:
                with self.files.open(paths[file]) as opened:
                    entry = Entry.model_validate_json(opened.readall())
            except (OSError, ValidationError):
                problems.append(
                    f"{self.files.name(paths[file])}: can't be read as an entry of the ledger; "
                    "restore it from a backup"
                )
                continue
            noted.append(Recorded(self.files, entry, f"{name}.done" in paths))
        return sorted(noted, key=lambda one: (one.entry.at, one.entry.name)), problems

    def begin(self, entry: Entry, people: Fingerprints | None) -> None:
        """Note what is about to be given out."""
        if people is not None:
            self._write(entry.name, "people", people.tobytes())
        self._write(entry.name, "json", _as_json(entry))

    def finish(self, entry: Entry) -> None:
        """Note that it was given out."""
        self._write(entry.name, "done", b"")

    def rekey(self, noted: Recorded, keyer: Keyer) -> None:
        """Key an entry again by the newest secret; killed at any point it can be read.

        Raises `StorageError` where nobody can tell who is in it.
        """
        people, before = noted.who(keyer), noted.entry.key
        entry = noted.entry.model_copy(update={"key": keyer.key_id}).sealed(keyer, people)
        if people is not None:
            self._write(entry.name, f"{entry.key}.people", people.tobytes())
        self._write(entry.name, "json", _as_json(entry), over=True)
        old = (_path(self.files, entry.name, part) for part in (f"{before}.people", "people"))
        self.files.remove(path for path in old if self.files.stat(path))

    def withdraw(self, entry: Entry) -> None:
        """Take back what was begun, where nobody has seen it."""
        self.files.remove(_path(self.files, entry.name, part) for part in ("json", "people"))

    def _write(self, name: str, part: str, content: bytes, *, over: bool = False) -> None:
        path = _path(self.files, name, part)
        try:
            with temporary_folder() as folder:
                fresh = folder / part
                fresh.write_bytes(content)
                self.files.replace(fresh, path) if over else self.files.add(fresh, path)
        except OSError as error:
            raise StorageError(
                f"{self.files.name(path)} can't be written: {error.strerror or error}, so nothing "
                "was given out; is the disk full, or the folder read-only?"
            ) from None


def _as_json(entry: Entry) -> bytes:
    return (entry.model_dump_json(indent=2) + "\n").encode()


def refuse_no_name(recipient: str | None) -> None:
    """Raise `UsageError` for a recipient that is no name."""
    if recipient is not None and not (
        recipient.strip() and recipient.isprintable() and len(recipient) <= _LONGEST
    ):
        raise UsageError(
            f"--recipient {recipient!a}: a name of up to {_LONGEST} printable characters"
        )


@dataclass(frozen=True)
class Handing:
    """A snapshot of a published table that is about to be given out, as data or as a model.

    `folder` is where it can be seen then. Raises `UsageError` for a recipient that is no name.
    """

    published: PublishedTable
    kind: Kind
    rows: int
    folder: Path
    recipient: str | None = None
    is_early: bool = False
    cost: PrivateCost | None = None

    def __post_init__(self) -> None:
        """Refuse a name that a list could not show."""
        refuse_no_name(self.recipient)

    @property
    def ledger(self) -> Ledger:
        """Where it is noted."""
        return Ledger(self.published.warehouse.files)

    @cached_property
    def keyer(self) -> Keyer:
        """What makes fingerprints of people."""
        return Keyer.of_user()

    @cached_property
    def people(self) -> Fingerprints | None:
        """Fingerprints of the people in it; None where no table names any, or it has a cost."""
        people = None if self.cost else people_behind(self.published)
        return None if people is None else fingerprints(self.keyer, people)

    @contextmanager
    def noting(self, fresh: Path) -> Iterator[None]:
        """Note what lies in a folder while the caller lets others see it.

        Raises `UsageError` where the table was published again meanwhile, `StorageError` where it
        can't be noted. Nobody has then seen it, and it isn't noted.
        """
        entry = self._entry(fresh).sealed(self.keyer, self.people)
        try:
            self.ledger.begin(entry, self.people)
            # A run that publishes looks into the ledger afterwards: one of both sees the other.
            self._refuse_outdated()
            yield
        except (OSError, StediError):
            self.ledger.withdraw(entry)
            raise
        with suppress(StediError):
            self.ledger.finish(entry)

    def _entry(self, fresh: Path) -> Entry:
        at = epoch_ms()
        version = self.published.version
        begun = datetime.fromtimestamp(at / 1000, UTC)
        return Entry(
            name=f"{begun:%Y%m%dT%H%M%S}Z-{secrets.token_hex(4)}",
            kind=self.kind,
            at=at,
            table=version.table,
            snapshot=str(version.snapshot_id),
            committed=version.committed,
            profile=self.published.declarations.profile,
            rows=self.rows,
            recipient=None if self.recipient is None else self.recipient.strip(),
            folder=str(self.folder),
            files={path.name: _file(path) for path in sorted(fresh.iterdir())},
            people=None if self.people is None else len(self.people),
            key=self.keyer.key_id,
            is_early=self.is_early,
            cost=self.cost,
        )

    def _refuse_outdated(self) -> None:
        warehouse, version = self.published.warehouse, self.published.version
        warehouse.look_again()
        now = warehouse.version(version.table)
        if now is None or now.snapshot_id != version.snapshot_id:
            raise UsageError(
                f"{version.table} was published again meanwhile, so nothing of it was given out; "
                "give out what is published now"
            )


def _file(path: Path) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return File(bytes=path.stat().st_size, sha256=digest)


def _path(files: Files, name: str, part: str) -> Path:
    return ledger_folder(files.root) / f"{name}.{part}"

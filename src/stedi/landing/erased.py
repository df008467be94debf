"""Who was erased: a keyed list in the lakehouse folder, which keeps their later deliveries out.

It contains fingerprints and no identifier. They are made with the secret, which is never in the
lakehouse folder. Beside the list is how many records were removed from raw files, by reason, so
that counts reconcile.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from blake3 import blake3

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import StorageError, UsageError
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.fold import as_spelled, fold
from stedi.landing.records import Piece, texts_in
from stedi.landing.secret import Keys, known_secrets, secrets_of_user
from stedi.roots import Files, only_files
from stedi.roots.names import OWN_FOLDER
from stedi.roots.scratch import scratch
from stedi.text import counted

ERASED = "erased"
"""Why records are dropped that are of somebody who was erased."""
_CONTEXT = "stedi lakehouse, fingerprints of people who were erased, 2026"
_FOLDER, _PARTS, RECEIPTS = "erased", "erased.json", "receipts"
_DAY = 86_400_000
_FEW = 4
"""A word of fewer letters is an identifier only where it stands in quotes."""
_TOKEN = re.compile(r"[\w.@+%-]+")
_PLAIN_TOKEN = re.compile(r"[^\W_]+(?:[.@+%-]+[^\W_]+)*")
"""One without what joins words in names."""
_ENDING = re.compile(r"(?i)(?:\.(?:json|jsonl|ndjson|gz|zst))*$")


class Keyer:
    """Makes fingerprints of identifiers with the secrets of this user, oldest first."""

    def __init__(self, *every: bytes) -> None:
        self._every = every
        self._keys = Keys(_CONTEXT, every)
        self.key_id = self._keys.ids[-1]
        self.of = lru_cache(1 << 16)(self._of)

    @classmethod
    def of_user(cls) -> Keyer:
        """The one of the user who runs this process."""
        return cls(*secrets_of_user())

    def as_of(self, key_id: str) -> Keyer | None:
        """The one of the time when a key was the newest; None where it is unknown."""
        if key_id == self.key_id:
            return self
        ids = self._keys.ids
        return Keyer(*self._every[: ids.index(key_id) + 1]) if key_id in ids else None

    def _of(self, kind: str, value: str) -> str:
        """The fingerprint of an identifier of some kind."""
        return self._keyed(f"{kind}\0{value}".encode(errors="replace"))

    def renewed(self, digits: str, key_id: str | None) -> str | None:
        """A fingerprint that some key made as the newest has it; None where that is unknown."""
        return None if key_id is None else self._keys.lift(digits, key_id)

    def seal(self, content: bytes) -> str:
        """A seal that only who has the secret can make, and check."""
        return f"{self.key_id}:{self._keyed(b'seal' + content)}"

    def _keyed(self, content: bytes) -> str:
        return str(self._keys.lift(blake3(content, key=self._keys.first).hexdigest()))


@dataclass(frozen=True)
class Entry:
    """Somebody or something that was erased `at` (epoch ms), by fingerprints.

    `folded` is that of the form that all spellings share. What was taken in the `spared` times
    (from, before; None is without end) is of others.
    """

    kind: str
    exact: str
    folded: str
    at: int
    spared: tuple[tuple[int, int | None], ...] = ()

    def drops(self, when: int | None, now: int) -> bool:
        """Whether a record of that time is earlier than the erasure; unknown times are.

        Times of the future (a day's grace) are wrong, and so unknown.
        """
        if when is None or when > now + _DAY:
            return True
        is_spared = any(b <= when and (e is None or when < e) for b, e in self.spared)
        return when <= self.at and not is_spared


@dataclass(frozen=True)
class Dropped:
    """Records that were taken out of a raw file, by reason.

    `fingerprint` is the file's as it is now; where nothing was left of it (`is_gone`), as it was.
    """

    source: str
    fingerprint: str
    is_gone: bool
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Erased:
    """The list as a lakehouse has it, or a part of it that is to be added.

    A part names those that it was written in place of (`replaced`).
    """

    key_id: str | None = None
    entries: tuple[Entry, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    replaced: tuple[str, ...] = ()

    def refuse_other(self, keyer: Keyer) -> None:
        """Raise `UsageError` where the list was made with another secret: nobody could be told."""
        if self.entries and self.key_id != keyer.key_id:
            raise UsageError(
                f"{OWN_FOLDER}/{_FOLDER}: the list of who was erased was made with another secret; "
                "set STEDI_SECRET to that one, or deliveries could bring these people back"
            )

    def taken_out(
        self, source: str, before: str, after: str | None, counts: Mapping[str, int]
    ) -> Dropped:
        """What is to be noted of records taken out of a file, by its fingerprints then and now."""
        earlier = self.of_file(source, before) if before != after else {}
        total = {r: earlier.get(r, 0) + counts.get(r, 0) for r in sorted({*earlier, *counts})}
        return Dropped(source, after or before, after is None, total)

    def of_file(self, source: str, fingerprint: str) -> Mapping[str, int]:
        """What was taken out of a file that has this fingerprint now."""
        return self._of(source).get((fingerprint, False), {})

    def of_source(self, source: str, fingerprints: Iterable[str]) -> dict[str, int]:
        """What was taken out of these files of a source, and of files that are gone for it."""
        by_file, counts = self._of(source), Counter[str]()
        for fingerprint in {*fingerprints}:
            counts.update(by_file.get((fingerprint, False), {}))
        for (_, is_gone), of_gone in by_file.items():
            counts.update(of_gone if is_gone else {})
        return dict(sorted(counts.items()))

    def _of(self, source: str) -> dict[tuple[str, bool], Mapping[str, int]]:
        of_source = (d for d in self.dropped if d.source == source)
        return {(d.fingerprint, d.is_gone): d.counts for d in of_source}


def read_erased(files: Files) -> Erased:
    """The list of a lakehouse, empty where there is none.

    Raises `StorageError` if it is damaged, or if a part is gone or can't be read.

    Of one identifier, and of one file, what was noted last counts. Fingerprints by earlier secrets
    are read as the newest secret would have made them.
    """
    paths = _parts(files)
    parts = [_read(files, path) for path in paths]
    _refuse_gaps(files, paths, parts)
    return _joined(map(_renewed, parts))


def _refuse_gaps(files: Files, paths: Sequence[Path], parts: Sequence[Erased]) -> None:
    """Raise `StorageError` where a part that was there is gone: its people could come back.

    What parts there are is noted beside them; receipts tell, too, that there was a list.
    """
    there = {path.name for path in paths}
    there.update(name for part in parts for name in part.replaced)
    gone = sorted(_noted(files) - there)
    if not parts and not gone and only_files(files, files.root / OWN_FOLDER / RECEIPTS):
        gone = ["all of it"]
    if gone:
        raise StorageError(
            f"{files.name(_folder(files))}: a part of the list of who was erased is gone "
            f"({', '.join(gone)}). Restore it from a backup; without it deliveries could bring "
            "these people back"
        )


def _noted(files: Files) -> set[str]:
    """The names of the parts as they are noted outside their folder."""
    path = files.root / OWN_FOLDER / _PARTS
    if files.stat(path) is None:
        return set()
    try:
        with files.open(path) as file:
            return {str(name) for name in json.loads(file.readall() or b"")}
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise StorageError(
            f"{files.name(path)}: which parts the list of who was erased has can't be read: "
            f"{reason}. Restore it from a backup"
        ) from None


def _parts(files: Files) -> list[Path]:
    return only_files(files, _folder(files))


def _joined(parts: Iterable[Erased]) -> Erased:
    entries, dropped, key_ids = dict[tuple[str, str], Entry](), list[Dropped](), list[str]()
    newest = Keyer(*known).key_id if (known := known_secrets()) else None
    for part in parts:
        entries |= {(entry.kind, entry.exact): entry for entry in part.entries}
        dropped += part.dropped
        key_ids += [part.key_id] if part.key_id else []
    unknown = [key_id for key_id in key_ids if key_id != newest]
    return Erased(next(iter([*unknown, *key_ids]), None), tuple(entries.values()), tuple(dropped))


def _read(files: Files, path: Path) -> Erased:
    try:
        with files.open(path) as file:
            values = json.loads(file.readall() or b"")
        entries = tuple(
            Entry(**{**entry, "spared": tuple((begin, end) for begin, end in entry["spared"])})
            for entry in values["entries"]
        )
        dropped = tuple(Dropped(**d) for d in values["dropped"])
        replaced = tuple(values.get("replaced", ()))
        return Erased(values["key_id"] or None, entries, dropped, replaced)
    except (OSError, ValueError, LookupError, TypeError):
        raise StorageError(
            f"{files.name(path)}: a part of the list of who was erased is damaged. Restore it "
            "from a backup; without it deliveries could bring these people back"
        ) from None


def _renewed(part: Erased) -> Erased:
    """A part of the list as the newest secret would have made it; as it is if that is unknown."""
    every = known_secrets()
    if len(every) < 2:
        return part
    keyer, fingerprinter = Keyer(*every), Fingerprinter(*every)
    dropped = tuple(
        replace(d, fingerprint=fingerprinter.renewed(d.fingerprint)) for d in part.dropped
    )
    entries = renewed_entries(part.entries, part.key_id, keyer)
    if entries is None:
        return replace(part, dropped=dropped)
    return Erased(keyer.key_id if part.key_id else None, entries, dropped)


def renewed_entries(
    entries: Iterable[Entry], key_id: str | None, keyer: Keyer
) -> tuple[Entry, ...] | None:
    """Entries that a key made as the newest has them; None where that key is unknown."""
    renewed = []
    for entry in entries:
        exact = keyer.renewed(entry.exact, key_id)
        folded = keyer.renewed(entry.folded, key_id)
        if exact is None or folded is None:
            return None
        renewed.append(replace(entry, exact=exact, folded=folded))
    return tuple(renewed)


def is_of_retired(files: Files, keyer: Keyer, fingerprinter: Fingerprinter) -> bool:
    """Whether a part of the list was made with a secret that is known, and not the newest."""
    newest = {keyer.key_id, fingerprinter.key_id}
    for part in (_read(files, path) for path in _parts(files)):
        prints = (dropped.fingerprint for dropped in part.dropped)
        named = [print_.partition(":")[0] for print_ in prints if fingerprinter.can_compare(print_)]
        if part.key_id and keyer.as_of(part.key_id):
            named.append(part.key_id)
        if not newest.issuperset(named):
            return True
    return False


def rekey_erased(files: Files, keyer: Keyer, fingerprinter: Fingerprinter) -> int:
    """Rewrite the list by the newest secret, if it must be; returns how many entries it has.

    Killed at any point it says the same, twice at most. Raises `UsageError` where a secret is
    unknown, `StorageError` for a list that is damaged. The caller holds the lock of the lakehouse.
    """
    if not is_of_retired(files, keyer, fingerprinter):
        return 0
    paths = _parts(files)
    parts = [_read(files, path) for path in paths]
    _refuse_gaps(files, paths, parts)
    erased = _joined(map(_renewed, parts))
    erased.refuse_other(keyer)
    replaced = {path.name for path in paths}.union(*(part.replaced for part in parts))
    # Behind what was read, and before what an `ingest` may add meanwhile.
    after = int(paths[-1].name.partition("-")[0]) + 1
    add_erased(files, replace(erased, replaced=tuple(sorted(replaced))), after)
    files.remove(paths)
    return len(erased.entries)


def add_erased(files: Files, part: Erased, at: int | None = None) -> None:
    """Add to the list of a lakehouse: whole, or not at all. What lies there stays as it is."""
    name = f"{at or time.time_ns():020d}-{secrets.token_hex(4)}.json"
    with scratch(files.root, "erased") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(asdict(part), indent=1), encoding="utf-8")
        files.replace(folder / name, _folder(files) / name)
        names = {path.name for path in _parts(files)} | _noted(files)
        (folder / _PARTS).write_text(json.dumps(sorted(names - {*part.replaced})), encoding="utf-8")
        files.replace(folder / _PARTS, files.root / OWN_FOLDER / _PARTS)


def _folder(files: Files) -> Path:
    return files.root / OWN_FOLDER / _FOLDER


@dataclass
class Banned:
    """Records of erased people from before the erasure, in one source, as `locate` asks.

    `respelled` counts records whose identifier is spelled like that of somebody who was erased;
    nobody knows whose they are, and they stay.
    """

    contract: Contract
    entries: Mapping[tuple[str, str], Entry]
    spelled: frozenset[tuple[str, str]]
    keyer: Keyer
    people: frozenset[str]
    respelled: int = 0

    @classmethod
    def of(cls, contract: Contract, erased: Erased, keyer: Keyer, people: Iterable[str]) -> Banned:
        """What is banned of a source; `people` are the kinds of subjects that are people."""
        return cls(
            contract,
            {(entry.kind, entry.exact): entry for entry in erased.entries},
            frozenset((entry.kind, entry.folded) for entry in erased.entries),
            keyer,
            frozenset(people),
        )

    def __post_init__(self) -> None:
        """Find the columns that name the person of a record."""
        subjects = {c.name: c.subject for c in self.contract.delivered if c.subject}
        named = {name: kind for name, kind in subjects.items() if kind in self.people}
        self._kinds = named or subjects

    @property
    def columns(self) -> Sequence[str]:
        """The columns that say whose a record is."""
        return [*self._kinds]

    def among(self, column: str, values: Sequence[str]) -> Sequence[bool]:
        """Which texts of a column name somebody who was erased, or are spelled like that."""
        kind = self._kinds[column]
        return [
            (kind, self.keyer.of(kind, value)) in self.entries
            or (kind, self.keyer.of(kind, fold(value))) in self.spelled
            for value in values
        ]

    def record(self, values: Mapping[str, object]) -> bool:
        """Whether a record is of an erased person, and earlier than the erasure."""
        when = values.get(self.contract.entered_at) if self.contract.entered_at else None
        now = time.time_ns() // 1_000_000
        for column, kind in self._kinds.items():
            value = values[column]
            if not isinstance(value, str):
                continue
            entry = self.entries.get((kind, self.keyer.of(kind, value)))
            if entry is not None and entry.drops(when if isinstance(when, int) else None, now):
                return True
            if entry is None and (kind, self.keyer.of(kind, fold(value))) in self.spelled:
                self.respelled += 1
        return False

    def piece(self, piece: Piece) -> bool:
        """Whether an invalid record names an erased person."""
        kinds = {*self._kinds.values()} | ({*self.people} if self._kinds else set())
        texts = {*as_spelled(piece.subject)}
        for text in texts_in(piece.raw):
            texts.add(text)
            texts.update(word for word in _TOKEN.findall(text) if len(word) >= _FEW)
        return any(
            (entry := self.entries.get((kind, self.keyer.of(kind, text)))) is not None
            and not entry.spared
            for text in texts
            for kind in kinds
        )


class Names:
    """Tells names of raw files that have an identifier of somebody who was erased, in any case."""

    def __init__(self, erased: Erased, keyer: Keyer) -> None:
        self._folded = {(entry.kind, entry.folded) for entry in erased.entries}
        self._kinds = {entry.kind for entry in erased.entries}
        self._keyer = keyer

    def without_identifiers(self, name: str) -> str:
        """The name with other words where it has one; what its ending says of it stays."""
        parts = [
            f"renamed-{secrets.token_hex(4)}{_ENDING.findall(part)[0]}"
            if self._has_identifier(part)
            else part
            for part in name.split("/")
        ]
        return "/".join(parts)

    def _has_identifier(self, part: str) -> bool:
        words = {part, *_TOKEN.findall(part), *_PLAIN_TOKEN.findall(part)}
        for word in tuple(words):
            pieces = word.split(".")
            words.update(".".join(pieces[:n]) for n in range(1, len(pieces)))
        return any(
            (kind, self._keyer.of(kind, fold(word))) in self._folded
            for word in words
            if len(word) >= _FEW
            for kind in self._kinds
        )


def people_of(declarations: Declarations) -> frozenset[str]:
    """The kinds of subjects that are people: those that a source's records are about."""
    return frozenset(
        column.subject
        for contract in declarations.landing
        for column in contract.columns
        if column.subject and column.name == contract.subject
    )


def respelled_remark(source: str, count: int) -> str:
    """The note on records whose identifier is spelled like that of an erased person."""
    return (
        f"{counted(count, 'new record')} of the source {source} name somebody almost as a person "
        "who was erased is named (case, spaces or Unicode form differ): if it is the same person, "
        "`stedi erase` them under this name, too"
    )

"""Removes records from raw files, and notes how many, so that counts reconcile."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.cut import Span, cut
from stedi.landing.erased import (
    ERASED,
    Banned,
    Dropped,
    Erased,
    Keyer,
    Names,
    add_erased,
    people_of,
    read_erased,
    respelled_remark,
)
from stedi.landing.files import LandingFile, Unreadable
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.locate import Located, locate
from stedi.roots import Files, Stat, open_local
from stedi.roots.names import landing_folder
from stedi.roots.scratch import scratch
from stedi.text import counted

_AT_ONCE = 16
"""How many files are rewritten before the removed records are noted."""


@dataclass(frozen=True)
class Removal:
    """Records of a raw file that are to be taken out: their places, and how many by reason.

    The file is called `renamed` then, where it may not keep its name. `fingerprint` is that of the
    file as it is, where that was just looked at.
    """

    source: str
    path: Path
    spans: Sequence[Span]
    counts: Mapping[str, int]
    renamed: Path | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Removed:
    """A raw file that records were taken out of: its fingerprints then and now.

    `path` and `stat` are those of the file as it is; where nothing was left of it, `after` and
    `stat` are None.
    """

    removal: Removal
    path: Path
    before: str
    after: str | None
    stat: Stat | None


def remove_records(
    files: Files, removals: Sequence[Removal], fingerprinter: Fingerprinter
) -> list[Removed]:
    """Write raw files without some of their records, and note what was taken out of them.

    Each file is replaced as a whole; one without records is removed. Raises `OSError`.
    """
    taken: list[Removed] = []
    for first in range(0, len(removals), _AT_ONCE):
        some, known = removals[first : first + _AT_ONCE], read_erased(files)
        with scratch(files.root, "cut") as folder:
            folder.mkdir(parents=True, exist_ok=True)
            targets = [folder / f"{n}-{removal.path.name}" for n, removal in enumerate(some)]
            dropped, prints = [], list[tuple[str, str | None]]()
            for removal, target in zip(some, targets, strict=True):
                before = removal.fingerprint or fingerprinter.of_file(removal.path, files.open)
                has_rest = cut(removal.path, removal.spans, target, files.open)
                after = fingerprinter.of_file(target) if has_rest else None
                if not has_rest:
                    target.unlink()
                elif (stat := files.stat(removal.path)) is not None:  # it arrived when it did
                    os.utime(target, ns=(stat.modified, stat.modified))
                dropped.append(known.taken_out(removal.source, before, after, removal.counts))
                prints.append((before, after))
            add_erased(files, Erased(dropped=tuple(dropped)))
            for removal, target, (before, after) in zip(some, targets, prints, strict=True):
                path = removal.renamed or removal.path
                if after:
                    files.replace(target, path)
                if removal.renamed or not after:
                    files.remove([removal.path], emptied=removal.renamed is not None)
                stat = files.stat(path) if after else None
                taken.append(Removed(removal, path, before, after, stat))
    return taken


class Screen:
    """Keeps erased people out of what is read, by the list of the lakehouse.

    Raises `UsageError` where the list was made with another secret.
    """

    def __init__(self, files: Files, declarations: Declarations) -> None:
        self._files = files
        self._contracts = {str(c.source): c for c in declarations.landing}
        self._people = people_of(declarations)
        self._erased = read_erased(files)
        self.remarks: list[str] = []
        """What somebody should look at."""
        self.renamed = 0
        """How many raw files had a name with an identifier of an erased person."""
        if self.is_needed:
            self._keyer = Keyer.of_user()
            self._erased.refuse_other(self._keyer)
            self._names = Names(self._erased, self._keyer)

    @property
    def is_needed(self) -> bool:
        """Whether anybody was erased."""
        return bool(self._erased.entries)

    def screen(
        self,
        landing: Iterable[tuple[Contract, LandingFile]],
        fingerprinter: Fingerprinter,
        known: Mapping[Path, Stat | None],
    ) -> int:
        """Remove erased people's records from raw files; returns how many there were.

        Files that are as `known` have no erased people.
        """
        work = [
            (str(contract.source), file)
            for contract, file in landing
            if self.is_needed and known.get(self._path(contract, file)) != _stat(file)
        ]
        paths = [landing_folder(self._files.root, source) / f.name for source, f in work]
        banned = [self._banned(source) for source, _ in work]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            located = [
                *pool.map(self._locate, paths, banned, (file.size for _, file in work)),
            ]
        removals = []
        for (source, file), path, found in zip(work, paths, located, strict=True):
            name = self.name_of(file.name)
            renamed = None if name == file.name else landing_folder(self._files.root, source) / name
            self.renamed += renamed is not None
            if found.places or renamed:
                counts = {ERASED: len(found.places)} if found.places else {}
                removals.append(Removal(source, path, _spans(found), counts, renamed))
        remove_records(self._files, removals, fingerprinter)
        self._tell_respelled((source for source, _ in work), banned)
        return sum(len(found.places) for found in located)

    def screened(
        self, path: Path, source: str, folder: Path, fingerprinter: Fingerprinter
    ) -> tuple[Path | None, Dropped | None]:
        """A delivery of a source without who was erased, in a folder where it had to be written.

        No path where nothing is left of it. What was dropped is for `note`.
        """
        if not self.is_needed:
            return path, None
        banned = self._banned(source)
        found = locate(path, self._contracts[source], banned, size=path.stat().st_size)
        self._tell_respelled([source], [banned])
        if not found.places:
            return path, None
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / path.name
        has_rest = cut(path, _spans(found), target, open_local)
        before = fingerprinter.of_file(path)
        after = fingerprinter.of_file(target) if has_rest else None
        counts = {ERASED: len(found.places)}
        return target if has_rest else None, self._erased.taken_out(source, before, after, counts)

    def name_of(self, name: str) -> str:
        """The name of a delivered file without identifiers of erased people."""
        return self._names.without_identifiers(name) if self.is_needed else name

    def note(self, dropped: Sequence[Dropped]) -> None:
        """Note what was dropped of deliveries, before these lie in the landing zone."""
        if dropped:
            add_erased(self._files, Erased(dropped=tuple(dropped)))

    def _path(self, contract: Contract, file: LandingFile) -> Path:
        return landing_folder(self._files.root, str(contract.source)) / file.name

    def _banned(self, source: str) -> Banned:
        return Banned.of(self._contracts[source], self._erased, self._keyer, self._people)

    def _locate(self, path: Path, banned: Banned, size: int) -> Located:
        try:
            return locate(path, banned.contract, banned, self._files.open, size=size)
        except OSError as error:
            why = f"{self._files.name(path)} can't be read: {error.strerror or error}"
            raise Unreadable(why, found={path: why}) from None

    def _tell_respelled(self, sources: Iterable[str], banned: Iterable[Banned]) -> None:
        counts = Counter[str]()
        for source, one in zip(sources, banned, strict=True):
            counts[source] += one.respelled
        self.remarks += [respelled_remark(source, n) for source, n in counts.items() if n]


def erased_remark(count: int) -> str:
    """The note on records of erased people that a delivery brought."""
    return f"dropped {counted(count, 'record')} of people who were erased, out of new landing files"


def renamed_remark(count: int) -> str:
    """The note on files whose names had an identifier of an erased person."""
    return (
        f"renamed {counted(count, 'new landing file')}: the name had an erased person's identifier"
    )


def _stat(file: LandingFile) -> Stat:
    return Stat(file.size, file.modified, file.changed)


def _spans(found: Located) -> list[Span]:
    return [(place.begin, place.end) for place in found.places]

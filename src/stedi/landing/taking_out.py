"""Takes records out of raw files under a root, and notes how many, so that sums hold."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import LandingError
from stedi.landing.cut import Span, cut
from stedi.landing.erased import (
    ERASED,
    Banned,
    Dropped,
    Erased,
    Keyer,
    add_erased,
    people_of,
    read_erased,
    respelled_remark,
)
from stedi.landing.files import LandingFile
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.locate import Located, locate
from stedi.roots import Files, Stat, open_local
from stedi.roots.names import landing_folder
from stedi.roots.scratch import scratch
from stedi.text import counted

_AT_ONCE = 16
"""Files that are written anew before what was taken out of them is noted."""


@dataclass(frozen=True)
class Taking:
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
class Taken:
    """A raw file that records were taken out of: its fingerprints then and now.

    `path` and `stat` are those of the file as it is; where nothing was left of it, `after` and
    `stat` are None.
    """

    taking: Taking
    path: Path
    before: str
    after: str | None
    stat: Stat | None


def take_out(files: Files, takings: Sequence[Taking], fingerprinter: Fingerprinter) -> list[Taken]:
    """Write raw files without some of their records, and note what was taken out of them.

    Each file is replaced as a whole; one without records is removed. Raises `OSError`.
    """
    taken: list[Taken] = []
    for first in range(0, len(takings), _AT_ONCE):
        some, known = takings[first : first + _AT_ONCE], read_erased(files)
        with scratch(files.root, "cut") as folder:
            folder.mkdir(parents=True, exist_ok=True)
            targets = [folder / f"{n}-{taking.path.name}" for n, taking in enumerate(some)]
            dropped, prints = [], list[tuple[str, str | None]]()
            for taking, target in zip(some, targets, strict=True):
                before = taking.fingerprint or fingerprinter.of_file(taking.path, files.open)
                has_rest = cut(taking.path, taking.spans, target, files.open)
                after = fingerprinter.of_file(target) if has_rest else None
                if not has_rest:
                    target.unlink()
                elif (stat := files.stat(taking.path)) is not None:  # it arrived when it did
                    os.utime(target, ns=(stat.modified, stat.modified))
                dropped.append(known.taken_out(taking.source, before, after, taking.counts))
                prints.append((before, after))
            add_erased(files, Erased(dropped=tuple(dropped)))
            for taking, target, (before, after) in zip(some, targets, prints, strict=True):
                path = taking.renamed or taking.path
                if after:
                    files.replace(target, path)
                if taking.renamed or not after:
                    files.remove([taking.path], emptied=taking.renamed is not None)
                stat = files.stat(path) if after else None
                taken.append(Taken(taking, path, before, after, stat))
    return taken


class Screen:
    """Keeps who was erased out of what is read, by the list under the root.

    Raises `UsageError` where the list was made with another secret.
    """

    def __init__(self, files: Files, declarations: Declarations) -> None:
        self._files = files
        self._contracts = {str(c.source): c for c in declarations.landing}
        self._people = people_of(declarations)
        self._erased = read_erased(files)
        self.remarks: list[str] = []
        """What somebody should look at."""
        if self.is_needed:
            self._keyer = Keyer.of_user()
            self._erased.refuse_other(self._keyer)

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
        """Take who was erased out of raw files under the root; how many records there were.

        Files that are as `known` have nobody who was erased.
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
        takings = [
            Taking(source, path, _spans(found), {ERASED: len(found.places)})
            for (source, _), path, found in zip(work, paths, located, strict=True)
            if found.places
        ]
        take_out(self._files, takings, fingerprinter)
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
            raise LandingError(
                f"{self._files.name(path)} can't be read: {error.strerror or error}"
            ) from None

    def _tell_respelled(self, sources: Iterable[str], banned: Iterable[Banned]) -> None:
        counts = Counter[str]()
        for source, one in zip(sources, banned, strict=True):
            counts[source] += one.respelled
        self.remarks += [respelled_remark(source, n) for source, n in counts.items() if n]


def erased_remark(count: int) -> str:
    """What to tell of records that a delivery brought of who was erased."""
    return f"dropped {counted(count, 'record')} of people who were erased, out of new landing files"


def _stat(file: LandingFile) -> Stat:
    return Stat(file.size, file.modified, file.changed)


def _spans(found: Located) -> list[Span]:
    return [(place.begin, place.end) for place in found.places]

"""Copies deliveries into the landing zone: whole or not at all, and each content once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from stedi.errors import Unavailable, UsageError
from stedi.landing.files import is_passed_over, list_files, looks_like_data, skipped_remarks
from stedi.landing.fingerprint import Fingerprinter
from stedi.progress import advance, doing, expect
from stedi.roots import Files, NotAllowed, local_files
from stedi.roots.copies import temporary_folder
from stedi.roots.local.files import refuse_unreadable
from stedi.roots.names import is_hidden, landing_folder
from stedi.roots.private import kept_private
from stedi.roots.scratch import scratch
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.landing.removal import Screen

STARTER_REPOSITORY = "https://github.com/udacity/nd027-Data-Engineering-Data-Lakes-AWS-Exercises"
STARTER_COMMIT = "20c27f989c979c479eff446e19988c6235f94e8d"
STARTER_FOLDER = "project/starter"
STARTER_RECORDS = {"customer": 956, "accelerometer": 81_273, "step_trainer": 28_680}
STARTER_LICENCE = (
    "The starter data is Copyright Udacity, Inc., under Creative Commons "
    "Attribution-NonCommercial-NoDerivs: use it to learn and to test, don't sell it, don't pass "
    "on changed copies."
)

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Ingested:
    """What was copied and what was there already, as paths below the lakehouse folder.

    Of what was copied `renamed` got another name, since its own was another content's. `remarks`
    say what was left where it is though it looks like data. `erased` records were left out: they
    are of people who were erased. `glance` says how the first records copied differ from their
    contract.
    """

    copied: tuple[str, ...]
    present: tuple[str, ...]
    renamed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    erased: int = 0
    glance: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivery:
    """Files to be copied, by source: each with its name below the landing folder; and remarks."""

    files: Mapping[str, Sequence[tuple[Path, str]]]
    remarks: Sequence[str] = ()


def ingest(files: Files, delivery: Delivery, screen: Screen | None = None) -> Ingested:
    """Copy a delivery into the landing zone."""
    return _ingest(files, delivery.files, delivery.remarks, screen)


def delivered_folder(folder: Path, sources: Sequence[str]) -> Delivery:
    """What `<source>/landing/` of a folder has, for each source that it has.

    Raises `UsageError` where it has none of them.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file; say of which source it is: --source NAME")
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give a folder with <source>/landing/ in it")
    folders = {s: landing_folder(folder, s) for s in sources if landing_folder(folder, s).is_dir()}
    if not folders:
        raise UsageError(
            f"{folder}: none of {', '.join(f'{s}/landing/' for s in sources)} is in it; for files "
            "of one source say which: --source NAME"
        )
    delivery = local_files(folder)
    deliveries = {
        s: [(p / file.name, file.name) for file in list_files(delivery, s)]
        for s, p in folders.items()
    }
    names = (p.parent.name for p in sorted(folder.glob("*/landing")) if p.is_dir())
    uncopied = [
        f"{name}/landing/ was not copied: there is no source {name}, there are {', '.join(sources)}"
        for name in names
        if name not in sources and not is_hidden(name)
    ]
    return Delivery(deliveries, [*delivery.remarks, *uncopied])


def delivered_files(files: Files, path: Path, source: str, sources: Sequence[str]) -> Delivery:
    """One file, or the files of a folder, as deliveries of `source`."""
    if source not in sources:
        raise UsageError(f"--source {source}: there are {', '.join(sources)}")
    if path.is_file() and is_passed_over(Path(path.name)):
        raise UsageError(
            f"{path}: names that begin with a dot or an underscore are not read, nor those that "
            "end with .tmp, .part, .crdownload, .swp or ~: rename it once it is whole"
        )
    if path.is_file():
        return Delivery({source: [(path, path.name)]})
    if not path.is_dir():
        is_odd = path.is_symlink() or path.exists()
        what = "neither file nor folder, but a pipe, a device or a link to nothing"
        raise UsageError(f"{path}: {what if is_odd else 'no such file or folder'}")
    delivery = local_files(path)
    delivered, skipped = [], []
    for file, _ in sorted(delivery.delivered(path)):
        name = file.relative_to(path)
        if any(map(is_hidden, name.parts[:-1])) or _is_of(files, source, file):
            continue
        if not is_passed_over(name):
            delivered.append((file, name.as_posix()))
        elif looks_like_data(name.name):
            skipped.append(name.as_posix())
    remarks = [*delivery.remarks, *skipped_remarks(source, skipped)]
    if not delivered:
        raise UsageError("; ".join([f"{path}: no files in it", *remarks]))
    return Delivery({source: delivered}, remarks)


@contextmanager
def starter(repository: str = STARTER_REPOSITORY, commit: str = STARTER_COMMIT) -> Iterator[Path]:
    """The public starter data in a folder that is gone afterwards, its counts checked.

    Raises `Unavailable` without git, without a network, or where it isn't as published.
    """
    with temporary_folder() as temporary:
        _fetch(repository, commit, temporary)
        folder = temporary / STARTER_FOLDER
        for source, expected in STARTER_RECORDS.items():
            records = sum(
                _lines(landing_folder(folder, source) / file.name)
                for file in list_files(local_files(folder), source)
            )
            if records != expected:
                raise Unavailable(
                    f"the starter data has {records:,} {source} records where {expected:,} were "
                    "published; nothing was ingested"
                )
        yield folder


def _fetch(repository: str, commit: str, folder: Path) -> None:
    steps = (
        ("init", "--quiet"),
        ("sparse-checkout", "set", STARTER_FOLDER),
        ("fetch", "--quiet", "--depth=1", "--filter=blob:none", repository, commit),
        ("checkout", "--quiet", "FETCH_HEAD"),
    )
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    for step in steps:
        try:
            subprocess.run(  # noqa: S603 - no shell, and the words are ours
                ["git", "-C", str(folder), *step],  # noqa: S607 - the user's git
                check=True, capture_output=True, timeout=300, env=environment,
            )  # fmt: skip
        except FileNotFoundError:
            raise Unavailable(_unavailable("git is not installed")) from None
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            stderr = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            reason = stderr[-1] if stderr else "it took too long"
            raise Unavailable(_unavailable(f"git {step[0]} failed: {reason}")) from None


def _unavailable(reason: str) -> str:
    return (
        f"the starter data could not be fetched from {STARTER_REPOSITORY}: {reason}. With a copy "
        f"of its folder {STARTER_FOLDER}: stedi ingest FOLDER"
    )


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(bool(line.strip()) for line in file)


def _ingest(
    files: Files,
    deliveries: Mapping[str, Sequence[tuple[Path, str]]],
    remarks: Sequence[str] = (),
    screen: Screen | None = None,
) -> Ingested:
    with kept_private(), scratch(files.root, "ingest") as folder:
        return _ingest_screened(files, deliveries, remarks, screen, folder)


def _ingest_screened(
    files: Files,
    deliveries: Mapping[str, Sequence[tuple[Path, str]]],
    remarks: Sequence[str],
    screen: Screen | None,
    scratch_folder: Path,
) -> Ingested:
    copied, present, renamed = [], [], []
    erased = 0
    fingerprinter = Fingerprinter.of_user() if screen and screen.is_needed else None
    originals = [original for delivered in deliveries.values() for original, _ in delivered]
    doing(f"copying {counted(len(originals), 'file')}")
    expect(sum(_size(original) for original in originals), "bytes")
    for source, delivered in deliveries.items():
        folder = files.inside(landing_folder(files.root, source))
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.rglob(".*.part"):
            leftover.unlink()
        by_size: dict[int, list[Path]] = {}
        for file in list_files(files, source):
            by_size.setdefault(file.size, []).append(folder / file.name)
        taken = {path for paths in by_size.values() for path in paths}
        for original, name in delivered:
            for part in (original, *original.parents)[: len(Path(name).parts)]:
                refuse_unreadable(part)
            size = _size(original)
            path, dropped = original, None
            if screen and fingerprinter:
                screened = screen.screened(original, source, scratch_folder, fingerprinter)
                dropped = screened[1]
                erased += sum(dropped.counts.values()) if dropped else 0
                if screened[0] is None:
                    advance(size)
                    continue  # all of it is of people who were erased
                path = screened[0]
            advance(size)
            same_size = by_size.setdefault(path.stat().st_size, [])
            twin = next((part for part in same_size if _is_same(path, part, files)), None)
            if twin is not None:
                present.append(twin.relative_to(files.root).as_posix())
                continue
            if screen and dropped:
                screen.note([dropped])
            kept = screen.name_of(name) if screen else name
            target = _placed(path, folder / kept, files, taken)
            same_size.append(target)
            copied.append(target.relative_to(files.root).as_posix())
            if target != folder / name:
                renamed.append(copied[-1])
    told = [*remarks, *(screen.remarks if screen else ())]
    return Ingested(tuple(copied), tuple(present), tuple(renamed), tuple(told), erased)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # what can't be read is reported when it is read


def _is_of(files: Files, source: str, path: Path) -> bool:
    """Whether a file lies in the lakehouse itself, elsewhere than among the source's raw ones."""
    return files.holds(path) and not path.resolve().is_relative_to(
        landing_folder(files.root, source)
    )


def _is_same(path: Path, landed: Path, files: Files) -> bool:
    """Whether a file has the bytes of a landing file of its size; not known where none is read.

    Who delivers need not read: what comes twice then lies there twice, and a run counts it once.
    """
    try:
        with path.open("rb") as first, BufferedReader(files.open(landed)) as second:
            while block := first.read(_BLOCK):
                if block != second.read(len(block)):
                    return False
    except NotAllowed:
        return False
    return True


def _placed(path: Path, target: Path, files: Files, taken: set[Path]) -> Path:
    """Where a file was put: `target`, or with a number where something has that name already.

    Nothing is overwritten, by somebody who delivers at the same time neither.
    """
    number, free = 1, target
    while True:
        if free not in taken:
            taken.add(free)
            try:
                files.add_new(path, free)
                return free
            except FileExistsError:
                pass
        number += 1
        free = target.with_name(f"{target.stem}-{number}{target.suffix}")

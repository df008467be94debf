"""Carries out an erasure that was planned: what is killed on the way, the next run finishes.

The plan lies under the root until all is done. It names files and places in them, and has
fingerprints of people: so whoever finishes it needs no names. First the list of who was erased is
added to, which keeps later deliveries out; then raw files are written without these records, each
as a whole; then a run brings all tables up to date; then snapshots that had these rows go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stedi.declared import Declarations
from stedi.errors import StorageError, UsageError
from stedi.landing.erased import Entry, Erased, add_erased, read_erased
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.taking_out import Taking, take_out
from stedi.roots import Files, Remainder
from stedi.roots.names import OWN_FOLDER, landing_folder
from stedi.roots.scratch import scratch
from stedi.storage.sweep import remove_outdated
from stedi.storage.warehouse import Warehouse

_FILE = "erasure.json"


@dataclass(frozen=True)
class Cut:
    """Records of a raw file: their places in its content, and how many by reason.

    `fingerprint` is that of the file with these records.
    """

    source: str
    name: str
    fingerprint: str
    spans: tuple[tuple[int, int], ...]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Erasure:
    """What is to be done: `entries` are who was erased.

    `key_id` and `list_key` name the secret, as fingerprints of files and of people do.

    `holding` are the data files by table, as URIs, that have rows of theirs: no snapshot may be
    left that refers to one. `remainders` are what the storage keeps beside its files.
    """

    key_id: str
    list_key: str
    entries: tuple[Entry, ...]
    cuts: tuple[Cut, ...]
    holding: Mapping[str, Sequence[str]]
    remainders: tuple[tuple[str, str | None, str | None], ...] = ()


def write_erasure(files: Files, erasure: Erasure) -> None:
    """Put a plan under the root: from then on it is begun."""
    with scratch(files.root, "erasure") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_text(json.dumps(asdict(erasure)), encoding="utf-8")
        files.replace(folder / _FILE, _path(files))


def read_erasure(files: Files) -> Erasure | None:
    """The plan of an erasure that was begun; None where there is none. Raises `StorageError`."""
    path = _path(files)
    if files.stat(path) is None:
        return None
    try:
        with files.open(path) as file:
            values = json.loads(file.readall() or b"")
        return Erasure(
            values["key_id"],
            values["list_key"],
            tuple(_entry(entry) for entry in values["entries"]),
            tuple(_cut(cut) for cut in values["cuts"]),
            values["holding"],
            tuple((path, version, upload) for path, version, upload in values["remainders"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        raise StorageError(
            f"{files.name(path)}: the plan of an erasure that was begun is damaged; remove it, and "
            "run `stedi erase` again with the same people"
        ) from None


def _entry(values: dict[str, object]) -> Entry:
    spared = values.pop("spared")
    assert isinstance(spared, list)
    return Entry(**values, spared=tuple((b, e) for b, e in spared))  # type: ignore[arg-type]


def _cut(values: dict[str, object]) -> Cut:
    spans = values.pop("spans")
    assert isinstance(spans, list)
    return Cut(**values, spans=tuple((b, e) for b, e in spans))  # type: ignore[arg-type]


def begin(files: Files, erasure: Erasure, fingerprinter: Fingerprinter) -> None:
    """Add to the list of who was erased, and take their records out of raw files.

    What was done before is left. A file that is another by now is left too: whoever screens new
    deliveries by the list looks at it. Raises `UsageError` where the plan was made with another
    secret, and `OSError`.
    """
    if fingerprinter.key_id != erasure.key_id:
        raise UsageError(
            f"{files.name(_path(files))}: an erasure was begun with another secret; set "
            "STEDI_SECRET to that one, or it can't be finished"
        )
    known = read_erased(files)
    if not {*erasure.entries} <= {*known.entries}:
        add_erased(files, Erased(erasure.list_key, erasure.entries))
    takings = []
    for cut in erasure.cuts:
        path = landing_folder(files.root, cut.source) / cut.name
        if files.stat(path) and fingerprinter.of_file(path, files.open) == cut.fingerprint:
            takings.append(Taking(cut.source, path, cut.spans, cut.counts))
    take_out(files, takings, fingerprinter)


def end(warehouse: Warehouse, declarations: Declarations, erasure: Erasure) -> None:
    """Remove every snapshot that had rows of theirs, and what the storage keeps; then the plan.

    To be called when all tables are up to date.
    """
    files = warehouse.files
    warehouse.look_again()
    for table, location in declarations.locations.items():
        holding = {*erasure.holding.get(table, ())}
        contract = declarations.contracts.get(table)
        if contract and contract.is_published and warehouse.has_history(table):
            remove_outdated(warehouse, table, location)
        elif holding:
            snapshots = warehouse.snapshots(table)
            having = {
                snapshot
                for snapshot, data_files in snapshots.items()
                if any(file.uri in holding for file in data_files)
            }
            warehouse.expire(table, having)
    files.discard(
        Remainder(files.root / path, version, upload)
        for path, version, upload in erasure.remainders
    )
    files.remove([_path(files)])


def is_begun(files: Files) -> bool:
    """Whether an erasure was begun that is not done."""
    return files.stat(_path(files)) is not None


def _path(files: Files) -> Path:
    return files.root / OWN_FOLDER / _FILE

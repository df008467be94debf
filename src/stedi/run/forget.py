"""Carries out an erasure that was planned. If it is killed, the next run finishes it.

The plan stays in the lakehouse folder until all is done. It names files and places in them, and has
fingerprints of people, so a run needs no names to finish it. First, people are added to the list of
erased people, which keeps later deliveries out. Then raw files are rewritten without these records,
each as a whole. Then a run updates all tables, and removes snapshots that had these rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stedi.declared import Declarations
from stedi.declared.machinery import MACHINERY
from stedi.errors import StorageError, UsageError
from stedi.landing.erased import (
    Entry,
    Erased,
    Keyer,
    add_erased,
    read_erased,
    renewed_entries,
)
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import read_loads
from stedi.landing.removal import Removal, Removed, remove_records
from stedi.landing.secret import known_secrets
from stedi.parquet import RowWriter
from stedi.roots import Files, Remainder
from stedi.roots.names import erasure_file, landing_folder
from stedi.roots.scratch import scratch
from stedi.run.receipts import Receipt, keep, written
from stedi.storage.sweep import remove_outdated
from stedi.storage.warehouse import Warehouse, short_name


@dataclass(frozen=True)
class Cut:
    """Records of a raw file: their places in its content, and how many by reason.

    `fingerprint` is that of the file with these records. It is `renamed` where its name has an
    identifier. `records` are those places that the typed table has, `unknown_keys` how many of them
    have keys that the contract lacks. `stat` is what the storage said of the file: its size, when
    it was modified, and what is another number whenever the content may be another.
    """

    source: str
    name: str
    fingerprint: str
    spans: tuple[tuple[int, int], ...]
    counts: Mapping[str, int]
    renamed: str | None = None
    records: int = 0
    unknown_keys: int = 0
    stat: tuple[int, int, int] | None = None

    def is_of(self, files: Files, path: Path, fingerprinter: Fingerprinter) -> bool:
        """Whether a file is as it was; it is only read where the storage says something new."""
        stat = files.stat(path)
        if stat is None:
            return False
        if (stat.size, stat.modified, stat.changed) == self.stat:
            return True
        return fingerprinter.of_file(path, files.open) == self.fingerprint


@dataclass(frozen=True)
class Erasure:
    """What is to be done: `entries` are who was erased.

    `key_id` and `list_key` name the secret, as fingerprints of files and of people do.

    `holding` are the data files by table, as URIs, that have rows of theirs: no snapshot may be
    left that refers to one. `remainders` are what the storage keeps beside its files, `names`
    fingerprints of names of raw files that `loads` may not keep. `typed` are rows of theirs in the
    newest snapshots of landing tables, by URI and counted from 0, where that is all that they hold.
    `receipt` is to be written when all is done.
    """

    key_id: str
    list_key: str
    entries: tuple[Entry, ...]
    cuts: tuple[Cut, ...]
    holding: Mapping[str, Sequence[str]]
    remainders: tuple[tuple[str, str | None, str | None], ...] = ()
    names: tuple[str, ...] = ()
    typed: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    receipt: Receipt | None = None


def write_erasure(files: Files, erasure: Erasure) -> None:
    """Write a plan into the lakehouse folder: from then on it is begun."""
    with scratch(files.root, "erasure") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        planned = folder / "planned.json"
        # `asdict` would copy each of what may be many numbers.
        values = {
            **vars(erasure),
            "entries": [vars(entry) for entry in erasure.entries],
            "cuts": [vars(cut) for cut in erasure.cuts],
            "receipt": vars(erasure.receipt) if erasure.receipt else None,
        }
        planned.write_text(json.dumps(values), encoding="utf-8")
        files.replace(planned, _path(files))


def read_erasure(files: Files) -> Erasure | None:
    """The plan of an erasure that was begun; None where there is none. Raises `StorageError`."""
    path = _path(files)
    if files.stat(path) is None:
        return None
    try:
        with files.open(path) as file:
            values = json.loads(file.readall() or b"")
        erasure = Erasure(
            values["key_id"],
            values["list_key"],
            tuple(_entry(entry) for entry in values["entries"]),
            tuple(_cut(cut) for cut in values["cuts"]),
            values["holding"],
            tuple((path, version, upload) for path, version, upload in values["remainders"]),
            tuple(values["names"]),
            values.get("typed", {}),
            Receipt(**values["receipt"]) if values.get("receipt") else None,
        )
    except (OSError, ValueError, LookupError, TypeError):
        raise StorageError(
            f"{files.name(path)}: the plan of an erasure that was begun is damaged; remove it, and "
            "run `stedi erase` again with the same people"
        ) from None
    return _renewed(erasure)


def _renewed(erasure: Erasure) -> Erasure:
    """A plan as the newest secret would have made it; as it is where its secret isn't known."""
    every = known_secrets()
    if len(every) < 2:
        return erasure
    keyer, fingerprinter = Keyer(*every), Fingerprinter(*every)
    entries = renewed_entries(erasure.entries, erasure.list_key, keyer)
    names = [keyer.renewed(name, erasure.list_key) for name in erasure.names]
    if entries is None or not fingerprinter.can_compare(erasure.key_id):
        return erasure
    cuts = tuple(
        replace(cut, fingerprint=fingerprinter.renewed(cut.fingerprint)) for cut in erasure.cuts
    )
    receipt = erasure.receipt
    if receipt is not None:
        receipt = receipt.renewed(lambda digits: keyer.renewed(digits, erasure.list_key))
    return replace(
        erasure,
        key_id=fingerprinter.key_id,
        list_key=keyer.key_id,
        entries=entries,
        cuts=cuts,
        names=tuple(name for name in names if name is not None),
        receipt=receipt,
    )


def _entry(values: dict[str, object]) -> Entry:
    spared = values.pop("spared")
    assert isinstance(spared, list)
    return Entry(**values, spared=tuple((b, e) for b, e in spared))  # type: ignore[arg-type]


def _cut(values: dict[str, object]) -> Cut:
    spans, stat = values.pop("spans"), values.pop("stat", None)
    assert isinstance(spans, list)
    assert stat is None or isinstance(stat, list)
    return Cut(
        **values,  # type: ignore[arg-type]
        spans=tuple((b, e) for b, e in spans),
        stat=None if stat is None else tuple(stat),
    )


def begin(files: Files, erasure: Erasure, fingerprinter: Fingerprinter) -> list[Removed]:
    """Add to the list of who was erased, and take their records out of raw files.

    Returns the files that were written. What was done before is left. A file that is another by now
    is left too: commands that screen new deliveries by the list look at it. Raises `UsageError`
    where the plan was made with another secret, and `OSError`.
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
        folder = landing_folder(files.root, cut.source)
        path, renamed = folder / cut.name, folder / cut.renamed if cut.renamed else None
        if cut.is_of(files, path, fingerprinter):
            takings.append(
                Removal(cut.source, path, cut.spans, cut.counts, renamed, cut.fingerprint)
            )
    return remove_records(files, takings, fingerprinter)


def end(warehouse: Warehouse, declarations: Declarations, erasure: Erasure) -> None:
    """Remove every snapshot that had rows of theirs, and what the storage keeps; then the plan.

    To be called when all tables are up to date. There is a receipt then, which lacks the proof.
    """
    files = warehouse.files
    warehouse.look_again()
    if erasure.names:
        _forget_names(warehouse, declarations, {*erasure.names})
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
    if erasure.receipt is not None:
        content = {**erasure.receipt.content, "done": time.time_ns() // 1_000_000}
        receipt = Receipt(erasure.receipt.name, content)
        keep(files, receipt, written(receipt, Keyer.of_user()))
    files.remove([_path(files)])


def name_of(keyer: Keyer, source: str, name: str) -> str:
    """The fingerprint of a raw file's name."""
    return keyer.of("file", f"{source}/{name}")


def _forget_names(warehouse: Warehouse, declarations: Declarations, names: Collection[str]) -> None:
    """Have `loads` forget raw files that are gone and whose names nobody may keep."""
    version, keyer = warehouse.version("loads"), Keyer.of_user()
    if version is None:
        return
    loads = read_loads(warehouse.files, [file.path for file in version.files])
    kept = [
        load
        for load in loads
        if load.state != "gone" or name_of(keyer, load.source, load.file) not in names
    ]
    if len(kept) == len(loads):
        return
    location = declarations.locations["loads"]
    fields = warehouse.fields("loads", MACHINERY["loads"], location)
    folder = warehouse.data_folder(location) / f"{time.time_ns():x}"
    writer = RowWriter(folder / "loads.parquet", fields)
    for load in kept:
        writer.add(load.values, 200)
    paths, fingerprinter = writer.close(), Fingerprinter.of_user()
    files = {short_name(path): fingerprinter.of_file(path) for path in paths}
    warehouse.commit("loads", paths, replace(version.notes, files=files))
    warehouse.expire("loads", {*warehouse.snapshots("loads")})


def is_begun(files: Files) -> bool:
    """Whether an erasure was begun that is not done."""
    return files.stat(_path(files)) is not None


def _path(files: Files) -> Path:
    return erasure_file(files.root)

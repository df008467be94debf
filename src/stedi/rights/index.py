"""Which raw files may have somebody's records, as the typed tables and `loads` tell.

A typed file has the records of some raw files; `loads` says of which. So where the rows of somebody
are in few typed files, few raw files have to be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import Load, parts_of, read_loads
from stedi.rights.rows import read_rows
from stedi.roots import Stat
from stedi.roots.names import landing_folder
from stedi.storage.notes import LoadsNotes
from stedi.storage.warehouse import DataFile, Version, Warehouse, damage, short_name


class Index:
    """Which raw files the typed tables have, and may have some of their rows.

    As far as `loads` can be relied on; of others nothing is known.
    """

    def __init__(self, warehouse: Warehouse, declarations: Declarations) -> None:
        self._warehouse, self._files = warehouse, warehouse.files
        self._loads: dict[tuple[str, Path], Load] = {}
        self._twins: dict[tuple[str, str], list[Load]] = {}
        self._versions: dict[str, Version] = {}
        self._suspect: set[tuple[str, str]] = set()
        self._fingerprinter = Fingerprinter.of_user()
        self._fingerprints: dict[Path, str] = {}
        version = warehouse.version("loads")
        quarantine = warehouse.version("quarantine")
        notes = version.notes if version else None
        if version is None or quarantine is None or not isinstance(notes, LoadsNotes):
            return
        if notes.quarantine != quarantine.content or damage(self._files, version):
            return
        for contract in declarations.landing:
            typed = warehouse.version(contract.name)
            if typed and notes.typed.get(contract.name) == typed.content:
                self._versions[str(contract.source)] = typed
        for load in read_loads(self._files, [file.path for file in version.files]):
            folder = landing_folder(self._files.root, load.source)
            if load.state != "gone" and load.source in self._versions:
                self._loads[load.source, folder / load.file] = load
                self._twins.setdefault((load.source, load.fingerprint), []).append(load)
        for file in quarantine.files:
            rows = read_rows(self._files, file, ["source", "file"])
            self._suspect |= {*zip(*(rows.column(n).to_pylist() for n in (0, 1)), strict=True)}

    def has_read(self, contract: Contract, path: Path, stat: Stat) -> bool:
        """Whether the typed table has what is in a file now."""
        load = self._loads.get((str(contract.source), path))
        if load is None or load.size != stat.size:
            return False
        if (load.modified, load.changed) == (stat.modified, stat.changed):
            return True
        if path not in self._fingerprints:  # it may just have been touched
            self._fingerprints[path] = self._fingerprinter.of_file(path, self._files.open)
        return load.fingerprint == self._fingerprints[path]

    def fingerprint(self, contract: Contract, path: Path, stat: Stat) -> str | None:
        """The fingerprint of a file that the typed table has, as noted with the newest secret."""
        if not self.has_read(contract, path, stat):
            return None
        noted = self._loads[str(contract.source), path].fingerprint
        return noted if noted.startswith(f"{self._fingerprinter.key_id}:") else None

    def may_have(
        self, contract: Contract, path: Path, stat: Stat, hits: Collection[DataFile]
    ) -> bool:
        """Whether a file may have records of those that are in these files of its typed table."""
        if not self.has_read(contract, path, stat):
            return True
        source = str(contract.source)
        twins = self._twins[source, self._loads[source, path].fingerprint]
        if self._has_pieces(twins):
            return True
        by_file = {one.file: one for (of, _), one in self._loads.items() if of == source}
        parts = {part for twin in twins for part in parts_of(twin, by_file)}
        return not parts.isdisjoint(self._parts(contract, hits))

    def is_plain(self, contract: Contract, path: Path, stat: Stat) -> bool:
        """Whether all records of a file fit and the typed table has them."""
        if not self.has_read(contract, path, stat):
            return False
        load = self._loads[str(contract.source), path]
        twins = self._twins[load.source, load.fingerprint]
        return all(twin.verdict == "good" for twin in twins) and not self._has_pieces(twins)

    def may_mention(self, contract: Contract, path: Path, stat: Stat) -> bool:
        """Whether records of a file may say what the typed table doesn't have."""
        if not self.has_read(contract, path, stat):
            return True
        load = self._loads[str(contract.source), path]
        return any(twin.unknown_keys for twin in self._twins[load.source, load.fingerprint])

    def is_copy(self, contract: Contract, path: Path) -> bool:
        """Whether the records of a file that was read are counted by another."""
        return self._loads[str(contract.source), path].state == "copy"

    def _has_pieces(self, loads: Iterable[Load]) -> bool:
        return any((load.source, load.file) in self._suspect for load in loads)

    def _parts(self, contract: Contract, hits: Collection[DataFile]) -> set[str]:
        """What `loads` calls the typed files that have rows of theirs."""
        version = self._versions[str(contract.source)]
        merged = version.landing.merged if version.landing else {}
        return {
            part for file in hits for part in merged.get(short_name(file.path), [file.path.stem])
        }

"""Which landing files are to be read, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.errors import LandingError, StorageError
from stedi.landing.erased import read_erased
from stedi.landing.files import LandingFile, is_unread, list_readable
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.loads import Load, ZoneChanges, as_arrived, compare, read_loads
from stedi.roots import Files
from stedi.roots.names import landing_folder
from stedi.run.options import How, Options
from stedi.storage.notes import LoadsNotes
from stedi.storage.warehouse import DataFile, Version, Warehouse, short_name
from stedi.text import counted, visible


@dataclass(frozen=True)
class Reading:
    """A landing table that has to be read: all files again, or some.

    `known` are the fingerprints of files that stay loaded, with their sizes. `before` is the typed
    table as it is, of which the files `kept` stay; all raw files are `listed`. `outdated` are the
    landing files whose records leave the quarantine, None is all.
    """

    contract: Contract
    files: Sequence[LandingFile]
    known: Mapping[str, int]
    reason: str
    difference: ZoneChanges
    before: Version | None
    listed: Sequence[LandingFile]
    kept: tuple[DataFile, ...] = ()
    outdated: frozenset[str] | None = None

    @property
    def how(self) -> How:
        """What becomes of the typed table, if any record is loaded."""
        if self.outdated is None or self.before is None:
            return "rebuild"
        return "append" if len(self.kept) == len(self.before.files) else "swap"


@dataclass
class LandingPlan:
    """What is to be read of the landing zone, and what was read of it before.

    `noted` is what the last run noted with its loads, None where it can't be relied on. `touched`
    are loads whose files have other times but the same bytes.
    """

    loads: list[Load] = field(default_factory=list)
    noted: LoadsNotes | None = None
    readings: list[Reading] = field(default_factory=list)
    touched: list[Load] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.readings or self.touched or self.noted is None)


def plan_landing(
    warehouse: Warehouse, declarations: Declarations, options: Options, fingerprinter: Fingerprinter
) -> LandingPlan:
    """Compare the landing zone with what was read of it; raises `LandingError`, `StorageError`."""
    plan = LandingPlan()
    files = warehouse.files
    version, quarantine = warehouse.version("loads"), warehouse.version("quarantine")
    # Where either can't be relied on, everything is read again.
    is_whole = (
        version
        and quarantine
        and isinstance(version.notes, LoadsNotes)
        and version.notes.quarantine == quarantine.content
        and not warehouse.damage(version)
        and not warehouse.damage(quarantine)
    )
    if version and is_whole:
        try:
            if _is_as_written(files, version, fingerprinter):
                plan.loads = read_loads(files, [file.path for file in version.files])
                plan.noted = version.notes if isinstance(version.notes, LoadsNotes) else None
            else:
                warehouse.changed.update(file.path for file in version.files)
        except StorageError:
            if not options.full:
                raise
    only, transforms = options.only, declarations.transforms
    wanted = {name for table in only or () for name in transforms[table].inputs}
    for contract in declarations.landing:
        if only is None or contract.name in wanted:
            _plan_source(plan, contract, warehouse, declarations, options, fingerprinter)
    return plan


def _is_as_written(files: Files, version: Version, fingerprinter: Fingerprinter) -> bool:
    """Whether a table's files are those that were written, as far as that is noted."""
    files.fetch([file.path for file in version.files])
    noted = {file.path: version.notes.files.get(short_name(file.path)) for file in version.files}
    return all(
        fingerprint is None
        or not fingerprinter.can_compare(fingerprint)
        or fingerprinter.renewed(fingerprint) == fingerprinter.of_file(path)
        for path, fingerprint in noted.items()
    )


def _plan_source(
    plan: LandingPlan,
    contract: Contract,
    warehouse: Warehouse,
    declarations: Declarations,
    options: Options,
    fingerprinter: Fingerprinter,
) -> None:
    assert contract.source is not None
    own = [load for load in plan.loads if load.source == contract.source]
    files, stuck, difference = _compared(warehouse.files, contract, own, fingerprinter)
    plan.touched += difference.touched
    version = warehouse.version(contract.name)
    reason = _why_all(warehouse, contract, version, plan.noted, declarations, options)
    if (
        reason is None
        and (difference.new or difference.changed)
        and not all(
            fingerprinter.can_compare(load.fingerprint) for load in own if load.state != "gone"
        )
    ):
        # A new file could be a copy of one that was read, and nobody could tell.
        reason = "it was read with another secret (STEDI_SECRET)"
    if reason is None and version is not None:
        bad = {load.file for load in own if load.state == "read" and load.verdict == "bad"}
        again = bad if contract.source in options.accept_bad_files else set()
        if not (again or difference.new or difference.changed or difference.gone):
            return
        listed = [*files, *stuck.values()]
        if reading := _read_some(contract, version, own, listed, difference, again):
            if stuck and not stuck.keys().isdisjoint(reading.outdated or ()):
                # What can't be read now stays as it was, with all that is stored beside it.
                only_new = replace(difference, changed=(), gone=())
                reading = _read_some(contract, version, own, listed, only_new, ()) or reading
            plan.readings.append(reading)
            return
        reason = "not as the last run left it"
    if stuck:
        _refuse_losing(warehouse, contract, version, str(reason), [*stuck])
        return
    plan.readings.append(Reading(contract, files, {}, str(reason), difference, version, files))


def _compared(
    files: Files, contract: Contract, loads: Sequence[Load], fingerprinter: Fingerprinter
) -> tuple[list[LandingFile], dict[str, LandingFile], ZoneChanges]:
    """The files of a source that can be read, those of earlier runs that can't, and what changed.

    A file that can't be read now is as it was: `files.unread` has the reason.
    """
    source = str(contract.source)
    folder = landing_folder(files.root, source)
    while True:
        listed = list_readable(files, source)
        stuck = {
            load.file: LandingFile(load.file, load.size, load.modified, load.changed, load.arrived)
            for load in loads
            if load.state != "gone" and is_unread(files, folder / load.file)
        }
        own = [load for load in loads if load.file not in stuck]
        try:
            if any(column.is_arrival for column in contract.columns):
                erased = read_erased(files)
                cut = {d.fingerprint for d in erased.dropped if d.source == source}
                listed = as_arrived(files, source, listed, own, fingerprinter, cut)
            return listed, stuck, compare(files, source, listed, own, fingerprinter)
        except OSError as error:
            path = Path(str(error.filename))
            if not path.is_relative_to(folder) or path in files.unread:
                raise
            files.unread[path] = f"{files.name(path)} can't be read: {error.strerror or error}"


def _refuse_losing(
    warehouse: Warehouse,
    contract: Contract,
    version: Version | None,
    reason: str,
    stuck: Sequence[str],
) -> None:
    """Leave a source as it was, of which all files must be read again and some can't be.

    Raises `LandingError` where there is nothing to leave.
    """
    folder = landing_folder(warehouse.root, str(contract.source))
    why = (
        f"all files of the source {contract.source} must be read again ({reason}), but "
        f"{counted(len(stuck), 'file')} can't be read ({visible(min(stuck))}); let stedi's user "
        "read the landing folder, or remove what belongs to nobody"
    )
    if version is None or warehouse.damage(version):
        raise LandingError(why)
    warehouse.files.unread[folder / min(stuck)] = why


def _why_all(
    warehouse: Warehouse,
    contract: Contract,
    version: Version | None,
    noted: LoadsNotes | None,
    declarations: Declarations,
    options: Options,
) -> str | None:
    """Why all files of a source have to be read."""
    if version is None:
        return "not read yet"
    if options.full:
        return "asked for"
    if contract.source in options.replays:
        return "quarantined records are tried again"
    if noted is None or noted.typed.get(contract.name) != version.content:
        return "not as the last run left it"
    if not version.is_declared_by(declarations.fingerprint(contract.name)):
        return "its contract changed"
    return warehouse.damage(version)


def _read_some(
    contract: Contract,
    version: Version,
    own: Sequence[Load],
    files: Sequence[LandingFile],
    difference: ZoneChanges,
    again: Iterable[str],
) -> Reading | None:
    """What has to be read where some files are new, changed or gone.

    Typed files that hold records of a file that changed or is gone are made again: whatever else
    they hold is read again. None where one of them can't be found.
    """
    read = {load.file: load for load in own if load.state == "read"}
    changed = {file.name for file in difference.changed} | {load.file for load in difference.gone}
    lost = {name for name in {*changed, *again} if name in read}
    # What these had is no longer there: files that have the same records are read again.
    lost |= {name for name, load in read.items() if not changed.isdisjoint(load.earlier_files)}
    merged = version.landing.merged if version.landing else {}
    held_by: dict[str, set[DataFile]] = {}
    for file in version.files:
        for part in merged.get(short_name(file.path), [file.path.stem]):
            held_by.setdefault(part, set()).add(file)
    holding: set[DataFile] = set()
    while True:
        parts = {part for name in lost for part in read[name].parts.split()}
        if not parts <= held_by.keys():
            return None
        hit = {file for part in parts for file in held_by[part]}
        if hit == holding:
            break
        holding = hit
        touched = {part for part, holders in held_by.items() if not holding.isdisjoint(holders)}
        lost |= {name for name, load in read.items() if touched & {*load.parts.split()}}
    prints = {read[name].fingerprint for name in lost}
    copies = {load.file for load in own if load.state == "copy" and load.fingerprint in prints}
    wanted = {file.name for file in (*difference.new, *difference.changed)} | lost | copies
    known = {load.fingerprint: load.size for name, load in read.items() if name not in lost}
    counts = {
        "new": len(difference.new),
        "changed": len(difference.changed),
        "gone": len(difference.gone),
    }
    changed_files = [f"{number} {what}" for what, number in counts.items() if number]
    changes = f"{', '.join(changed_files)} landing file{'s' if sum(counts.values()) > 1 else ''}"
    reason = changes if changed_files else f"{counted(len([*again]), 'bad file')} accepted"
    return Reading(
        contract,
        [file for file in files if file.name in wanted],
        known,
        reason,
        difference,
        version,
        files,
        tuple(file for file in version.files if file not in holding),
        frozenset(lost | wanted),
    )

"""What a run does with each table, and why: one plan, which `--dry-run` shows and `run` executes.

What can be known only when landing files have been read, the run decides then, by the same function
and of the tables that were planned alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi.declared import Declarations
from stedi.errors import UsageError
from stedi.landing.fingerprint import Fingerprinter
from stedi.run.changes import Change, Touched
from stedi.run.options import How, Options
from stedi.run.readings import LandingPlan, Reading, plan_landing
from stedi.storage.suspensions import SUSPENDED, why_outdated
from stedi.storage.warehouse import Version, Warehouse
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.run.incremental import Incremental


@dataclass(frozen=True)
class Planned:
    """What a run would do with a table, and why.

    `files` are landing files to be read, or the table's files that stay or are looked at; `rows`
    are those it has now. "by key" is an append or a rewrite, which only the data can decide.
    """

    table: str
    how: How
    reason: str
    files: int
    rows: int | None


@dataclass(frozen=True)
class Maintenance:
    """How a table is maintained by its key: from the changes of the tables that it is made from.

    Those of tables that are still to be read or built aren't among them.
    """

    by: Incremental
    changes: Mapping[str, Change]


@dataclass(frozen=True)
class Step:
    """What is to be done with a derived table, and why.

    `version` is what it is now, `inputs` are the contents of the tables that it is made from. It is
    rebuilt where there is no `maintenance`; `obstacle` then says why its SELECT can't be.
    """

    table: str
    reason: str
    version: Version | None
    inputs: Mapping[str, int]
    maintenance: Maintenance | None = None
    obstacle: str | None = None

    @property
    def shown(self) -> Planned:
        """The step for people."""
        how: How = "by key" if self.maintenance else "rebuild"
        reason = f"{self.reason}; not by its key: {self.obstacle}" if self.obstacle else self.reason
        files, rows = (len(self.version.files), self.version.rows) if self.version else (0, None)
        return Planned(self.table, how, reason, files, rows)


@dataclass(frozen=True)
class Plan:
    """What a run is to do: landing files to be read, then derived tables, each after its inputs.

    `suspended` is set if the suspended consents must be recomputed already.
    """

    landing: LandingPlan
    derived: tuple[Step, ...]
    shown: tuple[Planned, ...]
    suspended: Planned | None = None

    def __bool__(self) -> bool:
        return bool(self.landing or self.derived or self.suspended)


class Decider:
    """Decides about derived tables, from tables as they are or, before landing is read, may be.

    `touched` says what is known of changes to tables that this run has maintained.
    """

    def __init__(self, warehouse: Warehouse, declarations: Declarations, options: Options) -> None:
        self._warehouse, self._declarations, self._options = warehouse, declarations, options
        self.touched: dict[str, Touched] = {}

    def step(self, table: str, changing: Container[str] = ()) -> Step | None:
        """What is to be done with a table while others are `changing`; None for nothing."""
        version = self._warehouse.version(table)
        why_anew = self._why_anew(table, version)
        reason = why_anew or (self._why_stale(version, changing) if version else None)
        if reason is None:
            return None
        from stedi.run.incremental import Incremental, incremental  # from here on SQL is looked at

        read = sorted(self._declarations.read_by(table))
        inputs = {name: now.content for name in read if (now := self._warehouse.version(name))}
        has_key = self._declarations.contracts[table].key is not None
        by_key = incremental(self._declarations, table) if has_key else None
        if not isinstance(by_key, Incremental):
            return Step(table, reason, version, inputs, obstacle=by_key)
        changes = None
        if version is not None and why_anew is None:
            changes = self._changes(table, version, by_key, changing)
        maintenance = None if changes is None else Maintenance(by_key, changes)
        return Step(table, reason, version, inputs, maintenance)

    def _why_stale(self, version: Version, changing: Container[str]) -> str | None:
        """Which tables that a table is made from have other rows than then, or may have."""
        changed = version.changed_inputs(self._content)
        if changed:
            return f"{', '.join(changed)} changed"
        coming = [name for name in sorted(version.inputs) if name in changing]
        return f"{', '.join(coming)} may change" if coming else None

    def _content(self, table: str) -> int | None:
        version = self._warehouse.version(table)
        return version.content if version else None

    def _why_anew(self, table: str, version: Version | None) -> str | None:
        """Why a table has to be made from all that it is made of."""
        if version is None:
            return "not built yet"
        if self._options.full:
            return "asked for"
        if version.derived is None or version.derived.inputs is None:
            return "not as the last run left it"
        if not version.is_declared_by(self._declarations.fingerprint(table)):
            return "its declarations changed"
        return self._warehouse.damage(version)

    def _changes(
        self, table: str, version: Version, by_key: Incremental, changing: Container[str]
    ) -> dict[str, Change] | None:
        """How what a table is made from changed; None where it can't be maintained from that.

        So it is where its inputs as they were are no longer there, and where most of its FROM table
        changed.
        """
        changes: dict[str, Change] = {}
        for name in self._declarations.read_by(table):
            now, noted = self._warehouse.version(name), version.inputs.get(name)
            before = now
            if noted is None:
                before = None
            elif now is None or now.content != noted:
                before = self._warehouse.version(name, content=noted)
                if before is None or self._warehouse.damage(before):
                    return None
            if before and now and before.columns != now.columns:
                return None
            columns, touched = self._declarations.schemas[name], self.touched.get(name)
            is_known = before is not now and before and touched and touched.before == before.content
            if name not in changing:
                changes[name] = Change(columns, before, now, touched if is_known else None)
        source = changes.get(by_key.source)
        return None if source is not None and source.is_large else changes


def make_plan(
    warehouse: Warehouse, declarations: Declarations, options: Options, fingerprinter: Fingerprinter
) -> Plan:
    """What a run is to do; nothing is written.

    Raises `UsageError`, `LandingError`, `StorageError`.
    """
    refuse_missing(warehouse, declarations, options.only or ())
    landing = plan_landing(warehouse, declarations, options, fingerprinter)
    changing = {reading.contract.name for reading in landing.readings}
    changing |= {"loads"} if landing else set()
    changing |= {"quarantine"} if landing.readings else set()
    suspended = _suspended(warehouse, declarations, options)
    if suspended or changing & {*declarations.read_by_suspensions}:
        changing.add(SUSPENDED)
    decider = Decider(warehouse, declarations, options)
    steps = []
    for table in declarations.transforms:
        if options.only is not None and table not in options.only:
            continue
        if step := decider.step(table, changing):
            changing.add(table)
            steps.append(step)
    shown = (
        *map(_shown_reading, landing.readings),
        *_shown_touched(landing, warehouse),
        *((suspended,) if suspended and not landing.readings else ()),
        *(step.shown for step in steps),
    )
    return Plan(landing, tuple(steps), shown, suspended)


def _suspended(
    warehouse: Warehouse, declarations: Declarations, options: Options
) -> Planned | None:
    why = why_outdated(warehouse, declarations)
    if why is None and options.full and declarations.suspensions is not None:
        why = "asked for"
    version = warehouse.version(SUSPENDED)
    files, rows = (len(version.files), version.rows) if version else (0, None)
    return None if why is None else Planned(SUSPENDED, "rebuild", why, files, rows)


def refuse_missing(warehouse: Warehouse, declarations: Declarations, only: Iterable[str]) -> None:
    """Raise `UsageError` where something that one of these tables reads can't be read as it is.

    So it is where a derived table is not there, nor built with it; and where a table that is not
    updated with it lacks columns that its contract has by now.
    """
    only = set(only)
    stay = {*declarations.read_by_suspensions} & declarations.contracts.keys() if only else set()
    built = {*only}
    for table in (name for name in declarations.transforms if name in only):
        read = declarations.read_by(table) & declarations.transforms.keys()
        for name in sorted(read - only):
            if warehouse.version(name) is None:
                raise UsageError(
                    f"{table} reads {name}, which isn't there yet; build that first: "
                    f"stedi run --only {name}, or on Glue the job that builds it"
                )
        stay |= read
        built |= set(declarations.transforms[table].inputs) - declarations.transforms.keys()
    for name in sorted(stay - built):
        version = warehouse.version(name)
        declared = {column.name for column in declarations.contracts[name].columns}
        if version is not None and declared - {column for column, _ in version.columns}:
            raise UsageError(
                f"--only: {name} lacks columns that its contract has by now; update it first: "
                "`stedi run` without --only, or on Glue the job that builds it"
            )


def _shown_reading(reading: Reading) -> Planned:
    """What would become of a landing table."""
    rows = reading.before.rows if reading.before else None
    return Planned(reading.contract.name, reading.how, reading.reason, len(reading.files), rows)


def _shown_touched(landing: LandingPlan, warehouse: Warehouse) -> Iterator[Planned]:
    """What would become of `loads` where files have just another time."""
    loads = warehouse.version("loads")
    if landing.touched and not landing.readings:
        reason = f"{counted(len(landing.touched), 'landing file')} with another time, same bytes"
        yield Planned("loads", "rebuild", reason, 0, loads.rows if loads else None)

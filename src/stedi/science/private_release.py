"""Releases a published table as synthetic rows under person-level differential privacy.

People's data is read in one place (`Spectrum.total`), and meets noise in the next line. All else is
made of what comes out of that: rows, data sheet, the table that others may read.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from stedi import parquet
from stedi.arrays import Float64s
from stedi.check import prove
from stedi.errors import RuleBroken, StorageError, UsageError
from stedi.landing.fingerprint import Fingerprinter
from stedi.parquet import Field
from stedi.privacy.private.density import synthetic_rows
from stedi.privacy.private.noise import library, with_noise
from stedi.privacy.private.spectral import Spectrum
from stedi.privacy.published import PublishedTable
from stedi.progress import doing
from stedi.rights.budget import Budget, BudgetRequest, Charge, due_after
from stedi.rights.ledger import Handing, PrivateCost
from stedi.run import holding
from stedi.run.forget import is_begun
from stedi.science.croissant import CROISSANT, DataSet, croissant, record_set
from stedi.science.documents import new_folder, require_empty, sha256, write_checksums
from stedi.science.private_sheet import PrivateFacts, private_sheet
from stedi.status import Status
from stedi.storage.notes import Notes
from stedi.storage.sweep import sweep
from stedi.storage.warehouse import Warehouse, damage, short_name
from stedi.storage.withdrawals import epoch_ms

DATASHEET = "README.md"
_GROUP_ROWS = 1 << 17


@dataclass(frozen=True)
class PrivateRelease:
    """A folder with synthetic rows, and what they cost; `files` by name, with their sizes in bytes.

    `table` is where the same rows can be queried. `charge` numbers what the noisy vector cost, and
    `is_new` is whether that was charged now. `at` is when. `due` is from when on a release has what
    changed since.
    """

    folder: Path
    published: str
    table: str
    rows: int
    epsilon: float
    delta: float
    rho: float
    charge: int
    is_new: bool
    at: str
    due: str
    spent_before: float
    spent: float
    cap: float
    left_for: Mapping[int, float]
    files: Mapping[str, int]
    recipient: str | None = None


@dataclass(frozen=True)
class ReleaseRequest:
    """What was asked for; `epsilon` is what the contract declares where it is None."""

    folder: Path
    licence: str | None = None
    recipient: str | None = None
    epsilon: float | None = None
    wait: float = 0.0


def release_private(
    published: PublishedTable, status: Status, asked: ReleaseRequest
) -> PrivateRelease:
    """Write synthetic rows to a fresh folder and to their own table, and charge the budget.

    Nothing is written before the budget is charged. Raises `UsageError` where something is in the
    folder already, the table is out of date or has no private release declared, `NotAnonymous`
    where the budget doesn't allow it, `RuleBroken` where the lakehouse doesn't reconcile or people
    are misnumbered, `StorageError` where the budget can't be read, `Unavailable` without the extra
    `private`, and `Locked` while a run is at work.
    """
    require_empty(asked.folder)
    contract, private = published.contract, published.publication.private
    if private is None:
        raise UsageError(
            f"{contract.name} has no private release: its contract declares none "
            f"({contract.place}, publication.private)"
        )
    # What is wrong with the table of the release before, this one mends.
    problems = [p for p in status.problems if not p.startswith(f"table {private.table},")]
    if problems:
        raise RuleBroken(
            f"the lakehouse doesn't reconcile, so nothing was released: {problems[0]}; "
            "`stedi status` says more"
        )
    status.refuse_stale(contract.name)
    epsilon = private.epsilon if asked.epsilon is None else asked.epsilon
    wanted = BudgetRequest(
        contract, private, _state(published), _mechanism(published, epsilon), epsilon
    )
    Handing(published, "private release", 0, asked.folder, asked.recipient)  # is it a name?
    warehouse = published.warehouse
    with holding(warehouse, asked.wait) as lock:
        _refuse_changed(published)
        if lock.last_run_died:
            warehouse.files.remove_abandoned(last_run_died=True)
            sweep(warehouse, published.declarations.locations)
        budget = Budget.read(warehouse.files)
        charge = budget.at_hand(wanted)
        is_new = charge is None
        if charge is None:
            budget, charge = _buy(published, wanted, budget)
        facts = _facts(published, wanted, budget, charge, asked.licence)
        return _give_out(facts, asked, is_new)


def _buy(published: PublishedTable, wanted: BudgetRequest, budget: Budget) -> tuple[Budget, Charge]:
    """A noisy vector of the table as it is, charged before there is any noise."""
    prove(published.declarations)
    if problems := "; ".join(published.people_problems):
        raise RuleBroken(
            f"{wanted.contract.name}: {problems}; people would be miscounted, so nothing was "
            "released"
        )
    doing("summing up the readings of each person")
    spectrum, cost = _spectrum(published, wanted.epsilon), wanted.cost
    total = spectrum.total(published.all_rows)
    version = published.version
    budget = budget.charge(
        Charge(
            number=len(budget.charges) + 1,
            at=epoch_ms(),
            table=wanted.contract.name,
            snapshot=str(version.snapshot_id),
            committed=version.committed,
            state=wanted.state,
            mechanism=wanted.mechanism,
            profile=published.declarations.profile,
            epsilon=cost.epsilon,
            delta=cost.delta,
            rho=cost.rho,
            sensitivity=spectrum.sensitivity,
            deviation=cost.multiplier * spectrum.sensitivity,
            size=spectrum.size,
            library=library(),
        )
    )
    charge = budget.charges[-1]
    budget.keep(charge, with_noise(total, spectrum.sensitivity, cost))
    return budget, charge


def _facts(
    published: PublishedTable,
    wanted: BudgetRequest,
    budget: Budget,
    charge: Charge,
    licence: str | None,
) -> PrivateFacts:
    """What the data sheet is of; the rows are drawn here."""
    spectrum = _spectrum(published, charge.epsilon)
    noisy = budget.vector(charge)
    if len(noisy.values) != spectrum.size:
        raise StorageError(f"the noisy vector of charge {charge.number} is of another size")
    doing("fitting densities to the noisy sums, and drawing synthetic rows")
    rows = synthetic_rows(spectrum, noisy)
    return PrivateFacts(
        published, spectrum, charge, budget.around(wanted, charge), noisy, rows, licence
    )


def _give_out(facts: PrivateFacts, asked: ReleaseRequest, is_new: bool) -> PrivateRelease:
    """Write the rows to their table, and with all that one should know to the folder."""
    doing("writing the data set and its data sheet")
    published, charge, spent = facts.table, facts.charge, facts.spent
    private = facts.spectrum.private
    file = _commit(facts)
    cost = PrivateCost(
        charge=charge.number, epsilon=charge.epsilon, delta=charge.delta, rho=charge.rho
    )
    handing = Handing(
        published, "private release", facts.count, asked.folder, asked.recipient, cost=cost
    )
    with new_folder(asked.folder, handing.noting) as fresh:
        _write(facts, file, fresh)
    sizes = {path.name: path.stat().st_size for path in sorted(asked.folder.iterdir())}
    return PrivateRelease(
        folder=asked.folder,
        published=published.contract.name,
        table=private.table,
        rows=facts.count,
        epsilon=charge.epsilon,
        delta=charge.delta,
        rho=charge.rho,
        charge=charge.number,
        is_new=is_new,
        at=_time(charge.at),
        due=_time(due_after(charge, private)),
        spent_before=spent.before,
        spent=spent.total,
        cap=spent.cap,
        left_for=spent.schedules,
        files=sizes,
        recipient=handing.recipient,
    )


def _commit(facts: PrivateFacts) -> Path:
    """Have the rows in their own table, and nothing else; returns its file."""
    warehouse, private = facts.table.warehouse, facts.spectrum.private
    columns, fingerprinter = facts.table.contract.columns, Fingerprinter.of_user()
    fields = warehouse.fields(private.table, columns, private.location)
    attempt = f"{charge_name(facts.charge)}-{epoch_ms():x}"
    path = warehouse.data_folder(private.location) / attempt / "part-0.parquet"
    parquet.write_batches(_batches(facts.rows, fields), fields, path)
    fingerprint = fingerprinter.of_file(path)
    before = warehouse.version(private.table)
    if before is not None and damage(warehouse.files, before) is None:
        present = [fingerprinter.of_file(f.path, warehouse.files.open) for f in before.files]
        if present == [fingerprint]:
            warehouse.files.remove([path], emptied=True)
            path = before.files[0].path
            warehouse.files.fetch([path])
            return path
    warehouse.commit(private.table, [path], Notes({short_name(path): fingerprint}))
    return path


def charge_name(charge: Charge) -> str:
    """What files that are made of a charge's vector are called."""
    return f"charge-{charge.number}"


def _batches(rows: Mapping[str, Float64s], fields: tuple[Field, ...]) -> Iterator[pa.RecordBatch]:
    schema = parquet.arrow_schema(fields)
    arrays = [parquet.doubles(rows[field.name]) for field in fields]
    yield from pa.Table.from_arrays(arrays, schema=schema).to_batches(_GROUP_ROWS)


def _write(facts: PrivateFacts, file: Path, folder: Path) -> None:
    contract, table = facts.table.contract, facts.spectrum.private.table
    rows = f"{table}.parquet"
    shutil.copyfile(file, folder / rows)
    columns = {column.name: column.description for column in contract.columns}
    purpose = f"Synthetic rows with the columns of {contract.name}."
    about = DataSet(
        name=table,
        description=" ".join(filter(None, (purpose, contract.description, facts.promise))),
        version=contract.version,
        published=facts.charge.when,
        note=f"synthetic, private release {facts.charge.number}",
        licence=facts.licence,
    )
    described = croissant(
        about, {rows: sha256(folder / rows)}, [record_set(table, purpose, rows, columns)]
    )
    (folder / CROISSANT).write_text(described, encoding="utf-8")
    (folder / DATASHEET).write_text(private_sheet(facts, rows), encoding="utf-8")
    write_checksums(folder)


def _spectrum(published: PublishedTable, epsilon: float) -> Spectrum:
    private = published.publication.private
    assert private is not None
    return Spectrum(published.publication, private, private.resolution(epsilon))


def _mechanism(published: PublishedTable, epsilon: float) -> str:
    """Changes whenever the same rows would give another vector."""
    spectrum = _spectrum(published, epsilon)
    parts = (spectrum.private.fingerprint, spectrum.columns, spectrum.edges, spectrum.waves)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _state(published: PublishedTable) -> str:
    """Changes whenever the table is made from others, or otherwise."""
    name = published.contract.name
    inputs = dict(sorted(published.version.inputs.items()))
    parts = (inputs, published.declarations.fingerprint(name), published.declarations.profile)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _refuse_changed(published: PublishedTable) -> None:
    """Raise `UsageError` where a run was at work meanwhile, or has to be."""
    warehouse, version = published.warehouse, published.version
    if is_begun(warehouse.files):
        raise UsageError("an erasure was begun and is not done; run `stedi run` first")
    warehouse.look_again()
    now = warehouse.version(version.table)
    is_other = now is None or now.snapshot_id != version.snapshot_id
    if is_other or version.changed_inputs(lambda table: _content(warehouse, table)):
        raise UsageError(
            f"a run was at work on {version.table} meanwhile, so nothing of it was given out; "
            "release again"
        )


def _content(warehouse: Warehouse, table: str) -> int | None:
    version = warehouse.version(table)
    return version.content if version else None


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"

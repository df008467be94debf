"""The part of a run that works: engine, landing files, derived tables, lineage."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from stedi.check import check, declare_empty, prove
from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.errors import StediError
from stedi.events import stage
from stedi.landing.files import Unreadable
from stedi.privacy.proof import Proof
from stedi.privacy.proof.openlineage import prepare_to_record, record_run
from stedi.run.changes import Touched
from stedi.run.compact import compact
from stedi.run.decide import Plan
from stedi.run.derive import Derivation
from stedi.run.land import Landing
from stedi.run.options import Built, Options, Progress
from stedi.run.publish import withhold
from stedi.run.suspend import suspend
from stedi.run.work import Work
from stedi.storage.expire import remove_expired
from stedi.storage.sweep import sweep
from stedi.storage.warehouse import Warehouse

_WITHHELD = (
    "What was published had rows of people who have withdrawn. It was removed; an empty table is "
    "published until a run comes through"
)


def execute(
    warehouse: Warehouse,
    declarations: Declarations,
    engine: Engine,
    options: Options,
    progress: Progress,
    plan: Plan,
    built: list[Built],
    touched: Mapping[str, Touched],
) -> None:
    """Read and build what is planned, and nothing else; tables that were looked at go to `built`.

    `touched` says what the engine knows of changes to tables that were made before.

    Small files are merged and what is outdated removed behind it. Where it fails, what it has begun
    is removed. Closes the engine.
    """
    pool = ThreadPoolExecutor(max(1, len(declarations.landing)))
    try:
        proof = prove(declarations)
        work = Work(warehouse, declarations, engine, options, progress, built=built)
        landing = Landing(work, plan.landing, pool)
        try:
            landing.begin()  # files are read while all else is looked at and made ready
            now = (declarations.fingerprint_of_all, engine.name)
            if (warehouse.checked, warehouse.checked_by) == now:
                declare_empty(declarations, engine)
            else:
                check(declarations, engine, proof=proof, for_a_run=True)
            warehouse.prepare(declarations.landing, declarations.profile)
            with stage("landing", logging.DEBUG):
                landing.finish()
            with stage("suspensions", logging.DEBUG):
                suspend(work)
            pool.submit(prepare_to_record, warehouse.files, declarations)
            Derivation(work, touched).build(plan.derived)
            with stage("compaction", logging.DEBUG):
                compact(work)
            with stage("expiry", logging.DEBUG):
                remove_expired(warehouse, declarations)
            warehouse.checked, warehouse.checked_by = now
        except BaseException as error:
            engine.close()
            pool.shutdown(cancel_futures=True)
            with suppress(OSError, StediError):
                sweep_begun(warehouse, declarations)
                if _is_final(error, warehouse) and withhold(work):
                    error.args = (f"{error}\n{_WITHHELD}",)
                remove_expired(warehouse, declarations)  # of who withdrew, with what was done
            raise
        _record(work, proof)
    finally:
        engine.close()
        pool.shutdown(cancel_futures=True)


def _is_final(error: BaseException, warehouse: Warehouse) -> bool:
    """Whether a run ends with an error; without landing files that can't be read, it goes on."""
    if isinstance(error, Unreadable) and error.is_news(warehouse.files):
        return False
    return isinstance(error, StediError)


def sweep_begun(warehouse: Warehouse, declarations: Declarations) -> None:
    """Remove what was begun and isn't going to be committed."""
    if warehouse.lock is not None:
        warehouse.lock.check()  # what lies there is another run's where it was lost
    warehouse.look_again()  # a commit that was interrupted may have been done
    sweep(warehouse, declarations.locations)


def _record(work: Work, proof: Proof) -> None:
    """Record lineage; the tables are right even where that can't be done."""
    derived = [built.table for built in work.built if built.table in work.declarations.transforms]
    if not derived:
        return
    try:
        record_run(work.warehouse.files, work.declarations, proof, derived)
    except Exception as error:
        remark = f"lineage could not be recorded: {type(error).__name__}; the tables are up to date"
        work.warehouse.files.remarks.append(remark)

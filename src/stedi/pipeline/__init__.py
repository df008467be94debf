"""One run: landing files are parsed, then each derived table that is out of date is rebuilt.

What is committed when a run is killed are whole tables; the next run does what is missing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.errors import NotAnonymous
from stedi.fit import check
from stedi.lineage import prepare_to_record, record_run
from stedi.pipeline.derive import Derivation
from stedi.pipeline.history import keep_house
from stedi.pipeline.land import Landing
from stedi.pipeline.work import Built, Options, Progress, Work
from stedi.privacy.proof import Proof
from stedi.storage.lock import RunLock
from stedi.storage.sweep import scratch_folder, sweep
from stedi.storage.warehouse import Warehouse

__all__ = ["Built", "Options", "RunReport", "run"]


@dataclass(frozen=True)
class RunReport:
    """What a run did; no tables where nothing had changed."""

    profile: str
    profile_before: str | None
    built: tuple[Built, ...]
    swept: int
    seconds: float

    @property
    def profile_changed(self) -> bool:
        """Whether the root was run with another profile before."""
        return self.profile_before not in (None, self.profile)


def run(
    warehouse: Warehouse,
    declarations: Declarations,
    make_engine: Callable[[Path], Engine],
    options: Options,
    progress: Progress,
) -> RunReport:
    """Bring every table up to date.

    Raises `DeclarationError` before any data is touched, `LandingError`, `RuleBroken`,
    `PairingTooLarge`, `EngineFailed`, `StorageError`, `Locked`, and `NotAnonymous` when all else
    is done.
    """
    begun = time.monotonic()
    scratch = scratch_folder(warehouse.root) / f"run-{os.getpid()}"
    engine = make_engine(scratch)
    pool = ThreadPoolExecutor(max(1, len(declarations.landing)))
    try:
        proof = check(declarations, engine)
        with RunLock(warehouse.root) as lock:
            swept = sweep(warehouse, declarations.locations) if lock.last_run_died else 0
            work = Work(warehouse, declarations, engine, options, progress)
            landing = Landing(work, pool)
            before = warehouse.profile
            try:
                landing.begin()  # files are read while the catalog is being made ready
                warehouse.prepare()
                if before != declarations.profile:
                    warehouse.profile = declarations.profile
                landing.finish()
                pool.submit(prepare_to_record, warehouse.root, declarations)
                Derivation(work).bring_up_to_date()
                keep_house(work)
            except BaseException:
                engine.close()
                pool.shutdown(cancel_futures=True)
                with suppress(OSError):
                    sweep(warehouse, declarations.locations)
                raise
            _record(work, proof)
            _refuse_withheld(work)
            seconds = time.monotonic() - begun
            return RunReport(declarations.profile, before, tuple(work.built), swept, seconds)
    finally:
        engine.close()
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):
            scratch.parent.rmdir()  # the last one out


def _record(work: Work, proof: Proof) -> None:
    """Record lineage; the tables are right even where that can't be done."""
    derived = [one.table for one in work.built if one.table in work.declarations.transforms]
    if not derived:
        return
    try:
        record_run(work.warehouse.root, work.declarations, proof, derived)
    except Exception as error:
        work.progress(f"lineage could not be recorded: {type(error).__name__}")


def _refuse_withheld(work: Work) -> None:
    if work.withheld:
        reasons = "\n".join(f"{table}: {why}" for table, why in work.withheld.items())
        raise NotAnonymous(
            f"{reasons}\nAn empty table is published instead; the others are up to date. More "
            "people are needed, or other data of those there are"
        )

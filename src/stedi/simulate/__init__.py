"""Landing data with the starter data's keys, at any size, deterministic by seed.

Plain data has the starter data's values too: whole accelerations, distances without a pattern, one
record a customer. With `people`, customers walk, stand and balance, give, change and withdraw their
consent, share Step Trainers, and some files are delivered twice. Defects can be planted in either.
`truth.json` beside the data says what a lakehouse must find that has it for its landing zone, for
each profile and under the names that `status` uses. (`ingest` leaves copies of files behind, so
there the figures for copies are zero.)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stedi.arrays import Bools, Int64s
from stedi.errors import UsageError
from stedi.progress import advance, doing, expect
from stedi.simulate.defects import (
    BAD_FILE,
    MISDATED,
    NAMELESS,
    UNKNOWN_KEYS,
    Planted,
    chosen,
    misdate,
    plant,
    share_of_batch,
)
from stedi.simulate.drawn import Drawn, People
from stedi.simulate.histories import draw_devices, draw_histories, plain_records
from stedi.simulate.lines import Lines, accelerometer_lines, customer_lines, step_lines
from stedi.simulate.motion import draw_motion, measured
from stedi.simulate.population import batches, moments, plain_accelerations, plain_distances
from stedi.simulate.truth import SOURCES, Truth
from stedi.text import counted

__all__ = ["TRUTH_FILE", "Simulated", "simulate"]

TRUTH_FILE = "truth.json"
BATCHES_PER_REDELIVERY = 10
SHARE_OF_LATER_FILE = 0.3


@dataclass(frozen=True)
class Simulated:
    """What was written: records a source, without what is broken or delivered twice, and files."""

    customers: int
    step_readings: int
    accelerometer_records: int
    files: int


def simulate(
    destination: Path,
    *,
    customers: int,
    seed: int = 0,
    people: bool = False,
    defects: int | Mapping[str, int] = 0,
) -> Simulated:
    """Write a landing zone for `customers` customers below `destination`.

    Files are `<source>/landing/<source>-<batch>.json`, one JSON object a line, and what they hold
    is counted in `truth.json`. The same arguments give the same bytes.

    Args:
        destination: A folder; it may exist.
        customers: How many people.
        seed: Of the random generators.
        people: Whether customers move like people, change their minds and share Step Trainers,
            and files are delivered twice.
        defects: How many of each kind of defect each source has, or how many by kind
            (`stedi.simulate.defects.KINDS`).

    Raises `UsageError` where landing files already lie there, and for more defects than there is
    room for.

    """
    if customers < 1:
        raise UsageError(f"--customers must be at least 1, not {customers}")
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {seed}")
    counts = chosen(defects, customers)
    _make_folders(destination)
    truth = Truth()
    readings = records = 0
    try:
        doing(f"simulating {counted(customers, 'customer')}")
        expect(customers, "customers")
        for batch, persons in enumerate(batches(customers, seed)):
            drawn = _draw_people(persons, truth) if people else _draw_plain(persons)
            _Delivery(
                destination=destination,
                batch=batch,
                defects=share_of_batch(counts, customers, batch),
                is_of_people=people,
                rng=np.random.default_rng([seed, batch, 1]),
                truth=truth,
            ).write(drawn)
            advance(len(drawn.device))
            readings += len(drawn.moments.person)
            records += len(drawn.accelerations.reading)
        arguments = {"customers": customers, "seed": seed, "people": people, "defects": counts}
        _write_truth(destination, {"simulated": arguments, **truth.as_json()})
    except BaseException:  # half a population would be taken for a whole one
        for source in SOURCES:
            shutil.rmtree(destination / source / "landing", ignore_errors=True)
        for folder in (*(destination / source for source in SOURCES), destination):
            with suppress(OSError):  # there is something else in it
                folder.rmdir()
        raise
    return Simulated(customers, readings, records, truth.files)


def _make_folders(destination: Path) -> None:
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"{destination}: not a folder")
    for source in SOURCES:
        folder = destination / source / "landing"
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} has files already; simulate into an empty folder, so that two "
                "populations don't mix"
            )
        folder.mkdir(parents=True, exist_ok=True)


def _draw_plain(people: People) -> Drawn:
    when = moments(people)
    return Drawn(
        people=people,
        records=plain_records(people),
        device=np.arange(len(people.registered)),
        moments=when,
        distance=plain_distances(people.rng, len(when.person)),
        accelerations=plain_accelerations(people.rng, len(when.person)),
    )


def _draw_people(people: People, truth: Truth) -> Drawn:
    device = draw_devices(people)
    records, histories = draw_histories(people, device)
    truth.histories.update(histories)
    when = moments(people)
    motion = draw_motion(people.rng, when, len(device))
    accelerations = measured(people.rng, motion)
    return Drawn(people, records, device, when, motion.distance, accelerations)


@dataclass(frozen=True)
class _Delivery:
    """Writes the files of one batch, and notes in the truth what they hold."""

    destination: Path
    batch: int
    defects: Mapping[str, int]
    is_of_people: bool
    rng: np.random.Generator
    truth: Truth

    def write(self, drawn: Drawn) -> None:
        misdated = misdate(self.rng, drawn.records, self.defects.get(MISDATED, 0))
        drawn = replace(drawn, records=misdated)
        suspended = self._write_customers(drawn)
        self._write_source("step_trainer", step_lines(drawn))
        self._write_source("accelerometer", accelerometer_lines(drawn))
        self.truth.add(drawn, suspended)

    def _write_customers(self, drawn: Drawn) -> Bools:
        """Write the customer source; returns whose consent a broken record suspends."""
        lines = customer_lines(drawn)
        if self.is_of_people:
            lines, later = lines.split(len(lines) - int(SHARE_OF_LATER_FILE * len(lines)))
            self._write_file("customer", "later.json", later)
        person = drawn.records.person[: len(lines)]
        planted = self._write_source("customer", lines, np.flatnonzero(drawn.consents[person]))
        suspended = np.zeros(len(drawn.device), bool)
        suspended[person[planted.suspended]] = True
        return suspended

    def _write_source(self, source: str, lines: Lines, known: Int64s | None = None) -> Planted:
        """Write a source's main file, with defects, and what comes with it."""
        known = np.arange(len(lines)) if known is None else known
        planted = plant(self.rng, source, lines, known, self.defects)
        path = self._write_file(source, None, lines, planted.edits)
        for name, content in planted.files.items():
            self._path(source, name).write_bytes(content)
        counts = self.truth.sources[source]
        counts.files += len(planted.files)
        counts.quarantined += planted.quarantined
        counts.unknown_keys += planted.spelled[UNKNOWN_KEYS]
        self.truth.notes["bad_files"] += self.defects.get(BAD_FILE, 0)
        if source == "customer":
            self.truth.notes["set_aside_without_email"] += planted.quarantined[NAMELESS]
        self.truth.spelled += planted.spelled
        if self.is_of_people and self.batch % BATCHES_PER_REDELIVERY == 0:
            shutil.copyfile(path, self._path(source, "again.json"))
            counts.copies += 1
        return planted

    def _write_file(
        self, source: str, name: str | None, lines: Lines, edits: Mapping[int, bytes] | None = None
    ) -> Path:
        path = self._path(source, name)
        lines.write(path, edits or {})
        self.truth.sources[source].files += 1
        return path

    def _path(self, source: str, name: str | None) -> Path:
        stem = f"{source}-{self.batch:05}"
        folder = self.destination / source / "landing"
        return folder / (f"{stem}-{name}" if name else f"{stem}.json")


def _write_truth(destination: Path, truth: Mapping[str, Any]) -> None:
    text = json.dumps(truth, indent=2, ensure_ascii=False)
    (destination / TRUTH_FILE).write_text(text + "\n", encoding="utf-8")

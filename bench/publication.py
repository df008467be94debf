"""What the publication costs: millions of matched readings, and data with few distinct values.

    python bench/publication.py [--pairs 5000000]

Prints seconds and peak memory of a process that has nothing but the matched readings in memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Publication
from stedi.parquet import Field
from stedi.privacy.publication import Raw, write_published
from stedi.simulate.drawn import Moments
from stedi.simulate.motion import draw_motion, measured
from stedi.simulate.population import READINGS_PER_CUSTOMER, records_of_readings

COLUMNS = ("distancefromobject", "x", "y", "z")
PAIRS_PER_PERSON = 85


def main() -> None:
    """Measure each case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5_000_000)
    parser.add_argument("--case", choices=("walking", "few values"))
    given = parser.parse_args()
    if given.case:
        measure(given.case, given.pairs)
        return
    for case in ("walking", "few values"):
        subprocess.run(
            [sys.executable, __file__, "--case", case, "--pairs", str(given.pairs)], check=True
        )


def measure(case: str, pairs: int) -> None:
    """Publish matched readings that are in memory already, and print what that took."""
    publication = read_declarations(packaged()).contracts["machine_learning_curated"].publication
    assert publication is not None
    with tempfile.TemporaryDirectory() as folder:
        publish(publication, walking(100), Path(folder) / "warm")  # what is compiled is compiled
        raw = walking(pairs // PAIRS_PER_PERSON) if case == "walking" else few_values(pairs)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.perf_counter()
        classes = publish(publication, raw, Path(folder) / "timed")
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{case}: {raw.rows:,} pairs into {classes:,} classes in {seconds:.1f} s; "
        f"peak memory {peak / 1024:,.0f} MB, {before / 1024:,.0f} MB before it began"
    )


def publish(publication: Publication, raw: Raw, folder: Path) -> int:
    """Publish matched readings as a run does, files included; returns the number of classes."""
    import pyarrow.parquet as pq

    fields = [Field(name, "double", n) for n, name in enumerate(COLUMNS, start=1)]
    written = write_published(raw, publication, fields, folder, folder / "boxes.parquet")
    assert written.boxes is not None, written.why
    return int(pq.read_metadata(written.boxes).num_rows)


def walking(people: int, seed: int = 1) -> Raw:
    """Matched readings of people who walk, stand and balance, with their own records."""
    rng = np.random.default_rng(seed)
    readings = people * READINGS_PER_CUSTOMER
    person = np.repeat(np.arange(people), READINGS_PER_CUSTOMER)
    moments = Moments(person, np.sort(rng.integers(0, 120_000, readings)))
    motion = draw_motion(rng, moments, people)
    records = measured(rng, motion)
    axes = {name: getattr(records, name).cast("double").to_numpy() for name in "xyz"}
    distance = motion.distance[records.reading].astype(float)
    owner = person[records.reading]
    return Raw({"distancefromobject": distance, **axes}, (owner, owner))


def few_values(pairs: int) -> Raw:
    """Matched readings with the values of the starter data."""
    rng = np.random.default_rng(2)
    readings = int(pairs / 2.83)
    reading = records_of_readings(rng, readings)
    owner = reading // READINGS_PER_CUSTOMER
    columns = {axis: rng.integers(-1, 2, len(reading)).astype(float) for axis in "xyz"}
    distance = rng.integers(201, 301, readings)[reading].astype(float)
    return Raw({"distancefromobject": distance, **columns}, (owner, owner))


if __name__ == "__main__":
    main()

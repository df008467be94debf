"""What a publication in parts costs: matched readings of people who walk, as files of Parquet.

    python bench/parts.py [--pairs 46000000] [--rows-at-once 16777216] [--engine duckdb]
    python bench/parts.py --engine spark --workers 2 --memory 3g

Prints seconds, and the peak memory of the process that publishes; of Spark that is the driver's
Python. `--in-memory` publishes the same files as a run publishes few rows. Files that are made are
kept in --folder for the next time. With `--workers` a Spark cluster is started on this machine;
each of its JVMs has as much memory as told, and the peaks of all its processes are printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from publication import COLUMNS, PAIRS_PER_PERSON, walking
from sqlglot import exp

from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.engines import choose
from stedi.parquet import Field
from stedi.privacy.publication import ROWS_AT_ONCE, publish, publish_in_parts
from stedi.privacy.publication.search import prepare
from stedi.privacy.publication.spilled import Spilled
from stedi.roots.local.files import LocalFiles
from stedi.sql.tree import parse

sys.path.append(str(Path(__file__).parents[1]))
from tests.support.cluster import below, cluster

_BETWEEN_LOOKS = 1.0
PEOPLE_A_FILE = 20_000
SIDES = ("step_person", "accelerometer_person")


def main() -> None:
    """Make the matched readings, and publish them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=46_000_000)
    parser.add_argument("--rows-at-once", type=int, default=ROWS_AT_ONCE)
    parser.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb")
    parser.add_argument("--in-memory", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "pairs")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--memory", default="3g")
    parser.add_argument("--master")
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    if given.measure:
        measure(given)
        return
    make(given.folder, given.pairs)
    command = [sys.executable, __file__, "--measure", *sys.argv[1:]]
    if not given.workers:
        subprocess.run(command, check=True)
        return
    each = f"--driver-memory {given.memory} --executor-memory {given.memory}"
    environment = os.environ | {"PYSPARK_SUBMIT_ARGS": f"{each} pyspark-shell"}
    with (
        tempfile.TemporaryDirectory(dir=given.folder.parent) as folder,
        cluster(Path(folder) / "cluster", given.workers, given.memory) as started,
    ):
        running = subprocess.Popen([*command, "--master", started.url], env=environment)
        workers = [worker.pid for worker in started.workers]
        peaks = watch(running, workers)
    for name, most in peaks.items():
        print(f"{name}: peak memory {most >> 20:,} MB")
    sys.exit(running.returncode)


def watch(running: subprocess.Popen[bytes], workers: Sequence[int]) -> dict[str, int]:
    """The most memory of the driver and of each worker's executor, each with what it started."""
    peaks: dict[str, int] = {}
    while running.poll() is None:
        groups = {"driver": [running.pid, *below(running.pid)]}
        groups |= {f"executor {number}": below(worker) for number, worker in enumerate(workers)}
        for name, processes in groups.items():
            peaks[name] = max(peaks.get(name, 0), sum(map(memory, processes)))
        time.sleep(_BETWEEN_LOOKS)
    return peaks


def memory(process: int) -> int:
    """Bytes of a process, with its part of what others share; 0 if it has ended."""
    with suppress(OSError):
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        return int(text.split("\nPss:")[1].split()[0]) << 10
    return 0


def make(folder: Path, pairs: int) -> None:
    """Files of so many matched readings: those of some people again and again, moved a little."""
    folder.mkdir(parents=True, exist_ok=True)
    files = -(-pairs // (PEOPLE_A_FILE * PAIRS_PER_PERSON))
    if len([*folder.iterdir()]) == files:
        return
    rng, raw = np.random.default_rng(1), walking(PEOPLE_A_FILE)
    for number in range(files):
        moved = {n: c + rng.integers(-20, 21, raw.rows) / 1000 for n, c in raw.columns.items()}
        moved["distancefromobject"] = raw.columns["distancefromobject"]
        people = raw.people[0] + number * PEOPLE_A_FILE
        table = pa.table({**moved, **dict.fromkeys(SIDES, people)})
        pq.write_table(table, folder / f"{number:04}.parquet", compression="lz4")


def measure(given: argparse.Namespace) -> None:
    """Publish, and print what that took."""
    publication = read_declarations(packaged()).contracts["machine_learning_curated"].publication
    assert publication is not None
    prepare()
    fields = [Field(name, "double", n) for n, name in enumerate(COLUMNS, start=1)]
    columns = [Column(name, "double", "none") for name in COLUMNS]
    columns += [Column(name, "long", "none") for name in SIDES]
    select = parse(f"SELECT {', '.join([*COLUMNS, *SIDES])} FROM pairs", "bench")
    assert isinstance(select, exp.Select)
    with tempfile.TemporaryDirectory(dir=given.folder.parent) as folder:
        root = Path(folder)
        files = LocalFiles(root)
        (root / "scratch").mkdir()
        with closing(choose(given.engine, given.master)(root / "scratch", files)) as engine:
            engine.declare("pairs", columns, sorted(map(str, given.folder.iterdir())))
            before, begin = peak(), time.perf_counter()
            cpu = time.process_time()
            if given.in_memory:
                rows = engine.gather("gathered", select)
                written = publish(rows, publication, fields, root / "rows", root / "boxes.parquet")
            else:
                spilled = Spilled.of(engine, "spilled", select, publication)
                print(f"spilled {spilled.rows:,} after {time.perf_counter() - begin:.1f} s")
                written = publish_in_parts(
                    spilled, files, publication, fields, root / "rows", root / "boxes.parquet",
                    given.rows_at_once,
                )  # fmt: skip
            seconds = time.perf_counter() - begin
        assert written.boxes is not None, written.why
        classes = pq.read_metadata(written.boxes).num_rows
        count = sum(pq.read_metadata(path).num_rows for path in written.paths)
    print(
        f"{given.engine}{' in memory' if given.in_memory else ''}: {count:,} pairs into "
        f"{classes:,} classes, {len(written.paths)} files, in {seconds:.1f} s, "
        f"{time.process_time() - cpu:.1f} s of CPU; "
        f"peak memory {peak():,} MB, {before:,} MB before it began"
    )


def peak() -> int:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()

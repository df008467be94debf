"""Metadata of a lakehouse of many runs: how many files and bytes it has, and how long a run takes.

    python bench/many_runs.py [RUNS]

Each run reads one more file with one accelerometer record.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from stedi import Lakehouse


def main(runs: int) -> None:
    """Print a line each time that the number of runs has doubled, and at the end."""
    with tempfile.TemporaryDirectory() as folder:
        lakehouse = Lakehouse(Path(folder) / "root")
        lakehouse.simulate(lakehouse.root, customers=20)
        lakehouse.run()
        print("  runs  files   kB metadata   kB data   seconds a run")
        begun, told = time.monotonic(), 0
        for run in range(1, runs + 1):
            deliver(lakehouse.root, run)
            lakehouse.run()
            if run in (1, 10, 30, 100, 300, 1000) or run == runs:
                seconds = (time.monotonic() - begun) / (run - told)
                print(f"{run:6} {measured(lakehouse.root)} {seconds:15.2f}", flush=True)
                begun, told = time.monotonic(), run


def deliver(root: Path, run: int) -> None:
    """Write one more landing file."""
    first = (root / "customer/landing").glob("*.json")
    email = json.loads(next(first).read_text().splitlines()[0])["email"]
    record = {"user": email, "timestamp": 1_700_000_000_000 + run, "x": 0.5, "y": 0.1, "z": -0.5}
    (root / f"accelerometer/landing/more-{run}.json").write_text(json.dumps(record))


def measured(root: Path) -> str:
    """Files below the tables' folders, and kilobytes of metadata and of data."""
    files = [p for p in root.rglob("*") if p.is_file() and "landing" not in p.parts]
    metadata = sum(p.stat().st_size for p in files if "metadata" in p.parts)
    data = sum(p.stat().st_size for p in files if "data" in p.parts)
    return f"{len(files):6} {metadata / 1000:13,.0f} {data / 1000:9,.0f}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

"""What else a run has to bear, held against its own time on clean data and with memory to spare.

    python bench/hardships.py [--customers N] [--people] [--rounds N]

One bad record in a hundred, of every kind and in every file; a gigabyte of memory for everything,
set by a control group (which needs the right to make one); then `status` against a bare process
that opens the same catalog and lists the same files, and `--help`. Medians of each round's ratios.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from increments import BARE

from stedi import Lakehouse
from stedi.simulate.defects import BROKEN, KEYS

BENCH = Path(__file__).parent
STEDI = Path(sys.executable).with_name("stedi")
GIGABYTE = 1 << 30
GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--people", action="store_true", help="people who walk")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    case = f"{given.customers}{'-people' if given.people else ''}"
    clean, bad = BENCH / "data" / case, BENCH / "data" / f"{case}-bad"
    if not clean.exists():
        Lakehouse.simulate(clean / "landing", customers=given.customers, people=given.people)
    if not bad.exists():
        spoil(clean / "landing", bad / "landing")
    root = clean / "root-hardships"
    group = new_group()
    bad_ratios, tight_ratios = [], []
    for number in range(given.rounds + 1):
        usual = run(clean, root)
        spoiled = run(bad, root)
        tight = run(clean, root, group) if group else float("nan")
        if number:  # the first warms the page cache
            print(f"  clean {usual:.2f} s, bad {spoiled:.2f} s, in a gigabyte {tight:.2f} s")
            bad_ratios.append(spoiled / usual)
            tight_ratios.append(tight / usual)
    print(f"one bad record in a hundred: {statistics.median(bad_ratios):.2f} of the clean time")
    if group:
        print(f"in a gigabyte of memory: {statistics.median(tight_ratios):.2f} of the usual time")
        group.rmdir()
    else:
        print("in a gigabyte of memory: not measured, no control group could be made")
    status = [str(STEDI), "status", "--root", str(root), "--quiet"]
    bare = [sys.executable, "-c", BARE, str(root)]
    print(f"status: {held_against(status, bare, given.rounds):.2f} of a bare process")
    told = [timed([str(STEDI), "--help"]) for _ in range(given.rounds)]
    print(f"--help: {statistics.median(told):.2f} s")
    shutil.rmtree(root)


def spoil(landing: Path, destination: Path) -> None:
    """Copy a landing zone with every hundredth record broken, in each way in turn."""
    ways = list(BROKEN.values())
    for path in landing.glob("*/landing/*.json"):
        copy = destination / path.relative_to(landing)
        copy.parent.mkdir(parents=True, exist_ok=True)
        keys = KEYS[copy.relative_to(destination).parts[0]]
        with path.open("rb") as lines, copy.open("wb") as file:
            for number, line in enumerate(lines):
                is_bad = number % 100 == 50
                file.write(ways[number // 100 % len(ways)](line, keys) if is_bad else line)


def run(data: Path, root: Path, group: Path | None = None) -> float:
    """Seconds of a cold run; within a control group, if there is one given."""
    shutil.rmtree(root, ignore_errors=True)
    for source in KEYS:
        shutil.copytree(data / "landing" / source, root / source, copy_function=os.link)

    def join() -> None:
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    return timed([str(STEDI), "run", "--root", str(root), "--quiet"], join)


def held_against(ours: list[str], bare: list[str], rounds: int) -> float:
    """The median ratio of the times of two commands in turn, after a round that warms up."""
    ratios = [timed(ours) / timed(bare) for _ in range(rounds + 1)]
    return statistics.median(ratios[1:])


def timed(command: list[str], before: Callable[[], None] = lambda: None) -> float:
    """Seconds that a command takes."""
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, preexec_fn=before)
    return time.perf_counter() - begin


def new_group() -> Path | None:
    """A control group that has a gigabyte of memory, where one can be made."""
    for folder, limit in GROUPS:
        group = folder / f"stedi-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(GIGABYTE))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        return group
    return None


if __name__ == "__main__":
    main()

"""Races a cold `stedi run` against the same tables by hand, whole processes, in turn.

    python bench/race.py [--customers N] [--rounds N] [--runners NAME,…] [--people] [--record]

Every round runs each once: machines drift, and a ratio within one round doesn't. `apart` is stedi's
time without what generalises the published table, which nobody else does. `--record` keeps the
figures of this machine in bench/results.json, `--check` fails where ratios are more than 15 % worse
than those.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from stedi import Lakehouse

BENCH = Path(__file__).parent
RESULTS = BENCH / "results.json"
OURS = "stedi"
RUNNERS = (OURS, "duckdb", "polars", "spark", "dbt", "floor")
FIGURES = ("wall", "apart", "cpu", "peak", "written")
# Of Spark's memory and CPU time most is a JVM's, which nobody waits for; the floor writes nothing.
UNKNOWN = {"spark": ("cpu", "peak"), "floor": ("written",)}
MOST_LOSS = 1.15


@dataclass(frozen=True)
class Measured:
    """One process: wall and CPU seconds, peak resident memory and what it wrote, in bytes.

    `apart` is the wall time without what it took to generalise the published table.
    """

    wall: float
    apart: float
    cpu: float
    peak: int
    written: int


@dataclass(frozen=True)
class Ratio:
    """Medians of ours and a peer's, and of the ratios of each round."""

    ours: float
    peer: float
    ratio: float


Rounds = list[dict[str, Measured]]
Table = dict[str, dict[str, Ratio]]


def main() -> None:
    """Race, print, and keep or check the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runners", default=",".join(RUNNERS))
    parser.add_argument("--people", action="store_true", help="people who walk, as published data")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    case = f"{given.customers}{'-people' if given.people else ''}"
    data = BENCH / "data" / case
    if not data.exists():
        print(f"simulating {case} into {data}", flush=True)
        Lakehouse.simulate(data / "landing", customers=given.customers, people=given.people)
    size = sum(path.stat().st_size for path in (data / "landing").rglob("*") if path.is_file())
    print(f"{size / 1e9:.2f} GB of JSON, {os.cpu_count()} cores, {given.rounds} rounds")
    runners = [one for one in RUNNERS if one == OURS or one in given.runners.split(",")]
    if "dbt" in runners and "STEDI_DBT" not in os.environ:
        print("without dbt: it needs an environment of its own (bench/peer_dbt.py)")
        runners.remove("dbt")
    rounds = race(data, given.rounds, runners)
    table = compare(rounds)
    show(table)
    if given.record:
        _record(case, table)
    if given.check:
        _check(case, table)


def race(data: Path, rounds: int, runners: Sequence[str]) -> Rounds:
    """Run everybody so many times in turn, after a round that warms the page cache."""
    found: Rounds = []
    for number in range(rounds + 1):
        measured = {runner: _run(runner, data) for runner in runners}
        if number:
            found.append(measured)
            walls = ", ".join(f"{name} {one.wall:.2f} s" for name, one in measured.items())
            print(f"  {walls}", flush=True)
    return found


def compare(rounds: Rounds) -> Table:
    """Each figure against each peer's. What is apart is held against the peer's whole time."""
    table: Table = {}
    for peer in (one for one in rounds[0] if one != OURS):
        table[peer] = {}
        for name in FIGURES:
            if name in UNKNOWN.get(peer, ()):
                continue
            left = [float(getattr(one[OURS], name)) for one in rounds]
            right = [float(getattr(one[peer], name)) for one in rounds]
            ratios = [a / b for a, b in zip(left, right, strict=True)]
            medians = map(statistics.median, (left, right, ratios))
            table[peer][name] = Ratio(*medians)
    return table


def show(table: Table) -> None:
    """Print the figures for people."""
    units = {"wall": ("s", 1.0), "apart": ("s", 1.0), "cpu": ("s", 1.0)}
    for peer, figures in table.items():
        print(f"\n{'':14}{'stedi run':>12}{peer:>12}{'ratio':>8}")
        for name, one in figures.items():
            unit, scale = units.get(name, ("MB", 1e6))
            values = f"{one.ours / scale:12.2f}{one.peer / scale:12.2f}{one.ratio:8.2f}"
            print(f"{f'{name}, {unit}':14}{values}")


def _run(runner: str, data: Path) -> Measured:
    landing, output = data / "landing", data / f"root-{runner}"
    shutil.rmtree(output, ignore_errors=True)
    if runner == OURS:
        output.mkdir()
        for source in landing.iterdir():  # hard links: a landing zone without a copy
            if source.is_dir():
                shutil.copytree(source, output / source.name, copy_function=os.link)
        stedi = Path(sys.executable).with_name("stedi")
        command = [str(stedi), "run", "--root", str(output), "--json"]
    else:
        script = BENCH / ("floor_duckdb.py" if runner == "floor" else f"peer_{runner}.py")
        command = [sys.executable, str(script), str(landing), str(output)]
    quiet = subprocess.DEVNULL if runner == "spark" else None
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True)
    assert process.stdout is not None
    told = process.stdout.read()
    _, exit_status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(exit_status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    generalising = 0.0
    if runner == OURS:
        generalising = sum(table["publication_seconds"] for table in json.loads(told)["built"])
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    files = [path for path in output.rglob("*") if path.is_file() and path.stat().st_nlink == 1]
    written = sum(path.stat().st_size for path in files)
    shutil.rmtree(output, ignore_errors=True)
    return Measured(wall, wall - generalising, usage.ru_utime + usage.ru_stime, peak, written)


def _record(case: str, table: Table) -> None:
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    of_case = known.setdefault(case, {})
    of_case[_machine()] = {
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("duckdb", "polars", "pyspark", "pyarrow")},
        },
        "ratios": of_case.get(_machine(), {}).get("ratios", {})
        | {
            peer: {name: asdict(one) for name, one in figures.items()}
            for peer, figures in table.items()
        },
    }
    RESULTS.write_text(json.dumps(known, indent=1, allow_nan=False) + "\n")


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    model = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, {model}"


def _check(case: str, table: Table) -> None:
    recorded = json.loads(RESULTS.read_text())[case]
    if _machine() not in recorded:
        raise SystemExit(
            f"no ratios are recorded of this machine, {_machine()}, and between machines they "
            "differ by more than a change does. Record a known version first: race.py --record"
        )
    known = recorded[_machine()]["ratios"]
    worse = [
        f"{name} to {peer}: {one.ratio:.2f}, and it was {known[peer][name]['ratio']:.2f}"
        for peer, figures in table.items()
        for name, one in figures.items()
        if one.ratio > MOST_LOSS * known.get(peer, {}).get(name, {}).get("ratio", float("inf"))
    ]
    if worse:
        raise SystemExit("worse by more than 15 %:\n" + "\n".join(worse))
    print("\nno ratio is more than 15 % worse than the recorded one")


if __name__ == "__main__":
    main()

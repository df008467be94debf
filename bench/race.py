"""Races a cold `stedi run` against DuckDB by hand, whole processes, in turn.

    python bench/race.py [--customers N] [--rounds N]

Prints medians, and the ratio round by round: machines drift, and a ratio within one round doesn't.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stedi import Lakehouse

BENCH = Path(__file__).parent


@dataclass(frozen=True)
class Measured:
    """One process: wall and CPU seconds, peak resident memory in bytes.

    `apart` is the wall time without what it took to make the published table anonymous.
    """

    wall: float
    cpu: float
    peak: int
    apart: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    data = BENCH / "data" / f"{arguments.customers}"
    if not data.exists():
        print(f"simulating {arguments.customers:,} customers into {data}", flush=True)
        Lakehouse.simulate(data / "landing", customers=arguments.customers)
    size = sum(path.stat().st_size for path in (data / "landing").rglob("*") if path.is_file())
    print(f"{size / 1e9:.2f} GB of JSON, {os.cpu_count()} cores, {arguments.rounds} rounds")

    rounds = []
    for number in range(arguments.rounds + 1):
        ours, peer = _ours(data), _peer(data)
        if number:  # the first warms the page cache
            rounds.append((ours, peer))
            print(f"  stedi {ours.wall:.2f} s, peer {peer.wall:.2f} s", flush=True)
    print(f"{'':12}{'stedi run':>12}{'by hand':>12}{'ratio':>8}")
    print("apart: wall time without making the published table anonymous, which the peer does not")
    figures = (("wall", "s", 1.0), ("apart", "s", 1.0), ("cpu", "s", 1.0), ("peak", "MB", 1e6))
    for name, unit, scale in figures:
        left = [getattr(ours, name) / scale for ours, _ in rounds]
        right = [getattr(peer, name) / scale for _, peer in rounds]
        ratio = statistics.median(a / b for a, b in zip(left, right, strict=True))
        a, b = statistics.median(left), statistics.median(right)
        print(f"{f'{name}, {unit}':12}{a:12.2f}{b:12.2f}{ratio:8.2f}")


def _ours(data: Path) -> Measured:
    root = data / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for source in (data / "landing").iterdir():  # hard links: a landing zone without a copy
        if source.is_dir():
            shutil.copytree(source, root / source.name, copy_function=os.link)
    stedi = Path(sys.executable).with_name("stedi")
    return _measure([str(stedi), "run", "--root", str(root), "--json"])


def _peer(data: Path) -> Measured:
    output = data / "peer"
    shutil.rmtree(output, ignore_errors=True)
    script = BENCH / "peer_duckdb.py"
    return _measure([sys.executable, str(script), str(data / "landing"), str(output)])


def _measure(command: list[str]) -> Measured:
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = process.stdout.read()
    _, exit_status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(exit_status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    built = json.loads(told)["built"] if told else []
    anonymous = sum(table["publication_seconds"] for table in built)
    return Measured(wall, usage.ru_utime + usage.ru_stime, peak, wall - anonymous)


if __name__ == "__main__":
    main()

"""The first second: commands that only look, against a process that opens the same root.

    python bench/first_second.py [ROUNDS]

Whole processes in turn, by the CPU time of each, so that others at work on the machine matter less.
The peer imports PyIceberg's SQL catalog and DuckDB, loads each table's metadata, and runs a query.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from stedi import Lakehouse

PEER = """
import sys, duckdb
from pyiceberg.catalog.sql import SqlCatalog
root = sys.argv[1]
catalog = SqlCatalog("stedi", uri=f"sqlite:///{root}/_stedi/catalog.db")
for namespace in catalog.list_namespaces():
    for table in catalog.list_tables(namespace):
        catalog.load_table(table)
duckdb.connect().sql("SELECT 1").fetchall()
"""
COMMANDS = {
    "--help": ("--help",),
    "status": ("status",),
    "run": ("run",),
    "query": ("query", "SELECT COUNT(*) FROM customer_trusted"),
    "explain": ("explain", "customer_trusted"),
    "check": ("check",),
}


def measured(words: list[str]) -> tuple[float, float]:
    """CPU seconds and seconds of a process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - began


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = str(Path(folder).resolve() / "root")
        Lakehouse(root).demo()
        processes = {"peer": [sys.executable, "-c", PEER, root]}
        for name, verb in COMMANDS.items():
            where = () if name == "--help" else ("--root", root)
            processes[name] = [sys.executable, "-m", "stedi", *verb, *where]
        taken = defaultdict(list)
        for _ in range(rounds + 1):  # the first writes what is kept, and isn't counted
            for name, words in processes.items():
                taken[name].append(measured(words))
    peer = statistics.median(cpu for cpu, _ in taken["peer"][1:])
    for name, figures in taken.items():
        cpu, wall = (statistics.median(values) for values in zip(*figures[1:], strict=True))
        print(f"{name:10} {cpu:5.2f} s of CPU, {cpu / peer:4.2f} of the peer's; {wall:5.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

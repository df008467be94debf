"""Both engines from a thousand to a million customers: time, memory, and bytes moved at each stage.

    python bench/scale.py [--most N] [--engine duckdb|spark] [--only-largest]

Prints a table for people, and writes bench/data/scale.json. A table's stage is from the commit of
the one before to its own; the landing tables, which are read side by side, share one. What Spark's
tasks did for a table is told by its event log.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stedi import Lakehouse

BENCH = Path(__file__).parent
SIZES = [1_000, 10_000, 100_000, 1_000_000]


@dataclass
class Moved:
    """What a run's work on one table took: seconds of tasks, and bytes."""

    tasks: int = 0
    task_seconds: float = 0.0
    read: int = 0
    shuffled: int = 0
    written: int = 0
    spilled: int = 0


@dataclass
class Measured:
    """One whole process on one landing zone."""

    engine: str
    customers: int
    json_bytes: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    read_bytes: int
    written_bytes: int
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    moved: dict[str, Moved] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--engine", choices=["duckdb", "spark"])
    parser.add_argument("--only-largest", action="store_true")
    arguments = parser.parse_args()
    sizes = [size for size in SIZES if size <= arguments.most]
    engines = [arguments.engine] if arguments.engine else ["duckdb", "spark"]
    results = []
    for customers in sizes[-1:] if arguments.only_largest else sizes:
        landing = BENCH / "data" / f"{customers}" / "landing"
        if not landing.exists():
            Lakehouse.simulate(landing, customers=customers)
        for engine in engines:
            results.append(measure(engine, customers, landing))
            show(results[-1])
    path = BENCH / "data" / "scale.json"
    path.write_text(json.dumps([asdict(result) for result in results], indent=1))


def measure(engine: str, customers: int, landing: Path) -> Measured:
    """Run an engine into an empty root, as a process of its own."""
    root = landing.parent / f"root-{engine}"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for source in landing.iterdir():
        if source.is_dir():  # hard links: a landing zone without a copy
            shutil.copytree(source, root / source.name, copy_function=os.link)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as events:
        environment = os.environ | {
            "PYSPARK_SUBMIT_ARGS": "--conf spark.eventLog.enabled=true "
            "--conf spark.eventLog.compress=false --conf spark.eventLog.rolling.enabled=false "
            f"--conf spark.eventLog.dir=file://{events} "
            # Bytes that other threads read ahead are not counted.
            "--conf spark.hadoop.parquet.hadoop.vectored.io.enabled=false pyspark-shell"
        }
        stedi = Path(sys.executable).with_name("stedi")
        command = [str(stedi), "run", "--root", str(root), "--engine", engine, "--json"]
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        watch = Watch(process.pid)
        said, _ = process.communicate()
        seconds = time.perf_counter() - begin
        watch.stop()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        built = {table["table"]: table for table in json.loads(said)["built"]}
        result = Measured(
            engine, customers, size, seconds, watch.cpu, watch.peak, *watch.moved, built
        )
        result.moved = moved(Path(events))
    stages = watch.stages(_commits(root))
    for name, table in Lakehouse(root).status().tables.items():
        built[name] |= stages[name]
        folder = Path(table.location.removeprefix("file://")) / "data"
        built[name]["bytes"] = sum(p.stat().st_size for p in folder.rglob("*.parquet"))
    shutil.rmtree(root)
    return result


def _commits(root: Path) -> dict[str, int]:
    """When each table was committed, epoch ms; the landing tables when the last of them was."""
    lakehouse = Lakehouse(root)
    zones = {name: table.zone for name, table in lakehouse.status().tables.items()}
    versions = {name: lakehouse._warehouse().version(name) for name in zones}
    when = {name: version.committed for name, version in versions.items() if version}
    landed = max(at for name, at in when.items() if zones[name] == "landing")
    return {name: landed if zones[name] == "landing" else at for name, at in when.items()}


class Watch:
    """Memory, CPU time and bytes of a process and all below it, looked at ten times a second.

    `peak` is in bytes, pages that several share counted once (PSS); `cpu` in seconds; `moved` are
    bytes read and written, of files, pipes and sockets together.
    """

    def __init__(self, process: int) -> None:
        self.peak = 0
        self._samples: list[tuple[int, int, int, int]] = []
        self._process, self._is_over = process, threading.Event()
        self._cpu: dict[int, float] = {}
        self._io: dict[int, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    @property
    def cpu(self) -> float:
        """Seconds, of processes that have ended too."""
        return sum(self._cpu.values())

    @property
    def moved(self) -> tuple[int, int]:
        """Bytes read and written, of processes that have ended too."""
        return sum(r for r, _ in self._io.values()), sum(w for _, w in self._io.values())

    def stages(self, ends: dict[str, int]) -> dict[str, dict[str, int]]:
        """By table: peak memory, and bytes read and written, from the end before to its own."""
        found = {}
        for name, end in ends.items():
            begin = max((other for other in ends.values() if other < end), default=0)
            before = [one for one in self._samples if one[0] <= begin] or [(0, 0, 0, 0)]
            inside = [one for one in self._samples if begin < one[0] <= end] or before[-1:]
            found[name] = {
                "peak_bytes": max(one[1] for one in inside),
                "read_bytes": inside[-1][2] - before[-1][2],
                "written_bytes": inside[-1][3] - before[-1][3],
            }
        return found

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            tree = _tree(self._process)
            self._cpu |= {one: seconds for one in tree if (seconds := _cpu(one))}
            self._io |= {one: io for one in tree if any(io := _io(one))}
            memory = sum(map(_pss, tree))
            self.peak = max(self.peak, memory)
            self._samples.append((int(time.time() * 1000), memory, *self.moved))


def _tree(process: int) -> list[int]:
    found = [process]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _io(process: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{process}/io").read_text().splitlines()
    except OSError:
        return 0, 0
    return int(lines[0].split()[1]), int(lines[1].split()[1])


def _cpu(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def moved(events: Path) -> dict[str, Moved]:
    """What stages moved, summed by what the job was for."""
    stages: dict[str, Moved] = defaultdict(Moved)
    for log in events.iterdir():
        purposes: dict[int, str] = {}
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["Event"] == "SparkListenerJobStart":
                purpose = event.get("Properties", {}).get("spark.job.description", "other")
                if purpose.startswith("write "):
                    purpose = "write " + "/".join(purpose.split("/")[-4:-2])
                purposes |= dict.fromkeys(event["Stage IDs"], purpose)
            elif event["Event"] == "SparkListenerStageCompleted":
                info = event["Stage Info"]
                values = {a["Name"]: a["Value"] for a in info["Accumulables"]}
                one = stages[purposes.get(info["Stage ID"], "other")]
                one.tasks += info["Number of Tasks"]
                one.task_seconds += _number(values, "executorRunTime") / 1000
                one.read += int(_number(values, "input.bytesRead"))
                one.shuffled += int(_number(values, "shuffle.write.bytesWritten"))
                one.written += int(_number(values, "output.bytesWritten"))
                one.spilled += int(_number(values, "diskBytesSpilled"))
    return dict(stages)


def _number(values: dict[str, Any], name: str) -> float:
    return float(values.get(f"internal.metrics.{name}", 0))


def show(result: Measured) -> None:
    """Print a result for people."""
    print(
        f"\n{result.engine}, {result.customers:,} customers, {result.json_bytes / 1e9:.3f} GB of "
        f"JSON: {result.seconds:.1f} s, {result.cpu_seconds:.1f} s of CPU, "
        f"{result.peak_bytes / 1e9:.2f} GB of memory, {result.read_bytes / 1e9:.2f} GB read, "
        f"{result.written_bytes / 1e9:.2f} GB written"
    )
    heads = ("seconds", "MB", "memory", "read", "written")
    print(f"  {'table':28}{'rows':>12}" + "".join(f"{head:>9}" for head in heads))
    for name, table in result.tables.items():
        print(f"  {name:28}{table['rows']:12,}{table['seconds']:9.2f}{table['bytes'] / 1e6:9.1f}"
              f"{table['peak_bytes'] / 1e6:9.0f}{table['read_bytes'] / 1e6:9.0f}"
              f"{table['written_bytes'] / 1e6:9.0f}")  # fmt: skip
    if result.moved:
        print(f"  {'work on':28}{'tasks':>7}{'task s':>9}{'read MB':>9}{'shuffled':>9}"
              f"{'written':>9}{'spilled':>9}")  # fmt: skip
        for name, one in result.moved.items():
            print(f"  {name:28}{one.tasks:7}{one.task_seconds:9.1f}{one.read / 1e6:9.1f}"
                  f"{one.shuffled / 1e6:9.1f}{one.written / 1e6:9.1f}"
                  f"{one.spilled / 1e6:9.1f}")  # fmt: skip
    sys.stdout.flush()


if __name__ == "__main__":
    main()

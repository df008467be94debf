"""A real standalone Spark cluster on loopback: a master and workers, each a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyspark

from stedi.engines.spark.java import java_home

_STARTED_WITHIN = 60.0


@dataclass
class Cluster:
    """A master at `url` (spark://…) and its workers."""

    url: str
    workers: list[subprocess.Popen[bytes]]

    def kill_worker(self) -> None:
        """Kill a worker and its executors at once, as a machine dies."""
        worker = self.workers.pop(0)
        _kill(worker)


@contextmanager
def cluster(folder: Path, workers: int, memory: str = "2g") -> Iterator[Cluster]:
    """Start a cluster that logs into `folder`; every process of it is killed in the end.

    Each worker has one core, and `memory` for executors.
    """
    folder.mkdir()
    home = Path(pyspark.__file__).parent
    environment = os.environ | {
        "JAVA_HOME": str(java_home(pyspark.__version__)),
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
    }
    environment.pop("PYSPARK_SUBMIT_ARGS", None)

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as log:
            command = [str(home / "bin" / "spark-class"), *arguments]
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    kind = "org.apache.spark.deploy"
    processes = [
        start("master", f"{kind}.master.Master", "--host", "127.0.0.1", "--port", "0",
              "--webui-port", "0")
    ]  # fmt: skip
    try:
        url = _found(folder / "master.log", r"(spark://[\d.]+:\d+)")
        for number in range(workers):
            processes.append(
                start(f"worker-{number}", f"{kind}.worker.Worker", "--host", "127.0.0.1",
                      "--cores", "1", "--memory", memory, "--webui-port", "0", url)
            )  # fmt: skip
        for number in range(workers):
            _found(folder / f"worker-{number}.log", r"(Successfully registered)")
        yield Cluster(url, processes[1:])
    finally:
        for process in processes:
            if process.returncode is None:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    for one in [process.pid, *below(process.pid)]:
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(one, signal.SIGKILL)
    process.wait()


def _found(log: Path, pattern: str) -> str:
    deadline = time.monotonic() + _STARTED_WITHIN
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"{log.name} didn't say {pattern}:\n{log.read_text()[-2000:]}")


def below(process: int) -> list[int]:
    """The processes that a process has begun, theirs included."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    parents = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
    found = [process]
    for one in found:
        found += [pid for pid, parent in parents if parent == one]
    return found[1:]

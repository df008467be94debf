"""The Spark engine on a real standalone cluster, of which parts die."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.roots import open_root
from stedi.simulate import simulate
from tests.support.cluster import Cluster, cluster
from tests.support.contents import contents, figures, foreseeable, published_bytes, truth
from tests.support.processes import STEDI

pytestmark = pytest.mark.slow
PATIENCE = 900
"""Seconds after which it is an error: a machine with other work takes many times as long."""


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "cluster", workers=2) as started:
        yield started


def begin(root: Path, master: str, stedi: Sequence[str] = (str(STEDI),)) -> subprocess.Popen[str]:
    command = [*stedi, "run", "--root", str(root), "--engine", "spark"]
    command += ["--master", master, "--json"]
    environment = {k: v for k, v in os.environ.items() if k != "PYSPARK_SUBMIT_ARGS"}
    environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for(pattern: str, root: Path, running: subprocess.Popen[str]) -> None:
    """Wait until a run has begun a file of that name."""
    deadline = time.monotonic() + PATIENCE
    while not list(root.glob(pattern)):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline, pattern
        time.sleep(0.05)


def files_below(root: Path) -> set[Path]:
    """Every file of every table, and the notes of those that are published."""
    folders = [root.glob(f"*/*/{part}/**/*") for part in ("data", "metadata")]
    folders.append(root.glob("_stedi/notes/*"))
    return {path for folder in folders for path in folder if path.is_file()}


def referenced(root: Path) -> set[Path]:
    from stedi.storage.warehouse import Warehouse

    warehouse = Warehouse(open_root(root))
    tables = [*Lakehouse(root).status().tables, "loads", "quarantine", "suspended"]
    return {path for table in tables for path in warehouse.referenced(table)}


@pytest.mark.parametrize("dies", ["nobody", "while landing files are read", "later"])
def test_a_cluster_gives_the_same_whichever_worker_dies(
    dies: str, two_workers: Cluster, tmp_path: Path
) -> None:
    one, other = tmp_path / "duckdb", tmp_path / "spark"
    simulate(one, customers=20_000, seed=3, people=True, defects=20)
    shutil.copytree(one, other)
    Lakehouse(one).run()
    running = begin(other, two_workers.url)
    if dies != "nobody":
        begun = {"while landing files are read": "*/typed/data/*/*.parquet",
                 "later": "customer/trusted/data/*/*.parquet"}[dies]  # fmt: skip
        wait_for(begun, other, running)
        two_workers.kill_worker()
    said, errors = running.communicate(timeout=PATIENCE)
    assert (running.returncode, errors) == (0, "")
    assert len(json.loads(said)["built"]) == 8
    left, right = Lakehouse(one), Lakehouse(other)
    status = right.status(verify=True)
    assert status.problems == []
    assert foreseeable(figures(status)) == truth(one)["seed"]
    assert contents(right) == contents(left)
    assert published_bytes(right) == published_bytes(left)
    assert files_below(other) == referenced(other)


IN_PARTS = """
from stedi.privacy import publication
publication.ROWS_AT_ONCE = 5_000
from stedi.cli import main
main()
"""


@pytest.mark.parametrize("dies", ["while boxes are cut", "while parts are finished"])
def test_a_publication_in_parts_is_the_same_though_a_worker_dies(
    dies: str, two_workers: Cluster, tmp_path: Path
) -> None:
    one, other = tmp_path / "duckdb", tmp_path / "spark"
    simulate(one, customers=500, seed=3, people=True)
    shutil.copytree(one, other)
    Lakehouse(one).run()
    running = begin(other, two_workers.url, [sys.executable, "-c", IN_PARTS])
    begun = {"while boxes are cut": "*_people1-*", "while parts are finished": "parts-*"}[dies]
    wait_for(f"_stedi/**/{begun}", other, running)
    two_workers.kill_worker()
    said, errors = running.communicate(timeout=PATIENCE)
    assert (running.returncode, errors) == (0, "")
    assert len(json.loads(said)["built"]) == 8
    assert published_bytes(Lakehouse(other)) == published_bytes(Lakehouse(one))


def test_a_cluster_that_loses_all_workers_is_given_up(two_workers: Cluster, tmp_path: Path) -> None:
    simulate(tmp_path / "root", customers=20_000, people=True)
    running = begin(tmp_path / "root", two_workers.url)
    wait_for("*/typed/data/*/*.parquet", tmp_path / "root", running)
    two_workers.kill_worker()
    two_workers.kill_worker()
    said, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert "has had no executor for 60 seconds" in errors
    assert "Traceback" not in errors + said
    again = Lakehouse(tmp_path / "root")
    again.run()
    found = foreseeable(figures(again.status(verify=True)))
    assert found == truth(tmp_path / "root")["seed"]

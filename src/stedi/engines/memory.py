"""How much memory there is, and how to hold a process to a part of it."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stedi.errors import UsageError

_OF_THE_GROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)(i?)B?", re.IGNORECASE | re.ASCII)
LEAST = 128 << 20
"""Bytes that an engine needs to do anything at all."""
_ALLOWANCE = (1 << 28) + (os.cpu_count() or 1) * (1 << 25)
"""Bytes for what isn't the engine's: libraries, rows on their way out, the stacks of threads."""


def half_of_memory() -> int:
    """Half of the bytes that this machine has, or that its control group allows."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for place in _OF_THE_GROUP:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            sizes.append(int(Path(place).read_text()))
    return max(LEAST, min(sizes) // 2)


def size_in_bytes(text: str, option: str) -> int:
    """The bytes that a text such as 4GB or 512 MiB means; raises `UsageError`."""
    match = _SIZE.fullmatch(text.strip())
    size = 0
    if match:
        step = 1024 if match[3] else 1000
        size = int(float(match[1]) * step ** " KMGT".index(match[2].upper() or " "))
    if size < LEAST:
        raise UsageError(
            f"{option} {text!a}: not a size of 128MiB or more; write it as in 512MB or 4GB"
        )
    return size


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Hold this process to `size` more bytes than it has now, where the system can do that.

    An engine counts its tables and sorts, but not one text that a function makes: allocating that
    fails then, and the engine says so, where it would take the memory of every other process.
    """
    before = None
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        used = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = used + size + _ALLOWANCE
        if soft == resource.RLIM_INFINITY or limit < soft:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
            before = (soft, hard)
    try:
        yield
    finally:
        if before:
            resource.setrlimit(resource.RLIMIT_DATA, before)

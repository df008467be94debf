"""An erasure that kills itself at one of the things that it does to files."""

from __future__ import annotations

import os
import signal
import sys

from stedi import Lakehouse

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def erase_and_die(root: str, declarations: str, email: str, step: int) -> None:
    """Forget somebody; the process is killed at event number `step`. Prints how many there were."""
    events = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal events
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITES):
            return
        if not str(arguments[0]).startswith(root):
            return
        events += 1
        if events == step:
            os.kill(os.getpid(), signal.SIGKILL)

    lakehouse = Lakehouse(root, declarations=declarations)
    sys.addaudithook(watch)
    lakehouse.erase([("email", email)])
    print(events, flush=True)

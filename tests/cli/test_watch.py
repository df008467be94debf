"""How long work goes is shown: a bar on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from stedi import Lakehouse, progress
from stedi.cli import watch
from stedi.cli.watch import Lines, clock
from stedi.progress import watched_by
from tests.conftest import already_run
from tests.support import small
from tests.support.processes import STEDI

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(columns: int, *arguments: str | Path) -> tuple[int, str]:
    """The status and all that a command shows on a terminal that is so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm"}
    env.pop("COLUMNS", None)
    process = subprocess.Popen(
        [STEDI, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(ours)
    return process.wait(), _ESCAPE.sub("", shown.decode())


def test_a_terminal_shows_what_is_done_and_how_much_of_it(
    tmp_path: Path, not_anonymous: Path
) -> None:
    small.land(tmp_path / "root")
    status, shown = on_a_terminal(
        100, "run", "--root", tmp_path / "root", "--declarations", not_anonymous
    )
    assert status == 0
    steps = ["reading 3 files", "building customer_trusted", "building machine_learning_curated"]
    assert [step for step in steps if step in shown] == steps
    assert "of 0.0 MB" in shown
    assert re.search(r"0:0\d", shown)
    last = shown.rstrip().splitlines()[-1]
    assert "building" not in last  # the bar is gone when the result is printed


@pytest.mark.slow
@already_run
def test_what_is_shown_fits_narrow_terminals(small_lakehouse: Lakehouse) -> None:
    _, shown = on_a_terminal(60, "audit", "--root", small_lakehouse.root)
    lines = re.split(r"[\r\n]+", shown)
    assert any("machine_learning_curated" in line for line in lines)
    assert max(map(len, lines)) <= 60


@pytest.mark.slow
@already_run
def test_quiet_commands_show_nothing_on_a_terminal(small_lakehouse: Lakehouse) -> None:
    assert on_a_terminal(80, "run", "--full", "--quiet", "--root", small_lakehouse.root) == (0, "")


def test_a_pipe_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines(every=0.05) as lines, watched_by(lines):
        progress.doing("reading 2 files")
        progress.expect(2_000_000, "bytes")
        progress.advance(500_000)
        progress.note("compiling, first use only")
        time.sleep(0.4)
    told = capsys.readouterr().err.splitlines()
    assert 2 <= len(told) <= 8
    expected = (
        "stedi: reading 2 files (compiling, first use only), 0.5 of 2.0 MB, 0:00 elapsed, about"
    )
    assert told[0].startswith(expected)
    progress.doing("nobody watches any more")
    time.sleep(0.1)
    assert capsys.readouterr().err == ""
    assert watch.EVERY == 30


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (86_399, "23:59:59")]
)
def test_seconds_are_told_as_a_clock_does(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_rates_tell_how_long_the_rest_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("stedi.cli.watch.time.monotonic", lambda: now[0])
    step = watch.Step()

    def told() -> tuple[str, float | None]:
        return step.amount, step.seconds_left

    step.begin("simulating 1,000 customers")
    step.total, step.unit = 1_000, "customers"
    assert told() == ("0 of 1,000 customers", None)
    now[0], step.done = 110.0, 250
    assert told() == ("250 of 1,000 customers", 30.0)
    step.done = 2_000  # what is read twice counts twice
    assert told() == ("1,000 of 1,000 customers", 0)
    step.begin("attack 2 of 13 on t: linkability")
    assert told() == ("", None)

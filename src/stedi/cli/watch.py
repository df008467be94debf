"""Watches long work: on a terminal a line with a bar, in a pipe a line every half a minute."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stedi.cli.logs import is_on_stderr
from stedi.progress import Watcher, watched_by
from stedi.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, Task

EVERY = 30.0
"""Seconds between two lines in a pipe."""
_ESTIMATED = {
    *("bytes", "rows", "customers", "models"),
    *("samples of people", "parts of the landing zone", "people taken out"),
}
"""What takes about as long each time: from these it is estimated how long the rest will take."""
_LEAST_SHARE = 0.02


class Step:
    """The step that is at work, and how much of it is done."""

    def __init__(self) -> None:
        self.text, self.unit, self.note = "starting", "", ""
        self.total, self.done = 0, 0
        self.begun = time.monotonic()

    def begin(self, text: str) -> None:
        """Another step begins."""
        self.text, self.unit, self.note = visible(text), "", ""
        self.total, self.done = 0, 0
        self.begun = time.monotonic()

    @property
    def doing(self) -> str:
        """What is done, in words."""
        return f"{self.text} ({self.note})" if self.note else self.text

    @property
    def amount(self) -> str:
        """How much is done, of how much."""
        if not self.total:
            return ""
        done = min(self.done, self.total)
        if self.unit == "bytes":
            return f"{done / 1e6:,.1f} of {self.total / 1e6:,.1f} MB"
        return f"{done:,} of {self.total:,} {self.unit}"

    @property
    def seconds_left(self) -> float | None:
        """How long the rest of it takes, if it goes on as it went."""
        if self.unit not in _ESTIMATED or self.done < _LEAST_SHARE * self.total or not self.done:
            return None
        elapsed = time.monotonic() - self.begun
        return elapsed * max(self.total - self.done, 0) / self.done


def clock(seconds: float) -> str:
    """Seconds as a clock has them: 1:05, 2:00:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Lines:
    """A line on stderr every half a minute, for anyone who reads what a job has written."""

    def __init__(self, every: float = EVERY) -> None:
        self._every, self._step = every, Step()
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)

    def step(self, text: str) -> None:
        """A step begins."""
        with self._lock:
            self._step.begin(text)

    def expect(self, total: int, unit: str) -> None:
        """It has so many units."""
        with self._lock:
            self._step.total, self._step.unit = total, unit

    def advance(self, amount: int) -> None:
        """So many more of them are done."""
        with self._lock:
            self._step.done += amount

    def reach(self, done: int) -> None:
        """So many of them are done."""
        with self._lock:
            self._step.done = done

    def note(self, text: str) -> None:
        """It does something else within."""
        with self._lock:
            self._step.note = text

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _tell(self) -> None:
        while not self._over.wait(self._every):
            with self._lock:
                parts = [self._step.doing, self._step.amount]
                left = self._step.seconds_left
            parts.append(f"{clock(time.monotonic() - self._begun)} elapsed")
            parts += [f"about {clock(left)} left"] if left is not None else []
            sys.stderr.write(f"stedi: {', '.join(filter(None, parts))}\n")
            sys.stderr.flush()


class Bar:
    """One line on a terminal: what is done, a bar, how much, how long it took and will take."""

    def __init__(self) -> None:
        self._step = Step()
        self._begun = time.monotonic()
        self._lock = threading.RLock()
        self._progress: Progress | None = None

    def step(self, text: str) -> None:
        """A step begins; the bar is shown again, if something was printed meanwhile."""
        with self._lock:
            self._step.begin(text)
            self._show()

    def expect(self, total: int, unit: str) -> None:
        """It has so many units."""
        with self._lock:
            self._step.total, self._step.unit = total, unit
            self._update()

    def advance(self, amount: int) -> None:
        """So many more of them are done."""
        with self._lock:
            self._step.done += amount
            self._update()

    def reach(self, done: int) -> None:
        """So many of them are done."""
        with self._lock:
            self._step.done = done
            self._update()

    def note(self, text: str) -> None:
        """It does something else within."""
        with self._lock:
            self._step.note = text

    def __enter__(self) -> Bar:
        self._show()
        _shown.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _shown.remove(self)
        self.hide()

    def hide(self) -> None:
        """Take it off the terminal, for something to be printed."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def _show(self) -> None:
        if self._progress is None:
            self._progress = self._made()
            self._progress.add_task("", total=None)
            self._progress.start()
        self._update()

    def _update(self) -> None:
        if self._progress is not None:
            [task] = self._progress.task_ids
            self._progress.update(
                task,
                total=self._step.total or None,
                completed=min(self._step.done, self._step.total),
            )

    def _made(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn
        from rich.table import Column
        from rich.text import Text

        bar = self

        class Doing(ProgressColumn):
            max_refresh = None

            def render(self, task: Task) -> RenderableType:
                return Text(bar._step.doing, no_wrap=True, overflow="ellipsis")

        class Done(ProgressColumn):
            max_refresh = None

            def render(self, task: Task) -> RenderableType:
                parts = [bar._step.amount, clock(time.monotonic() - bar._begun)]
                left = bar._step.seconds_left
                parts += [f"~{clock(left)} left"] if left is not None else []
                return Text("  ".join(filter(None, parts)), no_wrap=True)

        console = Console(stderr=True)
        columns: list[ProgressColumn] = [
            SpinnerColumn(),
            Doing(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        ]
        if console.width >= _WIDE_ENOUGH:
            columns.append(BarColumn(bar_width=20))
        columns.append(Done(table_column=Column(no_wrap=True)))
        return Progress(
            *columns, console=console, transient=True, expand=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip


_shown: list[Bar] = []
_WIDE_ENOUGH = 90
"""Columns of a terminal that has room for a bar beside the words."""


def hide() -> None:
    """Take a bar off the terminal, for something to be printed."""
    for bar in _shown:
        bar.hide()


@contextmanager
def watching(*, quiet: bool, as_json: bool) -> Iterator[None]:
    """Show how work goes meanwhile; not where it is quiet, or where the log says it already."""
    if quiet or is_on_stderr() or (as_json and not sys.stderr.isatty()):
        yield
        return
    watcher: Watcher
    with Bar() if sys.stderr.isatty() else Lines() as watcher, watched_by(watcher):
        yield

"""Takes the picture of a terminal that the README shows: `python docs/terminal_picture.py`.

Runs the commands in an empty folder, and draws what they print on a terminal as SVG.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

IMAGE = Path(__file__).parent / "images" / "terminal.svg"
WIDTH = 100
BEFORE = (("demo",),)
SHOWN = (("status",),)
"""Commands that are only run, and commands that are drawn with what they print."""
_FONTS = re.compile(r"@font-face \{.*?\}\n?", re.DOTALL)


def main() -> None:
    """Run the commands and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        for words in BEFORE:
            printed(words, Path(folder))
        parts = [
            f"$ stedi {' '.join(quoted(word) for word in words)}\n{printed(words, Path(folder))}"
            for words in SHOWN
        ]
    IMAGE.write_text(drawn("\n".join(parts)))


def quoted(word: str) -> str:
    """A word as it is typed."""
    return f'"{word}"' if " " in word else word


def printed(words: tuple[str, ...], folder: Path) -> str:
    """What a command prints on a terminal of that width."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-m", "stedi", *words],
        cwd=folder,
        env=environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        read = b""
        while True:
            try:
                read += os.read(ours, 1 << 16)
            except OSError:  # as Linux ends a terminal
                break
        said = process.stderr.read() if process.stderr else b""
    os.close(ours)
    if process.returncode:
        sys.exit(said.decode())
    return read.decode().replace("\r\n", "\n").strip("\n") + "\n"


def drawn(text: str) -> str:
    """A text with a terminal's colours as SVG, which fetches no font."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="stedi", theme=MONOKAI, unique_id="stedi")
    return _FONTS.sub("", svg)


if __name__ == "__main__":
    main()

"""The blocks of code in README and docs: what each is, how it is run, and what it prints.

    python docs/blocks.py README.md docs/tutorials/first-lakehouse.md

runs the blocks of these pages, in order, in an empty folder a page, and writes what they print into
the blocks that are marked as output. A block of `bash` or `python` is run. The line above any other
block, or above one that can't be run, is a comment with one of these marks:

    <!-- not run: REASON -->     a person has to do it, or it needs what no test has
    <!-- file: PATH -->          the block is that file, which later blocks use
    <!-- output -->              what the block before prints
    <!-- exit: 1 -->             the block is run and ends with that status
    <!-- tested by: tests/… -->  that test reads the block out of the page

A page whose blocks are all read by a test says so anywhere: `<!-- blocks tested by: tests/… -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARKS = ("not run", "file", "output", "exit", "tested by")
RUN = ("bash", "python")
_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[a-z ]+)(?:: (?P<of>[^\n]*?))? -->\n)?"
    r"(?P<fence>```+)(?P<kind>\w*)[^\n]*\n(?P<code>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
_WHOLE = re.compile(r"^<!-- blocks tested by: (\S+) -->$", re.MULTILINE)
_INDENTED = re.compile(r"(?:\A|\n)[ \t]*\n((?: {4,}|\t)[^\n]*)")
_VARIES = (
    (re.compile(r"\d+(?:\.\d+)? seconds?"), "N seconds"),
    (re.compile(r"\b\d+(?:\.\d+)? s\b"), "N s"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
    (re.compile(r"[─-]{3,}"), "---"),
)


@dataclass(frozen=True)
class Block:
    """One block of a page, with the mark above it."""

    kind: str
    code: str
    mark: str | None
    of: str
    begin: int
    end: int

    @property
    def is_run(self) -> bool:
        """Whether it is a command or a program that is run."""
        return self.kind in RUN and self.mark in (None, "exit")

    @property
    def is_accounted_for(self) -> bool:
        """Whether it is run, written, compared, tested elsewhere, or says why not."""
        if self.mark in ("not run", "file", "tested by"):
            return bool(self.of.strip())
        return self.is_run or self.mark == "output"


@dataclass(frozen=True)
class Printed:
    """An output block, with what the block before it printed."""

    block: Block
    text: str

    @property
    def is_same(self) -> bool:
        """Whether it is what the page shows, but for times and widths."""
        return steady(self.block.code) == steady(self.text)


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for found in _FENCE.finditer(text):
        yield Block(
            found["kind"],
            found["code"],
            found["mark"],
            found["of"] or "",
            found.start("code"),
            found.end("code"),
        )


def tested_by(text: str) -> str | None:
    """The test that reads all blocks of a page, where it names one."""
    found = _WHOLE.search(text)
    return found[1] if found else None


def is_run(text: str) -> bool:
    """Whether a page has blocks that are run."""
    return tested_by(text) is None and any(block.is_run for block in blocks(text))


def indented(text: str) -> list[str]:
    """First lines of blocks of code that are only indented, so that nobody can mark them."""
    return _INDENTED.findall(_FENCE.sub("", text))


def pages() -> list[Path]:
    """README and all pages of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return text.strip("\n")


def run(page: Path, work: Path) -> list[Printed]:
    """Run a page's blocks in an empty folder; raises `AssertionError` for one that fails.

    The command `stedi` is that of this Python; its secret is a file, as on a reader's machine.
    """
    bin_, folder = work / "bin", work / "work"
    bin_.mkdir()
    folder.mkdir()
    for name, text in (
        ("stedi", f"#!{sys.executable}\nfrom stedi.cli import main\nmain()\n"),
        ("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'),
    ):
        command = bin_ / name
        command.write_text(text)
        command.chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "STEDI_SECRET"},
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(work / "cache"),
        "XDG_CONFIG_HOME": str(work / "config"),
    }
    printed, out = [], ""
    for block in blocks(page.read_text()):
        if block.mark == "file":
            path = folder / block.of
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code)
        elif block.mark == "output":
            printed.append(Printed(block, out))
        elif block.is_run:
            start = (
                [sys.executable, "-c", block.code]
                if block.kind == "python"
                else ["bash", "-euo", "pipefail", "-c", block.code]
            )
            done = subprocess.run(
                start, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            out = done.stdout + (done.stderr if block.mark == "exit" else "")
            expected = int(block.of) if block.mark == "exit" else 0
            assert done.returncode == expected, (page, block.code, done.stdout, done.stderr)
    return printed


def written(page: Path) -> str:
    """The page with its outputs as they are printed now."""
    text = page.read_text()
    with tempfile.TemporaryDirectory() as folder:
        for one in reversed(run(page, Path(folder))):
            if not one.is_same:
                lines = [line.rstrip() for line in one.text.strip("\n").split("\n")]
                code = "\n".join(lines) + "\n"
                text = text[: one.block.begin] + code + text[one.block.end :]
    return text


if __name__ == "__main__":
    for name in sys.argv[1:] or [str(page) for page in pages()]:
        path = Path(name)
        before = path.read_text()
        if (now := written(path)) != before:
            path.write_text(now)
            print(path)

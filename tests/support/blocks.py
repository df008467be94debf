"""Runs the blocks of a page of docs, one after the other, in a folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCKS = re.compile(r"^```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run_blocks(page: Path, tmp_path: Path) -> int:
    """How many there are; each must end with 0.

    The command line is that of the tests' own Python, wherever it is installed.
    """
    bin_, folder = tmp_path / "bin", tmp_path / "work"
    bin_.mkdir()
    command = bin_ / "stedi"
    command.write_text(f"#!{sys.executable}\nfrom stedi.cli import main\nmain()\n")
    command.chmod(0o755)
    folder.mkdir()
    env = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}
    blocks = _BLOCKS.findall(page.read_text())
    for kind, code in blocks:
        words = (
            [sys.executable, "-c", code]
            if kind == "python"
            else ["bash", "-euo", "pipefail", "-c", code]
        )
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (code, done.stdout, done.stderr)
    return len(blocks)

"""docs/rights.md: every block of it runs, in its order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
BLOCKS = re.compile(r"^```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_every_block_of_the_page_runs(tmp_path: Path) -> None:
    """The command line is that of the tests' own Python, wherever it is installed."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    command = bin_ / "stedi"
    command.write_text(f"#!{sys.executable}\nfrom stedi.cli import main\nmain()\n")
    command.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    env = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}
    blocks = BLOCKS.findall(PAGE.read_text())
    assert len(blocks) >= 15
    for kind, code in blocks:
        words = (
            [sys.executable, "-c", code]
            if kind == "python"
            else ["bash", "-euo", "pipefail", "-c", code]
        )
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (code, done.stdout, done.stderr)

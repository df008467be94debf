"""Functions that Numba compiles, and what is kept of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
from typing import NamedTuple
from stedi.parquet.compiled import compiled

class {name}(NamedTuple):
    least: int
    most: int

@compiled
def size(room):
    return room.most - room.least

if __name__ == "module":
    print(size({name}(2, 9)))
"""


def test_what_was_compiled_for_a_class_of_another_name_is_compiled_again(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    for name in ("Room", "Space", "Space"):
        (tmp_path / "module.py").write_text(MODULE.format(name=name))
        done = subprocess.run(
            [sys.executable, "-c", "import module"],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout.strip()) == (0, "7"), done.stderr
    assert list((tmp_path / "__pycache__").glob("module.size-*.nbi"))

"""What data scientists read runs: the examples of docs/tutorials/release-to-model.md, and the notebook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from stedi import Lakehouse

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "tutorials" / "release-to-model.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def folder(walking: Lakehouse, released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a data scientist is given: a release and a model."""
    given = tmp_path_factory.mktemp("given")
    shutil.copytree(released, given / "data-set")
    walking.train(given / "model")
    return given


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_runs(folder: Path, number: int) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
    subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]], cwd=folder, env=environment, check=True
    )


def test_there_is_an_example_for_each_tool() -> None:
    tools = {re.findall(r"import (\w+)", example)[0] for example in EXAMPLES}
    assert tools == {"pandas", "polars", "duckdb", "datasets", "mlcroissant"}


@pytest.mark.slow
def test_the_notebook_runs_from_the_first_cell_to_the_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder / name))
    text = (DOCS / "step-detection.ipynb").read_text()
    notebook: Any = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, timeout=300).execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    assert sum("image/png" in one.get("data", {}) for one in outputs) == 6
    assert any("There is a signal" in one.get("text", "") for one in outputs)


def test_the_kept_outputs_hold_no_path_of_a_machine() -> None:
    text = (DOCS / "step-detection.ipynb").read_text()
    assert "/home/" not in text
    assert "/tmp/" not in text

"""The project around the code: what is generated is true, the README works, the wheel is whole."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import stedi
from stedi import errors

ROOT = Path(__file__).parents[1]


def test_what_is_generated_is_up_to_date() -> None:
    files = runpy.run_path(str(ROOT / "docs" / "generate.py"))["generated"]()
    assert len(files) == 15
    for path, text in files.items():
        assert (ROOT / path).read_text() == text, f"{path}: run make generate"


def test_files_that_the_documents_name_are_there() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "src").rglob("*.py")]
    for page in pages:
        for path in re.findall(r"`([a-z0-9_]+/[a-z0-9_/]+\.py)`", page.read_text()):
            assert (ROOT / "src" / "stedi" / path).exists() or (ROOT / path).exists(), (page, path)


def test_the_public_names_are_the_facade_and_the_errors() -> None:
    tree = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, Exception)}
    assert set(stedi.__all__) == {"Lakehouse", "__version__", *tree}
    assert len(tree) <= 12
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert {*drawn, "StediError"} == tree


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("print(*lakehouse.check().tables)", "machine_learning_curated"),
        pytest.param(  # there it compiles again what the project's own folder keeps compiled
            "lakehouse.demo(); print(lakehouse.status().tables['accelerometer_trusted'].rows > 1e4)",
            "True",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_installed_wheel_works_from_any_folder(tmp_path: Path, work: str, said: str) -> None:
    from flit_core import buildapi

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        wheel = buildapi.build_wheel(str(tmp_path))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = f"import stedi; print(stedi.__file__); lakehouse = stedi.Lakehouse('lake'); {work}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
    )
    file, told = done.stdout.splitlines()
    assert file.startswith(str(tmp_path))
    assert said in told


@pytest.mark.parametrize(
    "file", ["requirements.lock", "requirements-dev.lock", "requirements-docs.lock"]
)
def test_the_lock_files_hash_everything_and_name_no_index(file: str) -> None:
    text = (ROOT / file).read_text()
    pins = re.findall(r"^\S+==", text, re.MULTILINE)
    assert len(pins) > 10
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text


def imports(file: Path) -> set[str]:
    """Whatever a file imports, with the module that it is from."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module or ''}.{alias.name}" for alias in node.names}
    return names


def test_no_test_file_imports_another() -> None:
    assert [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for name in sorted(imports(file))
        if any(part.startswith("test_") for part in name.split("."))
    ] == []


def test_tests_have_the_folders_of_the_package() -> None:
    folders = {
        folder.relative_to(ROOT / "tests")
        for folder in (ROOT / "tests").rglob("*/")
        if any(folder.glob("test_*.py"))
    }
    assert [f for f in sorted(folders) if not (ROOT / "src" / "stedi" / f).is_dir()] == [
        Path("aws"),
        Path("infra"),
    ]

"""Messages name commands that install what is missing: no registry has a package `stedi`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from stedi import extras

ROOT = Path(__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_in_a_checkout_its_own_form_is_named() -> None:
    assert extras.to_install("science") == f"pip install -e '{ROOT}[science]'"


@pytest.mark.parametrize("extra", sorted(DECLARED))
def test_an_installed_package_names_what_the_extra_consists_of(
    extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "_CHECKOUT", tmp_path)
    told = extras.to_install(extra)
    names = [text.split(">")[0].split("=")[0] for text in DECLARED[extra]]
    assert told.startswith("pip install ") and [n for n in names if f"'{n}" not in told] == []
    assert "stedi" not in told


def test_no_message_names_a_package_that_no_registry_has() -> None:
    for path in (ROOT / "src" / "stedi").rglob("*.py"):
        if path.name != "extras.py":
            assert "pip install 'stedi" not in path.read_text(), path

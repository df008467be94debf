"""People who walk, run once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from stedi import Lakehouse


@pytest.fixture(scope="package")
def walking(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """About 800 people who consent, and as many who don't; read it only."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("walking") / "root")
    lakehouse.simulate(lakehouse.root, customers=1_600, seed=3, people=True)
    lakehouse.run()
    return lakehouse


@pytest.fixture(scope="package")
def released(walking: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of theirs; read it only."""
    folder = tmp_path_factory.mktemp("released") / "data-set"
    walking.release(folder, licence="https://example.org/licence")
    return folder

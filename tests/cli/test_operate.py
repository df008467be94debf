"""docs/operate.md: every block of it runs, in its order, a backup and two ways to restore it among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.blocks import DOCS, run_blocks


@pytest.mark.slow
def test_every_block_of_the_page_runs(tmp_path: Path) -> None:
    assert run_blocks(DOCS / "operate.md", tmp_path) >= 10

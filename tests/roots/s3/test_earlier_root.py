"""A lakehouse on S3 that version 0.1.0 made opens, and is maintained further."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stedi import Lakehouse
from tests.support import earlier, earlier_on_s3
from tests.support.cloud import Cloud
from tests.support.earlier import as_told, figures


@pytest.mark.slow
def test_a_lakehouse_that_0_1_0_made_on_s3_says_and_does_what_it_did(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEDI_SECRET", earlier.SECRET)
    said = json.loads(earlier_on_s3.FIGURES.read_text())
    later = earlier_on_s3.restored(cloud, tmp_path)
    strict = earlier.as_strict(tmp_path / "declarations")
    lakehouse = Lakehouse(earlier_on_s3.ROOT, database=earlier_on_s3.DATABASE, declarations=strict)
    lakehouse.run()  # reads again what has more columns now
    assert lakehouse.run().built == ()
    status = earlier.status(lakehouse, verify=True)
    assert as_told(figures(status)) == figures(said["status"])
    taken = earlier.take(lakehouse, later)
    assert earlier.but_difference(taken) == earlier.but_difference(said["run"])
    assert as_told(figures(earlier.status(lakehouse))) == figures(said["later"])

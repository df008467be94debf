"""A file that is written to while it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, LandingError
from stedi.landing.reader import Counts, FileReader
from tests.conftest import Land, already_run, counts
from tests.support import small


@already_run
@pytest.mark.parametrize("change", ["grows", "shrinks", "goes", "keeps its size and time"])
def test_a_file_that_changes_while_it_is_read_is_refused_and_nothing_of_it_kept(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = land("accelerometer", small.ACCELEROMETER * 100, name="late.json")
    read = FileReader.read

    def read_meanwhile(self: FileReader, file: Path, *args: Any, **options: Any) -> Counts:
        counts = read(self, file, *args, **options)
        if file == path:
            content, stat = file.read_bytes(), file.stat()
            file.unlink()
            if change == "keeps its size and time":
                file.write_bytes(content.replace(b"ann@", b"bob@"))
                os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            elif change != "goes":
                file.write_bytes(content + b"\n" if change == "grows" else content[:-1])
        return counts

    monkeypatch.setattr(FileReader, "read", read_meanwhile)
    with pytest.raises(LandingError, match=r"late\.json changed while it was read"):
        small_lakehouse.run()
    monkeypatch.setattr(FileReader, "read", read)
    path.unlink(missing_ok=True)
    assert small_lakehouse.status(verify=True).ok
    assert counts(small_lakehouse) == small.SEED

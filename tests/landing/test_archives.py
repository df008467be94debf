"""Archives that unpack to more than their contract allows are quarantined, and not unpacked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from stedi import Lakehouse
from stedi.landing import parse
from tests.conftest import already_run, rows
from tests.support import small

GOOD = b'{"sensorReadingTime":%d,"serialNumber":"S1","distanceFromObject":5}\n'


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a megabyte, so that the tests unpack little."""
    monkeypatch.setattr(parse, "_SMALL_ARCHIVE", 1 << 20)


def bomb(kind: str, fill: bytes, size: int = 30 << 20) -> bytes:
    content = GOOD % 1 + fill * (size // len(fill))
    return gzip.compress(content) if kind == "gz" else zstandard.compress(content)


@already_run
@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("fill", [b"\0", b"{", b" ", GOOD % 7, b'{"a":[', b"\n"])
def test_an_archive_that_unpacks_to_too_much_costs_no_other_file(
    small_lakehouse: Lakehouse, kind: str, fill: bytes
) -> None:
    small.write(small_lakehouse.root, "step_trainer", bomb(kind, fill), f"bomb.json.{kind}")
    small.write(small_lakehouse.root, "step_trainer", GOOD % 12345, "after.json")
    small_lakehouse.run()
    said = "SELECT reason, byte_length FROM quarantine WHERE file LIKE 'bomb%'"
    assert rows(small_lakehouse, said) == [("archive too large", 0)]
    found = "SELECT COUNT(*) FROM step_trainer_landing WHERE sensorreadingtime IN (1, 7, 12345)"
    assert rows(small_lakehouse, found) == [(1,)]
    status = small_lakehouse.status(verify=True)
    assert status.ok, status.problems
    assert [note.code for note in status.notes].count("bad_files") == 1
    assert small_lakehouse.run().built == ()


@already_run
@pytest.mark.usefixtures("small_limit")
def test_who_accepts_it_gets_all_that_fits(small_lakehouse: Lakehouse) -> None:
    small.write(small_lakehouse.root, "step_trainer", bomb("gz", GOOD % 7, 5 << 20), "big.json.gz")
    small_lakehouse.run()
    before = small_lakehouse.status().sources["step_trainer"].loaded
    small_lakehouse.replay(accept_bad_files=True)
    source = small_lakehouse.status(verify=True).sources["step_trainer"]
    assert source.loaded == before + 1 + (5 << 20) // len(GOOD % 7)
    assert source.quarantined == {}


@already_run
def test_what_packs_well_is_no_bomb(small_lakehouse: Lakehouse) -> None:
    """Readings that differ in their time pack to a tenth, and 64 MB are always fine."""
    content = b"".join(GOOD % n for n in range(20_000))
    small.write(small_lakehouse.root, "step_trainer", gzip.compress(content, 9), "well.json.gz")
    small_lakehouse.run()
    assert small_lakehouse.status().sources["step_trainer"].quarantined == {}


SKIPPABLE = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"\x00abc"
"""What `pzstd` puts between frames: no content of the archive."""


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_an_archive_of_several_members_is_read_to_its_end(tmp_path: Path, kind: str) -> None:
    pack = gzip.compress if kind == "gz" else zstandard.compress
    between = [b"", pack(b"")] + ([SKIPPABLE] if kind == "zst" else [])
    records = [json.dumps(small.acceleration("ann", n, 0.5)).encode() + b"\n" for n in range(9)]
    for number, odd in enumerate(between):
        # Members end within records, too.
        whole = b"".join(records)
        members = [pack(whole[at : at + 50]) for at in range(0, len(whole), 50)]
        content = odd + odd.join(members) + odd
        small.write(tmp_path, "accelerometer", content, f"{number}.json.{kind}")
    small.write(tmp_path, "customer", small.CUSTOMERS)
    lakehouse = Lakehouse(tmp_path)
    lakehouse.run(only=["customer_trusted", "accelerometer_trusted"])
    source = lakehouse.status().sources["accelerometer"]
    assert (source.records, source.quarantined) == (9 * len(between), {})

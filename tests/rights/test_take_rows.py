"""Rows of who is forgotten leave the typed tables by their places, and no raw file is read again."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse, parquet
from stedi.landing.loads import read_loads
from stedi.roots import open_root
from stedi.run.take_rows import REASON
from stedi.storage.warehouse import Warehouse
from tests.conftest import Land, already_run
from tests.rights.conftest import assert_whole, named, rows_on_disk, without
from tests.support import small

ANN, S1 = "ann@example.com", "S1"
TYPED = ["accelerometer_landing", "customer_landing", "step_trainer_landing"]
ANNS = next(record for record in small.CUSTOMERS if record["email"] == ANN)
BEN = next(record for record in small.CUSTOMERS if record["email"] == "ben@example.com")


def taken(lakehouse: Lakehouse, **options: Any) -> set[str]:
    """Forget Ann; which tables had rows taken out, rather than being read again."""
    forgotten = lakehouse.erase([("email", ANN)], **options)
    assert forgotten
    assert forgotten.run
    assert forgotten.proof.holds, forgotten.proof
    return {built.table for built in forgotten.run.built if built.reason == REASON}


def loads(root: Path) -> tuple[list[tuple[object, ...]], Counter[str]]:
    """What is noted of each raw file that is there, and how much of all files of a source."""
    warehouse = Warehouse(open_root(root))
    version = warehouse.version("loads")
    assert version
    noted = read_loads(warehouse.files, [file.path for file in version.files])
    present = [load for load in noted if load.state != "gone"]
    counted = Counter[str]()
    for load in present:  # which of some copies is read is another in a full run
        counted[f"{load.source} records"] += load.records
        counted[f"{load.source} unknown"] += load.unknown_keys
    files = [(n.source, n.file, n.size, n.modified, n.changed, n.fingerprint) for n in present]
    return sorted(files), counted


def summed(lakehouse: Lakehouse) -> dict[str, tuple[object, ...]]:
    """The sums of each source."""
    return {
        name: (s.files, s.records, s.loaded, s.quarantined, s.dropped, s.unread, len(s.copies))
        for name, s in lakehouse.status().sources.items()
    }


def assert_as_if_made_anew(lakehouse: Lakehouse) -> None:
    """It reconciles, and a full run finds the same of all that there is."""
    assert_whole(lakehouse)
    noted, sums = loads(lakehouse.root), summed(lakehouse)
    everything = rows_on_disk(lakehouse.root)
    lakehouse.run(full=True)
    assert rows_on_disk(lakehouse.root) == everything
    assert loads(lakehouse.root) == noted
    assert summed(lakehouse) == sums


@already_run
def test_nothing_is_read_again_where_all_records_fit(small_lakehouse: Lakehouse) -> None:
    before = rows_on_disk(small_lakehouse.root)
    assert taken(small_lakehouse) == {*TYPED}
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    assert_as_if_made_anew(small_lakehouse)


def other(record: dict[str, Any], phone: str) -> dict[str, Any]:
    """The same but for a phone: a record that came before would be read again."""
    return {**record, "phone": phone}


def archive(records: list[dict[str, Any]]) -> bytes:
    return gzip.compress(b"".join(json.dumps(record).encode() + b"\n" for record in records))


def plainly(root: Path, land: Land) -> None:
    """Archives, and records on one line."""
    land("customer", archive([other(ANNS, "556"), other(BEN, "557")]), name="packed.json.gz")
    land("accelerometer", json.dumps([small.acceleration("ann", 9, 0.5)] * 2).encode(), "list.json")
    land("accelerometer", [small.acceleration("ben", 9, 0.5)], name="ben.json")
    land(
        "step_trainer",
        [small.reading("S1", 9, 210), small.reading("S2", 9, 1)],
        "x.json",
    )


def unknown_keys(root: Path, land: Land) -> None:
    """Other people's records with keys that nobody knows, which are noted of the file."""
    readings = [small.reading("S1", 9, 210), {**small.reading("S2", 9, 1), "x": 1}]
    land("step_trainer", readings, "x.json")


def before(root: Path, land: Land) -> None:
    """Records that came before, and are not loaded again."""
    land("customer", [ANNS, BEN], name="again.json")


def oddly(root: Path, land: Land) -> None:
    """Escapes, a mark at the beginning, CRLF, blanks and keys in other case; and who names her."""
    escaped = json.dumps(other(ANNS, "557")).replace("ann@", "\\u0061nn@").encode()
    blanks = json.dumps(other(ANNS, "556"), separators=(" ,\t", " :  ")).encode()
    upper = blanks.replace(b'"email"', b'"EMAIL"')
    ben = json.dumps({**BEN, "customerName": ANN}).encode()
    bens = json.dumps({**BEN, "customerName": ANN, "phone": "558"}).encode()
    land("customer", escaped + b"\n" + bens + b"\n", name="escaped.json")
    land("customer", b"\r\n".join([b"\xef\xbb\xbf" + ben, blanks, upper, ben]), name="blanks.json")
    both = [json.dumps(small.acceleration(name, 9, 0.5)).encode() for name in ("ann", "ben")]
    land("accelerometer", b" ".join([*both, *both]), name="on-one-line.json")
    more = [json.dumps(small.acceleration(name, 10, 0.5)).encode() for name in ("ann", "ben")]
    land("accelerometer", b"[\n" + b",\n".join([*more, *more]) + b"\n]\n", name="list.json")


def copies(root: Path, land: Land) -> None:
    for name in ("copy.json", "again.json"):
        land("customer", small.CUSTOMERS, name=name)


def copies_afterwards(root: Path, land: Land) -> None:
    land("customer", [other(ANNS, "556"), other(BEN, "557")], name="with.json")
    land("customer", [other(BEN, "557")], name="without.json")


def pieces(root: Path, land: Land) -> None:
    broken = b'{"email": "ben@example.com", "cut off\n'
    land("customer", broken + json.dumps(ANNS).encode() + b"\n", name="broken.json")


def nothing_left(root: Path, land: Land) -> None:
    land("customer", [other(ANNS, "556")] * 2, name="alone.json")


def named_for_her(root: Path, land: Land) -> None:
    land("customer", [other(ANNS, "556"), other(BEN, "557")], name=f"{ANN}.json")


def nested(root: Path, land: Land) -> None:
    """Ann in another's record, on a line of its own."""
    record = json.dumps(BEN)[:-1].encode() + b', "who":\n' + json.dumps(ANNS).encode() + b"\n}\n"
    land("customer", record, name="nested.json")


OTHER = {*TYPED} - {"customer_landing"}
LAYOUTS: dict[Callable[[Path, Land], None], set[str]] = {
    plainly: OTHER | {"customer_landing"},
    unknown_keys: {*TYPED} - {"step_trainer_landing"},
    before: OTHER,
    oddly: {*TYPED},
    copies: {*TYPED},
    copies_afterwards: OTHER,
    pieces: OTHER,
    nothing_left: OTHER,
    named_for_her: OTHER,
}


@already_run
@pytest.mark.parametrize(
    "layout",
    [pytest.param(layout, id=layout.__name__, marks=[] if n % 2 else [pytest.mark.slow])
     for n, layout in enumerate(LAYOUTS)],
)  # fmt: skip
def test_however_raw_files_lie_all_else_is_as_if_rebuilt(
    small_lakehouse: Lakehouse, land: Land, layout: Callable[[Path, Land], None]
) -> None:
    layout(small_lakehouse.root, land)
    small_lakehouse.run()
    before = rows_on_disk(small_lakehouse.root)
    done = taken(small_lakehouse)
    if layout is plainly:  # a file with nothing left is read again
        done |= {"accelerometer_landing"}
    assert done == LAYOUTS[layout]
    kept, expected = named(rows_on_disk(small_lakehouse.root)), without(before, ANN, S1)
    for table, found in expected.items():  # Ben's, who names her
        found |= Counter(
            {r: n for r, n in before[table].items() if {ANN, "ben@example.com"} <= {*r}}
        )
    assert kept == expected
    assert_as_if_made_anew(small_lakehouse)


@already_run
def test_her_record_in_anothers_is_not_taken_for_hers(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    nested(small_lakehouse.root, land)
    small_lakehouse.run()
    raw = small_lakehouse.root / "customer" / "landing" / "nested.json"
    before, content = rows_on_disk(small_lakehouse.root), raw.read_bytes()
    taken(small_lakehouse)
    assert raw.read_bytes() == content
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    assert_as_if_made_anew(small_lakehouse)


@already_run
def test_files_of_which_some_row_groups_were_copied_are_read_again_when_they_change(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_FILTERED_GROUP_ROWS", 4)
    land("accelerometer", [small.acceleration("ben", n, 0.5) for n in range(8)], name="more.json")
    small_lakehouse.run(full=True)
    before = rows_on_disk(small_lakehouse.root)
    assert taken(small_lakehouse) == {*TYPED}
    version = Warehouse(open_root(small_lakehouse.root)).version("accelerometer_landing")
    assert version
    assert len(version.files) == 2
    assert_whole(small_lakehouse)
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    land("accelerometer", [small.acceleration("ben", 99, 0.5)], name="more.json")
    small_lakehouse.run()
    changed = rows_on_disk(small_lakehouse.root)
    small_lakehouse.run(full=True)
    assert rows_on_disk(small_lakehouse.root) == changed

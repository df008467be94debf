"""What was kept long enough leaves landing files, tables and snapshots, and is counted."""

from __future__ import annotations

import gzip
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from stedi import Lakehouse
from stedi.errors import DeclarationError, LandingError
from tests.conftest import both_engines_at_length, on, rows
from tests.support import small
from tests.support.dying import run_and_die
from tests.support.processes import Process
from tests.support.tables import declare, strays

DAY = 86_400_000
OVER = [r for r in small.ACCELEROMETER if r["timestamp"] <= 900]
LEFT = [r for r in small.ACCELEROMETER if r["timestamp"] > 900]
At = Callable[[float], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Set the time by which records are over: so many milliseconds."""

    def set_time(until: float, days: float = 1) -> None:
        monkeypatch.setattr("stedi.run.retain.epoch_ms", lambda: int(until + days * DAY))

    return set_time


def keep(folder: Path, table: str, column: str, days: str = "1") -> None:
    declare(folder, table, f"retentionDays: {days}")
    declare(folder, table, f"retentionColumn: {column}")


@pytest.fixture
def lakehouse(
    place: Path, folder: Path, engine: Any, monkeypatch: pytest.MonkeyPatch, at: At
) -> Lakehouse:
    """The small landing zone; accelerometer records are kept for a day."""
    monkeypatch.setenv("STEDI_DECLARATIONS", str(folder))
    keep(folder, "accelerometer_landing", "timestamp")
    small.land(place)
    at(0)
    return on(engine, place, folder)


def landed(lakehouse: Lakehouse, source: str) -> list[Any]:
    files = sorted((lakehouse.root / source / "landing").iterdir())
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def times(lakehouse: Lakehouse) -> set[int]:
    """Every accelerometer time in any Parquet file of the lakehouse, whatever refers to it."""
    found: set[int] = set()
    for path in lakehouse.root.rglob("*.parquet"):
        table = pq.read_table(path)
        if {"user", "timestamp"} <= {*table.column_names}:
            found |= {*table.column("timestamp").to_pylist()}
    return found


def assert_sums(lakehouse: Lakehouse, loaded: int, dropped: int) -> None:
    status = lakehouse.status(verify=True)
    assert status.problems == []
    source = status.sources["accelerometer"]
    assert (source.records, source.loaded) == (loaded + dropped, loaded)
    assert source.dropped == ({"kept long enough": dropped} if dropped else {})


def derived(lakehouse: Lakehouse) -> list[list[tuple[Any, ...]]]:
    """The rows of tables, but for when files arrived, which differs between two roots."""
    found = [lakehouse.query(f"SELECT * FROM {table}").to_arrow() for table in small.SEED]
    return [
        sorted(
            zip(
                *(t[name].to_pylist() for name in t.column_names if name != "arrived"), strict=True
            ),
            key=repr,
        )
        for t in found
    ]


@both_engines_at_length
def test_what_is_over_leaves_files_tables_and_snapshots(
    lakehouse: Lakehouse, at: At, tmp_path: Path, folder: Path
) -> None:
    lakehouse.run()
    assert_sums(lakehouse, 19, 0)
    file = lakehouse.root / "accelerometer" / "landing" / "one.json"
    lines = file.read_text().splitlines(keepends=True)
    at(900)
    report = lakehouse.run()
    assert any("dropped 9 records that were kept long enough" in r for r in report.remarks)
    left = [line for line in lines if json.loads(line)["timestamp"] > 900]
    assert file.read_text() == "".join(left)
    assert_sums(lakehouse, 10, 9)
    assert min(times(lakehouse)) == 1000
    assert strays(lakehouse) == []
    assert not lakehouse.run().built
    anew = tmp_path / "anew"
    small.land(anew)
    small.write(anew, "accelerometer", LEFT)
    other = on("duckdb", anew, folder)
    other.run()
    assert derived(other) == derived(lakehouse)


def test_each_run_drops_what_is_over_by_then(lakehouse: Lakehouse, at: At) -> None:
    dropped = 0
    for until in (199, 200, 450, 450.5, 1999, 5000):
        at(until)
        lakehouse.run()
        over = sum(r["timestamp"] <= until for r in small.ACCELEROMETER)
        assert_sums(lakehouse, 19 - over, over)
        assert over >= dropped
        dropped = over
    assert times(lakehouse) == set()


def test_nothing_is_over_at_the_last_millisecond(lakehouse: Lakehouse, at: At) -> None:
    at(199.0)
    lakehouse.run()
    assert landed(lakehouse, "accelerometer") == small.ACCELEROMETER


def test_without_a_declaration_nothing_is_ever_over(
    tmp_path: Path, not_anonymous: Path, at: At
) -> None:
    at(1e15)
    small.land(tmp_path / "root")
    lakehouse = Lakehouse(tmp_path / "root", declarations=not_anonymous)
    lakehouse.run()
    status = lakehouse.status()
    assert [source.dropped for source in status.sources.values()] == [{}, {}, {}]
    assert {name: table.rows for name, table in status.tables.items()} == small.SEED


@pytest.mark.parametrize("form", ["array", "one line", "gz", "zst", "CRLF"])
def test_whatever_the_file_is_like_all_else_stays_byte_for_byte(
    lakehouse: Lakehouse, at: At, form: str
) -> None:
    def record(time: str) -> bytes:
        return b'{"USER": "zoe@x" ,"timeStamp":%s, "x":1.50,"y":1,"z":1e0}' % time.encode()

    times_ = ["100", "5000", "100", "1e2", "6000.0", "70"]
    join, begin, end = {
        "array": (b",\n ", b"[\n ", b"\n]\n"),
        "one line": (b" ", b"", b""),
        "CRLF": (b"\r\n", b"", b"\r\n"),
    }.get(form, (b"\n", b"", b"\n"))
    content = begin + join.join(map(record, times_)) + end
    wanted = begin + join.join(map(record, ["5000", "6000.0"])) + end
    name, pack, unpack = {
        "gz": ("a.json.gz", gzip.compress, gzip.decompress),
        "zst": (
            "a.json.zst",
            zstandard.ZstdCompressor().compress,
            lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
        ),
    }.get(form, ("a.json", bytes, bytes))
    path = small.write(lakehouse.root, "accelerometer", pack(content), name)
    at(900)
    lakehouse.run()
    kept = unpack(path.read_bytes())
    assert kept.replace(b" ", b"").replace(b"\n", b"") == wanted.replace(b" ", b"").replace(
        b"\n", b""
    )
    assert json.loads(kept) if form == "array" else kept.count(record("6000.0")) == 1
    assert_sums(lakehouse, 10 + 2, 9 + 4)


def test_what_comes_again_is_dropped_again(lakehouse: Lakehouse, at: At, tmp_path: Path) -> None:
    file = lakehouse.root / "accelerometer" / "landing" / "one.json"
    again = tmp_path / "again.json"
    again.write_bytes(file.read_bytes())
    at(900)
    lakehouse.run()
    lakehouse.ingest(again, source="accelerometer")
    lakehouse.run()
    assert_sums(lakehouse, 10, 9)  # the same file, again without these: a copy
    assert lakehouse.status().sources["accelerometer"].copies == ["again.json"]
    more = [small.acceleration("ann", 300, 1), small.acceleration("ann", 3000, 1)]
    small.write(lakehouse.root, "accelerometer", more, "more.json")
    lakehouse.run()
    assert_sums(lakehouse, 11, 10)
    assert times(lakehouse) == {1000, 1500, 2000, 3000}


def test_copies_of_a_file_are_rewritten_with_it(lakehouse: Lakehouse, at: At) -> None:
    folder = lakehouse.root / "accelerometer" / "landing"
    for name in ("copy.json", "zz.json"):
        (folder / name).write_bytes((folder / "one.json").read_bytes())
    lakehouse.run()
    at(900)
    lakehouse.run()
    assert_sums(lakehouse, 10, 9)
    assert {path.read_bytes() for path in folder.iterdir()} == {(folder / "one.json").read_bytes()}
    assert min(times(lakehouse)) == 1000


def test_a_file_of_which_nothing_is_left_is_gone(lakehouse: Lakehouse, at: At) -> None:
    path = small.write(
        lakehouse.root, "accelerometer", [small.acceleration("ann", 5, 1)], "old.json"
    )
    lakehouse.run()
    at(100)
    lakehouse.run()
    assert not path.exists()
    assert_sums(lakehouse, 19, 1)
    at(2000)
    lakehouse.run()
    assert landed(lakehouse, "accelerometer") == []
    assert_sums(lakehouse, 0, 20)


def test_quarantined_records_expire_where_their_time_can_be_read(
    lakehouse: Lakehouse, at: At
) -> None:
    pieces = [
        b'{"user":"old@x","timestamp":500,"x":"1","y":1,"z":1}',
        b'{"user":"old@x","TimeStamp":"500","x":1,"y":1,"z":1}',
        b'{"user":"old@x","timestamp":500,"x":1,',
        b'{"user":"old@x","timestamp":500,"x":1,"y":{"timestamp":901}}',
        b'{"user":"new@x","timestamp":901,"x":"1","y":1,"z":1}',
        b'{"user":"new@x","timestamp":5e2,"x":"1","y":1,"z":1}',
        b'{"user":"new@x","x":1,"y":1,"z":1}',
    ]
    path = small.write(lakehouse.root, "accelerometer", b"\n".join(pieces), "bad.json")
    lakehouse.run()
    assert sum(lakehouse.status().sources["accelerometer"].quarantined.values()) == 7
    at(900)
    lakehouse.run()
    source = lakehouse.status(verify=True).sources["accelerometer"]
    assert path.read_bytes().count(b"old@x") == 1
    assert path.read_bytes().count(b"new@x") == 3
    assert source.dropped == {"kept long enough": 9 + 3}
    assert source.records == source.loaded + sum(source.quarantined.values()) + 12
    assert lakehouse.status().ok
    for file in lakehouse.root.rglob("_stedi/quarantine/data/**/*.parquet"):
        raws = pq.read_table(file).column("raw").to_pylist()
        assert sum(b"old@x" in raw for raw in raws) <= 1
    assert not lakehouse.run().built


def test_a_bad_file_that_was_accepted_stays_so_without_what_is_over(
    lakehouse: Lakehouse, at: At
) -> None:
    good = [json.dumps(small.acceleration("ann", time, 1)).encode() for time in (500, 5000)]
    bad = [b'{"user":"ann@example.com","timestamp":5000,"x":"?"}'] * 30
    path = small.write(lakehouse.root, "accelerometer", b"\n".join([*good, *bad]), "bad.json")
    lakehouse.run(accept_bad_files=True)
    assert lakehouse.status().sources["accelerometer"].loaded == 19 + 2
    at(900)
    lakehouse.run()
    assert good[0] not in path.read_bytes()
    source = lakehouse.status(verify=True).sources["accelerometer"]
    assert (source.loaded, source.dropped) == (10 + 1, {"kept long enough": 9 + 1})
    assert sum(source.quarantined.values()) == 30
    path.write_bytes(b"\n".join([*good[1:], *bad, bad[0]]))  # another delivery
    with pytest.raises(LandingError, match="32 of 42 records were quarantined"):
        lakehouse.run()
    assert lakehouse.status().sources["accelerometer"].loaded == 10


def test_customers_are_over_by_the_time_of_their_last_change(
    lakehouse: Lakehouse, folder: Path, at: At
) -> None:
    keep(folder, "customer_landing", "lastupdatedate")
    at(100)
    lakehouse.run()
    left = [r for r in small.CUSTOMERS if r["lastUpdateDate"] > 100]
    assert landed(lakehouse, "customer") == left
    assert [row[0] for row in rows(lakehouse, "SELECT email FROM customer_trusted ORDER BY 1")] == [
        f"{name}@example.com" for name in ("eve", "gus", "jon")
    ]
    assert lakehouse.status().sources["customer"].dropped == {"kept long enough": 13}


def test_a_withdrawal_is_never_over_before_the_consent_that_it_ends(folder: Path) -> None:
    for column, told in (
        ("registrationdate", "which changedAt names"),
        ("email", "no required column of type long"),
        ("sharewithresearchasofdate", "no required column of type long"),
        ("nothing", "no required column of type long"),
    ):
        path = folder / "contracts" / "customer_landing.yaml"
        text = path.read_text()
        keep(folder, "customer_landing", column)
        with pytest.raises(DeclarationError, match=told):
            Lakehouse(folder.parent, declarations=folder).check()
        path.write_text(text)


@pytest.mark.parametrize("days", ["0", "-1", ".inf", ".nan", "soon", "true"])
def test_days_are_a_number_above_0(folder: Path, days: str) -> None:
    keep(folder, "step_trainer_landing", "sensorreadingtime", days)
    with pytest.raises(DeclarationError, match="retentionDays"):
        Lakehouse(folder.parent, declarations=folder).check()


def test_only_landing_tables_declare_how_long_and_by_which_column(folder: Path) -> None:
    for table, line in (
        ("accelerometer_trusted", "retentionDays: 1"),
        ("accelerometer_landing", "retentionDays: 1"),
        ("accelerometer_landing", "retentionColumn: timestamp"),
    ):
        path = folder / "contracts" / f"{table}.yaml"
        text = path.read_text()
        declare(folder, table, line)
        if "trusted" in table:
            declare(folder, table, "retentionColumn: timestamp")
        with pytest.raises(DeclarationError, match="retentionDays"):
            Lakehouse(folder.parent, declarations=folder).check()
        path.write_text(text)


def test_a_dry_run_says_what_would_leave_and_changes_nothing(lakehouse: Lakehouse, at: At) -> None:
    lakehouse.run()
    assert lakehouse.plan() == []
    at(900)
    [planned] = lakehouse.plan()
    assert (planned.table, planned.how, planned.files) == ("accelerometer_landing", "swap", 1)
    assert planned.reason == "records that were kept long enough"
    assert landed(lakehouse, "accelerometer") == small.ACCELEROMETER


def test_runs_of_one_table_each_do_it_too(lakehouse: Lakehouse, at: At) -> None:
    lakehouse.run()
    at(900)
    for table in lakehouse.plan(full=True):
        if table.table in ("customer_trusted", "step_trainer_trusted"):
            lakehouse.run(only=[table.table])
    assert landed(lakehouse, "accelerometer") == small.ACCELEROMETER
    for name in ("accelerometer_trusted", "customer_curated", "step_trainer_trusted"):
        lakehouse.run(only=[name])
    lakehouse.run(only=["machine_learning_curated"])
    assert min(times(lakehouse)) == 1000
    assert not (lakehouse.root / "_stedi" / "retention.json").exists()
    assert_sums(lakehouse, 10, 9)


@pytest.mark.slow
def test_what_is_killed_the_next_run_finishes(lakehouse: Lakehouse, at: At, folder: Path) -> None:
    lakehouse.run()
    for number in range(40):
        records = [small.acceleration("ann", time, number) for time in (700, 4000)]
        small.write(lakehouse.root, "accelerometer", records, f"more-{number}.json")
    lakehouse.run()
    at(900)
    step = done = 0
    for step in range(0, 60, 3):
        ended = Process(run_and_die, str(lakehouse.root), str(folder), 900 + DAY, step).ended()
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        if done := ended.returncode == 0:
            break
    assert done
    assert step > 6
    assert_sums(lakehouse, 10 + 40, 9 + 40)
    assert min(times(lakehouse)) == 1000
    assert strays(lakehouse) == []
    assert not lakehouse.run().built
    left = {path.name for path in (lakehouse.root / "_stedi").iterdir()}
    assert left.isdisjoint({"retention.json", "scratch"})


@pytest.mark.parametrize("is_over_first", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_records_that_were_re_delivered_are_over_in_every_file(
    lakehouse: Lakehouse, at: At, is_over_first: bool
) -> None:
    more = [small.acceleration("ann", 5000 + n, 0.5) for n in range(2)]
    small.write(lakehouse.root, "accelerometer", [*small.ACCELEROMETER, *more], "grown.json")
    if not is_over_first:
        lakehouse.run()
        assert lakehouse.status().sources["accelerometer"].dropped == {"re-delivered": 19}
    at(900)
    lakehouse.run()
    status = lakehouse.status(verify=True)
    assert status.problems == []
    source = status.sources["accelerometer"]
    assert source.loaded == len(LEFT) + 2
    assert source.records == source.loaded + sum(source.dropped.values())
    assert source.dropped["re-delivered"] == len(LEFT)
    assert source.dropped["kept long enough"] in (len(OVER), 2 * len(OVER))
    assert {record["timestamp"] for record in landed(lakehouse, "accelerometer")}.isdisjoint(
        record["timestamp"] for record in OVER
    )
    assert min(times(lakehouse)) == 1000
    before = derived(lakehouse)
    lakehouse.run(full=True)
    assert derived(lakehouse) == before
    assert not lakehouse.run().built

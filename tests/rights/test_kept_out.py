"""Whatever a later delivery brings of who was erased stays out, but for who signs up again."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from stedi import Lakehouse, LandingError, StorageError, UsageError
from tests.conftest import Land, already_run, rows
from tests.rights.conftest import assert_whole, named, rows_on_disk, without
from tests.support import small
from tests.support.traces import holding

ANN, S1 = "ann@example.com", "S1"


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """The small landing zone as it was delivered, once more."""
    folder = tmp_path / "delivery"
    small.land(folder)
    return folder


def lines(delivery: Path) -> dict[str, bytes]:
    return {p.parts[-3]: p.read_bytes() for p in delivery.glob("*/landing/*")}


@already_run
@pytest.mark.parametrize("by_hand", [False, True])
def test_the_same_delivery_again_changes_nothing(
    small_lakehouse: Lakehouse, delivery: Path, by_hand: bool
) -> None:
    before = rows_on_disk(small_lakehouse.root)
    small_lakehouse.erase([("email", ANN)])
    if by_hand:
        for source, data in lines(delivery).items():
            small.write(small_lakehouse.root, source, data, "again.json")
        [told] = [r for r in small_lakehouse.run().remarks if "erased" in r]
        assert told.startswith("dropped 7 records of people who were erased")
    else:
        ingested = small_lakehouse.ingest(delivery)
        assert (ingested.copied, len(ingested.present), ingested.erased) == ((), 3, 7)
    small_lakehouse.run()
    assert named(rows_on_disk(small_lakehouse.root)) == without(before, ANN, S1)
    assert holding(small_lakehouse.root, ANN) == []
    assert_whole(small_lakehouse)


@already_run
@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        "gzip in zstandard",
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("compressed", "regrouped", "a list", "over the old file")
        ),
    ],
)
def test_a_delivery_in_another_form_does_not_bring_them_back(
    small_lakehouse: Lakehouse, delivery: Path, how: str, by_hand: bool
) -> None:
    before = rows_on_disk(small_lakehouse.root)
    small_lakehouse.erase([("email", ANN)])
    for source, data in lines(delivery).items():
        folder = (small_lakehouse.root if by_hand else delivery) / source / "landing"
        records = data.splitlines(keepends=True)
        (delivery / source / "landing" / "one.json").unlink()
        if how == "compressed":
            (folder / "one.json.gz").write_bytes(gzip.compress(data))
        elif how == "gzip in zstandard":
            (folder / "one.json.gz.zst").write_bytes(zstandard.compress(gzip.compress(data)))
        elif how == "regrouped":
            (folder / "first.json").write_bytes(b"".join(records[::2]))
            (folder / "second.json").write_bytes(b"".join(reversed(records[1::2])))
        elif how == "a list":
            text = json.dumps([json.loads(record) for record in records], indent=1)
            (folder / "list.json").write_text(text.replace(ANN, "\\u0061nn@example.com"))
        else:
            (folder / "one.json").write_bytes(data)
    if not by_hand:
        small_lakehouse.ingest(delivery)
    small_lakehouse.run()
    assert holding(small_lakehouse.root, ANN) == []
    assert small_lakehouse.prove_erased([("email", ANN)]).holds
    assert {
        table: {*counted} for table, counted in named(rows_on_disk(small_lakehouse.root)).items()
    } == {table: {*counted} for table, counted in without(before, ANN, S1).items()}
    assert small_lakehouse.status().sources["accelerometer"].quarantined == {}
    for table in ("customer_landing", "customer_trusted", "customer_curated"):
        assert rows(small_lakehouse, f"SELECT * FROM {table} WHERE email = '{ANN}'") == []
    assert (
        rows(small_lakehouse, "SELECT * FROM step_trainer_landing WHERE serialnumber = 'S1'") == []
    )
    assert_whole(small_lakehouse)


@already_run
def test_what_is_broken_of_them_stays_out_and_a_replay_brings_nothing(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    small_lakehouse.erase([("email", ANN)])
    land(
        "customer", b'{"email": "ann@example.com", "phone": 5}\n{"email": "zoe@e.com"}\n', "b.json"
    )
    land("accelerometer", b'{"user": "ann@example.com", "timestamp": 5\n', name="b.json")
    small_lakehouse.run()
    assert small_lakehouse.quarantine().count == 1
    assert holding(small_lakehouse.root, ANN) == []
    small_lakehouse.replay()
    assert holding(small_lakehouse.root, ANN) == []
    assert small_lakehouse.status().sources["customer"].dropped == {"erased": 2}
    assert_whole(small_lakehouse)


@already_run
def test_who_signs_up_again_is_a_customer_and_the_past_stays_out(
    small_lakehouse: Lakehouse, land: Land, delivery: Path
) -> None:
    small_lakehouse.erase([("email", ANN)])
    later = time.time_ns() // 1_000_000 + 1
    signed_up = {**small.customer("ann", S1, later, consent=later), "registrationDate": later}
    land("customer", [signed_up, small.customer("ann", S1, later, consent=later)], name="new.json")
    land("accelerometer", [small.acceleration("ann", later + 5, 0.5)], name="new.json")
    land("step_trainer", [small.reading(S1, later + 5, 7)], name="new.json")
    small_lakehouse.ingest(delivery)
    small_lakehouse.run()
    assert rows(
        small_lakehouse, f"SELECT COUNT(*) FROM customer_landing WHERE email = '{ANN}'"
    ) == [(1,)]
    sql = f"""SELECT "timestamp" FROM accelerometer_trusted WHERE "user" = '{ANN}'"""
    assert rows(small_lakehouse, sql) == [(later + 5,)]
    sql = "SELECT sensorreadingtime FROM step_trainer_trusted WHERE serialnumber = 'S1'"
    assert rows(small_lakehouse, sql) == [(later + 5,)]
    assert_whole(small_lakehouse)
    small_lakehouse.erase([("email", ANN)])  # and changes their mind
    assert holding(small_lakehouse.root, ANN) == []


@already_run
def test_a_registration_in_the_future_is_a_clock_that_was_wrong(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    small_lakehouse.erase([("email", ANN)])
    far = time.time_ns() // 1_000_000 + 40 * 86_400_000
    land("customer", [{**small.customer("ann", S1, 100, 100), "registrationDate": far}], "far.json")
    small_lakehouse.run()
    assert holding(small_lakehouse.root, ANN) == []


@already_run
def test_the_next_owner_of_their_device_keeps_readings(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    small_lakehouse.erase([("email", ANN)])
    later = time.time_ns() // 1_000_000 + 1
    land("customer", [small.customer("zoe", S1, 100, consent=100)], name="zoe.json")
    land("step_trainer", [small.reading(S1, 1000, 1), small.reading(S1, later, 2)], name="zoe.json")
    small_lakehouse.run()
    emails = rows(small_lakehouse, "SELECT email FROM customer_landing WHERE serialnumber = 'S1'")
    assert emails == [("zoe@example.com",)]
    sql = "SELECT sensorreadingtime FROM step_trainer_landing WHERE serialnumber = 'S1'"
    assert rows(small_lakehouse, sql) == [(later,)]


@already_run
def test_another_spelling_comes_in_and_is_told(small_lakehouse: Lakehouse, land: Land) -> None:
    small_lakehouse.erase([("email", ANN)])
    land("customer", [{**small.customer("x", "S70", 100), "email": "Ann@example.com"}], "x.json")
    [told] = [remark for remark in small_lakehouse.run().remarks if "almost" in remark]
    assert told.startswith("1 new record of the source customer")
    assert "Ann" not in told
    assert rows(small_lakehouse, "SELECT 1 FROM customer_landing WHERE email = 'Ann@example.com'")


@already_run
def test_the_list_names_nobody_and_needs_the_secret(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_lakehouse.erase([("email", ANN)])
    monkeypatch.setenv("STEDI_SECRET", "another secret of the tests, of enough bytes")
    land("customer", [small.customer("ann", S1, 100)], name="again.json")
    for work in (small_lakehouse.run, lambda: small_lakehouse.ingest(small_lakehouse.root)):
        with pytest.raises(UsageError, match="made with another secret"):
            work()
    monkeypatch.undo()
    monkeypatch.setenv("STEDI_DECLARATIONS", str(small_lakehouse._declarations))
    monkeypatch.setenv("STEDI_SECRET", "a secret of the tests, of at least thirty-two bytes")
    small_lakehouse.run()
    assert holding(small_lakehouse.root, ANN) == []


@already_run
@pytest.mark.parametrize(
    "gone",
    [
        "first",
        pytest.param("last", marks=pytest.mark.slow),
        "all",
        pytest.param("folder", marks=pytest.mark.slow),
        "folder and note",
    ],
)
def test_a_list_of_which_a_part_is_gone_stops_whatever_reads_deliveries(
    small_lakehouse: Lakehouse, delivery: Path, gone: str
) -> None:
    for name in (ANN, "eve@example.com"):
        small_lakehouse.erase([("email", name)])
    own = small_lakehouse.root / "_stedi"
    parts = sorted((own / "erased").iterdir())
    assert len(parts) > 1
    lost = {"first": parts[:1], "last": parts[-1:]}.get(gone, parts)
    for path in lost:
        path.unlink()
    if "folder" in gone:
        (own / "erased").rmdir()
    if "note" in gone:
        (own / "erased.json").unlink()
    for source, data in lines(delivery).items():
        small.write(small_lakehouse.root, source, data, "again.json")
    before = rows_on_disk(small_lakehouse.root)
    again = (lambda: small_lakehouse.ingest(delivery), lambda: small_lakehouse.run(full=True))
    for command in (small_lakehouse.run, *again, small_lakehouse.status):
        with pytest.raises(StorageError, match="list of who was erased is gone") as caught:
            command()
        assert gone not in ("first", "last") or lost[0].name in str(caught.value)
    assert rows_on_disk(small_lakehouse.root) == before


@already_run
def test_a_list_without_the_note_of_its_parts_is_that_of_a_release_before(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    small_lakehouse.erase([("email", ANN)])
    (small_lakehouse.root / "_stedi" / "erased.json").unlink()
    land("customer", [small.customer("ann", "S1", 100, consent=100)], "again.json")
    small_lakehouse.run()
    assert holding(small_lakehouse.root, ANN) == []


@already_run
def test_tables_rebuilt_from_nothing_keep_them_out(
    small_lakehouse: Lakehouse, delivery: Path
) -> None:
    small_lakehouse.erase([("email", ANN)])
    shutil.rmtree(small_lakehouse.root / "customer" / "typed")
    (small_lakehouse.root / "_stedi" / "catalog.db").unlink()
    shutil.copytree(delivery, small_lakehouse.root, dirs_exist_ok=True)
    small_lakehouse.run(full=True, profile="seed")
    assert holding(small_lakehouse.root, ANN) == []
    assert_whole(small_lakehouse)


@already_run
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_name_of_a_file_or_folder_does_not_bring_them_back(
    small_lakehouse: Lakehouse, tmp_path: Path, by_hand: bool
) -> None:
    small_lakehouse.erase([("email", ANN)])
    folder = (small_lakehouse.root if by_hand else tmp_path / "more") / "customer" / "landing"
    theirs = json.dumps(small.customer("ann", S1, 100, consent=100)).encode()
    others = json.dumps(small.customer("zoe", "S90", 100, consent=100)).encode()
    names = {
        f"{ANN}.json": theirs,
        f"of {ANN}/one.json": theirs,
        f"export_{ANN.upper()}_2026.json.gz": gzip.compress(others),
        "ann.json": others + b"\n",  # others have that name
    }
    for name, content in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if not by_hand:
        small_lakehouse.ingest(tmp_path / "more")
    ran = small_lakehouse.run()
    assert holding(small_lakehouse.root, ANN) == []
    landing = small_lakehouse.root / "customer" / "landing"
    left = sorted(path.relative_to(landing).as_posix() for path in landing.rglob("*"))
    assert not [name for name in left if ANN in name.lower()]
    assert any(n.startswith("renamed-") and n.endswith(".json.gz") for n in left)
    assert "ann.json" in left
    told = [remark for remark in ran.remarks if "renamed" in remark]
    assert len(told) == by_hand
    assert small_lakehouse.prove_erased([("email", ANN)]).holds
    assert_whole(small_lakehouse)


@already_run
@pytest.mark.parametrize(
    "encoding",
    [
        "utf-16",
        pytest.param("utf-16-be", marks=pytest.mark.slow),
        pytest.param("utf-32", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("is_scanned", [False, True])
def test_what_is_of_two_or_four_bytes_a_letter_does_not_bring_their_device_back(
    small_lakehouse: Lakehouse, encoding: str, is_scanned: bool
) -> None:
    device = "0f927963-7909-165d"
    small.write(
        small_lakehouse.root,
        "customer",
        json.dumps(small.customer("zoe", device, 100, consent=100)).encode(),
        "zoe.json",
    )
    small_lakehouse.run()
    small_lakehouse.erase([("email", "zoe@example.com")])
    readings = [small.reading(device, time, 7) for time in range(3_000 if is_scanned else 3)]
    text = "".join(json.dumps(reading) + "\n" for reading in readings)
    small.write(small_lakehouse.root, "step_trainer", text.encode(encoding), "wide.json")
    with suppress(LandingError):  # what stood between them is quarantined
        small_lakehouse.run()
    for form in (device.encode(), device.encode("utf-16-le"), device.encode("utf-32-le")):
        found = [
            p for p in small_lakehouse.root.rglob("*") if p.is_file() and form in p.read_bytes()
        ]
        assert found == []
    assert small_lakehouse.prove_erased([("serial-number", device)]).holds

"""What a run makes of a landing zone, on data counted by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import stedi.run.readings as readings
from stedi import (
    DeclarationError,
    Lakehouse,
    LandingError,
    Locked,
    PairingTooLarge,
    QueryError,
    RuleBroken,
    UsageError,
)
from stedi.landing.files import LandingFile, list_readable
from stedi.roots import Files, open_root
from tests.conftest import Land, already_run, both_engines_at_length, counts, remarks, rows
from tests.support import small

pytestmark = both_engines_at_length


def notes(lakehouse: Lakehouse) -> dict[str, int]:
    return {note.code: note.count for note in lakehouse.status().notes}


def snapshots(lakehouse: Lakehouse) -> dict[str, str | None]:
    return {name: table.snapshot for name, table in lakehouse.status().tables.items()}


@pytest.mark.parametrize(
    ("profile", "expected", "dropped", "pairs"),
    [
        ("seed", small.SEED, small.SEED_DROPPED, small.SEED_PAIRS),
        ("strict", small.STRICT, small.STRICT_DROPPED, small.STRICT_PAIRS),
    ],
)
def test_the_small_landing_zone_gives_what_was_counted_by_hand(
    small_lakehouse: Lakehouse,
    profile: str,
    expected: dict[str, int],
    dropped: dict[str, dict[str, int]],
    pairs: list[tuple[float, ...]],
) -> None:
    small_lakehouse.run(profile=profile)
    status = small_lakehouse.status(verify=True)
    assert {name: table.rows for name, table in status.tables.items()} == expected
    assert {name: step.dropped for name, step in status.steps.items()} == dropped
    assert status.ok, status.problems
    published = rows(small_lakehouse, "SELECT * FROM machine_learning_curated")
    assert published == pairs  # sorted by their own values


@already_run
def test_json_that_is_passed_over_for_its_name_is_reported(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("accelerometer", [small.acceleration("ann", 9000, 0.9)], name="_late.json")
    folder = small_lakehouse.root / "accelerometer" / "landing"
    for name in ("_SUCCESS", "._one.json", ".two.json.crc", ".three.json.part"):
        (folder / name).write_text("x")
    report = small_lakehouse.run()
    assert not report.built
    [remark] = remarks(report)
    assert "1 landing file of the source accelerometer" in remark and "_late.json" in remark
    (folder / "_late.json").rename(folder / "late.json")
    report = small_lakehouse.run()
    assert report.built and remarks(report) == []


@already_run
def test_the_seed_profile_notes_what_the_strict_one_leaves_out(small_lakehouse: Lakehouse) -> None:
    assert notes(small_lakehouse) == small.SEED_NOTES
    small_lakehouse.run(profile="strict")
    assert notes(small_lakehouse) == {
        "weaker_than_recommended": 1,
        "instant_out_of_range": 18,
        "shared_serial_numbers": 2,
    }


def test_a_serial_number_has_several_owners_only_by_newest_records(
    lakehouse: Lakehouse, land: Land
) -> None:
    land(
        "customer",
        [
            small.customer("ann", "S1", 100, consent=100),
            small.customer("ann", "S2", 200, consent=100),
            small.customer("ben", "S1", 300, consent=300),
        ],
    )
    land(
        "accelerometer", [small.acceleration("ben", 500, 0.5), small.acceleration("ann", 500, 0.1)]
    )
    land("step_trainer", [small.reading("S1", 500, 210), small.reading("S1", 250, 220)])
    lakehouse.run(profile="strict")
    # S1 is ben's alone now; ann, who had it, consents; the reading at 250 is before ben's consent.
    assert rows(lakehouse, "SELECT sensorreadingtime FROM step_trainer_trusted") == [(500,)]
    assert rows(lakehouse, "SELECT * FROM machine_learning_curated") == [(210.0, 0.5, 0.5, -1.0)]
    assert "shared_serial_numbers" not in notes(lakehouse)


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ({"consent": 90}, {"consent": 80}, 80),  # all else equal: the smaller value
        ({"consent": 90}, {"consent": None}, None),
        ({"consent": 90}, {"consent": -5}, None),
    ],
)
def test_of_two_records_as_new_as_each_other_one_is_chosen_whatever_their_order(
    lakehouse: Lakehouse, land: Land, first: Any, second: Any, winner: int | None
) -> None:
    for order in ([first, second], [second, first]):
        land("customer", [small.customer("ann", "S1", 100, **one) for one in order])
        lakehouse.run()
        found = rows(lakehouse, "SELECT sharewithresearchasofdate FROM customer_trusted")
        assert found == ([(winner,)] if winner else [])


@already_run
def test_a_second_run_does_nothing_and_adds_no_snapshot(small_lakehouse: Lakehouse) -> None:
    before = snapshots(small_lakehouse)
    report = small_lakehouse.run()
    assert report.built == ()
    assert snapshots(small_lakehouse) == before


@already_run
def test_a_new_file_rebuilds_what_depends_on_it_and_nothing_else(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    before = snapshots(small_lakehouse)
    land("step_trainer", [small.reading("S1", 1000, 215)], name="two.json")
    assert small_lakehouse.status().tables["step_trainer_trusted"].freshness == "stale"
    assert small_lakehouse.status().ok
    report = small_lakehouse.run()
    changed = {"step_trainer_landing", "step_trainer_trusted", "machine_learning_curated"}
    assert {built.table for built in report.built} == changed
    after = snapshots(small_lakehouse)
    assert {name for name in after if after[name] != before[name]} == changed
    assert counts(small_lakehouse)["machine_learning_curated"] == 14


def test_a_file_taken_away_or_changed_takes_its_records_along(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    extra = land("step_trainer", [small.reading("S1", 1000, 215)], name="two.json")
    small_lakehouse.run()
    extra.unlink()
    assert not small_lakehouse.status().ok
    small_lakehouse.run()
    assert small_lakehouse.status().ok
    assert counts(small_lakehouse)["step_trainer_landing"] == 17
    land("step_trainer", small.STEP_TRAINER[:3])
    assert not small_lakehouse.status().ok
    small_lakehouse.run()
    assert small_lakehouse.status(verify=True).ok
    assert counts(small_lakehouse)["step_trainer_landing"] == 3


@already_run
@pytest.mark.parametrize(
    "how",
    [
        "gone",
        pytest.param("emptied", marks=pytest.mark.slow),
        pytest.param("replaced", marks=pytest.mark.slow),
        "renamed",
        pytest.param("a copy of it is gone", marks=pytest.mark.slow),
    ],
)
def test_a_withdrawal_that_is_taken_away_is_told(
    small_lakehouse: Lakehouse, land: Land, how: str
) -> None:
    withdrawal = json.dumps(small.customer("ann", "S1", 5000)).encode()
    file = land("customer", withdrawal + b"\n", name="later.json")
    other = land("customer", withdrawal + b"\n\n", name="other.json") if "copy" in how else file
    small_lakehouse.run()
    trusted = "SELECT 1 FROM customer_trusted WHERE email = 'ann@example.com'"
    assert not rows(small_lakehouse, trusted)
    if how == "emptied":
        file.write_bytes(b"")
    elif how == "replaced":
        file.write_bytes(json.dumps({**small.customer("zoe", "S1", 5), "phone": ""}).encode())
    elif how == "renamed":
        file.rename(file.with_name("later-still.json"))
    else:
        other.unlink()
    remarks = [text for text in small_lakehouse.run().remarks if "withdrawals included" in text]
    is_back = bool(rows(small_lakehouse, trusted))
    assert is_back == (how in ("gone", "emptied", "replaced"))
    assert bool(remarks) == (how != "renamed")
    assert all("1 landing file of customer is gone, or shorter" in text for text in remarks)
    again = small_lakehouse.run().remarks
    assert not any("withdrawals included" in text for text in again)


@already_run
def test_a_touched_file_with_the_same_bytes_rebuilds_nothing(small_lakehouse: Lakehouse) -> None:
    path = small_lakehouse.root / "customer" / "landing" / "one.json"
    os.utime(path, (1, 1))
    assert small_lakehouse.run().built == ()
    assert small_lakehouse.status().ok


def test_files_with_the_same_bytes_count_once(small_lakehouse: Lakehouse, land: Land) -> None:
    land("customer", small.CUSTOMERS, name="again.json")
    small_lakehouse.run()
    land("customer", small.CUSTOMERS, name="and again.json")
    small_lakehouse.run()
    source = small_lakehouse.status().sources["customer"]
    assert (source.files, source.records, source.loaded) == (1, 18, 18)
    assert len(source.copies) == 2
    assert notes(small_lakehouse)["copies"] == 2
    # When the file that was read goes, one of its copies takes its place.
    (small_lakehouse.root / "customer" / "landing" / "again.json").unlink()
    small_lakehouse.run()
    assert counts(small_lakehouse)["customer_landing"] == 18
    assert small_lakehouse.status(verify=True).ok


@already_run
def test_files_with_the_same_bytes_count_once_whatever_secret_they_were_read_with(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEDI_SECRET", "another, of at least thirty-two bytes")
    land("customer", small.CUSTOMERS, name="again.json")
    small_lakehouse.run()
    assert counts(small_lakehouse)["customer_landing"] == 18
    assert len(small_lakehouse.status().sources["customer"].copies) == 1


@already_run
def test_a_run_tells_how_many_rows_a_table_has_not_how_many_came(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    land("step_trainer", [small.reading("S1", 1000, 215)], name="two.json")
    rows = {built.table: built.rows for built in small_lakehouse.run().built}
    assert rows["step_trainer_landing"] == 18


def test_the_lakehouse_remembers_its_profile(small_lakehouse: Lakehouse) -> None:
    assert small_lakehouse.run(profile="strict").profile_changed is False
    assert small_lakehouse.run().built == ()
    assert small_lakehouse.status().profile == "strict"
    report = small_lakehouse.run(profile="seed")
    assert report.profile_changed
    assert counts(small_lakehouse) == small.SEED


def test_an_empty_landing_zone_gives_empty_tables(lakehouse: Lakehouse) -> None:
    lakehouse.run()
    assert set(counts(lakehouse).values()) == {0}
    assert lakehouse.status(verify=True).ok
    assert rows(lakehouse, "SELECT COUNT(*) FROM machine_learning_curated") == [(0,)]


def test_a_landing_zone_in_which_nobody_consents_publishes_nothing(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [small.customer("ben", "S2", 100)])
    land("accelerometer", [small.acceleration("ben", 1000, 1.0)])
    land("step_trainer", [small.reading("S2", 1000, 900)])
    lakehouse.run()
    assert counts(lakehouse)["customer_trusted"] == 0
    assert counts(lakehouse)["machine_learning_curated"] == 0


def test_a_quarantined_record_suspends_its_customers_consent(
    small_lakehouse: Lakehouse, land: Land
) -> None:
    path = land("customer", b'{"email": "ann@example.com", "lastUpdateDate": 500', name="cut.json")
    small_lakehouse.run()
    dropped = small_lakehouse.status().steps["customer_trusted"].dropped
    assert dropped["consent suspended: a record of the customer was set aside"] == 1
    assert rows(
        small_lakehouse, "SELECT COUNT(*) FROM customer_trusted WHERE email = 'ann@example.com'"
    ) == [(0,)]
    path.unlink()
    small_lakehouse.run()
    assert counts(small_lakehouse) == small.SEED


@pytest.mark.parametrize(
    ("piece", "suspended"),
    [
        (rb'{"em\u0061il":"ann@example.com","lastUpdateDate":99}', ["ann"]),
        (b'{"email":"zz@example.com","email":"ann@example.com","lastUpdateDate":99}', ["ann"]),
        (b'{"old":{"email":"eve@example.com"},"email":"ann@example.com"}', ["ann", "eve"]),
        (b'{"EMAIL" : "ann@example.com", "lastUp', ["ann"]),
        (b'{"lastUpdateDate":99}', []),
    ],
)
def test_whom_a_quarantined_record_is_about_is_read_as_json_readers_do(
    small_lakehouse: Lakehouse, land: Land, piece: bytes, suspended: list[str]
) -> None:
    land("customer", piece, name="aside.json")
    small_lakehouse.run()
    trusted = {email for (email,) in rows(small_lakehouse, "SELECT email FROM customer_trusted")}
    expected = {"ann", "eve", "fay", "gus", "hal", "jon", "lee", "ned"}.difference(suspended)
    assert trusted == {f"{name}@example.com" for name in expected}


@pytest.mark.parametrize(
    "piece",
    [
        b'{"email":"ann@example.com","email":"fay@example.com","lastUpdateDate":9}',
        b'{"email":"ann@example.com","lastUpdateDate":NaN,"email":"fay@example.com"}',
        b'{"customers":[{"email":"ann@example.com"},{"email":"fay@example.com"}]}',
        b'{"email":"ann@example.com","phone":"1"\t"email":"fay@example.com","lastUp',
    ],
)
def test_everyone_whom_a_quarantined_record_is_about_is_suspended(
    small_lakehouse: Lakehouse, land: Land, piece: bytes
) -> None:
    land("customer", piece, name="aside.json")
    small_lakehouse.run()
    trusted = {email for (email,) in rows(small_lakehouse, "SELECT email FROM customer_trusted")}
    expected = {"eve", "gus", "hal", "jon", "lee", "ned"}
    assert trusted == {f"{name}@example.com" for name in expected}


def test_a_table_that_is_not_built_yet_is_not_taken_for_empty(small_lakehouse: Lakehouse) -> None:
    with pytest.raises(QueryError, match="customer_landing is not built yet"):
        small_lakehouse.query("SELECT COUNT(*) FROM customer_landing")


def test_a_file_where_a_landing_folder_belongs_is_refused(lakehouse: Lakehouse) -> None:
    (lakehouse.root / "customer").mkdir()
    (lakehouse.root / "customer" / "landing").write_text("{}")
    with pytest.raises(LandingError, match="customer/landing is a file"):
        lakehouse.run()


def crowd(land: Land, people: int) -> None:
    names = [f"p{number}" for number in range(people)]
    land("customer", [small.customer(name, f"S-{name}", 100, consent=100) for name in names])
    land("accelerometer", [small.acceleration(name, 1000, 0.5) for name in names])
    land("step_trainer", [small.reading(f"S-{name}", 1000, 250) for name in names])


@already_run
def test_options_of_other_types_are_refused(small_lakehouse: Lakehouse, tmp_path: Path) -> None:
    wrong: Any = "customer_trusted"
    with pytest.raises(UsageError, match="--only customer_trusted: a list of tables"):
        small_lakehouse.run(only=wrong)
    with pytest.raises(UsageError, match="--max-pairs customer_trusted: a number"):
        small_lakehouse.run(max_pairs=wrong)
    with pytest.raises(UsageError, match=r"one\.json: a list of files"):
        small_lakehouse.predict(tmp_path, "one.json")


def test_a_crowded_timestamp_is_not_multiplied_out(lakehouse: Lakehouse, land: Land) -> None:
    crowd(land, 1_500)
    with pytest.raises(PairingTooLarge, match=r"2,250,000 rows.*--max-pairs 2250000"):
        lakehouse.run()
    assert counts(lakehouse)["step_trainer_trusted"] == 1_500
    assert counts(lakehouse)["machine_learning_curated"] is None
    with pytest.raises(PairingTooLarge):
        lakehouse.run(max_pairs=2_249_999)
    lakehouse.run(max_pairs=2_250_000)
    step = lakehouse.status().steps["machine_learning_curated"]
    over_cap = step.dropped["beyond the rows that are published of one person"]
    assert step.in_ == step.kept + over_cap == 2_250_000
    assert counts(lakehouse)["machine_learning_curated"] == step.kept <= 1_500 * 1_000


def test_a_run_on_a_lakehouse_that_is_being_worked_on_is_refused(
    small_lakehouse: Lakehouse,
) -> None:
    other = small_lakehouse.root / "_stedi" / "scratch" / "run-1"
    with open_root(small_lakehouse.root).lock():
        other.mkdir(parents=True)
        with pytest.raises(Locked, match="process"):
            small_lakehouse.run()
        assert other.exists()  # what the other run is using stays
    small_lakehouse.run()


NINTH = """
apiVersion: v3.1.0
kind: DataContract
id: urn:stedi:readings-per-customer
name: readings_per_customer
version: 1.0.0
status: active
schema:
  - name: readings_per_customer
    logicalType: object
    physicalType: table
    customProperties:
      - {property: zone, value: curated}
    properties:
      - name: serialnumber
        logicalType: string
        physicalType: string
        required: true
        unique: true
        classification: direct
      - name: readings
        logicalType: integer
        physicalType: long
        classification: quasi
    quality:
      - name: no_readings
        type: sql
        description: customers without a reading
        query: SELECT COUNT(*) FROM readings_per_customer WHERE readings = 0
        mustBe: 0
        severity: error
"""


def test_a_ninth_table_is_one_contract_and_one_select(
    small_lakehouse: Lakehouse, folder: Path
) -> None:
    (folder / "contracts" / "readings_per_customer.yaml").write_text(NINTH)
    (folder / "transforms" / "readings_per_customer.sql").write_text(
        "SELECT serialnumber, COUNT(*) AS readings FROM step_trainer_trusted GROUP BY serialnumber"
    )
    nine = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    assert "readings_per_customer" in nine.check().tables
    nine.run()
    assert counts(nine) == {**small.SEED, "readings_per_customer": 6}
    assert rows(nine, "SELECT readings FROM readings_per_customer WHERE serialnumber = 'S1'") == [
        (3,)
    ]
    assert nine.status(verify=True).ok
    assert nine.status().steps["readings_per_customer"].adds_up is None


@pytest.mark.parametrize("profile", ["seed", "strict"])
def test_an_empty_name_is_nobodys(lakehouse: Lakehouse, land: Land, profile: str) -> None:
    """It would be that of all whose name was lost, and the consent of one would hold for all."""
    nameless, deviceless = small.customer("ann", "S1", 100, 100), small.customer("bo", "", 100, 100)
    land("customer", [nameless | {"email": ""}, deviceless])
    land("accelerometer", [small.acceleration("bo", 200, 0.5)] * 2)
    land("accelerometer", [small.acceleration("bo", 200, 0.5) | {"user": ""}], name="lost.json")
    land("step_trainer", [small.reading("", 200, 250), small.reading("S1", 200, 250)])
    lakehouse.run(profile=profile)
    status = lakehouse.status(verify=True)
    assert status.ok
    assert [status.steps[f"{name}_trusted"].dropped for name in ("customer", "accelerometer")] == [
        {"consent of nobody: the e-mail is empty": 1},
        {"user is empty": 1},
    ]
    assert status.steps["step_trainer_trusted"].dropped == {
        "serial number is empty": 1,
        "serial number of no curated customer": 1,
    }
    assert status.tables["customer_curated"].rows == 1


def test_a_table_may_be_made_from_groups(small_lakehouse: Lakehouse, folder: Path) -> None:
    (folder / "contracts" / "readings_per_customer.yaml").write_text(NINTH)
    (folder / "transforms" / "readings_per_customer.sql").write_text(
        "WITH counted AS (SELECT s.serialnumber, COUNT(*) AS readings FROM step_trainer_trusted s "
        "GROUP BY s.serialnumber) SELECT c.serialnumber, c.readings FROM counted c"
    )
    nine = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    nine.run()
    assert counts(nine) == {**small.SEED, "readings_per_customer": 6}
    assert nine.status(verify=True).ok
    assert nine.status().steps["readings_per_customer"].adds_up is None


def test_a_rule_that_reads_what_is_built_later_is_refused(
    small_lakehouse: Lakehouse, folder: Path
) -> None:
    rule = "SELECT COUNT(*) FROM readings_per_customer"
    more = f"{rule} r WHERE r.serialnumber NOT IN (SELECT z.serialnumber FROM z_trusted z)"
    (folder / "contracts" / "readings_per_customer.yaml").write_text(
        NINTH.replace(f"query: {rule} WHERE readings = 0", f"query: {more}")
    )
    z = NINTH.replace("readings_per_customer", "z_trusted")
    (folder / "contracts" / "z_trusted.yaml").write_text(z)
    for name in ("readings_per_customer", "z_trusted"):
        (folder / "transforms" / f"{name}.sql").write_text(
            "SELECT s.serialnumber, COUNT(*) AS readings FROM step_trainer_trusted s "
            "GROUP BY s.serialnumber"
        )
    ten = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    with pytest.raises(DeclarationError, match="rule no_readings: reads z_trusted, which is built"):
        ten.check()


def test_a_select_that_just_filters_has_a_reason_of_its_own(
    small_lakehouse: Lakehouse, folder: Path
) -> None:
    contract = NINTH.replace("readings_per_customer", "near").replace(
        "readings = 0", "readings > 240"
    )
    (folder / "contracts" / "near.yaml").write_text(
        contract.replace("unique: true", "unique: false")
    )
    (folder / "transforms" / "near.sql").write_text(
        "SELECT serialnumber, distancefromobject AS readings FROM step_trainer_trusted "
        "WHERE distancefromobject <= 240"
    )
    nine = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    nine.run()
    step = nine.status().steps["near"]
    assert (step.in_, step.kept, step.dropped, step.adds_up) == (10, 4, {"WHERE not met": 6}, True)


@already_run
@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        ("r.sharewithresearchasofdate <= 0", "false", "1 customers have no consent"),
        ("WHEN r.recency > 1 THEN 'not the newest record of its customer'", "", "repeats"),
    ],
)
def test_an_assertion_that_fails_stops_the_run_before_the_commit(
    small_lakehouse: Lakehouse, folder: Path, find: str, replace: str, message: str
) -> None:
    before = snapshots(small_lakehouse)
    path = folder / "transforms" / "customer_trusted.sql"
    assert find in path.read_text()
    path.write_text(path.read_text().replace(find, replace))
    broken = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    with pytest.raises(RuleBroken, match=message) as caught:
        broken.run()
    assert "@example.com" not in str(caught.value)
    assert snapshots(small_lakehouse) == before
    report = small_lakehouse.run()
    assert (report.built, report.swept) == ((), 0)


@already_run
def test_a_contract_with_another_column_rebuilds_the_table_once_its_checks_pass(
    small_lakehouse: Lakehouse, folder: Path
) -> None:
    before = snapshots(small_lakehouse)
    contract = folder / "contracts" / "customer_curated.yaml"
    column = (
        "      - {name: country, logicalType: string, physicalType: string, required: true, "
        "classification: none}\n"
    )
    contract.write_text(
        contract.read_text().replace("    properties:\n", f"    properties:\n{column}")
    )
    transform = folder / "transforms" / "customer_curated.sql"
    sql = transform.read_text()
    transform.write_text(
        sql.replace(
            "SELECT\n  customername", "SELECT\n  CAST(NULL AS VARCHAR) AS country,\n  customername"
        )
    )
    other = type(small_lakehouse)(small_lakehouse.root, declarations=folder)
    with pytest.raises(RuleBroken, match="country is required"):
        other.run()
    assert snapshots(small_lakehouse) == before
    transform.write_text(
        sql.replace("SELECT\n  customername", "SELECT\n  'NO' AS country,\n  customername")
    )
    other.run()
    assert rows(other, "SELECT DISTINCT country FROM customer_curated") == [("NO",)]
    assert other.status(verify=True).ok
    assert small_lakehouse.run().built
    assert counts(small_lakehouse) == small.SEED


def test_a_transform_that_multiplies_rows_breaks_its_sum(
    small_lakehouse: Lakehouse, folder: Path
) -> None:
    path = folder / "transforms" / "step_trainer_trusted.sql"
    path.write_text(path.read_text().replace("SELECT DISTINCT serialnumber", "SELECT serialnumber"))
    with pytest.raises(RuleBroken, match="17 rows in, but 12 kept"):
        type(small_lakehouse)(small_lakehouse.root, declarations=folder).run()


@already_run
def test_status_in_json_has_the_keys_that_programs_rely_on(small_lakehouse: Lakehouse) -> None:
    status = json.loads(small_lakehouse.status().model_dump_json(by_alias=True))
    assert status["ok"] is True
    assert status["profile"] == "seed"
    table = status["tables"]["customer_landing"]
    assert (table["zone"], table["rows"]) == ("landing", 18)
    assert table["location"] == f"file://{small_lakehouse.root}/customer/typed"
    assert isinstance(table["snapshot"], str)
    source = status["sources"]["customer"]
    assert (source["files"], source["records"], source["loaded"]) == (1, 18, 18)
    assert source["quarantined"] == {}
    assert status["steps"]["customer_trusted"] == {
        "in": 18,
        "kept": 8,
        "dropped": small.SEED_DROPPED["customer_trusted"],
        "adds_up": True,
        "noise": None,
    }
    assert {"code", "count", "text"} == set(status["notes"][0])


@already_run
def test_a_file_that_changes_after_it_was_listed_is_refused(
    small_lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = land("accelerometer", small.ACCELEROMETER * 100, name="late.json")

    def list_before(files: Files, source: str) -> list[LandingFile]:
        listed = list_readable(files, source)
        if source == "accelerometer":
            late.write_bytes(late.read_bytes() + b"\n")
        return listed

    monkeypatch.setattr(readings, "list_readable", list_before)
    with pytest.raises(LandingError, match=r"late\.json changed while it was read"):
        small_lakehouse.run()
    late.unlink()
    assert small_lakehouse.status(verify=True).ok
    assert counts(small_lakehouse) == small.SEED

"""Records that were delivered before, in another file, are loaded once, and counted."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stedi import Lakehouse
from tests.conftest import Land, both_engines_at_length, on, rows
from tests.support import small

ONLY = ["customer_trusted", "accelerometer_trusted"]
Readings = list[dict[str, Any]]


def readings(first: int, behind: int, name: str = "ann") -> Readings:
    return [small.acceleration(name, time, time / 7) for time in range(first, behind)]


def landed(lakehouse: Lakehouse) -> Counter[tuple[Any, ...]]:
    return Counter(
        rows(lakehouse, 'SELECT "user", "timestamp", x, y, z FROM accelerometer_landing')
    )


def of(*files: Readings) -> Counter[tuple[Any, ...]]:
    """What must be loaded of files in the order they came: nothing that an earlier one has."""
    loaded: Counter[tuple[Any, ...]] = Counter()
    before: set[tuple[Any, ...]] = set()
    for records in files:
        own = [tuple(record.values()) for record in records]
        loaded.update(row for row in own if row not in before)
        before.update(own)
    return loaded


def dropped(lakehouse: Lakehouse) -> dict[str, int]:
    status = lakehouse.status(verify=True)
    assert status.ok, status.problems
    source = status.sources["accelerometer"]
    aside = sum(source.quarantined.values())
    assert source.records == source.loaded + aside + sum(source.dropped.values())
    return source.dropped


def note(lakehouse: Lakehouse) -> str:
    [told] = [note for note in lakehouse.status().notes if note.code == "redelivered"]
    return told.text


def rebuilt(lakehouse: Lakehouse) -> None:
    """Asserts that everything rebuilt is the same."""

    def trusted() -> Counter[tuple[Any, ...]]:
        return Counter(rows(lakehouse, "SELECT * FROM accelerometer_trusted"))

    before = landed(lakehouse), trusted()
    lakehouse.run(only=ONLY, full=True)
    assert (landed(lakehouse), trusted()) == before


@pytest.mark.parametrize(
    ("begin", "end"),
    [(16_000, 17_500), pytest.param(9_000, 10_000, marks=pytest.mark.slow)],
    ids=["at the end", "in the middle"],
)
def test_old_records_are_noticed_wherever_they_stand_in_a_file(
    lakehouse: Lakehouse, land: Land, begin: int, end: int
) -> None:
    """A list of the newest first has new records before old ones, more than 4,096 perhaps."""
    land("accelerometer", readings(0, 30_000), "old.json")
    lakehouse.run(only=ONLY)
    more = readings(50_000, 67_500)
    more[begin:end] = readings(20_000, 20_000 + end - begin)
    land("accelerometer", more, "more.json")
    lakehouse.run(only=ONLY)
    assert dropped(lakehouse) == {"re-delivered": end - begin}


@both_engines_at_length
@pytest.mark.parametrize("runs", ["each", "one"])
def test_a_file_that_grew_is_loaded_once(lakehouse: Lakehouse, land: Land, runs: str) -> None:
    land("customer", small.CUSTOMERS)
    old, grown = readings(0, 1200), readings(0, 1201)
    land("accelerometer", old, "a.json")
    if runs == "each":
        lakehouse.run(only=ONLY)
    land("accelerometer", grown, "b.json")
    lakehouse.run(only=ONLY)
    assert landed(lakehouse) == of(old, grown)
    assert dropped(lakehouse) == {"re-delivered": 1200}
    assert note(lakehouse) == (
        "1,200 records of the source accelerometer re-delivered, equal in all columns to one of "
        "an earlier file, and not loaded again: b.json has 1,200 of a.json"
    )
    assert lakehouse.run(only=ONLY).built == ()
    rebuilt(lakehouse)
    assert dropped(lakehouse) == {"re-delivered": 1200}


def test_equal_records_of_one_file_stay_and_those_of_a_later_one_go(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", small.CUSTOMERS)
    twice = readings(0, 50) * 2
    land("accelerometer", twice, "a.json")
    lakehouse.run(only=ONLY)
    again = [*readings(40, 60) * 3, *readings(100, 110)]
    land("accelerometer", again, "b.json")
    lakehouse.run(only=ONLY)
    expected = of(twice, again)
    assert (sum(expected.values()), landed(lakehouse)) == (140, expected)
    assert dropped(lakehouse) == {"re-delivered": 30}
    rebuilt(lakehouse)


def test_a_file_with_nothing_new_is_never_good_and_names_where_each_record_was(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", small.CUSTOMERS)
    land("accelerometer", readings(0, 30), "a.json")
    land("accelerometer", readings(30, 40), "b.json")
    lakehouse.run(only=ONLY)
    land("accelerometer", readings(20, 35)[::-1], "c.json")
    lakehouse.run(only=ONLY)
    assert "not loaded again: c.json has 15 of a.json, b.json" in note(lakehouse)
    told = rows(lakehouse, "SELECT file, verdict, repeated FROM loads ORDER BY file")
    assert told == [("a.json", "good", 0), ("b.json", "good", 0), ("c.json", "re-delivered", 15),
                    ("one.json", "good", 0)]  # fmt: skip


def test_a_contract_may_have_them_loaded_each_time(
    lakehouse: Lakehouse, land: Land, folder: Path
) -> None:
    contract = folder / "contracts" / "accelerometer_landing.yaml"
    text = contract.read_text()
    declared = (
        "      - property: redelivered\n        value: each time\n      - property: subject\n"
    )
    contract.write_text(text.replace("      - property: subject\n", declared, 1))
    each_time = Lakehouse(lakehouse.root, declarations=folder)
    land("customer", small.CUSTOMERS)
    land("accelerometer", readings(0, 30), "a.json")
    land("accelerometer", readings(20, 40), "b.json")
    each_time.run(only=ONLY)
    assert sum(landed(each_time).values()) == 50
    assert dropped(each_time) == {}
    assert "loaded again, as the contract declares: b.json has 10 of a.json" in note(each_time)
    lakehouse.run(only=ONLY)  # under the other contract
    assert sum(landed(lakehouse).values()) == 40


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_where_the_earlier_file_goes_its_records_come_from_the_later_one(
    lakehouse: Lakehouse, land: Land, change: str
) -> None:
    land("customer", small.CUSTOMERS)
    path = land("accelerometer", readings(0, 30), "a.json")
    lakehouse.run(only=ONLY)
    land("accelerometer", readings(10, 40), "b.json")
    lakehouse.run(only=ONLY)
    if change == "gone":
        path.unlink()
        expected = of(readings(10, 40))
    else:
        land("accelerometer", readings(0, 15), "a.json")
        expected = of(readings(0, 15), readings(10, 40))
    lakehouse.run(only=ONLY)
    assert landed(lakehouse) == expected
    rebuilt(lakehouse)
    assert landed(lakehouse) == expected


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))]
)
def test_any_deliveries_in_any_order_give_what_a_rebuild_gives(
    lakehouse: Lakehouse, land: Land, seed: int
) -> None:
    random = Random(seed)
    pool = [reading for name in ("ann", "ben", "zoe") for reading in readings(0, 25, name)]
    land("customer", small.CUSTOMERS)
    came: list[Readings] = []
    for nth in range(3):
        batch: list[tuple[str, Readings]] = []
        for n in range(random.randint(1, 3)):
            records = random.choices(pool, k=random.randint(1, 30))
            batch.append((f"{random.choice('abc')}{nth}{n}.json", records))
        for n, (name, records) in enumerate(batch):
            path = land("accelerometer", records, name)
            time = 1_700_000_000 + 10 * nth + n
            os.utime(path, (time, time))
        came += [records for _, records in batch]
        lakehouse.run(only=ONLY)
        expected = of(*came)
        assert landed(lakehouse) == expected
    assert sum(dropped(lakehouse).values()) == sum(map(len, came)) - sum(expected.values())
    rebuilt(lakehouse)
    fresh = on("duckdb", lakehouse.root.parent / "fresh")
    for path in sorted((lakehouse.root / "accelerometer" / "landing").iterdir()):
        copy = small.write(fresh.root, "accelerometer", path.read_bytes(), path.name)
        os.utime(copy, ns=(path.stat().st_mtime_ns,) * 2)
    land_customers(fresh.root)
    fresh.run(only=ONLY)
    assert landed(fresh) == expected


def land_customers(root: Path) -> None:
    small.write(root, "customer", small.CUSTOMERS)


def test_what_was_changed_before_others_came_is_told_by_reading_all(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", small.CUSTOMERS)
    land("accelerometer", readings(0, 10), "a.json")
    lakehouse.run(only=ONLY)
    land("accelerometer", readings(100, 130), "b.json")
    lakehouse.run(only=ONLY)
    changed = [*readings(0, 10), *readings(120, 140)]
    land("accelerometer", changed, "a.json")
    lakehouse.run(only=ONLY)
    assert landed(lakehouse) == of(changed, readings(100, 130))
    assert dropped(lakehouse) == {"re-delivered": 10}
    rebuilt(lakehouse)


def test_an_erased_person_goes_from_every_file_that_has_their_records(
    lakehouse: Lakehouse, land: Land
) -> None:
    small.land(lakehouse.root)
    land("accelerometer", [*small.ACCELEROMETER, *readings(5000, 5010, "ben")], "two.json")
    lakehouse.run()
    assert dropped(lakehouse) == {"re-delivered": len(small.ACCELEROMETER)}
    lakehouse.erase([("email", "ann@example.com")])
    for path in (lakehouse.root / "accelerometer" / "landing").iterdir():
        assert b"ann@" not in path.read_bytes()
    others = [r for r in small.ACCELEROMETER if r["user"] != "ann@example.com"]
    assert landed(lakehouse) == of(others, [*others, *readings(5000, 5010, "ben")])
    assert dropped(lakehouse) == {"erased": 6, "re-delivered": len(others)}


def test_blanks_are_equal_to_blanks(lakehouse: Lakehouse, land: Land) -> None:
    people: Sequence[dict[str, Any]] = [{**record, "phone": None} for record in small.CUSTOMERS]
    land("customer", "\n".join(map(json.dumps, people)).encode(), "a.json")
    land(
        "customer",
        "\n".join(map(json.dumps, [*people, small.customer("zoe", "S", 1)])).encode(),
        "b.json",
    )
    lakehouse.run(only=["customer_trusted"])
    assert rows(lakehouse, "SELECT COUNT(*) FROM customer_landing") == [(len(people) + 1,)]


def test_files_of_which_all_first_rows_are_looked_at_leave_no_room(
    lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stedi.landing.redelivered._LEAST_LOOKED_AT", 1)
    for number, first in enumerate((1_000, 1_010, 1_020)):
        land("accelerometer", readings(first, first + 30), name=f"{number}.json")
    lakehouse.run(only=ONLY)
    assert landed(lakehouse) == of(readings(1_000, 1_050))
    assert dropped(lakehouse) == {"re-delivered": 40}

"""Consent fails safe: where nobody can tell whether a customer withdrew, they don't consent."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.declared import packaged
from stedi.errors import DeclarationError, UsageError
from stedi.landing.fingerprint import Fingerprinter
from stedi.run.suspend import suspensions
from tests.conftest import Land, both_engines_at_length, counts, on, rows
from tests.support import small
from tests.support.tables import how

AHEAD = 1_861_920_000_000
"""The first of January 2029."""
NOW = time.time_ns() // 1_000_000
DAY = 86_400_000
both_profiles = pytest.mark.parametrize("profile", ["seed", "strict"])


def customer(email: str, updated: int, consent: int | None = None, serial: str = "S1") -> Any:
    return small.customer("ann", serial, updated, consent) | {"email": email}


def trusted(lakehouse: Lakehouse) -> list[str]:
    return [email for (email,) in rows(lakehouse, "SELECT email FROM customer_trusted ORDER BY 1")]


def dropped(lakehouse: Lakehouse, table: str = "accelerometer_trusted") -> dict[str, int]:
    return lakehouse.status().steps[table].dropped


def whys(lakehouse: Lakehouse) -> list[str]:
    listed = lakehouse.review()
    return sorted(one.why.partition(": ")[2] or one.why for one in listed.to_decide)


CLOCK = "an update time is later than the arrival of its file"
SPELLED = "another spelling of the e-mail does not consent"
ASIDE = "a record of the customer was set aside"


CLOCKS_AHEAD = [
    [customer("0@x.com", AHEAD, consent=100), customer("0@x.com", NOW - 1000)],
    [customer("1@x.com", NOW - 1000, consent=100), customer("1@x.com", AHEAD)],
    [customer("2@x.com", AHEAD, consent=100)],
    [customer("3@x.com", AHEAD, consent=100), customer("3@x.com", AHEAD + 1, consent=100)],
    [customer("4@x.com", NOW + 2 * DAY, consent=100)],
    [customer("A5@x.com", AHEAD), customer("a5@x.com", NOW - 1000, consent=100)],
    [customer("6@x.com", 253_402_300_799_999, consent=100)],
]


def test_an_update_time_after_the_arrival_of_its_file_suspends_consent(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [record for records in CLOCKS_AHEAD for record in records])
    land("customer", [customer("ben@x.com", NOW, consent=100)], "ben.json")
    for profile in ("seed", "strict"):
        lakehouse.run(profile=profile)
        assert trusted(lakehouse) == ["ben@x.com"]
        assert whys(lakehouse) == [CLOCK] * len(CLOCKS_AHEAD)
        assert {"update_time_after_arrival", "consent_suspended"} <= {
            note.code for note in lakehouse.status().notes
        }


NESTED: list[Any] = [
    {"email": "export@x.com", "Records": [customer("0@x.com", NOW)]},
    {"email": "export@x.com", "deep": {"er": [[customer("1@x.com", NOW)]]}},
    customer("2@x.com", NOW) | {"email": ["2@x.com"]},
    customer("3@x.com", NOW) | {"email": {"value": "3@x.com"}},
    customer("0@y.com", NOW) | {"birthDay": customer("4@x.com", NOW)},
    {"message": json.dumps(customer("5@x.com", NOW))},
]


@pytest.mark.parametrize("good", [10, 5_000], ids=["strict parser", "compiled parser"])
def test_a_withdrawal_within_a_quarantined_record_suspends_consent(
    lakehouse: Lakehouse, land: Land, good: int
) -> None:
    who = [*(f"{n}@x.com" for n in range(len(NESTED))), "stays@x.com"]
    land("customer", [customer(email, 100, consent=100) for email in who])
    others = [customer(f"{n}@other.com", 100) for n in range(good)]
    land("customer", [*others, *NESTED], "w.json")
    lakehouse.run(only=["customer_trusted"])
    assert trusted(lakehouse) == ["stays@x.com"]
    assert {*whys(lakehouse)} == {ASIDE}


IN_SECONDS = "its time is before 1973, in seconds perhaps"
UPDATED_IN_SECONDS = "an update time is before 1973, in seconds perhaps"


@both_profiles
def test_a_consent_given_in_seconds_suspends_itself(
    lakehouse: Lakehouse, land: Land, profile: str
) -> None:
    seconds = [NOW // 1000, 100_000_000, 99_999_999_999, 1_000_000_000, NOW // 1000 - 86_400]
    people = [customer(f"{n}@x.com", NOW, consent=c) for n, c in enumerate(seconds)]
    land("customer", [*people, customer("ben@x.com", NOW, consent=NOW - DAY, serial="S2")])
    lakehouse.run(profile=profile)
    assert trusted(lakehouse) == ["ben@x.com"]
    assert whys(lakehouse) == [IN_SECONDS] * len(seconds)
    notes = {note.code: note.count for note in lakehouse.status().notes}
    assert notes["consent_suspended"] == notes["instant_out_of_range"] == len(seconds)
    lakehouse.accept([one.review for one in lakehouse.review().to_decide if one.review][:1])
    lakehouse.run()
    assert len(trusted(lakehouse)) == 2
    land("customer", [customer("4@x.com", NOW + 1, consent=NOW - DAY)], "in milliseconds.json")
    lakehouse.run()
    assert "4@x.com" in trusted(lakehouse)


@both_profiles
def test_a_withdrawal_whose_update_time_is_in_seconds_suspends_consent(
    lakehouse: Lakehouse, land: Land, profile: str
) -> None:
    land("customer", [
        customer("ann@x.com", NOW - 5000, consent=NOW - DAY), customer("ann@x.com", NOW // 1000),
        customer("cat@x.com", NOW - 5000, consent=NOW - DAY), customer("CAT@x.com", NOW // 1000),
        customer("dan@x.com", NOW // 1000 - 5, consent=NOW - DAY),  # all of them in seconds
        customer("eve@x.com", NOW // 1000 - 5, consent=NOW - DAY), customer("eve@x.com", NOW // 1000),
        customer("fay@x.com", NOW // 1000, consent=NOW - DAY), customer("fay@x.com", NOW - 5000),
    ])  # fmt: skip
    lakehouse.run(profile=profile)
    assert trusted(lakehouse) == ["dan@x.com"]
    assert UPDATED_IN_SECONDS in whys(lakehouse)
    assert len(whys(lakehouse)) == 2  # eve and fay do not consent


def test_a_clock_that_is_some_hours_ahead_is_borne(lakehouse: Lakehouse, land: Land) -> None:
    land("customer", [customer("ann@x.com", NOW + DAY // 2, consent=100)])
    lakehouse.run()
    assert trusted(lakehouse) == ["ann@x.com"]
    land("customer", [customer("ann@x.com", NOW + DAY // 2 + 1)], "withdrawn.json")
    lakehouse.run()
    assert trusted(lakehouse) == []
    assert whys(lakehouse) == []


SPELLINGS = [
    ("ann@x{}.com", "Ann@X{}.COM"),
    ("ren\u00e9@x{}.com", "rene\u0301@x{}.com"),  # composed, and not
    ("ann@x{}.com", "ann\u200b@x{}.com"),  # a space without width
    ("ann@x{}.com", "ann@x{}.com\u00a0"),  # a space that keeps words together
    ("ann@x{}.com", "  ann@x{}.com\t"),
    ("ann@x{}.com", "ann@x{}.com\n"),
    ("ann@x{}.com", "ann\r\n@x{}.com"),
    ("ann@x{}.com", "ann\uff20x{}.com"),  # full width
    ("ann-lee@x{}.com", "ann-\u00adlee@x{}.com"),  # a soft hyphen
    ("ann@x{}.com", "\ufeffann@x{}.com"),  # a byte order mark
    ("ann@x{}.com", "ann@x{}.com\u200f"),  # right to left from here
    ("ann@x{}.com", "ann@x{}.com\ufe0f"),  # a variation selector
    ("stra\u00dfe@x{}.com", "STRASSE@x{}.com"),
    ("\ufb01nn@x{}.com", "finn@x{}.com"),  # a ligature
    ("ren\u00e9@x{}.com", "rene\u200d\u0301@x{}.com"),  # an accent kept apart by a joiner
    ("\u03b1\u03c3@x{}.com", "\u0391\u03a3@x{}.com"),  # Greek has two small sigmas
    ("ann@x{}.com", "ann\u3164@x{}.com"),  # the Hangul filler
    ("ann@x{}.com", "ann@x{}.com\u2028"),  # a line separator
]


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_withdrawal_under_another_spelling_suspends_consent(
    lakehouse: Lakehouse, land: Land, is_turned: bool
) -> None:
    spelled = [tuple(email.format(n) for email in pair) for n, pair in enumerate(SPELLINGS)]
    pairs = [pair[::-1] if is_turned else pair for pair in spelled]
    land("customer", [customer(one, 200, consent=100) for one, _ in pairs])
    land("customer", [customer(other, 100) for _, other in pairs], "withdrawn.json")
    land("customer", [customer("ben@x.com", 200, consent=100, serial="S2")], "ben.json")
    for profile in ("seed", "strict"):
        lakehouse.run(profile=profile)
        assert trusted(lakehouse) == ["ben@x.com"]
        assert whys(lakehouse) == [SPELLED] * len(pairs)
    kept = rows(lakehouse, "SELECT email FROM customer_landing")
    assert sorted(kept) == sorted([("ben@x.com",), *((e,) for pair in pairs for e in pair)])


def test_other_people_are_not_suspended(lakehouse: Lakehouse, land: Land) -> None:
    people = ["ann@x.com", "ann.lee@x.com", "ann+a@x.com", "\u0430nn@x.com"]  # that is Cyrillic
    others = ["bann@x.com", "ann@x.co", "annlee@x.com", "ann+b@x.com", "\u03b1nn@x.com"]
    land("customer", [customer(email, 200, consent=100) for email in people])
    land("customer", [customer(email, 200) for email in others], "others.json")
    lakehouse.run()
    assert trusted(lakehouse) == sorted(people)
    assert lakehouse.review().to_decide == []


def test_spellings_that_all_consent_are_not_suspended(lakehouse: Lakehouse, land: Land) -> None:
    land("customer", [customer("ann@x.com", 200, consent=100), customer("ANN@x.com", 1, consent=1)])
    lakehouse.run()
    assert trusted(lakehouse) == ["ANN@x.com", "ann@x.com"]
    assert "email_spelled_otherwise" in {note.code for note in lakehouse.status().notes}


def test_three_spellings_are_suspended_together_and_come_back_together(
    lakehouse: Lakehouse, land: Land
) -> None:
    for n, email in enumerate(("ann@x.com", "ANN@x.com", "Ann@x.com ")):
        land("customer", [customer(email, 100, consent=100)], f"{n}.json")
    lakehouse.run()
    assert len(trusted(lakehouse)) == 3
    land("customer", [customer("ANN@x.com", 200)], "withdrawn.json")
    assert how(lakehouse)["customer_trusted"] == "swap"
    assert trusted(lakehouse) == []
    land("customer", [customer("ANN@x.com", 300, consent=100)], "again.json")
    assert how(lakehouse)["customer_trusted"] == "append"
    assert len(trusted(lakehouse)) == 3


@both_profiles
def test_a_consent_of_the_future_counts_from_its_time_on(
    lakehouse: Lakehouse, land: Land, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("customer", [customer("ann@x.com", 100, consent=AHEAD)])
    land("accelerometer", [{**small.acceleration("ann", AHEAD, 0.1), "user": "ann@x.com"}])
    land("step_trainer", [small.reading("S1", AHEAD, 200)])
    lakehouse.run(profile=profile)
    assert trusted(lakehouse) == []
    assert dropped(lakehouse) == {"consent begins later": 1}
    [waiting] = lakehouse.review().waiting
    assert (waiting.until, waiting.review) == ("2029-01-01T00:00:00+00:00", None)
    assert lakehouse.run().built == ()
    monkeypatch.setattr("stedi.storage.suspensions.now_ms", lambda: AHEAD)
    monkeypatch.setattr("stedi.run.suspend.now_ms", lambda: AHEAD)
    assert lakehouse.status().tables["customer_trusted"].freshness == "stale"
    assert [planned.table for planned in lakehouse.plan()][:2] == ["suspended", "customer_trusted"]
    lakehouse.run()  # no file came, but the time did
    assert trusted(lakehouse) == ["ann@x.com"]
    assert dropped(lakehouse) == {}
    assert lakehouse.run().built == ()
    status = lakehouse.status()
    assert {table.freshness for table in status.tables.values()} == {"fresh"}


def test_a_consent_that_began_before_the_delivery_counts_at_once(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [customer("ann@x.com", 100, consent=NOW - 1000)])
    lakehouse.run()
    assert trusted(lakehouse) == ["ann@x.com"]


def test_a_spelling_whose_consent_begins_later_suspends_the_others_until_then(
    lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("customer", [customer("ann@x.com", 1, 100), customer("ANN@x.com", 100, AHEAD)])
    lakehouse.run()
    assert trusted(lakehouse) == []
    for module in ("storage.suspensions", "run.suspend"):
        monkeypatch.setattr(f"stedi.{module}.now_ms", lambda: AHEAD)
    lakehouse.run()
    assert trusted(lakehouse) == ["ANN@x.com", "ann@x.com"]


def test_a_quarantined_record_suspends_however_it_spells_the_email(
    lakehouse: Lakehouse, land: Land
) -> None:
    broken = [
        b'{"email": "0@x.com", "lastUpd',
        b'{"email": "1@X.com", "lastUpd',
        b'{"email": "2@x.com\\n", "lastUpd',
        b'{"email": "3\\u200b@x.com", "phone": tru',
        b'{"email": "4\\r\\n@x.com", "phone": 1.5}',
    ]
    land("customer", [customer(f"{n}@x.com", 100, consent=100) for n in range(6)])
    land("customer", b"\n".join(broken), "broken.json")
    lakehouse.run()
    assert trusted(lakehouse) == ["5@x.com"]
    assert whys(lakehouse) == [ASIDE] * 5
    assert dropped(lakehouse, "customer_trusted") == {f"consent suspended: {ASIDE}": 5}


def test_reasons_are_what_happened(lakehouse: Lakehouse, land: Land) -> None:
    land("customer", [
        customer("in@x.com", 100, consent=100),
        customer("never@x.com", 100),
        customer("gone@x.com", 100, consent=100), customer("gone@x.com", 200),
        customer("two@x.com", 100, consent=100), customer("TWO@x.com", 100),
        customer("later@x.com", 100, consent=AHEAD),
    ])  # fmt: skip
    users = ["in@x.com", "never@x.com", "gone@x.com", "two@x.com", "later@x.com"]
    users += ["IN@x.com", "in@x.com ", "who@x.com", ""]
    land("accelerometer", [{**small.acceleration("", 1000, 0.1), "user": user} for user in users])
    for profile in ("seed", "strict"):
        lakehouse.run(profile=profile)
        assert dropped(lakehouse) == {
            "user does not consent": 1,
            "after withdrawal": 1,
            "consent suspended": 1,
            "consent begins later": 1,
            "spelled otherwise": 2,
            "unknown user": 1,
            "user is empty": 1,
        }
        assert lakehouse.status().steps["accelerometer_trusted"].kept == 1


@pytest.mark.parametrize("case", ["clock", "spelled", "aside"])
def test_a_decision_is_followed_until_something_else_comes(
    lakehouse: Lakehouse, land: Land, case: str
) -> None:
    others: dict[str, list[dict[str, Any]] | bytes] = {
        "clock": [customer("ann@x.com", AHEAD, consent=100)],
        "spelled": [customer("ANN@x.com", 100)],
        "aside": b'{"email": "ann@x.com", "lastUpd',
    }
    land("customer", [customer("ann@x.com", 100, consent=100)])
    land("customer", others[case], "other.json")
    lakehouse.run()
    [suspension] = lakehouse.review().to_decide
    assert suspension.question.endswith(("?", "shows it."))
    number = suspension.review
    assert number is not None
    assert lakehouse.accept([number[:6]]) == [number]
    assert lakehouse.status().tables["customer_trusted"].freshness == "stale"
    assert trusted(lakehouse) == []
    built = how(lakehouse)
    assert built["customer_trusted"] == "append"
    assert "customer_landing" not in built
    assert trusted(lakehouse) == ["ann@x.com"]
    assert lakehouse.review().to_decide == []
    assert lakehouse.run().built == ()
    lakehouse.run(full=True)
    assert trusted(lakehouse) == ["ann@x.com"]
    land("customer", b'{"email": "ann@x.com", "phone": 7', "broken.json")
    lakehouse.run()
    assert trusted(lakehouse) == []
    [again] = lakehouse.review().to_decide
    assert again.review not in (None, number)


LATEST = 253_402_300_799_999
"""The last time there is: one that some phones give."""
SAME_EVIDENCE: dict[str, tuple[list[dict[str, Any]] | bytes, str, list[dict[str, Any]] | bytes]] = {
    "a record in the same place": (
        b'{"email": "ann@x.com", "phone": 7', "other.json",
        b'{"email": "ann@x.com", "shareWithResearchAsOfDate": nul}'),
    "the same clock": (
        [customer("ann@x.com", LATEST, consent=100)], "later.json", [customer("ann@x.com", LATEST)]),
    "the same time, spelled otherwise": (
        [customer("ANN@x.com", 107)], "later.json", [customer("Ann@x.com", 107)]),
    "the same time, spelled as before": (
        [customer("ANN@x.com", 107)], "later.json", [customer("ANN@x.com", 107, serial="S9")]),
    "the same time in seconds": (
        [customer("ann@x.com", 1_700_000_000)], "later.json",
        [customer("ann@x.com", 1_700_000_000, serial="S9")]),
}  # fmt: skip


@pytest.mark.parametrize(
    "is_same_time",
    [pytest.param(False, marks=pytest.mark.slow), True],
    ids=["later", "files of one time"],
)
@pytest.mark.parametrize("case", SAME_EVIDENCE)
def test_a_decision_does_not_hold_for_a_later_record_that_looks_the_same(
    lakehouse: Lakehouse, land: Land, case: str, is_same_time: bool
) -> None:
    def deliver(records: list[dict[str, Any]] | bytes, name: str) -> None:
        land("customer", records, name)
        if is_same_time:  # as archives do that note one time for all files
            made = (NOW - 1000) * 1_000_000
            os.utime(lakehouse.root / "customer" / "landing" / name, ns=(made, made))

    first, name, later = SAME_EVIDENCE[case]
    deliver([customer("ann@x.com", NOW - 5000, consent=100)], "one.json")
    deliver(first, "other.json")
    lakehouse.run()
    lakehouse.accept([str(one.review) for one in lakehouse.review().to_decide])
    lakehouse.run()
    assert trusted(lakehouse) == ["ann@x.com"]
    deliver(later, name)
    lakehouse.run()
    assert trusted(lakehouse) == []
    assert lakehouse.review().to_decide


def test_a_decision_holds_when_everything_is_read_again_beside_a_copy(
    lakehouse: Lakehouse, land: Land
) -> None:
    broken = b'{"email": "ann@x.com", "lastUpd'
    land("customer", [customer("ann@x.com", 100, consent=100)], "one.json")
    land("customer", broken, "two.json")
    lakehouse.run()
    lakehouse.accept([str(one.review) for one in lakehouse.review().to_decide])
    land("customer", broken, "a copy.json")  # the first by name
    lakehouse.run()
    quarantined = rows(lakehouse, "SELECT file, byte_offset FROM quarantine")
    assert quarantined == [("two.json", 0)]
    lakehouse.run(full=True)
    assert rows(lakehouse, "SELECT file, byte_offset FROM quarantine") == quarantined
    assert trusted(lakehouse) == ["ann@x.com"]
    (lakehouse.root / "customer" / "landing" / "two.json").unlink()  # what was decided on is gone
    lakehouse.run()
    assert rows(lakehouse, "SELECT file FROM quarantine") == [("a copy.json",)]
    assert trusted(lakehouse) == []


BEFORE_REGISTRATION = "an update time is more than a day before the registration"


@both_profiles
def test_a_withdrawal_whose_update_time_is_before_the_registration_suspends_consent(
    lakehouse: Lakehouse, land: Land, profile: str
) -> None:
    registered = NOW - 30 * DAY
    # 1980, 2000 and 2001 are where some clocks begin; a date in digits is 1976 in milliseconds
    clocks = [315_964_800_000, 946_684_800_000, 978_307_200_000, 202_512_011_636, NOW // 10]
    clocks.append(registered - DAY - 1)
    born = {"registrationDate": registered}
    for n, updated in enumerate(clocks):
        one = f"{n}@x.com"
        land("customer", [customer(one, NOW - DAY, consent=registered) | born], f"{n}a.json")
        land("customer", [customer(one, updated) | born], f"{n}b.json")
    land("customer", [  # a phone's clock that is some hours behind when its user registers
        customer("new@x.com", registered - DAY // 2) | born,
        customer("new@x.com", NOW - DAY, consent=registered) | born,
        customer("old@x.com", 946_684_800_000, consent=registered) | born,  # withdraws nothing
        customer("old@x.com", NOW - DAY, consent=registered) | born,
    ], "others.json")  # fmt: skip
    lakehouse.run(profile=profile)
    assert trusted(lakehouse) == ["new@x.com", "old@x.com"]
    assert whys(lakehouse) == [BEFORE_REGISTRATION] * len(clocks)


@both_profiles
def test_a_withdrawal_whose_update_time_is_of_another_unit_suspends_consent(
    lakehouse: Lakehouse, land: Land, profile: str
) -> None:
    times = [0, 1, NOW // 86_400_000, NOW // 60_000, NOW // 3_600_000, NOW // 1000]
    for n, updated in enumerate(times):
        one = f"{n}@x.com"
        records = [customer(one, NOW - 5000, consent=NOW - DAY), customer(one, updated)]
        land("customer", records, f"{n}.json")
    land("customer", [customer("old@x.com", 5, consent=4), customer("new@x.com", NOW, consent=4)])
    lakehouse.run(profile=profile)
    assert trusted(lakehouse) == ["new@x.com", "old@x.com"]
    assert whys(lakehouse) == [UPDATED_IN_SECONDS] * len(times)


def test_a_decision_about_a_wrong_clock_does_not_undo_a_withdrawal(
    lakehouse: Lakehouse, land: Land
) -> None:
    land("customer", [customer("ann@x.com", AHEAD, consent=100), customer("ann@x.com", 200)])
    lakehouse.run()
    [suspension] = lakehouse.review().to_decide
    lakehouse.accept([str(suspension.review)])
    lakehouse.run()
    assert trusted(lakehouse) == []
    assert dropped(lakehouse, "customer_trusted") == {
        "no consent to research": 1,
        "update time is later than the arrival of its file": 1,
    }


def test_a_decision_has_nobodys_data_and_means_nothing_under_another_secret(
    lakehouse: Lakehouse, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("customer", [customer("ann@x.com", 100, consent=100), customer("ANN@x.com", 100)])
    lakehouse.run()
    [suspension] = lakehouse.review().to_decide
    lakehouse.accept([str(suspension.review)])
    [noted] = (lakehouse.root / "_stedi" / "review").iterdir()
    assert b"ann" not in noted.read_bytes().lower()
    assert noted.name == suspension.review
    monkeypatch.setenv("STEDI_SECRET", "another secret of the tests, of enough bytes")
    lakehouse.run(full=True)
    assert trusted(lakehouse) == []
    [other] = lakehouse.review().to_decide
    assert other.review != suspension.review


def test_a_review_is_masked_and_shows_what_nobody_sees(lakehouse: Lakehouse, land: Land) -> None:
    land("customer", [customer("ann7@x.com", 100, 100), customer("ANN7\u200b@x.com", 100)])
    land("customer", [customer("ren\u00e9@x.com", 9, 9), customer("rene\u0301@x.com", 9)], "r.json")
    lakehouse.run()
    people = sorted(one.people[0] for one in lakehouse.review().to_decide)
    assert people == ["xxx0@x.xxx", "xxxx@x.xxx"]
    raw = sorted(one.people[0] for one in lakehouse.review(raw=True).to_decide)
    assert raw == ["ann7@x.com", "ren\u00e9@x.com"]


def test_a_number_that_is_not_listed_is_refused(lakehouse: Lakehouse, land: Land) -> None:
    land("customer", [customer("ann@x.com", 100, consent=100)])
    lakehouse.run()
    for number in ("123456789abcdef0", "", "abc"):
        with pytest.raises(UsageError, match="stedi review"):
            lakehouse.accept([number])
    assert not (lakehouse.root / "_stedi" / "review").exists()


@pytest.mark.parametrize("change", ["touched", "renamed", "copied", "full"])
def test_a_file_has_arrived_when_its_content_first_did(
    lakehouse: Lakehouse, land: Land, change: str
) -> None:
    """However new the file is to the disk later: a clock that was wrong does not become right."""
    path = land("customer", [customer("ann@x.com", 1_600_000_000_000, consent=100)])
    os.utime(path, (1_500_000_000, 1_500_000_000))
    lakehouse.run()
    assert trusted(lakehouse) == []
    if change == "touched":
        path.touch()
    elif change == "renamed":
        path.touch()
        path.rename(path.with_name("other.json"))
    elif change == "copied":
        shutil.copyfile(path, path.with_name("a.json"))
        lakehouse.run()
        path.unlink()
    lakehouse.run()
    lakehouse.run(full=True)
    assert trusted(lakehouse) == []
    assert rows(lakehouse, "SELECT arrived FROM customer_landing") == [(1_500_000_000_000,)]


def test_a_file_with_another_content_arrives_again(lakehouse: Lakehouse, land: Land) -> None:
    path = land("customer", [customer("ann@x.com", 1_600_000_000_000, consent=100)])
    os.utime(path, (1_500_000_000, 1_500_000_000))
    lakehouse.run()
    land("customer", [customer("ann@x.com", 1_600_000_000_001, consent=100)])
    lakehouse.run()
    assert trusted(lakehouse) == ["ann@x.com"]


@pytest.mark.parametrize("modified", [0, 315_532_800, 4_102_444_800])
def test_a_time_of_no_delivery_means_that_the_file_arrived_when_it_was_read(
    lakehouse: Lakehouse, land: Land, modified: int
) -> None:
    """Archives without times have 1970 or 1980; clocks of other machines may be ahead."""
    path = land("customer", [customer("ann@x.com", NOW - DAY, 100), customer("b@x.com", AHEAD, 1)])
    os.utime(path, (modified, modified))
    lakehouse.run()
    assert trusted(lakehouse) == ["ann@x.com"]
    before = rows(lakehouse, "SELECT arrived FROM customer_landing")
    lakehouse.run(full=True)
    assert rows(lakehouse, "SELECT arrived FROM customer_landing") == before


@both_engines_at_length
def test_what_is_maintained_is_what_a_rebuild_gives(
    lakehouse: Lakehouse, land: Land, tmp_path: Path, engine: Any, not_anonymous: Path
) -> None:
    small.land(lakehouse.root)
    lakehouse.run()
    land("customer", [small.customer("ann", "S1", 900) | {"email": "ANN@example.com"}], "a.json")
    land("accelerometer", [small.acceleration("LEE", 900, 1.0)], "b.json")
    assert how(lakehouse)["accelerometer_trusted"] == "swap"
    land("customer", [small.customer("fay", "S6", AHEAD, 100)], "c.json")
    land("customer", [small.customer("lee", "S10", 7, 7) | {"email": "LEE@example.com"}], "d.json")
    assert how(lakehouse)["accelerometer_trusted"] == "swap"
    other = tmp_path / "other"
    for source in ("customer", "accelerometer", "step_trainer"):
        shutil.copytree(lakehouse.root / source / "landing", other / source / "landing")
    anew = on(engine, other, not_anonymous)
    anew.run()
    assert counts(anew) == counts(lakehouse)
    assert anew.status().steps == lakehouse.status().steps
    assert anew.status().notes == lakehouse.status().notes
    assert trusted(anew) == trusted(lakehouse)


def test_a_suspension_that_could_reveal_identifiers_fails_the_check(tmp_path: Path) -> None:
    for wrong, said in (
        ("CONCAT('lastupdatedate ', c.email)", "direct identifier"),
        ("c.email", "names a person"),
    ):
        folder = tmp_path / said
        shutil.copytree(str(packaged()), folder)
        contract = folder / "contracts" / "customer_trusted.yaml"
        text = contract.read_text()
        right = "CONCAT('customer/', p.file, '@', CAST(p.byte_offset AS VARCHAR))"
        assert text.count(right) == 1
        contract.write_text(text.replace(right, wrong))
        with pytest.raises(Exception, match=said):
            Lakehouse(tmp_path / "root", declarations=folder).check()


@pytest.mark.parametrize("change", ["key missing", "key renamed", "nobody agrees", "suspended"])
def test_that_nobody_consents_is_noted_with_the_key(
    lakehouse: Lakehouse, land: Land, change: str
) -> None:
    key = "shareWithResearchAsOfDate"
    records = [customer(f"{n}@x.com", 100, consent=100) for n in range(3)]
    for record in records:
        consent = record.pop(key)
        if change == "key renamed":
            record["researchShare"] = consent
        elif change == "nobody agrees":
            record[key] = 0
        elif change == "suspended":
            record |= {key: consent, "lastUpdateDate": NOW + 2 * DAY}
    land("customer", records)
    lakehouse.run(only=["customer_trusted"])
    [note] = [note for note in lakehouse.status().notes if note.code == "nobody_consents"]
    assert note.count == 3 and key in note.text
    land("customer", [customer("ann@x.com", 100, consent=100)], "more.json")
    lakehouse.run(only=["customer_trusted"])
    assert "nobody_consents" not in {note.code for note in lakehouse.status().notes}


def test_a_subject_has_one_suspect_and_nobody_none() -> None:
    def found(subject: str | None, suspect: str) -> dict[str, object]:
        texts = {"why": "x", "question": "q", "evidence": "", "until": None}
        return {"subject": subject, "suspect": suspect, **texts}

    def made(*rows: dict[str, object]) -> list[str]:
        return [row.subject for row in suspensions(rows, frozenset(), NOW, Fingerprinter(b"a key"))]

    ann, other = found("ANN@x.com", "ann@x.com"), found("Ann@x.com", "ann@x.com")
    assert made(ann, ann, other, found(None, "none")) == ["ANN@x.com", "Ann@x.com"]
    with pytest.raises(DeclarationError, match="a subject has several suspects"):
        made(ann, found("ANN@x.com", "bob@x.com"))

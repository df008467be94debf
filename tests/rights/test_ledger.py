"""What was given out is noted whatever happens, and who left since is counted by release."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from stedi import Lakehouse
from stedi.errors import NotAnonymous, StorageError, UsageError
from stedi.rights.given_out import Given
from stedi.rights.ledger import Ledger
from tests.conftest import Land, already_run, on
from tests.support import small
from tests.support.dying import release_and_die
from tests.support.processes import Process, stedi

BEHIND = {"seed": "ann eve fay gus hal jon lee", "strict": "ann eve jon"}
"""Who is on a side of a matched reading that `tests.support.small` lists."""
DEVICES = {"ann": "S1", "eve": "S5", "fay": "S6", "gus": "S6", "hal": "S7", "jon": "S9"}
DEVICES |= {"lee": "S10", "ned": "S13"}


def withdraw(land: Land, *names: str) -> None:
    for name in names:
        record = small.customer(name, DEVICES.get(name, "S99"), 9000)
        land("customer", [record], name=f"{name}-withdraws.json")


def only(lakehouse: Lakehouse) -> Given:
    [given] = lakehouse.releases().given
    return given


@already_run
def test_a_release_is_listed_with_what_lies_in_its_folder(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    assert small_lakehouse.releases().given == []
    released = small_lakehouse.release(tmp_path / "out", recipient=" A University ")
    given = only(small_lakehouse)
    assert (given.kind, given.state, given.recipient) == ("release", "given", "A University")
    assert (given.table, given.rows) == ("machine_learning_curated", 12)
    assert given.snapshot == str(released.snapshot)
    assert given.snapshot == small_lakehouse.status().tables[given.table].snapshot
    assert Path(given.folder) == tmp_path / "out"
    assert (given.people, given.left, given.letter) == (7, 0, None)
    found = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (tmp_path / "out").iterdir()
    }
    assert {name: (file.bytes, file.sha256) for name, file in given.files.items()} == found


@already_run
def test_a_release_without_a_recipient_is_listed_too(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "out")
    assert only(small_lakehouse).recipient is None
    assert "not named" in stedi("releases", "--root", small_lakehouse.root)


@already_run
@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "bell\x07", "\udcff", "x" * 201])
def test_a_recipient_is_a_name(small_lakehouse: Lakehouse, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--recipient"):
        small_lakehouse.release(tmp_path / "out", recipient=name)
    assert small_lakehouse.releases().given == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("profile", ["seed", pytest.param("strict", marks=pytest.mark.slow)])
def test_a_release_has_rows_of_who_left_if_and_only_if_they_are_a_side_of_a_match(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path, profile: str
) -> None:
    behind = BEHIND[profile].split()
    small_lakehouse.run(profile=profile)
    small_lakehouse.release(tmp_path / "out", recipient="A University")
    assert only(small_lakehouse).people == len(behind)
    gone: list[str] = []
    for name in ("ned", "lee", "ann", "gus", "hal", "eve", "fay"):
        gone.append(name)
        withdraw(land, name)
        small_lakehouse.run(only=["customer_trusted"])
        assert only(small_lakehouse).left == len({*gone} & {*behind}), name


@pytest.mark.slow
def test_one_side_alone_is_a_side(small_lakehouse: Lakehouse, land: Land, tmp_path: Path) -> None:
    """Pam's device reads when ann's phone does, pat's phone measures when ann's device reads."""
    people = [small.customer(name, f"P-{name}", 100, consent=100) for name in ("pam", "pat", "pia")]
    land("customer", people, name="more.json")
    records = [
        small.acceleration("pam", 77, 1),  # without a reading at that time
        small.acceleration("pat", 3000, 1),
        small.acceleration("pia", 78, 1),
    ]
    land("accelerometer", records, name="more.json")
    readings = [small.reading("P-pam", 1000, 1), small.reading("P-pia", 79, 1)]
    land("step_trainer", readings, name="more.json")
    small_lakehouse.run()
    small_lakehouse.release(tmp_path / "out")
    assert only(small_lakehouse).people == 7 + 2
    left = []
    for name in ("pia", "pat", "pam"):
        record = small.customer(name, f"P-{name}", 9000)
        land("customer", [record], name=f"{name}-withdraws.json")
        small_lakehouse.run()
        left.append(only(small_lakehouse).left)
    assert left == [0, 1, 2]


def test_of_a_shared_device_every_owner_is_a_side(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    """Flo has fay's and gus's device and a record at no reading: which readings are hers?"""
    land("customer", [small.customer("flo", "S6", 100, consent=100)], name="more.json")
    land("accelerometer", [small.acceleration("flo", 77, 1)], name="more.json")
    small_lakehouse.run()
    small_lakehouse.release(tmp_path / "out")
    land("customer", [small.customer("flo", "S6", 9000)], name="withdraws.json")
    small_lakehouse.run()
    assert only(small_lakehouse).left == 1


@already_run
def test_each_release_is_judged_by_itself(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "first", recipient="First")
    withdraw(land, "ann")
    small_lakehouse.run()
    small_lakehouse.release(tmp_path / "second", recipient="Second")
    withdraw(land, "eve", "ned")
    small_lakehouse.run()
    by_recipient = {given.recipient: given for given in small_lakehouse.releases().given}
    assert [by_recipient[name].left for name in ("First", "Second")] == [2, 1]
    first = by_recipient["First"].letter
    assert first is not None
    assert first.startswith("To: First\n")
    for name, file in by_recipient["First"].files.items():
        assert f"{file.sha256}  {name}" in first
    assert by_recipient["First"].snapshot in first


@already_run
def test_neither_ledger_nor_letter_names_or_counts_who_left(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "out", recipient="A University")
    withdraw(land, "ann", "eve", "fay")
    small_lakehouse.run()
    letter = only(small_lakehouse).letter
    assert letter is not None
    assert "3 " not in letter.partition("SHA-256")[0]
    kept = b"".join(
        path.read_bytes() for path in (small_lakehouse.root / "_stedi" / "ledger").iterdir()
    )
    for person in small.CUSTOMERS:
        for value in (person["email"], person["customerName"], person["serialNumber"]):
            for form in (value, value.lower(), value.upper()):
                if len(form) > 3:  # shorter ones are in words
                    assert form.encode() not in letter.encode() + kept
                for plain in ("sha256", "md5", "blake2b", "sha1"):
                    digest = hashlib.new(plain, form.encode()).digest()
                    assert digest[:8] not in kept


def test_a_suspended_consent_counts_as_left_until_it_is_clear(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    small_lakehouse.run()
    small_lakehouse.release(tmp_path / "out")
    path = land("customer", b'{"email": "ann@example.com", "customerName": 3}\n', name="bad.json")
    small_lakehouse.run()
    assert only(small_lakehouse).left == 1
    path.unlink()
    small_lakehouse.run()
    assert only(small_lakehouse).left == 0


@already_run
def test_the_ledger_outlives_tables_and_catalog(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "out", recipient="A University")
    before = only(small_lakehouse)
    small_lakehouse.run(full=True)
    assert only(small_lakehouse) == before
    (small_lakehouse.root / "_stedi" / "catalog.db").unlink()
    small_lakehouse.run(full=True, profile="seed")
    assert only(small_lakehouse) == before
    withdraw(land, "ann")
    small_lakehouse.run()
    assert only(small_lakehouse).left == 1


@already_run
def test_another_secret_is_told_and_nothing_is_guessed(
    small_lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_lakehouse.release(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setenv("STEDI_SECRET", "another secret of the tests, of enough bytes")
        told = small_lakehouse.releases()
        [given] = told.given
        assert (given.people, given.left, given.letter) == (7, None, None)
        assert not told.ok
        assert "STEDI_SECRET" in told.problems[0]
        stedi(
            "releases",
            "--root",
            small_lakehouse.root,
            check=1,
            STEDI_SECRET="another secret of the tests, of enough bytes",
        )
    assert small_lakehouse.releases().ok


@already_run
@pytest.mark.parametrize("part", ["json", "people"])
@pytest.mark.parametrize("damage", ["cut off", "gone", "other"])
def test_damage_to_the_ledger_is_told_and_costs_no_other_entry(
    small_lakehouse: Lakehouse, tmp_path: Path, part: str, damage: str
) -> None:
    small_lakehouse.release(tmp_path / "out", recipient="First")
    [path] = (small_lakehouse.root / "_stedi" / "ledger").glob(f"*.{part}")
    small_lakehouse.release(tmp_path / "again", recipient="Second")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:21] if damage == "cut off" else b"{}")
    told = small_lakehouse.releases()
    [second] = [given for given in told.given if given.recipient == "Second"]
    assert (second.people, second.left) == (7, 0)
    assert len(told.problems) == 1 or (part, damage) == ("json", "gone")
    assert all(str(path.with_suffix("")) in problem for problem in told.problems)


@already_run
def test_what_could_not_be_given_out_is_not_noted(
    small_lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target) == tmp_path / "out":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        small_lakehouse.release(tmp_path / "out")
    assert small_lakehouse.releases().given == []
    assert [*(small_lakehouse.root / "_stedi" / "ledger").iterdir()] == []


@already_run
def test_nothing_is_given_out_that_can_not_be_noted(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    (small_lakehouse.root / "_stedi" / "ledger").write_text("in the way")
    with pytest.raises((StorageError, UsageError)):
        small_lakehouse.release(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


@already_run
def test_nothing_is_given_out_of_what_was_published_again_meanwhile(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Ledger.begin

    def overtaken(self: Ledger, *arguments: Any) -> None:
        begin(self, *arguments)
        withdraw(land, "ann")
        Lakehouse(small_lakehouse.root, declarations=os.environ["STEDI_DECLARATIONS"]).run()

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "begin", overtaken)
        with pytest.raises(UsageError, match="published again meanwhile"):
            small_lakehouse.release(tmp_path / "out")
    assert small_lakehouse.releases().given == []
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@already_run
def test_a_kill_at_any_step_never_leaves_a_folder_that_is_not_noted(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    states = []
    root, declarations = small_lakehouse.root, os.environ["STEDI_DECLARATIONS"]
    for step in range(99):
        shutil.rmtree(root / "_stedi" / "ledger", ignore_errors=True)
        out = tmp_path / f"out-{step}"
        done = Process(release_and_die, str(root), declarations, str(out), step).ended()
        given = small_lakehouse.releases().given
        states.append((out.exists(), given[0].state if given else None))
        if out.exists():
            assert given
            assert given[0].people == 7
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert states[-1] == (True, "given")
    assert {(False, None), (False, "begun"), (True, "begun")} <= set(states)


@already_run
def test_releases_as_programs_get_them(small_lakehouse: Lakehouse, tmp_path: Path) -> None:
    at = ("--root", small_lakehouse.root)
    assert "Nothing was given out" in stedi("releases", *at)
    told = json.loads(stedi("release", tmp_path / "out", "--recipient", "A B", "--json", *at))
    assert (told["recipient"], told["tells"]) == ("A B", [])
    listed = json.loads(stedi("releases", "--json", *at))
    [given] = listed["given"]
    assert (given["recipient"], given["people"], given["left"]) == ("A B", 7, 0)
    assert "A B" in stedi("releases", *at)


@already_run
def test_the_letter_is_printed_where_somebody_left(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "out", recipient="A University")
    withdraw(land, "ann")
    small_lakehouse.run()
    told = stedi("releases", "--root", small_lakehouse.root)
    assert "has rows of 1 person who has left since. Send:" in told
    assert "    To: A University" in told
    assert "Article 19" in told


def test_a_table_of_people_that_is_not_declared_is_said_to_be_so(
    small_lakehouse: Lakehouse, folder: Path, tmp_path: Path
) -> None:
    contract = folder / "contracts" / "customer_trusted.yaml"
    kept = "      - property: withdrawalDays\n        value: 0\n"
    text = contract.read_text()
    assert kept in text
    contract.write_text(text.replace(kept, ""))
    lakehouse = on("duckdb", small_lakehouse.root, folder)
    lakehouse.run()
    lakehouse.release(tmp_path / "out")
    given = only(lakehouse)
    assert (given.people, given.left) == (None, None)
    assert given.unknown is not None
    assert "withdrawalDays" in given.unknown


@already_run
def test_who_was_erased_has_left_even_if_they_sign_up_again(
    small_lakehouse: Lakehouse, land: Land, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "before", recipient="First")
    forgotten = small_lakehouse.erase([("email", "ann@example.com")])
    assert forgotten is not None
    _, receipt = small_lakehouse.receipt(forgotten)
    assert f"release {only(small_lakehouse).name} of machine_learning_curated" in receipt
    assert "given to First at" in receipt
    assert "ann" not in receipt
    assert only(small_lakehouse).left == 1
    later = time.time_ns() // 1_000_000
    again = {**small.customer("ann", "S1", later, consent=later), "registrationDate": later}
    land("customer", [again], name="again.json")
    small_lakehouse.run()
    assert small_lakehouse.status().tables["customer_trusted"].rows == 8
    assert only(small_lakehouse).left == 1
    land("accelerometer", [small.acceleration("ann", later, 0.1)], name="again.json")
    land("step_trainer", [small.reading("S1", later, 210)], name="again.json")
    small_lakehouse.run()
    small_lakehouse.release(tmp_path / "after", recipient="Second", now=True)
    assert [(given.recipient, given.left) for given in small_lakehouse.releases().given] == [
        ("First", 1),
        ("Second", 0),
    ]


@already_run
def test_the_receipt_of_an_erasure_names_only_what_has_rows_of_theirs(
    small_lakehouse: Lakehouse, tmp_path: Path
) -> None:
    small_lakehouse.release(tmp_path / "out", recipient="A University")
    for name, is_named in (("ned", False), ("fay", True)):
        forgotten = small_lakehouse.erase([("email", f"{name}@example.com")])
        assert forgotten is not None
        _, receipt = small_lakehouse.receipt(forgotten)
        assert ("A University" in receipt) == is_named


@already_run
@pytest.mark.parametrize("what", ["recipient", "people"])
def test_an_entry_that_was_changed_is_told(
    small_lakehouse: Lakehouse, tmp_path: Path, what: str
) -> None:
    small_lakehouse.release(tmp_path / "out", recipient="A University")
    folder = small_lakehouse.root / "_stedi" / "ledger"
    if what == "people":
        [path] = folder.glob("*.people")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        [path] = folder.glob("*.json")
        path.write_text(path.read_text().replace("A University", "An Institute"))
    told = small_lakehouse.releases()
    assert [given.left for given in told.given] == [None]
    [problem] = told.problems
    assert "was changed since it was noted" in problem
    with pytest.raises(NotAnonymous, match="was changed since it was noted"):
        small_lakehouse.run(profile="strict")
        small_lakehouse.release(tmp_path / "next")

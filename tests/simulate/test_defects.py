"""Defects are planted in chosen numbers, and odd spellings say what plain ones say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from stedi import UsageError
from stedi.landing.reasons import Reason
from stedi.simulate import simulate
from stedi.simulate.defects import BAD_FILE, BROKEN, DAMAGED, KINDS, SPELLED, chosen, share_of_batch

LINES = {
    "customer": b'{"customerName": "Ada Berg", "email": "Ada.Berg1@test.com", "phone": "1", '
    b'"birthDay": "1967-01-01", "serialNumber": "0a-1b", "registrationDate": 1655561935464, '
    b'"lastUpdateDate": 1655561935465}\n',
    "accelerometer": b'{"user":"Ada.Berg1@test.com","timestamp":1655561935464,"x":-0.5,"y":1.0,'
    b'"z":0.1234}\n',
    "step_trainer": b'{"sensorReadingTime":1655561935464,"serialNumber":"0a-1b",'
    b'"distanceFromObject":217}\n',
}


def test_there_is_a_defect_for_every_reason() -> None:
    too_large = {"archive too large"}  # takes 64 MB; tests of the landing parser make one
    assert {*BROKEN, DAMAGED, BAD_FILE} == set(get_args(Reason)) - too_large


@pytest.mark.parametrize("source", LINES)
@pytest.mark.parametrize("kind", SPELLED)
def test_an_odd_spelling_differs_and_says_the_same(kind: str, source: str) -> None:
    plain = LINES[source]
    odd = SPELLED[kind](plain)
    said = json.loads(odd.strip().rstrip(b","))
    lower = {key.lower(): value for key, value in said.items() if key != "appVersion"}
    assert lower == {key.lower(): value for key, value in json.loads(plain).items()}
    assert odd != plain


def test_truth_counts_what_was_planted(tmp_path: Path) -> None:
    simulate(tmp_path, customers=100, defects={"cut off": 2, "CRLF": 1})
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["simulated"]["defects"] == {"cut off": 2, "CRLF": 1}
    assert truth["spelled"]["CRLF"] == 3
    for source in truth["profiles"]["seed"]["sources"].values():
        assert source["quarantined"] == {"cut off": 2}
    assert truth["profiles"]["seed"]["notes"]["quarantined"] == 6


def test_full_batches_share_the_defects() -> None:
    shares = [share_of_batch({"cut off": 5}, 20_001, batch)["cut off"] for batch in range(3)]
    assert shares == [3, 2, 0]


def test_planting_more_defects_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="100 customers have room for 0 to 2 of each kind"):
        simulate(tmp_path, customers=100, defects=3)
    with pytest.raises(UsageError, match="no defect rust"):
        simulate(tmp_path, customers=100, defects={"rust": 1})
    with pytest.raises(UsageError, match="--defects -1"):
        simulate(tmp_path, customers=100, defects=-1)
    assert not list(tmp_path.iterdir())


def test_a_number_of_defects_is_one_of_each_kind() -> None:
    assert chosen(2, 100) == dict.fromkeys(KINDS, 2)

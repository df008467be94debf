"""Plain simulated data has the starter data's shape, and is the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stedi import Lakehouse, UsageError
from tests.conftest import counts
from tests.support.contents import digest


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        Lakehouse.simulate(tmp_path / name, customers=50, seed=seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_the_keys_are_those_of_the_starter_data(starter: Path, tmp_path: Path) -> None:
    Lakehouse.simulate(tmp_path, customers=200)
    for source in ("customer", "accelerometer", "step_trainer"):
        shapes = []
        for folder in (starter, tmp_path):
            [path, *_] = sorted((folder / source / "landing").iterdir())
            records = [json.loads(line) for line in path.read_text().splitlines()]
            shapes.append(
                {(key, type(value)) for record in records for key, value in record.items()}
            )
        assert shapes[0] == shapes[1]


@pytest.mark.slow
def test_rates_are_those_of_the_starter_data_at_any_size(tmp_path: Path) -> None:
    shares = []
    for customers in (956, 12_000):
        lakehouse = Lakehouse(tmp_path / str(customers))
        Lakehouse.simulate(lakehouse.root, customers=customers)
        lakehouse.run()
        found = counts(lakehouse)
        assert found["customer_landing"] == customers
        assert found["step_trainer_landing"] == 30 * customers
        assert found["customer_trusted"] == pytest.approx(customers * 482 / 956, rel=0.06)
        assert found["accelerometer_landing"] == pytest.approx(customers * 81_273 / 956, rel=0.02)
        notes = {note.code: note.count for note in lakehouse.status().notes}
        before = notes["accelerometer_before_consent"] / (found["accelerometer_trusted"] or 1)
        assert before == pytest.approx(8_956 / 40_981, abs=0.03)
        shares.append(notes["cross_owner_pairs"] / (found["machine_learning_curated"] or 1))
    assert shares[0] == pytest.approx(2_700 / 43_681, abs=0.015)
    assert shares[1] == pytest.approx(2_700 / 43_681, abs=0.015)


def test_e_mails_and_serial_numbers_are_one_a_customer(tmp_path: Path) -> None:
    Lakehouse.simulate(tmp_path, customers=11_000)
    files = sorted((tmp_path / "customer" / "landing").iterdir())
    assert len(files) == 2
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len({r["email"] for r in records}) == len({r["serialNumber"] for r in records}) == 11_000


def test_two_populations_do_not_mix(tmp_path: Path) -> None:
    Lakehouse.simulate(tmp_path, customers=5)
    with pytest.raises(UsageError, match="has files already"):
        Lakehouse.simulate(tmp_path, customers=5)

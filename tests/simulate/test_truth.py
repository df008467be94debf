"""After a run, every figure of `status` is the one that the simulator worked out by itself."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from stedi import Lakehouse
from stedi.landing.reasons import Reason
from stedi.simulate import simulate
from tests.support.contents import figures, foreseeable, truth


@pytest.mark.parametrize(
    ("customers", "seed", "people", "defects"),
    [
        (300, 0, True, 1),
        (300, 1, True, 5),
        (300, 2, True, 7),
        (300, 3, False, 7),
        (300, 4, True, 0),
        (1, 5, True, 0),
        pytest.param(12_000, 6, True, 40, marks=pytest.mark.slow),
        pytest.param(25_000, 7, True, 300, marks=pytest.mark.slow),
        pytest.param(100_000, 8, True, 25, marks=pytest.mark.slow),
    ],
)
def test_every_figure_is_the_truth(
    customers: int, seed: int, people: bool, defects: int, tmp_path: Path
) -> None:
    lakehouse = Lakehouse(tmp_path)
    simulate(tmp_path, customers=customers, seed=seed, people=people, defects=defects)
    expected = truth(tmp_path)
    for profile in ("seed", "strict"):
        lakehouse.run(profile=profile)
        status = lakehouse.status()
        assert status.problems == []
        assert foreseeable(figures(status)) == expected[profile]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_every_figure_is_the_truth_for_many_seeds(seed: int, tmp_path: Path) -> None:
    test_every_figure_is_the_truth(40 + 3 * seed, seed, True, seed % 4, tmp_path)


def test_truth_knows_every_case(tmp_path: Path) -> None:
    simulate(tmp_path, customers=3_000, seed=1, people=True, defects=3)
    profiles = truth(tmp_path)
    for source in profiles["seed"]["sources"].values():
        assert set(source["quarantined"]) == set(get_args(Reason)) - {"archive too large"}
        assert source["copies"] == 1
    assert set(profiles["seed"]["notes"]) == {
        "accelerometer_before_consent",
        "bad_files",
        "birth_year_out_of_range",
        "copies",
        "consent_suspended",
        "cross_owner_pairs",
        "pairs_before_consent",
        "quarantined",
        "set_aside_without_email",
        "shared_serial_numbers",
        "step_trainer_before_consent",
        "unknown_keys",
    }
    dropped = {table: set(step["dropped"]) for table, step in profiles["strict"]["steps"].items()}
    assert dropped == {
        "customer_trusted": {
            "not the newest record of its customer",
            "no consent to research",
            "consent suspended: a record of the customer was set aside",
        },
        "accelerometer_trusted": {
            "user does not consent",
            "after withdrawal",
            "consent suspended",
            "taken before consent",
        },
        "customer_curated": {"no accelerometer record"},
        "step_trainer_trusted": {
            "serial number of no curated customer",
            "serial number also of a customer who does not consent",
            "taken before consent",
        },
        "machine_learning_curated": {"serial number of several owners", "readings of two people"},
    }


@pytest.mark.parametrize("customers", [956, 12_000])
def test_six_in_a_hundred_matches_join_two_people_at_any_size(
    customers: int, tmp_path: Path
) -> None:
    simulate(tmp_path, customers=customers, people=True)
    seed = truth(tmp_path)["seed"]
    share = seed["notes"]["cross_owner_pairs"] / seed["tables"]["machine_learning_curated"]
    assert share == pytest.approx(2_700 / 43_681, abs=0.015)

"""The noise, against theory and against OpenDP's own accountant."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from stedi.errors import UsageError
from stedi.privacy.private.noise import cost_of, epsilon_of, library, with_noise
from tests.support import noisy

DELTA = 1e-6


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_the_best_attacker_gets_as_far_as_theory_says(epsilon: float) -> None:
    noisy.check(with_noise, cost_of(epsilon, DELTA), epsilon, DELTA)


def test_theory_says_so_much() -> None:
    """The figures that docs/privacy.md has."""
    aucs = {e: round(noisy.expected_auc(noisy.rho_of(e, DELTA)), 2) for e in (1, 3, 8)}
    assert aucs == {1: 0.56, 3: 0.67, 8: 0.85}


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0, 20.0])
def test_the_cost_is_what_opendp_accounts(epsilon: float) -> None:
    """OpenDP's measurement as a whole: noise of that scale, at the sensitivity, has epsilon."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    cost, sensitivity = cost_of(epsilon, DELTA), 19_008
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    gaussian: Any = dp.m.make_gaussian(*space, scale=cost.multiplier * sensitivity)
    approximate: Any = dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(gaussian), DELTA)
    has, _ = approximate.map(float(sensitivity))
    assert epsilon * 0.999 < has <= epsilon * (1 + 1e-9)
    assert gaussian.map(float(sensitivity)) == pytest.approx(cost.rho, rel=1e-9)


def test_rho_is_summed_and_epsilon_follows() -> None:
    one = cost_of(1.0, DELTA)
    assert epsilon_of(one.rho, DELTA) == pytest.approx(1.0, rel=1e-6)
    seven = epsilon_of(7 * one.rho, DELTA)
    assert 2.6 < seven < 3.0  # seven releases of 1 cost less than 7
    assert noisy.delta_of(7 * one.rho, seven) == pytest.approx(DELTA, rel=1e-3)


def test_noise_is_whole_numbers_around_the_vector() -> None:
    cost, vector = cost_of(1.0, DELTA), np.arange(4_000, dtype=np.int64) * 1_000
    noise = with_noise(vector, 100, cost) - vector
    assert noise.dtype == np.int64
    assert abs(noise.mean()) < 4 * 453 / np.sqrt(4_000)
    assert noise.std() == pytest.approx(cost.multiplier * 100, rel=0.06)


def test_no_seed_makes_it_again() -> None:
    """Not NumPy's, not Python's: another process with the same seeds draws other noise."""
    program = (
        "import random, numpy as np; random.seed(1); np.random.seed(1);"
        "from stedi.privacy.private.noise import *;"
        "print(with_noise(np.zeros(20, np.int64), 1000, cost_of(1.0, 1e-6)).tolist())"
    )
    told = {
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
        for _ in range(2)
    }
    assert len(told) == 2


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 0.001, 21.0, float("nan"), float("inf")])
def test_an_epsilon_that_means_nothing_is_refused(epsilon: float) -> None:
    with pytest.raises(UsageError, match=r"from 0\.01 to 20"):
        cost_of(epsilon, DELTA)


def test_the_library_is_named_with_its_version() -> None:
    assert library().startswith("OpenDP 0.")

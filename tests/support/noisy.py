"""What noise must be, worked out from theory, and how well an attacker tells two vectors by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from stedi.arrays import Int64s
from stedi.privacy.private.noise import Cost

DRAWS = 20_000
WithNoise = Callable[[Int64s, int, Cost], Int64s]


def delta_of(rho: float, epsilon: float) -> float:
    """The delta of rho-zCDP at an epsilon: Canonne, Kamath, Steinke (NeurIPS 2020), section 2.3.

    The minimum over orders of Rényi's divergence, by a fine grid.
    """
    orders = 1 + np.exp(np.linspace(math.log(1e-3), math.log(1e4), 20_000))
    logs = (orders - 1) * (orders * rho - epsilon) + orders * np.log1p(-1 / orders)
    return float(np.exp((logs - np.log(orders - 1)).min()))


def rho_of(epsilon: float, delta: float) -> float:
    """The most rho that has (epsilon, delta), by halving."""
    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle, epsilon) <= delta else (low, middle)
    return low


def expected_auc(rho: float) -> float:
    """How well the best attacker tells two Gaussians a sensitivity apart: Phi(1 / (sigma * sqrt(2)))."""
    sigma = math.sqrt(1 / (2 * rho))
    return NormalDist().cdf(1 / (sigma * math.sqrt(2)))


def auc(with_noise: WithNoise, sensitivity: int, cost: Cost) -> float:
    """How well noisy zeros are told from noisy ones of a person at the limit, over many draws."""
    absent = with_noise(np.zeros(DRAWS, np.int64), sensitivity, cost)
    present = with_noise(np.full(DRAWS, sensitivity, np.int64), sensitivity, cost)
    ranks = np.argsort(np.argsort(np.concatenate([absent, present]), kind="stable"))
    return float((ranks[DRAWS:].sum() - DRAWS * (DRAWS - 1) / 2) / DRAWS**2)


def check(with_noise: WithNoise, cost: Cost, epsilon: float, delta: float) -> None:
    """The noise is what theory says, and drawn each time; else `AssertionError`.

    An AUC of so many draws has a standard error of 0.003.
    """
    sensitivity = 19_008
    rho = rho_of(epsilon, delta)
    assert abs(cost.rho / rho - 1) < 1e-3, "rho"
    assert abs(auc(with_noise, sensitivity, cost) - expected_auc(rho)) < 0.012, "AUC"
    zeros = np.zeros(50, np.int64)
    once, again = (with_noise(zeros, sensitivity, cost) for _ in range(2))
    assert (once != again).any(), "fresh"

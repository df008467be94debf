"""Noise for a vector of whole numbers: OpenDP's discrete Gaussian, and what it costs.

The cost is in rho of zero-concentrated differential privacy, which is summed over releases (M. Bun
and T. Steinke, "Concentrated Differential Privacy", TCC 2016); what rho means as (ε, δ) OpenDP's
own accountant says. The noise is C. L. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for
Differential Privacy", NeurIPS 2020, sampled without floating point. OpenDP takes its randomness
from the operating system; there is no seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from stedi.arrays import Int64s
from stedi.declared.private import LEAST_EPSILON, MOST_EPSILON
from stedi.errors import Unavailable, UsageError
from stedi.extras import to_install

_CLOSE = 1 + 1e-9


@dataclass(frozen=True)
class Cost:
    """What one release costs: `rho`, which is at most (`epsilon`, `delta`).

    `multiplier` is the noise's standard deviation in units of the sensitivity.
    """

    epsilon: float
    delta: float
    multiplier: float
    rho: float


def cost_of(epsilon: float, delta: float) -> Cost:
    """The least noise that keeps (ε, δ), by OpenDP's accountant; raises `Unavailable`.

    Raises `UsageError` for an epsilon out of range.
    """
    if not LEAST_EPSILON <= epsilon <= MOST_EPSILON:
        raise UsageError(
            f"--epsilon {epsilon:g}: from {LEAST_EPSILON:g} to {MOST_EPSILON:g}; "
            "1 protects well, from 8 on little"
        )
    return _cost_of(epsilon, delta)


@lru_cache
def _cost_of(epsilon: float, delta: float) -> Cost:
    too_little, enough = 0.0, 1.0
    while epsilon_of(_rho(enough), delta) > epsilon:
        too_little, enough = enough, enough * 2
    while enough > too_little * _CLOSE:
        middle = (too_little + enough) / 2
        if epsilon_of(_rho(middle), delta) <= epsilon:
            enough = middle
        else:
            too_little = middle
    return Cost(epsilon, delta, enough, _rho(enough))


def epsilon_of(rho: float, delta: float) -> float:
    """The ε at a δ that rho guarantees, by OpenDP's accountant."""
    if rho <= 0:
        return 0.0
    gaussian = _gaussian((1 / (2 * rho)) ** 0.5)
    from opendp.combinators import make_zCDP_to_approxDP

    private: Any = make_zCDP_to_approxDP(gaussian)
    return float(private.map(1.0).epsilon(delta))


def with_noise(vector: Int64s, sensitivity: int, cost: Cost) -> Int64s:
    """The vector with discrete Gaussian noise: the only thing that is ever made from people's data.

    Raises `UsageError` where the noise would not keep what the cost promises.
    """
    gaussian = _gaussian(cost.multiplier * sensitivity)
    rho = float(gaussian.map(float(sensitivity)))
    if rho > cost.rho * _CLOSE or epsilon_of(rho, cost.delta) > cost.epsilon * _CLOSE:
        raise UsageError(f"noise of {cost.multiplier:g} doesn't keep epsilon {cost.epsilon:g}")
    return np.array(gaussian(vector.tolist()), np.int64)


def library() -> str:
    """The library that noise comes from, with its version."""
    return f"OpenDP {version('opendp')}"


def _rho(multiplier: float) -> float:
    return 1 / (2 * multiplier**2)


def _gaussian(scale: float) -> Any:
    """OpenDP's measurement: vectors of whole numbers, at an L2 distance, with that much noise."""
    try:
        from opendp.domains import atom_domain, vector_domain
        from opendp.measurements import make_gaussian
        from opendp.metrics import l2_distance
        from opendp.mod import enable_features
    except ImportError:
        raise Unavailable(f"a private release needs OpenDP: {to_install('private')}") from None
    enable_features("contrib")
    return make_gaussian(vector_domain(atom_domain(T="i64")), l2_distance(T=float), scale=scale)

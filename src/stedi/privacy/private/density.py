"""The densities that fit a noisy vector best, and synthetic rows from them: post-processing alone.

Of all densities that come as near to the noisy coefficients as the noise lets one expect, that of
maximum entropy is taken: it is positive everywhere, and as even as it can be. It has the form
exp(Σ θ·cosine) and few numbers θ, found by Newton's method on the convex dual with a quadratic
penalty (M. Dudík, S. Phillips, R. Schapire, "Maximum Entropy Density Estimation with Generalized
Regularization", JMLR 8, 2007). The penalty of a coefficient grows with its noise and with its
frequency: fine waves are believed if they stand out from noise.

First comes the density of the axes in each band of the target, then the target's, given the axes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from statistics import NormalDist

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared.contract import Coarsened
from stedi.declared.private import Warp
from stedi.privacy.private.spectral import SQRT2, STEPS, Spectrum, phi
from stedi.privacy.publication.grid import Grid

_CELLS = 9_300
"""Cells of the density of all axes together, about."""
_MOST_CELLS = 64
"""Cells of one axis."""
_COARSE = 6
"""Cells of each axis in the density of the target, given the axes."""
_TARGET_CELLS = 48
_SMOOTHER_AXES, _SMOOTHER_TARGET = 10.0, 1.0
"""How much more the penalty weighs than by noise alone."""
_STEPS = 40
_ENOUGH = 1e-10


@dataclass(frozen=True)
class NoisyVector:
    """A vector as it was released; `deviation` is the noise's in each of its whole numbers."""

    values: Int64s
    deviation: float


def synthetic_rows(spectrum: Spectrum, noisy: NoisyVector) -> dict[str, Float64s]:
    """Rows drawn from the densities, by column, sorted; as many as the noisy total says.

    There is at least one of each band. The same vector always gives the same rows: what is drawn
    depends on it alone. Values are on the declared grids.
    """
    seed = hashlib.sha256(noisy.values.astype("<i8").tobytes()).digest()
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    units = noisy.values.reshape(spectrum.bands, -1) / STEPS
    deviation = noisy.deviation / STEPS
    bands = [
        _rows_of_band(spectrum, band, coefficients, deviation, rng)
        for band, coefficients in enumerate(units)
    ]
    rows = {name: np.concatenate([band[name] for band in bands]) for name in spectrum.columns}
    order = np.lexsort([rows[name] for name in reversed(spectrum.columns)])
    return {name: rows[name][order] for name in spectrum.columns}


def _rows_of_band(
    spectrum: Spectrum,
    band: int,
    coefficients: Float64s,
    deviation: float,
    rng: np.random.Generator,
) -> dict[str, Float64s]:
    """The rows of one band of the target, whose coefficients these are."""
    waves = np.array(spectrum.waves, np.int64)
    of_axes, of_target = waves[:, -1] == 0, waves[:, -1] > 0
    is_total = ~waves.any(axis=1)
    total = max(float(coefficients[is_total][0]), 1.0)
    relative, noise = coefficients / total, deviation / total
    axes = spectrum.publication.axes
    some = of_axes & ~is_total
    density = _axes_density(waves[some, :-1], relative[some], noise)
    cells = rng.choice(density.size, size=round(total), p=density.ravel())
    places = np.column_stack(np.unravel_index(cells, density.shape))
    positions = (places + rng.random(places.shape)) / density.shape[0]
    rows = {
        axis.column: _on_grid(
            axis, spectrum.private.warp(axis.column), 0.0, 1.0, positions[:, n], None
        )
        for n, axis in enumerate(axes)
    }
    target = spectrum.publication.target
    if target is not None:
        shares = _target_shares(waves[of_target], relative[of_target], noise, density)
        coarse = np.minimum((positions * _COARSE).astype(np.int64), _COARSE - 1)
        cell = np.ravel_multi_index(tuple(coarse.T), (_COARSE,) * len(axes))
        beyond = rng.random(len(cell))[:, None] > np.cumsum(shares, axis=1)[cell]
        place = np.minimum(beyond.sum(axis=1), _TARGET_CELLS - 1)
        within = (place + rng.random(len(cell))) / _TARGET_CELLS
        warp = spectrum.private.warp(target.column)
        begin, end = (
            phi((edge - warp.centre) / warp.spread) for edge in spectrum.edges[band : band + 2]
        )
        rows[target.column] = _on_grid(target, warp, begin, end, within, band)
    return rows


def _axes_density(waves: Int64s, means: Float64s, noise: float) -> Float64s:
    """The density over cells of all axes, whose mean cosines are near these."""
    axes = waves.shape[1]
    cells = min(int(_CELLS ** (1 / axes) + 1e-9), _MOST_CELLS)
    along = _cosines(cells, int(waves.max(initial=0)))
    features = np.stack([_outer([along[:, n] for n in wave]) for wave in waves.tolist()], axis=1)
    penalty = _SMOOTHER_AXES * noise**2 * (waves**2).sum(axis=1) ** 1.5
    shares = fit(features[None], np.ones(1), means, penalty)
    return shares.reshape((cells,) * axes)


def _target_shares(waves: Int64s, means: Float64s, noise: float, density: Float64s) -> Float64s:
    """For each coarse cell of the axes, how the target is shared out among its own cells."""
    axes = waves.shape[1] - 1
    fine = density.shape[0]
    place = np.arange(fine) * _COARSE // fine
    weights = np.zeros((_COARSE,) * axes)
    np.add.at(weights, np.ix_(*[place] * axes), density)
    along = _cosines(_COARSE, int(waves[:, :-1].max(initial=0)))
    of_target = _cosines(_TARGET_CELLS, int(waves[:, -1].max(initial=0)))
    features = np.stack(
        [
            _outer([*(along[:, n] for n in wave[:-1]), of_target[:, wave[-1]]])
            for wave in waves.tolist()
        ],
        axis=1,
    ).reshape(-1, _TARGET_CELLS, len(waves))
    penalty = _SMOOTHER_TARGET * noise**2 * (waves**2).sum(axis=1) ** 0.5
    return fit(features, weights.ravel(), means, penalty)


def fit(features: Float64s, weights: Float64s, means: Float64s, penalty: Float64s) -> Float64s:
    """Shares of maximum entropy, by group and cell, whose mean features are near `means`.

    `features` are by group, cell and feature. Groups have fixed `weights`, which add up to 1; the
    shares of each group add up to 1.
    """
    groups, cells, count = features.shape
    flat = features.reshape(groups * cells, count)
    theta = np.zeros(count)
    shares, badness = _shares(features, weights, means, penalty, theta)
    for _ in range(_STEPS):
        weighed = (shares * weights[:, None]).reshape(-1)
        gradient = weighed @ flat - means + penalty * theta
        of_group = np.einsum("gc,gcf->gf", shares, features)
        curvature = (flat * weighed[:, None]).T @ flat - (of_group * weights[:, None]).T @ of_group
        step = np.linalg.solve(curvature + np.diag(penalty + 1e-12), gradient)
        gain, length = float(gradient @ step), 1.0
        if gain < _ENOUGH:
            break
        while True:
            shorter = theta - length * step
            tried, worse = _shares(features, weights, means, penalty, shorter)
            if worse <= badness - 1e-4 * length * gain:
                theta, shares, badness = shorter, tried, worse
                break
            length /= 2
            if length < 1e-9:
                return shares
    return shares


def _shares(
    features: Float64s, weights: Float64s, means: Float64s, penalty: Float64s, theta: Float64s
) -> tuple[Float64s, float]:
    """The shares that θ gives, and the dual's value there, which is to be small."""
    logs = features @ theta
    highest = logs.max(axis=1, keepdims=True)
    odds = np.exp(logs - highest)
    sums = odds.sum(axis=1, keepdims=True)
    partition = float(weights @ (highest + np.log(sums))[:, 0])
    value = partition - float(means @ theta) + 0.5 * float(penalty @ theta**2)
    shares: Float64s = odds / sums
    return shares, value


def _cosines(cells: int, highest: int) -> Float64s:
    """The cosines of frequencies from 0 to the highest, in the middle of each cell."""
    middles = (np.arange(cells) + 0.5) / cells
    frequencies = np.arange(highest + 1)
    scale = np.where(frequencies == 0, 1.0, SQRT2)
    cosines: Float64s = np.cos(math.pi * middles[:, None] * frequencies) * scale
    return cosines


def _outer(factors: Sequence[Float64s]) -> Float64s:
    """The product of each value with each, as one long array."""
    return reduce(np.multiply.outer, factors).reshape(-1)


def _on_grid(
    column: Coarsened,
    warp: Warp,
    begin: float,
    end: float,
    positions: Float64s,
    band: int | None,
) -> Float64s:
    """Values of a column at positions between two shares of its map, on its grid, in their band."""
    grid = Grid(column)
    shares = np.clip(begin + positions * (end - begin), 1e-12, 1 - 1e-12)
    normal = NormalDist(warp.centre, warp.spread)
    values = np.fromiter(map(normal.inv_cdf, shares.tolist()), np.float64, len(shares))
    numbers, _ = grid.numbers(values)
    if band is not None:
        least, most = grid.bands[band]
        np.clip(numbers, least, most, out=numbers)
    return grid.midpoints(numbers, numbers)

"""Rows that are drawn from a vector: on their grids, the same each time, and like the data."""

from __future__ import annotations

import numpy as np
import pytest

from stedi.arrays import Float64s, Int64s
from stedi.privacy.private.density import NoisyVector, fit, synthetic_rows
from stedi.privacy.private.noise import cost_of
from stedi.privacy.private.spectral import STEPS, Spectrum
from tests.support import spectra

ALL = {
    "stedi": spectra.of_stedi(),
    "weather": spectra.of_weather(),
    "without a target": spectra.without_target(),
}


def vector_of(spectrum: Spectrum, total: float, seed: int | None = None) -> NoisyVector:
    """So many rows in each band, spread evenly; with a seed, and noise of another total."""
    values = np.zeros((spectrum.bands, len(spectrum.waves)), np.int64)
    values[:, 0] = round(total * STEPS)
    deviation = 1.0
    if seed is not None:
        deviation = total * STEPS
        values += np.rint(np.random.default_rng(seed).normal(0, deviation, values.shape)).astype(
            np.int64
        )
    return NoisyVector(values.reshape(-1), deviation)


@pytest.mark.parametrize("spectrum", ALL.values(), ids=ALL)
@pytest.mark.parametrize("noise", [None, 1, 2, 3])
def test_rows_are_on_the_grid_and_within_it(spectrum: Spectrum, noise: int | None) -> None:
    rows = synthetic_rows(spectrum, vector_of(spectrum, 500, noise))
    assert [*rows] == [*spectrum.columns]
    for column in spectrum.publication.coarsened:
        values = rows[column.column]
        assert values.min() >= column.minimum
        assert values.max() <= column.maximum
        steps = (values - column.origin) / column.grid
        assert np.abs(steps - np.rint(steps)).max() < 1e-6


def test_there_are_as_many_rows_in_each_band_as_its_total_says() -> None:
    spectrum = spectra.of_weather()
    values = np.zeros((3, len(spectrum.waves)), np.int64)
    values[:, 0] = np.array([100.4, -30.0, 7.6]) * STEPS
    rain = synthetic_rows(spectrum, NoisyVector(values.reshape(-1), 10.0))["rain"]
    counts = [((rain >= a) & (rain < b)).sum() for a, b in ((0, 10), (10, 50), (50, 501))]
    assert counts == [100, 1, 8]  # at least one


def test_the_same_vector_gives_the_same_rows_and_another_gives_others() -> None:
    spectrum = ALL["weather"]
    one, again, other = (vector_of(spectrum, 300, seed) for seed in (1, 1, 2))
    first, second, third = (synthetic_rows(spectrum, v) for v in (one, again, other))
    assert all((first[name] == second[name]).all() for name in first)
    assert len(first["rain"]) != len(third["rain"]) or (first["rain"] != third["rain"]).any()


def test_nothing_but_noise_gives_rows_all_the_same() -> None:
    """Nobody is there: what comes out is finite, and even where the noise drowns everything."""
    spectrum = ALL["stedi"]
    noise = np.random.default_rng(4).normal(0, 86_000, spectrum.size)
    rows = synthetic_rows(spectrum, NoisyVector(np.rint(noise).astype(np.int64), 86_000.0))
    assert all(np.isfinite(values).all() for values in rows.values())


def test_the_fit_of_a_known_density_is_that_density() -> None:
    """Means of one cosine, of a density exp(θ cos): found again by θ, which nobody gave it."""
    u = (np.arange(400) + 0.5) / 400
    feature = np.cos(np.pi * u)
    density = np.exp(0.7 * feature)
    density /= density.sum()
    [found] = fit(
        feature[None, :, None], np.ones(1), np.array([density @ feature]), np.array([1e-9])
    )
    assert np.abs(found / density - 1).max() < 1e-4


def test_the_fit_meets_every_mean_where_there_is_no_noise() -> None:
    rng = np.random.default_rng(8)
    features = rng.normal(size=(3, 50, 6))
    weights = np.array([0.5, 0.2, 0.3])
    shares = rng.dirichlet(np.ones(50), size=3)
    means = np.einsum("g,gc,gcf->f", weights, shares, features)
    found = fit(features, weights, means, np.full(6, 1e-12))
    assert np.allclose(np.einsum("g,gc,gcf->f", weights, found, features), means, atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found > 0).all()


def test_means_that_no_density_has_are_met_as_far_as_any_can() -> None:
    """Noise may ask for a mean beyond every value: the fit ends, and is positive."""
    feature = np.cos(np.pi * (np.arange(50) + 0.5) / 50)[None, :, None]
    found = fit(feature, np.ones(1), np.array([3.0]), np.array([1e-3]))
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
    assert (found[0] * feature[0, :, 0]).sum() > 0.9


def people(rng: np.random.Generator, count: int) -> dict[int, Float64s]:
    """People with 60 rows each, whose distance goes with x in ways of two kinds."""
    rows = {}
    for person in range(count):
        near = rng.random(60) < 0.35
        x = np.where(near, rng.normal(-0.1, 0.12, 60), rng.normal(0.1, 0.12, 60))
        y, z = rng.normal(1.0, 0.15, 60), rng.normal(0.15, 0.2, 60)
        far = rng.normal(380, 40, 60)
        distance = np.where(near, rng.normal(170, 30, 60), far)
        rows[person] = np.column_stack([x, y, z, np.clip(distance, 0, 600)])
    return rows


def test_distances_are_spread_as_they_were() -> None:
    """Two humps within 10 mm at every decile, and a spread within 5 %, at epsilon 1."""
    spectrum, rng = ALL["stedi"], np.random.default_rng(6)
    raw = spectra.raw_of(spectrum, people(rng, 2_000))
    total = spectrum.total(raw)
    deviation = cost_of(1.0, 1e-6).multiplier * spectrum.sensitivity
    noise: Int64s = np.rint(rng.normal(0, deviation, len(total))).astype(np.int64)
    rows = synthetic_rows(spectrum, NoisyVector(total + noise, deviation))
    was, now = raw.columns["distancefromobject"], rows["distancefromobject"]
    assert abs(now.std() / was.std() - 1) < 0.05
    deciles = np.linspace(0.1, 0.9, 9)
    far_off = np.abs(np.quantile(now, deciles) - np.quantile(was, deciles))
    assert np.sort(far_off)[-2] < 10  # between the humps one decile may lie anywhere
    near = now < 250
    assert rows["x"][near].mean() == pytest.approx(raw.columns["x"][was < 250].mean(), abs=0.03)
    assert near.mean() == pytest.approx((was < 250).mean(), abs=0.02)

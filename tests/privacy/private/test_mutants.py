"""Ways to do it wrong, each of which the checks of noise and sensitivity must notice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stedi.arrays import Float64s, Int64s
from stedi.privacy.private import spectral
from stedi.privacy.private.noise import Cost, cost_of, with_noise
from stedi.privacy.private.spectral import STEPS, Spectrum
from stedi.privacy.publication import Raw
from tests.support import noisy, spectra

COST = cost_of(1.0, 1e-6)
Total = Callable[[Spectrum, Raw], Int64s]


def half_the_noise(vector: Int64s, sensitivity: int, cost: Cost) -> Int64s:
    return with_noise(vector, sensitivity, replace(cost, multiplier=cost.multiplier / 2, rho=9.9))


def noise_from_a_seed(vector: Int64s, sensitivity: int, cost: Cost) -> Int64s:
    rng = np.random.default_rng(0)
    noise: Float64s = rng.normal(0, cost.multiplier * sensitivity, len(vector))
    return vector + np.rint(noise).astype(np.int64)


def noise_per_step(vector: Int64s, sensitivity: int, cost: Cost) -> Int64s:
    """Of the sensitivity before it is counted in steps."""
    return unchecked(vector, sensitivity / STEPS * cost.multiplier)


def no_noise(vector: Int64s, sensitivity: int, cost: Cost) -> Int64s:
    return vector.copy()


def a_third_less(vector: Int64s, sensitivity: int, cost: Cost) -> Int64s:
    return unchecked(vector, sensitivity * cost.multiplier * 2 / 3)


def unchecked(vector: Int64s, deviation: float) -> Int64s:
    noise = np.random.default_rng().normal(0, deviation, len(vector))
    return vector + np.rint(noise).astype(np.int64)


def test_the_checks_pass_noise_as_it_should_be() -> None:
    noisy.check(with_noise, COST, 1.0, 1e-6)
    noisy.check(lambda v, s, c: unchecked(v, s * c.multiplier), COST, 1.0, 1e-6)


@pytest.mark.parametrize(
    ("mutant", "why"),
    [
        (half_the_noise, None),  # refused by the noise itself, which asks OpenDP what it keeps
        (noise_from_a_seed, "fresh"),
        (noise_per_step, "AUC"),
        (no_noise, "AUC"),
        (a_third_less, "AUC"),
        (lambda v, s, c: unchecked(v, s * c.multiplier / 2), "AUC"),
    ],
)
def test_noise_gone_wrong_is_noticed(mutant: noisy.WithNoise, why: str | None) -> None:
    with pytest.raises(Exception, match=why or "doesn't keep epsilon"):
        noisy.check(mutant, COST, 1.0, 1e-6)


def check_total(total: Total) -> None:
    """Adding a person moves the total by at most the sensitivity; else `AssertionError`."""
    spectrum = spectra.of_weather()
    rng = np.random.default_rng(1)
    others = {n: rng.normal((1000, 20), (20, 30), (8, 2)) for n in range(1, 6)}
    added: list[Float64s] = [
        np.tile([[1013.0, 5.0]], (10_000, 1)),
        rng.normal((1013, 5), (10, 30), (10_000, 2)),
        np.full((40, 2), np.nan),
        np.full((300, 2), np.inf),
        np.array([[1013.0, 5.0]]),
    ]
    before = total(spectrum, spectra.raw_of(spectrum, others))
    for rows in added:
        moved = total(spectrum, spectra.raw_of(spectrum, {0: rows} | others)) - before
        assert math.sqrt(sum(int(v) ** 2 for v in moved)) <= spectrum.resolution.clip * STEPS


def people_of(spectrum: Spectrum, raw: Raw) -> list[Float64s]:
    values = np.column_stack([raw.columns[name] for name in spectrum.columns])
    return [values[raw.people[0] == person] for person in np.unique(raw.people[0])]


def units_of(spectrum: Spectrum, rows: Float64s, monkeypatch: pytest.MonkeyPatch) -> Float64s:
    """A person's vector without clipping, in steps."""
    with monkeypatch.context() as patch:
        patch.setattr(spectral, "clipped", lambda vector, most: vector * STEPS)
        return spectrum.vector_of(rows).astype(np.float64)


def test_the_check_passes_the_total_as_it_is() -> None:
    check_total(lambda spectrum, raw: spectrum.total(raw))


def test_no_clip_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def total(spectrum: Spectrum, raw: Raw) -> Int64s:
        units = (units_of(spectrum, rows, monkeypatch) for rows in people_of(spectrum, raw))
        whole: Int64s = np.sum([np.trunc(u) for u in units], axis=0).astype(np.int64)
        return whole

    with pytest.raises(AssertionError):
        check_total(total)


def test_a_clip_behind_the_sum_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clipped to so much for each person there is, the sum lets one of them have others' share."""

    def total(spectrum: Spectrum, raw: Raw) -> Int64s:
        units = [units_of(spectrum, rows, monkeypatch) for rows in people_of(spectrum, raw)]
        most = spectrum.sensitivity * len(units)
        return spectral.clipped(np.sum(units, axis=0) / STEPS, most)

    with pytest.raises(AssertionError):
        check_total(total)


def test_a_cap_read_from_the_data_is_noticed() -> None:
    """The most rows that anybody has, instead of the declared number: one person changes all."""

    def total(spectrum: Spectrum, raw: Raw) -> Int64s:
        people = people_of(spectrum, raw)
        most = max(len(rows) for rows in people)
        vectors = [spectrum.vector_of(rows[: len(rows) * 8 // most]) for rows in people]
        summed: Int64s = np.sum(vectors, axis=0)
        return summed

    with pytest.raises(AssertionError):
        check_total(total)


def test_ends_read_from_the_data_are_noticed() -> None:
    """The mean of all values as the map's centre: one person moves everybody's coefficients."""

    def total(spectrum: Spectrum, raw: Raw) -> Int64s:
        pressure = raw.columns["pressure"]
        middle = float(np.mean(pressure[np.isfinite(pressure)]))
        columns = raw.columns | {"pressure": raw.columns["pressure"] - middle + 1013}
        return spectrum.total(Raw(columns, raw.people))

    with pytest.raises(AssertionError):
        check_total(total)


def test_rounding_up_is_noticed() -> None:
    """Cut to the next whole number away from 0, a person at the limit is beyond it."""
    spectrum = spectra.of_weather()
    rows = np.random.default_rng(2).normal((1013, 5), (10, 30), (1_000, 2))
    units = spectrum.vector_of(rows).astype(np.float64)
    at_limit = units / np.linalg.norm(units) * spectrum.sensitivity
    beyond = np.copysign(np.ceil(np.abs(at_limit)), at_limit)
    assert np.linalg.norm(beyond) > spectrum.sensitivity
    assert np.linalg.norm(spectral.clipped(at_limit / STEPS, spectrum.sensitivity)) <= (
        spectrum.sensitivity
    )

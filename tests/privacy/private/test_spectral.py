"""One person moves the vector by no more than is declared, whatever is in their rows."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stedi.arrays import Float64s, Int64s
from stedi.privacy.private.spectral import STEPS, Spectrum, clipped
from stedi.privacy.publication import Raw
from tests.support import spectra

SPECTRA = {
    "stedi": spectra.of_stedi(),
    "stedi, finer": spectra.of_stedi(3.0),
    "weather": spectra.of_weather(),
    "without a target": spectra.without_target(),
}
every_spectrum = pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
ANY = st.floats(allow_nan=True, allow_infinity=True)
"""Any double at all."""
NEAR = st.floats(-2.0, 2.0)


def length(vector: Int64s) -> float:
    return math.sqrt(sum(int(value) ** 2 for value in vector))


def limit(spectrum: Spectrum) -> float:
    """C times the steps to a unit, from the declaration alone."""
    return spectrum.resolution.clip * STEPS


def rows_of(values: st.SearchStrategy[float], columns: int) -> st.SearchStrategy[Float64s]:
    shapes = st.tuples(st.integers(0, 30), st.just(columns))
    return arrays.arrays(np.float64, shapes, elements=values)


@every_spectrum
@given(data=st.data())
@settings(max_examples=40)
def test_adding_any_person_moves_the_vector_by_their_own_and_no_further(
    spectrum: Spectrum, data: st.DataObject
) -> None:
    one = data.draw(rows_of(st.one_of(ANY, NEAR), len(spectrum.columns)))
    others = {n: data.draw(rows_of(NEAR, len(spectrum.columns))) for n in range(1, 4)}
    seed = data.draw(st.integers(0, 1 << 30))
    without = spectrum.total(spectra.raw_of(spectrum, others))
    with_one = spectrum.total(spectra.shuffled(spectra.raw_of(spectrum, {0: one} | others), seed))
    moved = with_one - without
    assert length(moved) <= limit(spectrum)
    assert (moved == spectrum.vector_of(one)).all()


def worst(spectrum: Spectrum) -> dict[str, Float64s]:
    """People who would move an unclipped vector furthest."""
    columns, rng = len(spectrum.columns), np.random.default_rng(7)
    centres = np.array([spectrum.private.warp(name).centre for name in spectrum.columns])
    return {
        "ten thousand rows in one cell": np.tile(centres, (10_000, 1)),
        "ten thousand rows at one end": np.full((10_000, columns), -np.inf),
        "ten thousand rows at the other": np.full((10_000, columns), np.inf),
        "ten thousand rows anywhere": rng.normal(centres, 1.0, (10_000, columns)),
        "one row": centres[None],
        "no rows": np.zeros((0, columns)),
        "no numbers": np.full((50, columns), np.nan),
        "some numbers": np.where(rng.random((500, columns)) < 0.5, np.nan, centres),
        "the largest doubles": np.full((500, columns), np.finfo(np.float64).max),
        "the least": np.full((500, columns), np.finfo(np.float64).min),
        "next to nothing": np.full((500, columns), 5e-324),
        "a hundred thousand rows": np.tile(centres, (100_000, 1)),
    }


@every_spectrum
@pytest.mark.parametrize("who", worst(SPECTRA["weather"]))
def test_the_worst_people_move_it_no_further(spectrum: Spectrum, who: str) -> None:
    rows = worst(spectrum)[who]
    vector = spectrum.vector_of(rows)
    assert vector.shape == (spectrum.size,)
    assert length(vector) <= limit(spectrum)
    has_numbers = len(rows) and not np.isnan(rows).any(axis=1).all()
    assert vector.any() == has_numbers


def test_a_person_in_one_cell_uses_all_of_the_limit() -> None:
    """So the limit is of people as they may be, not one that nobody comes near."""
    for spectrum in SPECTRA.values():
        full = spectrum.vector_of(worst(spectrum)["ten thousand rows in one cell"])
        assert length(full) > 0.9 * min(limit(spectrum), spectrum.private.rows_per_person * STEPS)


@every_spectrum
def test_who_has_more_rows_counts_no_more(spectrum: Spectrum) -> None:
    rows = np.random.default_rng(3).normal(0.5, 0.3, (40, len(spectrum.columns)))
    most = spectrum.private.rows_per_person
    total = np.abs(spectrum.vector_of(np.tile(rows, (25, 1)))[:: len(spectrum.waves)]).sum()
    assert total <= most * STEPS


@every_spectrum
def test_order_makes_no_difference_at_all(spectrum: Spectrum) -> None:
    """Not by one unit in any number: else other people's vectors would change with one person."""
    rng = np.random.default_rng(5)
    rows = rng.normal(0.5, 0.5, (501, len(spectrum.columns)))
    vector = spectrum.vector_of(rows)
    for _ in range(5):
        assert (spectrum.vector_of(rng.permutation(rows)) == vector).all()
    padded = np.zeros((502, rows.shape[1] + 1))[1:, 1:]  # elsewhere in memory, with gaps
    padded[:] = rows
    assert (spectrum.vector_of(padded) == vector).all()


def test_rows_of_two_people_are_nobodys() -> None:
    """One person's step reading beside another's acceleration: neither's removal changes others."""
    spectrum, rng = SPECTRA["stedi"], np.random.default_rng(9)
    people = {n: rng.normal(0.3, 0.3, (20, 4)) for n in (1, 2, 3)}
    own = spectra.raw_of(spectrum, people)
    step, phone = (side.copy() for side in own.people)
    phone[:5] = 2  # of the first person's Step Trainer, and of the second's phone
    crossed = spectrum.total(Raw(own.columns, (step, phone)))
    fewer = spectra.raw_of(spectrum, people | {1: people[1][5:]})
    assert (crossed == spectrum.total(fewer)).all()


def test_coefficients_are_those_of_cosines() -> None:
    """By NumPy's cosines, and Python's normal distribution, of people who aren't clipped."""
    spectrum = SPECTRA["weather"]
    rows = np.array([[1000.0, 3.0], [1020.0, 30.0], [1013.0, 400.0]])
    expected = np.zeros((3, len(spectrum.waves)))
    edges = [NormalDist(5, 20).cdf(edge) for edge in (0, 10, 50, 500)]
    for band, (pressure, rain) in enumerate(rows):
        u = NormalDist(1013, 10).cdf(pressure)
        v = (NormalDist(5, 20).cdf(rain) - edges[band]) / (edges[band + 1] - edges[band])
        for n, (i, m) in enumerate(spectrum.waves):
            scale = math.sqrt(2) ** ((i > 0) + (m > 0))
            expected[band, n] = scale * math.cos(math.pi * i * u) * math.cos(math.pi * m * v)
    vector = spectrum.vector_of(rows)
    assert length(vector) < limit(spectrum)
    assert np.abs(vector / STEPS - expected.reshape(-1)).max() < 1.01 / STEPS


def test_values_on_an_edge_belong_to_the_band_that_it_begins() -> None:
    spectrum = SPECTRA["weather"]
    counts = [
        np.flatnonzero(spectrum.vector_of(np.array([[1013.0, rain]])).reshape(3, -1)[:, 0])[0]
        for rain in (-5, 0, math.nextafter(10, 0), 10, math.nextafter(50, 0), 50, 500, 900)
    ]
    assert counts == [0, 0, 0, 1, 1, 2, 2, 2]


@given(
    arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e9, 1e9)),
    st.integers(1, 50_000),
)
def test_whole_numbers_are_never_longer_than_declared(vector: Float64s, most: int) -> None:
    assert length(clipped(vector, most)) <= most


def test_how_many_coefficients_there_are_depends_on_no_data() -> None:
    assert SPECTRA["stedi"].size == 232
    assert SPECTRA["stedi"].sensitivity == 297 * 64
    assert len({tuple(wave) for wave in SPECTRA["stedi"].waves}) * 2 == 232

"""Spectra to test with, and people whose rows are as bad as can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stedi.arrays import Float64s, Int64s
from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Coarsened, Publication
from stedi.declared.private import Private, Resolution, Warp
from stedi.privacy.private.spectral import Spectrum
from stedi.privacy.publication import Raw

STEDI_COLUMNS = ("x", "y", "z", "distancefromobject")


def stedi_publication() -> Publication:
    publication = read_declarations(packaged()).contracts["machine_learning_curated"].publication
    assert publication is not None
    return publication


def of_stedi(epsilon: float = 1.0) -> Spectrum:
    """The spectrum that STEDI's contract declares."""
    publication = stedi_publication()
    assert publication.private is not None
    return Spectrum(publication, publication.private, publication.private.resolution(epsilon))


def of_weather() -> Spectrum:
    """One axis, and a target with two edges: nothing of STEDI's."""
    target = Coarsened("rain", 0, 500, 1, edges=(10, 50))
    axis = Coarsened("pressure", 900, 1100, 0.5)
    return _made(target, axis, Resolution(0.01, 4, (6, 2), 20.0))


def without_target() -> Spectrum:
    """One axis and nothing to predict."""
    return _made(None, Coarsened("pressure", 900, 1100, 0.5), Resolution(0.01, 6, (), 10.0))


def _made(target: Coarsened | None, axis: Coarsened, resolution: Resolution) -> Spectrum:
    warps = [Warp("pressure", 1013, 10)] + ([Warp("rain", 5, 20)] if target else [])
    private = Private(
        table="synthetic",
        location="weather/synthetic",
        warps=tuple(warps),
        resolutions=(resolution,),
        rows_per_person=10,
        epsilon=1.0,
        delta=1e-6,
        lifetime_epsilon=3.0,
        days=90.0,
    )
    publication = replace(
        stedi_publication(), people=("station",), target=target, axes=(axis,), private=private
    )
    return Spectrum(publication, private, resolution)


def raw_of(spectrum: Spectrum, people: dict[int, Float64s]) -> Raw:
    """Rows of people by their numbers, all of them on every side."""
    values = np.concatenate([np.zeros((0, len(spectrum.columns))), *people.values()])
    numbers: Int64s = np.repeat(
        np.array([*people], np.int64), [len(rows) for rows in people.values()]
    )
    columns = {name: values[:, n].copy() for n, name in enumerate(spectrum.columns)}
    return Raw(columns, tuple(numbers for _ in spectrum.publication.people))


def shuffled(raw: Raw, seed: int) -> Raw:
    """The same rows in another order."""
    return raw.taken(np.random.default_rng(seed).permutation(raw.rows))

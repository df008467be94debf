"""Membership is found where it was planted, and nowhere else: each part against another's code."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from sklearn.metrics import roc_auc_score

from stedi.arrays import Float64s, Int64s
from stedi.privacy.audit import ATTACKS
from stedi.privacy.audit.attack import AttackResult
from stedi.privacy.audit.auc import Auc
from stedi.privacy.audit.checks import _rows
from stedi.privacy.audit.decoder import decoded
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.readings import Readings
from stedi.privacy.publication.noise import discrete_laplace
from tests.support.attacked import PUBLICATION, SCALE, evidence_of, rows_around

MEMBERSHIP = [attack for attack in ATTACKS if attack.name.startswith("membership")]
BY_ZONE = ("membership_tenth", "membership_half", "membership_all")


def results(evidence: Evidence) -> dict[str, AttackResult]:
    return {attack.name: attack.run(evidence) for attack in MEMBERSHIP}


# Where it is, and where it isn't ---------------------------------------------------------------------


def test_people_with_readings_of_their_own_are_told_from_others() -> None:
    rng = np.random.default_rng(1)
    inside, outside = (rng.uniform(100, 900, (80, 3)) for _ in range(2))
    found = results(
        evidence_of(rows_around(inside, rng, 100, 40), rows_around(outside, rng, 100, 40))
    )
    assert found["membership"].worst is not None
    assert found["membership"].figures["lower"] > 0.6
    assert found["membership_all"].figures["lower"] > 0.95
    assert found["membership"].figures["ruled_out_in_table"] == 0
    assert found["membership"].figures["ruled_out_outside"] > 0.5
    aucs = [found[name].figures["auc"] for name in BY_ZONE]
    assert aucs == sorted(aucs)
    for result in found.values():
        assert result.ok is None
        assert result.limit is None
        assert result.figures["lower"] <= result.worst <= result.figures["upper"]
        assert result.note is not None
        assert "not protected" in result.note


def test_people_with_the_very_same_readings_are_not() -> None:
    """Nor does it help that those in the table come first."""
    rng = np.random.default_rng(2)
    same = rows_around(rng.uniform(100, 900, (80, 3)), rng, 30, 40)
    for name, result in results(evidence_of(same, same)).items():
        if name == "membership_reference":  # whose people are in the table here
            continue
        assert result.figures["lower"] <= 0.5 <= result.figures["upper"], name
        assert result.baseline == pytest.approx(0.5, abs=0.01), name


def test_people_whose_readings_are_all_alike_are_not() -> None:
    rng = np.random.default_rng(3)
    inside, outside = (np.full((80, 3), 450.0) for _ in range(2))
    raw, control_group = rows_around(inside, rng, 0, 40), rows_around(outside, rng, 0, 40)
    for name, result in results(evidence_of(raw, control_group)).items():
        assert result.figures["lower"] <= 0.5 <= result.figures["upper"], name


def test_the_number_of_rows_alone_is_the_baseline() -> None:
    rng = np.random.default_rng(4)
    places = rng.uniform(100, 900, (80, 3))
    raw = rows_around(places, rng, 30, 40)
    fewer = rows_around(places, rng, 30, 30)
    for result in results(evidence_of(raw, fewer)).values():
        assert result.baseline == 1.0
    # Of people outside, readings can be left out until there are as many; none can be added.
    for result in results(evidence_of(fewer, raw)).values():
        assert result.baseline == 0.5
        assert "with as many readings of each person outside" in str(result.note)


def test_noise_hides_people_and_the_attacker_does_as_well_as_the_exact_likelihood() -> None:
    """Which knows all true counts but those of one person, and the distribution of the noise."""
    rng = np.random.default_rng(6)
    inside, outside = (rng.uniform(100, 900, (150, 3)) for _ in range(2))
    raw, control_group = (rows_around(places, rng, 100, 40) for places in (inside, outside))
    exact, told = [], []
    for _ in range(3):
        noise = discrete_laplace(rng.bytes(32), SCALE, 5_000)
        evidence = evidence_of(raw, control_group, noise)
        found = results(evidence)
        assert not any(_rows(evidence))
        told.append(found["membership_all"].figures["auc"])
        exact.append(best_possible(evidence))
        assert found["membership"].figures["auc"] < 0.75
    assert 0.55 < np.mean(exact) < 0.9  # 1.000 without noise
    assert abs(np.mean(told) - np.mean(exact)) < 0.04
    assert np.std(told) > 0  # of noise that differs


def best_possible(evidence: Evidence) -> float:
    """The AUC of the exact logarithm of likelihoods, where everybody else is known."""
    inside, outside = evidence.readings, evidence.readings_outside
    assert inside is not None and outside is not None and evidence.noise is not None
    noisy = np.append(evidence.rows_by_class + evidence.noise, 0)
    scores = []
    for group, is_in in ((inside, 1), (outside, 0)):
        others = np.append(evidence.rows_by_class, 0)[group.classes] - is_in * group.rows
        off = np.abs(noisy[group.classes] - others)
        off_with = np.abs(noisy[group.classes] - others - group.rows)
        is_class = group.classes < evidence.class_count
        scores.append(group.sums(np.where(is_class, (off - off_with) / SCALE, 0)))
    return Auc.of(*scores).value


def test_readings_are_left_out_at_random_down_to_as_many_as_are_wanted() -> None:
    readings = Readings.of_rows(np.array([0, 0, 0, 0, 1, 2, 2]), np.array([3, 3, 3, 5, 1, 2, 4]))
    rng = np.random.default_rng(8)
    drawn = [readings.thinned(np.array([2, 7, 1]), rng) for _ in range(400)]
    assert {tuple(one.sums(one.rows)) for one in drawn} == {(2.0, 1.0, 1.0)}
    of_last = [int(one.classes[one.begins[2]]) for one in drawn]
    assert 150 < of_last.count(2) < 250
    with_5 = sum(5 in one.classes for one in drawn)
    assert 150 < with_5 < 250  # one of four rows, of which two are drawn


def test_readings_where_the_table_has_no_class_say_that_the_person_is_not_in_it() -> None:
    rng = np.random.default_rng(5)
    inside = rng.uniform(100, 400, (60, 3))  # nobody's t is 500 or more
    raw = rows_around(inside, rng, 5, 30)
    control_group = rows_around(inside + np.array([500, 0, 0]), rng, 5, 30)
    evidence = evidence_of(raw, control_group)
    assert evidence.readings_outside is not None
    assert set(evidence.readings_outside.classes.tolist()) == {evidence.class_count}
    for name, result in results(evidence).items():
        assert result.worst == 1.0, name


def test_only_people_with_more_than_their_share_of_a_class_are_ruled_out() -> None:
    rng = np.random.default_rng(10)
    inside, outside = (rows_around(rng.uniform(100, 900, (60, 3)), rng, 100, 40) for _ in range(2))
    evidence = evidence_of(inside, outside)
    assert evidence.boxes is not None
    ruled_out = []
    for person in range(60):
        own = [
            {name: outside.columns[name][row] for name in "txy"}
            for row in np.flatnonzero(outside.people[0] == person)
        ]
        mine = [
            sum(
                all(
                    evidence.boxes[name].begins[one]
                    <= reading[name]
                    < evidence.boxes[name].ends[one]
                    for name in "txy"
                )
                for reading in own
            )
            for one in range(evidence.class_count)
        ]
        above = any(
            rows * PUBLICATION.k > count
            for rows, count in zip(mine, evidence.rows_by_class.tolist(), strict=True)
        )
        ruled_out.append(above or sum(mine) < len(own))
    share = results(evidence)["membership"].figures["ruled_out_outside"]
    assert share == pytest.approx(np.mean(ruled_out))


def test_few_people_are_not_tried() -> None:
    rng = np.random.default_rng(6)
    raw = rows_around(rng.uniform(100, 900, (80, 3)), rng, 30, 40)
    few = rows_around(rng.uniform(100, 900, (29, 3)), rng, 30, 40)
    for result in results(evidence_of(raw, few)).values():
        assert result.worst is None
        assert result.note is not None
        assert "not measured" in result.note


# The parts, each beside an independent one -----------------------------------------------------------


def test_an_auc_is_what_scikit_learn_finds_and_its_interval_what_a_bootstrap_does() -> None:
    rng = np.random.default_rng(7)
    inside, outside = rng.normal(0.7, 1, 150).round(1), rng.normal(0, 2, 100).round(1)
    auc = Auc.of(inside, outside)
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    assert auc.value == pytest.approx(roc_auc_score(labels, np.concatenate([inside, outside])))
    drawn = [
        roc_auc_score(
            labels,
            np.concatenate([rng.choice(inside, len(inside)), rng.choice(outside, len(outside))]),
        )
        for _ in range(1_000)
    ]
    assert [auc.lower, auc.upper] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.015)


def test_an_auc_of_anyone_who_knows_the_direction_is_never_below_one_half() -> None:
    auc = Auc.of(np.array([0.0, 1, 2]), np.array([2.0, 3, 1])).either_way
    assert auc == Auc.of(np.array([2.0, 3, 1]), np.array([0.0, 1, 2]))
    assert Auc.of(np.ones(4), np.zeros(3)) == Auc(1.0, 1.0, 1.0)


def at_random(rng: np.random.Generator, people: int, classes: int) -> tuple[Int64s, Int64s]:
    """The person and the class of some rows."""
    return np.repeat(np.arange(people), 20), rng.integers(0, classes, 20 * people)


def matrix(readings: Readings, classes: int) -> Float64s:
    dense = np.zeros((classes, readings.people))
    for person in range(readings.people):
        for n in range(readings.begins[person], readings.begins[person + 1]):
            dense[readings.classes[n], person] = readings.rows[n]
    return dense


@pytest.mark.parametrize("seed", range(5))
def test_the_decoder_finds_what_scipy_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people, classes = 30, 60
    readings = Readings.of_rows(*at_random(rng, people, classes))
    dense, unknown = matrix(readings, classes), rng.uniform(1, 5, classes)
    counts = rng.poisson(dense[:, : people // 2].sum(axis=1) + 2 * unknown).astype(float)
    weights, explained = decoded(counts, readings, unknown, rng)
    root = 1 / np.sqrt(np.maximum(counts, 1))
    system = np.column_stack([dense, unknown]) * root[:, None]
    upper = np.append(np.ones(people), np.inf)
    best = lsq_linear(system, counts * root, (np.zeros(people + 1), upper), method="bvls").x
    assert weights == pytest.approx(best[:-1], abs=1e-3)
    assert explained == pytest.approx(dense @ best[:-1] + best[-1] * unknown, abs=0.02)


def test_the_decoder_tells_exactly_who_is_in_counts_of_known_people_alone() -> None:
    rng = np.random.default_rng(8)
    readings = Readings.of_rows(*at_random(rng, 40, 300))
    is_in = rng.random(40) < 0.5
    counts = matrix(readings, 300) @ is_in
    weights, explained = decoded(counts, readings, np.zeros(300), rng)
    assert weights == pytest.approx(is_in.astype(float), abs=1e-3)
    assert explained == pytest.approx(counts, abs=0.05)


def test_readings_are_counted_by_person_and_class() -> None:
    rng = np.random.default_rng(9)
    person, classes = at_random(rng, 12, 7)
    readings = Readings.of_rows(person, classes)
    wanted = Counter(zip(person.tolist(), classes.tolist(), strict=True))

    def told(some: Readings) -> dict[tuple[int, int], float]:
        keys = zip(some.person.tolist(), some.classes.tolist(), strict=True)
        return dict(zip(keys, some.rows.tolist(), strict=True))

    assert told(readings) == wanted
    some = readings.of_people(np.array([5, 2])).and_those_of(readings.of_people(np.array([11])))
    assert told(some) == {
        (new, one): rows
        for new, old in enumerate([5, 2, 11])
        for (whose, one), rows in wanted.items()
        if whose == old
    }
    assert readings.by_class(9).tolist() == np.bincount(classes, minlength=9).tolist()

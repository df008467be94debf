"""Who left between two publications: found where readings are anybody's own, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from stedi.arrays import Float64s
from stedi.privacy.audit import withdrawal
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.readings import classes_of, own_rows
from stedi.privacy.audit.sample import SEED
from stedi.privacy.audit.withdrawal import Withdrawal, ranks_by_way, ranks_of_who_left
from stedi.privacy.comparison import Edition, ranges_of, regions_of
from stedi.privacy.publication.boxes import table_of_boxes
from stedi.privacy.publication.search import points, search
from tests.support.attacked import PUBLICATION, evidence_of, rows_around


def of_own_places(people: int, seed: int) -> Evidence:
    rng = np.random.default_rng(seed)
    raw = rows_around(rng.uniform(100, 900, (people, 3)), rng, 30, 40)
    return evidence_of(raw, raw)


def test_people_with_readings_of_their_own_are_named_when_they_leave() -> None:
    result = Withdrawal().run(of_own_places(120, 1))
    assert result.ok is None
    assert result.figures["tries"] == withdrawal.MOST_TRIES
    assert result.figures["mean_rank"] < 20  # by chance 60
    assert result.worst == result.figures["first"] / result.figures["tries"]
    assert result.baseline == 1 / 120
    assert result.note is not None
    assert "not protected" in result.note


def test_people_whose_readings_are_all_alike_are_not() -> None:
    rng = np.random.default_rng(2)
    raw = rows_around(np.full((40, 3), 450.0), rng, 0, 20)
    result = Withdrawal().run(evidence_of(raw, raw))
    assert result.worst == 0
    assert result.figures["mean_rank"] == (1 + 40) / 2


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_what_plain_python_makes_of_both_publications(seed: int) -> None:
    evidence = of_own_places(40, seed)
    raw = evidence.raw
    assert evidence.boxes is not None
    before = Edition(evidence.boxes, evidence.rows_by_class)
    wanted: dict[str, list[float]] = {"certain": [], "most rows": []}
    for leaver in np.random.default_rng(SEED).permutation(40)[:4]:
        left = raw.taken(np.flatnonzero(raw.people[0] != leaver))
        partition = search(points(PUBLICATION, left.columns, left.people), PUBLICATION)
        now = Edition(table_of_boxes(PUBLICATION, partition), partition.counts)
        for way, ranks in wanted.items():
            scores = plain_scores(evidence, before, now, way == "most rows")
            own = scores[leaver]
            above = sum(score > own + 1e-9 for score in scores)
            ties = sum(abs(score - own) <= 1e-9 for score in scores)
            ranks.append(above + (ties + 1) / 2)
    ranks_now = ranks_by_way(evidence, 4)
    assert {way: ranks_now[way] for way in wanted} == wanted
    assert ranks_of_who_left(evidence, 4) == min(ranks_now.values(), key=sum)


def test_readings_that_go_everywhere_are_decoded_as_another_solver_does() -> None:
    rng = np.random.default_rng(5)
    raw = rows_around(rng.uniform(300, 700, (60, 3)), rng, 250, 200)
    evidence = evidence_of(raw, raw)
    assert evidence.boxes is not None
    before = weights_of(evidence, Edition(evidence.boxes, evidence.rows_by_class))
    wanted = []
    for leaver in np.random.default_rng(SEED).permutation(60)[:4]:
        left = raw.taken(np.flatnonzero(raw.people[0] != leaver))
        partition = search(points(PUBLICATION, left.columns, left.people), PUBLICATION)
        now = weights_of(
            evidence, Edition(table_of_boxes(PUBLICATION, partition), partition.counts)
        )
        wanted.append(1.0 + int(np.sum(before - now > (before - now)[leaver])))
    assert wanted == ranks_by_way(evidence, 4)["decoded"] == [1.0] * 4


def weights_of(evidence: Evidence, edition: Edition) -> Float64s:
    """How much of each person's readings is in an edition, by least squares between 0 and 1."""
    own, person = own_rows(evidence.raw)
    readings = np.zeros((len(edition.counts) + 1, int(person.max()) + 1))
    np.add.at(readings, (classes_of(own, PUBLICATION, edition.boxes), person), 1)
    counts = np.append(edition.counts, 0)
    precision = 1 / np.sqrt(np.maximum(counts, 1))
    solved = lsq_linear(readings * precision[:, None], counts * precision, (0, 1))
    weights: Float64s = solved.x
    return weights


def plain_scores(evidence: Evidence, before: Edition, now: Edition, most_rows: bool) -> list[float]:
    """By person; a reading too many outweighs any density."""
    regions = regions_of(PUBLICATION, before, now, most_rows=most_rows).tolist()
    editions = (before, now)
    lost = dict.fromkeys(regions, 0)
    for n, count in enumerate(before.counts.tolist()):
        lost[regions[n]] += count
    for n, count in enumerate(now.counts.tolist(), start=len(before.counts)):
        lost[regions[n]] -= count
    sizes = [[size(edition, n) for n in range(len(edition.counts))] for edition in editions]
    columns = evidence.raw.columns
    scores = []
    for person in range(40):
        own: dict[int, int] = {}
        denser = 0.0
        for row in np.flatnonzero(evidence.raw.people[0] == person):
            reading = {name: float(columns[name][row]) for name in "txy"}
            first, second = (class_of(edition, reading) for edition in editions)
            assert first is not None
            own[regions[first]] = own.get(regions[first], 0) + 1
            denser += np.log(before.counts[first] / sizes[0][first])
            if second is None:
                denser -= np.log(0.5 / sizes[0][first])
            else:
                denser -= np.log(now.counts[second] / sizes[1][second])
        too_many = sum(max(rows - max(lost[region], 0), 0) for region, rows in own.items())
        scores.append(denser - 1e6 * too_many)
    return scores


def class_of(edition: Edition, reading: dict[str, float]) -> int | None:
    for n in range(len(edition.counts)):
        if all(
            edition.boxes[name].begins[n] <= value < edition.boxes[name].ends[n]
            for name, value in reading.items()
        ):
            return n
    return None


def size(edition: Edition, n: int) -> float:
    """How many points of the grids rows of a class can lie at."""
    ranges = ranges_of(PUBLICATION.coarsened, edition, most_rows=True)[n].tolist()
    return float(np.prod([ranges[m + 1] - ranges[m] + 1 for m in range(0, len(ranges), 2)]))


def test_a_large_table_is_left_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = of_own_places(40, 4)
    monkeypatch.setattr(withdrawal, "LARGEST", evidence.raw.rows - 1)
    result = Withdrawal().run(evidence)
    assert result.worst is None
    assert result.note is not None
    assert "not measured" in result.note


def test_nobody_is_ranked_where_nothing_would_be_published_without_them() -> None:
    evidence = of_own_places(40, 5)
    strict = replace(evidence, publication=replace(PUBLICATION, k=40))
    result = Withdrawal().run(strict)
    assert result.worst is None
    assert result.note is not None
    assert "not measured" in result.note

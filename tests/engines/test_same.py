"""Both engines give the same tables, quarantine, sums and notes, row for row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stedi import Lakehouse
from stedi.lakehouse import EngineName
from stedi.simulate import simulate
from tests.conftest import on
from tests.support import small
from tests.support.contents import contents, figures, foreseeable, published_bytes, truth
from tests.support.damage import file_of
from tests.support.reference import COLUMNS

pytestmark = pytest.mark.usefixtures("spark")
slow = pytest.mark.slow


def assert_same(
    landing: Path, folder: Path, profiles: tuple[str, ...], declarations: Path | None = None
) -> dict[str, Any]:
    """Run both engines over a landing zone and compare all they made of it; gives the figures."""
    lakehouses: dict[EngineName, Lakehouse] = {}
    for name in ("duckdb", "spark"):
        shutil.copytree(landing, folder / name)
        lakehouses[name] = on(name, folder / name, declarations)
    result = {}
    for profile in profiles:
        for lakehouse in lakehouses.values():
            lakehouse.run(profile=profile)
        one, other = lakehouses["duckdb"], lakehouses["spark"]
        left, right = one.status(verify=True), other.status(verify=True)
        assert right.problems == left.problems == []
        assert figures(right) == figures(left)
        assert contents(other) == contents(one)
        assert published_bytes(other) == published_bytes(one)
        result[profile] = figures(right)
    return result


# On Spark each takes half a minute; random landing data below is run with both.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "published"), [("seed", 43_681), pytest.param("strict", 32_025, marks=slow)]
)
def test_on_the_starter_data(starter: Path, tmp_path: Path, profile: str, published: int) -> None:
    found = assert_same(starter, tmp_path, (profile,))
    assert found[profile]["tables"]["machine_learning_curated"] == published


@slow  # the starter data and random landing data are compared by `make test` too
@pytest.mark.parametrize(("customers", "seed"), [(400, 11), (20_000, 12)])
def test_on_simulated_people_with_every_defect(customers: int, seed: int, tmp_path: Path) -> None:
    simulate(tmp_path / "landing", customers=customers, seed=seed, people=True, defects=9)
    expected = truth(tmp_path / "landing")
    found = assert_same(tmp_path / "landing", tmp_path, ("seed", "strict"))
    assert {profile: foreseeable(one) for profile, one in found.items()} == expected


NAMES = ["ann", "ben", "cat", "Ann", "é", "\U0001f600", "\uffff", "o'neil", "d\\e", "f g"]
SERIALS = ["S1", "S2", "s1", "S10", "S1 ", "\u00df"]
TIMES = [0, 1, 99, 100, 101, 1_000, 253_402_300_799_999]
DOUBLES = [0.0, -0.0, 0.1, 1e308, -1e308, 5e-324, 1.0, 250.0, 1 / 3]


def random_landing(folder: Path, random: Random) -> None:
    """A few people and many coincidences; some files are damaged."""

    def customer() -> dict[str, Any]:
        consent = random.choice([None, -1, 0, *TIMES])
        record = small.customer(
            random.choice(NAMES), random.choice(SERIALS), random.choice(TIMES), consent
        )
        return record | random.choice([{}, {"shareWithPublicAsOfDate": random.choice(TIMES)}])

    def acceleration() -> dict[str, Any]:
        record = small.acceleration(random.choice(NAMES), random.choice(TIMES), 0.0)
        return record | {axis: random.choice(DOUBLES) for axis in "xyz"}

    def reading() -> dict[str, Any]:
        distance = random.choice([0, 210, 250, 2**53 + 1, 10_000])
        return small.reading(random.choice(SERIALS), random.choice(TIMES), distance)

    makers = {"customer": customer, "accelerometer": acceleration, "step_trainer": reading}
    for source, make in makers.items():
        place = folder / source / "landing"
        place.mkdir(parents=True)
        for number in range(random.randint(0, 3)):
            records = [make() for _ in range(random.randint(0, 40))]
            text = "".join(
                json.dumps(r, ensure_ascii=random.random() < 0.5) + "\n" for r in records
            )
            (place / f"a file, {number}.json").write_text(text)
        if random.random() < 0.5:
            damaged = file_of(random, COLUMNS[source], random.randint(1, 30))
            (place / "damaged.json").write_bytes(damaged)


@pytest.mark.parametrize("profile", ["seed", pytest.param("strict", marks=pytest.mark.slow)])
@settings(
    max_examples=max(settings().max_examples // 150, 1),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes Spark many minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(8, 2**32))  # 8 is tried first: many files, damaged ones among them
def test_on_random_landing_data(not_anonymous: Path, profile: str, seed: int) -> None:
    with TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        random_landing(landing, Random(seed))
        landing.mkdir(exist_ok=True)
        assert_same(landing, Path(folder), (profile,), not_anonymous)

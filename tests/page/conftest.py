"""A lakehouse whose every free text has a name of somebody in it, or tries to be more than text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.page.facts import Facts, gather
from stedi.status import status
from tests.support import small

NAMES = ("Zebulon", "Quetzalia", "Oxnard")
"""Nobody else in any text is called like this."""
HOSTILE = "<script>alert('mine')</script><img src=x onerror=alert(2)>\"'`{{ 7 * 7 }}"


def facts_of(lakehouse: Lakehouse) -> Facts:
    """What the page of a lakehouse is made of."""
    declarations, warehouse = lakehouse._opened()
    state = status(warehouse, declarations)
    return gather(
        warehouse, declarations, state, title="large", stedi="0", with_audit=False, model=None
    )


def plant(root: Path) -> None:
    """Names, and what a page could take for code: as values, keys, records and names of files."""
    small.land(root)
    somebody = small.customer("zebulon quetzalia", "Oxnard-1", 100, consent=100)
    late = small.customer("oxnard", "Zebulon-2", 99_999_999_999_999, consent=100)
    odd = {**somebody, "Zebulon's key": "Quetzalia", HOSTILE: HOSTILE, "email": "oxnard@quetzalia"}
    small.write(root, "customer", [somebody, late, odd], "Zebulon Quetzalia (Oxnard).json")
    pieces = [
        json.dumps({**somebody, "birthDay": 1980}),
        json.dumps({**somebody, "registrationDate": "Zebulon"}),
        '{"customerName": "Quetzalia", "email": "Oxnard',
        f"Zebulon {HOSTILE}",
        json.dumps([HOSTILE]),
    ]
    lines = "\n".join([json.dumps(somebody), *pieces]).encode()
    small.write(root, "customer", lines, "<b onclick=alert(3)>Zebulon.json")
    reading = json.dumps({**small.acceleration("zebulon quetzalia", 1000, 0.1), "x": HOSTILE})
    small.write(root, "accelerometer", reading.encode(), "Quetzalia&amp;<i>.json")
    same = (root / "customer" / "landing" / "one.json").read_bytes()
    small.write(root, "customer", same, "copy of Oxnard.json")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, not_anonymous: Path) -> Lakehouse:
    """It was run, and then landing files were changed and taken away, so that there are problems."""
    root = tmp_path_factory.mktemp("planted") / "root"
    plant(root)
    lakehouse = Lakehouse(root, declarations=not_anonymous)
    lakehouse.run()
    small.write(root, "customer", [small.customer("ben", "S2", 100)], "Oxnard came later.json")
    small.write(root, "step_trainer", [small.reading("S1", 1000, 210)], "Quetzalia.json")
    lakehouse.run()
    gone = root / "step_trainer" / "landing" / "Quetzalia.json"
    gone.unlink()
    small.write(root, "customer", [small.customer("ben", "S3", 100)], "Oxnard came later.json")
    small.write(root, "accelerometer", [small.acceleration("ann", 9, 0.1)], "of Zebulon.json")
    return lakehouse


@pytest.fixture
def page_of_planted(planted: Lakehouse, tmp_path: Path) -> Path:
    return planted.page(tmp_path / "page.html", title=HOSTILE)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A simulated lakehouse with enough people to publish, defects, and a second delivery."""
    folder = tmp_path_factory.mktemp("demo")
    lakehouse = Lakehouse(folder / "lake")
    for seed, customers, defects in ((1, 120, 1), (2, 20, 0)):
        deliveries = folder / f"deliveries-{seed}"
        lakehouse.simulate(deliveries, customers=customers, seed=seed, people=True, defects=defects)
        lakehouse.ingest(deliveries)
        shutil.rmtree(deliveries)
        lakehouse.run()
    return lakehouse

"""What a model can still learn from a private release, tested on raw rows of people unseen.

The constants were chosen on seed 101; these are others.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from stedi import Lakehouse
from stedi.arrays import Float64s
from stedi.privacy.private.density import NoisyVector, synthetic_rows
from stedi.privacy.private.noise import cost_of, with_noise
from stedi.privacy.publication import Raw
from tests.support import spectra

pytestmark = pytest.mark.slow
Columns = dict[str, Float64s]
STEP_MM = 250


def private(raw: Raw, epsilon: float) -> Columns:
    spectrum, cost = spectra.of_stedi(epsilon), cost_of(epsilon, 1e-6)
    noisy = with_noise(spectrum.total(raw), spectrum.sensitivity, cost)
    return synthetic_rows(spectrum, NoisyVector(noisy, cost.multiplier * spectrum.sensitivity))


def above_chance(learned: Columns, unseen: Columns) -> float:
    def axes(rows: Columns) -> Float64s:
        return np.column_stack([rows[name] for name in "xyz"])

    model = HistGradientBoostingClassifier(random_state=0)
    model.fit(axes(learned), learned["distancefromobject"] < STEP_MM)
    scores = model.predict_proba(axes(unseen))[:, 1]
    return float(roc_auc_score(unseen["distancefromobject"] < STEP_MM, scores)) - 0.5


@pytest.mark.parametrize(
    ("customers", "seeds", "goals"),
    [
        (600, (221, 222, 223), {1.0: 0.65, 3.0: 0.85, 8.0: 0.95}),
        (5_000, (221, 222), {1.0: 0.95, 3.0: 0.97, 8.0: 0.98}),
        (20_000, (221,), {1.0: 0.97}),
    ],
)
def test_a_model_keeps_most(
    customers: int,
    seeds: tuple[int, ...],
    goals: dict[float, float],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for seed in seeds:
        lakehouse = Lakehouse(tmp_path_factory.mktemp("lake") / "root")
        lakehouse.simulate(lakehouse.root, customers=customers, seed=seed, people=True)
        lakehouse.run()
        table, _ = lakehouse._published(None)
        unseen = table.control_group
        assert unseen is not None
        best = above_chance(table.all_rows.columns, unseen.columns)
        for epsilon, goal in goals.items():
            rows = private(table.all_rows, epsilon)
            kept = above_chance(rows, unseen.columns) / best
            was, now = table.all_rows.columns["distancefromobject"], rows["distancefromobject"]
            spread = now.std() / was.std()
            print(
                f"{customers:,}, seed {seed}, epsilon {epsilon:g}: {kept:.3f}, spread {spread:.3f}"
            )
            assert kept >= goal
            assert abs(spread - 1) < (0.05 if customers >= 5_000 else 0.4)

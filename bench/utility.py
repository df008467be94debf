"""What a model can still learn from what is published, by how many people agreed to share.

    python bench/utility.py [--customers 500,1000,2000,5000,10000,50000] [--seeds 5,6,7]

About half of the simulated customers agree. A gradient-boosted model is trained on published rows,
another on the raw rows behind them, and both are tested on raw rows of the people who don't agree.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from stedi import Lakehouse
from stedi.arrays import Bools, Float64s
from stedi.declared import packaged, read_declarations
from stedi.privacy.publication import read_published
from stedi.privacy.published import published_table
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse

TARGET, STEP_MM = "distancefromobject", 250
Columns = dict[str, Float64s]


def main() -> None:
    """Print, for each number of customers and seed, what is kept of the AUC above chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", default="500,1000,2000,5000,10000,50000")
    parser.add_argument("--seeds", default="5,6,7")
    given = parser.parse_args()
    for customers in map(int, given.customers.split(",")):
        for seed in map(int, given.seeds.split(",")):
            people, kept, ratios = measured(customers, seed)
            spread = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            print(
                f"{customers:,} customers, seed {seed}: {people:,} people agree, {kept:.3f} kept, "
                f"standard deviation after/before {spread}",
                flush=True,
            )


def measured(customers: int, seed: int) -> tuple[int, float, dict[str, float]]:
    """How many people are in the table, what is kept, and how columns are spread."""
    with tempfile.TemporaryDirectory() as folder:
        lakehouse = Lakehouse(Path(folder) / "root")
        lakehouse.simulate(lakehouse.root, customers=customers, seed=seed, people=True)
        lakehouse.run()
        declarations = read_declarations(packaged())
        table = published_table(Warehouse(open_root(lakehouse.root)), declarations, None)
        raw, published, unseen = table.rows, read_published(table.paths), table.control_group
    assert unseen is not None
    people = len(np.unique(raw.people[0]))
    kept, best = (auc(rows, unseen.columns) - 0.5 for rows in (published, raw.columns))
    ratios = {name: float(published[name].std() / raw.columns[name].std()) for name in published}
    return people, kept / best, ratios


def auc(learned: Columns, unseen: Columns) -> float:
    """The AUC, on unseen rows, of a model trained on others."""
    model = HistGradientBoostingClassifier(random_state=0).fit(axes(learned), is_step(learned))
    return float(roc_auc_score(is_step(unseen), model.predict_proba(axes(unseen))[:, 1]))


def axes(rows: Columns) -> Float64s:
    """Acceleration by row."""
    return np.column_stack([rows[name] for name in "xyz"])


def is_step(rows: Columns) -> Bools:
    """Whether a foot is at the Step Trainer."""
    return rows[TARGET] < STEP_MM


if __name__ == "__main__":
    main()

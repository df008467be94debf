"""What a model can still learn: tested on raw rows of people whom the published table never saw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from stedi import Lakehouse
from stedi.arrays import Bools, Float64s, Int64s

pytestmark = pytest.mark.slow

STEP_MM = 250


@dataclasses.dataclass(frozen=True)
class Rows:
    axes: Float64s
    is_step: Bools
    person: Int64s


@pytest.fixture(scope="module")
def walking(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """About 5,000 people who consent, with some 90 readings each, and as many who don't."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("walking") / "root")
    lakehouse.simulate(lakehouse.root, customers=10_000, seed=11, people=True)
    lakehouse.run()
    return lakehouse


def raw(root: Path, consenting: bool) -> Rows:
    """Each reading with the records of the same person and time, straight from typed files."""
    found = (
        duckdb.connect()
        .execute(
            f"""
        WITH newest AS (
          SELECT email, ARG_MAX(serialnumber, lastupdatedate) AS serialnumber,
            COALESCE(ARG_MAX(COALESCE(sharewithresearchasofdate, 0), lastupdatedate), 0) > 0 AS yes,
            ROW_NUMBER() OVER (ORDER BY email) AS person
          FROM read_parquet('{root}/customer/typed/data/*/*.parquet') GROUP BY email)
        SELECT a.x, a.y, a.z, s.distancefromobject < {STEP_MM} AS is_step, n.person
        FROM newest n
        JOIN read_parquet('{root}/step_trainer/typed/data/*/*.parquet') s
          ON s.serialnumber = n.serialnumber
        JOIN read_parquet('{root}/accelerometer/typed/data/*/*.parquet') a
          ON a."user" = n.email AND a."timestamp" = s.sensorreadingtime
        WHERE n.yes = {consenting}"""
        )
        .fetchnumpy()
    )
    axes = np.column_stack([found[name] for name in "xyz"])
    return Rows(axes, np.asarray(found["is_step"]), np.asarray(found["person"]))


def published(root: Path) -> tuple[Float64s, Bools]:
    [file] = (root / "step_trainer" / "curated" / "data").rglob("*.parquet")
    table = pq.read_table(file)
    axes = np.column_stack([table[name].to_numpy() for name in "xyz"])
    return axes, table["distancefromobject"].to_numpy() < STEP_MM


@pytest.mark.parametrize(
    ("customers", "seeds", "goal"), [(600, (5, 6, 7, 31, 32), 0.8), (5_000, (5, 31), 0.95)]
)
def test_a_model_keeps_most_at_few_people(
    customers: int, seeds: tuple[int, ...], goal: float, tmp_path: Path
) -> None:
    for seed in seeds:
        lakehouse = Lakehouse(tmp_path / str(seed))
        lakehouse.simulate(lakehouse.root, customers=customers, seed=seed, people=True)
        lakehouse.run()
        kept, _ = kept_of(lakehouse, resamples=0)
        print(f"{customers:,} customers, seed {seed}: kept {kept:.3f}")
        assert kept >= goal


def test_a_model_keeps_nearly_all_it_could_learn_from_raw_rows(walking: Lakehouse) -> None:
    figure, resampled = kept_of(walking, resamples=100)
    lower, upper = np.percentile(resampled, [2.5, 97.5])
    print(f"kept {figure:.3f} of the AUC above chance ({lower:.3f} to {upper:.3f})")
    assert figure >= 0.95
    assert lower >= 0.90


def kept_of(lakehouse: Lakehouse, resamples: int) -> tuple[float, list[float]]:
    """What is kept of the AUC above chance; and again, of samples of the people unseen."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    learned, unseen = raw(lakehouse.root, consenting=True), raw(lakehouse.root, consenting=False)
    scores = []
    for axes, is_step in (published(lakehouse.root), (learned.axes, learned.is_step)):
        model = HistGradientBoostingClassifier(random_state=0).fit(axes, is_step)
        scores.append(model.predict_proba(unseen.axes)[:, 1])

    def kept(rows: Int64s) -> float:
        ours, best = (roc_auc_score(unseen.is_step[rows], score[rows]) - 0.5 for score in scores)
        return float(ours / best)

    of_person = np.split(
        np.argsort(unseen.person, kind="stable"),
        np.flatnonzero(np.diff(np.sort(unseen.person))) + 1,
    )
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(of_person), size=len(of_person)) for _ in range(resamples))
    resampled = [kept(np.concatenate([of_person[n] for n in people])) for people in drawn]
    return kept(np.arange(len(unseen.person))), resampled


def test_the_audit_of_walking_people_holds(walking: Lakehouse) -> None:
    result = walking.audit()
    assert result.ok, result.problems
    assert result.attacks["inference"].ok


@pytest.mark.parametrize(
    ("customers", "seed", "keeps"), [(600, 211, 0.3), (2_500, 11, 0.85), (5_000, 11, 0.88)]
)
def test_noise_hides_who_is_there_and_a_model_still_learns(
    customers: int, seed: int, keeps: float, tmp_path: Path
) -> None:
    """The figures of profile `shielded` in docs/privacy.md; noise is drawn afresh."""
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=customers, seed=seed, people=True)
    lakehouse.run(profile="strict")
    without, _ = kept_of(lakehouse, resamples=0)
    [strict] = [lakehouse.status().tables["machine_learning_curated"].rows]
    lakehouse.run(profile="shielded")
    kept, _ = kept_of(lakehouse, resamples=0)
    audit = lakehouse.audit()
    assert audit.ok, audit.problems
    print(f"{customers:,} customers, seed {seed}: {audit.rows:,} rows instead of {strict:,}, kept "
          f"{kept:.3f}, without noise {without:.3f}")  # fmt: skip
    found = {name: a for name, a in audit.attacks.items() if name.startswith("membership")}
    for name, attack in found.items():
        assert attack.worst is not None
        print(f"  {name}: {attack.note}")
        assert attack.worst < (0.75 if name.endswith("_all") else 0.7)
    left = audit.attacks["withdrawal"]
    print(f"  withdrawal: {left.figures}")
    assert left.worst is not None
    assert left.worst <= 0.1
    assert kept > keeps

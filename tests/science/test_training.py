"""Training: honest where there is nothing to learn, and where there is."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from stedi import Lakehouse
from stedi.errors import NotAnonymous, UsageError
from stedi.privacy.published import published_table
from stedi.science.card import for_outsiders, model_card
from stedi.science.evaluation import (
    FOLDS,
    CalibrationBin,
    Confusion,
    HeldOut,
    Interval,
    Measures,
    Scored,
    folds_of,
)
from stedi.science.training import ModelFigures, Training

BEST = "gradient boosting"


@pytest.fixture(scope="module")
def trained(walking: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Path]:
    folder = tmp_path_factory.mktemp("trained") / "model"
    return walking.train(folder, recipient="A University"), folder


def test_people_who_walk_can_be_told_from_what_is_published(
    trained: tuple[Training, Path],
) -> None:
    training, _ = trained
    assert training.has_signal
    assert training.verdict.startswith("There is a signal")
    kept = training.models[BEST].kept
    assert kept is not None
    assert kept.lower < kept.value < kept.upper
    assert kept.value > 0.6
    majority = training.models["majority"].published
    assert majority.auc.value == 0.5


def test_a_model_that_is_kept_is_listed_with_what_was_given_out(
    walking: Lakehouse, trained: tuple[Training, Path]
) -> None:
    training, folder = trained
    [given] = [one for one in walking.releases().given if one.folder == str(folder)]
    assert (given.kind, given.state, given.recipient) == ("model", "given", "A University")
    assert (given.table, given.snapshot, given.rows) == (
        training.table,
        training.snapshot,
        training.rows,
    )
    assert sorted(given.files) == sorted(path.name for path in folder.iterdir())
    assert (given.left, given.letter) == (0, None)
    in_pairs = "SELECT {} FROM step_trainer_trusted s JOIN accelerometer_trusted a ON a.timestamp = s.sensorreadingtime"
    users, devices = in_pairs.format('a."user"'), in_pairs.format("s.serialnumber")
    [row] = (
        walking.query(
            "SELECT COUNT(*) AS people FROM customer_trusted "
            f"WHERE email IN ({users}) OR serialnumber IN ({devices})"
        )
        .to_arrow()
        .to_pylist()
    )
    assert given.people == row["people"] > 700


def test_every_row_is_tested_once_or_counted_as_left_out(
    walking: Lakehouse, trained: tuple[Training, Path]
) -> None:
    training, _ = trained
    assert training.rows == walking.status().tables["machine_learning_curated"].rows
    assert training.rows_tested + training.rows_across == training.rows
    assert 0 < training.rows_across < 0.1 * training.rows
    for figures in training.models.values():
        for measured in (figures.published, figures.raw):
            right = measured.confusion
            assert training.rows_tested == (
                right.true_positives
                + right.false_positives
                + right.true_negatives
                + right.false_negatives
            )
            assert sum(one.rows for one in measured.calibration) == training.rows_tested


@pytest.mark.slow
def test_five_thousand_people_keep_nearly_all(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=10_000, seed=21, people=True)
    lakehouse.run()
    training = lakehouse.train(tmp_path / "model")
    kept = training.models[BEST].kept
    assert training.people > 4_500
    assert kept is not None
    assert kept.value >= 0.95
    assert kept.lower >= 0.90


def test_the_starter_data_has_no_signal_and_the_card_says_so(
    starter_run: Callable[[str], Lakehouse], tmp_path: Path
) -> None:
    training = starter_run("seed").train(tmp_path / "model")
    assert training.has_signal is False
    auc = training.models[BEST].published.auc
    assert auc.lower <= 0.5 <= auc.upper
    assert "No signal" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.slow
def test_shuffled_labels_can_not_be_told(walking: Lakehouse, tmp_path: Path) -> None:
    """The same people, with the distances of all readings shuffled."""
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.ingest(walking.root)
    rng = np.random.default_rng(5)
    files = sorted((lakehouse.root / "step_trainer" / "landing").iterdir())
    records = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    distances = [record["distanceFromObject"] for some in records for record in some]
    shuffled = iter(rng.permutation(distances).tolist())
    for file, some in zip(files, records, strict=True):
        for record in some:
            record["distanceFromObject"] = next(shuffled)
        file.write_text("".join(json.dumps(record) + "\n" for record in some))
    lakehouse.run()
    training = lakehouse.train(tmp_path / "model")
    assert training.has_signal is False
    assert abs(training.models[BEST].published.auc.value - 0.5) < 0.02
    assert abs(training.models[BEST].raw.auc.value - 0.5) < 0.02


def test_too_few_people_are_said_to_be_too_few(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=120, seed=2, people=True)
    lakehouse.run()
    training = lakehouse.train(tmp_path / "model")
    assert training.has_signal is None
    assert "Too few people to tell" in training.verdict
    assert not training.models
    card = (tmp_path / "model" / "README.md").read_text()
    assert "No model was trained" in card
    assert "stedi predict" not in card
    assert "was tested on" not in card
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"README.md", "figures.json"}


def test_nothing_is_trained_where_nothing_is_published(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=4)
    with pytest.raises(NotAnonymous):
        lakehouse.run()
    with pytest.raises(NotAnonymous, match="holds nothing"):
        lakehouse.train(tmp_path / "model")


@pytest.mark.slow  # trains all models again
def test_training_twice_gives_the_same_figures(
    walking: Lakehouse, trained: tuple[Training, Path], tmp_path: Path
) -> None:
    training, _ = trained
    assert walking.train(tmp_path / "again") == training


def test_identities_name_the_people_of_the_rows(walking: Lakehouse) -> None:
    """By a query of the test's own: whose Step Trainer measured what."""
    for profile in ("seed", "strict"):
        declarations = walking._declared(profile)
        query = declarations.identities("machine_learning_curated")
        select = declarations.select("machine_learning_curated")
        assert query is not None
        published = published_table(walking._warehouse(), walking._declared(), None)
        known, rows = published.fetch([query, select])
        root = walking.root
        duckdb.register("known", known)
        duckdb.register("numbered", rows)
        joined = f"""
          FROM '{root}/step_trainer/trusted/data/*/*.parquet' s
          JOIN '{root}/accelerometer/trusted/data/*/*.parquet' a
            ON a."timestamp" = s.sensorreadingtime"""
        [(missing,)] = duckdb.execute(
            f"""SELECT COUNT(*) FROM (
              SELECT k.identity, n.distancefromobject, n.x, n.y, n.z
              FROM numbered n LEFT JOIN known k ON k.person = n.step_person
              EXCEPT SELECT s.serialnumber, s.distancefromobject, a.x, a.y, a.z {joined})"""
        ).fetchall()
        assert missing == 0


def test_a_person_stays_in_a_fold_among_any_other_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pyarrow as pa

    many = [f"serial {n}" for n in range(2_000)]

    def fold(people: list[str]) -> dict[str, int]:
        numbers = np.arange(len(people))
        known = pa.table({"person": numbers, "identity": people})
        [found] = folds_of(known, [numbers])
        return dict(zip(people, found.tolist(), strict=True))

    all_of_them = fold(many)
    assert fold(many[::-7]) == {name: all_of_them[name] for name in many[::-7]}
    counts = np.bincount(list(all_of_them.values()), minlength=FOLDS)
    assert counts.min() > 300
    monkeypatch.setenv("STEDI_SECRET", "another secret, of at least thirty-two bytes")
    assert fold(many) != all_of_them


def test_ranks_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        rows = int(rng.integers(20, 200))
        person = np.concatenate([np.arange(4), rng.integers(0, 4, rows - 4)])
        right = rng.random(rows) < 0.4
        right[:2] = True, False
        scores = rng.integers(0, 12, rows) / 12
        scored = Scored(HeldOut(person, right), scores)
        assert scored.ranks.auc == pytest.approx(roc_auc_score(right, scores))
        assert scored.ranks.precision == pytest.approx(average_precision_score(right, scores))
        for times, found in list(zip(scored.tested.resamples, scored.resampled, strict=True))[:5]:
            weights = times[person]
            if len(np.unique(right[weights > 0])) == 2:
                wanted = roc_auc_score(right, scores, sample_weight=weights)
                assert found.auc == pytest.approx(wanted)
                wanted = average_precision_score(right, scores, sample_weight=weights)
                assert found.precision == pytest.approx(wanted)


def test_predictions_are_the_kept_model_s(
    walking: Lakehouse, trained: tuple[Training, Path], tmp_path: Path
) -> None:
    import skops.io

    _, folder = trained
    lines = [
        '{"user":"a@example.com","timestamp":1,"x":0.1,"y":-9.8,"z":0.5}',
        '{"user":"a@example.com","timestamp":2,"x":3.0,"y":-12.0,"z":1.5},',
        '{"user":"a@example.com","timestamp":"3","x":0.1,"y":-9.8,"z":0.5}',
    ]
    (tmp_path / "new records.json").write_text("\n".join(lines))
    predicted = walking.predict(folder, [tmp_path / "new records.json"])
    assert sum(predicted.set_aside.values()) == 1
    assert predicted.rows.column_names == ["user", "timestamp", "x", "y", "z", "probability"]
    assert predicted.rows["timestamp"].to_pylist() == [1, 2]
    untrusted = skops.io.get_untrusted_types(file=folder / "model.skops")
    model = skops.io.load(folder / "model.skops", trusted=untrusted)
    wanted = model.predict_proba(np.array([[0.1, -9.8, 0.5], [3.0, -12.0, 1.5]]))[:, 1]
    assert predicted.rows["probability"].to_pylist() == wanted.tolist()


def test_the_kept_model_tells_people_it_has_not_seen(
    walking: Lakehouse, trained: tuple[Training, Path], tmp_path: Path
) -> None:
    """Other people altogether, from another seed, read and predicted as a user would."""
    others = Lakehouse(tmp_path / "others")
    others.simulate(others.root, customers=300, seed=77, people=True)
    files = sorted((others.root / "accelerometer" / "landing").iterdir())
    predicted = walking.predict(trained[1], files).rows
    times: dict[int, int] = {}
    for file in (others.root / "step_trainer" / "landing").iterdir():
        for line in file.read_text().splitlines():
            record = json.loads(line)
            times[record["sensorReadingTime"]] = record["distanceFromObject"]
    known = [n for n, time in enumerate(predicted["timestamp"].to_pylist()) if time in times]
    right = [times[predicted["timestamp"][n].as_py()] < 250 for n in known]
    scores = predicted["probability"].take(known).to_numpy()
    assert len(known) > 5_000
    assert roc_auc_score(right, scores) > 0.75


def test_no_model_is_read_that_could_run_something(
    walking: Lakehouse, trained: tuple[Training, Path], tmp_path: Path
) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "figures.json").write_bytes((trained[1] / "figures.json").read_bytes())
    (tmp_path / "new.json").write_text('{"user":"a","timestamp":1,"x":1.0,"y":1.0,"z":1.0}')
    for content in (b"", pickle.dumps({"a": 1})):
        (folder / "model.skops").write_bytes(content)
        with pytest.raises(UsageError, match="not a model"):
            walking.predict(folder, [tmp_path / "new.json"])
    skops.io.dump(FunctionTransformer(json.loads), folder / "model.skops")
    with pytest.raises(UsageError, match=r"not a model|has no model in it"):
        walking.predict(folder, [tmp_path / "new.json"])


def test_a_folder_without_a_model_is_told(walking: Lakehouse, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no model in it"):
        walking.predict(tmp_path, [])


def test_no_figure_names_anybody(trained: tuple[Training, Path]) -> None:
    for name in ("README.md", "figures.json"):
        assert "@" not in (trained[1] / name).read_text()


# What is handed out ----------------------------------------------------------------------------------

COUNTED = {"people", "rows", "rows_tested", "rows_across"} | {
    f"{right}_{said}" for right in ("true", "false") for said in ("positives", "negatives")
}


def counted(figures: Any) -> Iterator[int]:
    """Each count of people or rows in figures, wherever it stands."""
    if isinstance(figures, dict):
        for key, value in figures.items():
            if key in COUNTED:
                yield value
            else:
                yield from counted(value)
    elif isinstance(figures, list):
        for item in figures:
            yield from counted(item)


def numbers(figures: Any) -> Iterator[float]:
    """Each number in figures."""
    if isinstance(figures, dict | list):
        for value in figures.values() if isinstance(figures, dict) else figures:
            yield from numbers(value)
    elif isinstance(figures, int | float) and not isinstance(figures, bool):
        yield figures


def is_of_two_digits(number: int) -> bool:
    return number % 10 == 0 and len(str(number).rstrip("0")) <= 2


def test_two_models_do_not_tell_by_counts_that_one_person_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One withdraws between two trainings; what is counted has two digits, and people are as many."""
    fast = {
        "majority": DummyClassifier(strategy="prior"),
        BEST: DecisionTreeClassifier(max_depth=3),
    }
    monkeypatch.setattr("stedi.science.training.new_models", lambda: fast)
    monkeypatch.setattr("stedi.science.card.save", lambda *_: None)
    lakehouse = Lakehouse(tmp_path / "root")
    lakehouse.simulate(lakehouse.root, customers=400, seed=3, people=True)
    lakehouse.run()
    exact = [lakehouse.train(tmp_path / "before")]
    [customer] = (
        lakehouse.query("SELECT * FROM customer_curated ORDER BY email LIMIT 1")
        .to_arrow()
        .to_pylist()
    )
    keys = ("customerName", "email", "phone", "birthDay", "serialNumber", "registrationDate")
    record = {key: customer[key.lower()] for key in keys} | {"lastUpdateDate": 1_900_000_000_000}
    (lakehouse.root / "customer" / "landing" / "withdrawn.json").write_text(json.dumps(record))
    lakehouse.run()
    exact.append(lakehouse.train(tmp_path / "after"))
    assert exact[1].people == exact[0].people - 1
    assert exact[1].rows < exact[0].rows
    told = [json.loads((tmp_path / n / "figures.json").read_text()) for n in ("before", "after")]
    assert told[0]["people"] == told[1]["people"]
    for name, figures, training in zip(("before", "after"), told, exact, strict=True):
        assert all(is_of_two_digits(count) for count in counted(figures))
        assert len([*counted(figures)]) > 20
        for number in numbers({**figures, "models": list(figures["models"].values())}):
            assert is_of_two_digits(int(number)) or number <= 1 or number == FOLDS, number
            assert round(number, 4) == number
        card = (tmp_path / name / "README.md").read_text()
        in_card = {*re.findall(r"\d[\d,.]*\d", card)}
        for count in counted(training.model_dump()):
            if not is_of_two_digits(count) and count > 10:
                assert not {f"{count:,}", str(count)} & in_card, count
        assert f"about {figures['people']} people" in card
        assert training.verdict in card  # which has figures of the whole, and no counts


def test_a_sample_is_of_whole_people_and_the_card_has_the_usual_headings(
    walking: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = {"majority": DummyClassifier(), BEST: DecisionTreeClassifier(max_depth=3)}
    monkeypatch.setattr("stedi.science.training.new_models", lambda: fast)
    monkeypatch.setattr("stedi.science.card.save", lambda *_: None)
    all_rows = walking.query("SELECT COUNT(*) AS n FROM machine_learning_curated")
    training = walking.train(tmp_path / "model", sample=20_000, licence="CC-BY-4.0", threshold=0.4)
    assert [row["n"] for row in all_rows] > [40_000]
    assert 15_000 < training.rows <= 20_000
    people = published_table(walking._warehouse(), walking._declared(), None).rows.people
    rows_of = dict(zip(*np.unique(people[0], return_counts=True), strict=True))
    assert training.rows < sum(sorted(rows_of.values())[-training.people :]) + 1
    assert fast[BEST].tree_.n_node_samples[0] == 20_000  # the one that is kept
    card = (tmp_path / "model" / "README.md").read_text()
    for heading in (
        "Model details",
        "Intended use",
        "Training and evaluation data",
        "Metrics",
        "Limitations",
    ):
        assert f"## {heading}\n" in card
    for told in ("a probability of 0.4 or more", "| licence | CC-BY-4.0 |", "a sample of 20,000",
                 "scikit-learn 1.", "| training time |"):  # fmt: skip
        assert told in card
    with pytest.raises(UsageError, match="--sample 0"):
        walking.train(tmp_path / "other", sample=0)


def test_a_figure_of_few_rows_is_left_out() -> None:
    interval = Interval(value=0.123456, lower=0.1, upper=0.2)
    bins = [
        CalibrationBin(lower=n / 10, upper=(n + 1) / 10, rows=rows, predicted=1 / 3, observed=2 / 3)
        for n, rows in enumerate((1, 9, 10, 1_234))
    ]
    confusion = Confusion(
        threshold=0.4321,
        true_positives=9,
        false_positives=10,
        true_negatives=1_996,
        false_negatives=0,
    )
    measured = Measures(
        auc=interval,
        average_precision=interval,
        brier=0.98765,
        calibration=bins,
        confusion=confusion,
    )
    training = Training(
        table="t", snapshot="1", profile="seed", task="whether", axes=["x"], folds=5, people=104,
        rows=123_456, rows_tested=99_999, rows_across=9, base_rate=1 / 7, has_signal=True, verdict="v",
        kept_model="m", models={"m": ModelFigures(published=measured, raw=measured, kept=interval)},
    )  # fmt: skip
    told = for_outsiders(training)
    assert (told.people, told.rows, told.rows_tested, told.rows_across) == (
        100,
        120_000,
        100_000,
        0,
    )
    assert told.base_rate == 0.143
    ours = told.models["m"].published
    assert (ours.auc.value, ours.brier) == (0.123, 0.9877)
    assert [(b.rows, b.predicted, b.observed) for b in ours.calibration] == [
        (10, 0.333, 0.667), (1_200, 0.333, 0.667),
    ]  # fmt: skip
    assert ours.confusion == Confusion(
        threshold=0.4321,
        true_positives=0,
        false_positives=10,
        true_negatives=2_000,
        false_negatives=0,
    )
    assert for_outsiders(told) == told
    card = model_card(training)
    assert "about 120,000 matched readings of about 100 people" in card
    assert "(fewer than 10 rows)" in " ".join(card.split())

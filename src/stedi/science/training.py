"""Trains models on what is published, and tests them on raw rows of people they haven't seen.

The task: predict from the axes whether the target of the same timestamp lies below its first
declared edge. Only the lakehouse can test that: the published table doesn't tell people apart, so a
person's rows could be on both sides of a split. Here people are split into folds. For each fold,
the matched readings of all other people are generalised exactly as the publication does it. Models
learn from these, and are tested on the fold's raw rows. The same models trained on raw rows are
reported beside them: the difference is the price of generalisation. The model that is kept learns
from the published table itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import BaseModel

from stedi.arrays import Bools, Float64s, Int64s
from stedi.errors import NotAnonymous, UsageError
from stedi.parquet import Field, as_array
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication import Raw, batches, read_published, write_published
from stedi.privacy.published import PublishedTable
from stedi.progress import expect, reach
from stedi.roots.scratch import scratch
from stedi.science.evaluation import (
    FOLDS,
    HeldOut,
    Interval,
    Measures,
    Scored,
    folds_of,
    kept_above_chance,
    measures,
)
from stedi.science.models import BEST, Classifier, new_models, probabilities

FEWEST_PEOPLE = 20
"""Fewer people in a fold than these say nothing about others."""
WIDEST = 0.2
"""An interval of the AUC wider than this says nothing."""


class ModelFigures(BaseModel):
    """One model, trained on what would be published and on raw rows, tested on the same rows.

    `kept` is how much of the raw one's AUC above chance is left; None where that has none.
    """

    published: Measures
    raw: Measures
    kept: Interval | None


class Training(BaseModel):
    """What was trained, and what it is worth.

    `has_signal` is None where there are too few people to tell. Each of `people` is in one of
    `folds`; `rows_tested` rows are of people in one fold, `rows_across` are of two people in two
    folds, which nothing is tested on. `base_rate` is the share of positive rows among those tested.
    `kept_model` names the model that is kept.
    """

    table: str
    snapshot: str
    profile: str
    task: str
    axes: list[str]
    folds: int
    people: int
    rows: int
    rows_tested: int
    rows_across: int
    base_rate: float | None
    has_signal: bool | None
    verdict: str
    kept_model: str
    models: dict[str, ModelFigures]


@dataclass(frozen=True)
class Trained:
    """The figures, and the model that is kept; None where there are too few people to tell."""

    training: Training
    model: Classifier | None


@dataclass(frozen=True)
class _Task:
    """Rows as a model sees them: values of the axes, and whether the target is below its edge."""

    axes: list[str]
    target: str
    edge: float

    @classmethod
    def of(cls, published: PublishedTable) -> _Task:
        publication = published.publication
        if publication.target is None or not publication.target.edges:
            raise UsageError(f"{published.contract.place}: declares no edge of a target to be told")
        names = [axis.column for axis in publication.axes]
        return cls(names, publication.target.column, publication.target.edges[0])

    @property
    def text(self) -> str:
        return f"whether {self.target} is below {self.edge:.15g}, from {', '.join(self.axes)}"

    def values(self, columns: Mapping[str, Float64s]) -> Float64s:
        return np.column_stack([columns[name] for name in self.axes])

    def labels(self, columns: Mapping[str, Float64s]) -> Bools:
        labels: Bools = columns[self.target] < self.edge
        return labels

    def trained(self, model: Classifier, columns: Mapping[str, Float64s]) -> Classifier:
        model.fit(self.values(columns), self.labels(columns))
        return model


@dataclass(frozen=True)
class _People:
    """The rows behind a published table, and the fold of each row's person, by side."""

    rows: Raw
    folds: Int64s

    @classmethod
    def of(cls, published: PublishedTable, sample: int | None) -> _People:
        identities = published.declarations.identities(published.contract.name)
        if identities is None:
            raise UsageError(
                f"{published.contract.place}: publication declares no identities, so that people "
                "can't be split into those to learn from and those to test on"
            )
        # By person and values: engines give rows in any order, and models mind.
        rows = published.rows if sample is None else published.rows_of_some(sample)
        rows = rows.taken(np.lexsort([*rows.columns.values(), *rows.people]))
        [known] = published.fetch([identities])
        return cls(rows, np.array(folds_of(known, rows.people)))

    @cached_property
    def is_tested(self) -> Bools:
        is_tested: Bools = (self.folds == self.folds[0]).all(axis=0)
        return is_tested

    def training_rows(self, fold: int) -> Raw:
        return self.rows.taken(np.flatnonzero((self.folds != fold).all(axis=0)))

    def test_rows(self, fold: int) -> Raw:
        return self.rows.taken(np.flatnonzero((self.folds == fold).all(axis=0)))


def train(
    published: PublishedTable,
    threshold: float,
    progress: Callable[[str], None],
    sample: int | None = None,
) -> Trained:
    """Train, and measure on people who were held out.

    With a `sample` it learns from so many rows and is measured on the readings of some people, who
    have about so many. The same sample each time.

    Raises `UsageError` where the contract declares no task or not who people are, `NotAnonymous`
    where nothing is published, `Unavailable` without the extra `science`, and `RuleBroken` where
    people aren't named.
    """
    task = _Task.of(published)
    kept = new_models()[BEST]
    if published.withheld:
        raise NotAnonymous(f"{published.contract.name} holds nothing: {published.withheld}")
    progress("splitting people into folds")
    people = _People.of(published, sample)
    problem = _too_few(people, task)
    if problem:
        return Trained(_training(published, task, people, {}, None, problem), None)
    scored: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for fold in range(FOLDS):
        learned = people.training_rows(fold)
        generalised = _generalised(published, learned)
        if generalised is None:
            verdict = (
                "Too few people to tell: without the people of one fold nothing could be "
                "published, since too few are left, or one of them dominates."
            )
            return Trained(_training(published, task, people, {}, None, verdict), None)
        columns = {"published": generalised, "raw": learned.columns}
        for name, kind, scores in _scored(task, people.test_rows(fold), columns, fold, progress):
            scored[name, kind].append(scores)
    figures = {
        name: _figures(scored[name, "published"], scored[name, "raw"], threshold)
        for name in new_models()
    }
    has_signal, verdict = _verdict(figures[BEST])
    progress("training the model that is kept")
    published.warehouse.files.fetch(published.paths)
    model = task.trained(kept, _learned(published, sample))
    return Trained(_training(published, task, people, figures, has_signal, verdict), model)


def _learned(published: PublishedTable, rows: int | None) -> dict[str, Float64s]:
    """So many published rows, the same each time; all where there are no more, or it is None."""
    rng = np.random.default_rng(0)
    if published.is_large and rows is not None:
        stored = Stored.of(
            {name: as_array(batch, name) for name in batch.schema.names}
            for batch in batches(published.paths)
        )
        times = rng.multinomial(rows, stored.counts / stored.rows)  # of so many, few twice
        return {name: np.repeat(values, times) for name, values in stored.columns.items()}
    columns = read_published(published.paths)
    count = len(next(iter(columns.values())))
    if rows is None or rows >= count:
        return columns
    chosen = rng.choice(count, rows, replace=False)
    return {name: values[chosen] for name, values in columns.items()}


def _scored(
    task: _Task,
    tested: Raw,
    columns: Mapping[str, Mapping[str, Float64s]],
    fold: int,
    progress: Callable[[str], None],
) -> Iterator[tuple[str, str, Scored]]:
    """Each model, by what it learnt from, and its scores of one fold."""
    person = np.unique(tested.people[0], return_inverse=True)[1]
    held_out = HeldOut(person, task.labels(tested.columns))
    values = task.values(tested.columns)
    done = fold * len(columns) * len(new_models())
    for kind, learned in columns.items():
        for name, model in new_models().items():
            progress(f"training {name} on {kind} rows, fold {fold + 1} of {FOLDS}")
            expect(FOLDS * len(columns) * len(new_models()), "models")
            reach(done)
            done += 1
            scores = probabilities(task.trained(model, learned), values)
            yield name, kind, Scored(held_out, scores)


def _figures(published: list[Scored], raw: list[Scored], threshold: float) -> ModelFigures:
    ours, best = measures(published, threshold), measures(raw, threshold)
    kept = kept_above_chance(published, raw) if best.auc.lower > 0.5 else None
    return ModelFigures(published=ours, raw=best, kept=kept)


def _generalised(published: PublishedTable, rows: Raw) -> dict[str, Float64s] | None:
    """Rows as they would be published; None where nothing would be."""
    names = [column.name for column in published.contract.columns]
    fields = [Field(name, "double", number) for number, name in enumerate(names, start=1)]
    with scratch(published.warehouse.root, "train") as folder:
        made = write_published(
            rows, published.publication, fields, folder / "rows", folder / "boxes.parquet"
        )
        return read_published(made.paths) if made.paths else None


def _too_few(people: _People, task: _Task) -> str | None:
    """Why a fold can't be evaluated, if one can't."""
    for fold in range(FOLDS):
        tested = people.test_rows(fold)
        if _count(tested) < FEWEST_PEOPLE:
            return (
                f"Too few people to tell: one of {FOLDS} folds has fewer than {FEWEST_PEOPLE}, "
                "the least that say anything about others."
            )
        for rows in (tested, people.training_rows(fold)):
            if len(np.unique(task.labels(rows.columns))) < 2:
                return "Too little to tell: all rows of some folds have the same answer."
    return None


def _verdict(best: ModelFigures) -> tuple[bool | None, str]:
    auc = best.published.auc
    figure = f"AUC {auc}"
    if auc.upper - auc.lower > WIDEST:
        return None, f"Too few people to tell: the interval is too wide, {figure}."
    if auc.lower <= 0.5:
        return False, (
            f"No signal: {figure} on people it hasn't seen, and 0.5 is what guessing gives. "
            "This model can't tell."
        )
    kept = best.kept
    price = (
        f" That is {kept.value:.0%} ({kept.lower:.0%} to {kept.upper:.0%}) of what the same model "
        "has above chance when it is trained on raw rows."
        if kept
        else ""
    )
    return True, f"There is a signal: {figure} on people it hasn't seen.{price}"


def _training(
    published: PublishedTable,
    task: _Task,
    people: _People,
    figures: dict[str, ModelFigures],
    has_signal: bool | None,
    verdict: str,
) -> Training:
    labels = task.labels(people.rows.columns)[people.is_tested]
    return Training(
        table=published.contract.name,
        snapshot=str(published.version.snapshot_id),
        profile=published.declarations.profile,
        task=task.text,
        axes=task.axes,
        folds=FOLDS,
        people=_count(people.rows),
        rows=people.rows.rows,
        rows_tested=len(labels),
        rows_across=people.rows.rows - len(labels),
        base_rate=float(labels.mean()) if len(labels) else None,
        has_signal=has_signal,
        verdict=verdict,
        kept_model=BEST,
        models=figures,
    )


def _count(rows: Raw) -> int:
    return len(np.unique(np.concatenate(rows.people)))

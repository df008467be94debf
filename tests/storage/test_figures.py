"""`status` says what is unlike earlier runs, and nothing on the first ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from stedi import Lakehouse
from stedi.declared import packaged, read_declarations
from stedi.storage.figures import KEPT, UNUSUAL, noted_figures, unusual
from stedi.storage.notes import Figures
from tests.conftest import Land
from tests.support import small

DECLARATIONS = read_declarations(packaged())


def figures(day: int, **others: int) -> Figures:
    """What there is after so many days on which the same number came: others as they are given."""
    rows = {
        "customer_landing": 100 * day, "customer_trusted": 50 * day, "customer_curated": 40 * day,
        "accelerometer_landing": 1_000 * day, "accelerometer_trusted": 500 * day,
        "step_trainer_landing": 900 * day, "step_trainer_trusted": 450 * day,
        "machine_learning_curated": 430 * day,
    }  # fmt: skip
    rows |= {name: number for name, number in others.items() if name in rows}
    records = {source: rows[f"{source}_landing"] for source in ("customer", "accelerometer", "step_trainer")}  # fmt: skip
    set_aside = {"customer": 0, "accelerometer": others.get("set_aside", day), "step_trainer": 0}
    return Figures(declarations="these", rows=rows, records=records, set_aside=set_aside)


def told(*runs: Figures) -> list[str]:
    return [note.text for note in unusual(DECLARATIONS, runs[:-1], runs[-1])]


DAYS = [figures(day) for day in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (figures(5), []),
        (figures(5, step_trainer_landing=4_900), []),  # 1,300 for 900: less than half as much again
        (
            figures(5, step_trainer_landing=5_100),
            ["step_trainer_landing: +1,500 rows in the last run that read files; +900 in those before"],
        ),
        (
            figures(5, machine_learning_curated=0),
            ["machine_learning_curated: -1,720 rows in the last run that read files; +430 in those before"],
        ),
        (
            figures(5, customer_curated=160),
            ["customer_curated: +0 rows in the last run that read files; +40 in those before"],
        ),
        (
            figures(5, set_aside=400),
            [
                "source accelerometer: the share of its records that is quarantined: 8.0%; 0.1% in "
                "earlier runs"
            ],
        ),
        (
            figures(5, customer_trusted=150),
            [
                "customer_trusted: -50 rows in the last run that read files; +50 in those before",
                "customer_trusted: the share of customer_landing that consents: 30.0%; 50.0% in "
                "earlier runs",
                "accelerometer_trusted: rows per row of customer_trusted: 16.7; 10.0 in earlier runs",
                "step_trainer_trusted: rows per row of customer_trusted: 15.0; 9.0 in earlier runs",
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_unlike_earlier_runs(now: Figures, expected: list[str]) -> None:
    assert sorted(told(*DAYS, now)) == sorted(expected)


def test_nothing_is_compared_on_the_first_runs() -> None:
    for runs in (DAYS[:0], DAYS[:1], DAYS[:2]):
        assert told(*runs, figures(5, machine_learning_curated=0)) == []


def test_other_declarations_are_not_compared() -> None:
    others = [run.model_copy(update={"declarations": "others"}) for run in DAYS]
    assert told(*others, figures(5, machine_learning_curated=0)) == []


def test_a_table_that_never_changed_may_change_a_little() -> None:
    same = [figures(4)] * 4
    assert told(*same, figures(4, step_trainer_landing=3_900)) == []
    assert told(*same, figures(4, step_trainer_landing=4_000)) == [
        "step_trainer_landing: +400 rows in the last run that read files; +0 in those before"
    ]


@pytest.mark.slow
def test_runs_are_noted_and_compared(lakehouse: Lakehouse, land: Land) -> None:
    def deliver(day: int, readings: int) -> None:
        names = [f"p{day}x{n}" for n in range(4)]
        land(
            "customer", [small.customer(n, f"S{n}", 100, consent=100) for n in names], f"{day}.json"
        )
        times = [1000 * day + n for n in range(readings)]
        land(
            "accelerometer",
            [small.acceleration(n, t, 0.1) for n in names for t in times],
            f"{day}.json",
        )
        land(
            "step_trainer",
            [small.reading(f"S{n}", t, 200) for n in names for t in times[:5]],
            f"{day}.json",
        )

    def notes() -> list[str]:
        return [note.text for note in lakehouse.status().notes if note.code == UNUSUAL]

    for day, readings in enumerate((5, 50, 5), start=1):
        deliver(day, readings)
        lakehouse.run()
        assert notes() == []
    deliver(4, 5)
    lakehouse.run()
    assert notes() == []
    deliver(5, 500)
    lakehouse.run()
    assert (
        "accelerometer_landing: +2,000 rows in the last run that read files; +20 to +200 in those before"
    ) in notes()
    lakehouse.run()  # which reads nothing, and so is no run to compare with
    earlier = noted_figures(lakehouse._warehouse().version("loads"))
    assert [run.rows["accelerometer_landing"] for run in earlier] == [20, 220, 240, 260]
    assert len(earlier) <= KEPT


def test_margins_are_declared(folder: Path) -> None:
    contract = folder / "contracts" / "step_trainer_landing.yaml"
    declared = "customProperties:\n      - property: margins\n        value: {rows: 2}\n"
    contract.write_text(contract.read_text().replace("customProperties:\n", declared, 1))
    now = figures(5, step_trainer_landing=5_100)
    assert [*unusual(read_declarations(folder), DAYS, now)] == []

"""The page of a large lakehouse is no large page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stedi import Lakehouse
from stedi.page.facts import Facts, RunFacts, thinned
from stedi.page.render import render
from stedi.status import StepStatus
from tests.page.conftest import facts_of
from tests.support import small

TABLES, RUNS, HOUR = 100, 1_000, 3_600_000


def many(facts: Facts) -> Facts:
    """A hundred tables, each made from the one before it, and a thousand runs of each."""
    runs = [RunFacts(1_700_000_000_000 + n * HOUR, 5_000 + 7 * n, 9_000 + 9 * n, n % 3) for n in range(RUNS)]  # fmt: skip
    known = [*facts.tables.values()]
    tables = {}
    for n in range(TABLES):
        like = known[n % len(known)]
        before = (f"table_{n - 1}",) if n else ()
        tables[f"table_{n}"] = replace(
            like,
            contract=replace(like.contract, name=f"table_{n}"),
            step=StepStatus(in_=9_000, kept=5_000, dropped={"a": 4_000}, adds_up=True),
            status=like.status.model_copy(update={"rows": 5_000}),
            inputs=before,
            sources=before,
            runs=thinned(runs),
        )
    return replace(facts, tables=tables)


def test_a_hundred_tables_and_a_thousand_runs_make_less_than_three_megabytes(
    tmp_path: Path,
) -> None:
    small.land(tmp_path / "root")
    html = render(many(facts_of(Lakehouse(tmp_path / "root"))))
    assert len(html.encode()) < 3_000_000
    for n in range(TABLES):
        assert f'id="table-table_{n}"' in html


def test_of_many_runs_each_stretch_has_its_last_and_all_who_left() -> None:
    runs = [RunFacts(n, n, n, 1) for n in range(RUNS)]
    shown = thinned(runs)
    assert len(shown) == 120
    assert (shown[-1].committed, sum(run.left or 0 for run in shown)) == (RUNS - 1, RUNS)
    assert thinned(runs[:50]) == tuple(runs[:50])

"""Figures of runs before this one, which a run notes before it changes a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from stedi import parquet
from stedi.landing.loads import Load
from stedi.run.work import Work
from stedi.storage.figures import KEPT, figures, noted_figures
from stedi.storage.notes import Figures


def figures_so_far(work: Work, loads: Sequence[Load]) -> tuple[Figures, ...]:
    """The figures of earlier runs, and those that the last one left; `loads` are what it read."""
    warehouse, quarantine = work.warehouse, work.warehouse.version("quarantine")
    earlier = noted_figures(warehouse.version("loads"))
    set_aside: Counter[str] = Counter()
    try:
        paths = [file.path for file in quarantine.files] if quarantine else []
        warehouse.files.fetch(paths)
        for path in paths:
            set_aside.update(parquet.read(path, ["source"]).column(0).to_pylist())
    except (OSError, ValueError, pa.ArrowException):
        return earlier  # a file of it is damaged, which others tell
    records: Counter[str] = Counter()
    for load in loads:
        records[load.source] += load.records if load.state == "read" else 0
    last = figures(warehouse, work.declarations, records, set_aside)
    return (*earlier, last)[-KEPT:] if last else earlier

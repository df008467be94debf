"""Runs the landing parser on one step trainer file, and reads back what it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq

from stedi.contracts import Column, read_contracts
from stedi.declared import packaged
from stedi.landing.files import list_files
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.parse import Job, Parser, Target
from stedi.parquet import Field
from stedi.transforms import MACHINERY_COLUMNS

Row = tuple[int, str, int]
CONTRACT = read_contracts(packaged() / "contracts")["step_trainer_landing"]


def parse(folder: Path, content: bytes) -> tuple[Counter[Row], list[tuple[str, int, bytes, int]]]:
    """Rows loaded, and pieces set aside in order: reason, byte offset, raw bytes, line."""
    root = folder / "root"
    (root / "step_trainer" / "landing").mkdir(parents=True)
    (root / "step_trainer" / "landing" / "one.json").write_bytes(content)
    with ThreadPoolExecutor(2) as pool:
        parser = Parser(root, CONTRACT, Fingerprinter(b"key"), pool)
        typed = _target(folder / "typed", CONTRACT.columns)
        aside = _target(folder / "aside", MACHINERY_COLUMNS["quarantine"])
        parser.begin(Job(list_files(root, "step_trainer"), {}, 1, typed, aside))
        parsed = parser.finish()
    loaded = Counter(
        tuple(row.values()) for path in parsed.typed for row in pq.read_table(path).to_pylist()
    )
    pieces = [row for path in parsed.quarantine for row in pq.read_table(path).to_pylist()]
    [read] = parsed.files
    assert read.records == loaded.total() + len(pieces)
    return loaded, [(p["reason"], p["byte_offset"], p["raw"], p["line"]) for p in pieces]


def _target(folder: Path, columns: Sequence[Column]) -> Target:
    return Target(folder, tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, 1)))

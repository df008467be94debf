"""Predictions of a kept model on new records, read under the contract of their source."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.declared.machinery import MACHINERY
from stedi.engines.crew import Threads
from stedi.errors import UsageError
from stedi.landing.files import list_files
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.parse import Job, Parsed, parse
from stedi.parquet import Field, Target, arrow_schema
from stedi.roots import local_files
from stedi.roots.copies import temporary_folder
from stedi.science.models import FIGURES, MODEL, load, probabilities, refuse_odd
from stedi.science.training import Training

PROBABILITY = "probability"
_MOST_FIGURES = 1 << 20
"""Bytes of the figures of a model: ours have a thousandth of that."""


@dataclass(frozen=True)
class Predicted:
    """Records as they were read, each with its `probability`; what couldn't be read, by reason."""

    rows: pa.Table
    set_aside: Mapping[str, int]


def predict(declarations: Declarations, folder: Path, files: Sequence[Path]) -> Predicted:
    """Read files of the landing source that has the model's axes, and predict for each record.

    Raises `UsageError` for a folder that holds no model, and files that aren't there.
    """
    refuse_odd(folder / FIGURES, _MOST_FIGURES)
    try:
        training = Training.model_validate_json((folder / FIGURES).read_bytes())
    except (OSError, ValidationError):
        raise UsageError(f"{folder}: has no model in it; `stedi train DIR` makes one") from None
    contract = _source_of(declarations, training.axes)
    model = load(folder / MODEL)
    with temporary_folder() as scratch:
        rows, set_aside = _read(contract, files, scratch)
    axes = [rows[name].combine_chunks().cast(pa.float64()).to_numpy() for name in training.axes]
    scores = probabilities(model, np.column_stack(axes)) if len(rows) else np.zeros(0)
    return Predicted(rows.append_column(PROBABILITY, pa.array(scores, pa.float64())), set_aside)


def _source_of(declarations: Declarations, axes: Sequence[str]) -> Contract:
    for contract in declarations.landing:
        if {*axes} <= {column.name for column in contract.columns if column.type == "double"}:
            return contract
    raise UsageError(f"no landing table has {', '.join(axes)}, which the model needs")


def _read(
    contract: Contract, files: Sequence[Path], scratch: Path
) -> tuple[pa.Table, dict[str, int]]:
    """What the landing parser makes of files, wherever they lie."""
    assert contract.source is not None
    landing = scratch / contract.source / "landing"
    landing.mkdir(parents=True)
    for number, path in enumerate(files):
        if not path.is_file():
            raise UsageError(f"{path}: {'not a plain' if path.exists() else 'no such'} file")
        shutil.copyfile(path, landing / f"{number:06}-{path.name}")
    crew = Threads(os.cpu_count() or 1)
    fields = [Field(c.name, c.type, n) for n, c in enumerate(contract.columns, start=1)]
    pieces = [Field(c.name, c.type, n) for n, c in enumerate(MACHINERY["quarantine"], 1)]
    job = Job(
        list_files(local_files(scratch), contract.source),
        known={},
        load=1,
        typed=Target(scratch / "typed", tuple(fields)),
        quarantine=Target(scratch / "quarantine", tuple(pieces)),
        accept_bad_files=True,
    )
    try:
        parsed = parse(local_files(scratch), contract, Fingerprinter.of_user(), crew, job)
    finally:
        crew.close()
    return _tables(parsed, fields, [column.name for column in contract.delivered])


def _tables(
    parsed: Parsed, fields: Sequence[Field], delivered: Sequence[str]
) -> tuple[pa.Table, dict[str, int]]:
    schema = arrow_schema(fields).remove_metadata()
    typed = [pq.read_table(path).cast(schema) for path in parsed.typed]
    rows = pa.concat_tables([schema.empty_table(), *typed])
    reasons = (pq.read_table(path, columns=["reason"])["reason"] for path in parsed.quarantine)
    set_aside = Counter(reason for column in reasons for reason in column.to_pylist())
    return rows.select(delivered), dict(set_aside)

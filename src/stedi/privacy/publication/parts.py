"""The search shared out: an engine cuts rows into parts, and each is cut to the end by `search`.

What a part is cut into depends on nothing but its own rows, and on what all rows decide together
(`Cutting`): so however many parts there are, the partition is the one that `search` finds for all
rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stedi.arrays import Int32s, Int64s
from stedi.parquet import as_array
from stedi.privacy.publication.levels import cut_by_levels, number_expression
from stedi.privacy.publication.mondrian import AXES, BAND, SIDES, TARGET, Leaves
from stedi.privacy.publication.search import (
    BLOCK_ROWS,
    Cutting,
    Numbering,
    Partition,
    cut,
    partition_of,
)
from stedi.privacy.publication.spilled import (
    BAND_NAME,
    TARGET_NAME,
    Spilled,
    axis_name,
    side_name,
)
from stedi.roots import Files
from stedi.sql.tree import parse

_PART = "part"
_READ_AT_ONCE = 1 << 20


def search_in_parts(spilled: Spilled, files: Files, most_rows: int) -> Partition:
    """The partition that `search` finds; parts have at most `most_rows` rows, if they can be cut.

    `files` are those of the lakehouse whose engine has the rows.
    """
    engine, ends = spilled.engine, spilled.ends()
    cutting = Cutting.of(spilled.publication, spilled.crowds, ends, spilled.grids)
    points = spilled.points(ends)
    whole = cut_by_levels(engine, points, ends.axes, cutting, most_rows)
    boxes = [*whole.leaves]
    for number, box in enumerate(boxes):
        box.number = number
    parts = [
        _Part(tuple(paths), boxes[number].region)
        for number, paths in apart(spilled, points, number_expression(whole)).items()
    ]
    leaves = engine.crew.map_large(_Finishing(files, cutting), parts)
    return partition_of(leaves, ends, spilled.grids)


def apart(spilled: Spilled, points: str, number: str) -> dict[int, list[Path]]:
    """Files of rows by the number of their part, an SQL expression over `points`."""
    names = [TARGET_NAME, BAND_NAME, *(axis_name(n) for n in range(len(spilled.grids.axes)))]
    sides = [side_name(side) for side in range(AXES - SIDES)]
    names += sides if spilled.people_are_small else []
    numbers = ", ".join(f"CAST({name} AS INTEGER) AS {name}" for name in names)
    numbers += "" if spilled.people_are_small else f", {', '.join(sides)}"
    query = parse(f"SELECT {numbers}, {number} AS {_PART} FROM ({points}) AS r", "publication")
    return dict(sorted(spilled.engine.part(query, _PART).items()))


@dataclass(frozen=True)
class _Part:
    """The rows of a box, and its region."""

    paths: tuple[Path, ...]
    region: Int32s


@dataclass(frozen=True)
class _Finishing:
    """Cuts a part to the end; can be sent to where that is done."""

    files: Files
    cutting: Cutting

    def __call__(self, part: _Part) -> Leaves:
        rows, people = read_points(self.files, part.paths, len(self.cutting.sizes))
        numbering = Numbering(people)
        begin = 0
        for block in people:
            end = begin + len(block[0])
            for side, numbers in enumerate(block):
                rows[begin:end, SIDES + side] = numbering.numbers(numbers)
            begin = end
        return cut(rows, numbering.count, part.region, self.cutting)


def read_points(
    files: Files, paths: Sequence[Path], axes: int
) -> tuple[Int32s, list[list[Int64s]]]:
    """Rows that an engine wrote of `Spilled.points`, as `mondrian` takes them but without people.

    Those come in blocks beside them, by side, with the numbers that they have in the files.
    """
    opened = [pq.ParquetFile(_source(files, path)) for path in paths]
    count = sum(file.metadata.num_rows for file in opened)
    rows: Int32s = np.empty((count, AXES + axes), np.int32)
    places = {TARGET_NAME: TARGET, BAND_NAME: BAND}
    places |= {axis_name(n): AXES + n for n in range(axes)}
    sides = [side_name(side) for side in range(AXES - SIDES)]
    people, begin = [], 0
    for file in opened:
        with file:
            for batch in file.iter_batches(BLOCK_ROWS):
                end = begin + batch.num_rows
                for name, place in places.items():
                    rows[begin:end, place] = as_array(batch, name)
                people.append([as_array(batch, name) for name in sides])
                begin = end
    return rows, people


def _source(files: Files, path: Path) -> Path | BufferedReader:
    """What to read a file from, which may lie elsewhere."""
    return path if path.exists() else BufferedReader(files.open(path), _READ_AT_ONCE)

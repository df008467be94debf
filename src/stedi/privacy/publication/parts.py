"""The search shared out: an engine cuts rows into parts, and each is cut to the end by `search`.

What a part is cut into depends on nothing but its own rows, and on what all rows decide together
(`Cutting`): so however many parts there are, the partition is the one that `search` finds for all
rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stedi.arrays import Int32s
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
    names = [TARGET_NAME, BAND_NAME, *(axis_name(n) for n in range(len(cutting.sizes)))]
    sides = [side_name(side) for side in range(AXES - SIDES)]
    names += sides if spilled.people_are_small else []
    numbers = ", ".join(f"CAST({name} AS INTEGER) AS {name}" for name in names)
    numbers += "" if spilled.people_are_small else f", {', '.join(sides)}"
    apart = parse(
        f"SELECT {numbers}, {number_expression(whole)} AS {_PART} FROM ({points}) AS r",
        "publication",
    )
    parts = [
        _Part(tuple(paths), boxes[number].region)
        for number, paths in sorted(engine.part(apart, _PART).items())
    ]
    leaves = engine.crew.map_large(_Finishing(files, cutting), parts)
    return partition_of(leaves, ends, spilled.grids)


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
        rows, people = self._read(part)
        return cut(rows, people, part.region, self.cutting)

    def _read(self, part: _Part) -> tuple[Int32s, int]:
        """The rows of a part with its people numbered from 0, and how many people these are."""
        opened = [pq.ParquetFile(self._source(path)) for path in part.paths]
        count = sum(file.metadata.num_rows for file in opened)
        rows: Int32s = np.empty((count, AXES + len(self.cutting.sizes)), np.int32)
        places = {TARGET_NAME: TARGET, BAND_NAME: BAND}
        places |= {axis_name(n): AXES + n for n in range(len(self.cutting.sizes))}
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
        numbering = Numbering(people)
        begin = 0
        for block in people:
            end = begin + len(block[0])
            for side, numbers in enumerate(block):
                rows[begin:end, SIDES + side] = numbering.numbers(numbers)
            begin = end
        return rows, numbering.count

    def _source(self, path: Path) -> Path | BufferedReader:
        """What to read a file from, which may lie elsewhere."""
        return path if path.exists() else BufferedReader(self.files.open(path), _READ_AT_ONCE)

"""Checks on what is stored: nothing but midpoints, sorted, in boxes that were cut blind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stedi.privacy import publication as written
from stedi.privacy.audit.evidence import Evidence, ends_of
from stedi.privacy.publication.grid import Grid
from stedi.privacy.publication.noise import noisy
from stedi.text import counted

_METADATA = {b"ARROW:schema"}


def problems(
    evidence: Evidence, paths: Sequence[Path], in_folder: Collection[Path], alive: Collection[Path]
) -> dict[str, list[str]]:
    """What each check finds wrong with what is stored.

    `paths` are the table's files, `in_folder` those in its folder, `alive` those that may be there.
    """
    of_values = {name: list(check(evidence)) for name, check in _CHECKS.items()}
    return {**of_values, "files": list(_files(paths, in_folder, alive))}


def _columns(evidence: Evidence) -> Iterator[str]:
    """Columns that are not declared, or are missing."""
    declared = {column.column for column in evidence.publication.coarsened}
    for name in sorted(declared.symmetric_difference(evidence.stored.columns)):
        yield f"column {name} is {'missing' if name in declared else 'published undeclared'}"


def _midpoints(evidence: Evidence) -> Iterator[str]:
    """Values that are not half-way between two numbers of their grid, or not in their range."""
    for column in evidence.publication.coarsened:
        if column.column not in evidence.stored.columns:
            continue
        is_midpoint = Grid(column).is_midpoint(evidence.stored.columns[column.column])
        off = int(evidence.stored.counts[~is_midpoint].sum())
        if off:
            yield f"{off:,} values of {column.column} are not midpoints of the grid"
        if evidence.boxes is not None:
            box = evidence.boxes[column.column]
            astray = (box.values < box.begins) | (box.values >= box.ends)
            if astray.any():
                yield f"{int(astray.sum()):,} values of {column.column} lie outside their boxes"


def _order(evidence: Evidence) -> Iterator[str]:
    """Rows that are not in the order of their values: any other order could tell something."""
    if evidence.stored.disorder:
        yield f"{evidence.stored.disorder:,} rows are not in the order of their values"


def _boxes(evidence: Evidence) -> Iterator[str]:
    """Boxes that overlap, leave a row out, or reach across a declared edge.

    Boxes of the axes that overlap were cut with an eye on the target: then a row's axes reveal its
    target.
    """
    publication = evidence.publication
    if evidence.boxes is None:
        yield "there is no table of boxes"
        return
    if evidence.strays:
        yield evidence.strays
    for column in publication.coarsened:
        box = evidence.boxes[column.column]
        for edge in column.edges:
            across = int(
                np.count_nonzero((box.begins < edge - column.grid / 2) & (box.ends > edge))
            )
            if across:
                yield f"{across:,} classes reach across {column.column} = {edge:.15g}"


def _ends(evidence: Evidence) -> Iterator[str]:
    """Published values further out than the readings of k people: few people's, or one's, show."""
    for name, at_ends in evidence.at_ends.items():
        least, most = ends_of(evidence.publication, evidence.stored, name)
        if least == most:
            continue  # a single value is the end of nothing
        for people, end in zip(at_ends, ("least", "greatest"), strict=True):
            if people < evidence.publication.k:
                yield (
                    f"as far out as the {end} value of {name} are readings of only "
                    f"{counted(people, 'person', 'people')}"
                )


def _people(evidence: Evidence) -> Iterator[str]:
    """Numbers of people that are not one identity, and identities that are not one number."""
    yield from evidence.people_problems


def _proof(evidence: Evidence) -> Iterator[str]:
    """Identifiers that reach what is published, by the SQL, or stand where they could be told."""
    if evidence.proof_problems:
        yield f"{evidence.proof_problems:,} things can't be proved; `stedi check` lists them"


def _rows(evidence: Evidence) -> Iterator[str]:
    """Rows that are published but shouldn't be, or should be but aren't."""
    names = [name for name in evidence.values if name in evidence.stored.columns]
    wanted = np.column_stack([evidence.values[name] for name in names])
    classes, place = np.unique(wanted, axis=0, return_inverse=True)
    counts = np.zeros(len(classes), np.int64)
    wanted_counts = evidence.rows_by_class
    if evidence.publication.noise is not None:
        if evidence.noise is None:
            yield "the noise in published counts is not the noise that was drawn for them"
            return
        wanted_counts = noisy(wanted_counts, evidence.noise)
    np.add.at(counts, place, wanted_counts)
    classes, counts = classes[counts > 0], counts[counts > 0]
    runs = np.column_stack([evidence.stored.columns[name] for name in names])
    published, run = np.unique(runs, axis=0, return_inverse=True)
    held = np.zeros(len(published), np.int64)
    np.add.at(held, run, evidence.stored.counts)
    if classes.shape != published.shape or (classes != published).any() or (counts != held).any():
        yield "the rows published are not the rows behind them, coded with the table of boxes"


def _files(
    paths: Sequence[Path], in_folder: Collection[Path], alive: Collection[Path]
) -> Iterator[str]:
    """What files reveal beside their values: their number, parts, notes, leftovers."""
    sizes = [pq.read_metadata(path).num_rows for path in paths]
    if not _are_whole(sizes, written.FILE_ROWS):
        yield f"its {len(paths)} files are not of {written.FILE_ROWS:,} rows"
    for path in paths:
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        if not _are_whole(groups, written.BATCH_ROWS):
            yield f"{path.name}: its row groups are not of {written.BATCH_ROWS:,} rows"
        noted = set(metadata.metadata or {}) - _METADATA
        if noted:
            yield f"{path.name}: notes {len(noted)} things that are no values"
    left = [path for path in in_folder if path not in alive]
    if left:
        yield f"{len(left)} files of earlier publications are still there"


def _are_whole(sizes: Sequence[int], whole: int) -> bool:
    """Whether all parts but the last have so many rows, and the last has no more."""
    return all(rows == whole for rows in sizes[:-1]) and max(sizes[-1:], default=0) <= whole


_CHECKS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "columns": _columns,
    "midpoints": _midpoints,
    "order": _order,
    "boxes": _boxes,
    "ends": _ends,
    "rows": _rows,
    "people": _people,
    "proof": _proof,
}

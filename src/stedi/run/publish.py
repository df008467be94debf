"""Publishes a table: generalised, or empty where that can't be done."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa

from stedi.declared.contract import Contract
from stedi.errors import RuleBroken
from stedi.parquet import Target
from stedi.roots.names import boxes_folder
from stedi.run.work import Work
from stedi.storage.notes import Note, PublishedNotes
from stedi.storage.warehouse import Version
from stedi.storage.withdrawals import last_left, left_by_now, left_since, outdated_publications
from stedi.text import counted

if TYPE_CHECKING:
    from stedi.privacy.publication import Published
    from stedi.privacy.publication.spilled import Spilled

NOT_PUBLISHED = "not published: too few people, or one who dominates"


def gather(work: Work, contract: Contract, most: int) -> pa.Table | Spilled:
    """The rows that a SELECT returns, `most` at most: in memory, or where these are many in files.

    The engine knows them by the name of their table.
    """
    from stedi.privacy import publication  # which loads what is compiled
    from stedi.privacy.publication.spilled import Spilled

    select = work.declarations.select(contract.name)
    if most <= publication.ROWS_AT_ONCE:
        return work.engine.gather(contract.name, select)
    assert contract.publication is not None
    return Spilled.of(work.engine, contract.name, select, contract.publication)


def publish(work: Work, contract: Contract, rows: pa.Table | Spilled, target: Target) -> Published:
    """Write what is published of rows (see `gather`), and the table of boxes."""
    from stedi.privacy import publication
    from stedi.privacy.publication.noise import Kept

    declared = contract.publication
    assert declared is not None
    files = work.warehouse.files
    boxes = files.inside(boxes_folder(files.root) / f"{contract.name}-{work.attempt}.parquet")
    drawn_for = Kept(files, contract.name).drawn_for
    fields, folder = target.fields, target.folder
    count = rows.num_rows if isinstance(rows, pa.Table) else rows.rows
    work.progress(f"building {contract.name}: generalising {counted(count, 'row')}")
    if isinstance(rows, pa.Table):
        published = publication.publish(rows, declared, fields, folder, boxes, drawn_for)
    else:
        published = publication.publish_in_parts(
            rows, files, declared, fields, folder, boxes, publication.ROWS_AT_ONCE, drawn_for
        )
    if published.boxes:
        files.publish([published.boxes])
    return published


def hold_people(work: Work, contract: Contract) -> None:
    """Raise `RuleBroken` where numbers of people aren't their identities, one to one."""
    from stedi.privacy.people import people_problems

    problems = "; ".join(people_problems(work.engine, work.declarations, contract.name))
    if problems:
        raise RuleBroken(
            f"{contract.name}: {problems}; people would be miscounted. Nothing of it was committed"
        )


def published_notes(
    work: Work, contract: Contract, published: Published, before: Version | None
) -> PublishedNotes:
    """What is noted of a publication, which comes after the version `before`."""
    assert contract.publication is not None
    left = left_by_now(work.warehouse, work.declarations)
    return PublishedNotes(
        boxes=published.boxes.name if published.boxes else None,
        publication=contract.publication.fingerprint,
        withheld=published.why,
        last_left=last_left(work.warehouse, work.declarations),
        left_by_then=left,
        left_since=left_since(left, before),
        difference=_difference(work, contract, published, before),
        noise=published.noise,
    )


def coded_at_edges(published: Published) -> tuple[Note, ...]:
    """Notes on values beyond the declared grid."""
    return tuple(
        Note(
            code=f"{column}_beyond_grid",
            count=count,
            text=f"{count:,} values of {column} lay beyond the grid that its contract declares, "
            "and were coded as its end",
        )
        for column, count in published.beyond.items()
    )


def spread_otherwise(contract: Contract, published: Published) -> tuple[Note, ...]:
    """Notes on columns whose published spread differs by more than the contract allows."""
    from stedi.privacy.publication.spread import changed

    assert contract.publication is not None
    return tuple(
        Note(code=f"{column}_spread", count=1, text=text)
        for column, text in changed(published.spreads, contract.publication)
    )


def withhold(work: Work) -> bool:
    """Publish nothing where a table has rows of people who left since; tells whether there was one.

    For a run that fails before it can be made again. The next one tries again.
    """
    warehouse, declarations = work.warehouse, work.declarations
    outdated = outdated_publications(warehouse, declarations)
    for name in outdated:
        contract, version = declarations.contracts[name], warehouse.version(name)
        work.target(contract.name, contract.columns)  # so it has its columns
        noted = version.published if version else None
        notes = PublishedNotes(  # without inputs, so that it is out of date
            declaration=declarations.fingerprint(contract.name),
            left_by_then=noted.left_by_then if noted else None,
            withheld="people withdrew, and the last run could not publish it again",
        )
        warehouse.commit(contract.name, [], notes)
    return bool(outdated)


def _difference(
    work: Work, contract: Contract, now: Published, before: Version | None
) -> dict[str, int] | None:
    """What a comparison with the publication before this one tells, while that is there."""
    from stedi.privacy.comparison import Edition, compared
    from stedi.privacy.publication import published_classes
    from stedi.privacy.publication.boxes import read_boxes

    noted, files = before.published if before else None, work.warehouse.files
    if before is None or noted is None or noted.boxes is None:
        return None
    if now.boxes is None or contract.publication is None:
        return None
    same = noted.publication == contract.publication.fingerprint
    boxes = boxes_folder(files.root) / noted.boxes
    if not same or not files.stat(boxes) or work.warehouse.damage(before):
        return None
    if work.are_changed(before, before.files):
        return None
    names = [column.column for column in contract.publication.coarsened]
    try:
        files.fetch([boxes, *(file.path for file in before.files)])
        earlier = sorted(file.path for file in before.files)
        is_noisy = contract.publication.noise is not None
        editions = [
            Edition.of(read_boxes(table, names), published_classes(paths), is_noisy=is_noisy)
            for table, paths in ((boxes, earlier), (now.boxes, now.paths))
        ]
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None  # somebody has changed the one before: nothing to compare with
    return asdict(compared(contract.publication, *editions))

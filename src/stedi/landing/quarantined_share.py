"""Whether a larger share of a source was quarantined than its contract allows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stedi.declared.contract import Contract
from stedi.landing.loads import Load
from stedi.landing.reasons import FEW_RECORDS
from stedi.roots import Files


def too_much_quarantined(
    files: Files, contract: Contract, loads: Sequence[Load], quarantine: Sequence[Path]
) -> str | None:
    """The note on a source of which more is quarantined than its contract allows, or None.

    `loads` are of any source, `quarantine` are the files of that table. Files that somebody
    accepted all the same don't count.
    """
    read = [
        load
        for load in loads
        if load.source == contract.source and load.state == "read" and load.verdict != "accepted"
    ]
    records, aside = sum(load.records for load in read), sum(load.set_aside for load in read)
    is_left = aside < records
    if not records or not aside:
        return None
    if is_left and (records < FEW_RECORDS or aside <= contract.max_aside_share * records):
        return None
    from stedi.landing.causes import cause  # which loads what reads records

    left = "" if is_left else ", and none is left"
    return (
        f"source {contract.source}: {aside:,} of {records:,} records were quarantined{left}: "
        f"{cause(files, contract, quarantine)}. `stedi quarantine list --source "
        f"{contract.source}` shows them; mend the files or the contract, and run again"
    )

"""Names below a lakehouse's root that are no table's."""

from __future__ import annotations

from pathlib import Path

OWN_FOLDER = "_stedi"


def landing_folder(root: Path, source: str) -> Path:
    """Where the raw files of a source lie."""
    return root / source / "landing"


def scratch_folder(root: Path) -> Path:
    """Where a run keeps what it needs only meanwhile."""
    return root / OWN_FOLDER / "scratch"


def boxes_folder(root: Path) -> Path:
    """Where the tables of boxes lie: what published values stand for."""
    return root / OWN_FOLDER / "boxes"


def notes_folder(root: Path) -> Path:
    """Where notes of published tables lie: what whoever reads the table itself may not know."""
    return root / OWN_FOLDER / "notes"


def notes_file(root: Path, table: str, name: str) -> Path:
    """Where the notes of one publication lie."""
    return notes_folder(root) / f"{table}-{name}.json"


def ledger_folder(root: Path) -> Path:
    """Where it is noted what was given out, and to whom."""
    return root / OWN_FOLDER / "ledger"


def erasure_file(root: Path) -> Path:
    """Where the plan of an erasure lies that was begun and is not done."""
    return root / OWN_FOLDER / "erasure.json"


def is_hidden(name: str) -> bool:
    """Whether a name says that what has it is not data."""
    return name.startswith((".", "_"))

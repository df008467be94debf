"""Names below a lakehouse's root that are no table's."""

from __future__ import annotations

from pathlib import Path

from stedi.errors import StorageError

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
    """Where notes of published tables lie: what anyone who reads the table itself may not know."""
    return root / OWN_FOLDER / "notes"


def noise_folder(root: Path) -> Path:
    """Where the random bytes lie that noise on published counts is made of."""
    return root / OWN_FOLDER / "noise"


def last_run_file(root: Path) -> Path:
    """Where it is noted when a run last ended well."""
    return root / OWN_FOLDER / "last-run.json"


def review_folder(root: Path) -> Path:
    """Where it is noted what people decided about consents that were suspended."""
    return root / OWN_FOLDER / "review"


def notes_file(root: Path, table: str, name: str) -> Path:
    """Where the notes of one publication lie."""
    return notes_folder(root) / f"{table}-{name}.json"


def inside(path: Path, root: Path) -> Path:
    """A path below a lakehouse folder, links followed; raises `StorageError` for any other."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise outside(str(path), str(root))
    return path


def outside(place: str, root: str) -> StorageError:
    """The error for a place where nothing may be written or removed."""
    return StorageError(
        f"{place!a} is outside of {root}, where nothing is written or removed. Look for a link "
        "that leads out of it, and for names with dots in the declarations"
    )


def ledger_folder(root: Path) -> Path:
    """Where it is noted what was given out, and to whom."""
    return root / OWN_FOLDER / "ledger"


def budget_folder(root: Path) -> Path:
    """Where it is noted what private releases have cost, with their noisy vectors."""
    return root / OWN_FOLDER / "budget"


def erasure_file(root: Path) -> Path:
    """Where the plan of an erasure lies that was begun and is not done."""
    return root / OWN_FOLDER / "erasure.json"


_UNFINISHED = (".tmp", ".part", ".crdownload", ".swp", "~")
"""How programs call what they are still writing, and copies that editors keep."""


def is_hidden(name: str) -> bool:
    """Whether a name says that what has it is not data."""
    return name.startswith((".", "_"))


def is_unfinished(name: str) -> bool:
    """Whether a name says that what has it is still being written, or is an editor's copy."""
    return name.lower().endswith(_UNFINISHED)

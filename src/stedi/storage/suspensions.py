"""What is known of the table `suspended`: whether it is up to date, and what people decided.

A decision is a file whose name is the keyed number of what was decided about: it has nobody's data,
and lies beside the tables. It holds for what was to be seen then, and no longer than that.
"""

from __future__ import annotations

import time
from pathlib import Path

from stedi.declared import Declarations
from stedi.roots import Files
from stedi.roots.names import review_folder
from stedi.storage.notes import SuspendedNotes
from stedi.storage.warehouse import Warehouse

SUSPENDED = "suspended"


def now_ms() -> int:
    """The time by which consents begin, epoch milliseconds."""
    return time.time_ns() // 1_000_000


def decided(files: Files) -> tuple[str, ...]:
    """The numbers of all decisions to let consents count."""
    return tuple(sorted(path.name for path, _ in files.below(review_folder(files.root))))


def note_decision(files: Files, number: str) -> None:
    """Note that what has this number was looked at, and that the consents count."""
    path: Path = files.inside(review_folder(files.root) / number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{now_ms()}\n", encoding="utf-8")
    files.publish([path])


def why_outdated(warehouse: Warehouse, declarations: Declarations) -> str | None:
    """Why the table has to be worked out again; None where it is right, or nothing is declared.

    So it is where what it is made from changed, where somebody decided, and where the time has come
    from which somebody's consent counts.
    """
    if declarations.suspending is None:
        return None
    version = warehouse.version(SUSPENDED)
    if version is None:
        return "not built yet"
    notes = version.notes
    if not isinstance(notes, SuspendedNotes):
        return "not as the last run left it"
    if notes.declaration != declarations.suspensions_fingerprint:
        return "its declarations changed"
    for name, content in sorted(notes.made_from.items()):
        read = warehouse.version(name)
        if content != (read.content if read else None):
            return f"{name} changed"
    if tuple(notes.decided) != decided(warehouse.files):
        return "somebody decided (stedi review accept)"
    if notes.due is not None and notes.due <= now_ms():
        return "a consent begins"
    return warehouse.damage(version)

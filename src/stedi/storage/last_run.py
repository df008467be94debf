"""When a run last ended well: for anyone who watches. Nothing else depends on it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

from stedi.roots import Files
from stedi.roots.names import last_run_file


def note_run(files: Files, run: str) -> None:
    """Note that a run has ended well; the caller holds the lock."""
    path = files.inside(last_run_file(files.root))
    noted = {"run": run, "ended": datetime.now(UTC).isoformat(timespec="milliseconds")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(noted), encoding="utf-8")
    files.publish([path])


def last_run(files: Files) -> datetime | None:
    """When a run last ended well; None where none has, or where the note is damaged."""
    with (
        suppress(OSError, ValueError, TypeError, LookupError),
        files.open(last_run_file(files.root)) as file,
    ):
        ended = datetime.fromisoformat(json.loads(file.readall())["ended"])
        return ended if ended.tzinfo else None
    return None

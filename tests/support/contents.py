"""What is asked of a lakehouse again and again: its figures, its contents, its files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from stedi import Lakehouse
from stedi.status import Status


def figures(status: Status) -> dict[str, Any]:
    """The figures of a status, as `truth.json` has them."""
    return {
        "tables": {name: table.rows for name, table in status.tables.items()},
        "sources": {
            name: {
                "files": source.files,
                "records": source.records,
                "loaded": source.loaded,
                "quarantined": source.quarantined,
                "copies": len(source.copies),
            }
            for name, source in status.sources.items()
        },
        "steps": {
            name: {"in": step.in_, "kept": step.kept, "dropped": step.dropped}
            for name, step in status.steps.items()
        },
        "notes": {note.code: note.count for note in status.notes},
    }


def foreseeable(found: dict[str, Any]) -> dict[str, Any]:
    """Figures but for how far values are spread: nobody knows that before they are published."""
    notes = {c: n for c, n in found["notes"].items() if not c.endswith("_spread")}
    return found | {"notes": notes}


def truth(root: Path) -> dict[str, Any]:
    """The figures of `truth.json` by profile, without those that `status` gives as a sum only."""
    profiles: dict[str, Any] = json.loads((root / "truth.json").read_text())["profiles"]
    for profile in profiles.values():
        for source in profile["sources"].values():
            del source["unknown_keys"]
    return profiles


TABLES = [
    "customer_landing",
    "accelerometer_landing",
    "step_trainer_landing",
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
    "quarantine",
    "loads",
]
WHEN = {"modified", "changed", "parts"}  # each run has times and names of its own


def contents(lakehouse: Lakehouse) -> dict[str, Counter[str]]:
    """Every row of every table; -0.0 is not 0.0 here."""
    found = {}
    for table in TABLES:
        rows = lakehouse.query(f"SELECT * FROM {table}").to_arrow()
        kept = rows.drop_columns([name for name in rows.column_names if name in WHEN])
        found[table] = Counter(repr(row) for row in kept.to_pylist())
    return found


def published_bytes(lakehouse: Lakehouse) -> list[bytes]:
    folder = lakehouse.root / "step_trainer" / "curated" / "data"
    return sorted(path.read_bytes() for path in folder.rglob("*.parquet"))


def digest(folder: Path) -> str:
    files = sorted(folder.glob("*/landing/*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

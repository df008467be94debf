"""Removes what runs that died have left: files that no snapshot refers to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stedi.roots.names import boxes_folder, notes_folder
from stedi.storage.warehouse import Warehouse


def remove_outdated(warehouse: Warehouse, published: str, location: str) -> None:
    """Remove what a published table was before, and whatever else lies in its folder."""
    warehouse.expire(published, {past.snapshot_id for past in warehouse.history(published)})
    _sweep_table(warehouse, published, location)


def start_anew(warehouse: Warehouse, locations: Mapping[str, str], profile: str) -> None:
    """Remove all tables; only landing files stay, and the lakehouse's profile."""
    warehouse.forget(profile)
    sweep(warehouse, locations)


def sweep(warehouse: Warehouse, locations: Mapping[str, str]) -> int:
    """Delete strays below the tables' folders (`locations` by table); returns how many."""
    return sum(_sweep_table(warehouse, table, location) for table, location in locations.items())


def _sweep_table(warehouse: Warehouse, table: str, location: str) -> int:
    files, referenced = warehouse.files, warehouse.referenced(table)
    version = warehouse.version(table)
    boxes = version.published.boxes if version and version.published else None
    folder = warehouse.root / location
    paths = [path for part in ("data", "metadata") for path, _ in files.below(folder / part)]
    strays = [path for path in paths if path not in referenced]
    for beside in (boxes_folder(warehouse.root), notes_folder(warehouse.root)):
        of_table = [path for path, _ in files.below(beside) if path.name.startswith(f"{table}-")]
        strays += [path for path in of_table if path not in referenced and path.name != boxes]
    files.remove(strays)
    for part in ("data", "metadata"):
        _remove_empty(files.inside(folder / part))
    return len(strays)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()

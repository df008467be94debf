"""Removes what runs that died have left: files that no snapshot refers to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from stedi.storage.warehouse import MACHINERY, Warehouse


def scratch_folder(root: Path) -> Path:
    """Where a run keeps what it needs only meanwhile."""
    return root / MACHINERY / "scratch"


def boxes_folder(root: Path) -> Path:
    """Where the tables of boxes lie: what published values stand for."""
    return root / MACHINERY / "boxes"


def remove_outdated(warehouse: Warehouse, published: str, location: str) -> None:
    """Remove what a published table was before, and whatever else lies in its folder."""
    warehouse.expire(published, {past.snapshot_id for past in warehouse.history(published)})
    _sweep_table(warehouse, published, location)


def start_anew(warehouse: Warehouse, locations: Mapping[str, str]) -> None:
    """Remove the catalog and all tables; only landing files stay."""
    warehouse.forget()
    sweep(warehouse, locations)


def sweep(warehouse: Warehouse, locations: Mapping[str, str]) -> int:
    """Delete strays below the tables' folders (`locations` by table); returns how many."""
    shutil.rmtree(scratch_folder(warehouse.root), ignore_errors=True)
    return sum(_sweep_table(warehouse, table, location) for table, location in locations.items())


def _sweep_table(warehouse: Warehouse, table: str, location: str) -> int:
    strays = 0
    referenced = warehouse.referenced(table)
    for part in ("data", "metadata"):
        for path in sorted((warehouse.root / location / part).rglob("*"), reverse=True):
            if path.is_dir():
                _remove_if_empty(path)
            elif path not in referenced:
                path.unlink()
                strays += 1
    version = warehouse.version(table)
    present = version.notes.get("boxes") if version else None
    for path in boxes_folder(warehouse.root).glob(f"{table}-*.parquet"):
        if path.name != present:
            path.unlink(missing_ok=True)
            strays += 1
    return strays


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()

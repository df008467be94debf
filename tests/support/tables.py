"""What a run does with tables, and which files it leaves."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from stedi import Lakehouse
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse


def strays(lakehouse: Lakehouse) -> list[Path]:
    """Files below the tables' folders, and notes of tables, that no snapshot refers to."""
    warehouse = Warehouse(open_root(lakehouse.root))
    found: list[Path] = list((lakehouse.root / "_stedi" / "notes").glob("*"))
    for name, table in lakehouse.status().tables.items():
        folder = Path(table.location.removeprefix("file://"))
        referenced = warehouse.referenced(name)
        found = [p for p in found if p not in referenced]
        found += [p for p in folder.rglob("*") if p.is_file() and p not in referenced]
    return found


PEOPLE = ("customer/trusted", "customer/curated", "accelerometer/trusted", "step_trainer/trusted")


def how(lakehouse: Lakehouse) -> dict[str, str]:
    """What a run does with each table."""
    return {built.table: built.how for built in lakehouse.run().built}


def files(lakehouse: Lakehouse, table: str) -> set[str]:
    version = Warehouse(open_root(lakehouse.root)).version(table)
    assert version is not None
    return {file.uri for file in version.files}


def declare(folder: Path, table: str, line: str) -> None:
    """Add a custom property to a contract."""
    path = folder / "contracts" / f"{table}.yaml"
    name, value = line.split(": ")
    first = "      - property: zone\n"
    text = path.read_text()
    assert name not in text
    path.write_text(text.replace(first, f"      - {{property: {name}, value: {value}}}\n{first}"))


def held_on_disk(root: Path, word: str) -> list[Path]:
    """Files of the trusted and curated zones that hold a word, whatever refers to them."""
    found = []
    for place in (*PEOPLE, "step_trainer/curated", "_stedi/boxes"):
        for path in (root / place).rglob("*"):
            if path.suffix == ".parquet":
                text = repr(pq.read_table(path).to_pylist())
            elif path.is_file():
                text = path.read_bytes().decode("latin-1")
            else:
                continue
            if word in text:
                found.append(path)
    return found

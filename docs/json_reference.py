"""Writes docs/reference/json.md: what each command prints with --json, from a run of all of them.

    python docs/json_reference.py

A test compares the page with a run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stedi import __version__

PAGE = Path(__file__).parent / "reference" / "json.md"
BEFORE = (
    "simulate a --customers 400 --people --defects 2 --seed 4 --quiet",
    "simulate b --customers 30 --people --seed 5 --quiet",
    "ingest a --quiet",
)
COMMANDS = (
    ("demo", "demo --root demo"),
    ("simulate DIR", "simulate c --customers 20"),
    ("ingest PATH", "ingest b"),
    ("ingest PATH --look", "ingest b --look"),
    ("run --dry-run", "run --dry-run"),
    ("run", "run"),
    ("status", "status --verify"),
    ("query SQL", "query 'SELECT 1 AS a'"),
    ("explain TABLE", "explain accelerometer_trusted"),
    ("quarantine list", "quarantine list --limit 3"),
    ("quarantine show PLACE", "quarantine show {place}"),
    ("quarantine replay", "quarantine replay"),
    ("check", "check"),
    ("check --explain COLUMN", "check --explain machine_learning_curated.x"),
    ("audit", "audit"),
    ("release DIR", "release data-set --recipient Somebody"),
    ("release DIR --private", "release synthetic --private --recipient Somebody"),
    ("releases", "releases"),
    ("train DIR", "train model"),
    ("predict DIR FILE...", "predict model b/accelerometer/landing/*.json"),
    ("page FILE.html", "page page.html"),
    ("export --duckdb FILE", "export --duckdb lakehouse.duckdb"),
    ("review", "review"),
    ("review accept NUMBER...", "review accept {number}"),
    ("disclose PERSON DIR", "disclose {person} disclosed"),
    ("erase --dry-run", "erase --email {person} --dry-run"),
    ("erase", "erase --email {person} --yes"),
    ("erase --verify", "erase --verify --email {person}"),
    ("secret", "secret"),
    ("secret rotate", "secret rotate"),
    ("secret rekey", "secret rekey"),
    ("ddl", "ddl"),
)
"""Each command as the page names it, and as it is run: in this order, in one lakehouse."""
PERSON = "SELECT MIN(email) AS email FROM customer_curated"
ASKED: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("person", f"query '{PERSON}'", lambda rows: rows[0]["email"]),
    ("place", "quarantine list --limit 1", lambda listed: listed["pieces"][0]["place"]),
    ("number", "review", lambda review: review["to_decide"][0]["review"]),
)
"""What commands need that only the lakehouse knows, and the command that says it."""
OF_DATA = re.compile(r"[^a-z_0-9]|_landing$|_trusted$|_curated$|_synthetic$")
NAMES = {
    *("customer", "accelerometer", "step_trainer", "email", "serial_number"),
    *("quarantine", "loads", "suspended", "device"),
}
"""Keys that are names of tables, sources or subjects, and are shown as NAME."""
MAPS = ("attacks", "checks", "dropped", "left_for", "quarantined", "set_aside")
"""Keys of objects whose own keys are names."""


def page() -> str:
    """The page, from a run of all commands."""
    parts = [
        "# JSON output",
        "",
        "<!-- made by `python docs/json_reference.py`: don't edit -->",
        "",
        f"The layout of what each command prints with `--json`, as of version {__version__}. "
        "It belongs "
        "to the version of stedi, which `stedi --version` and `stedi status --json` report. `NAME` "
        "stands for the name of a table, a source, a file, a reason or the like, `[]` for "
        "each element "
        "of a list.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for title, value in printed(Path(folder)):
            parts += [f"## stedi {title}", "", "| key | type |", "| --- | --- |"]
            parts += [f"| `{key}` | {type_} |" for key, type_ in layout(value).items()]
            parts.append("")
    return "\n".join(parts)


def printed(folder: Path) -> Iterator[tuple[str, Any]]:
    """What each command prints."""
    for words in BEFORE:
        called(words, folder)
    for title, words in COMMANDS:
        for name, ask, answer in ASKED:
            if f"{{{name}}}" in words:
                told = answer(json.loads(called(f"{ask} --json", folder)))
                words = words.replace(f"{{{name}}}", shlex.quote(told))
        yield title, json.loads(called(f"{words} --json", folder))


def called(words: str, folder: Path) -> str:
    """What a command prints; it may end with 1, as an audit that fails does."""
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m stedi {words}'],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode > 1:
        raise RuntimeError(f"{words}: {done.stderr}")
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Where the secret is a file of the folder: `secret rotate` replaces it."""
    told = {"STEDI_ROOT": "lakehouse", "XDG_CONFIG_HOME": str(folder / "config")}
    return {**{k: v for k, v in os.environ.items() if k != "STEDI_SECRET"}, **told}


def layout(value: Any) -> dict[str, str]:
    """Each key of a value, with its type."""
    found: dict[str, set[str]] = {}
    for path, type_ in walked(value, ""):
        found.setdefault(path, set()).add(type_)
    return {path or "(all)": " or ".join(in_order(types)) for path, types in found.items()}


def in_order(types: set[str]) -> list[str]:
    """Types as people read them: null comes last, and a list that may be empty is a list."""
    if "number" in types:
        types = types - {"whole number"}
    return sorted(types, key=lambda type_: (type_ == "null", type_))


def walked(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each part of a value, with its path and type."""
    if isinstance(value, Mapping):
        is_map = path.rpartition(".")[2] in MAPS or any(
            OF_DATA.search(key) or key in NAMES for key in value
        )
        yield path, "object"
        for key, one in value.items():
            yield from walked(one, f"{path}.{'NAME' if is_map else key}".lstrip("."))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield path, "list"
        for one in value:
            yield from walked(one, f"{path}[]")
    else:
        kinds = {bool: "true or false", int: "whole number", float: "number", str: "text"}
        yield path, "null" if value is None else kinds[type(value)]


if __name__ == "__main__":
    PAGE.write_text(page())

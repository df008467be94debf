"""Forgetting one person, and one in a thousand, of many customers, against a full run.

    python bench/erase.py [CUSTOMERS] [FOLDER]

Each is a process of its own, one after the other on the same lakehouse. CPU time is printed as a
share of a full run's: without the proof, which reads every byte, and also without the publication,
which is rebuilt as a whole however few people leave.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stedi import Lakehouse


def measured(*arguments: str) -> dict[str, float]:
    """Run this script as a process of its own; returns what that printed, and what it took."""
    begun = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.monotonic() - begun, "cpu": cpu, **told}


def full_run(root: str) -> None:
    """Read and build everything."""
    report = Lakehouse(root).run(full=True)
    print(json.dumps({"publication s": sum(built.publication_seconds for built in report.built)}))


def chosen(root: Path, people: int) -> list[str]:
    """E-mails of people who consent: they are in every table, and in what is published."""
    emails = []
    for path in sorted((root / "customer" / "landing").iterdir()):
        with path.open() as file:
            records = [json.loads(line) for line in file]
        emails += [r["email"] for r in records if r.get("shareWithResearchAsOfDate")]
    step = max(1, len(emails) // people)
    return emails[step // 2 :: step][:people]


def erase(root: str, people: str) -> None:
    """Forget who stands in a file; prints how long each part took."""
    emails = Path(people).read_text().split("\n")
    parts: dict[str, float] = {}
    now, cpu = time.monotonic(), time.process_time()
    part = "find"

    def progress(text: str) -> None:
        nonlocal now, cpu, part
        parts[part] = parts.get(part, 0.0) + time.monotonic() - now
        parts[f"{part} cpu"] = parts.get(f"{part} cpu", 0.0) + time.process_time() - cpu
        now, cpu = time.monotonic(), time.process_time()
        if text.startswith("taking records"):
            part = "raw files"
        elif text.startswith("reading every byte"):
            part = "proof"
        elif text.startswith("building machine_learning_curated"):
            part = "publication"
        elif part in ("raw files", "publication"):
            part = "tables"

    forgotten = Lakehouse(root).erase([("email", email) for email in emails], progress=progress)
    progress("done")
    assert forgotten is not None
    assert forgotten.proof.holds, forgotten.proof
    print(json.dumps({**parts, "bytes": forgotten.proof.traced.bytes}))


def main(customers: int, folder: Path) -> None:
    """Print a table of all measurements."""
    root = folder / "root"
    Lakehouse.simulate(root, customers=customers)
    full = measured("run", str(root))
    print("| | seconds | CPU s | proof, CPU s | publication, CPU s | of a full run | unpublished |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    show("full run", full, full)
    for people in (1, customers // 1000):
        emails = folder / "emails"
        emails.write_text("\n".join(chosen(root, people)))
        show(f"forget {people:,}", measured("erase", str(root), str(emails)), full)


def show(name: str, row: dict[str, float], full: dict[str, float]) -> None:
    """Print a line of the table, and its parts to standard error."""
    proof, publication = row.get("proof cpu", 0.0), row.get("publication cpu", 0.0)
    rest = row["cpu"] - proof
    print(
        f"| {name} | {row['seconds']:.1f} | {row['cpu']:.1f} | {proof:.1f} | {publication:.1f} | "
        f"{rest / full['cpu']:.2f} | {(rest - publication) / full['cpu']:.2f} |",
        flush=True,
    )
    parts = ", ".join(f"{key} {value:.1f}" for key, value in row.items())
    print(f"{name}: {parts}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("STEDI_SECRET", "a secret of the bench, which is long enough")
    if sys.argv[1:2] == ["run"]:
        full_run(sys.argv[2])
    elif sys.argv[1:2] == ["erase"]:
        erase(sys.argv[2], sys.argv[3])
    else:
        number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
        with tempfile.TemporaryDirectory() as temporary:
            main(number, Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary))

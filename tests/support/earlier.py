"""A lakehouse that version 0.1.0 made of simulated data, and how it was made.

    PYTHON-WITH-STEDI-0.1.0 tests/support/earlier.py

made root-0.1.0.tar.xz and root-0.1.0.json beside this file. The metadata of Iceberg's tables has
absolute paths: a lakehouse opens only where it was made, so that is a place that every machine has.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stedi import Lakehouse
from stedi.declared import packaged

PLACE = Path("/tmp/stedi-root-0.1.0")
ROOT, LATER = PLACE / "lakehouse", PLACE / "later"
"""The lakehouse, and a delivery that is still to be ingested."""
SECRET = "the secret of the root that 0.1.0 made, and of nothing else"

ARCHIVE = Path(__file__).with_name("root-0.1.0.tar.xz")
FIGURES = ARCHIVE.with_name("root-0.1.0.json")
"""What 0.1.0 says of it: its status, early and at last, its audit; the run of what came later."""


KEYS = ("customerName", "email", "phone", "birthDay", "serialNumber", "registrationDate")
VARYING = {
    *("boxes", "content", "files", "inputs", "last_left", "merged", "notes", "publication"),
    *("quarantine", "typed", "withdrawn"),
}
"""Notes that have names, numbers of snapshots, times, or words."""
BEGIN, HOUR = 1_700_000_000_000, 3_600_000
Records = Sequence[Mapping[str, Any]]


LENIENT = "          - property: lenient\n            value: true\n"


def as_strict(folder: Path) -> Path:
    """Declarations under which a number for a phone costs the record, as it did in 0.1.0."""
    shutil.copytree(str(packaged()), folder)
    contract = folder / "contracts" / "customer_landing.yaml"
    text = contract.read_text()
    assert LENIENT in text
    contract.write_text(text.replace(LENIENT, ""))
    return folder


class Unusable(Exception):
    """The lakehouse's place can't be used here."""


@contextmanager
def unpacked() -> Iterator[Path]:
    """The lakehouse at its place, for one process at a time; raises `Unusable`."""
    guard = PLACE.with_name(f"{PLACE.name}.lock")
    try:
        if PLACE.resolve() != PLACE:
            raise Unusable(f"{PLACE} is elsewhere, at {PLACE.resolve()}")
        with guard.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(PLACE, ignore_errors=True)
            PLACE.mkdir()
            try:
                with tarfile.open(ARCHIVE) as archive:
                    archive.extractall(PLACE, filter="data")
                yield ROOT
            finally:
                shutil.rmtree(PLACE, ignore_errors=True)
    except OSError as error:
        if error.filename in (str(guard), str(PLACE)):
            raise Unusable(f"{error.filename}: {error.strerror}") from error
        raise


def main() -> None:
    os.environ["STEDI_SECRET"] = SECRET
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    lakehouse = Lakehouse(ROOT)
    first = PLACE / "first"
    lakehouse.simulate(first, customers=60, seed=7, people=True, defects=1)
    take(lakehouse, first)
    customers = customers_of(lakehouse)
    when, early = datetime.now(UTC).isoformat(), status(lakehouse)
    time.sleep(0.01)
    for number in range(9):  # so many small files that some are merged
        take(lakehouse, deliver(PLACE / f"small-{number}", customers[-1:], BEGIN + number * HOUR))
    take(lakehouse, deliver(PLACE / "second", customers[-9:], BEGIN + 10 * HOUR, customers[:2]))
    deliver(LATER, customers[-6:], BEGIN + 11 * HOUR, customers[2:3])
    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for path in sorted(p for top in (ROOT, LATER) for p in top.rglob("*") if p.is_file()):
            archive.add(path, path.relative_to(PLACE), filter=of_nobody)
    said = {
        "when": when,
        "early": early,
        "status": status(lakehouse),
        "audit": audit(lakehouse),
        "run": take(lakehouse, LATER),
        "later": status(lakehouse),
        "later audit": audit(lakehouse),
        "later notes": notes(),
    }
    FIGURES.write_text(json.dumps(said, indent=1) + "\n")
    shutil.rmtree(PLACE)


def take(lakehouse: Lakehouse, delivery: Path) -> dict[str, Any]:
    """Ingest a delivery and run; how each table was built, and who withdrew.

    Landing files are of a whole second: an archive keeps no parts of one.
    """
    lakehouse.ingest(delivery)
    for path in ROOT.glob("*/landing/*"):
        os.utime(path, (int(path.stat().st_mtime),) * 2)
    report = lakehouse.run()
    return {
        "built": {built.table: built.how for built in report.built},
        "withdrawn": report.withdrawn and asdict(report.withdrawn),
    }


def but_difference(taken: dict[str, Any]) -> dict[str, Any]:
    """What a run did, but for what two publications tell: classes are others than 0.1.0's."""
    return taken | {"withdrawn": taken["withdrawn"] | {"difference": None}}


def customers_of(lakehouse: Lakehouse) -> Records:
    """Who is curated, as the landing zone has customers who consent to nothing."""
    rows = lakehouse.query("SELECT * FROM customer_curated ORDER BY email").to_arrow().to_pylist()
    return [{key: row[key.lower()] for key in KEYS} for row in rows]


def deliver(folder: Path, measuring: Records, begin: int, withdrawing: Records = ()) -> Path:
    """Readings of some customers, and that others do not consent any more."""
    times = range(begin, begin + 10_000, 1_000)
    files: dict[str, Records] = {
        "accelerometer": [
            {"user": customer["email"], "timestamp": at, "x": 0.1, "y": 0.9, "z": n / 100}
            for n, customer in enumerate(measuring)
            for at in times
        ],
        "step_trainer": [
            {
                "sensorReadingTime": at,
                "serialNumber": customer["serialNumber"],
                "distanceFromObject": 200 + n,
            }
            for n, customer in enumerate(measuring)
            for at in times
        ],
        "customer": [{**customer, "lastUpdateDate": begin} for customer in withdrawing],
    }
    for source, records in files.items():
        if records:
            path = folder / source / "landing" / f"{folder.name}.json"
            path.parent.mkdir(parents=True)
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def status(lakehouse: Lakehouse, *, verify: bool = False) -> dict[str, Any]:
    """As `stedi status --json` prints it."""
    state = lakehouse.status(verify=verify)
    printed: dict[str, Any] = state.model_dump(mode="json", by_alias=True)
    return printed


def figures(printed: dict[str, Any]) -> dict[str, Any]:
    """What a status says, but for its words."""
    return {
        "ok": printed["ok"],
        "profile": printed["profile"],
        "tables": {
            name: (table["rows"], table["freshness"]) for name, table in printed["tables"].items()
        },
        "sources": {  # 0.1.0 had no reasons to drop records
            name: {key: value for key, value in source.items() if (key, value) != ("dropped", {})}
            for name, source in printed["sources"].items()
        },
        "steps": {  # nor noise on what is published
            name: {key: value for key, value in step.items() if (key, value) != ("noise", None)}
            for name, step in printed["steps"].items()
        },
        "notes": {note["code"]: note["count"] for note in printed["notes"]},
        "problems": printed["problems"],
    }


NOT_ALLOWED = {"unknown user", "spelled otherwise", "consent suspended", "after withdrawal"}
"""Reasons that 0.1.0 did not tell from another."""
NEW_NOTES = {"consent_suspended", "consent_begins_later", "update_time_after_arrival"}


def as_told(told: dict[str, Any]) -> dict[str, Any]:
    """Figures, as 0.1.0 would have told them: fewer reasons and notes."""
    steps = {}
    for table, step in told["steps"].items():
        dropped = dict(step["dropped"])
        others = sum(dropped.pop(reason, 0) for reason in NOT_ALLOWED)
        if table == "accelerometer_trusted":
            dropped["user does not consent"] = dropped.get("user does not consent", 0) + others
        steps[table] = step | {"dropped": dropped}
    notes = {
        code: count
        for code, count in told["notes"].items()
        if code not in NEW_NOTES and not code.endswith("_spread")
    }
    return told | {"steps": steps, "notes": notes}


def snapshots(printed: dict[str, Any]) -> dict[str, str]:
    return {name: table["snapshot"] for name, table in printed["tables"].items()}


def audit(lakehouse: Lakehouse) -> dict[str, Any]:
    """As `stedi audit --json` prints it."""
    return lakehouse.audit().model_dump(mode="json")


def notes() -> dict[str, dict[str, Any]]:
    """What the summary of each table's snapshot notes, as far as it is the same for each run."""
    noted = {}
    for folder in sorted(ROOT.glob("*/*/metadata")):
        last = json.loads(max(folder.glob("*.metadata.json")).read_text())
        [summary] = (
            snapshot["summary"]
            for snapshot in last["snapshots"]
            if snapshot["snapshot-id"] == last["current-snapshot-id"]
        )
        if name := summary.get("stedi.kept-as"):  # not so in 0.1.0
            [kept] = (ROOT / "_stedi" / "notes").glob(f"*-{name}.json")
            summary = json.loads(kept.read_text())
        noted[str(folder.parent.relative_to(ROOT))] = {
            key: None if key.removeprefix("stedi.") in VARYING else json.loads(value)
            for key, value in sorted(summary.items())
            if key.startswith("stedi.")
        }
    return noted


def of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()

"""What tables must hold, worked out from landing files in plain Python by the words of the design.

Shares nothing with the package: files are read a line at a time by `json`, a customer's record that
was cut off is found by a regular expression.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
Tables = dict[str, list[Row]]

CUSTOMER = (
    "customerName",
    "email",
    "phone",
    "birthDay",
    "serialNumber",
    "registrationDate",
    "lastUpdateDate",
    "shareWithResearchAsOfDate",
    "shareWithPublicAsOfDate",
    "shareWithFriendsAsOfDate",
)
ACCELEROMETER = ("user", "timestamp", "x", "y", "z")
STEP_TRAINER = ("sensorReadingTime", "serialNumber", "distanceFromObject")
KEYS = {"customer": CUSTOMER, "accelerometer": ACCELEROMETER, "step_trainer": STEP_TRAINER}
LATE = 4_000_000_000_000
"""Later than any file arrives, and than any run: the year 2096."""
EMAIL = re.compile(rb'"email": ?"([^"]+)"')


def rebuild(root: Path, profile: str, *, notes: bool = False) -> Tables:
    """Every table but the published one, whose rows before generalisation are under `pairs`.

    With `notes` accelerometer records have a column `note`.
    """
    records, broken = _landing(root)
    tables: Tables = {}
    for source, keys in KEYS.items():
        more = ("note",) if notes and source == "accelerometer" else ()
        # When files arrived is not compared; folded spellings stand behind who it is.
        all_keys = [*keys, *more]
        if source == "customer":
            all_keys.insert(2, "folded")
        if source == "accelerometer":
            all_keys.insert(5, "folded")
        known = [r | {"folded": folded(r.get("email", r.get("user", "")))} for r in records[source]]
        tables[f"{source}_landing"] = _rows(known, all_keys)
    newest: dict[str, dict[str, Any]] = {}
    for record in records["customer"]:
        email = record["email"]
        if email not in newest or _rank(record) < _rank(newest[email]):
            newest[email] = record
    suspended = {folded(email) for email in broken}
    suspended |= {folded(r["email"]) for r in records["customer"] if r["lastUpdateDate"] >= LATE}
    spelled: dict[str, set[str]] = defaultdict(set)
    for email in newest:
        spelled[folded(email)].add(email)
    trusted = {
        email: record
        for email, record in newest.items()
        if folded(email) not in suspended
        and all(_consents(newest[other]) for other in spelled[folded(email)])
    }
    strict = profile == "strict"
    accelerations = [
        r
        for r in records["accelerometer"]
        if r["user"] in trusted
        and not (strict and r["timestamp"] < trusted[r["user"]]["shareWithResearchAsOfDate"])
    ]
    measured = {r["user"] for r in accelerations}
    curated = {email: record for email, record in trusted.items() if email in measured}
    serials = {record["serialNumber"] for record in curated.values()}
    consent: dict[str, int] = defaultdict(int)
    owners: Counter[str] = Counter()
    for record in trusted.values():
        serial = record["serialNumber"]
        consent[serial] = max(consent[serial], record["shareWithResearchAsOfDate"])
        owners[serial] += 1
    refused = {r["serialNumber"] for r in records["customer"] if r["email"] not in trusted}
    readings = [
        r
        for r in records["step_trainer"]
        if r["serialNumber"] in serials
        and not (
            strict
            and (
                r["serialNumber"] in refused or r["sensorReadingTime"] < consent[r["serialNumber"]]
            )
        )
    ]
    at = defaultdict(list)
    for record in accelerations:
        at[record["timestamp"]].append(record)
    pairs = [
        (float(reading["distanceFromObject"]), other["x"], other["y"], other["z"])
        for reading in readings
        for other in at[reading["sensorReadingTime"]]
        if not strict
        or (
            owners[reading["serialNumber"]] == 1
            and trusted[other["user"]]["serialNumber"] == reading["serialNumber"]
        )
    ]
    tables["customer_trusted"] = _rows(trusted.values(), CUSTOMER)
    tables["accelerometer_trusted"] = _rows(accelerations, ACCELEROMETER)
    tables["customer_curated"] = _rows(curated.values(), CUSTOMER)
    tables["step_trainer_trusted"] = _rows(readings, STEP_TRAINER)
    tables["pairs"] = pairs
    return tables


def _landing(root: Path) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    """Records by source, files with the same bytes once; whose consent is suspended."""
    records: dict[str, list[dict[str, Any]]] = {source: [] for source in KEYS}
    suspended = set()
    for source in KEYS:
        contents = {path.read_bytes() for path in (root / source / "landing").glob("*.json")}
        for line in (line for content in contents for line in content.splitlines()):
            try:
                records[source].append(json.loads(line))
            except ValueError:
                if source == "customer" and (found := EMAIL.search(line)):
                    suspended.add(found[1].decode())
    return records, suspended


def folded(email: str) -> str:
    """As landing folds it: of what the histories' spellings have."""
    return email.replace("\u200b", "").strip().lower()


def _consents(record: dict[str, Any]) -> bool:
    return 0 < (record.get("shareWithResearchAsOfDate") or 0) < LATE


def _rank(record: dict[str, Any]) -> tuple[Any, ...]:
    """The smallest of a customer's records is the one that counts."""
    consents = (record.get("shareWithResearchAsOfDate") or 0) > 0
    rest = (
        "customerName", "phone", "birthDay", "serialNumber", "registrationDate",
    )  # fmt: skip
    shares = CUSTOMER[7:]
    return (
        record["lastUpdateDate"] >= LATE,
        -record["lastUpdateDate"],
        consents,
        *(record[key] for key in rest),
        *((record.get(key) is not None, record.get(key) or 0) for key in shares),
    )


def _rows(records: Iterable[dict[str, Any]], keys: Sequence[str]) -> list[Row]:
    return [tuple(record.get(key) for key in keys) for record in records]

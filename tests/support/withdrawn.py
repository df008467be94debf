"""Somebody who is in the published table withdraws, or comes back, in landing files of their own."""

from __future__ import annotations

import json
from typing import Any

from stedi import Lakehouse


def somebody(lakehouse: Lakehouse, name: str = "later.json") -> str:
    """Land the record by which somebody of `customer_curated` withdraws; returns their e-mail."""
    query = "SELECT * FROM customer_curated ORDER BY email LIMIT 1"
    [one] = lakehouse.query(query).to_arrow().to_pylist()
    _land(lakehouse, one, name, one["lastupdatedate"] + 1, None)
    return str(one["email"])


def comes_back(lakehouse: Lakehouse, email: str, name: str) -> None:
    """Land the record by which somebody who withdrew consents again, since when they first did."""
    query = "SELECT * FROM customer_landing WHERE email = '{}' ORDER BY lastupdatedate"
    *_, before, gone = lakehouse.query(query.format(email)).to_arrow().to_pylist()
    consent = before["sharewithresearchasofdate"]
    _land(lakehouse, gone, name, gone["lastupdatedate"] + 1, consent)


def _land(
    lakehouse: Lakehouse, one: dict[str, Any], name: str, updated: int, consent: int | None
) -> None:
    record = {
        "customerName": one["customername"], "email": one["email"], "phone": one["phone"],
        "birthDay": one["birthday"], "serialNumber": one["serialnumber"],
        "registrationDate": one["registrationdate"], "lastUpdateDate": updated,
    } | ({} if consent is None else {"shareWithResearchAsOfDate": consent})  # fmt: skip
    (lakehouse.root / "customer" / "landing" / name).write_text(json.dumps(record))

"""Times as deliveries have them: epoch milliseconds, or what was given in their place."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from stedi.columns import Column
from stedi.declared.contract import Contract
from stedi.landing.records import parsed_object

MILLISECONDS = "milliseconds"
_LAST_INSTANT = 10**11
"""A column whose declared maximum is greater holds times."""
_UNITS = ((10**8, None), (10**11, "seconds"), (10**14, MILLISECONDS), (10**17, "microseconds"))


def is_time(contract: Contract, column: Column) -> bool:
    """Whether a column has times."""
    named = (contract.entered_at, contract.changed_at, contract.retention.record_column)
    is_late = column.maximum is not None and column.maximum > _LAST_INSTANT
    return column.type == "long" and (column.name in named or is_late)


def unit_of(value: object) -> str | None:
    """In what a time seems to be given; None where nobody can tell."""
    if isinstance(value, str):
        if value.strip().lstrip("-").isdigit():
            return "numbers in quotes"
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return None
        return "ISO times"
    if isinstance(value, Decimal) and value.adjusted() < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return next((unit for least, unit in _UNITS if abs(value) < least), "nanoseconds")


def unit_at(contract: Contract, raw: bytes, key: str) -> str | None:
    """In what the time under a key of an object seems to be given; None where it is none."""
    columns = {(c.json_key or c.name).lower(): c for c in contract.delivered}
    column = columns.get(key.lower())
    if column is None or not is_time(contract, column):
        return None
    values = parsed_object(raw)
    return unit_of(next((v for k, v in values.items() if k.lower() == key.lower()), None))

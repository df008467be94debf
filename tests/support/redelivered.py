"""Declarations by which records that are delivered again count each time."""

from __future__ import annotations

from pathlib import Path

_SOURCE = "      - property: source\n"


def each_time(declarations: Path) -> None:
    """Have every landing contract in a folder of declarations say so."""
    for contract in (declarations / "contracts").glob("*_landing.yaml"):
        text = contract.read_text()
        assert text.count(_SOURCE) == 1
        contract.write_text(
            text.replace(
                _SOURCE, f"      - property: redelivered\n        value: each time\n{_SOURCE}"
            )
        )

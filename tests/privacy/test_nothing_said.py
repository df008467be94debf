"""Nothing that is printed or logged names a person."""

from __future__ import annotations

from pathlib import Path

from stedi import Lakehouse
from tests.conftest import Land
from tests.support import small
from tests.support.processes import started


def test_nothing_that_is_said_names_a_person(
    small_lakehouse: Lakehouse, land: Land, folder: Path
) -> None:
    """Plans, reports, errors and logs; names, e-mails, serial numbers and birthdays."""
    land(
        "customer", b'{"email": "ann@example.com", "customerName": "Ann", "serial', name="bad.json"
    )
    rule = folder / "contracts" / "step_trainer_trusted.yaml"
    rule.write_text(rule.read_text().replace("WHERE NOT EXISTS", "WHERE EXISTS"))
    told = ""
    for arguments, declarations in (
        (["run", "--dry-run"], None),
        (["run"], None),
        (["run", "--json"], None),
        (["run"], folder),
        (["run", "--full", "--max-pairs", "1"], None),
        (["status", "--verify"], None),
        (["status", "--json"], None),
        (["quarantine", "list"], None),
        (["quarantine", "list", "--json"], None),
        (["audit"], None),
        (["audit", "--json"], None),
        (["check"], None),
        (["query", "SELECT CAST(email AS BIGINT) FROM customer_trusted"], None),
        (["run", "--dry-run", "--json"], folder),
    ):
        env = {"STEDI_DECLARATIONS": str(declarations)} if declarations else {}
        done = started(*arguments, "--root", small_lakehouse.root, env=env).ended()
        assert "Traceback" not in done.stderr
        told += done.stdout + done.stderr
    land("customer", [small.customer("eve", "S5", 9000)], name="withdrawn.json")
    for arguments in (["run", "--dry-run"], ["run"], ["status"]):
        done = started(*arguments, "--root", small_lakehouse.root).ended()
        told += done.stdout + done.stderr
    told += "".join(path.read_text() for path in (small_lakehouse.root / "_stedi").glob("*.jsonl"))
    told += (small_lakehouse.root / "_stedi" / "lock").read_text()
    assert "People who don't consent any more: 1." in told
    assert "serial number of no curated customer" in told  # the rule that was broken
    for name in ("ann", "ben", "cat", "eve", "fay", "ivy"):
        assert f"{name}@example.com" not in told
        assert f'"{name.title()}"' not in told
    assert "1980-01-01" not in told
    assert "S13" not in told

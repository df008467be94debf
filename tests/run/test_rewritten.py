"""Another program rewrites a table, as table optimizers and Athena's OPTIMIZE do."""

from __future__ import annotations

import pytest

from stedi import Lakehouse
from tests.conftest import rows
from tests.support import small


def optimize(lakehouse: Lakehouse, table: str) -> None:
    """All rows in one new file, with the bounds of every column, by a commit of its own."""
    catalog = lakehouse._root.catalog
    opened = catalog.open().load_table(catalog.name(table))
    before = opened.scan().to_arrow()
    with opened.transaction() as work:
        metrics = [name for name in opened.properties if name.startswith("write.metadata.metrics")]
        work.set_properties(dict.fromkeys(metrics, "full"))
        work.overwrite(before)


def bounds(lakehouse: Lakehouse, table: str) -> bytes:
    """The bounds of all columns of the table as it is."""
    catalog = lakehouse._root.catalog
    opened = catalog.open().load_table(catalog.name(table))
    return b"".join(
        value
        for planned in opened.scan().plan_files()
        for both in (planned.file.lower_bounds, planned.file.upper_bounds)
        for value in (both or {}).values()
    )


@pytest.mark.parametrize("table", ["customer_landing", "customer_trusted"])
def test_a_run_rebuilds_it_without_bounds_of_identifiers_and_says_so(
    small_lakehouse: Lakehouse, table: str
) -> None:
    small_lakehouse.run()
    before = sorted(rows(small_lakehouse, f"SELECT * FROM {table}"), key=repr)
    optimize(small_lakehouse, table)
    assert b"ann@example.com" in bounds(small_lakehouse, table)
    problems = small_lakehouse.status().problems
    assert any(f"table {table}: is not as the last run left it" in one for one in problems)

    report = small_lakehouse.run()
    assert [remark for remark in report.remarks if "another program" in remark] == [
        f"{table} was rewritten by another program since the last run, and rebuilt. Leave table "
        "optimizers and OPTIMIZE off: what they write has the least and greatest values of columns "
        "that identify people, until its snapshots expire"
    ]
    assert b"@" not in bounds(small_lakehouse, table)
    assert sorted(rows(small_lakehouse, f"SELECT * FROM {table}"), key=repr) == before
    assert small_lakehouse.status(verify=True).problems == []
    assert (
        small.SEED["customer_trusted"] == small_lakehouse.status().tables["customer_trusted"].rows
    )

    again = small_lakehouse.run()
    assert again.built == ()
    assert not [remark for remark in again.remarks if "another program" in remark]

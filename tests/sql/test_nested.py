"""CTEs of one name in two subqueries, as a comparison of a table with its earlier self has them."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from stedi.sql.dialects import for_spark


def test_each_subquery_keeps_its_ctes_on_spark() -> None:
    sides = [
        exp.select("k").from_(
            sqlglot.parse_one(
                f"WITH a AS (SELECT {n} AS k) SELECT k FROM a", read="trino", into=exp.Select
            ).subquery("side")
        )
        for n in (1, 2)
    ]
    query = exp.select("k").from_(exp.union(*sides, distinct=False).subquery("sides"))
    sql = for_spark(query)
    assert sql.startswith("SELECT")
    assert [sql.count(f"(WITH a AS (SELECT {n} AS k)") for n in (1, 2)] == [1, 1]

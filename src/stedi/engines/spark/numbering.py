"""Numbers rows in the order of their keys without one task over all of them.

Spark works out ROW_NUMBER() OVER (ORDER BY key) in a single task. Here rows are sorted into ranges
of the key, each range is numbered by itself, and a number begins where those of the ranges before
end: the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KEY, _RANGE = "_key", "_range"
"""No declared column is called so."""
_PARTS = {"expressions", "from_", "where", "group", "having", "joins"}
"""What a SELECT may have; others would have to be worked out after the numbers."""


@dataclass(frozen=True)
class Numbering:
    """A SELECT that numbers its groups by their key, in the column `number`."""

    select: exp.Select
    key: exp.Expr
    number: str

    @property
    def tables(self) -> set[str]:
        """The tables that it reads."""
        return {table.name for table in self.select.find_all(exp.Table)}

    @property
    def unnumbered(self) -> exp.Select:
        """The same without numbers, and with the key beside its columns."""
        select = self.select.copy()
        kept = [column for column in select.expressions if column.alias_or_name != self.number]
        select.set("expressions", [*kept, exp.alias_(self.key.copy(), _KEY)])
        return select

    def reading(self, view: str) -> exp.Select:
        """A SELECT of the same columns from a view that has the numbers."""
        columns = (exp.column(name, quoted=True) for name in self.select.named_selects)
        return exp.select(*columns).from_(exp.to_table(view))


def numberings(query: exp.Query) -> Iterator[Numbering]:
    """The SELECTs within a query that number their groups, and read nothing but tables."""
    named = {cte.alias for cte in query.find_all(exp.CTE)}
    for select in query.find_all(exp.Select):
        found = _numbering(select)
        if found and not found.tables & named and not select.find(exp.Subquery):
            yield found


def _numbering(select: exp.Select) -> Numbering | None:
    group = select.args.get("group")
    if group is None or len(group.expressions) != 1:
        return None
    if any(value for name, value in select.args.items() if name not in _PARTS):
        return None
    [key] = group.expressions
    windows = [*select.find_all(exp.Window)]
    columns = [c for c in select.expressions if isinstance(c.unalias(), exp.Window)]
    if len(windows) != 1 or len(columns) != 1:
        return None
    [window], [column] = windows, columns
    order = window.args.get("order")
    if window.args.get("partition_by") or not isinstance(window.this, exp.RowNumber) or not order:
        return None
    [*ordered] = order.expressions
    if len(ordered) != 1 or ordered[0].this != key:
        return None
    if ordered[0].args.get("desc") or ordered[0].args.get("nulls_first"):
        return None
    return Numbering(select, key, column.alias_or_name)


def into_ranges(rows: DataFrame) -> DataFrame:
    """Rows sorted into ranges of their key, with the number of the range."""
    from pyspark.sql import functions

    ranges = int(str(rows.sparkSession.conf.get("spark.sql.shuffle.partitions")))
    # With a set number of ranges, Spark leaves them as they are.
    apart = rows.repartitionByRange(ranges, functions.col(_KEY).asc_nulls_last())
    return apart.withColumn(_RANGE, functions.spark_partition_id())


def numbered(apart: DataFrame, number: str) -> DataFrame:
    """Rows that were sorted into ranges, and written, with their numbers."""
    from pyspark.sql import functions
    from pyspark.sql.window import Window

    counts = {row[0]: row[1] for row in apart.groupBy(_RANGE).count().collect()}
    sizes = [counts.get(one, 0) for one in range(max(counts, default=0) + 1)]
    before = functions.array(*(functions.lit(n).cast("bigint") for n in [0, *accumulate(sizes)]))
    within = Window.partitionBy(_RANGE).orderBy(functions.col(_KEY).asc_nulls_last())
    rank = functions.row_number().over(within).cast("bigint")
    return apart.withColumn(
        number, rank + functions.element_at(before, functions.col(_RANGE) + 1)
    ).drop(_KEY, _RANGE)

"""The engine for what outgrows one machine: Spark, on this one or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from stedi import parquet
from stedi.columns import TYPES, Column, ColumnType
from stedi.engines.delete_rows import Deleted, Deletion, by_query
from stedi.engines.parted import files_by_number
from stedi.engines.spark.executors import Executors, translated_errors
from stedi.engines.spark.numbering import into_ranges, numbered, numberings
from stedi.engines.spark.session import driver_bytes, join_or_start
from stedi.errors import DeclarationError
from stedi.parquet import Field
from stedi.roots import Files, footer_source, local_files
from stedi.sql.dialects import for_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_BROADCAST_BYTES = 256 << 20
_TEXT_BYTES = 40
"""About what a text takes in memory."""
_TYPES: Mapping[str, ColumnType] = {
    **{names.spark.lower(): type_ for type_, names in TYPES.items()},
    **{"tinyint": "long", "smallint": "long", "int": "long", "float": "double"},
}


class SparkEngine:
    """Runs queries in Spark; `scratch` lies where every worker sees it."""

    name = "spark"

    def __init__(
        self, scratch: Path, master: str | None = None, files: Files | None = None
    ) -> None:
        self.session, self._is_ours = join_or_start(master)
        self._files: Files = files or local_files(scratch)
        self._files.let_spark_read(self.session)
        self._scratch = scratch
        self.crew: Executors = Executors(self.session.sparkContext, f"stedi-{uuid4()}")
        self._is_closed = False
        self._counted: dict[str, int] = {}
        self._small: set[str] = set()
        self._numbered: dict[str, tuple[set[str], str]] = {}
        """The view of each SELECT that numbers many groups, and what it reads."""
        self._broadcast_bytes = min(driver_bytes(self.session) // 16, _MOST_BROADCAST_BYTES)
        self.crew.refuse_other_versions()

    def declare(self, table: str, columns: Sequence[Column], files: Sequence[str]) -> None:
        """Let queries read `table` from these Parquet files; a second call replaces the first."""
        with translated_errors():
            if files:
                schema = ", ".join(f"{_quoted(c.name)} {TYPES[c.type].spark}" for c in columns)
                reader = self.session.read.schema(schema).option("__globPaths__", "false")
                rows = reader.parquet(*(self._files.uri(Path(file)) for file in files))
            else:
                nulls = ", ".join(
                    f"CAST(NULL AS {TYPES[c.type].spark}) AS {_quoted(c.name)}" for c in columns
                )
                rows = self.session.sql(f"SELECT {nulls} WHERE false")
            rows.createOrReplaceTempView(table)
        self._forget(table)
        if self._is_small(files, columns):
            self._small.add(table)

    def materialise(self, table: str, query: exp.Query) -> None:
        """Work out a query once and let later queries read it as `table`."""
        self._materialise(table, query)

    def spill(self, table: str, query: exp.Query) -> None:
        """Like `materialise`, for more rows than memory has room for: into files, in scratch."""
        self._materialise(table, query)

    def part(self, query: exp.Query, by: str) -> dict[int, list[Path]]:
        """Write rows to Parquet files in scratch, apart by the whole number in one column.

        Returns the files by that number, which is in none of them.
        """
        rows = self._rows(query)
        folder = self._scratch / f"parts-{uuid4()}"
        self.crew.wait(
            lambda: rows.repartition(by).write.partitionBy(by).parquet(self._files.uri(folder)),
            "shuffle",
        )
        return files_by_number(path for path, _ in self._files.below(folder))

    def gather(self, table: str, query: exp.Query) -> pa.Table:
        """The rows of a query, in memory and in no set order; later queries read it as `table`.

        Read from its files: what Spark would send to the driver has a limit of its own.
        """
        folder = self._materialise(table, query)
        written = [path for path, _ in self._files.below(folder) if path.suffix == ".parquet"]
        self._files.fetch(written)
        return pq.read_table(sorted(map(str, written)))

    def _materialise(self, table: str, query: exp.Query) -> Path:
        folder, read = self._written_out(self._rows(query), table)
        self._forget(table)
        with translated_errors():
            read.createOrReplaceTempView(table)
        return folder

    def _written_out(self, rows: DataFrame, what: str) -> tuple[Path, DataFrame]:
        """Rows in files, in scratch, and what reads them from there."""
        folder = self._scratch / f"{what}-{uuid4()}"
        self.crew.wait(lambda: rows.write.parquet(self._files.uri(folder)), f"work out {what}")
        with translated_errors():
            reader = self.session.read.schema(rows.schema).option("__globPaths__", "false")
            return folder, reader.parquet(self._files.uri(folder))

    def _forget(self, table: str) -> None:
        """Let go of what is known of a table that is another now."""
        self._small.discard(table)
        stale = [sql for sql, (tables, _) in self._numbered.items() if table in tables]
        for sql in stale:
            del self._numbered[sql]

    def write(self, query: exp.Query, fields: Sequence[Field], folder: Path) -> list[Path]:
        """Write the rows of a query to new Parquet files in a fresh folder, in no set order."""
        from pyspark.sql import functions

        rows = self._rows(query)
        with translated_errors():
            columns = [
                functions.col(_quoted(f.name))
                .cast(TYPES[f.type].spark)
                .alias(f.name, metadata={"parquet.field.id": f.id})
                for f in fields
            ]
            selected = rows.select(*columns)
        self.crew.wait(
            lambda: selected.write.mode("append").parquet(self._files.uri(folder)),
            f"write {self._files.name(folder)}",
        )
        return self._written(folder)

    def delete_rows(self, deletion: Deletion) -> Deleted:
        """Rewrite files without some of their rows; files that have none of them stay."""
        return by_query(self, deletion)

    def fetch(self, query: exp.Query) -> pa.Table:
        """The rows of a query, in memory: for counts and other small results."""
        return self.crew.wait(lambda: _to_arrow(self._rows(query)), "fetch")

    def types(self, query: exp.Query) -> Mapping[str, ColumnType | str]:
        """The columns of a query, with their types; types we have no name for as is.

        Raises `DeclarationError` for a query that can't be run.
        """
        from pyspark.errors import AnalysisException, ParseException

        try:
            schema = self.session.sql(for_spark(query)).schema
        except (AnalysisException, ParseException) as error:
            # No data was read.
            raise DeclarationError(f"Spark: {str(error).strip().splitlines()[0]}") from None
        types = ((field.name, field.dataType.simpleString()) for field in schema.fields)
        return {name: _TYPES.get(type_, type_) for name, type_ in types}

    def plan(self, query: exp.Query) -> str:
        """The plan that Spark ran a query by, for people and tests; the query is run for it."""
        rows = self._rows(query)
        rows._jdf.collectToPython()  # adaptive plans are final only then
        return str(rows._jdf.queryExecution().executedPlan().toString())

    def close(self) -> None:
        """Stop what is at work, and let go of memory and scratch files; again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self.crew.close()
        self._files.remove_below(self._scratch)
        if self._is_ours:
            self.session.stop()

    def _is_small(self, files: Sequence[str], columns: Sequence[Column]) -> bool:
        """Whether a table can be sent to every executor whole.

        Spark would go by the size of its files, of which one can hold a thousand times as much.
        """
        count = 0
        for file in files:
            if file not in self._counted:
                try:
                    self._counted[file] = self._count_rows(Path(file))
                except OSError:
                    return False  # anyone who reads it will say so
            count += self._counted[file]
        width = sum(_TEXT_BYTES if column.type in ("string", "binary") else 8 for column in columns)
        return count * width <= self._broadcast_bytes

    def _written(self, folder: Path) -> list[Path]:
        """The files that Spark wrote; those without rows and its checksums are removed."""
        paths = sorted(path for path, _ in self._files.below(folder))
        written = [path for path in paths if path.suffix == ".parquet" and self._count_rows(path)]
        self._files.remove([path for path in paths if path not in written])
        return written

    def _count_rows(self, path: Path) -> int:
        return parquet.count_rows(footer_source(self._files, path))

    def _rows(self, query: exp.Query) -> DataFrame:
        tree = self._with_numbers(query)
        with translated_errors():
            return self.session.sql(for_spark(tree, self._small))

    def _with_numbers(self, query: exp.Query) -> exp.Query:
        """A query in which many groups are numbered by many tasks, as `numbering` does it."""
        if not query.find(exp.RowNumber):
            return query
        tree = query.copy()
        for found in [*numberings(tree)]:
            if found.tables <= self._small:
                continue  # one task is quicker
            sql = found.select.sql()
            if sql not in self._numbered:
                with translated_errors():
                    apart = into_ranges(self.session.sql(for_spark(found.unnumbered, self._small)))
                _, written = self._written_out(apart, "numbered")
                rows = self.crew.wait(partial(numbered, written, found.number), "number people")
                view = f"numbered_{uuid4().hex}"
                with translated_errors():
                    rows.createOrReplaceTempView(view)
                self._numbered[sql] = found.tables, view
            reading = found.reading(self._numbered[sql][1])
            if found.select is tree:
                return reading
            found.select.replace(reading)
        return tree


def _to_arrow(rows: DataFrame) -> pa.Table:
    frame: Any = rows
    if hasattr(frame, "toArrow"):  # Spark 4
        return frame.toArrow()
    batches = frame._collect_as_arrow()
    if batches:
        return pa.Table.from_batches(batches)
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(rows.schema).empty_table()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"

"""An engine turns Parquet files into Parquet files; it never commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stedi.errors import UsageError
from stedi.roots import Files

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp

    from stedi.columns import Column, ColumnType
    from stedi.engines.crew import Crew
    from stedi.engines.delete_rows import Deleted, Deletion
    from stedi.parquet import Field


class Engine(Protocol):
    """What an engine must offer. Queries are trees of Athena's SQL; paths are local or URIs."""

    name: str

    @property
    def crew(self) -> Crew:
        """Who reads landing files, and whatever else comes in independent parts."""

    def declare(self, table: str, columns: Sequence[Column], files: Sequence[str]) -> None:
        """Let queries read `table` from these Parquet files; a second call replaces the first."""

    def materialise(self, table: str, query: exp.Query) -> None:
        """Work out a query once and let later queries read it as `table`."""

    def spill(self, table: str, query: exp.Query) -> None:
        """Like `materialise`, for more rows than memory has room for: into files, in scratch."""

    def part(self, query: exp.Query, by: str) -> dict[int, list[Path]]:
        """Write rows to Parquet files in scratch, apart by the whole number in one column.

        Returns the files by that number, which is in none of them.
        """

    def gather(self, table: str, query: exp.Query) -> pa.Table:
        """The rows of a query, in memory and in no set order; later queries read it as `table`."""

    def write(self, query: exp.Query, fields: Sequence[Field], folder: Path) -> list[Path]:
        """Write the rows of a query to new Parquet files in a fresh folder, in no set order."""

    def delete_rows(self, deletion: Deletion) -> Deleted:
        """Rewrite files without some of their rows; files that have none of them stay."""

    def fetch(self, query: exp.Query) -> pa.Table:
        """The rows of a query, in memory: for counts and other small results."""

    def types(self, query: exp.Query) -> Mapping[str, ColumnType | str]:
        """The columns of a query, with their types; types we have no name for as is."""

    def close(self) -> None:
        """Stop what is at work, and let go of memory and scratch files; again does nothing."""


_NAMES = ("duckdb", "spark")
MakeEngine = Callable[[Path, Files], Engine]
"""Makes an engine that spills into a folder."""


def choose(name: str, master: str | None = None) -> MakeEngine:
    """What makes the engine of a name, which is loaded only then; raises `UsageError`.

    `master` is where Spark runs.
    """
    if name not in _NAMES:
        raise UsageError(f"--engine {name}: there are {', '.join(_NAMES)}")
    if name != "spark" and master is not None:
        raise UsageError("--master is Spark's; add --engine spark")

    def make(scratch: Path, files: Files) -> Engine:
        if name == "spark":
            from stedi.engines.spark import SparkEngine

            return SparkEngine(scratch, master, files)
        from stedi.engines.duckdb import DuckDBEngine

        return DuckDBEngine(scratch, files)

    return make

"""An engine turns Parquet files into Parquet files; it never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from stedi.columns import Column, ColumnType
from stedi.engines.crew import Crew
from stedi.engines.delete_rows import Asked, TakenOut
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

    def gather(self, table: str, query: exp.Query) -> pa.Table:
        """What a query gives, in memory and in no set order; later queries read it as `table`."""

    def write(self, query: exp.Query, fields: Sequence[Field], folder: Path) -> list[Path]:
        """Write what a query gives to new Parquet files in a fresh folder, in no set order."""

    def take_out(self, asked: Asked) -> TakenOut:
        """Write files again without some of their rows; files that have none of them stay."""

    def fetch(self, query: exp.Query) -> pa.Table:
        """What a query gives, in memory: for counts and other small results."""

    def types(self, query: exp.Query) -> Mapping[str, ColumnType | str]:
        """The columns that a query gives, with their types; types we have no name for as is."""

    def close(self) -> None:
        """Stop what is at work, and let go of memory and scratch files; again does nothing."""

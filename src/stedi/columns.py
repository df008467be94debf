"""A column: its type in every tongue, and how far its values name a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["long", "double", "string", "binary"]
Classification = Literal["none", "quasi", "direct"]

STRENGTH: Mapping[Classification, int] = {"none": 0, "quasi": 1, "direct": 2}


@dataclass(frozen=True)
class Names:
    """What a type of Iceberg's is called elsewhere.

    `odcs` is the logical type of a data contract, None where contracts have no such columns; `hive`
    is for Athena's DDL and AWS Glue, `trino` for Athena's SELECT, `arrow` an alias of PyArrow's.
    """

    odcs: str | None
    trino: str
    hive: str
    duckdb: str
    spark: str
    arrow: str


TYPES: Mapping[ColumnType, Names] = {
    "long": Names("integer", "BIGINT", "bigint", "BIGINT", "BIGINT", "int64"),
    "double": Names("number", "DOUBLE", "double", "DOUBLE", "DOUBLE", "float64"),
    "string": Names("string", "VARCHAR", "string", "VARCHAR", "STRING", "string"),
    "binary": Names(None, "VARBINARY", "binary", "BLOB", "BINARY", "binary"),
}


@dataclass(frozen=True)
class Column:
    """One column: its type, what a landing value must fulfil, and how far it names a person.

    `subject` is the kind of subject that a direct column identifies, which the same identifiers in
    other tables have too: customers by their e-mail, say. A `lenient` text may be delivered as
    another scalar: it is read as the text that it was written as. Landing computes some columns:
    the folded text of another, `folded_from`, or when the file arrived that a record came in,
    epoch ms. `unit` is what its numbers count, for people: mm, ms.
    """

    name: str
    type: ColumnType
    classification: Classification
    description: str = ""
    required: bool = False
    unique: bool = False
    json_key: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    subject: str | None = field(default=None, repr=False)  # no row depends on it
    folded_from: str | None = field(default=None, repr=False)
    is_arrival: bool = field(default=False, repr=False)
    lenient: bool = field(default=False, repr=False)
    unit: str | None = field(default=None, repr=False)

    @property
    def is_computed(self) -> bool:
        """Whether landing computes it, and no record has it."""
        return self.is_arrival or self.folded_from is not None


Schemas = Mapping[str, tuple[Column, ...]]
"""The columns of tables by their names."""

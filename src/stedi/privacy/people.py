"""Whether each number that counts people is one identity, and whether controls are others."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from stedi.declared import Declarations
from stedi.engines import Engine
from stedi.privacy.proof.unnumbered import unnumbered
from stedi.sql.tree import parse

_KNOWN = "_identities"
"""No declared table is called so."""
_SEVERAL = """
    SELECT COUNT(*) FROM (
      SELECT 1 AS one FROM {known} GROUP BY {one}
      HAVING COUNT(*) > COUNT({other}) OR MIN({other}) <> MAX({other})
    ) AS several
"""
_UNKNOWN = """
    SELECT COUNT(*) FROM ({numbers}) AS n LEFT JOIN {known} AS k ON k.person = n.person
    WHERE n.person IS NOT NULL AND k.person IS NULL
"""
_CONTROLS = "_controls"
_ALSO_IN_TABLE = """
    SELECT COUNT(*) AS several FROM ({controls}) AS c
    INNER JOIN (SELECT DISTINCT identity FROM {known}) AS k ON k.identity = c.identity
"""


def people_problems(engine: Engine, declarations: Declarations, table: str) -> Iterator[str]:
    """What is wrong with how a table's people are numbered, in counts alone.

    The engine knows the table with its working columns, and what its `identities` read.
    """
    identities = declarations.identities(table)
    publication = declarations.contracts[table].publication
    if identities is None or publication is None:
        return
    numbers = " UNION ".join(
        f'SELECT "{name}" AS person FROM "{table}"' for name in publication.people
    )
    counts = (
        _SEVERAL.format(known=_KNOWN, one="person", other="identity"),
        _SEVERAL.format(known=_KNOWN, one="identity", other="person"),
        _UNKNOWN.format(known=_KNOWN, numbers=numbers),
    )
    query = parse(f"SELECT {', '.join(f'({count}) AS c{n}' for n, count in enumerate(counts))}", "")
    assert isinstance(query, exp.Select)
    [found] = engine.fetch(query.with_(_KNOWN, as_=identities.copy())).to_pylist()
    for count, problem in zip(found.values(), _PROBLEMS, strict=True):
        if count:
            yield f"{problem}: {count:,}"


def control_problems(engine: Engine, declarations: Declarations, table: str) -> Iterator[str]:
    """People of the control group who can be in the table, in counts alone.

    An attack that is measured against them would look weaker than it is. The engine knows what
    `controls` and `identities` read.
    """
    controls, identities = declarations.controls(table), declarations.identities(table)
    publication = declarations.contracts[table].publication
    if controls is None or identities is None or publication is None:
        return
    names = " UNION ".join(
        f'SELECT "{name}" AS identity FROM "{_CONTROLS}"' for name in publication.people
    )
    query = parse(_ALSO_IN_TABLE.format(controls=names, known=_KNOWN), "")
    assert isinstance(query, exp.Select)
    query = query.with_(_CONTROLS, as_=unnumbered(controls))
    [found] = engine.fetch(query.with_(_KNOWN, as_=identities.copy())).to_pylist()
    if several := found["several"]:
        yield f"people of the control group who are also `identities` of the table: {several:,}"


_PROBLEMS = (
    "numbers of people that stand for several identities, or for none",
    "identities that have several numbers, or none",
    "numbers of people that are none of its identities'",
)

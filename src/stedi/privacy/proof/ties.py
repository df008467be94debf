"""Windows that go by order: what else rows have that are equal in it.

Of rows that are equal in ORDER BY an engine takes any first, by its own order, which another
spelling of identifiers changes. If they are equal in all that the SELECT gives, it doesn't matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from stedi.privacy.proof.sides import JoinedRows


def undecided(
    select: exp.Select, rows: JoinedRows, known: Sequence[exp.Expr]
) -> Iterator[exp.Expr]:
    """The values that a SELECT gives in which rows may differ that are equal in what is `known`.

    `known` are the keys of a window and the terms of its order. A direct column counts, too: what
    it is compared with differs as it does.
    """
    written = {part.unnest() for part in known}
    own = {part for part in written if isinstance(part, exp.Column)}
    reached = rows.reached(map(rows.node, own), surely=True)

    def is_known(value: exp.Expr) -> bool:
        is_reached = isinstance(value, exp.Column) and rows.node(value) in reached
        return value in written or is_reached

    groups = _groups(select)
    if not groups or not all(map(is_known, groups)):
        given = dict.fromkeys(_given(select, rows, written))
        yield from (value for value in given if not is_known(value))


def is_one_row(select: exp.Select, rows: JoinedRows, known: Sequence[exp.Expr]) -> bool:
    """Whether no two rows, or groups, are equal in what is `known`."""
    written = {part.unnest() for part in known}
    own = {part for part in written if isinstance(part, exp.Column)}
    reached = rows.reached(map(rows.node, own), surely=True)
    if groups := _groups(select):
        return all(
            key in written or (isinstance(key, exp.Column) and rows.node(key) in reached)
            for key in groups
        )
    return all(
        any((id(rows), alias, name) in reached for name in rows.unique.get(alias, ()))
        for alias in rows.columns
    )


def _groups(select: exp.Select) -> list[exp.Expr]:
    group = select.args.get("group")
    return [key.unnest() for key in group.expressions] if group is not None else []


def _given(select: exp.Select, rows: JoinedRows, written: set[exp.Expr]) -> Iterator[exp.Expr]:
    """The columns that a SELECT gives, or works with; of groups their keys and aggregates.

    Expressions that are `written` out in the window are not taken apart.
    """
    groups = _groups(select)
    pending: list[exp.Expr] = [
        *select.selects,
        *(part for part in map(select.args.get, ("qualify", "order")) if part is not None),
        *(select.args.get("windows") or ()),
    ]
    while pending:
        node = pending.pop(0)
        if isinstance(node, exp.Query):  # of one inside, those of the row around
            yield from (c for c in node.find_all(exp.Column) if c.table in rows.columns)
        elif node in groups or node in written or (groups and _is_of_a_group(node)):
            yield node
        elif isinstance(node, exp.Column):
            if node.table in rows.columns:
                yield node
        else:
            pending = [*node.iter_expressions(), *pending]


def _is_of_a_group(node: exp.Expr) -> bool:
    """Whether it is worked out of all rows of a group, and not by a window over groups."""
    around = node.parent
    while isinstance(around, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        around = around.parent
    is_there = isinstance(node, exp.AggFunc | exp.Filter | exp.IgnoreNulls | exp.RespectNulls)
    return is_there and not isinstance(around, exp.Window)

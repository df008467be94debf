"""Whose values are in the rows of a SELECT, and whether its columns distinguish them.

Somebody may have had several devices, and a device several people after one another. A column
counts as the people of a side only if each of them has one value of it: by equal columns, and by
unique ones, from what names people in the tables that are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from stedi.privacy.proof.sides import JoinedRows, Node

Named = Mapping[str, Node]
"""The columns that a SELECT gives and that name people of one side: what each is a copy of."""


def owners(select: exp.Select, rows: JoinedRows, side: int, named: Named) -> frozenset[str]:
    """Those of the columns that have one value for each person whose values are in the rows."""
    found = frozenset(named)
    for reached in (*_of_tables(rows, rows, side), *_of_windows(select, rows, side)):
        found &= {name for name, node in named.items() if node in reached}
    return found


def reads_values(select: exp.Select, rows: JoinedRows) -> bool:
    """Whether a SELECT depends on more of its rows than which identifiers there are."""
    if rows.reads_values or select.find(exp.AggFunc, exp.Window) is not None:
        return True
    cells = (rows.cell(column) for column in select.find_all(exp.Column))
    # A name or a phone identifies no subject: whether it is there is a value as others are.
    return any(cell is None or cell.is_plain or not cell.kinds for cell in cells)


def are_of_one(rows: JoinedRows, partition: list[exp.Column], column: exp.Column) -> bool:
    """Whether rows with equal keys are all of whom the column's table names."""
    known = rows.reached({rows.node(key) for key in partition}, where=column.table)
    own = rows.owners.get(column.table, {})
    return bool(own) and all(
        (id(rows), column.table, name) in known for names in own.values() for name in names
    )


def _of_tables(outer: JoinedRows, rows: JoinedRows, side: int) -> Iterator[set[Node]]:
    """What the people of each table determine, those of subqueries included."""
    for alias, by_side in rows.owners.items():
        for own, names in by_side.items():
            if outer.side(rows.side(own)) == side:
                yield rows.reached({(id(rows), alias, name) for name in names}, where=alias)
    for column in rows.sought:
        cell = rows.cell(column)
        if cell is not None and cell.side is not None and outer.side(rows.side(cell.side)) == side:
            yield rows.reached({rows.node(column)}, where=column.table)
    for inner in rows.inner:
        yield from _of_tables(outer, inner, side)


def _of_windows(select: exp.Select, rows: JoinedRows, side: int) -> Iterator[set[Node]]:
    """What is determined by the keys alone by which a window's rows are put together."""
    for window in select.find_all(exp.Window):
        if window.find_ancestor(exp.Select) is not select:
            continue
        parts = [window, *named_windows(window, select)]
        given = [key for part in parts for key in part.args.get("partition_by") or ()]
        if not given:  # a number for each key, or a window of one person's rows
            continue
        bare = (key.unnest() for key in given)
        keys = {
            rows.node(key)
            for key in bare
            if isinstance(key, exp.Column) and _is_of(rows, key, side)
        }
        used = {column.table for part in parts for column in part.find_all(exp.Column)}
        for alias in used & {*rows.owners}:
            for own, names in rows.owners[alias].items():
                if rows.side(own) == side:
                    own_columns = {(id(rows), alias, name) for name in names}
                    keys &= rows.reached(own_columns, where=alias)
        yield rows.reached(keys)


def _is_of(rows: JoinedRows, column: exp.Column, side: int) -> bool:
    cell = rows.cell(column)
    return cell is not None and cell.side is not None and rows.side(cell.side) == side


def named_windows(node: exp.Expr, select: exp.Select) -> Iterator[exp.Expr]:
    """The windows by whose names a window is defined."""
    name = node.args.get("alias")
    for window in select.args.get("windows") or ():
        if name is not None and window.name == name.name and window is not node:
            yield window
            yield from named_windows(window, select)

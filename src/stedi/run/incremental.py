"""How a derived table is maintained by its key, as far as its SELECT shows that it can be.

A SELECT qualifies if its rows for one value of the key depend only on the rows of its FROM table
with that value, and on lookup tables with that value. It reads one table, or one CTE over one table
whose windows and groups are those of the key. It joins lookup tables to the key from the left, or
to the folded key, of which each key has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from stedi.columns import Schemas
from stedi.declared import Declarations

_CUTS = ("group", "distinct", "limit", "having", "offset", "laterals", "qualify")


@dataclass(frozen=True)
class Lookup:
    """What a SELECT joins to its key: a table, or a CTE of the SELECT; `key` is its column.

    `reads` are the tables that it is made from. `present_in` is the column of the one table that
    it reads where it only says which keys are in there; `is_required` says that rows of other keys
    are dropped. `folded` is the column of the FROM table that it is joined to in place of the key.
    `of_rows` is the column of the one table that it reads whose rows with a value are all that its
    rows with that key depend on.
    """

    name: str
    key: str
    reads: frozenset[str]
    present_in: str | None
    is_required: bool
    folded: str | None = None
    of_rows: str | None = None


@dataclass(frozen=True)
class Incremental:
    """A SELECT that can be worked out for some keys alone.

    `key` is the table's column, `source_key` that of the table `source` which it is selected from.
    `is_linear` says that each row of `source` gives its row whatever other rows there are.
    """

    key: str
    source: str
    source_key: str
    is_linear: bool
    lookups: tuple[Lookup, ...]

    def over(self, query: exp.Query, source: exp.Query, names: Mapping[str, str]) -> exp.Query:
        """The SELECT, or a query made from it, over other rows than those of `source`.

        Other tables are read under the names that `names` gives them.
        """
        tree = query.copy()
        from_ = _from_table(tree)
        read_as(tree, names)
        from_.replace(exp.Subquery(this=source, alias=from_.args.get("alias")))
        return tree


class NotIncremental(Exception):
    """Why a SELECT can't be followed by a column."""


def incremental(declarations: Declarations, table: str) -> Incremental | str:
    """How a table with a key is maintained by it; or, in words, why its SELECT can't be."""
    contract = declarations.contracts[table]
    assert contract.key is not None
    if any(c.name == contract.key and c.type == "double" for c in contract.columns):
        return f"{contract.key} is a double"
    try:
        analysed = _analysed(declarations.select(table), contract.key, declarations.schemas)
    except NotIncremental as reason:
        return str(reason)
    columns = {column.name: column for column in declarations.schemas[analysed.source]}
    if not columns[analysed.source_key].required:
        return f"{analysed.source_key} may be blank in {analysed.source}"
    return analysed


def read_as(tree: exp.Query, names: Mapping[str, str]) -> None:
    """Let a query, in place, read tables under the names that `names` gives them."""
    for table in list(tree.find_all(exp.Table)):
        if table.name in names and not is_cte(tree, table.name):
            table.set("this", exp.to_identifier(names[table.name]))


def counts_rows_of(tree: exp.Query, table: str) -> bool:
    """Whether the count of a table's rule over some rows and over others adds up to that of all."""
    if not isinstance(tree, exp.Select) or any(tree.args.get(part) for part in (*_CUTS, "with_")):
        return False
    from_ = tree.args["from_"].this if tree.args.get("from_") else None
    [count] = tree.selects if len(tree.selects) == 1 else [None]
    counted = count.unalias() if count is not None else None
    return (
        isinstance(counted, exp.Count)
        and isinstance(counted.this, exp.Star)
        and isinstance(from_, exp.Table)
        and from_.name == table
        and sum(node.name == table for node in tree.find_all(exp.Table)) == 1
        and all(join.side in ("", "LEFT") for join in tree.args.get("joins") or ())
    )


def falls_as_grow(tree: exp.Query, table: str, others: Iterable[str]) -> bool:
    """Whether the count of a table's rule can only fall as rows come into other tables.

    So it is where these are read in nothing but NOT EXISTS, one of the conditions that must hold.
    """
    if not counts_rows_of(tree, table):
        return False
    for node in tree.find_all(exp.Table):
        if node.name not in others:
            continue
        exists = node.find_ancestor(exp.Exists)
        inside = exists.this if exists else None
        if not isinstance(inside, exp.Select) or any(inside.args.get(part) for part in _CUTS):
            return False
        if any(_own(inside, exp.AggFunc, exp.Exists, exp.Subquery, exp.Window)):
            return False
        condition = exists.parent if exists else None
        if not isinstance(condition, exp.Not):
            return False
        while isinstance(condition.parent, exp.And | exp.Paren):
            condition = condition.parent
        if condition.parent is not tree.args.get("where"):
            return False
    return True


def ties(tree: exp.Query, table: str, key: str, others: Iterable[str]) -> dict[str, str] | None:
    """The columns by which a rule ties other tables to the key of its own; None where one isn't.

    A row's share of the count then depends on nothing in these but rows with its key.
    """
    if not counts_rows_of(tree, table) or not isinstance(tree, exp.Select):
        return None
    of_key = (tree.args["from_"].this.alias_or_name, key)
    tied: dict[str, str] = {}
    for node in tree.find_all(exp.Table):
        if node.name not in others:
            continue
        column = _tie(tree, node, of_key)
        if column is None or tied.setdefault(node.name, column) != column:
            return None
    return tied


def asks_presence(tree: exp.Query, table: str, column: str) -> bool:
    """Whether a rule asks no more of a table that it is tied to than whether it has a key."""
    for node in tree.find_all(exp.Table):
        exists = node.find_ancestor(exp.Exists)
        if node.name == table and exists is None:
            return False
        columns = exists.find_all(exp.Column) if exists and node.name == table else ()
        if any(c.name != column for c in columns if c.table == node.alias_or_name):
            return False
    return True


def _tie(tree: exp.Select, node: exp.Table, of_key: tuple[str, str]) -> str | None:
    """The column of a table that a rule sets equal to the key."""
    exists = node.find_ancestor(exp.Exists)
    if exists is not None:
        inner = exists.this
        if not isinstance(inner, exp.Select) or inner.args["from_"].this is not node:
            return None
        if inner.args.get("joins") or any(inner.args.get(part) for part in _CUTS):
            return None
        condition = inner.args["where"].this if inner.args.get("where") else None
        return _equal(condition, node.alias_or_name, of_key)
    join = node.find_ancestor(exp.Join)
    if join is None or join.parent is not tree:
        return None
    column = _equal(join.args.get("on"), join.this.alias_or_name, of_key)
    if join.this is node or column is None:
        return column
    inner = join.this.this if isinstance(join.this, exp.Subquery) else None
    if not isinstance(inner, exp.Select) or inner.args["from_"].this is not node:
        return None
    try:
        inside = selected(inner, column)
        _refuse_mixing(inner, inside, join.this.alias)
    except NotIncremental:
        return None
    return None if inner.args.get("joins") else inside.name


def _equal(condition: exp.Expr | None, name: str, of_key: tuple[str, str]) -> str | None:
    """The column of a table that one of the conditions that must hold sets equal to the key."""
    for term in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        sides = (term.left, term.right) if isinstance(term, exp.EQ) else ()
        columns = [side for side in sides if isinstance(side, exp.Column)]
        own = [column.name for column in columns if column.table == name]
        if len(own) == 1 and of_key in [(column.table, column.name) for column in columns]:
            return own[0]
    return None


def _analysed(tree: exp.Query, key: str, schemas: Schemas) -> Incremental:
    if sum(1 for _ in tree.find_all(exp.With)) > 1:
        raise NotIncremental("a CTE has CTEs of its own")
    select = _plain(tree, "the statement")
    column = selected(select, key)
    if any(cte.alias == "judged" for cte in tree.ctes):
        if select.args.get("joins") or select.args["from_"].this.name != "judged":
            raise NotIncremental("it joins more to its CTE judged")
        select = _plain(cte_of(tree, "judged"), "its CTE judged")
        column = selected(select, column.name)
    source = select.args["from_"].this
    if not isinstance(source, exp.Table) or column.table != source.alias_or_name:
        raise NotIncremental(f"{key} is not a column of the table that it is selected from")
    columns = schemas.get(source.name, ()) if not is_cte(tree, source.name) else ()
    folded = {c.name for c in columns if c.folded_from == column.name}
    lookups = tuple(_lookup(tree, join, column, folded) for join in select.args.get("joins") or ())
    if not is_cte(tree, source.name):
        return Incremental(key, source.name, column.name, True, lookups)
    grouped = cte_of(tree, source.name)
    base = grouped.args["from_"].this if grouped.args.get("from_") else None
    if not isinstance(base, exp.Table) or is_cte(tree, base.name) or grouped.args.get("joins"):
        raise NotIncremental(f"its CTE {source.name} reads more than one table")
    base_key = selected(grouped, column.name)
    _refuse_mixing(grouped, base_key, source.name)
    for cte in tree.ctes:
        read = {table.name for table in cte.this.find_all(exp.Table)}
        if cte.alias != "judged" and source.name in read:
            raise NotIncremental(f"its CTE {cte.alias} reads all rows of its CTE {source.name}")
    return Incremental(key, base.name, base_key.name, False, lookups)


def _plain(tree: exp.Expr, what: str) -> exp.Select:
    """A SELECT that looks at row after row."""
    if not isinstance(tree, exp.Select) or not tree.args.get("from_"):
        raise NotIncremental(f"{what} is not one SELECT")
    if any(tree.args.get(part) for part in _CUTS):
        raise NotIncremental(f"{what} groups or cuts rows")
    if any(_own(tree, exp.AggFunc, exp.Window, exp.Subquery, exp.Exists, exp.Unnest)):
        raise NotIncremental(
            f"{what} has more in it than columns of its own row and of lookup tables"
        )
    return tree


def _own(tree: exp.Select, *kinds: type[exp.Expr]) -> Iterator[exp.Expr]:
    """Parts of a SELECT itself, its CTEs left out."""
    for part, value in tree.args.items():
        if part != "with_":
            for node in value if isinstance(value, list) else [value]:
                if isinstance(node, exp.Expr):
                    yield from node.find_all(*kinds)


def selected(select: exp.Select, name: str) -> exp.Column:
    """The column that a SELECT returns under a name, unchanged; raises `NotKeyed`."""
    for projection in select.selects:
        if projection.alias_or_name == name:
            value = projection.unalias()
            if isinstance(value, exp.Column):
                return value
    raise NotIncremental(f"{name} is not given as it stands in the table that it is selected from")


def _lookup(tree: exp.Query, join: exp.Join, key: exp.Column, folded: set[str]) -> Lookup:
    table, on = join.this, join.args.get("on")
    if join.side != "LEFT" or not isinstance(table, exp.Table):
        raise NotIncremental("it joins otherwise than a table or CTE by LEFT JOIN")
    sides = [on.left, on.right] if isinstance(on, exp.EQ) else []
    columns = [side for side in sides if isinstance(side, exp.Column)]
    own = [c for c in columns if c.table == table.alias_or_name]
    keys = [c for c in columns if c.table == key.table and c.name in {key.name, *folded}]
    if len(own) != 1 or len(keys) != 1:
        raise NotIncremental(
            f"its lookup table {table.name} is joined on something else than the key"
        )
    if own[0].is_type("double") != keys[0].is_type("double"):
        raise NotIncremental(f"the key of its lookup table {table.name} is of another type")
    name = table.name
    reads = frozenset(_reads(tree, name))
    of_rows = _of_rows(tree, name, own[0].name)
    if keys[0].name != key.name:
        return Lookup(name, own[0].name, reads, None, False, keys[0].name, of_rows)
    present_in, needed = _present_in(tree, name), is_required(tree, own[0])
    return Lookup(name, own[0].name, reads, present_in, needed, None, of_rows)


def _of_rows(tree: exp.Query, name: str, key: str) -> str | None:
    """The column of a CTE's table that is its key, where it reads one table and mixes no keys."""
    if not is_cte(tree, name):
        return None
    select = cte_of(tree, name)
    table = select.args["from_"].this if select.args.get("from_") else None
    if not isinstance(table, exp.Table) or is_cte(tree, table.name) or select.args.get("joins"):
        return None
    try:
        column = selected(select, key)
        _refuse_mixing(select, column, name)
    except NotIncremental:
        return None
    return column.name if column.table == table.alias_or_name else None


def is_required(tree: exp.Query, key: exp.Column) -> bool:
    """Whether a row is dropped where a lookup table's key is NULL."""
    if not is_cte(tree, "judged"):
        return False
    dropped = (p.unalias() for p in cte_of(tree, "judged").selects if p.alias_or_name == "dropped")
    case = next(dropped, None)
    if not isinstance(case, exp.Case) or case.this is not None:
        return False
    for branch in case.args["ifs"]:
        if not isinstance(branch.args["true"], exp.Literal):
            return False  # a row that this is true of may be kept
        if (
            isinstance(branch.this, exp.Is)
            and isinstance(branch.this.expression, exp.Null)
            and isinstance(branch.this.this, exp.Column)
            and _is_among(key, [branch.this.this])
        ):
            return True
    return False


def _present_in(tree: exp.Query, name: str) -> str | None:
    if not is_cte(tree, name):
        return None
    select = cte_of(tree, name)
    parts = [part for part in (*_CUTS, "joins", "where") if part != "distinct"]
    if not select.args.get("distinct") or any(select.args.get(part) for part in parts):
        return None
    from_, columns = select.args["from_"].this, select.selects
    column = columns[0].unalias()
    if len(columns) == 1 and isinstance(column, exp.Column) and isinstance(from_, exp.Table):
        return None if is_cte(tree, from_.name) else column.name
    return None


def _refuse_mixing(select: exp.Select, key: exp.Column, name: str) -> None:
    """Refuse a CTE in which rows of one key depend on those of another."""
    if any(_own(select, exp.Subquery, exp.Exists, exp.Unnest)) or select.args.get("limit"):
        raise NotIncremental(f"its CTE {name} has more in it than rows of one table")
    windows = list(_own(select, exp.Window))
    for window in windows:
        if not _is_among(key, window.args.get("partition_by") or []):
            raise NotIncremental(f"a window of its CTE {name} is not partitioned by the key")
    aggregates = [a for a in _own(select, exp.AggFunc) if not a.find_ancestor(exp.Window)]
    group = select.args.get("group")
    if (group or aggregates) and not (group and _is_among(key, group.expressions)):
        raise NotIncremental(f"its CTE {name} is not grouped by the key")


def _is_among(key: exp.Column, columns: Iterable[exp.Expr]) -> bool:
    """Whether a column is among these; how its name is quoted doesn't matter."""
    named = ((c.table, c.name) for c in columns if isinstance(c, exp.Column))
    return (key.table, key.name) in named


def _reads(tree: exp.Query, name: str) -> Iterator[str]:
    if not is_cte(tree, name):
        yield name
        return
    for table in cte_of(tree, name).find_all(exp.Table):
        yield from _reads(tree, table.name)


def _from_table(tree: exp.Query) -> exp.Table:
    """The node of the FROM table in a SELECT that qualifies, or in a query made from it."""
    select: exp.Query = cte_of(tree, "judged") if is_cte(tree, "judged") else tree
    source = select.args["from_"].this
    if is_cte(tree, source.name):
        source = cte_of(tree, source.name).args["from_"].this
    assert isinstance(source, exp.Table)
    return source


def is_cte(tree: exp.Query, name: str) -> bool:
    """Whether a name is a CTE's of this SELECT."""
    return any(cte.alias == name for cte in tree.ctes)


def cte_of(tree: exp.Query, name: str) -> exp.Select:
    """The SELECT of a CTE; raises `NotKeyed`."""
    [select] = (cte.this for cte in tree.ctes if cte.alias == name)
    if not isinstance(select, exp.Select):
        raise NotIncremental(f"its CTE {name} is not one SELECT")
    return select

"""Where a direct column may stand in a SELECT from which something is published: a list.

What isn't on the list is refused. `ALLOWED` says it in words; docs/privacy.md has an example each.
None of these places tells how an identifier is spelled: were everybody's replaced by others, equal
ones by equal ones, the same rows would come out.

Likewise for values. A row has sides (`sides.py`), and each must be named in it by a key that has one
value for each person whose values are there (`owners.py`). A group, a window or a scalar subquery
stays within the rows of its sides' own people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from stedi.privacy.proof.owners import are_of_one, named_windows, owners, reads_values
from stedi.privacy.proof.sides import PLAIN, Cell, Node, Owners, Relation, Rows
from stedi.sql.tree import DIALECT

ALLOWED = (
    "equal (or not) to a direct column of the same subject",
    "compared with ''",
    "tested for NULL",
    "found IN a SELECT of such a column",
    "a key of PARTITION BY, GROUP BY or DISTINCT",
    "a tie-break of ROW_NUMBER among one subject's rows",
    "numbered by DENSE_RANK, or by ROW_NUMBER of its groups",
    "a column of its own that isn't published",
)
_SHOWN = 90
_CLAUSES = {
    "with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "windows",
    "distinct", "order",
}  # fmt: skip
_SUBQUERY = {"this", "alias"}
_TABLE = {"this", "alias", "db", "catalog"}
_COMPARED_WITH_1 = (exp.EQ, exp.NEQ, exp.GT, exp.LTE)
_BY_ORDER = (
    exp.RowNumber,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Lag,
    exp.Lead,
    exp.Ntile,
)
_Tables = Mapping[str, Relation]


@dataclass
class Positions:
    """Follows one statement; what stands where it may not is in `problems`.

    `table` gives what is known of a declared table. Where a person may have several numbers,
    `numbers_once` is not set.
    """

    place: str
    table: Callable[[str], Relation | None]
    numbers_once: bool = True
    problems: list[str] = field(default_factory=list)
    _numbering: Iterator[int] = field(default_factory=lambda: count(1))

    def relation(self, tree: exp.Query) -> Relation:
        """The columns that a statement gives, and whose rows they are."""
        return self._query(tree, {}, None)

    # Statements ----------------------------------------------------------------------------------

    def _query(
        self, query: exp.Expr, tables: _Tables, around: Rows | None, *, is_list: bool = False
    ) -> Relation:
        while isinstance(query, exp.Subquery):
            self._refuse_clauses(query, _SUBQUERY)
            query = query.this
        tables = {**tables, **self._with(query, tables)}
        if isinstance(query, exp.Select):
            return self._select(query, tables, around, is_list=is_list)
        if isinstance(query, exp.Union):
            return self._union(query, tables, around)
        self._refuse(query, "of the statements that combine others, only UNION may stand here")
        return _nameless(query)

    def _with(self, query: exp.Expr, tables: _Tables) -> _Tables:
        known = dict(tables)
        with_ = query.args.get("with_")
        if with_ is not None and with_.args.get("recursive"):
            self._refuse(with_, "a recursive WITH may not stand here")
        elif with_ is not None:
            for cte in with_.expressions:
                known[cte.alias] = _renamed(self._query(cte.this, known, None), cte)
        return known

    def _union(self, query: exp.Union, tables: _Tables, around: Rows | None) -> Relation:
        """Rows of both parts; no column may tell which of them a row is from."""
        left = self._query(query.left, tables, around)
        right = self._query(query.right, tables, around)
        for part in ("limit", "offset", "order"):
            if query.args.get(part):
                self._refuse(query.args[part], "a UNION is neither ordered nor cut here")
        first, second = _shapes(query.left), _shapes(query.right)
        cells, pairs = {}, dict[int, int]()
        for n, (name, one) in enumerate(left.columns.items()):
            other = [*right.columns.values()][n] if n < len(right.columns) else PLAIN
            if first[n : n + 1] != second[n : n + 1]:
                self._refuse(query, f"{name} tells which part of the UNION a row is from")
            if one.is_direct != other.is_direct or one.breaks_ties or other.breaks_ties:
                self._refuse(query, f"{name} is a direct column in one part of the UNION only")
            kinds = one.kinds & other.kinds
            if one.side is not None and other.side is not None and kinds:
                pairs.setdefault(one.side, other.side)
                kept = pairs[one.side] == other.side
                side = one.side if kept else None
            else:
                side = None
            optional = one.is_optional or other.is_optional
            cells[name] = Cell(one.is_direct or other.is_direct, kinds, side, None, optional)
        if set(pairs) != left.sides or {*pairs.values()} != right.sides:
            self._refuse(query, "the parts of the UNION don't name the same sides")
        return Relation(
            cells,
            left.sides,
            owners=_owners_of_both(left, right, pairs),
            reads_values=left.reads_values or right.reads_values,
        )

    def _select(
        self,
        select: exp.Select,
        tables: _Tables,
        around: Rows | None,
        *,
        asks: bool = False,
        is_list: bool = False,
    ) -> Relation:
        """`asks` is set where nothing but whether there is a row matters.

        `is_list` is set where nothing but which identifiers there are does.
        """
        self._refuse_clauses(select, _CLAUSES)
        rows = Rows(around)
        self._from(select, tables, rows)
        rows.join(select.args.get("where"))
        rows.make_present(select.args.get("where"))
        within = _Within(self, select, tables, rows)
        within.check()
        if around is not None and (not asks or reads_values(select, rows)):
            around.inner.append(rows)
        if asks:
            self._refuse_unnamed(select, rows, set())
            return Relation({})
        cells = {p.alias_or_name: within.projected(p) for p in select.selects}
        cells = {
            name: cell if cell.side is None else replace(cell, side=rows.side(cell.side))
            for name, cell in cells.items()
        }
        named = {cell.side for cell in cells.values() if cell.is_key and cell.side is not None}
        self._refuse_unnamed(select, rows, named)
        sides = frozenset(rows.sides | named)
        is_list = is_list or bool(select.args.get("distinct") or select.args.get("group"))
        own = {side: self._owners(within, cells, side, is_list=is_list) for side in sides}
        return Relation(cells, sides, _unique(select, rows), own, reads_values(select, rows))

    def _owners(
        self, within: _Within, cells: Mapping[str, Cell], side: int, *, is_list: bool
    ) -> frozenset[str]:
        """The columns by which the people of a side can be counted."""
        select, rows = within.select, within.rows
        assert select is not None
        nodes = within.named()
        named = {
            name: nodes[name]
            for name, cell in cells.items()
            if cell.is_key and cell.side == side and name in nodes
        }
        found = owners(select, rows, side, named)
        if found or not self.numbers_once or not named:
            return found
        if is_list and len(named) == 1 and not reads_values(select, rows):
            return frozenset(named)  # a list of identifiers, whoever had them
        self._refuse(
            select,
            f"of {' and '.join(named)} there may be several for one person whose values are here, "
            "who would be counted as several people, or whose values would stand in others' rows: "
            f"join {', '.join(rows.aliases({side}))} by columns that are unique (as a contract "
            "says, or by GROUP BY or DISTINCT of one alone), or give the column that names whom "
            "the records are about",
        )
        return frozenset(named)

    def _refuse_clauses(self, node: exp.Expr, allowed: set[str]) -> None:
        for clause in {*_given(node)} - allowed:
            given = node.args[clause]
            what = clause.upper().strip("_")
            shown = given if isinstance(given, exp.Expr) else node
            self._refuse(shown, f"{what} may not stand here: it can choose among people's rows")

    def _refuse_unnamed(self, select: exp.Select, rows: Rows, named: set[int]) -> None:
        missing = rows.sides - named
        if missing:
            whose = ", ".join(rows.aliases(missing)) or "a table"
            self._refuse(
                select,
                f"nothing says whose rows {whose} has: each table's people are named by a "
                "column of the SELECT, or joined by an equal identifier to people who are; "
                "declare the `subject` of a column that identifies them",
            )

    # FROM and JOIN -------------------------------------------------------------------------------

    def _from(self, select: exp.Select, tables: _Tables, rows: Rows) -> None:
        from_ = select.args.get("from_")
        if from_ is None:
            return
        self._add(from_.this, tables, rows)
        for join in select.args.get("joins") or ():
            before = [*rows.columns]
            self._add(join.this, tables, rows)
            alias, side = join.this.alias_or_name, (join.side or "").upper()
            on = join.args.get("on")
            kind = (join.kind or "").upper()
            if join.args.get("using") or join.method or kind not in ("", "INNER", "CROSS", "OUTER"):
                self._refuse(join, "of joins, INNER, CROSS, LEFT, RIGHT and FULL may stand here")
            of_all = side in ("RIGHT", "FULL")
            rows.join(on, alias if side in ("LEFT", "FULL") else None, of_all=of_all)
            if side in ("LEFT", "FULL"):
                rows.make_optional([alias])
            if side in ("RIGHT", "FULL"):
                rows.make_optional(before)

    def _add(self, source: exp.Expr, tables: _Tables, rows: Rows) -> None:
        alias = source.alias_or_name
        self._refuse_clauses(source, {*_TABLE, "expressions"})
        if isinstance(source, exp.Table):
            known = tables.get(source.name) or self.table(source.name)
            if known is None:
                self._refuse(source, "people's rows can't be told from it")
            rows.add(alias, _renamed(known or Relation({}), source))
        elif isinstance(source, exp.Subquery):
            rows.add(alias, _renamed(self._query(source, tables, None), source))
        elif isinstance(source, exp.Lateral) and isinstance(source.this, exp.Subquery):
            query = self._query(source.this, tables, rows)
            self._refuse_direct(source, query)
            rows.columns[alias] = dict.fromkeys(_renamed(query, source).columns, PLAIN)
        elif isinstance(source, exp.Unnest):
            self._unnest(source, tables, rows)
        else:
            self._refuse(source, "of what FROM may have, only tables and SELECTs may stand here")
            rows.columns[alias] = {}

    def _unnest(self, source: exp.Unnest, tables: _Tables, rows: Rows) -> None:
        """Arrays of a row's own values; or names that a column has one a line, taken apart."""
        alias = source.alias_or_name
        names = [column.name for column in source.args["alias"].args.get("columns") or ()]
        [*arrays] = source.expressions
        if len(arrays) == len(names) == 1 and _is_lines(arrays[0]):
            cell = rows.cell(arrays[0].this)
            if cell is not None and cell.origin == "quarantine.subject" and cell.side is not None:
                rows.columns[alias] = {names[0]: replace(cell, origin=None)}
                rows.owners[arrays[0].this.table] = {}  # now the row is about one of them
                rows.owners[alias] = {cell.side: frozenset(names)}
                return
        within = _Within(self, None, tables, rows)
        for array in arrays:
            within.walk(array)
        rows.columns[alias] = dict.fromkeys(names, PLAIN)

    def _refuse_direct(self, node: exp.Expr, relation: Relation) -> None:
        for name, cell in relation.columns.items():
            if not cell.is_plain:
                self._refuse(node, f"{name} names a person, and is made a value here")

    def _refuse(self, node: exp.Expr, why: str) -> None:
        self.problems.append(f"{self.place}{_line(node)}: {_text(node)}: {why}")


@dataclass(frozen=True)
class _Within:
    """The expressions of one SELECT."""

    positions: Positions
    select: exp.Select | None
    tables: _Tables
    rows: Rows

    def check(self) -> None:
        """Look at every clause but the columns that it gives."""
        assert self.select is not None
        for join in self.select.args.get("joins") or ():
            self._walk_if(join.args.get("on"))
        for clause in ("where", "having", "qualify"):
            self._walk_if(self.select.args.get(clause))
        distinct = self.select.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            self._refuse(distinct, "DISTINCT ON may not stand here")
        group = self.select.args.get("group")
        if group is not None:
            if set(_given(group)) - {"expressions"}:
                self._refuse(group, "GROUP BY has plain keys here")
            for key in group.expressions:
                self._key(key)
            self._refuse_mixed(group, group.expressions, "GROUP BY")
        order = self.select.args.get("order")
        for term in order.expressions if order is not None else ():
            for node in self._written_out(term.this):
                self.walk(node)

    def _written_out(self, term: exp.Expr) -> Iterator[exp.Expr]:
        """A term of ORDER BY, and the columns of the SELECT that it names."""
        assert self.select is not None
        given = {p.alias_or_name: p.unalias() for p in self.select.selects}
        columns = [*term.find_all(exp.Column)]
        if all(column.table for column in columns):
            yield term
        else:
            yield from (given.get(c.name, c) if not c.table else c for c in columns)

    def named(self) -> dict[str, Node]:
        """The columns that the SELECT gives of which each is a copy, or a number, of another."""
        assert self.select is not None
        nodes = {}
        for projection in self.select.selects:
            node = projection.unalias().unnest()
            if isinstance(node, exp.Window):
                windows = [node, *named_windows(node, self.select)]
                [*keys] = (w.args["order"].expressions for w in windows if w.args.get("order"))
                node = keys[0][0].this.unnest() if keys else node
            if isinstance(node, exp.Column):
                nodes[projection.alias_or_name] = self.rows.node(node)
        return nodes

    @property
    def _groups(self) -> list[exp.Expr]:
        """What the SELECT groups by."""
        group = self.select.args.get("group") if self.select else None
        return group.expressions if group is not None else []

    def _walk_if(self, node: exp.Expr | None) -> None:
        if node is not None:
            self.walk(node)

    def projected(self, projection: exp.Expr) -> Cell:
        """What is known of a column that the SELECT gives."""
        node = projection.unalias().unnest()
        if isinstance(node, exp.Column):
            cell = self.rows.cell(node) or PLAIN
            return cell if self._keeps_all(node) else replace(cell, origin=None)
        if isinstance(node, exp.Window):
            return self._numbering(node) or self._window(node)
        self.walk(node)
        return PLAIN

    def _keeps_all(self, column: exp.Column) -> bool:
        """Whether every value that a column has in its table is in a row of the SELECT."""
        assert self.select is not None
        others = ("joins", "where", "having", "qualify", "limit", "offset")
        if any(map(self.select.args.get, others)):
            return False
        return not self._groups or column in self._groups

    # Expressions ---------------------------------------------------------------------------------

    def walk(self, node: exp.Expr) -> None:
        """Refuse each direct column in an expression that stands where it may not."""
        if isinstance(node, exp.Column):
            self._bare(node)
        elif isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.LTE):
            self._comparison(node)
        elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            if not isinstance(node.this.unnest(), exp.Column):
                self.walk(node.this)
        elif isinstance(node, exp.In) and node.args.get("query") is not None:
            self._found_in(node)
        elif isinstance(node, exp.Exists):
            self._exists(node)
        elif isinstance(node, exp.Query):
            relation = self.positions._query(node, self.tables, self.rows)
            self.positions._refuse_direct(node, relation)
        elif isinstance(node, exp.Window):
            if not self._window(node).is_plain:
                self._refuse(node, "this rank may only be compared with 1")
        else:
            if isinstance(node, exp.AggFunc) and not self._groups:
                self._refuse_mixed(node, (), "GROUP BY")
            for child in node.iter_expressions():
                self.walk(child)

    def _bare(self, column: exp.Column) -> None:
        cell = self.rows.cell(column)
        if cell is not None and cell.is_plain:
            return
        shown = column.parent if isinstance(column.parent, exp.Expr) else column
        if cell is None:
            self._refuse(shown, f"{column.name} can't be followed to its table")
        elif cell.breaks_ties:
            self._refuse(shown, f"{column.name} ranks by an identifier: compare it with 1 only")
        else:
            self._refuse(
                shown,
                f"{column.name} is a direct identifier and may not stand here. It may be "
                f"{'; '.join(ALLOWED)} (docs/privacy.md, Where an identifier may stand)",
            )

    def _comparison(self, node: exp.Expr) -> None:
        left, right = node.this.unnest(), node.expression.unnest()
        one, other = self._compared(left), self._compared(right)
        if isinstance(node, exp.EQ | exp.NEQ):
            if one and other and one.is_direct and other.is_direct:
                if not one.named_by(other):
                    self._refuse(node, "direct columns of different subjects are compared")
                return
            for cell, constant in ((one, right), (other, left)):
                if cell and cell.is_direct and _is_empty_text(constant):
                    return
        if one and one.breaks_ties and isinstance(node, _COMPARED_WITH_1) and _is_one(right):
            return
        for child in (node.this, node.expression):
            self.walk(child)

    def _compared(self, node: exp.Expr) -> Cell | None:
        if isinstance(node, exp.Column):
            return self.rows.cell(node)
        return None

    def _found_in(self, node: exp.In) -> None:
        inner = node.args["query"]
        relation = self.positions._query(inner, self.tables, self.rows, is_list=True)
        [*given] = relation.columns.values()
        sought = node.this.unnest()
        cell = self.rows.cell(sought) if isinstance(sought, exp.Column) else None
        if cell is None or len(given) != 1 or not cell.named_by(given[0]):
            self._refuse(node, "IN (SELECT …) compares direct columns of one subject")
            return
        if given[0].is_optional:
            self._refuse(
                node,
                "a NULL among them, which one person's rows can bring, would change the answer for "
                "all: add WHERE … IS NOT NULL",
            )
        if isinstance(sought, exp.Column) and relation.reads_values:
            self.rows.sought.append(sought)

    def _exists(self, node: exp.Exists) -> None:
        inner = node.this.unnest() if isinstance(node.this, exp.Subquery) else node.this
        if isinstance(inner, exp.Select):
            tables = self.positions._with(inner, self.tables)
            self.positions._select(inner, tables, self.rows, asks=True)
        else:
            self._refuse(node, "EXISTS has one SELECT, equal to the row in an identifier")

    # Groups and windows --------------------------------------------------------------------------

    def _key(self, node: exp.Expr) -> Cell | None:
        """A key of a group or of a partition: a bare direct column, or anything without one."""
        bare = node.unnest()
        cell = self.rows.cell(bare) if isinstance(bare, exp.Column) else None
        if cell is None or not cell.is_key:
            self.walk(node)
            return None
        return cell

    def _not_within(self, keys: Sequence[exp.Expr]) -> set[int]:
        """Sides of which several people's rows are mixed by such keys."""
        bare = [key.unnest() for key in keys]
        cells = [self.rows.cell(key) for key in bare if isinstance(key, exp.Column)]
        own = {
            self.rows.side(cell.side)
            for cell in cells
            if cell and cell.is_key and not cell.is_optional and cell.side is not None
        }
        return self.rows.sides - own

    def _refuse_mixed(self, node: exp.Expr, keys: Sequence[exp.Expr], clause: str) -> None:
        mixed = self._not_within(keys)
        if mixed:
            whose = ", ".join(self.rows.aliases(mixed)) or "what FROM has"
            self._refuse(
                node,
                "it is worked out from rows of several people, where a value is of its row's own: "
                f"{clause} a key of {whose}",
            )

    def _numbering(self, node: exp.Window) -> Cell | None:
        """A number for each value of a key: the window is nothing but its order."""
        windows = [node, *self._named(node)]
        orders = [w.args["order"] for w in windows if w.args.get("order") is not None]
        if any(w.args.get("partition_by") or w.args.get("spec") for w in windows):
            return None
        if len(orders) != 1 or len(orders[0].expressions) != 1:
            return None
        ordered = orders[0].expressions[0]
        key = ordered.this.unnest()
        cell = self.rows.cell(key) if isinstance(key, exp.Column) else None
        if cell is None or not cell.is_key:
            return None
        of_groups = [group.unnest() for group in self._groups] == [key]
        if not (isinstance(node.this, exp.DenseRank) or (
            isinstance(node.this, exp.RowNumber) and of_groups
        )):  # fmt: skip
            return None
        if not self._keeps_all(key):
            cell = replace(cell, origin=None)
        otherwise = f"{self.positions.place} {next(self.positions._numbering)}"
        return cell.numbered(otherwise, ", last first" if ordered.args.get("desc") else "")

    def _window(self, node: exp.Window) -> Cell:
        """A window within the rows of its people."""
        windows = [node, *self._named(node)]
        keys = [key for window in windows for key in window.args.get("partition_by") or ()]
        for key in keys:
            self._key(key)
        self._refuse_mixed(node, keys, "PARTITION BY")
        orders = [w.args["order"] for w in windows if w.args.get("order") is not None]
        for window in windows:
            self._walk_if(window.args.get("spec"))
        function = node.this
        while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            self._walk_if(function.args.get("expression"))
            function = function.this
        ordered = [term for order in orders for term in order.expressions]
        if not ordered and (isinstance(function, _BY_ORDER) or any(map(_counts_rows, windows))):
            self._refuse(
                node, "without ORDER BY the engine's own order decides, which follows identifiers"
            )
        breaks_ties = self._ordered(ordered, function, keys)
        for child in function.iter_expressions():
            self.walk(child)
        return Cell(breaks_ties=breaks_ties)

    def _ordered(
        self, orders: list[exp.Expr], function: exp.Expr, keys: Sequence[exp.Expr]
    ) -> bool:
        """Whether identifiers break the ties of an order among one subject's own rows."""
        breaks_ties = after_plain = False
        bare_keys = [key for key in (key.unnest() for key in keys) if isinstance(key, exp.Column)]
        for order in orders:
            bare = order.this.unnest()
            cell = self.rows.cell(bare) if isinstance(bare, exp.Column) else None
            if (
                cell is not None and cell.is_direct and after_plain
                and isinstance(function, exp.RowNumber) and are_of_one(self.rows, bare_keys, bare)
            ):  # fmt: skip
                breaks_ties = True
            else:
                self.walk(order)
                after_plain = after_plain or order.find(exp.Column) is not None
        return breaks_ties

    def _named(self, node: exp.Expr) -> Iterator[exp.Expr]:
        return named_windows(node, self.select) if self.select else iter(())

    def _refuse(self, node: exp.Expr, why: str) -> None:
        self.positions._refuse(node, why)


def _given(node: exp.Expr) -> list[str]:
    return [name for name, value in node.args.items() if value]


def _nameless(query: exp.Expr) -> Relation:
    names = query.named_selects if isinstance(query, exp.Query) else []
    return Relation(dict.fromkeys(names, PLAIN))


def _unique(select: exp.Select, rows: Rows) -> frozenset[str]:
    """The columns of a SELECT that have no value twice."""
    bare = {p.alias_or_name: p.unalias().unnest() for p in select.selects}
    group = select.args.get("group")
    if select.args.get("distinct") is not None and len(bare) == 1:
        return frozenset(bare)
    if group is not None:
        keys = [key.unnest() for key in group.expressions]
        return frozenset(name for name, node in bare.items() if [node] == keys)
    determining = {
        column for column in rows.unique if {*rows.columns} <= rows.determined_by(column)
    }
    return frozenset(
        name
        for name, node in bare.items()
        if isinstance(node, exp.Column)
        and node.table in determining
        and node.name in rows.unique[node.table]
    )


def _owners_of_both(left: Relation, right: Relation, pairs: Mapping[int, int]) -> Owners:
    """The columns that have one value for each person of either part."""
    to = dict(zip(right.columns, left.columns, strict=False))
    return {
        side: names & {to[name] for name in right.owners.get(pairs[side], ()) if name in to}
        for side, names in left.owners.items()
        if side in pairs
    }


def _renamed(relation: Relation, source: exp.Expr) -> Relation:
    """With the names that an alias gives its columns."""
    alias = source.args.get("alias")
    names = [column.name for column in alias.args.get("columns") or ()] if alias is not None else []
    if not names:
        return relation
    to = dict(zip(relation.columns, names, strict=False))
    return Relation(
        {to.get(name, name): cell for name, cell in relation.columns.items()},
        relation.sides,
        frozenset(to.get(name, name) for name in relation.unique),
        {
            side: frozenset(to.get(name, name) for name in names)
            for side, names in relation.owners.items()
        },
        relation.reads_values,
    )


def _shapes(query: exp.Expr) -> list[str]:
    """How the columns of a part of a UNION are spelled; where they are bare, that they are."""
    while not isinstance(query, exp.Select):
        query = query.this
    words = []
    for projection in query.selects:
        node = projection.unalias().copy()
        for column in node.find_all(exp.Column):
            column.set("table", None)
        words.append("a column" if isinstance(node, exp.Column) else node.sql(DIALECT))
    return words


def _is_lines(node: exp.Expr) -> bool:
    """Whether a column is split at the ends of its lines."""
    return (
        isinstance(node, exp.Split)
        and isinstance(node.this, exp.Column)
        and isinstance(node.expression, exp.Chr)
        and [literal.name for literal in node.expression.expressions] == ["10"]
    )


def _counts_rows(window: exp.Expr) -> bool:
    """Whether a window's frame goes by the places of rows."""
    spec = window.args.get("spec")
    return spec is not None and spec.text("kind").upper() == "ROWS"


def _is_empty_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and node.this == ""


def _is_one(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.this == "1"


def _line(node: exp.Expr) -> str:
    for part in node.walk():
        line = part.meta.get("line")
        if line is not None:
            return f", line {line}"
    return ""


def _text(node: exp.Expr) -> str:
    return " ".join(node.sql(DIALECT, comments=False).split())[:_SHOWN]

"""Where a direct column may stand in the expressions of one SELECT: a list.

What isn't on the list is refused. `ALLOWED` says it in words; docs/privacy.md has an example each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlglot import exp

from stedi.privacy.proof.owners import are_of_one, named_windows
from stedi.privacy.proof.sides import PLAIN, Cell, JoinedRows, Node, Relation
from stedi.privacy.proof.ties import is_one_row, undecided
from stedi.sql.tree import DIALECT, without_parens

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
_EQUAL_OR_NOT = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)
_COMPARED_WITH_1 = (exp.EQ, exp.NEQ, exp.GT, exp.LTE)
_WITH_1_FIRST = (exp.EQ, exp.NEQ, exp.LT, exp.GTE)
_BY_ORDER = (
    exp.RowNumber,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Lag,
    exp.Lead,
    exp.Ntile,
)
Tables = Mapping[str, Relation]
"""What is known of a statement's own tables, by name."""


class Statements(Protocol):
    """Follows the statements that stand in expressions, and takes what is refused."""

    place: str
    numbering: Iterator[int]

    def query(
        self, query: exp.Expr, tables: Tables, around: JoinedRows | None, *, is_list: bool = False
    ) -> Relation:
        """The columns that a statement gives, and whose rows they are."""

    def asks(self, select: exp.Select, tables: Tables, around: JoinedRows) -> None:
        """Follow a SELECT of which nothing but whether there is a row matters."""

    def with_(self, query: exp.Expr, tables: Tables) -> Tables:
        """The tables that a statement can read, its own WITH included."""

    def refuse_direct(self, node: exp.Expr, relation: Relation) -> None:
        """Refuse columns that name people where values are wanted."""

    def refuse(self, node: exp.Expr, why: str) -> None:
        """Note what stands where it may not."""


@dataclass(frozen=True)
class Expressions:
    """The expressions of one SELECT."""

    statements: Statements
    select: exp.Select | None
    tables: Tables
    rows: JoinedRows

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
            if set(given_clauses(group)) - {"expressions"}:
                self._refuse(group, "GROUP BY has plain keys here")
            for key in group.expressions:
                self._key(key)
            self._refuse_mixed(group, group.expressions, "GROUP BY")
        self._refuse_two_orders()
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
        node = without_parens(projection.unalias())
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
        elif isinstance(node, (*_EQUAL_OR_NOT, *_COMPARED_WITH_1, *_WITH_1_FIRST)):
            self._comparison(node)
        elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            if not isinstance(node.this.unnest(), exp.Column):
                self.walk(node.this)
        elif isinstance(node, exp.In) and node.args.get("query") is not None:
            self._found_in(node)
        elif isinstance(node, exp.Exists):
            self._exists(node)
        elif isinstance(node, exp.Query):
            relation = self.statements.query(node, self.tables, self.rows)
            self.statements.refuse_direct(node, relation)
        elif isinstance(node, exp.Window):
            if not self._window(node).is_plain:
                self._refuse(node, "this rank may only be compared with 1")
        elif isinstance(node, exp.UDTF | exp.Explode):
            self._refuse(node, "it makes several rows of one: it may stand in FROM only")
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
        if isinstance(node, _EQUAL_OR_NOT):
            if one and other and one.is_direct and other.is_direct:
                if not one.named_by(other):
                    self._refuse(node, _why_not_equal(one, other))
                return
            for cell, constant in ((one, right), (other, left)):
                if cell and cell.is_direct and _is_empty_text(constant):
                    return
        if one and one.breaks_ties and isinstance(node, _COMPARED_WITH_1) and _is_one(right):
            return
        if other and other.breaks_ties and isinstance(node, _WITH_1_FIRST) and _is_one(left):
            return
        for child in (node.this, node.expression):
            self.walk(child)

    def _compared(self, node: exp.Expr) -> Cell | None:
        if isinstance(node, exp.Column):
            return self.rows.cell(node)
        return None

    def _found_in(self, node: exp.In) -> None:
        inner = node.args["query"]
        relation = self.statements.query(inner, self.tables, self.rows, is_list=True)
        [*given] = relation.columns.values()
        sought = node.this.unnest()
        if not relation.sides and all(cell.is_plain for cell in given):
            self.walk(node.this)  # a list of nobody's, which is a value as others are
            return
        cell = self.rows.cell(sought) if isinstance(sought, exp.Column) else None
        if cell is None or len(given) != 1 or not cell.named_by(given[0]):
            self._refuse(
                node,
                _why_not_equal(cell, given[0])
                if cell and cell.is_direct and len(given) == 1 and given[0].is_direct
                else "IN (SELECT …) compares direct columns of one subject",
            )
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
        inner = without_parens(node.this)
        while isinstance(inner, exp.Subquery) and given_clauses(inner) == ["this"]:
            inner = inner.this
        if isinstance(inner, exp.Select):
            tables = self.statements.with_(inner, self.tables)
            self.statements.asks(inner, tables, self.rows)
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
        otherwise = f"{self.statements.place} {next(self.statements.numbering)}"
        order = ", last first" if ordered.args.get("desc") else ""
        order += ", none first" if ordered.args.get("nulls_first") else ""
        return cell.numbered(otherwise, order)

    def _window(self, node: exp.Window) -> Cell:
        """A window within the rows of its people."""
        windows = [node, *self._named(node)]
        keys, ordered = _keys(windows), _terms(windows)
        for key in keys:
            self._key(key)
        self._refuse_mixed(node, keys, "PARTITION BY")
        for window in windows:
            self._walk_if(window.args.get("spec"))
        function = node.this
        while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            self._walk_if(function.args.get("expression"))
            function = function.this
        if isinstance(function, _BY_ORDER) or any(map(_counts_rows, windows)):
            self._refuse_ties(node, keys, ordered)
        breaks_ties = self._ordered(ordered, function, keys)
        for child in function.iter_expressions():
            self.walk(child)
        return Cell(breaks_ties=breaks_ties)

    def _refuse_two_orders(self) -> None:
        """Refuse windows that may take equal rows in another order each: together they tell it."""
        assert self.select is not None
        found = dict[tuple[tuple[exp.Expr, ...], tuple[exp.Expr, ...]], exp.Window]()
        for node in self.select.find_all(exp.Window):
            if node.find_ancestor(exp.Select) is not self.select:
                continue
            windows = [node, *self._named(node)]
            if isinstance(_function(node), _BY_ORDER) or any(map(_counts_rows, windows)):
                keys, terms = _keys(windows), _terms(windows)
                known = [*keys, *(term.this for term in terms)]
                if not is_one_row(self.select, self.rows, known):
                    found.setdefault((tuple(keys), tuple(terms)), node)
        for node in [*found.values()][1:]:
            self._refuse(
                node,
                "rows that are equal in its ORDER BY may come in another order for another window "
                "of this SELECT, as the engine chooses: have one of them in a SELECT inside, and "
                "order the other by it, too",
            )

    def _refuse_ties(
        self, node: exp.Expr, keys: Sequence[exp.Expr], ordered: Sequence[exp.Expr]
    ) -> None:
        if self.select is None:
            return
        known = [*keys, *(term.this for term in ordered)]
        missing = [*undecided(self.select, self.rows, known)]
        direct = [value for value in missing if not self._is_plain(value)]
        if not missing:
            return
        if not ordered:
            why = "without ORDER BY the engine's own order decides, which follows identifiers"
        elif direct:
            why = (
                "of rows that are equal in its ORDER BY the engine chooses, and they may differ in "
                f"{_listed(direct)}: PARTITION BY it, or leave it out of this SELECT"
            )
        else:
            why = (
                "of rows that are equal in its ORDER BY the engine chooses, which follows "
                f"identifiers: order by {_listed(missing)}, too, which this SELECT gives"
            )
        self._refuse(node, why)

    def _is_plain(self, value: exp.Expr) -> bool:
        cells = (self.rows.cell(column) for column in value.find_all(exp.Column))
        return all(cell is None or cell.is_plain for cell in cells)

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
                after_plain = after_plain or isinstance(bare, exp.Column)
        return breaks_ties

    def _named(self, node: exp.Expr) -> Iterator[exp.Expr]:
        return named_windows(node, self.select) if self.select else iter(())

    def _refuse(self, node: exp.Expr, why: str) -> None:
        self.statements.refuse(node, why)


def _listed(values: Sequence[exp.Expr]) -> str:
    return ", ".join(value.sql(DIALECT) for value in values)


def _why_not_equal(one: Cell, other: Cell) -> str:
    if one.is_spelled_unlike(other):
        return (
            "an identifier as delivered and a folded one are compared: whether they are equal "
            "tells how it is spelled"
        )
    if one.lines or other.lines:
        return "a text of several identifiers is compared: UNNEST(SPLIT(…, CHR(10))) has each"
    return "direct columns of different subjects are compared"


def _is_empty_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and node.this == ""


def _is_one(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.this == "1"


def _function(window: exp.Window) -> exp.Expr:
    function: exp.Expr = window.this
    while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        function = function.this
    return function


def _keys(windows: Sequence[exp.Expr]) -> list[exp.Expr]:
    """What a window and those that it is defined by are partitioned by."""
    return [key for window in windows for key in window.args.get("partition_by") or ()]


def _terms(windows: Sequence[exp.Expr]) -> list[exp.Expr]:
    """The terms that a window and those that it is defined by are ordered by."""
    orders = (window.args.get("order") for window in windows)
    return [term for order in orders if order is not None for term in order.expressions]


def _counts_rows(window: exp.Expr) -> bool:
    """Whether a window's frame goes by the places of rows."""
    spec = window.args.get("spec")
    ends = [spec.args.get(end) for end in ("start", "end")] if spec is not None else []
    is_whole = ends == ["UNBOUNDED", "UNBOUNDED"]
    return spec is not None and spec.text("kind").upper() == "ROWS" and not is_whole


def given_clauses(node: exp.Expr) -> list[str]:
    """The names of a node's parts that there are."""
    return [name for name, value in node.args.items() if value]

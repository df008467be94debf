"""Where a direct column may stand in a SELECT from which something is published: a list.

What isn't on the list (`expressions.py` has it) is refused. None of these places tells how an
identifier is spelled: were everybody's replaced by others, equal ones by equal ones, the same rows
would come out.

Likewise for values. A row has sides (`sides.py`), and each must be named in it by a key that has
one value for each person whose values are there (`owners.py`). A group, a window or a scalar
subquery stays within the rows of its sides' own people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from stedi.privacy.proof.expressions import Expressions, Tables, given_clauses
from stedi.privacy.proof.owners import owners, reads_values
from stedi.privacy.proof.sides import PLAIN, Cell, JoinedRows, Owners, Relation
from stedi.sql.tree import DIALECT, without_parens

_SHOWN = 90
_CLAUSES = {
    "with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "windows",
    "distinct", "order",
}  # fmt: skip
_SUBQUERY = {"this", "alias"}
_TABLE = {"this", "alias", "db", "catalog"}
_UNION = {"with_", "this", "expression", "distinct", "order", "limit", "offset"}


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
    numbering: Iterator[int] = field(default_factory=lambda: count(1))

    def relation(self, tree: exp.Query) -> Relation:
        """The columns that a statement gives, and whose rows they are."""
        return self.query(tree, {}, None)

    # Statements ----------------------------------------------------------------------------------

    def query(
        self, query: exp.Expr, tables: Tables, around: JoinedRows | None, *, is_list: bool = False
    ) -> Relation:
        """The columns of a statement, or of a part of one, and whose rows they are.

        `is_list` is set where nothing but which identifiers there are matters.
        """
        while isinstance(query, exp.Subquery):
            self._refuse_clauses(query, _SUBQUERY)
            query = query.this
        tables = {**tables, **self.with_(query, tables)}
        if isinstance(query, exp.Select):
            return self._select(query, tables, around, is_list=is_list)
        if isinstance(query, exp.Union):
            return self._union(query, tables, around)
        self.refuse(query, "of the statements that combine others, only UNION may stand here")
        return _nameless(query)

    def with_(self, query: exp.Expr, tables: Tables) -> Tables:
        """The tables that a statement can read, its own WITH included."""
        known = dict(tables)
        with_ = query.args.get("with_")
        if with_ is not None and with_.args.get("recursive"):
            self.refuse(with_, "a recursive WITH may not stand here")
        elif with_ is not None:
            for cte in with_.expressions:
                known[cte.alias] = self._renamed(self.query(cte.this, known, None), cte)
        return known

    def _union(self, query: exp.Union, tables: Tables, around: JoinedRows | None) -> Relation:
        """Rows of both parts; no column may tell which of them a row is from."""
        self._refuse_clauses(query, _UNION)
        left = self.query(query.left, tables, around)
        right = self.query(query.right, tables, around)
        for part in ("limit", "offset", "order"):
            if query.args.get(part):
                self.refuse(query.args[part], "a UNION is neither ordered nor cut here")
        first, second = _shapes(query.left), _shapes(query.right)
        cells, pairs = {}, dict[int, int]()
        for n, (name, one) in enumerate(left.columns.items()):
            other = [*right.columns.values()][n] if n < len(right.columns) else PLAIN
            if first[n : n + 1] != second[n : n + 1]:
                self.refuse(query, f"{name} tells which part of the UNION a row is from")
            if one.is_direct != other.is_direct or one.breaks_ties or other.breaks_ties:
                self.refuse(query, f"{name} is a direct column in one part of the UNION only")
            elif one.is_direct and not one.is_compared_with(other):
                self.refuse(
                    query,
                    f"{name} has identifiers of two kinds: whether one is equal to another tells "
                    "how they are spelled",
                )
            if one.is_made_of_identifiers or other.is_made_of_identifiers:
                self.refuse(query, f"{name} is made of identifiers, and rows are compared by it")
            kinds = one.kinds & other.kinds
            if one.side is not None and other.side is not None and kinds:
                pairs.setdefault(one.side, other.side)
                kept = pairs[one.side] == other.side
                side = one.side if kept else None
            else:
                side = None
            optional = one.is_optional or other.is_optional
            type_ = one.type_ if one.type_ == other.type_ else None
            copy_of = one.copy_of if one.copy_of == other.copy_of else None
            is_direct = one.is_direct or other.is_direct
            cells[name] = Cell(is_direct, kinds, side, None, optional, type_=type_, copy_of=copy_of)
        if set(pairs) != left.sides or {*pairs.values()} != right.sides:
            self.refuse(query, "the parts of the UNION don't name the same sides")
        return Relation(
            cells,
            left.sides,
            owners=_owners_of_both(left, right, pairs),
            reads_values=left.reads_values or right.reads_values,
        )

    def _select(
        self,
        select: exp.Select,
        tables: Tables,
        around: JoinedRows | None,
        *,
        asks: bool = False,
        is_list: bool = False,
    ) -> Relation:
        """`asks` is set where nothing but whether there is a row matters.

        `is_list` is set where nothing but which identifiers there are does.
        """
        self._refuse_clauses(select, _CLAUSES)
        rows = JoinedRows(around)
        self._from(select, tables, rows)
        rows.join(select.args.get("where"))
        rows.make_present(select.args.get("where"))
        self._refuse_made_of_identifiers(select, rows)
        within = Expressions(self, select, tables, rows)
        within.check()
        if not asks:
            self._refuse_same_names(select, select.named_selects)
        cells = {p.alias_or_name: within.projected(p) for p in select.selects}
        if around is not None and (not asks or reads_values(select, rows)):
            around.inner.append(rows)
        if asks:
            self._refuse_unnamed(select, rows, set())
            _note_reading(select, rows, around)
            return Relation({})
        cells = {
            name: cell if cell.side is None else replace(cell, side=rows.side(cell.side))
            for name, cell in cells.items()
        }
        named = {cell.side for cell in cells.values() if cell.is_key and cell.side is not None}
        self._refuse_unnamed(select, rows, named)
        sides = frozenset(rows.sides | named)
        unique = _unique(select, rows)
        listed = frozenset(cells) if is_list else unique
        own = {side: self._owners(within, cells, side, listed) for side in sides}
        _note_reading(select, rows, around)
        return Relation(cells, sides, unique, own, reads_values(select, rows))

    def _owners(
        self, within: Expressions, cells: Mapping[str, Cell], side: int, listed: frozenset[str]
    ) -> frozenset[str]:
        """The columns by which the people of a side can be counted.

        `listed` are those of which it doesn't matter how often they have a value.
        """
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
        if len(named) == 1 and listed >= {*named} and not reads_values(select, rows):
            return frozenset(named)  # a list of identifiers, whichever person had them
        self.refuse(
            select,
            f"{' and '.join(named)} may have several values for one person whose values are here, "
            "who would be counted as several people, or whose values would be in others' rows: "
            f"join {', '.join(rows.aliases({side}))} by columns that are unique (as a contract "
            "declares, or by GROUP BY or DISTINCT of one alone), or give the column that names "
            "whom the records are about",
        )
        return frozenset(named)

    def asks(self, select: exp.Select, tables: Tables, around: JoinedRows) -> None:
        """Follow a SELECT of which nothing but whether there is a row matters."""
        self._select(select, tables, around, asks=True)

    def _refuse_clauses(self, node: exp.Expr, allowed: set[str]) -> None:
        for clause in {*given_clauses(node)} - allowed:
            given = node.args[clause]
            what = clause.upper().strip("_").replace("_", " ")
            shown = given if isinstance(given, exp.Expr) else node
            self.refuse(shown, f"{what} may not stand here: it can choose among people's rows")

    def _refuse_made_of_identifiers(self, select: exp.Select, rows: JoinedRows) -> None:
        is_distinct = select.args.get("distinct") is not None
        given = () if is_distinct else (without_parens(p.unalias()) for p in select.selects)
        bare = {id(node) for node in given if isinstance(node, exp.Column)}
        for column in select.find_all(exp.Column):
            cell = rows.columns.get(column.table, {}).get(column.name)
            if cell is None or id(column) in bare:
                continue
            if cell.is_made_of_identifiers:
                self.refuse(
                    column,
                    f"{column.name} is made of identifiers, like their lengths: even that two are "
                    "equal tells how they are spelled",
                )
            elif cell.is_of_another_spelling:
                self.refuse(
                    column,
                    f"{column.name} is worked out from records of the subject's other spellings, "
                    "who may be somebody else",
                )

    def _refuse_unnamed(self, select: exp.Select, rows: JoinedRows, named: set[int]) -> None:
        missing = rows.sides - named
        if missing:
            whose = ", ".join(rows.aliases(missing)) or "a table"
            self.refuse(
                select,
                f"nothing says whose rows {whose} has: each table's people are named by a "
                "column of the SELECT, or joined by an equal identifier to people who are; "
                "declare the `subject` of a column that identifies them",
            )

    # FROM and JOIN -------------------------------------------------------------------------------

    def _from(self, select: exp.Select, tables: Tables, rows: JoinedRows) -> None:
        from_ = select.args.get("from_")
        if from_ is None:
            return
        self._add(from_.this, tables, rows)
        for join in select.args.get("joins") or ():
            self._add(join.this, tables, rows)
            alias, side = join.this.alias_or_name, (join.side or "").upper()
            kind = (join.kind or "").upper()
            if join.args.get("using") or join.method or kind not in ("", "INNER", "CROSS", "OUTER"):
                self.refuse(join, "of joins, INNER, CROSS and LEFT may stand here")
            if side in ("RIGHT", "FULL"):
                self.refuse(
                    join, f"{side} JOIN may not stand here: LEFT JOIN says it from the other side"
                )
            is_optional = side == "LEFT"
            if is_optional and isinstance(join.this, exp.Lateral):
                self.refuse(join, "whether LATERAL has a row is a value here: CROSS JOIN it")
            rows.join(join.args.get("on"), alias if is_optional else None)
            if is_optional:
                rows.make_optional([alias])

    def _add(self, source: exp.Expr, tables: Tables, rows: JoinedRows) -> None:
        alias = source.alias_or_name
        self._refuse_clauses(source, {*_TABLE, "expressions"})
        if isinstance(source, exp.Table):
            known = tables.get(source.name) or self.table(source.name)
            if known is None:
                self.refuse(source, "people's rows can't be told from it")
            rows.add(alias, self._renamed(known or Relation({}), source))
        elif isinstance(source, exp.Subquery):
            rows.add(alias, self._renamed(self.query(source, tables, None), source))
        elif isinstance(source, exp.Lateral) and isinstance(source.this, exp.Subquery):
            query = self.query(source.this, tables, rows)
            self.refuse_direct(source, query)
            rows.columns[alias] = dict.fromkeys(self._renamed(query, source).columns, PLAIN)
        elif isinstance(source, exp.Unnest):
            self._unnest(source, tables, rows)
        elif isinstance(source, exp.Values):
            within = Expressions(self, None, tables, rows)
            for written in source.expressions:
                within.walk(written)
            rows.columns[alias] = dict.fromkeys(source.alias_column_names, PLAIN)
        else:
            self.refuse(source, "of what FROM may have, only tables and SELECTs may stand here")
            rows.columns[alias] = {}

    def _renamed(self, relation: Relation, source: exp.Expr) -> Relation:
        """With the names that an alias gives its columns."""
        alias = source.args.get("alias")
        names = [c.name for c in alias.args.get("columns") or ()] if alias is not None else []
        self._refuse_same_names(source, names)
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

    def _refuse_same_names(self, node: exp.Expr, names: Sequence[str]) -> None:
        """Engines differ in which of two columns of one name they take, and so may this rule."""
        folded = [name.lower() for name in names]
        for name in {name for name in folded if folded.count(name) > 1}:
            self.refuse(node, f"two columns are called {name}")

    def _unnest(self, source: exp.Unnest, tables: Tables, rows: JoinedRows) -> None:
        """Arrays of a row's own values; or names that a column has one a line, taken apart."""
        alias = source.alias_or_name
        names = [column.name for column in source.args["alias"].args.get("columns") or ()]
        [*arrays] = source.expressions
        if len(arrays) == len(names) == 1 and _is_lines(arrays[0]):
            cell = rows.cell(arrays[0].this)
            line = cell.lines if cell is not None else None
            if cell is not None and line is not None and cell.side is not None:
                rows.columns[alias] = {names[0]: line}
                rows.owners[arrays[0].this.table] = {}  # now the row is about one of them
                rows.owners[alias] = {cell.side: frozenset(names)}
                return
        within = Expressions(self, None, tables, rows)
        for array in arrays:
            within.walk(array)
        rows.columns[alias] = dict.fromkeys(names, PLAIN)

    def refuse_direct(self, node: exp.Expr, relation: Relation) -> None:
        """Refuse columns that name people where values are wanted."""
        for name, cell in relation.columns.items():
            if not cell.is_plain:
                self.refuse(node, f"{name} names a person, and is made a value here")

    def refuse(self, node: exp.Expr, why: str) -> None:
        """Note what stands where it may not."""
        self.problems.append(f"{self.place}{_line(node)}: {_text(node)}: {why}")


def _nameless(query: exp.Expr) -> Relation:
    names = query.named_selects if isinstance(query, exp.Query) else []
    return Relation(dict.fromkeys(names, PLAIN))


def _note_reading(select: exp.Select, rows: JoinedRows, around: JoinedRows | None) -> None:
    """The statement around depends on what one inside it reads."""
    if around is not None and reads_values(select, rows):
        around.reads_values = True


def _unique(select: exp.Select, rows: JoinedRows) -> frozenset[str]:
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
        and not (rows.cell(node) or PLAIN).is_optional  # it may be lacking more than once
    )


def _owners_of_both(left: Relation, right: Relation, pairs: Mapping[int, int]) -> Owners:
    """The columns that have one value for each person of either part."""
    to = dict(zip(right.columns, left.columns, strict=False))
    return {
        side: names & {to[name] for name in right.owners.get(pairs[side], ()) if name in to}
        for side, names in left.owners.items()
        if side in pairs
    }


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


def _line(node: exp.Expr) -> str:
    for part in node.walk():
        line = part.meta.get("line")
        if line is not None:
            return f", line {line}"
    return ""


def _text(node: exp.Expr) -> str:
    return " ".join(node.sql(DIALECT, comments=False).split())[:_SHOWN]

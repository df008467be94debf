"""The column lineage of a published table as a picture (SVG): values solid, influences dashed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from stedi.columns import Classification
from stedi.declared import Declarations
from stedi.declared.contract import Contract
from stedi.privacy.proof import Proof

WIDTH, GAP, LINE, HEAD, MARGIN, SPACE = 224, 110, 20, 30, 24, 30
FILLS: Mapping[Classification, str] = {"direct": "#f6d5d0", "quasi": "#fdf1cf", "none": "#ffffff"}
_Place = tuple[int, int]


def graph(declarations: Declarations, proof: Proof) -> str:
    """Tables from left to right as they are made, with the columns that reach what is published.

    A column's colour tells its class. A solid line is a value that arrives; a dashed one ends at
    the head of a table, about whose rows a column decides.
    """
    columns = _columns(declarations, proof)
    places = _places(declarations, columns)
    height = max(y + _height(columns[table]) for table, (_, y) in places.items()) + MARGIN + 30
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="system-ui, sans-serif" role="img" '
            'aria-label="Where the columns of the published tables come from">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *_lines(declarations, proof, columns, places),
            *(
                box
                for table in places
                for box in _box(declarations.contracts[table], columns[table], places[table])
            ),
            *_legend(height),
            "</svg>",
            "",
        ]
    )


def _columns(declarations: Declarations, proof: Proof) -> dict[str, list[str]]:
    """The columns to show of each table: those that reach a published one in any way."""
    wanted: dict[str, set[str]] = {}
    for contract in declarations.contracts.values():
        if contract.is_published:
            for column in contract.columns:
                wanted.setdefault(contract.name, set()).add(column.name)
                for reach in proof.origins(contract.name, column.name):
                    wanted.setdefault(reach.table, set()).add(reach.column)
    return {
        name: [c.name for c in contract.columns if c.name in wanted[name]]
        for name, contract in declarations.contracts.items()
        if name in wanted
    }


def _places(declarations: Declarations, columns: Mapping[str, list[str]]) -> dict[str, _Place]:
    """A lane for each folder of tables, from left to right as tables are made."""
    depths = {contract.name: 0 for contract in declarations.landing}
    for table, transform in declarations.transforms.items():
        depths[table] = 1 + max((depths[n] for n in transform.inputs if n in depths), default=0)
    lanes: dict[str, list[str]] = {}
    for table in columns:
        lanes.setdefault(declarations.contracts[table].location.split("/")[0], []).append(table)
    places, top = {}, MARGIN
    for tables in lanes.values():
        bottoms: dict[int, int] = {}
        for table in tables:
            y = bottoms.get(depths[table], top)
            places[table] = (MARGIN + depths[table] * (WIDTH + GAP), y)
            bottoms[depths[table]] = y + _height(columns[table]) + SPACE
        top = max(bottoms.values())
    return places


def _height(columns: list[str]) -> int:
    return HEAD + LINE * len(columns) + 8


def _lines(
    declarations: Declarations,
    proof: Proof,
    columns: Mapping[str, list[str]],
    places: Mapping[str, _Place],
) -> Iterator[str]:
    values, influences = set(), set()
    for table, lineage in proof.of_tables.items():
        for column in columns.get(table, ()):
            for reach in lineage.get(column, ()):
                if reach.table in columns and reach.column in columns[reach.table]:
                    begin = _edge(places[reach.table], columns[reach.table], reach.column, WIDTH)
                    if reach.is_direct:
                        values.add((begin, _edge(places[table], columns[table], column, 0)))
                    else:
                        influences.add((begin, _edge(places[table], columns[table], None, 0)))
    for begin, end in sorted(influences):
        yield _curve(begin, end, 'stroke="#9a9a9a" stroke-dasharray="4 3"')
    for begin, end in sorted(values):
        yield _curve(begin, end, 'stroke="#1f4e79" stroke-width="1.6"')


def _edge(place: _Place, columns: list[str], column: str | None, across: int) -> _Place:
    line = HEAD // 2 if column is None else HEAD + LINE * columns.index(column) + LINE // 2
    return place[0] + across, place[1] + line


def _curve(begin: _Place, end: _Place, style: str) -> str:
    """Straight along its lane, and over to the other in the last gap."""
    (x1, y1), (x2, y2) = begin, end
    turn = max(x1, x2 - GAP)
    bend = (x2 - turn) // 2
    path = f"M{x1} {y1}L{turn} {y1}C{turn + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" {style}/>'


def _box(contract: Contract, columns: list[str], place: _Place) -> Iterator[str]:
    x, y = place
    yield (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{_height(columns)}" rx="6" '
        'fill="#fff" stroke="#555"/>'
    )
    yield _text(x + 10, y + 20, contract.name, 'font-size="13" font-weight="600"')
    if contract.publication:
        below = y + _height(columns) + 16
        yield _text(x, below, f"published, k = {contract.publication.k}", 'font-size="12"')
    for n, name in enumerate(columns):
        column = contract.column(name)
        assert column is not None
        top = y + HEAD + LINE * n
        yield (
            f'<rect x="{x + 5}" y="{top + 1}" width="{WIDTH - 10}" height="{LINE - 2}" rx="3" '
            f'fill="{FILLS[column.classification]}"/>'
        )
        yield _text(x + 10, top + 14, name, 'font-size="12"')
        yield _text(
            x + WIDTH - 10, top + 14, column.classification,
            'font-size="10" text-anchor="end" fill="#555"',
        )  # fmt: skip


def _legend(height: int) -> Iterator[str]:
    y = height - 16
    yield _curve((MARGIN, y), (MARGIN + 40, y), 'stroke="#1f4e79" stroke-width="1.6"')
    yield _text(MARGIN + 48, y + 4, "the value arrives", 'font-size="12"')
    yield _curve((MARGIN + 190, y), (MARGIN + 230, y), 'stroke="#9a9a9a" stroke-dasharray="4 3"')
    yield _text(MARGIN + 238, y + 4, "decides which rows there are", 'font-size="12"')


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'

"""The flow of the rows as a picture: the places of the tables, and the arrows between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stedi.page.facts import Facts, TableFacts
from stedi.text import counted

WIDTH, HEIGHT, GAP, SPACE, MARGIN = 222, 74, 46, 34, 14
_CHARACTERS = 26


@dataclass(frozen=True)
class Node:
    """A table's box, its upper left corner, and what is written in it."""

    name: str
    zone: str
    x: int
    y: int
    title: str
    lines: tuple[str, ...]
    is_published: bool
    is_fresh: bool


@dataclass(frozen=True)
class Arrow:
    """From a table to one that is made from it; `label` is how many rows go that way."""

    source: str
    target: str
    path: str
    label: str | None
    x: int
    y: int


@dataclass(frozen=True)
class Flow:
    """The picture, and how large it is."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    width: int
    height: int


def flow(facts: Facts) -> Flow:
    """Tables from top to bottom as they are made, a lane for each folder."""
    places = _places(facts.tables)
    files = {source.table: source.files for source in facts.sources}
    nodes = tuple(
        _node(facts, table, *places[name], files.get(name)) for name, table in facts.tables.items()
    )
    return Flow(
        nodes,
        tuple(_arrows(facts, places)),
        max((node.x for node in nodes), default=0) + WIDTH + MARGIN,
        max((node.y for node in nodes), default=0) + HEIGHT + MARGIN,
    )


def _places(tables: Mapping[str, TableFacts]) -> dict[str, tuple[int, int]]:
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 1 + max(
                (depth(n) for n in tables[name].inputs if n in tables), default=-1
            )
        return depths[name]

    lanes: dict[str, list[str]] = {}
    for name, table in tables.items():
        lanes.setdefault(table.contract.location.split("/")[0], []).append(name)
    places, left = {}, MARGIN
    for names in lanes.values():
        ends: dict[int, int] = {}
        for name in sorted(names, key=depth):
            x = ends.get(depth(name), left)
            places[name] = (x, MARGIN + depth(name) * (HEIGHT + GAP))
            ends[depth(name)] = x + WIDTH + SPACE
        left = max(ends.values())
    return places


def _node(facts: Facts, table: TableFacts, x: int, y: int, files: int | None) -> Node:
    rows = table.status.rows
    shown = "not built yet" if rows is None else f"{facts.discreet.count(rows, table.name)} rows"
    lines = [shown]
    if files is not None:
        lines.append(f"from {counted(files, 'file')}")
    elif table.step is not None and table.step.adds_up is not None:
        dropped = sum(table.step.dropped.values())
        lines.append(f"{facts.discreet.count(dropped, table.name)} dropped")
    if table.status.freshness == "stale":
        lines[-1] = "out of date"
    name = table.name
    title = name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…"
    zone = table.contract.zone
    fresh = table.status.freshness == "fresh"
    return Node(name, zone, x, y, title, tuple(lines), table.contract.is_published, fresh)


def _arrows(facts: Facts, places: Mapping[str, tuple[int, int]]) -> Iterator[Arrow]:
    for name, table in facts.tables.items():
        for n, source in enumerate(s for s in table.inputs if s in places):
            (x1, y1), (x2, y2) = places[source], places[name]
            y1 += HEIGHT
            is_lane, is_aside = x1 == x2, source not in table.sources
            end = x2 + (WIDTH // 2 if is_lane else 48 + 42 * min(n, 3))
            begin = x1 + WIDTH // 2
            if is_aside and not is_lane:  # beside the label of the rows that go on
                begin += 72 if x2 > x1 else -24
            path = f"M{begin} {y1}V{y2 - 5}"
            if not is_lane:
                path = _curve(begin, y1, end, y2, x2 > x1)
            label = None
            if not is_aside and (rows := facts.tables[source].status.rows) is not None:
                label = facts.discreet.count(rows, source).replace("fewer than ", "<")
                label = label.replace("about ", "~")
            yield Arrow(source, name, path, label, begin + 8, y1 + 17)


def _curve(x1: int, y1: int, x2: int, y2: int, is_right: bool) -> str:
    """From lane to lane; past other tables between the lanes, not behind them."""
    path = f"M{x1} {y1}"
    if y2 - y1 > HEIGHT + GAP:
        left = MARGIN + (x1 - MARGIN) // (WIDTH + SPACE) * (WIDTH + SPACE)
        between = left + WIDTH + SPACE // 2 if is_right else left - SPACE // 2
        bend, end = y1 + 3 * GAP // 4, y1 + GAP
        path += f"V{y1 + GAP // 2}C{x1} {bend} {between} {bend} {between} {end}"
        x1 = between
    turn = max(y1, y2 - GAP)
    bend = (y2 - turn) // 2
    return f"{path}V{turn}C{x1} {turn + bend} {x2} {y2 - bend} {x2} {y2 - 6}V{y2 - 5}"

"""Writes what is made from the declarations: `sql/`, `docs/workflow.svg`, `docs/tables.md`.

make generate
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from stedi.contracts import Contract
from stedi.ddl import ddl
from stedi.declared import Declarations, packaged, read_declarations

ROOT = Path(__file__).parents[1]

WIDTH, HEIGHT, COLUMN, LANE = 200, 46, 248, 90
MARGIN, HEAD = 24, 20
ZONES = {"landing": "#f1e3d3", "trusted": "#d9e6f2", "curated": "#d8ecdc"}


def generated() -> dict[Path, str]:
    """The text of every generated file, by its path below the project."""
    declarations = read_declarations(packaged())
    files = {Path("sql") / f"{c.name}.sql": ddl(c) for c in declarations.landing}
    files[Path("docs") / "workflow.svg"] = workflow(declarations)
    files[Path("docs") / "tables.md"] = tables(declarations)
    return files


def workflow(declarations: Declarations) -> str:
    """The tables as boxes: a lane for each source, from left to right as they are made."""
    depths = _depths(declarations)
    lanes = {str(contract.source): n for n, contract in enumerate(declarations.landing)}
    order = ["customer", "accelerometer", "step_trainer"]
    lanes = {name: n for n, name in enumerate(sorted(lanes, key=order.index))}
    place = {
        name: (
            MARGIN + depths[name] * COLUMN,
            MARGIN + HEAD + lanes[contract.location.split("/")[0]] * LANE,
        )
        for name, contract in declarations.contracts.items()
    }
    width = MARGIN * 2 + max(depths.values()) * COLUMN + WIDTH
    height = MARGIN * 2 + HEAD + (len(lanes) - 1) * LANE + HEIGHT
    arrows, channels = [], dict.fromkeys(range(len(lanes)), 0)
    for table, transform in declarations.transforms.items():
        for name in (name for name in transform.inputs if name in place):
            lane = lanes[declarations.contracts[table].location.split("/")[0]]
            is_far = depths[table] - depths[name] > 1
            channels[lane] += is_far
            arrows.append(_arrow(place[name], place[table], channels[lane] if is_far else 0))
    boxes = [_box(c, *place[name]) for name, c in declarations.contracts.items()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="system-ui, sans-serif" role="img" '
            'aria-label="The tables of the lakehouse and what each is made from">',
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
            "markerHeight='7' orient='auto'><path d='M0 0 8 4 0 8z' fill='#555'/></marker></defs>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *arrows,
            *boxes,
            "</svg>",
            "",
        ]
    )


def tables(declarations: Declarations) -> str:
    """Every table with its columns, for people."""
    parts = ["# Tables", "", "Made from the contracts by `make generate`.", ""]
    for contract in declarations.contracts.values():
        parts += [f"## {contract.name}", "", f"{contract.description} Zone: {contract.zone}.", ""]
        parts += ["| column | type | class | |", "| --- | --- | --- | --- |"]
        parts += [
            f"| {c.name} | {c.type}{'' if c.required else ', may be blank'} "
            f"| {c.classification} | {c.description} |"
            for c in contract.columns
        ]
        parts.append("")
        if contract.rules:
            parts += ["Held to with every run:", ""]
            stops = {"error": "stops the run", "warning": "is noted"}
            parts += [
                f"- `{r.name}` ({stops[r.severity]}): {r.description}" for r in contract.rules
            ]
            parts.append("")
    return "\n".join(parts)


def _depths(declarations: Declarations) -> dict[str, int]:
    depths = {contract.name: 0 for contract in declarations.landing}
    for table, transform in declarations.transforms.items():
        depths[table] = 1 + max(depths[name] for name in transform.inputs if name in depths)
    return depths


def _box(contract: Contract, x: int, y: int) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{ZONES[contract.zone]}" stroke="#555"/>'
        f'<text x="{x + WIDTH // 2}" y="{y + 21}" text-anchor="middle" font-size="13" '
        f'font-weight="600">{escape(contract.name)}</text>'
        f'<text x="{x + WIDTH // 2}" y="{y + 37}" text-anchor="middle" font-size="11" '
        f'fill="#444">{contract.zone} zone</text>'
    )


def _arrow(begin: tuple[int, int], end: tuple[int, int], channel: int) -> str:
    """From box to box; one that goes further than the next column goes above the target's lane."""
    (x1, y1), (x2, y2) = begin, end
    x1, y1, y2 = x1 + WIDTH, y1 + HEIGHT // 2, y2 + HEIGHT // 2
    gap = COLUMN - WIDTH
    if channel:
        top = y2 - HEIGHT // 2 - 2 - 8 * channel
        down = f"C{x1 + gap * 0.7} {y1} {x1 + gap * 0.2} {top} {x1 + gap} {top}"
        up = f"C{x2 - gap * 0.2} {top} {x2 - gap * 0.7} {y2} {x2} {y2}"
        path = f"M{x1} {y1}{down}L{x2 - gap} {top}{up}"
    else:
        path = f"M{x1} {y1}C{x1 + gap * 0.8} {y1} {x2 - gap * 0.8} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#555" stroke-width="1.2" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    for path, text in generated().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text)
        print(path)

"""Writes what is made from declarations and code: `sql/`, parts of `docs/` and CONTRIBUTING.md.

make generate
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

from athena_checks import checks, script

from stedi.columns import Column
from stedi.declared import Declarations, packaged, read_declarations
from stedi.declared.athena import ddl
from stedi.declared.contract import Contract, Publication
from stedi.declared.machinery import MACHINERY
from stedi.declared.private import Private
from stedi.lakehouse import DEFAULT_DATABASE
from stedi.landing.reasons import EXPLANATIONS, FEW_RECORDS

ROOT = Path(__file__).parents[1]

WIDTH, HEIGHT, COLUMN, LANE = 200, 46, 248, 90
MARGIN, HEAD = 24, 20
NAMES = 26
ZONES = {"landing": "#f1e3d3", "trusted": "#d9e6f2", "curated": "#d8ecdc"}
ABOUT = {
    "loads": "Every landing file that was ever read.",
    "quarantine": "Every piece of a landing file that was set aside.",
    "suspended": "Who has a consent that does not count for now, and why.",
}


def generated() -> dict[Path, str]:
    """The text of every generated file, by its path below the project."""
    declarations = read_declarations(packaged())
    files = {Path("sql") / f"{c.name}.sql": ddl(c) for c in declarations.landing}
    for zone, found in checks(declarations, DEFAULT_DATABASE).items():
        files[Path("sql") / f"{zone}_checks.sql"] = script(zone, found)
    files[Path("docs") / "workflow.svg"] = workflow(declarations)
    files[Path("docs") / "contracts.md"] = contracts(declarations)
    files[Path("docs") / "internals.md"] = with_part(Path("docs") / "internals.md", "map", house())
    files[Path("CONTRIBUTING.md")] = with_part(Path("CONTRIBUTING.md"), "layers", layers())
    return files


def with_part(path: Path, part: str, text: str) -> str:
    """A page with the text between the marks of one of its parts replaced."""
    begin, end = f"<!-- {part}: made by `make generate` -->\n", f"<!-- end of {part} -->"
    before, _, rest = (ROOT / path).read_text().partition(begin)
    return f"{before}{begin}{text}{end}{rest.partition(end)[2]}"


def house() -> str:
    """The folders and modules below `src/stedi`, each with the first line of its docstring."""
    declarations = f"{'declarations/':<{NAMES}}What STEDI is: contracts/*.yaml, transforms/*.sql."
    lines = ["```", declarations, *_room(ROOT / "src" / "stedi", ""), "```", ""]
    return "\n".join(lines)


def _room(folder: Path, indent: str) -> Iterator[str]:
    modules = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    for module in modules:
        yield f"{indent + module.name:<{NAMES}}{_headline(module)}"
    for room in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        yield f"{indent + room.name + '/':<{NAMES}}{_headline(room / '__init__.py')}"
        yield from _room(room, f"{indent}    ")


def _headline(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    return docstring.split("\n")[0]


def layers() -> str:
    """Which folders may import which, from the import contract."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [levels] = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "\n".join(["```", *(level.replace("stedi.", "") for level in levels), "```", ""])


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


def contracts(declarations: Declarations) -> str:
    """Every table's contract, and why landing records are set aside, for people."""
    parts = [
        "# Contracts",
        "",
        "Made from `src/stedi/declarations/contracts` by `make generate`. A column's class says",
        "how far it names a person: *direct* names one, *quasi* helps to, *none* doesn't. Raw",
        "records that don't fit are set aside; [why](#why-records-are-set-aside) is told below.",
        "Every lakehouse has three tables more: [`loads`](#loads), [`quarantine`](#quarantine) and",
        "[`suspended`](#suspended).",
        "",
    ]
    for contract in declarations.contracts.values():
        parts += _contract(contract)
    for name, about in ABOUT.items():
        parts += _machinery(name, about)
    parts += [
        "## Why records are set aside",
        "",
        "| reason | means | usually |",
        "| --- | --- | --- |",
    ]
    parts += [f"| {reason} | {e.meaning} | {e.cause} |" for reason, e in EXPLANATIONS.items()]
    return "\n".join([*parts, ""])


def _contract(contract: Contract) -> Iterator[str]:
    yield from (f"## {contract.name}", "", contract.description, "")
    place = f"Zone: {contract.zone}. Below the root at `{contract.location}`."
    if contract.source:
        share = f"{contract.max_bad_share:.0%}"
        place += (
            f" Read from `{contract.source}/landing/`; a file of which more than {share} is bad is "
            f"set aside whole, if it has {FEW_RECORDS} records or more."
        )
    if contract.key:
        place += f" Maintained by its key `{contract.key}`."
    if contract.retention.withdrawal_days is not None:
        days = f"{contract.retention.withdrawal_days:g}"
        place += (
            f" Who leaves it has withdrawn: {days} days later no snapshot of before is kept in the "
            "trusted and curated zones."
        )
    yield from (place, "")
    keys = " JSON key |" if contract.source else ""
    yield f"| column |{keys} type | class | |"
    yield f"| --- |{' --- |' if keys else ''} --- | --- | --- |"
    for column in contract.columns:
        made = "" if column.is_computed else f"`{column.json_key or column.name}`"
        key = f" {made} |" if keys else ""
        type_ = column.type + ("" if column.required else ", may be blank")
        about = " ".join([column.description, *_limits(column)])
        yield f"| {column.name} |{key} {type_} | {column.classification} | {about} |"
    yield ""
    if contract.publication:
        yield from _publication(contract.publication)
    if contract.rules or any(column.unique for column in contract.columns):
        yield from ("Held to with every run:", "")
        yield from (f"- `{c.name}` is unique (stops the run)" for c in contract.columns if c.unique)
        for rule in contract.rules:
            does = "stops the run" if rule.severity == "error" else "is noted"
            yield f"- `{rule.name}` ({does}): {rule.description}"
        yield ""


def _machinery(name: str, about: str) -> Iterator[str]:
    yield from (f"## {name}", "", f"{about} Below the root at `_stedi/{name}`.", "")
    yield from ("| column | type | class | |", "| --- | --- | --- | --- |")
    for column in MACHINERY[name]:
        about = f"{column.type} | {column.classification} | {column.description}"
        yield f"| {column.name} | {about} |"
    yield ""


def _publication(publication: Publication) -> Iterator[str]:
    k, people = publication.k, " and by ".join(f"`{name}`" for name in publication.people)
    yield (
        f"Published in classes of equal rows. Each has rows of at least {k} different people, and "
        f"no person more than 1/{k} of them, counted by {people}. Values are generalised to ranges "
        "of these grids and published as the middle of their range:"
    )
    yield ""
    yield "| column | from | to | step | always an edge | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in publication.coarsened:
        how = "cut within boxes" if one == publication.target else "cut into boxes"
        edges = ", ".join(f"{edge:,.15g}" for edge in one.edges)
        yield (
            f"| {one.column} | {one.minimum:,.15g} | {one.maximum:,.15g} | {one.grid:.15g} | "
            f"{edges} | {how} |"
        )
    yield ""
    yield (
        f"A box has rows of at least {publication.people_per_box} people. On either side of each "
        f"edge it has rows of a hundredth of all people ({publication.k} at least, "
        f"{publication.people_per_box} at most), or none. Of one person, "
        f"{publication.rows_per_person or 'all'} rows are published. {publication.suppress:.0%} of "
        "all rows may be left out where that lets the others be published. What is worked out "
        "beside the published columns and left out:"
    )
    yield ""
    for column in publication.working_columns:
        yield f"- `{column.name}` ({column.classification}): {column.description}"
    yield ""
    if publication.private:
        yield from _private(publication.private)


def _private(private: Private) -> Iterator[str]:
    yield (
        f"Private releases go to the table `{private.table}`, too, at `{private.location}`. One "
        f"has epsilon {private.epsilon:g} at delta {private.delta:g} if nothing else is said; all "
        f"together have at most {private.lifetime_epsilon:g}, for ever. Changes take effect "
        f"{private.days:g} days after a release or later. A person with more rows counts as if "
        f"they had {private.rows_per_person:,}. Values are mapped by the normal distributions with "
        "these centres and spreads:"
    )
    yield ""
    yield "| column | centre | spread |"
    yield "| --- | --- | --- |"
    yield from (f"| {w.column} | {w.centre:g} | {w.spread:g} |" for w in private.warps)
    yield ""
    yield "| from epsilon on | frequencies of the axes | of the target | clip |"
    yield "| --- | --- | --- | --- |"
    for one in private.resolutions:
        target = ", ".join(map(str, one.target)) or "-"
        yield f"| {one.epsilon:g} | {one.frequencies:g} | {target} | {one.clip:g} |"
    yield ""


def _limits(column: Column) -> Iterator[str]:
    for limit, words in (
        (column.minimum, "At least"),
        (column.maximum, "At most"),
        (column.min_length, "Characters: at least"),
        (column.max_length, "Characters: at most"),
    ):
        if limit is not None:
            yield f"{words} {limit:,.15g}."
    if column.pattern is not None:
        yield f"Matches `{column.pattern}`."


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

"""Writes what is made from declarations and code: `sql/`, parts of `docs/` and CONTRIBUTING.md.

make generate
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

import references
from athena_checks import checks, script

from stedi.columns import Column
from stedi.declared import Declarations, packaged, read_declarations
from stedi.declared.athena import ddl
from stedi.declared.contract import Contract, Publication
from stedi.declared.machinery import MACHINERY
from stedi.declared.odcs import read_contracts
from stedi.declared.private import Private
from stedi.declared.profiles import SEED
from stedi.declared.texts import read_texts
from stedi.lakehouse import DEFAULT_DATABASE
from stedi.landing.reasons import EXPLANATIONS, FEW_RECORDS

ROOT = Path(__file__).parents[1]

WIDTH, HEIGHT, COLUMN, LANE = 200, 46, 248, 90
MARGIN, HEAD = 24, 20
NAMES = 26
ZONES = {"landing": "#f1e3d3", "trusted": "#d9e6f2", "curated": "#d8ecdc"}
ABOUT = {
    "loads": "Every landing file that a run has read.",
    "quarantine": "Every quarantined record.",
    "suspended": "Every customer whose consent is suspended, with the reason.",
}


def generated() -> dict[Path, str]:
    """The text of every generated file, by its path below the project."""
    declarations = read_declarations(packaged())
    files = {Path("sql") / f"{c.name}.sql": ddl(c) for c in declarations.landing}
    for zone, found in checks(declarations, DEFAULT_DATABASE).items():
        files[Path("sql") / f"{zone}_checks.sql"] = script(zone, found)
    files[Path("docs") / "workflow.svg"] = workflow(declarations)
    reference = Path("docs") / "reference"
    files[reference / "contracts.md"] = contracts(declarations)
    files[reference / "commands.md"] = references.commands()
    files[reference / "python.md"] = references.python()
    files[reference / "errors.md"] = references.errors_page()
    files[reference / "settings.md"] = references.settings()
    sql = reference / "sql.md"
    files[sql] = with_part(sql, "functions", references.functions())
    internals = Path("docs") / "explanation" / "internals.md"
    files[internals] = with_part(internals, "map", house())
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
    lines = [
        "<!-- not run: a map -->",
        "```text",
        declarations,
        *_room(ROOT / "src" / "stedi", ""),
        "```",
        "",
    ]
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
    return "\n".join(
        [
            "<!-- not run: a list -->",
            "```text",
            *(level.replace("stedi.", "") for level in levels),
            "```",
            "",
        ]
    )


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
    """Every table's contract, and why landing records are quarantined, for people."""
    parts = [
        "# Contracts",
        "",
        "The contract of every table, from `src/stedi/declarations/contracts` (`make generate`).",
        "Each column has a classification by how far its values identify a person: *direct* for a",
        "direct identifier, *quasi* for a quasi-identifier, *none* for neither. Invalid "
        "records are",
        "quarantined for [one of these reasons](#why-records-are-quarantined). Every lakehouse has",
        "three more tables: [`loads`](#loads), [`quarantine`](#quarantine) and",
        "[`suspended`](#suspended).",
        "",
    ]
    for contract in declarations.contracts.values():
        parts += _contract(contract)
    for name, about in ABOUT.items():
        parts += _machinery(name, about)
    parts += [
        "## Why records are quarantined",
        "",
        "| reason | meaning | usual cause |",
        "| --- | --- | --- |",
    ]
    parts += [f"| `{reason}` | {e.meaning} | {e.cause} |" for reason, e in EXPLANATIONS.items()]
    return "\n".join([*parts, ""])


def _contract(contract: Contract) -> Iterator[str]:
    yield from (f"## {contract.name}", "", contract.description, "")
    place = f"Zone: {contract.zone}. In the lakehouse folder at `{contract.location}`."
    if contract.source:
        share = f"{contract.max_bad_share:.0%}"
        place += (
            f" Read from `{contract.source}/landing/`. If a file has {FEW_RECORDS} records or "
            "more, "
            f"and more than {share} of them are invalid, the whole file is quarantined."
        )
    if contract.key:
        place += f" Maintained incrementally by its key `{contract.key}`."
    if contract.retention.withdrawal_days is not None:
        days = f"{contract.retention.withdrawal_days:g}"
        place += (
            f" A customer who leaves this table has withdrawn: {days} days later no earlier "
            "snapshot is "
            "kept in the trusted and curated zones."
        )
    yield from (place, "")
    keys = " JSON key |" if contract.source else ""
    yield f"| column |{keys} type | classification | |"
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
        yield from _noise(contract.name)
    if contract.rules or any(column.unique for column in contract.columns):
        yield from ("Data quality checks of every run:", "")
        yield from (f"- `{c.name}` is unique (stops the run)" for c in contract.columns if c.unique)
        for rule in contract.rules:
            does = "stops the run" if rule.severity == "error" else "is a warning"
            yield f"- `{rule.name}` ({does}): {rule.description}"
        yield ""


def _machinery(name: str, about: str) -> Iterator[str]:
    yield from (f"## {name}", "", f"{about} In the lakehouse folder at `_stedi/{name}`.", "")
    yield from ("| column | type | classification | |", "| --- | --- | --- | --- |")
    for column in MACHINERY[name]:
        about = f"{column.type} | {column.classification} | {column.description}"
        yield f"| {column.name} | {about} |"
    yield ""


def _publication(publication: Publication) -> Iterator[str]:
    k, people = publication.k, " and by ".join(f"`{name}`" for name in publication.people)
    yield (
        f"Published in equivalence classes (rows with equal values). Each has rows of at least {k} "
        f"people, and no person has more than 1/{k} of its rows (the dominance limit), counted by "
        f"{people}. Values are generalised to ranges on these grids; the midpoint of the range is "
        "published:"
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
        f"edge, it has rows of a hundredth of all people (at least {publication.k}, at most "
        f"{publication.people_per_box}), or none. At most {publication.rows_per_person or 'all'} "
        f"rows of one person are published. Up to {publication.suppress:.0%} of all rows may be "
        "suppressed so that the others can be published. The SELECT also returns these columns, "
        "which aren't published:"
    )
    yield ""
    for column in publication.working_columns:
        yield f"- `{column.name}` ({column.classification}): {column.description}"
    yield ""
    if publication.private:
        yield from _private(publication.private)


def _noise(table: str) -> Iterator[str]:
    """What is declared of noise, in whichever profile."""
    publication = read_contracts(read_texts(packaged(), SEED))[table].publication
    if publication is None or (noise := publication.noise) is None:
        return
    where = (
        f"In profile {' and '.join(f'`{name}`' for name in noise.profiles)}"
        if (noise.profiles)
        else "In every profile"
    )
    yield (
        f"{where}, [noise](../privacy.md#noise-on-the-counts) of scale {noise.scale:g} is added to "
        f"how often each class is repeated, and of one person {noise.rows_per_person:,} rows at "
        "most are published."
    )
    yield ""


def _private(private: Private) -> Iterator[str]:
    yield (
        f"Private releases also go to the table `{private.table}` at `{private.location}`. By "
        f"default, one release spends epsilon {private.epsilon:g} at delta {private.delta:g}; all "
        f"releases together may spend {private.lifetime_epsilon:g}, ever. Changes take effect "
        f"{private.days:g} days after a release, or later. A person with more rows counts as if "
        f"they had {private.rows_per_person:,}. Values are mapped by normal distributions with "
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
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
        print(path)

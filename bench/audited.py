"""What an audit costs that an engine counts in parts, of matched readings made directly.

    python bench/audited.py [--pairs 20000000] [--in-memory]

Publishes the matched readings of `bench/parts.py`, each person with other readings as the control
group, and audits them in a process of its own. Prints seconds of processor time by step, and the
peak memory of that process. `--in-memory` reads all rows, as an audit of a small table does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from parts import SIDES, make, peak
from publication import COLUMNS, walking
from sqlglot import exp

from stedi.columns import Column
from stedi.declared import packaged, read_declarations
from stedi.engines import choose
from stedi.parquet import Field, as_array
from stedi.privacy.audit import ATTACKS
from stedi.privacy.audit.checks import problems
from stedi.privacy.audit.counting import Counting
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.in_parts import Room
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication import ROWS_AT_ONCE, batches, publish_in_parts, raw_rows
from stedi.privacy.publication.boxes import read_boxes
from stedi.privacy.publication.search import prepare
from stedi.privacy.publication.spilled import Spilled
from stedi.roots.local.files import LocalFiles
from stedi.sql.tree import parse

CONTROLS = 120_000
"""People outside the table."""


def main() -> None:
    """Make and publish matched readings, and audit them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000_000)
    parser.add_argument("--in-memory", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "audited")
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    if given.measure:
        measure(given)
        return
    given.folder.mkdir(exist_ok=True)
    make(given.folder / "pairs", given.pairs)
    controls = given.folder / "controls.parquet"
    if not controls.exists():
        raw = walking(CONTROLS, seed=2)
        sides = dict.fromkeys(SIDES, raw.people[0])
        pq.write_table(pa.table({**raw.columns, **sides}), controls, compression="lz4")
    if not (given.folder / "boxes.parquet").exists():
        publish(given.folder)
    subprocess.run([sys.executable, __file__, "--measure", *sys.argv[1:]], check=True)


def select(table: str) -> exp.Query:
    """All that there is of a table."""
    return parse(f"SELECT {', '.join([*COLUMNS, *SIDES])} FROM {table}", "bench")


def columns() -> list[Column]:
    """Of both tables."""
    return [
        *(Column(name, "double", "none") for name in COLUMNS),
        *(Column(name, "long", "none") for name in SIDES),
    ]


def publish(folder: Path) -> None:
    """Publish the matched readings, in parts."""
    publication = read_declarations(packaged()).contracts["machine_learning_curated"].publication
    assert publication is not None
    fields = [Field(name, "double", n) for n, name in enumerate(COLUMNS, start=1)]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        files = LocalFiles(Path(scratch))
        with closing(choose("duckdb")(Path(scratch), files)) as engine:
            engine.declare("pairs", columns(), sorted(map(str, (folder / "pairs").iterdir())))
            spilled = Spilled.of(engine, "spilled", select("pairs"), publication)
            publish_in_parts(
                spilled, files, publication, fields, folder / "rows", folder / "boxes.parquet",
                ROWS_AT_ONCE,
            )  # fmt: skip


def measure(given: argparse.Namespace) -> None:
    """Audit, and print what that took."""
    publication = read_declarations(packaged()).contracts["machine_learning_curated"].publication
    assert publication is not None
    prepare()
    before, cpu = peak(), time.process_time()

    def told(what: str) -> None:
        spent = time.process_time() - cpu
        print(f"{what}: {spent:.1f} s of CPU, {peak():,} MB at the most", flush=True)

    paths = sorted((given.folder / "rows").iterdir())
    names = [column.column for column in publication.coarsened]
    boxes = read_boxes(given.folder / "boxes.parquet", names)
    blocks = batches(paths)
    stored = Stored.of({n: as_array(batch, n) for n in batch.schema.names} for batch in blocks)
    told(f"read {stored.rows:,} published rows of {len(stored.counts):,} classes")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        files = LocalFiles(Path(folder))
        with closing(choose("duckdb")(Path(folder), files)) as engine:
            engine.declare("pairs", columns(), sorted(map(str, (given.folder / "pairs").iterdir())))
            engine.declare("controls", columns(), [str(given.folder / "controls.parquet")])
            if given.in_memory:
                values = {name: boxes[name].values for name in names}
                raw, others = (
                    raw_rows(engine.fetch(select(name)), publication)
                    for name in ("pairs", "controls")
                )
                evidence = Evidence.of_rows(
                    publication, stored, values, raw, others, boxes,
                    most_people=publication.attacked_people,
                )  # fmt: skip
            else:
                counting = Counting(engine, files, Path(folder), publication, Room(ROWS_AT_ONCE))
                rows = counting.rows("rows", select("pairs"))
                told("wrote rows to files")
                evidence = counting.evidence(rows, stored, boxes, select("controls"))
    told(f"counted {int(evidence.tally.rows.sum()):,} rows ({evidence.sample})")
    found = problems(evidence, [], [], [])
    told(f"checks ({sum(map(len, found.values()))} problems)")
    for attack in ATTACKS:
        worst = attack.run(evidence).worst
        told(f"{attack.name} ({worst})")
    print(f"{before:,} MB before it began")


if __name__ == "__main__":
    main()

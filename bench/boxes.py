"""Why a box has rows of so many people: what the table reveals about people in it, by people a box.

    python bench/boxes.py [--customers 10000] [--seed 11]

For each number of people a box: boxes and classes, and of each way to guess a distance how much
more often it is right for people in the table than for others, with the interval.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from stedi import Lakehouse
from stedi.declared import packaged, read_declarations
from stedi.privacy.audit.evidence import Evidence
from stedi.privacy.audit.inference import guesses
from stedi.privacy.audit.stored import Stored
from stedi.privacy.publication.boxes import table_of_boxes
from stedi.privacy.publication.coding import Coder
from stedi.privacy.publication.search import points, search
from stedi.privacy.published import published_table
from stedi.roots import open_root
from stedi.storage.warehouse import Warehouse

TABLE = "machine_learning_curated"
PEOPLE = (5, 10, 20, 40, 80)


def main() -> None:
    """Simulate people who walk, and publish them with boxes of different sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    declarations = read_declarations(packaged())
    contract = declarations.contracts[TABLE]
    assert contract.publication is not None
    with tempfile.TemporaryDirectory() as folder:
        lakehouse = Lakehouse(Path(folder) / "root")
        lakehouse.simulate(lakehouse.root, customers=given.customers, seed=given.seed, people=True)
        lakehouse.run()
        table = published_table(Warehouse(open_root(lakehouse.root)), declarations, TABLE)
        raw, control_group = table.rows, table.control_group
    for people in PEOPLE:
        publication = replace(contract.publication, people_per_box=people)
        found = points(publication, raw.columns, raw.people)
        ranges = table_of_boxes(publication, search(found, publication))
        on_grid = points(publication, raw.columns, raw.people)
        coder = Coder(ranges, on_grid)
        classes = coder.classes_of(on_grid.rows)
        values = {name: one.values for name, one in ranges.items()}
        published = {name: one[classes] for name, one in values.items()}
        evidence = Evidence.of_rows(
            publication, Stored.of([published]), values, raw, control_group, ranges
        )
        print(f"{people} people a box: {coder.boxes:,} boxes, {len(values['x']):,} classes")
        for guess in guesses(evidence) or ():
            print(
                f"  {guess.way}: {guess.excess:.1%} ({guess.lower:.1%} to {guess.upper:.1%}); "
                f"{guess.in_table:.1%} in the table, {guess.controls:.1%} outside"
            )


if __name__ == "__main__":
    main()

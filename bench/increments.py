"""What a change costs: new readings, consents given and withdrawn, and nothing at all.

    python bench/increments.py [--customers N] [--people N] [--rounds N] [--history]

A lakehouse of N customers is run once. Then, in rounds: readings of `--people` customers more (by
default 1 % of them), then 0.1 % of customers giving or withdrawing consent, chosen at random or,
with `--neighbours`, those who came first. Costs are whole processes' wall times over all tables but
the published one, which is made as a whole; ratios are to the full run. At the end a run with
nothing to do over a thousand landing files, against a bare process that opens the catalog and lists
them. VERBOSE=1 tells what each table took. With `--history` instead: the same new readings on this
history and on a tenth of it, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from stedi import Lakehouse

BENCH = Path(__file__).parent
STEDI = Path(sys.executable).with_name("stedi")
DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
)
LATER = 3_600_000
"""Milliseconds by which new readings are later than those they are made from."""
BARE = """
import sys
from pathlib import Path
from pyiceberg.catalog.sql import SqlCatalog
root = sys.argv[1]
catalog = SqlCatalog("stedi", uri=f"sqlite:///{root}/_stedi/catalog.db", **{
    "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"})
for name in catalog.list_tables("stedi"):
    catalog.load_table(name)
print(sum(path.stat().st_size > 0 for path in Path(root).glob("*/landing/*")))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--people", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--neighbours", action="store_true")
    parser.add_argument("--history", action="store_true")
    arguments = parser.parse_args()
    if arguments.history:
        on_ten_times_the_history(arguments)
        return
    people = arguments.people or arguments.customers // 100
    data = simulated(arguments.customers)
    root = linked(data)
    full = timed(root)
    print(f"full run: {full:.2f} s, without the published table", flush=True)
    readings, consents = [], []
    for number in range(arguments.rounds):
        add_readings(data / "landing", root, people, number)
        readings.append(timed(root))
        print(f"  readings of {people:,} more: {readings[-1]:.2f} s", flush=True)
        change_consents(data / "landing", root, arguments, number)
        consents.append(timed(root))
        print(f"  0.1 % consents changed: {consents[-1]:.2f} s", flush=True)
    for what, found in (("new readings", readings), ("consents", consents)):
        middle = statistics.median(found)
        print(f"{what}: median {middle:.2f} s, {middle / full:.3f} of the full run")
    shutil.rmtree(root)
    nothing_to_do(arguments.rounds)


def on_ten_times_the_history(arguments: Namespace) -> None:
    """Readings of the same people more, on all customers and on a tenth of them."""
    people = arguments.people or arguments.customers // 1000
    landing = simulated(arguments.customers) / "landing"
    roots = [linked(simulated(count)) for count in (arguments.customers // 10, arguments.customers)]
    for root in roots:
        timed(root)
    seconds: list[list[float]] = [[], []]
    for number in range(arguments.rounds):
        for root, taken in zip(roots, seconds, strict=True):
            add_readings(landing, root, people, number)
            taken.append(timed(root))
        print(f"  {seconds[0][-1]:.2f} s, with ten times the history {seconds[1][-1]:.2f} s")
    little, much = map(statistics.median, seconds)
    print(f"readings of {people:,} more: {much / little:.2f} times on ten times the history")
    for root in roots:
        shutil.rmtree(root)


def simulated(customers: int) -> Path:
    """Where the simulated data of so many customers lies."""
    data = BENCH / "data" / f"{customers}"
    if not data.exists():
        print(f"simulating {customers:,} customers into {data}", flush=True)
        Lakehouse.simulate(data / "landing", customers=customers)
    return data


def linked(data: Path) -> Path:
    """A lakehouse whose landing files are hard links to the data's."""
    root = data / "increments"
    shutil.rmtree(root, ignore_errors=True)
    for source in (data / "landing").iterdir():
        if source.is_dir():
            shutil.copytree(source, root / source.name, copy_function=os.link)
    return root


def timed(root: Path) -> float:
    """Seconds of a run without those that went into the published table."""
    begin = time.perf_counter()
    command = [str(STEDI), "run", "--root", str(root), "--json"]
    for table in DERIVED:
        command += ["--only", table]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wall = time.perf_counter() - begin
    built = json.loads(told)["built"]
    if os.environ.get("VERBOSE"):
        for table in built:
            print(f"    {table['seconds']:6.2f} {table['table']} {table['how']}: {table['reason']}")
    return wall


def records(landing: Path, source: str) -> Iterator[dict[str, object]]:
    for path in sorted((landing / source / "landing").iterdir()):
        with path.open() as file:
            yield from map(json.loads, file)


def write(root: Path, source: str, name: str, rows: Iterator[dict[str, object]]) -> None:
    with (root / source / "landing" / name).open("w") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def add_readings(landing: Path, root: Path, people: int, number: int) -> None:
    """The first customers' readings once more, later."""
    for source, time_key, each in (
        ("accelerometer", "timestamp", 85),
        ("step_trainer", "sensorReadingTime", 30),
    ):
        some = islice(records(landing, source), people * each)
        later = (r | {time_key: int(str(r[time_key])) + (1 + number) * LATER} for r in some)
        write(root, source, f"more-{number}.json", later)


def change_consents(landing: Path, root: Path, arguments: Namespace, number: int) -> None:
    """Other customers each time: who shares withdraws, who doesn't gives consent."""
    people = arguments.customers // 1000
    chosen = set(range(number * people, (number + 1) * people))
    if not arguments.neighbours:
        chosen = set(random.Random(number).sample(range(arguments.customers), people))
    changed = []
    for place, record in enumerate(records(landing, "customer")):
        if place in chosen:
            share = record.pop("shareWithResearchAsOfDate", None)
            record["lastUpdateDate"] = int(str(record["lastUpdateDate"])) + (1 + number) * LATER
            if not share:
                record["shareWithResearchAsOfDate"] = record["lastUpdateDate"]
            changed.append(record)
    write(root, "customer", f"changed-{number}.json", iter(changed))


def nothing_to_do(rounds: int) -> None:
    """A thousand landing files of few records, and nothing new."""
    root = BENCH / "data" / "thousand"
    shutil.rmtree(root, ignore_errors=True)
    Lakehouse.simulate(root / "one", customers=1000)
    for source in ("customer", "accelerometer", "step_trainer"):
        lines = (root / "one" / source / "landing").glob("*.json")
        text = [line for path in lines for line in path.read_text().splitlines(keepends=True)]
        (root / source / "landing").mkdir(parents=True)
        for n in range(334):
            (root / source / "landing" / f"{n}.json").write_text("".join(text[n::334]))
    shutil.rmtree(root / "one")
    timed(root)
    ratios = []
    for _ in range(max(5, rounds)):
        ours = timed(root)
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", BARE, str(root)], capture_output=True, check=True)
        bare = time.perf_counter() - begin
        ratios.append(ours / bare)
        print(f"  nothing to do: {ours:.2f} s, a bare process {bare:.2f} s", flush=True)
    print(f"nothing to do: {statistics.median(ratios):.2f} of a bare process")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()

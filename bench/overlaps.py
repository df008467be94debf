"""What the search for overlaps with earlier deliveries costs, as a share of reading a file.

    python bench/overlaps.py [RECORDS…]

A file of so many records (1,000 to 1,000,000) is read as a run does, on one core, after an earlier
file of as many that it shares none with, in the same range of times: some of its records are looked
up there. Printed are milliseconds of processor time of both, the least of some rounds, and the
share. Both are in one process, as in a run that has read a file before.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Contract
from stedi.declared.machinery import MACHINERY
from stedi.engines.crew import Threads
from stedi.landing.files import list_files
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.parse import Job, Parsed, parse
from stedi.landing.redelivered import notice, spans_of
from stedi.parquet import Field, Target
from stedi.roots.local.files import LocalFiles

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 5


def main() -> None:
    """Measure each size."""
    contract = read_declarations(packaged()).contracts["accelerometer_landing"]
    print(f"{'records':>9} {'reading':>10} {'look-up':>10} {'share':>7}")
    for records in [*map(int, sys.argv[1:])] or SIZES:
        with tempfile.TemporaryDirectory() as temporary:
            _compare(Path(temporary), contract, records)


def _compare(folder: Path, contract: Contract, records: int) -> None:
    _, _, known = _read(folder / "earlier", contract, records, 0)
    looking: list[float] = []
    reading: list[float] = []
    for number in range(ROUNDS):
        seconds, files, new = _read(folder / f"new-{number}", contract, records, 1)
        reading.append(seconds)
        begin = time.process_time()
        spans = spans_of(new, {"one.json": 1})
        found = notice(files, contract, spans_of(known, {"one.json": -1}), spans)
        looking.append(time.process_time() - begin)
        assert not found.orders
    once, look = min(reading), min(looking)
    print(f"{records:9,} {once * 1e3:7.1f} ms {look * 1e3:7.1f} ms {look / once:7.1%}", flush=True)


def _read(
    root: Path, contract: Contract, records: int, odd: int
) -> tuple[float, LocalFiles, Parsed]:
    """Seconds of processor time that a file of records at even or odd times takes to be read."""
    landing = root / str(contract.source) / "landing"
    landing.mkdir(parents=True)
    with (landing / "one.json").open("w") as file:
        for number in range(records):
            instant = 1_700_000_000_000 + 2 * number + odd
            x, y, z = (number % 997) / 997, (number % 499) / 499, -(number % 251) / 251
            file.write(
                f'{{"user":"p{number % 500}@example.com","timestamp":{instant},'
                f'"x":{x:.4f},"y":{y:.4f},"z":{z:.4f}}}\n'
            )
    files = LocalFiles(root)
    typed, pieces = (
        Target(root / name, tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, 1)))
        for name, columns in (("t", contract.columns), ("q", MACHINERY["quarantine"]))
    )
    crew = Threads(1)
    job = Job(list_files(files, str(contract.source)), {}, 1, typed, pieces)
    begin = time.process_time()
    parsed = parse(files, contract, Fingerprinter(b"of a benchmark"), crew, job)
    seconds = time.process_time() - begin
    crew.close()
    return seconds, files, parsed


if __name__ == "__main__":
    main()

"""How fast hostile landing files are read: twenty shapes and more, alone and among good lines.

    python bench/hostile.py [MEGABYTES] [SHAPE…]

Each shape is so many megabytes (4) of what is broken, between good lines. The landing parser reads
it as a run does, on one core. Printed are megabytes a second of processor time, the valid and
invalid records found, and how much longer twice as much takes. It ends with 1 where a long broken
shape is read at less than 20 MB/s, or where twice the bytes take more than three times as long.
Shapes of many small invalid records, each a row of the quarantine, are measured in records a
second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from stedi.declared import packaged, read_declarations
from stedi.declared.contract import Contract
from stedi.declared.machinery import MACHINERY
from stedi.engines.crew import Threads
from stedi.landing.files import list_files
from stedi.landing.fingerprint import Fingerprinter
from stedi.landing.parse import Job, Parsed, parse
from stedi.parquet import Field, Target, count_rows
from stedi.roots.local.files import LocalFiles

GOOD = b'{"user":"a@example.com","timestamp":1700000000000,"x":0.1,"y":0.2,"z":-1.0}\n'
LEAST = 20.0
FEW = 1_000
"""A shape with at most so many invalid records counts as long."""


def _only(unit: bytes) -> Callable[[int], bytes]:
    return lambda size: unit * (size // len(unit))


def _behind(begin: bytes, unit: bytes) -> Callable[[int], bytes]:
    return lambda size: begin + unit * (size // len(unit))


SHAPES: Mapping[str, Callable[[int], bytes]] = {
    "braces": _only(b"{"),
    "brackets": _only(b"["),
    "closing braces": _only(b"}"),
    "braces and brackets": _only(b"{["),
    "braces on lines": _only(b"{\n"),
    "objects in objects": _only(b'{"a":'),
    "lists in a value": _behind(b'{"user":', b"["),
    "lists and objects": _only(b'[{"a":['),
    "lists in a list": _behind(b'{"user":[', b"[],"),
    "lists on lines": _behind(b'{"user":[', b"[1,2],\n"),
    "objects below their keys": _behind(b'{"user":', b'{"a":\n{"b":[]},"c":'),
    "quotes": _only(b'"'),
    "quotes in an object": _behind(b"{", b'"'),
    "backslashes": _only(b"\\"),
    "backslashes in a text": _behind(b'{"user":"', b"\\"),
    "escaped quotes": _behind(b'{"user":"', b'\\"'),
    "commas": _only(b","),
    "commas in an object": _behind(b'{"user"', b","),
    "colons in an object": _behind(b"{", b":"),
    "one endless text": _behind(b'{"user":"', b"x"),
    "a text over lines": _behind(b'{"user":"', b"x" * 99 + b"\n"),
    "one endless number": _behind(b'{"timestamp":', b"1"),
    "half a key": _only(b'{"us'),
    "keys without end": _behind(b"{", b'"a":1,'),
    "an object without end": _behind(b'{"a":1', b" "),
    "NUL": _only(b"\0"),
    "bytes that are not UTF-8": _only(b"\xff"),
    "garbage without lines": _only(b"garbage "),
    "objects in a text": _behind(b'{"user":"', b'{"a":1}'),
    "braces in texts": _only(b'{"{":"}'),
    "cut off behind a colon": _only(b'{"user":"a@example.com","timestamp":17000,"x":\n'),
    "cut off on one line": _only(b'{"user":"a@example.com","timestamp":17000,"x":'),
    "a list of records without end": _behind(b'{"user":[', GOOD.strip() + b",\n"),
}


def main() -> int:
    """Read every shape, or those that are named."""
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    size = int(megabytes * 1e6)
    contract = read_declarations(packaged()).contracts["accelerometer_landing"]
    _read(GOOD * 10_000, contract)  # compiles the parser if it wasn't
    failed = 0
    for name in sys.argv[2:] or SHAPES:
        once, records, pieces = _read(SHAPES[name](size), contract)
        twice, _, _ = _read(SHAPES[name](2 * size), contract)
        speed = megabytes / once
        is_slow = pieces <= FEW and speed < LEAST
        is_steep = once > 0.2 and twice > 3 * once
        failed += is_slow or is_steep
        said = " SLOW" * is_slow + " NOT LINEAR" * is_steep
        print(
            f"{name:32} {speed:8.1f} MB/s {records:7,} records {pieces:9,} pieces "
            f"{pieces / once:10,.0f} pieces/s, twice as much takes {twice / once:4.1f} times{said}",
            flush=True,
        )
    return 1 if failed else 0


def _read(shape: bytes, contract: Contract) -> tuple[float, int, int]:
    """Seconds of processor time, records loaded, and records quarantined, of a shape."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        landing = root / str(contract.source) / "landing"
        landing.mkdir(parents=True)
        (landing / "hostile.json").write_bytes(GOOD * 9_000 + shape + b"\n" + GOOD * 5)
        files = LocalFiles(root)
        typed, pieces = (
            Target(root / name, tuple(Field(c.name, c.type, n) for n, c in enumerate(columns, 1)))
            for name, columns in (("t", contract.columns), ("q", MACHINERY["quarantine"]))
        )
        crew = Threads(1)
        job = Job(
            list_files(files, str(contract.source)), {}, 1, typed, pieces, accept_bad_files=True
        )
        begin = time.process_time()
        parsed: Parsed = parse(files, contract, Fingerprinter(b"of a benchmark"), crew, job)
        seconds = time.process_time() - begin
        crew.close()
        [read] = parsed.files
        rows = sum(count_rows(path) for path in parsed.quarantine)
    return seconds, read.records - rows, rows


if __name__ == "__main__":
    sys.exit(main())

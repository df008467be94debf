"""Plants defects: invalid records to be quarantined, and odd spellings of valid ones to be read.

Invalid records are extra: each is a valid record broken in one way, on a line of its own before a
valid one, behind valid ones in an archive that ends too early, or in a file with hardly any valid
record. Odd spellings change how existing records are written, or move them to a file of their own.
So no valid record is ever lost.

Every invalid record is followed by a valid line: how two in a row would be read is anybody's guess.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import zstandard

from stedi.arrays import Int64s
from stedi.errors import UsageError
from stedi.simulate.drawn import CustomerRecords
from stedi.simulate.lines import Lines
from stedi.simulate.population import BATCH_CUSTOMERS

RECORDS_BEFORE_DAMAGE = 3
PIECES_OF_BAD_FILE = 29
YEARS_MISTAKEN = 900
CUSTOMERS_PER_DEFECT = 40
"""So many customers there must be for each defect of a kind, so that good lines do not run out."""


@dataclass(frozen=True)
class Keys:
    """The keys of a source whose values are broken: a timestamp, and a text that is no e-mail."""

    instant: str
    text: str


KEYS = {
    "customer": Keys("registrationDate", "serialNumber"),
    "accelerometer": Keys("timestamp", "user"),
    "step_trainer": Keys("sensorReadingTime", "serialNumber"),
}


def _value(line: bytes, key: str, value: bytes) -> bytes:
    pattern = rb'("%s": ?)(?:"[^"]*"|[^,}]*)' % key.encode()
    return re.sub(pattern, lambda match: match[1] + value, line, count=1)


def _pair(line: bytes, key: str) -> bytes:
    match = re.search(rb'"%s": ?[^,}]*, ?' % key.encode(), line)
    assert match
    return match[0]


def _cut(line: bytes, keys: Keys) -> bytes:
    key = f'"{keys.instant}":'.encode()
    return line[: line.index(key) + len(key) + 6]


BROKEN: Mapping[str, Callable[[bytes, Keys], bytes]] = {
    "not JSON": lambda line, keys: line.replace(
        f'"{keys.instant}"'.encode(), keys.instant.encode()
    ),
    "cut off": lambda line, keys: _cut(line, keys) + b"\n",
    "not UTF-8": lambda line, keys: _value(line, keys.text, b'"\xff\xfe"'),
    "not an object": lambda line, keys: b"17\n",
    "key missing": lambda line, keys: line.replace(_pair(line, keys.instant), b""),
    "key twice": lambda line, keys: b"{" + _pair(line, keys.instant) + line[1:],
    "number in quotes": lambda line, keys: _value(line, keys.instant, b'"1655561935464"'),
    "text where a number belongs": lambda line, keys: _value(line, keys.instant, b'"yesterday"'),
    "number where text belongs": lambda line, keys: _value(line, keys.text, b"17"),
    "true or false where a value belongs": lambda line, keys: _value(line, keys.instant, b"true"),
    "object or list where a value belongs": lambda line, keys: _value(line, keys.instant, b"[17]"),
    "fraction where a whole number belongs": lambda line, keys: _value(line, keys.instant, b"0.5"),
    "value out of range": lambda line, keys: _value(line, keys.instant, b"-1"),
    "records in a wrapper": lambda line, keys: b'{"Records": [' + line.strip() + b"]}\n",
}
DAMAGED = "archive damaged"
BAD_FILE = "file set aside whole"
NAMELESS = "not an object"

SPELLED: Mapping[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda line: line[:-1] + b"\r\n",
    "blank line": lambda line: b"\n \t\n" + line,
    "trailing comma": lambda line: line[:-1] + b",\n",
    "several objects on a line": lambda line: line[:-1] + b" ",
    "object over several lines": lambda line: line.replace(b",", b",\n  "),
    "keys in other case": lambda line: re.sub(rb'"\w+"(?=:)', lambda m: m[0].upper(), line),
    "whole number as 12.0": lambda line: re.sub(rb"(\d{13})(?=[,}])", rb"\1.0", line),
    "whole number as 1e3": lambda line: re.sub(rb"(\d{10})(\d{3})(?=[,}])", rb"\1.\2e3", line),
    "escapes": lambda line: re.sub(rb"@|(?<=\w)-", lambda m: b"\\u%04x" % ord(m[0]), line),
    "unknown keys": lambda line: line[:-2] + b', "appVersion": "2.1"}\n',
}
UNKNOWN_KEYS = "unknown keys"


def _archived(content: bytes, *, whole: bool = True) -> bytes:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(content)
    return packed + packer.flush(zlib.Z_FINISH if whole else zlib.Z_SYNC_FLUSH)


PACKED: Mapping[str, tuple[str, Callable[[list[bytes]], bytes]]] = {
    "byte order mark": ("bom.json", lambda lines: b"\xef\xbb\xbf" + b"".join(lines)),
    "array": ("array.json", lambda lines: b"[\n" + b",".join(lines) + b"]\n"),
    "gzip": ("packed.json.gz", lambda lines: _archived(b"".join(lines))),
    "zstandard": (
        "packed.json.zst",
        lambda lines: zstandard.ZstdCompressor().compress(b"".join(lines)),
    ),
}
MISDATED = "birth year out of range"
KINDS = (*BROKEN, DAMAGED, BAD_FILE, *SPELLED, *PACKED, MISDATED)


@dataclass
class Planted:
    """What was planted in the lines of one source.

    `edits` are the bytes that stand in place of lines, `files` what lies in files of their own, by
    name. `suspended` are numbers of lines whose customers have a broken record with their e-mail.
    """

    edits: dict[int, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    quarantined: Counter[str] = field(default_factory=Counter)
    spelled: Counter[str] = field(default_factory=Counter)
    suspended: list[int] = field(default_factory=list)


def chosen(defects: int | Mapping[str, int], customers: int) -> dict[str, int]:
    """How many defects of each kind each source is to have; raises `UsageError`."""
    counts = dict.fromkeys(KINDS, defects) if isinstance(defects, int) else dict(defects)
    if unknown := counts.keys() - set(KINDS):
        raise UsageError(f"no defect {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    most = _full_batches(customers) * (min(customers, BATCH_CUSTOMERS) // CUSTOMERS_PER_DEFECT)
    for count in counts.values():
        if not 0 <= count <= most:
            raise UsageError(
                f"--defects {count}: {customers:,} customers have room for 0 to {most:,} of each "
                f"kind; simulate {CUSTOMERS_PER_DEFECT} customers for each"
            )
    return counts


def share_of_batch(counts: Mapping[str, int], customers: int, batch: int) -> dict[str, int]:
    """How many of the defects a batch gets: all full batches as many, one more or less."""
    full = _full_batches(customers)
    return {
        kind: count // full + (batch < count % full) if batch < full else 0
        for kind, count in counts.items()
    }


def misdate(rng: np.random.Generator, records: CustomerRecords, count: int) -> CustomerRecords:
    """Let some records be of people born in the Middle Ages, by a wrong digit."""
    birth_year = records.birth_year.copy()
    birth_year[rng.permutation(len(birth_year))[:count]] -= YEARS_MISTAKEN
    return replace(records, birth_year=birth_year)


def plant(
    rng: np.random.Generator,
    source: str,
    lines: Lines,
    known: Int64s,
    counts: Mapping[str, int],
) -> Planted:
    """Plant defects among the lines of a source.

    Every other broken record, from the first on, is a broken copy of one of the lines `known`; in
    the customer source the others carry an e-mail that is nobody's.
    """
    planted = Planted()
    free = iter(rng.choice(_unlike(lines), _lines_touched(counts), replace=False).tolist())
    _spell(planted, lines, free, counts)
    _pack(planted, lines, free, counts)
    breaker = _Breaker(rng, source, lines, known, planted)
    for nth in range(counts.get(DAMAGED, 0)):
        moved = _moved(planted, lines, free, RECORDS_BEFORE_DAMAGE)
        piece = breaker.piece(DAMAGED, nth, _cut)
        planted.files[f"damaged-{nth}.json.gz"] = _archived(b"".join([*moved, piece]), whole=False)
    for nth in range(counts.get(BAD_FILE, 0)):
        fitting = breaker.piece(BAD_FILE, nth, lambda line, keys: line)
        many = PIECES_OF_BAD_FILE + nth  # so that no file has the bytes of another
        pieces = [breaker.piece(NAMELESS, n, BROKEN[NAMELESS]) for n in range(many)]
        planted.files[f"bad-{nth}.json"] = b"".join([fitting, *pieces])
    for reason, breaks in BROKEN.items():
        for nth in range(counts.get(reason, 0)):
            place = next(free)
            planted.edits[place] = breaker.piece(reason, nth, breaks) + lines[place]
    return planted


def _unlike(lines: Lines) -> Int64s:
    """The lines that are like no other: of two files, two that are alike count once."""
    texts = [lines[n] for n in range(len(lines))]
    times = Counter(texts)
    return np.array([n for n, text in enumerate(texts) if times[text] == 1], np.int64)


def _spell(planted: Planted, lines: Lines, free: Iterator[int], counts: Mapping[str, int]) -> None:
    for kind, spell in SPELLED.items():
        for _ in range(counts.get(kind, 0)):
            place = next(free)
            planted.edits[place] = spell(lines[place])
            planted.spelled[kind] += 1


def _pack(planted: Planted, lines: Lines, free: Iterator[int], counts: Mapping[str, int]) -> None:
    for kind, (name, pack) in PACKED.items():
        if count := counts.get(kind, 0):
            planted.files[name] = pack(_moved(planted, lines, free, count))
            planted.spelled[kind] += count


def _moved(planted: Planted, lines: Lines, free: Iterator[int], count: int) -> list[bytes]:
    """Take lines away from where they are."""
    places = sorted(next(free) for _ in range(count))
    planted.edits |= dict.fromkeys(places, b"")
    return [lines[place] for place in places]


@dataclass(frozen=True)
class _Breaker:
    rng: np.random.Generator
    source: str
    lines: Lines
    known: Int64s
    planted: Planted

    def piece(self, reason: str, nth: int, breaks: Callable[[bytes, Keys], bytes]) -> bytes:
        """A broken copy of a line, noted among what was planted."""
        self.planted.quarantined[reason] += 1
        is_known = nth % 2 == 0 and len(self.known) > 0
        place = int(self.rng.choice(self.known) if is_known else self.rng.integers(len(self.lines)))
        line = self.lines[place]
        if not is_known:
            line = line.replace(b"@test.com", b".nobody@test.com")
        elif reason != NAMELESS:
            self.planted.suspended.append(place)
        return breaks(line, KEYS[self.source])


def _lines_touched(counts: Mapping[str, int]) -> int:
    touched = sum(counts.get(kind, 0) for kind in (*SPELLED, *PACKED, *BROKEN))
    return touched + RECORDS_BEFORE_DAMAGE * counts.get(DAMAGED, 0)


def _full_batches(customers: int) -> int:
    return max(1, customers // BATCH_CUSTOMERS)

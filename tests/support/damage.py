"""Makes files of random records: spelled in all harmless ways, and some of them damaged."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from random import Random

from tests.support.reference import Column

Member = tuple[str, str]
LETTERS = 'aZé漢🦶 \t\n"\\/{}[]:,\u0000\u2028e\u0301\u0130K\ufeff'
BETWEEN = [
    *["\n"] * 12,
    "\r\n",
    "\n\n",
    ",\n",
    "\n,",
    "",
    " ",
    ",",
    "\r",
    "]\n[",
    "[",
    "\n\ufeff",
    " \t\n",
]
UNKNOWN = [
    "1", "-1.5e300", "1e400", "null", "true", '""', '"a"', r'"\"}{\ud800"', "[]", "{}", "[1]", "[[],[{}]]",
    '{"a":1}', '{"a":{"b":[1,{"c":"}"}]}}', '[\n{"a":1},\n{"b":2}\n]', '{\n"a":\n1\n}', '"a long enough text, as texts go"',
]  # fmt: skip
WRONG = [
    "null", "true", "false", "{}", "[]", '[{"a":1},{"b":2}]', '""', '" "', '"x"', '"7"', '"-1.5e3"', r'"\udfff"', "7",
    "-7", "0.5", "1e-5", "1e18", "1e19", "1e400", "-0", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "253402300799999", "253402300800000", "NaN", "-Infinity", "01", "+1", "1.", ".5", "'x'", "x", "",
]  # fmt: skip
GARBAGE = [
    "nonsense",
    "5",
    '"text"',
    "null",
    "{",
    "}",
    '{"a":',
    '{"a',
    ":",
    '"',
    "{{",
    "}}",
    "é",
    "{}",
    '{"a":1}',
    "\\",
]


def file_of(random: Random, columns: tuple[Column, ...], count: int) -> bytes:
    """A file of so many valid and invalid records."""
    parts = []
    for _ in range(count):
        one = _spelled(random, _members(random, columns)).encode(errors="surrogatepass")
        if random.random() < 0.05:
            one = random.choice(GARBAGE).encode()
        while one and random.random() < 0.4:
            one = random.choice(DAMAGES)(random, one)
        parts += [one, random.choice(BETWEEN).encode()]
    return b"".join(parts)


# Records -------------------------------------------------------------------------------------


def _members(random: Random, columns: tuple[Column, ...]) -> list[Member]:
    members = [
        (column.key, _value(random, column))
        for column in columns
        if column.required or random.random() < 0.7
    ]
    if random.random() < 0.3:
        members.insert(
            random.randrange(len(members) + 1), (_unknown_key(random), random.choice(UNKNOWN))
        )
    if random.random() < 0.1:
        random.shuffle(members)
    if random.random() < 0.1:
        n = random.randrange(len(members))
        members[n] = (members[n][0], random.choice(WRONG))
    if random.random() < 0.03:
        members.append(random.choice(members))
    if random.random() < 0.03:
        members.pop(random.randrange(len(members)))
    return members


def _unknown_key(random: Random) -> str:
    return random.choice(["more", "MORE", "", "é", _text(random), f"more{random.randrange(200)}"])


def _value(random: Random, column: Column) -> str:
    if column.kind == "text":
        text = random.choice([_text(random), f"{random.randrange(10**6)}@example.com"])
        spelled = json.dumps(text, ensure_ascii=random.random() < 0.5)
        return spelled.replace("/", "\\/") if random.random() < 0.1 else spelled
    if column.kind == "double":
        return random.choice(DOUBLES)(random)
    if not column.required and random.random() < 0.3:
        return random.choice(["null", '""', "-1", str(2**53 + 1), str(-(2**63)), str(2**63 - 1)])
    return _whole(random)


def _text(random: Random) -> str:
    length = random.choice([0, 1, 5, 20, 20, 20, 300])
    return "".join(random.choice(LETTERS) if random.random() < 0.1 else "n" for _ in range(length))


def _whole(random: Random) -> str:
    whole = random.randrange(10 ** random.randint(1, 14))
    odd = [
        f"{whole}.0",
        f"{whole}.000",
        f"{whole}e0",
        f"{whole}0e-1",
        f"{whole / 10:.1f}e1",
        "0.0e7",
        "-0",
    ]
    return random.choice(odd) if random.random() < 0.1 else str(whole)


def _any_double(random: Random) -> str:
    [double] = struct.unpack("d", random.randbytes(8))
    return repr(double) if math.isfinite(double) else "0"


def _long_decimal(random: Random) -> str:
    digits = "".join(random.choices("0123456789", k=random.randint(1, 40)))
    return f"{random.randrange(10)}.{digits}"


DOUBLES: list[Callable[[Random], str]] = [
    lambda random: repr(round(random.uniform(-9, 9), random.randint(1, 17))),
    lambda random: repr(random.uniform(-9, 9)),
    lambda random: str(random.randrange(-9, 9)),
    lambda random: (
        f"-{random.randrange(10)}.{random.randrange(10**6):06}E{random.randint(-330, 300):+}"
    ),
    _any_double,
    _long_decimal,
    _whole,
]


def _spelled(random: Random, members: list[Member]) -> str:
    comma, colon, around = ",", ":", ""
    if random.random() < 0.2:
        comma, colon, around = (_spaced(random, text) for text in (",", ":", ""))
    text = comma.join(f"{_key(random, key)}{colon}{value}" for key, value in members)
    return f"{{{around}{text}{around}}}"


def _spaced(random: Random, text: str) -> str:
    blanks = ["", " ", "\t", "\n", "\r\n", "  "]
    return random.choice(blanks) + text + random.choice(blanks)


def _key(random: Random, key: str) -> str:
    if random.random() < 0.03:
        key = "".join(random.choice([c.upper(), c.lower()]) for c in key)
    if key and random.random() < 0.01:
        return f'"\\u{ord(key[0]) & 0xFFFF:04x}{json.dumps(key[1:])[1:]}'
    return json.dumps(key, ensure_ascii=random.random() < 0.5)


# Damage --------------------------------------------------------------------------------------


def _cut_end(random: Random, one: bytes) -> bytes:
    return one[: random.randrange(len(one))]


def _cut_beginning(random: Random, one: bytes) -> bytes:
    return one[random.randrange(len(one)) :]


def _flip(random: Random, one: bytes) -> bytes:
    at = random.randrange(len(one))
    return one[:at] + bytes([one[at] ^ 1 << random.randrange(8)]) + one[at + 1 :]


def _insert(random: Random, one: bytes) -> bytes:
    at = random.randrange(len(one) + 1)
    return one[:at] + random.randbytes(random.randint(1, 3)) + one[at:]


def _insert_mark(random: Random, one: bytes) -> bytes:
    at = random.randrange(len(one) + 1)
    return one[:at] + bytes([random.choice(b'{}[]:,"\\\n\r 0-.e\x00\xff')]) + one[at:]


def _delete(random: Random, one: bytes) -> bytes:
    at = random.randrange(len(one))
    return one[:at] + one[at + random.choice([1, 1, 1, 4, 20]) :]


def _delete_mark(random: Random, one: bytes) -> bytes:
    marks = [at for at, byte in enumerate(one) if byte in b'{}[]:,"\\']
    at = random.choice(marks or [0])
    return one[:at] + one[at + 1 :]


def _repeat(random: Random, one: bytes) -> bytes:
    at = random.randrange(len(one))
    end = at + random.choice([1, 4, 20, 100])
    return one[:end] + one[at:]


def _exchange(random: Random, one: bytes) -> bytes:
    at = random.randrange(len(one))
    return one[:at] + one[at + 1 : at + 2] + one[at : at + 1] + one[at + 2 :]


DAMAGES = [
    _cut_end, _cut_end, _cut_beginning, _flip, _flip, _insert, _insert_mark, _insert_mark, _delete, _delete_mark,
    _delete_mark, _repeat, _exchange,
]  # fmt: skip

"""Functions of Athena's that DuckDB lacks, in Python, for the connection that runs a query.

Each has the value that Trino gives, or fails: tests/support/edges.json has these values. Raising
`ValueError` fails the statement; what was given is in no message.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes, urlsplit

import duckdb
from duckdb.func import FunctionNullHandling

_64 = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection's queries call them, under names that begin with `athena_`."""
    for name, (function, arguments, result) in _FUNCTIONS.items():
        connection.create_function(
            f"athena_{name}",
            function,
            list(arguments),
            result,
            null_handling=FunctionNullHandling.DEFAULT,
        )


def double(value: float) -> str:
    """A double as Trino's CAST writes it: with an exponent, and as few digits as tell it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0E0" if math.copysign(1, value) < 0 else "0E0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    power = len(text) - 1 + exponent
    text = text.rstrip("0")
    return f"{'-' if sign else ''}{text[:1]}.{text[1:] or '0'}E{power}"


def _cbrt(value: float) -> float:
    """The double that is nearest to the cube root; libraries miss it in two of five cubes."""
    if not math.isfinite(value) or value == 0:
        return value
    near = math.cbrt(value)
    roots = (near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf))
    return min(roots, key=lambda root: abs(Fraction(root) ** 3 - Fraction(value)))


_STEP = re.compile(r'\.([^.\["]+)|\."((?:[^"\\]|\\.)*)"|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]')


def _json_number(text: str, path: str) -> str:
    """A number in JSON as it is written there; DuckDB writes 1.5 for 1.50."""
    value, at = json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_first_keys), 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ValueError("not such a path")
        key = next(name for name in step.groups() if name is not None)
        value, at = value[int(key) if step[4] else key], step.end()
    return str(value)


def _first_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _bit_count(value: int, bits: int) -> int:
    if not 2 <= bits <= 64:
        raise ValueError("bits: 2 to 64")
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError("the number has more bits")
    return (value & ((1 << bits) - 1)).bit_count()


def _left_shift(value: int, by: int, bits: int) -> int:
    if by < 0:
        raise ValueError("a shift by less than nothing")
    return _signed(value << by if by < bits else 0, bits)


def _right_shift(value: int, by: int, bits: int) -> int:
    if by < 0:
        raise ValueError("a shift by less than nothing")
    return _signed((value & ((1 << bits) - 1)) >> by, bits)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _from_base(text: str, base: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9a-zA-Z]+", text) or not 2 <= base <= 36:
        raise ValueError("not a number of that base")
    value = int(text, base)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("too large")
    return value


def _hamming(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _url_encode(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")


def _url_decode(text: str) -> str:
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise ValueError("a % without two digits")
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def _url_part(text: str, part: str) -> str | None:
    if re.search(r'[\s<>"{}|\\^`]', text) or re.search(r"%(?![0-9a-fA-F]{2})", text):
        return None
    split = urlsplit(text)
    return {
        "host": re.sub(r":\d*$", "", split.netloc.rpartition("@")[2]),
        "path": split.path,
        "query": split.query,
    }[part]


def _normalize(text: str, form: str) -> str:
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise ValueError("no such form")
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


def xxhash64(data: bytes, seed: int = 0) -> int:
    """The hash of bytes. https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md"""
    length, at = len(data), 0
    if length >= 32:
        lanes = [seed + _P1 + _P2, seed + _P2, seed, seed - _P1]
        while at + 32 <= length:
            words = struct.unpack_from("<4Q", data, at)
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
            at += 32
        rotations = zip(lanes, (1, 7, 12, 18), strict=True)
        value = sum(_rotated(lane & _64, by) for lane, by in rotations) & _64
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _64
    else:
        value = (seed + _P5) & _64
    value = (value + length) & _64
    while at + 8 <= length:
        [word] = struct.unpack_from("<Q", data, at)
        value = (_rotated(value ^ _round(0, word), 27) * _P1 + _P4) & _64
        at += 8
    if at + 4 <= length:
        [word] = struct.unpack_from("<I", data, at)
        value = (_rotated(value ^ (word * _P1 & _64), 23) * _P2 + _P3) & _64
        at += 4
    for byte in data[at:]:
        value = _rotated(value ^ (byte * _P5 & _64), 11) * _P1 & _64
    value = (value ^ (value >> 33)) * _P2 & _64
    value = (value ^ (value >> 29)) * _P3 & _64
    return value ^ (value >> 32)


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _64, 31) * _P1 & _64


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _64


def _hash_of_coded(coded: str) -> int:
    """What one value adds to a checksum; '' is a blank, else a sign for its type stands first."""
    if not coded:
        return _P1
    kind, text = coded[0], coded[1:]
    if kind == "s":
        hashed = xxhash64(text.encode())
    elif kind == "n":
        hashed = xxhash64(struct.pack("<q", int(text)))
    else:
        hashed = xxhash64(struct.pack("<d", float(text) + 0.0))
    return hashed * _P1 & _64


def _checksum(total: int) -> bytes:
    return struct.pack("<Q", total & _64)


def _histogram(most: int, values: list[float]) -> list[dict[str, float]]:
    """Bins of about equal spread: those next to one another are merged that lose the least."""
    if most < 2:
        raise ValueError("2 bins or more")
    bins: list[tuple[float, float]] = []
    for value in sorted(values):
        if bins and bins[-1][0] == value:
            bins[-1] = (value, bins[-1][1] + 1)
        else:
            bins.append((value, 1.0))
    while len(bins) > most:
        losses = [(b - a) ** 2 * n * m / (n + m) for (a, n), (b, m) in pairwise(bins)]
        at = min(range(len(losses)), key=losses.__getitem__)
        (a, n), (b, m) = bins[at : at + 2]
        bins[at : at + 2] = [((a * n + b * m) / (n + m), n + m)]
    return [{"k": middle, "v": weight} for middle, weight in bins]


_DIRECTIVE = re.compile(r"%(\d+\$)?([-#+ 0,(]*)(\d+)?(\.\d+)?([a-zA-Z%])")


def _format(form: str, values: list[str | None]) -> str:
    """Java's `Formatter`, for the conversions that Trino's types can have."""
    position = 0

    def written(match: re.Match[str]) -> str:
        nonlocal position
        index, flags, width, precision, kind = match.groups()
        if kind == "%":
            return "%"
        if index is None:
            position += 1
        number = int(index[:-1]) if index else position
        if not 1 <= number <= len(values):
            raise ValueError("a value is missing")
        text = _converted(kind, flags, precision, width, values[number - 1])
        return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))

    if "%" in _DIRECTIVE.sub("", form):
        raise ValueError("no such conversion")
    return _DIRECTIVE.sub(written, form)


def _converted(
    kind: str, flags: str, precision: str | None, width: str | None, value: str | None
) -> str:
    places = int(precision[1:]) if precision else None
    if value is None or kind in "sSbB":
        text = _plain(kind.lower(), value)[:places]
        return text.upper() if kind.isupper() else text
    type_, given = value[0], value[1:]
    sign = "+" if "+" in flags else " " if " " in flags else ""
    if "(" in flags or "#" in flags:
        raise ValueError("no such flag here")
    fill = f"0{width}" if "0" in flags and width else ""
    comma = "," if "," in flags else ""
    if kind == "d" and type_ == "i":
        return f"{int(given):{sign}{fill}{comma}d}"
    if kind in "xXo" and type_ == "i" and int(given) >= 0 and not sign:
        return f"{int(given):{fill}{kind}}"
    if kind in "feE" and type_ in "fd":
        number: Any = Decimal(given)
        if number.is_nan() or number.is_infinite():
            raise ValueError("not a number")
        digits = 6 if places is None else places
        if kind == "f":
            number = number.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")
            return f"{number:{sign}{fill}{comma}.{digits}f}"
        return f"{float(number):{sign}{fill}.{digits}{kind}}"
    raise ValueError("no such conversion of such a value")


def _plain(kind: str, value: str | None) -> str:
    if value is None:
        return "false" if kind == "b" else "null"
    type_, text = value[0], value[1:]
    if kind == "b":
        return text if type_ == "b" else "true"
    if type_ == "f":
        from stedi.shown import double as as_java

        return as_java(float(text))
    return text


_LETTERS = re.compile(r"'((?:[^']|'')*)'|([a-zA-Z])\2*|.", re.DOTALL)


def _format_datetime(moment: datetime, form: str, zone: str) -> str:
    """Joda's `DateTimeFormat`."""

    def written(match: re.Match[str]) -> str:
        text, letter = match[0], match[2]
        if text.startswith("'"):
            return match[1].replace("''", "'") if match[1] else "'"
        return _field(moment, letter, len(text), zone) if letter else text

    return _LETTERS.sub(written, form)


def _field(moment: datetime, letter: str, count: int, zone: str) -> str:
    iso_year, iso_week, iso_day = moment.isocalendar()
    numbers = {
        "y": moment.year, "Y": moment.year, "x": iso_year, "w": iso_week, "e": iso_day,
        "D": moment.timetuple().tm_yday, "d": moment.day, "H": moment.hour, "k": moment.hour or 24,
        "K": moment.hour % 12, "h": moment.hour % 12 or 12, "m": moment.minute,
        "s": moment.second, "C": moment.year // 100, "M": moment.month,
    }  # fmt: skip
    if letter in "yYx" and count == 2:
        return f"{numbers[letter] % 100:02d}"
    if letter == "M" and count > 2:
        return f"{moment:%b}" if count == 3 else f"{moment:%B}"
    if letter == "E":
        return f"{moment:%a}" if count <= 3 else f"{moment:%A}"
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "G":
        return "AD"
    if letter == "S":
        return f"{moment.microsecond // 1000:03d}".ljust(count, "0")[:count]
    if letter in "zZ" and zone:
        return {"z": zone, "Z": "+0000" if count == 1 else "+00:00"}[letter] if count < 3 else zone
    if letter in numbers:
        return f"{numbers[letter]:0{count}d}"
    raise ValueError("no such letter in a format")


def _sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


_Function = tuple[Callable[..., Any], tuple[str, ...], str]
_FUNCTIONS: dict[str, _Function] = {
    "double": (double, ("DOUBLE",), "VARCHAR"),
    "cbrt": (_cbrt, ("DOUBLE",), "DOUBLE"),
    "json_number": (_json_number, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    "bit_count": (_bit_count, ("BIGINT", "BIGINT"), "BIGINT"),
    "bitwise_left_shift": (_left_shift, ("BIGINT", "BIGINT", "BIGINT"), "BIGINT"),
    "bitwise_right_shift": (_right_shift, ("BIGINT", "BIGINT", "BIGINT"), "BIGINT"),
    "from_base": (_from_base, ("VARCHAR", "BIGINT"), "BIGINT"),
    "hamming": (_hamming, ("VARCHAR", "VARCHAR"), "BIGINT"),
    "crc32": (lambda data: zlib.crc32(data), ("BLOB",), "BIGINT"),
    "xxhash64": (lambda data: struct.pack(">Q", xxhash64(data)), ("BLOB",), "BLOB"),
    "sha512": (_sha512, ("BLOB",), "BLOB"),
    "url_encode": (_url_encode, ("VARCHAR",), "VARCHAR"),
    "url_decode": (_url_decode, ("VARCHAR",), "VARCHAR"),
    "url_part": (_url_part, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    "normalize": (_normalize, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    "hash": (_hash_of_coded, ("VARCHAR",), "UBIGINT"),
    "checksum": (_checksum, ("HUGEINT",), "BLOB"),
    "histogram": (_histogram, ("BIGINT", "DOUBLE[]"), "STRUCT(k DOUBLE, v DOUBLE)[]"),
    "format": (_format, ("VARCHAR", "VARCHAR[]"), "VARCHAR"),
    "format_datetime": (_format_datetime, ("TIMESTAMP", "VARCHAR", "VARCHAR"), "VARCHAR"),
}

"""The forms in which an identifier may stand in bytes: encodings, escapes, digests."""

from __future__ import annotations

import base64
import codecs
import hashlib
import html
import json
import re
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from stedi.landing.fold import fold
from stedi.rights.subjects import Identity
from stedi.rights.whole import unescaped

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_NAME = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
"""A random name, four of whose digits stand between hyphens."""
_FOR_ADDRESSES = bytes.maketrans(b"+/", b"-_")
SHORTEST = 4
"""Bytes of the shortest form that is looked for in bytes of any kind; a shorter one would be found
by chance."""
ENDINGS = re.compile(
    r"(?:\.(?:jsonl?|ndjson|gz|zst|parquet|avro|csv|tsv|txt|md|part|bak|crc))+(?=/|$)",
    re.IGNORECASE,
)
"""How names of files end, which is no part of an identifier."""
_CHARACTER = 4
"""Bytes of a character, at most."""
_BY_CHANCE = 6
"""Bytes below which a value is also found in digits that say no text, such as random names."""
Shape = Literal[
    "text", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "base64", "base32", "hex", "any"
]
"""What has to be known to tell whether a form stands there as a whole; "any" is whole anywhere."""
_ENCODINGS = ("utf-7", "cp037", "cp500", "latin-1", "cp1252", "shift_jis", "gb18030", "koi8-r")
_WIDE: tuple[Shape, ...] = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_DIGESTS = (
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s", "sha3_256",
    "sha3_512",
)  # fmt: skip
_OF_A_LINE = ("md5", "sha1", "sha256")
_RUNS = {
    "base64": re.compile(rb"[A-Za-z0-9+/_-]+"),
    "base32": re.compile(rb"[A-Z2-7]+"),
    "hex": re.compile(rb"[0-9a-fA-F]+"),
}
"""What goes on around digits of an encoding."""


@dataclass(frozen=True)
class Form:
    """Bytes that an identifier may stand there as, and how to call that.

    `is_exact` says whether it is of the identifier itself, rather than of another spelling.
    """

    identity: Identity
    name: str
    shape: Shape
    data: bytes
    is_exact: bool = True


def forms_of(identity: Identity) -> list[Form]:
    """Every form of an identifier that is long enough to be looked for in bytes."""
    seen: dict[bytes, Form] = {}
    for text, (name, shape, data) in _forms(identity.value):
        if len(data) >= SHORTEST:
            is_exact = text == identity.value
            seen.setdefault(data.lower(), Form(identity, name, shape, data, is_exact))
    return list(seen.values())


def _forms(value: str) -> Iterator[tuple[str, tuple[str, Shape, bytes]]]:
    if len(value.encode(errors="replace")) < SHORTEST:
        yield value, ("as it is", "any", f'"{value}"'.encode(errors="replace"))
    spellings = [("as it is", value)]
    spellings += [(n, unicodedata.normalize(n, value)) for n in ("NFC", "NFD", "NFKC", "NFKD")]
    spellings.append(("folded", fold(value)))
    for text, how in {text: name for name, text in reversed(spellings)}.items():
        yield from ((text, form) for form in _encoded(text, how))
    yield from ((value, form) for form in (*_of_a_domain(value), *_of_a_number(value)))
    for text in dict.fromkeys((value, value.lower().strip(), fold(value))):
        yield from ((text, form) for form in _digests(text))


def _of_a_domain(value: str) -> Iterator[tuple[str, Shape, bytes]]:
    """An e-mail address with its domain in ASCII, or as that means (RFC 3492)."""
    name, at, domain = value.rpartition("@")
    with suppress(UnicodeError):
        if at and not domain.isascii():
            yield "punycode", "text", f"{name}@{domain.encode('idna').decode()}".encode()
        elif at and "xn--" in domain.lower():
            text = f"{name}@{domain.encode().decode('idna')}"
            yield "punycode undone", "text", text.encode(errors="replace")


def _of_a_number(value: str) -> Iterator[tuple[str, Shape, bytes]]:
    """A number in the form of a UUID as its digits alone, and as its bytes (RFC 9562)."""
    if not _UUID.fullmatch(value):
        return
    number = uuid.UUID(value)
    yield "without dashes", "any", number.hex.encode()
    for packed in (number.bytes, number.bytes_le):
        yield "bytes of a UUID", "any", packed
        for digits in (_base64(packed, shift) for shift in range(3)):
            yield "base64 of a UUID", "any", digits
            yield "base64 of a UUID", "any", digits.translate(_FOR_ADDRESSES)


def _encoded(text: str, how: str) -> Iterator[tuple[str, Shape, bytes]]:
    utf8 = text.encode(errors="replace")
    yield how, "text", utf8
    for wide in _WIDE:
        yield wide.upper(), wide, text.encode(wide, "replace")
    for escaped, called in (
        (json.dumps(text)[1:-1], "JSON escapes"),
        (json.dumps(text).replace("/", "\\/")[1:-1], "JSON escapes"),
        (quote(text, safe=""), "percent encoding"),
        (html.escape(text), "HTML"),
        ("".join(c if c.isalnum() else f"&#{ord(c)};" for c in text), "HTML"),
        ("".join(c if c.isalnum() else f"&#x{ord(c):x};" for c in text), "HTML"),
        (codecs.encode(text, "rot13"), "ROT13"),
        (text.replace("@", "+AEA-"), "UTF-7"),
        (text[::-1], "backwards"),
    ):
        if escaped != text:
            yield called, "text", escaped.encode(errors="replace")
    yield "quoted-printable", "text", codecs.encode(utf8, "quopri").replace(b"@", b"=40")
    for encoding in _ENCODINGS:
        with suppress(UnicodeError):
            encoded = text.encode(encoding)
            if encoded != utf8:
                yield encoding, "any" if encoding.startswith("cp0") else "text", encoded
    for coded in (utf8, text.encode("utf-16-le", "replace")):
        yield "hexadecimal", "hex", coded.hex().encode()
        for shift in range(3):
            yield "base64", "base64", _base64(coded, shift)
            yield "base64", "base64", _base64(coded, shift).translate(_FOR_ADDRESSES)
    if len(utf8) >= _BY_CHANCE:
        for separator in (":", " ", "-"):
            yield "hexadecimal", "text", utf8.hex(separator).encode()
        yield "hexadecimal", "text", ", ".join(f"0x{byte:02x}" for byte in utf8).encode()
        for separator in (", ", ","):
            yield "numbers of bytes", "text", separator.join(map(str, utf8)).encode()
    for shift in range(5):
        yield "base32", "base32", _base32(utf8, shift)


def _base64(data: bytes, shift: int) -> bytes:
    """What of base64 is sure where data stands `shift` bytes behind a multiple of three."""
    encoded = base64.b64encode(bytes(shift) + data).rstrip(b"=")
    first = (0, 2, 3)[shift]
    unsure = (shift + len(data)) % 3
    return encoded[first : len(encoded) - (1 if unsure else 0)]


def _base32(data: bytes, shift: int) -> bytes:
    """The same of base32, which has eight digits for five bytes."""
    encoded = base64.b32encode(bytes(shift) + data)
    return encoded[-(-8 * shift // 5) : 8 * (shift + len(data)) // 5]


def _digests(text: str) -> Iterator[tuple[str, Shape, bytes]]:
    for name in _DIGESTS:
        digest = hashlib.new(name, text.encode(errors="replace"), usedforsecurity=False)
        yield f"{name.upper()} of it", "any", digest.hexdigest().encode()
        yield f"{name.upper()} of it", "any", digest.digest()
        yield f"{name.upper()} of it", "any", base64.b64encode(digest.digest()).rstrip(b"=")
    for name in _OF_A_LINE:
        line = hashlib.new(name, f"{text}\n".encode(errors="replace"), usedforsecurity=False)
        yield f"{name.upper()} of its line", "any", line.hexdigest().encode()


def stands_whole(form: Form, data: bytes, begin: int, end: int) -> bool:
    """Whether a form that was found in bytes is no part of that of a longer identifier."""
    if form.shape == "any":
        return True
    if form.shape in _WIDE:
        return _stands_whole_wide(form, data, begin, end)
    if form.shape == "text":
        before, behind = data[max(0, begin - _CHARACTER) : begin], data[end : end + 2 * _CHARACTER]
        size = end - begin
        is_length = bool(before) and before[-1] in (size, 2 * size)  # as binary formats have it
        # Bytes that are no characters are no letters: they are of a binary format.
        following = behind.decode(errors="replace")
        if following.startswith("\\u"):
            following = unescaped(following)
        return (is_length or not _goes_on_before(before.decode(errors="replace"))) and not (
            _goes_on_behind(following)
        )
    return _decoded_whole(form, _RUNS[form.shape], data, begin, end)


def _stands_whole_wide(form: Form, data: bytes, begin: int, end: int) -> bool:
    """The same for characters of two or four bytes, of which one is not zero.

    Where that one lies is the same whichever order of bytes it is read in.
    """
    width = 2 if "16" in form.shape else 4
    is_little = form.shape.endswith("le")
    first = begin - (width if is_little else 1)
    behind = end if is_little else end + width - 1
    before = _character(data, first, first + 1 if is_little else first - width + 1, width)
    after = _character(data, behind, behind + 1 if is_little else behind - width + 1, width)
    second = data[behind + width : behind + width + 1].decode("ascii", "replace")
    return not (_goes_on_before(before) or (after and _goes_on_behind(after + second)))


def _character(data: bytes, at: int, zeros: int, width: int) -> str:
    """The character at a place, where all the bytes around it that should be zero are."""
    if not 0 <= at < len(data) or any(data[max(0, zeros) : max(0, zeros + width - 1)]):
        return ""
    return data[at : at + 1].decode("ascii", "replace")


def _decoded_whole(
    form: Form, pattern: re.Pattern[bytes], data: bytes, begin: int, end: int
) -> bool:
    """Whether what a run of digits of an encoding says has it as a whole."""
    first = max(0, begin - 4096)
    run = next((m for m in pattern.finditer(data, first, end + 4096) if m.end() >= end), None)
    if run is None or run.start() > begin:
        return True
    value = form.identity.value.encode(errors="replace").lower()
    digits, decoded = run.group(), list[bytes]()
    if len(value) < _BY_CHANCE and digits.isdigit() and digits != data.strip():
        return False  # a number among others, such as the size of a file
    for shift in range({"base64": 4, "base32": 8, "hex": 2}[form.shape]):
        with suppress(ValueError):
            part = digits[shift:].translate(bytes.maketrans(b"-_", b"+/"))
            if form.shape == "hex":
                decoded.append(bytes.fromhex(part[: len(part) // 2 * 2].decode()))
            elif form.shape == "base32":
                decoded += [*_from_base32(part)]
            else:
                decoded.append(base64.b64decode(part[: len(part) // 4 * 4 or None] + b"==", None))
                decoded.append(base64.b64decode(part + b"=" * (-len(part) % 4), None))
    decoded += [text.replace(b"\0", b"") for text in decoded if b"\0" in text]
    plain = Form(form.identity, form.name, "text", value)
    found = [(text, at) for text in decoded for at in _places(text.lower(), value)]
    if len(value) < _BY_CHANCE:
        if any(
            m.start() <= begin and end <= m.end()
            for m in _NAME.finditer(data, max(0, begin - 36), end + 36)
        ):
            return False
        return any(
            stands_whole(plain, text, at, at + len(value)) for text, at in found if is_text(text)
        )
    return not found or any(stands_whole(plain, t, at, at + len(value)) for t, at in found)


def _from_base32(digits: bytes) -> Iterator[bytes]:
    """What digits of base32 say, up to the last whole byte."""
    whole = len(digits) // 8 * 8
    rest = digits[whole:]
    some = next((n for n in (7, 5, 4, 2, 0) if n <= len(rest)), 0)
    yield base64.b32decode(digits[:whole] + (rest[:some].ljust(8, b"=") if some else b""))


def is_text(data: bytes) -> bool:
    """Whether bytes are text; the last character may be cut off."""
    text = data.decode("utf-8", "replace").rstrip("\N{REPLACEMENT CHARACTER}")
    return "\N{REPLACEMENT CHARACTER}" not in text and all(
        c.isprintable() or c.isspace() for c in text
    )


def _places(text: bytes, value: bytes) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


def _goes_on_before(text: str) -> bool:
    last = text[-1:]
    return bool(last) and (last.isalnum() or last in "._%+-@")


def _goes_on_behind(text: str) -> bool:
    first, second = text[:1], text[1:2]
    if not first:
        return False
    if first.isalnum() or first in "_@":
        return True
    return first in ".%+-" and second.isalnum()

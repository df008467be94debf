"""A landing parser that is slow and plain: what the fast one reads is compared with it.

It goes through a file character by character, holds all of it, and shares no code with `stedi`;
even the columns are written down here once more.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

BLANK = " \t\r\n"
BETWEEN_PIECES = BLANK + ",[]"
BYTE_ORDER_MARK = "\xef\xbb\xbf"
STRUCTURE = '"{}[]:,'
DIGITS = "0123456789"
LEVELS = 64
BROKEN_BYTES = 1 << 20


@dataclass(frozen=True)
class Column:
    """A column: its key in the JSON, and what it holds ("text", "whole" or "double").

    A lenient text may be another scalar, or not there.
    """

    key: str
    kind: str
    required: bool = True
    minimum: int | None = None
    maximum: int | None = None
    lenient: bool = False


LAST_INSTANT = 253_402_300_799_999
CUSTOMER = (
    Column("customerName", "text", required=False, lenient=True),
    Column("email", "text"),
    Column("phone", "text", required=False, lenient=True),
    Column("birthDay", "text", required=False, lenient=True),
    Column("serialNumber", "text"),
    Column("registrationDate", "whole", minimum=0, maximum=LAST_INSTANT),
    Column("lastUpdateDate", "whole", minimum=0, maximum=LAST_INSTANT),
    Column("shareWithResearchAsOfDate", "whole", required=False),
    Column("shareWithPublicAsOfDate", "whole", required=False),
    Column("shareWithFriendsAsOfDate", "whole", required=False),
)
ACCELEROMETER = (
    Column("user", "text"),
    Column("timestamp", "whole", minimum=0, maximum=LAST_INSTANT),
    Column("x", "double"),
    Column("y", "double"),
    Column("z", "double"),
)
STEP_TRAINER = (
    Column("sensorReadingTime", "whole", minimum=0, maximum=LAST_INSTANT),
    Column("serialNumber", "text"),
    Column("distanceFromObject", "whole", minimum=0),
)
COLUMNS = {"customer": CUSTOMER, "accelerometer": ACCELEROMETER, "step_trainer": STEP_TRAINER}

Field = str | int | float | None
Record = tuple[Field, ...]
Piece = tuple[str, int, bytes, int]


@dataclass(frozen=True)
class Parsed:
    """The records of a file, how many of them have unknown keys, and the quarantined records.

    A quarantined record is a reason, a byte offset, the bytes, and the line it begins on.
    """

    records: list[Record]
    pieces: list[Piece]
    with_unknown_keys: int


class _Bad(Exception):
    """A record can't be loaded; its argument is the reason."""


@dataclass(frozen=True)
class _Broken:
    """An object's tokens stop making sense at `place`; it ends at `bracket` at the latest.

    Without a reason it is one that depends on whether a brace ends it.
    """

    place: int
    reason: str | None = "cut off"
    bracket: int | None = None


def parse(content: bytes, columns: tuple[Column, ...]) -> Parsed:
    """Read one file's bytes."""
    text = content.decode("latin-1")  # one character a byte
    records: list[Record] = []
    pieces: list[Piece] = []
    with_unknown_keys = 0
    line, counted = 1, 0
    at = _between(text, 0)
    while at < len(text):
        reason, end = _extent(text, at)
        try:
            if reason is not None:
                opens = reason == "cut off" and _opens_wrapper(content[at:end], columns)
                raise _Bad("records in a wrapper" if opens else reason)
            record, unknown = _judged(content[at:end], columns)
            records.append(record)
            with_unknown_keys += unknown
        except _Bad as bad:
            line += text.count("\n", counted, at)
            counted = at
            pieces.append((str(bad), at, _without_blank_end(content[at:end]), line))
        at = _between(text, end)
    return Parsed(records, pieces, with_unknown_keys)


def _opens_wrapper(raw: bytes, columns: tuple[Column, ...]) -> bool:
    """Whether an object of other keys is whole once the list that it ends with is closed."""
    raw = _without_blank_end(raw)
    for level in range(1, LEVELS + 1) if raw.endswith(b"[") else ():
        with suppress(_Bad):
            members = _Json(raw + b"]" + b"}" * level).whole() or []
            return _has_other_keys([key.lower() for key, _ in members], columns)
    return False


def _has_other_keys(keys: list[str], columns: tuple[Column, ...]) -> bool:
    """Whether fewer than half of the keys that a record must have are there."""
    required = {column.key.lower() for column in columns if column.required}
    return len(required & {*keys}) * 2 < len(required)


# How far a record goes -----------------------------------------------------------------------


def _between(text: str, at: int) -> int:
    while at < len(text):
        if text[at] in BETWEEN_PIECES:
            at += 1
        elif text.startswith(BYTE_ORDER_MARK, at):
            at += 3
        else:
            break
    return at


def _without_blank_end(raw: bytes) -> bytes:
    return raw.rstrip(BLANK.encode())


def _extent(text: str, at: int) -> tuple[str | None, int]:
    """Where the record that begins at `at` ends, and the reason if that is already known."""
    if text[at] != "{":
        end = at
        while end < min(len(text), at + BROKEN_BYTES) and text[end] not in "\n{":
            end += 1
        return None, end
    flat = _flat_end(text, at)
    if flat is not None:
        return None, flat
    walked = _walk(text, at)
    if isinstance(walked, int):
        return None, walked
    end = _broken_end(text, at, walked)
    has_brace = text[at:end].rstrip(BLANK).endswith("}")
    return walked.reason or ("not JSON" if has_brace else "cut off"), end


def _string_end(text: str, at: int) -> tuple[int, bool]:
    """Where the string that begins at `at` ends, and whether it is a quote that ends it."""
    at += 1
    while at < len(text):
        if text[at] == '"':
            return at + 1, True
        if text[at] in "\r\n":
            return at, False
        if text[at] == "\\" and text[at + 1 : at + 2] not in ("\r", "\n"):
            at += 1
        at += 1
    return len(text), False


def _flat_end(text: str, at: int) -> int | None:
    """Where the flat object that begins at `at` ends, if there is one."""
    at += 1
    while at < len(text):
        if text[at] == "}":
            return at + 1
        if text[at] in "{\\\r\n":
            return None
        if text[at] == '"':
            at, ended = _string_end(text, at)
            if not ended or not _may_follow_string(text, at, True):
                return None
        else:
            at += 1
    return None


def _may_follow_string(text: str, at: int, is_flat: bool) -> bool:
    blank = " \t" if is_flat else BLANK
    while text[at : at + 1] and text[at] in blank:
        at += 1
    if at == len(text):
        return not is_flat
    return text[at] in ":,}]"


def _walk(text: str, start: int) -> int | _Broken:
    """Follow the tokens of an object to its end, or to where they break."""
    opened: list[str] = []
    before = ""
    is_loose = False  # whether something that is no token came behind the last one
    at = start
    while at < len(text):
        token = text[at]
        if token in BLANK:
            at += 1
            continue
        if token not in STRUCTURE:
            is_loose = True
            at += 1
            continue
        if token == '"':
            end, ended = _string_end(text, at)
            if not ended:
                return _Broken(end)
            if not _may_follow_string(text, end, False):
                return _Broken(at, None)
            before, is_loose, at = token, False, end
            continue
        if token in "{[":
            in_list = bool(opened) and opened[-1] == "["
            is_value = before == ":" or (in_list and before in ("[", ","))
            if at != start and (is_loose or not is_value):
                return _Broken(at, bracket=at if _may_begin_record(text, at) else None)
            if token == "{" and before == ":" and _is_record_below_colon(text, at):
                return _Broken(at, bracket=at)
            opened.append(token)
            if len(opened) > LEVELS:
                return _Broken(at, "object or list where a value belongs")
        if token in "}]":
            if opened.pop() + token not in ("{}", "[]"):
                return _Broken(at)
            if not opened:
                return at + 1
        before, is_loose = token, False
        at += 1
    return _Broken(len(text))


def _may_begin_record(text: str, at: int) -> bool:
    """Whether brackets lead to an object that begins with a key, or is empty."""
    while text[at : at + 1] and text[at] in BLANK + ",[":
        at += 1
    return text[at : at + 1] == "{" and _behind_blanks(text, at + 1)[0] in ('"', "}")


def _behind_blanks(text: str, at: int) -> tuple[str, int]:
    """The first character that is no blank, and where it is; "" at the end."""
    while text[at : at + 1] and text[at] in BLANK:
        at += 1
    return text[at : at + 1], at


def _is_record_below_colon(text: str, at: int) -> bool:
    """Whether the object at `at`, below the line of the colon before it, is a record by itself."""
    colon = text.rindex(":", 0, at)
    if "\n" not in text[colon:at]:
        return False
    end = _flat_end(text, at)
    if end is None:
        return text[at - 1 : at + 2] == '\n{"'
    behind, at = _behind_blanks(text, end)
    return not (behind == "}" or (behind == "," and _behind_blanks(text, at + 1)[0] == '"'))


def _depth(text: str) -> int:
    """How many objects and lists lie in one another, at most."""
    at = depth = deepest = 0
    while at < len(text):
        end, ended = _string_end(text, at) if text[at] == '"' else (at + 1, True)
        depth += (text[at] in "{[") - (text[at] in "}]")
        deepest = max(deepest, depth)
        at = end if ended else at + 1
    return deepest


def _is_value(text: str, begin: int, end: int) -> bool:
    """Whether a colon stands before, and what stands behind goes on with the object around."""
    while text[begin - 1] in " \t":
        begin -= 1
    behind = text[end : end + 100].lstrip(" \t")
    goes_on = behind[:1] == "}" or (behind[:1] == "," and behind[1:].lstrip(" \t")[:1] == '"')
    return text[begin - 1] == ":" and goes_on


def _broken_end(text: str, start: int, broken: _Broken) -> int:
    for at in range(start + 1, len(text)):
        if at == broken.bracket or at >= broken.place + BROKEN_BYTES:
            return at
        if text[at] == "\n":
            following = _between(text, at)
            if at >= broken.place or text[following : following + 1] == "{":
                return at
        if text[at] == "{":
            end = _flat_end(text, at)
            if end is None or _is_value(text, at, end):
                continue
            if _is_object(text[at:end].encode("latin-1")):
                return at
    return len(text)


# What a record has ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Nested:
    """An object or a list; all that matters is how many lists of objects can be got at by keys."""

    lists: int


@dataclass(frozen=True)
class _Number:
    text: str


Value = str | _Number | bool | None | _Nested


class _Json:
    """Reads one JSON text, strictly; what isn't JSON raises `_Bad`."""

    def __init__(self, raw: bytes) -> None:
        try:
            self.text = raw.decode()
        except UnicodeDecodeError:
            raise _Bad("not UTF-8") from None
        self.at = 0
        if _depth(self.text) > LEVELS:
            raise _Bad("object or list where a value belongs")

    def whole(self) -> list[tuple[str, Value]] | None:
        """The members of an object; None for any other JSON value."""
        self.blank()
        members: list[tuple[str, Value]] | None = None
        if self.next() == "{":
            members = self.members()
        else:
            self.value()
        self.blank()
        if self.at != len(self.text):
            raise _Bad("not JSON")
        return members

    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in BLANK:
            self.at += 1

    def take(self, expected: str) -> None:
        if not self.text.startswith(expected, self.at):
            raise _Bad("not JSON")
        self.at += len(expected)

    def members(self) -> list[tuple[str, Value]]:
        members: list[tuple[str, Value]] = []
        self.take("{")
        self.blank()
        while members or self.next() != "}":
            key = self.key()
            members.append((key, self.value()))
            self.blank()
            if self.next() == "}":
                break
            self.take(",")
            self.blank()
        self.take("}")
        return members

    def key(self) -> str:
        key = self.string()
        self.blank()
        self.take(":")
        self.blank()
        return key

    def value(self) -> Value:
        if self.next() in ("{", "["):
            begin = self.at
            self.nested()
            found = json.loads(self.text[begin : self.at], object_pairs_hook=tuple)
            return _Nested(_lists_of_objects(found))
        return self.scalar()

    def nested(self) -> None:
        """Check an object or list, however deep."""
        closing: list[str] = []
        while True:
            if self.next() == "[":
                self.take("[")
                closing.append("]")
                self.blank()
                if self.next() != "]":
                    continue
            elif self.next() == "{":
                self.take("{")
                closing.append("}")
                self.blank()
                if self.next() != "}":
                    self.key()
                    continue
            else:
                self.scalar()
            self.blank()
            while closing and self.next() == closing[-1]:
                self.take(closing.pop())
                if closing:
                    self.blank()
            if not closing:
                return
            self.take(",")
            self.blank()
            if closing[-1] == "}":
                self.key()

    def scalar(self) -> Value:
        for literal, value in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(literal, self.at):
                self.take(literal)
                return value
        if self.next() == '"':
            return self.string()
        return self.number()

    def number(self) -> _Number:
        start = self.at
        if self.next() == "-":
            self.take("-")
        if self.next() == "0":
            self.take("0")
        else:
            self.digits()
        if self.next() == ".":
            self.take(".")
            self.digits()
        if self.next() in ("e", "E"):
            self.at += 1
            if self.next() in ("+", "-"):
                self.at += 1
            self.digits()
        return _Number(self.text[start : self.at])

    def digits(self) -> None:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in DIGITS:
            self.at += 1
        if self.at == start:
            raise _Bad("not JSON")

    def string(self) -> str:
        self.take('"')
        characters: list[str] = []
        while self.next() != '"':
            character = self.next()
            if character < " ":  # a control character, or the end
                raise _Bad("not JSON")
            self.at += 1
            characters.append(self.escaped() if character == "\\" else character)
        self.take('"')
        return "".join(characters)

    def escaped(self) -> str:
        escape = self.next()
        self.at += 1
        if escape == "u":
            unit = self.unit()
            if 0xD800 <= unit < 0xDC00 and self.text.startswith("\\u", self.at):
                behind = self.at
                self.at += 2
                second = self.unit()
                if 0xDC00 <= second < 0xE000:
                    return chr(0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00))
                self.at = behind
            return chr(unit)
        plain = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))
        if escape not in plain:
            raise _Bad("not JSON")
        return plain[escape]

    def unit(self) -> int:
        digits = self.text[self.at : self.at + 4]
        if len(digits) < 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise _Bad("not JSON")
        self.at += 4
        return int(digits, 16)


def _is_object(raw: bytes) -> bool:
    try:
        return _Json(raw).whole() is not None
    except _Bad:
        return False


def _judged(raw: bytes, columns: tuple[Column, ...]) -> tuple[Record, bool]:
    """The record in these bytes, and whether it has unknown keys."""
    members = _Json(raw).whole()
    if members is None:
        raise _Bad("not an object")
    keys = [key.lower() for key, _ in members]
    if len(set(keys)) < len(keys):
        raise _Bad("key twice")
    by_key = {column.key.lower(): column for column in columns}
    fields: dict[str, Field] = {}
    unknown = False
    for key, value in zip(keys, (value for _, value in members), strict=True):
        if key in by_key:
            fields[key] = _field(value, by_key[key])
        else:
            unknown = True
    record = tuple(fields.get(column.key.lower()) for column in columns)
    for field, column in zip(record, columns, strict=True):
        if column.required and field is None:
            lists = sum(value.lists for _, value in members if isinstance(value, _Nested))
            is_wrapper = lists == 1 and _has_other_keys(keys, columns)
            raise _Bad("records in a wrapper" if is_wrapper else "key missing")
    return record, unknown


def _lists_of_objects(value: object) -> int:
    """How many lists of objects there are in objects (each a tuple) within a value, or it is one."""
    if isinstance(value, tuple):
        return sum(_lists_of_objects(inner) for _, inner in value)
    return isinstance(value, list) and value != [] and all(isinstance(v, tuple) for v in value)


def _field(value: Value, column: Column) -> Field:
    if value is None:
        return None
    if column.lenient and isinstance(value, bool | _Number):
        return value.text if isinstance(value, _Number) else str(value).lower()
    if isinstance(value, bool):
        raise _Bad("true or false where a value belongs")
    if isinstance(value, _Nested):
        raise _Bad("object or list where a value belongs")
    if isinstance(value, str):
        if column.kind == "text":
            return _text(value)
        if value == "" and not column.required:
            return None
        raise _Bad("number in quotes" if _is_number(value) else "text where a number belongs")
    if column.kind == "text":
        raise _Bad("number where text belongs")
    if column.kind == "double":
        double = float(value.text)
        if double in (float("inf"), float("-inf")):
            raise _Bad("value out of range")
        return double
    whole = _whole(value.text)
    if column.minimum is not None and whole < column.minimum:
        raise _Bad("value out of range")
    if column.maximum is not None and whole > column.maximum:
        raise _Bad("value out of range")
    return whole


def _text(value: str) -> str:
    if any(0xD800 <= ord(character) < 0xE000 for character in value):
        raise _Bad("not UTF-8")
    return value


def _is_number(text: str) -> bool:
    """Whether a text would be a number if it stood there without its quotes."""
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


def _whole(text: str) -> int:
    """A JSON number as the whole number that it is exactly."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    significant = digits.rstrip("0")
    zeros = _signed(exponent) - len(fraction) + len(digits) - len(significant)
    if len(significant) + zeros > 19:
        raise _Bad("value out of range")
    if zeros < 0:
        raise _Bad("fraction where a whole number belongs")
    value = int(significant + "0" * zeros) * (-1 if mantissa.startswith("-") else 1)
    if not -(2**63) <= value < 2**63:
        raise _Bad("value out of range")
    return value


def _signed(digits: str) -> int:
    """The number that is written so, however long (`int` has a limit)."""
    value = 0
    for digit in digits.lstrip("+-"):
        value = value * 10 + DIGITS.index(digit)
    return -value if digits.startswith("-") else value

"""Reads records one by one, and what `stedi.landing.scan` leaves: what fits, or why it does not.

Slow and strict. Harmless spellings are read: blank space, a byte order mark, commas and brackets
between objects, several objects on a line, one object over several lines, keys in any order and
case, escapes, whole numbers written 12.0 or 1e3, keys that the contract lacks. A quarantined record
ends where the next valid object or the next line begins, so that it costs no other record.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from stedi.columns import Column
from stedi.declared.contract import Contract
from stedi.declared.patterns import matching
from stedi.landing.fold import fold
from stedi.landing.marks import DEEPEST, LONGEST_GARBAGE, NONE, OPEN, STRING, Marks, Patterns
from stedi.landing.reasons import WRAPPER, Reason

WHOLE, CUT_OFF, LOST_QUOTE = 0, 1, 2
"""What a scan passed over: an object that ends or what is none, one without an end, one in which a
quote is missing or one too many."""
Value = str | int | float | None
_BLANK = b" \t\r\n"
_BETWEEN = re.compile(rb"(?>[ \t\r\n,\[\]]++|\xef\xbb\xbf)*+")
_BRACKET = re.compile(STRING + rb'"|[{}\[\]]')
_GOES_ON = re.compile(rb'[ \t]*+(?:(\}|,[ \t]*+")|,[ \t]*+)?')
_GOES_ON_BELOW = re.compile(rb'[ \t\r\n]*+(?:(\}|,[ \t\r\n]*+")|,[ \t\r\n]*+)?')
_BEGINS = re.compile(rb'[ \t\r\n,\[]*+(?:\{[ \t\r\n]*+(["}])?)?')
_LINE_END = re.compile(rb"[\r\n]")
_LINE_OR_OBJECT = re.compile(rb"[\n{]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXT_BEHIND = re.compile(rb'\s*:\s*("(?>[^"\\]++|\\.)*+")(?=\s*(?:[,}\]]|$))')
"""A text behind which nothing that could follow stands has lost its quote."""
_DOUBTFUL = re.compile(rb'\s*:?\s*("(?>[^"\\\r\n]++|\\.)*+"?)')
_OPENS_BEHIND = re.compile(rb"\s*:\s*[\[{]")
_CLOSES = re.compile(rb"[\]}]")
_ANY_TEXT = re.compile(rb'"(?:[^"\\\r\n]|\\.)*+"')
_MOST_SPELLED = 4
"""How often JSON is looked for in a text of JSON."""
_FEW_BRACKETS = 4
"""So many of an object are looked at one by one, before those that are clear are passed over."""
_OBJECT, _LIST, _QUOTE, _COLON, _NEWLINE = b'{[":\n'
_OPENS = dict(zip(b"}]", b"{[", strict=True))
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


class Record(NamedTuple):
    """A record that fits: its values in the order of what is delivered, its keys as spelled.

    `as_text` are the places of `lenient` columns among them whose value was no text.
    """

    values: tuple[Value, ...]
    keys: tuple[str, ...]
    has_unknown_keys: bool
    as_text: tuple[int, ...] = ()


class Piece(NamedTuple):
    """A quarantined record; `subject` is whom it is about, where that can be read."""

    reason: Reason
    raw: bytes
    subject: str | None


class Span(NamedTuple):
    """What lies at `data[begin:end]`; nothing but blank space and the like where it is None."""

    begin: int
    end: int
    content: Record | Piece | None


class _Invalid(NamedTuple):
    """Why a value or an object is not valid; an object by the value of which column."""

    reason: Reason
    column: str | None = None


class _Undecided(Exception):
    """More bytes have to be seen."""


class _Pairs(list[tuple[str, object]]):
    """A JSON object as it was written: keys in order, each as often as it stands there."""


class RecordReader:
    """Reads single records, valid or not, under one contract; `marks` finds what is in them."""

    def __init__(self, contract: Contract) -> None:
        self._validator = _Validator(contract)
        self.marks: Marks = Patterns()

    def read(self, data: bytearray, at: int, end: int, is_last: bool) -> Span | None:
        """Read what comes first in `data[at:end]`; what is found doesn't depend on `end`.

        None if more bytes have to be seen; never where these are the last.
        """
        stretch = _Stretch(data, end, is_last, self.marks)
        try:
            begin = stretch.skip_between(at)
            if begin == end:
                return Span(begin, begin, None)
            stop, problem = stretch.extent(begin)
        except _Undecided:
            return None
        raw = bytes(data[begin:stop]).rstrip(_BLANK)
        if problem is None:
            return Span(begin, stop, self._whole(raw))
        if problem == "cut off" and self._validator.opened(raw):
            problem = WRAPPER  # too long to be taken as a whole; its records were read
        is_broken = problem in ("cut off", "not JSON", WRAPPER)
        value = _Invalid(problem) if is_broken else _parse(raw)
        return Span(begin, stop, Piece(problem, raw, self._validator.subject(value, raw)))

    def passed(self, raw: bytes, kind: int) -> Record | Piece:
        """What a scan passed over, as `read` would have found it."""
        raw = raw.rstrip(_BLANK)
        if kind == WHOLE:
            return self._whole(raw)
        is_closed = kind == LOST_QUOTE and raw.endswith(b"}")
        reason: Reason = "not JSON" if is_closed else "cut off"
        return Piece(reason, raw, self._validator.subject(None, raw))

    def _whole(self, raw: bytes) -> Record | Piece:
        """What the bytes are, once it is known where they end: a record, or an invalid one."""
        value = _parse(raw)
        verdict = self._validator.judge(value, raw)
        if isinstance(verdict, Record):
            return verdict
        return Piece(verdict.reason, raw, self._validator.subject(value, raw))

    def fault(self, raw: bytes) -> str | None:
        """The key whose value makes a record invalid; None where it is not one value's fault.

        Of a list within objects these are all keys that lead to it, with dots between them.
        """
        if opened := self._validator.opened(raw):
            return opened
        verdict = self._validator.judge(_parse(raw), raw)
        return None if isinstance(verdict, Record) else verdict.column

    def piece(self, reason: Reason, raw: bytes) -> Piece:
        """A record that is quarantined for a reason outside of it, with whom it is about."""
        return Piece(reason, raw, self._validator.subject(_parse(raw), raw))


class _Stretch:
    """The bytes up to `end` of a longer file; raises `_Undecided` where they don't do."""

    def __init__(self, data: bytearray, end: int, is_last: bool, marks: Marks) -> None:
        self._data, self._end, self._is_last, self._marks = data, end, is_last, marks
        self._behind_text = NONE

    def skip_between(self, at: int) -> int:
        match = _BETWEEN.match(self._data, at, self._end)
        assert match
        if match.end() == self._end:
            self._need_last()
        return match.end()

    def extent(self, begin: int) -> tuple[int, Reason | None]:
        """Where the record that begins at `begin` ends, and what is wrong if that shows already."""
        data, end = self._data, self._end
        if data[begin] != _OBJECT:
            return self._line_or_object(begin), None
        if (behind := self._flat(begin)) != NONE:
            return behind, None
        open_, at, seen = [_OBJECT], begin + 1, 0
        while (place := self._next_bracket(at)) < end:
            found, seen = data[place], seen + 1
            if found in (_OBJECT, _LIST):
                between = bytes(data[at:place])
                written = between.rstrip(_BLANK)
                before = written[-1:] or bytes(data[at - 1 : at])
                in_list = open_[-1] == _LIST
                if not (before == b":" or (in_list and before in (b"[", b","))):
                    # Nothing can begin here but another record: the one before lost its end.
                    most = place if self._may_begin(place) else None
                    return self._before_good(begin, place, most), "cut off"
                is_below = before == b":" and b"\n" in between[len(written) :]
                if is_below and found == _OBJECT and self._is_cut_off_before(place):
                    return self._before_good(begin, place, most=place), "cut off"
                if in_list and place - begin > LONGEST_GARBAGE and self._begins_line(place):
                    # A list that long, of records that begin lines, is none: its end was cut off.
                    return self._before_good(begin, place, most=place), "cut off"
                open_.append(found)
                if len(open_) > DEEPEST:
                    return self._before_good(begin, place), "object or list where a value belongs"
            elif found == _QUOTE:
                return self._unquoted(begin, place)
            else:
                if open_.pop() != _OPENS[found]:
                    return self._before_good(begin, place), "cut off"
                if not open_:
                    return place + 1, None
            at = place + 1
            if seen > _FEW_BRACKETS:
                at, open_ = self._marks.clear(data, begin, at, end, open_)
        self._need_last()
        return self._before_good(begin, end), "cut off"

    def _next_bracket(self, at: int) -> int:
        """Where the next bracket is, or a quote that begins no text as it should be."""
        place = self._marks.between(self._data, at, self._end)
        if place < self._end and self._data[place] == _QUOTE:
            self._behind_text = self._marks.text(self._data, place, self._end)
            if self._behind_text == self._end:
                return self._end  # what follows it has to be seen
        return place

    def _unquoted(self, begin: int, place: int) -> tuple[int, Reason]:
        """Where a record ends that has a text without its end, or with something odd behind it."""
        if self._behind_text == NONE:
            if not _LINE_END.search(self._data, place, self._end):
                self._need_last()
            return self._before_good(begin, place), "cut off"
        # A quote was lost or is one too many: from here on texts and what stands between them have
        # changed places.
        stop = self._before_good(begin, place)
        has_end = self._data[begin:stop].rstrip(_BLANK).endswith(b"}")
        return stop, "not JSON" if has_end else "cut off"

    def _may_begin(self, place: int) -> bool:
        """Whether what opens there looks like a record: of nothing but brackets there are none."""
        match = _BEGINS.match(self._data, place, self._end)
        assert match
        if match.end() == self._end and not match[1]:
            self._need_last()
        return match[1] is not None

    def _is_cut_off_before(self, place: int) -> bool:
        """Whether an object that begins a line is a record, though a colon stands before it.

        It is where it is good and whole and nothing behind it goes on with an object around it, or
        where it isn't whole, but begins a line as records do that are written one a line.
        """
        behind = self._flat(place)
        if behind == NONE:
            return self._data[place - 1 : place + 2] == b'\n{"'
        match = _GOES_ON_BELOW.match(self._data, behind, self._end)
        assert match
        if match.end() == self._end and not match[1]:
            self._need_last()
        return match[1] is None

    def _flat(self, place: int) -> int:
        """Behind a flat object; `NONE` where there is none, whatever follows."""
        behind = self._marks.flat(self._data, place, self._end)
        if behind == OPEN:
            self._need_last()
            return NONE
        return behind

    def _begins_line(self, place: int) -> bool:
        """Whether what may be a record begins there, and is the first of its line."""
        before = place - 1
        while before >= 0 and self._data[before] in b" \t\r":
            before -= 1
        is_first = before >= 0 and self._data[before] == _NEWLINE
        return is_first and self._flat(place) != NONE

    def _line_or_object(self, begin: int) -> int:
        """Where what is no object ends."""
        limit = min(self._end, begin + LONGEST_GARBAGE)
        match = _LINE_OR_OBJECT.search(self._data, begin, limit)
        if match is None and limit == self._end:
            self._need_last()
        return match.start() if match else limit

    def _before_good(self, begin: int, broken: int, most: int | None = None) -> int:
        """The end of a record that is broken at `broken`: where a good object or line begins."""
        limit = most or min(self._end, broken + LONGEST_GARBAGE)
        at = begin + 1
        while (place := self._marks.line_or_object(self._data, at, limit, broken)) != NONE:
            at = place + 1
            if self._data[place] == _NEWLINE:
                if place >= broken:
                    return place
                behind = self.skip_between(place)
                if behind < self._end and self._data[behind] == _OBJECT:
                    return place
                at = max(at, min(behind, broken))
            elif self._is_good_object(place):
                return place
        if most is None and limit == self._end:
            self._need_last()
        return limit

    def _is_good_object(self, place: int) -> bool:
        """Whether a record may begin there; an object that is the value of a key is none."""
        behind = self._flat(place)
        if behind == NONE or (_follows_colon(self._data, place) and self._goes_on(behind)):
            return False
        return isinstance(_parse(bytes(self._data[place:behind])), _Pairs)

    def _goes_on(self, at: int) -> bool:
        """Whether the object around goes on behind a value that ends at `at`."""
        match = _GOES_ON.match(self._data, at, self._end)
        assert match
        if match.end() == self._end:
            self._need_last()
        return match.group(1) is not None

    def _need_last(self) -> None:
        if not self._is_last:
            raise _Undecided


def _follows_colon(data: bytearray, place: int) -> bool:
    while place > 0 and data[place - 1] in b" \t":
        place -= 1
    return place > 0 and data[place - 1] == _COLON


def _number(text: str) -> Decimal:
    """The value; of an exponent too long for `Decimal` one as far beyond what a column can hold."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, exponent = re.split("[eE]", text)
        return Decimal(mantissa) * Decimal("1e-99999" if exponent[0] == "-" else "1e99999")


def _refuse_constant(_: str) -> object:
    raise ValueError


def _decoder(read_number: Callable[[str], Decimal]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_Pairs,
        parse_float=read_number,
        parse_int=Decimal,
        parse_constant=_refuse_constant,
    )


_DECODER, _DECODER_OF_LONG_EXPONENTS = _decoder(Decimal), _decoder(_number)


def _parse(raw: bytes) -> object:
    """The JSON value of a record, or the `_Misfit` that says why there is none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _Invalid("not UTF-8")
    if _is_too_deep(raw):
        return _Invalid("object or list where a value belongs")
    try:
        try:
            value, end = _DECODER.raw_decode(text)
        except InvalidOperation:
            value, end = _DECODER_OF_LONG_EXPONENTS.raw_decode(text)
    except InvalidOperation:
        return _Invalid("value out of range")
    except ValueError:
        return _Invalid("not JSON")
    return value if end == len(text) else _Invalid("not JSON")


_WRITTEN = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=str, parse_int=str)


def _written(raw: bytes, key: str) -> str:
    """A number or truth under a key of an object, as it was written."""
    pairs = _WRITTEN.decode(raw.decode())
    [value] = [item for name, item in pairs if name.lower() == key]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_too_deep(raw: bytes) -> bool:
    """Whether objects and lists lie in one another deeper than is read, texts left out."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKET.finditer(raw):
        opened = bracket[0]
        depth += (opened in (b"{", b"[")) - (opened in (b"}", b"]"))
        if depth > DEEPEST:
            return True
    return False


class _Validator:
    """What a record of one contract looks like."""

    def __init__(self, contract: Contract) -> None:
        self._columns = contract.delivered
        self._by_key = {(c.json_key or c.name).lower(): n for n, c in enumerate(self._columns)}
        self._required = [n for n, column in enumerate(self._columns) if column.required]
        self._subject: tuple[str, bytes] | None = None
        subject = contract.column(contract.subject) if contract.subject else None
        if subject is not None:
            key = (subject.json_key or subject.name).lower()
            self._subject = key, b'"%b"' % key.encode()

    def judge(self, value: object, raw: bytes) -> Record | _Invalid:
        """The record that a JSON value is, or why it is none; `raw` spells it."""
        if isinstance(value, _Invalid):
            return value
        if not isinstance(value, _Pairs):
            return _Invalid("not an object")
        by_key = {key.lower(): item for key, item in value}
        if len(by_key) < len(value):
            return _Invalid("key twice")
        values: list[Value] = [None] * len(self._columns)
        has_unknown_keys = False
        as_text: list[int] = []
        for key, item in by_key.items():
            n = self._by_key.get(key)
            if n is None:
                has_unknown_keys = True
            elif item is not None:
                column = self._columns[n]
                if column.lenient and isinstance(item, Decimal | bool):
                    item = _written(raw, key)
                    as_text.append(n)
                converted = _converted(item, column)
                if isinstance(converted, _Invalid):
                    return _Invalid(converted.reason, column.json_key or column.name)
                values[n] = converted
        missing = [n for n in self._required if values[n] is None]
        if missing:
            lists = [*_lists_of_objects(value)] if self._is_foreign(value) else []
            if len(lists) == 1:
                return _Invalid(WRAPPER, lists[0])
            column = self._columns[missing[0]]
            return _Invalid("key missing", column.json_key or column.name)
        keys = tuple(key for key, _ in value)
        return Record(tuple(values), keys, has_unknown_keys, tuple(as_text))

    def opened(self, raw: bytes) -> str | None:
        """Which keys lead to the list that opens at the end of a text; None where it is a record.

        The text is what of a wrapper stands before its first record.
        """
        if not raw.endswith(b"["):
            return None
        brackets = Counter(bracket[0] for bracket in _BRACKET.finditer(raw))
        value = whole = _parse(raw + b"]" + b"}" * (brackets[b"{"] - brackets[b"}"]))
        keys = []
        while isinstance(value, _Pairs) and value:
            key, value = value[-1]
            keys.append(key)
        is_list = isinstance(value, list) and not isinstance(value, _Pairs)
        is_wrapper = is_list and isinstance(whole, _Pairs) and self._is_foreign(whole)
        return ".".join(keys) if is_wrapper else None

    def _is_foreign(self, value: _Pairs) -> bool:
        """Whether most of what a record must have is not among the keys of an object."""
        there = {self._by_key.get(key.lower()) for key, _ in value}
        return 2 * len(there.intersection(self._required)) < len(self._required)

    def subject(self, value: object, raw: bytes) -> str | None:
        """Whom an invalid record is about, each on a line; `value` is what `raw` spells.

        Who is not spelled as they are folded (`landing/fold.py`) has another line for that.

        Of JSON all texts under the key, however deep it lies, also in JSON that a text spells;
        where there are none, and of bytes that are no JSON, all texts that follow the key anywhere.
        """
        if self._subject is None:
            return None
        key, quoted = self._subject
        if len(raw) < len(quoted):
            return None
        texts = [*_texts_under(value, key)] or [*_texts_in_bytes(raw, quoted)]
        subjects = [text for text in texts if _is_text(text)]
        lines = (line for text in subjects for line in _subject_lines(text))
        return "\n".join(dict.fromkeys(filter(None, lines))) or None


def _lists_of_objects(value: _Pairs) -> Iterator[str]:
    """Which keys, with dots between them, lead to lists of nothing but objects."""
    for key, item in value:
        if isinstance(item, _Pairs):
            yield from (f"{key}.{path}" for path in _lists_of_objects(item))
        elif isinstance(item, list) and item and all(isinstance(i, _Pairs) for i in item):
            yield key


def _texts_under(
    value: object, key: str, *, below: bool = False, spelled: int = 0
) -> Iterator[str]:
    """The texts under a key, in objects and lists of any depth, and in JSON that a text spells.

    Queues of events spell JSON in texts of JSON that is spelled so itself.
    """
    if isinstance(value, _Pairs):
        for name, item in value:
            is_below = below or name.lower() == key
            yield from _texts_under(item, key, below=is_below, spelled=spelled)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_under(item, key, below=below, spelled=spelled)
    elif isinstance(value, str):
        text = value.strip()
        if spelled < _MOST_SPELLED and text.startswith(("{", "[", '"')):
            raw = text.encode(errors="replace")
            parsed = _parse(raw)
            yield from _texts_under(parsed, key, below=below, spelled=spelled + 1)
            if isinstance(parsed, _Invalid):
                yield from _texts_in_bytes(raw, b'"%b"' % key.encode())
        if below:
            yield value


def _texts_in_bytes(raw: bytes, key: bytes) -> Iterator[str]:
    """The texts that follow a key in bytes which are no JSON, in whatever way these are spelled.

    Of UTF-16 and UTF-32, of single quotes and of JSON within a text as far as they look like it.
    """
    plain = raw.replace(b"\0", b"")
    ways = [plain]
    ways += [plain.replace(b'\\"', b'"')] if b'\\"' in plain else []
    ways += [plain.replace(b'"', b"").replace(b"'", b'"')] if b"'" in plain else []
    for way in ways:
        for text in dict.fromkeys(_texts_behind(key, way)):
            value = _parse(text)
            if not isinstance(value, str):
                value = _parse(text.decode("latin-1").encode())
            if isinstance(value, str):
                yield value


def _texts_behind(key: bytes, raw: bytes) -> Iterator[bytes]:
    """The texts that follow a key in quotes, in any case, wherever it stands.

    Behind it an object or a list may begin; then its texts are those that follow. A text that may
    not end where its quote is counts only beside others: with none of them, somebody is to look.
    """
    lowered, found, doubtful = raw.lower(), False, list[bytes]()
    at = lowered.find(key)
    while at >= 0:
        at += len(key)
        if match := _TEXT_BEHIND.match(raw, at):
            found = True
            yield match[1]
            at = match.end()
        elif opens := _OPENS_BEHIND.match(raw, at):
            texts = _ANY_TEXT.findall(raw, opens.end(), _end_of(raw, opens.end()))
            found |= bool(texts)
            yield from texts
        elif match := _DOUBTFUL.match(raw, at):
            doubtful += [match[1], match[1].rstrip(b'", \t}]') + b'"']
        at = lowered.find(key, at)
    if found:
        yield from doubtful


def _end_of(raw: bytes, at: int) -> int:
    """Where the first bracket closes behind a place."""
    close = _CLOSES.search(raw, at)
    return close.start() if close else len(raw)


def _converted(value: object, column: Column) -> Value | _Invalid:
    """A column's value for a JSON value that isn't null; None for an empty text, or why not."""
    if isinstance(value, Decimal):
        if column.type == "string":
            return _Invalid("number where text belongs")
        return _whole(value, column) if column.type == "long" else _double(value, column)
    if isinstance(value, bool):
        return _Invalid("true or false where a value belongs")
    if not isinstance(value, str):
        return _Invalid("object or list where a value belongs")
    if column.type == "string":
        return _text(value, column)
    if value == "" and not column.required:
        return None  # an empty consent is none
    return _Invalid("number in quotes" if _is_number(value) else "text where a number belongs")


def _text(value: str, column: Column) -> str | _Invalid:
    if not _is_text(value):
        return _Invalid("not UTF-8")
    if (
        len(value) < (column.min_length or 0)
        or (column.max_length is not None and len(value) > column.max_length)
        or (column.pattern is not None and not matching(column.pattern, [value])[0].as_py())
    ):
        return _Invalid("value out of range")
    return value


def _is_text(value: str) -> bool:
    """Whether a string can be stored: JSON can spell a lone surrogate, UTF-8 can't."""
    return value.isascii() or _SURROGATE.search(value) is None


def _subject_lines(value: str) -> Iterator[str]:
    """An identifier as it was spelled, where that can stand on a line, and folded."""
    if "\n" not in value:
        yield value
    yield fold(value)


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


def _whole(value: Decimal, column: Column) -> int | _Invalid:
    if value.is_zero():
        return _in_range(0, column)
    if value.adjusted() > 18:
        return _Invalid("value out of range")
    whole = int(value)
    if whole != value:
        return _Invalid("fraction where a whole number belongs")
    if not LONG_MIN <= whole <= LONG_MAX:
        return _Invalid("value out of range")
    return _in_range(whole, column)


def _double(value: Decimal, column: Column) -> float | _Invalid:
    number = float(value)
    return _Invalid("value out of range") if math.isinf(number) else _in_range(number, column)


_Number = TypeVar("_Number", int, float)


def _in_range(value: _Number, column: Column) -> _Number | _Invalid:
    if (column.minimum is not None and value < column.minimum) or (
        column.maximum is not None and value > column.maximum
    ):
        return _Invalid("value out of range")
    return value


def parsed_object(raw: bytes) -> dict[str, object]:
    """The values of a JSON object by key, whole numbers as such; empty where it is none."""
    value = _parse(raw.strip(_BLANK))
    return {key: _plain(item) for key, item in value} if isinstance(value, _Pairs) else {}


def _plain(item: object) -> object:
    if not isinstance(item, Decimal) or item.adjusted() > 18 or item != item.to_integral_value():
        return item
    return int(item)


def texts_in(raw: bytes) -> Iterator[str]:
    """What an invalid record may say: as it is written, and each text in it.

    Of UTF-16 and UTF-32 also as far as it is of ASCII.
    """
    for way in dict.fromkeys((raw, raw.replace(b"\0", b""))):
        yield way.decode(errors="replace")
        for match in _ANY_TEXT.finditer(way):
            text = _parse(match.group())
            if isinstance(text, str):
                yield text

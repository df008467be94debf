"""Each kind of dirt, with the verdict of people, for a record of any source.

A case has what is in the file, what records of it are loaded (each as what differs from the good
record), and for what reasons records are quarantined, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.support.reference import Record

Role = Literal["text", "whole", "double", "optional"]
Change = dict[Role, str | int | float | None]


@dataclass(frozen=True)
class Source:
    """A source: a good record, and another, as columns with their JSON; and keys by what they hold."""

    name: str
    members: dict[str, str]
    row: Record
    keys: dict[Role, str]
    noise: str
    noise_row: Record

    def of(self, **values: str) -> bytes:
        """The good record with the JSON of some keys, named by role, in place of its own."""
        changed = self.members | {self.key(role): json for role, json in values.items()}
        return ("{" + self.inner(changed) + "}").encode()

    def key(self, role: str) -> str:
        return next(key for of, key in self.keys.items() if of == role)

    def inner(
        self, members: dict[str, str] | None = None, comma: str = ",", colon: str = ":"
    ) -> str:
        """What stands between the braces."""
        chosen = self.members if members is None else members
        return comma.join(f'"{key}"{colon}{json}' for key, json in chosen.items())

    def lacking(self, role: Role) -> bytes:
        rest = {key: json for key, json in self.members.items() if key != self.key(role)}
        return ("{" + self.inner(rest) + "}").encode()

    def plus(self, *members: str) -> bytes:
        """The good record with more members behind its own."""
        return ("{" + ",".join((self.inner(), *members)) + "}").encode()

    def cut(self, behind: str) -> bytes:
        """The good record up to behind where some text stands first."""
        good = self.of().decode()
        return good[: good.index(behind) + len(behind)].encode()

    def respelled(self, spell: Callable[[str], str]) -> bytes:
        return (
            "{" + self.inner({spell(key): json for key, json in self.members.items()}) + "}"
        ).encode()

    def changed(self, change: Change) -> Record:
        """The good record's row with some values in place of its own."""
        columns = list(self.members)
        row = list(self.row)
        for role, value in change.items():
            row[columns.index(self.keys[role])] = value
        return tuple(row)


CUSTOMER = Source(
    "customer",
    {
        "customerName": '"Ann"',
        "email": '"ann@example.com"',
        "phone": '"555"',
        "birthDay": '"1980-01-01"',
        "serialNumber": '"S"',
        "registrationDate": "1",
        "lastUpdateDate": "2",
        "shareWithResearchAsOfDate": "3",
        "shareWithPublicAsOfDate": "4",
        "shareWithFriendsAsOfDate": "5",
    },
    ("Ann", "ann@example.com", "555", "1980-01-01", "S", 1, 2, 3, 4, 5),
    {"text": "email", "whole": "lastUpdateDate", "optional": "shareWithResearchAsOfDate"},
    '{"customerName":"Ben","email":"ben@example.com","phone":"5","birthDay":"1981-02-03","serialNumber":"T","registrationDate":7,"lastUpdateDate":8}',
    ("Ben", "ben@example.com", "5", "1981-02-03", "T", 7, 8, None, None, None),
)  # fmt: skip
ACCELEROMETER = Source(
    "accelerometer",
    {"user": '"ann@example.com"', "timestamp": "1", "x": "0.5", "y": "-1.25", "z": "0"},
    ("ann@example.com", 1, 0.5, -1.25, 0.0),
    {"text": "user", "whole": "timestamp", "double": "y"},
    '{"user":"ben@example.com","timestamp":7,"x":1.0,"y":2.0,"z":3.0}',
    ("ben@example.com", 7, 1.0, 2.0, 3.0),
)
STEP_TRAINER = Source(
    "step_trainer",
    {"sensorReadingTime": "1", "serialNumber": '"S"', "distanceFromObject": "5"},
    (1, "S", 5),
    {"text": "serialNumber", "whole": "sensorReadingTime"},
    '{"sensorReadingTime":7,"serialNumber":"S-7","distanceFromObject":250}',
    (7, "S-7", 250),
)
SOURCES = {source.name: source for source in (CUSTOMER, ACCELEROMETER, STEP_TRAINER)}


@dataclass(frozen=True)
class Case:
    """Bytes and their verdict; only for sources that have a key of the role it `needs`."""

    name: str
    make: Callable[[Source], bytes]
    loaded: Sequence[Change] = ()
    aside: Sequence[str] = ()
    needs: Role = "whole"


def _value(role: Role, json: str, value: str | int | float | None, name: str = "") -> Case:
    """A value that is read as it was written."""
    return Case(
        f"{role} {name or json}", lambda s: s.of(**{role: json}), [{role: value}], needs=role
    )


def _bad(role: Role, json: str, reason: str, name: str = "") -> Case:
    """A value that its column can't hold."""
    return Case(f"{role} {name or json}", lambda s: s.of(**{role: json}), (), [reason], needs=role)


def _deep(name: str, value: str) -> Case:
    """An unknown key whose value lies deeper than is read, on every Python alike."""
    return Case(f"unknown: {name} deep", lambda s: s.plus(f'"more":{value}'), (), [OBJECT])


def _more(name: str, *members: str) -> Case:
    """Keys that the contract lacks."""
    return Case(f"unknown: {name}", lambda s: s.plus(*members), [{}])


def _garbage(name: str, content: bytes, *reasons: str) -> Case:
    """What no source's record is."""
    return Case(name, lambda s: content, (), reasons)


def _pretty(source: Source, newline: str) -> bytes:
    comma, colon = f",{newline}\t", " : "
    return f"{{{newline}\t{source.inner(None, comma, colon)}{newline}}}".encode()


def _mixed(key: str) -> str:
    return "".join(c.upper() if n % 2 else c.lower() for n, c in enumerate(key))


def _escaped(key: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in key)


BOM = b"\xef\xbb\xbf"
LONGEST_EMAIL = "a" * 64 + "@" + ".".join(["b" * 63, "c" * 63, "d" * 57, "org"])
OBJECT = "object or list where a value belongs"
FRACTION = "fraction where a whole number belongs"
RANGE = "value out of range"
TRUTH = "true or false where a value belongs"
TEXT = "text where a number belongs"
NUMBER = "number where text belongs"
QUOTED = "number in quotes"

SPELLINGS = [
    Case("plain", lambda s: s.of(), [{}]),
    Case("nothing", lambda s: b""),
    Case("blank", lambda s: b"  \n\n\t \r\n "),
    Case("commas and brackets only", lambda s: b",[],\n[ , ]"),
    Case("CR behind", lambda s: s.of() + b"\r", [{}]),
    Case("CRLF between", lambda s: s.of() + b"\r\n" + s.of() + b"\r\n", [{}, {}]),
    Case("CR between", lambda s: s.of() + b"\r" + s.of(), [{}, {}]),
    Case("blank lines between", lambda s: s.of() + b"\n\n \t\n" + s.of(), [{}, {}]),
    Case("blank before", lambda s: b" \t" + s.of(), [{}]),
    Case("blank behind", lambda s: s.of() + b" \t", [{}]),
    Case("byte order mark", lambda s: BOM + s.of(), [{}]),
    Case("byte order marks between", lambda s: BOM + s.of() + BOM + b"\n" + BOM + BOM + s.of(), [{}, {}]),
    Case("byte order mark only", lambda s: BOM),
    Case("comma behind", lambda s: s.of() + b",", [{}]),
    Case("commas behind", lambda s: s.of() + b" ,, ,", [{}]),
    Case("comma before", lambda s: b"," + s.of(), [{}]),
    Case("two on a line", lambda s: s.of() * 2, [{}] * 2),
    Case("two with a space", lambda s: s.of() + b" " + s.of(), [{}] * 2),
    Case("two with a comma", lambda s: s.of() + b"," + s.of(), [{}] * 2),
    Case("twenty on a line", lambda s: s.of() * 20, [{}] * 20),
    Case("array", lambda s: b"[" + s.of() + b", " + s.of() + b"]", [{}] * 2),
    Case("array over lines", lambda s: b"[\n" + s.of() + b",\n" + s.of() + b"\n]", [{}] * 2),
    Case("commas first", lambda s: b"[" + s.of() + b"\n," + s.of() + b"\n]", [{}] * 2),
    Case("arrays in an array", lambda s: b"[[" + s.of() + b"],[" + s.of() + b"]]", [{}] * 2),
    Case("array without its end", lambda s: b"[" + s.of() + b",", [{}]),
    Case("array without its beginning", lambda s: s.of() + b"]", [{}]),
    Case("over lines", lambda s: _pretty(s, "\n"), [{}]),
    Case("over CRLF lines", lambda s: _pretty(s, "\r\n"), [{}]),
    Case("over CR lines", lambda s: _pretty(s, "\r"), [{}]),
    Case("over lines, a blank one among them", lambda s: _pretty(s, "\n \n"), [{}]),
    Case("two over lines", lambda s: (_pretty(s, "\n") + b",\n") * 2, [{}] * 2),
    Case("spaces", lambda s: f"{{ {s.inner(None, ' , ', ' : ')} }}".encode(), [{}]),
    Case("tabs", lambda s: ("{\t" + s.inner(None, "\t,\t", "\t:\t") + "\t}").encode(), [{}]),
    Case("other order", lambda s: ("{" + s.inner(dict(reversed(s.members.items()))) + "}").encode(), [{}]),
    Case("upper case", lambda s: s.respelled(str.upper), [{}]),
    Case("lower case", lambda s: s.respelled(str.lower), [{}]),
    Case("mixed case", lambda s: s.respelled(_mixed), [{}]),
    Case("escapes in keys", lambda s: s.respelled(_escaped), [{}]),
]  # fmt: skip

WHOLE_NUMBERS = [
    _value("whole", "0", 0),
    _value("whole", "-0", 0),
    _value("whole", "0.0", 0),
    _value("whole", "-0.0", 0),
    _value("whole", "0e5", 0),
    _value("whole", "0E-400", 0),
    _value("whole", "12.0", 12),
    _value("whole", "12.000000000000000000000000000000000000", 12),
    _value("whole", "1e3", 1000),
    _value("whole", "1E+3", 1000),
    _value("whole", "1.5e1", 15),
    _value("whole", "1200e-2", 12),
    _value("whole", "1." + "0" * 400 + "e0", 1, "with 400 zeros"),
    _value("whole", "1" + "0" * 400 + "e-400", 1, "with 400 zeros taken back"),
    _value("whole", "1e0000000000000000000000002", 100),
    _value("whole", "253402300799999", 253_402_300_799_999),
    _value("whole", "2.53402300799999e14", 253_402_300_799_999),
    _value("optional", "9007199254740993", 2**53 + 1),
    _value("optional", "9.007199254740993e15", 2**53 + 1),
    _value("optional", "9223372036854775807", 2**63 - 1),
    _value("optional", "9223372036854775807.0", 2**63 - 1),
    _value("optional", "-9223372036854775808", -(2**63)),
    _value("optional", "999999999999999999", 10**18 - 1),
    _value("optional", "1e18", 10**18),
    _value("optional", "-1", -1),
    _value("optional", "null", None),
    _value("optional", '""', None),
    Case("optional absent", lambda s: s.lacking("optional"), [{"optional": None}], needs="optional"),
    _bad("whole", '"1"', QUOTED),
    _bad("whole", '"-1.5e3"', QUOTED),
    _bad("whole", '""', TEXT),
    _bad("whole", '" "', TEXT),
    _bad("whole", '"one"', TEXT),
    _bad("whole", '"2020-01-01"', TEXT),
    _bad("whole", '"{}"', TEXT),
    _bad("whole", r'"\ud800"', TEXT),
    _bad("whole", "1.5", FRACTION),
    _bad("whole", "1e-1", FRACTION),
    _bad("whole", "0.1e-400", FRACTION),
    _bad("whole", "1655564464730.0000001", FRACTION),
    _bad("whole", "1655564464730." + "0" * 400 + "1", FRACTION, "tiniest fraction"),
    _bad("whole", "true", TRUTH),
    _bad("whole", "false", TRUTH),
    _bad("whole", "{}", OBJECT),
    _bad("whole", '{"a":1}', OBJECT),
    _bad("whole", "[]", OBJECT),
    _bad("whole", "[1]", OBJECT),
    _bad("whole", '[{"a":1},\n{"b":2}]', OBJECT),
    _bad("whole", "[" * 100_000 + "]" * 100_000, OBJECT, "100,000 lists deep"),
    _deep("64 lists", "[" * 64 + "]" * 64),
    _deep("900 lists", "[" * 900 + "]" * 900),
    _deep("1,100 lists", "[" * 1_100 + "]" * 1_100),
    _deep("5,000 lists", "[" * 5_000 + "]" * 5_000),
    _deep("64 objects", '{"a":' * 64 + "1" + "}" * 64),
    _deep("lists of lists side by side", "[" * 70 + "],[" * 30 + "]" * 70),
    Case("whole 100,000 objects deep", lambda s: s.of(whole='{"a":' * 100_000 + "1" + "}" * 100_000), (), [OBJECT]),
    _bad("whole", "-1", RANGE),
    _bad("whole", "253402300800000", RANGE),
    _bad("whole", "9223372036854775808", RANGE),
    _bad("whole", "1e400", RANGE),
    _bad("whole", "1e99999999999999999999", RANGE),
    _bad("whole", "9" * 10_000, RANGE, "10,000 digits"),
    _bad("optional", "9223372036854775808", RANGE),
    _bad("optional", "-9223372036854775809", RANGE),
    _bad("optional", "18446744073709551617", RANGE),
    _bad("optional", "99999999999999999999", RANGE),
    _bad("optional", "true", TRUTH),
    _bad("optional", '" "', TEXT),
    _bad("optional", '"1"', QUOTED),
    _bad("optional", "0.5", FRACTION),
    _bad("optional", "[]", OBJECT),
    _bad("whole", "null", "key missing"),
]  # fmt: skip

DOUBLES = [
    _value("double", "0", 0.0),
    _value("double", "-0", -0.0),
    _value("double", "-0.0", -0.0),
    _value("double", "-0e7", -0.0),
    _value("double", "1", 1.0),
    _value("double", "1E5", 100000.0),
    _value("double", "0.1", 0.1),
    _value("double", "0.30000000000000004", 0.1 + 0.2),
    _value("double", "1e308", 1e308),
    _value("double", "-1.7976931348623157e308", -1.7976931348623157e308),
    _value("double", "1.7976931348623158e308", 1.7976931348623157e308),
    _value("double", "2.2250738585072011e-308", 2.2250738585072011e-308),
    _value("double", "5e-324", 5e-324),
    _value("double", "2e-324", 0.0),
    _value("double", "-1e-400", -0.0),
    _value("double", "1e22", 1e22),
    _value("double", "1e23", 1e23),
    _value("double", "9007199254740993", 9007199254740992.0),
    _value("double", "9007199254740993.00000000000000000001", 9007199254740994.0),
    _value("double", "123456789.123456789", 123456789.12345679),
    _value("double", "1" * 300, float("1" * 300), "300 digits"),
    _value("double", "0." + "0" * 300 + "1", 1e-301, "300 zeros"),
    _value("double", "1" + "0" * 400 + "e-400", 1.0, "with 400 zeros taken back"),
    _bad("double", "1e309", RANGE),
    _bad("double", "-1e400", RANGE),
    _bad("double", "1.7976931348623159e308", RANGE),
    _bad("double", "1e99999999999999999999", RANGE),
    _bad("double", "9" * 400, RANGE, "400 digits"),
    _bad("double", '"0.5"', QUOTED),
    _bad("double", '"fast"', TEXT),
    _bad("double", '""', TEXT),
    _bad("double", "true", TRUTH),
    _bad("double", "[0.5]", OBJECT),
    _bad("double", "null", "key missing"),
]  # fmt: skip

TEXTS = [
    _value("text", '""', ""),
    _value("text", '" a\t b "'.replace("\t", "\\t"), " a\t b ", "with spaces around"),
    _value("text", f'"{LONGEST_EMAIL}"', LONGEST_EMAIL, "the longest e-mail"),
    _value("text", f'"{"é" * 10_000}"', "é" * 10_000, "10,000 letters"),
    _value("text", f'"{"x" * 9_999}\\n"', "x" * 9_999 + "\n", "10,000 letters with an escape"),
    _value("text", r'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t', "every escape"),
    _value("text", r'"\u00e9\u00E9"', "éé"),
    _value("text", r'"\u0000"', "\0"),
    _value("text", r'"\ud83e\uddb6"', "🦶"),
    _value("text", r'"\uDBFF\uDFFF"', "\U0010ffff"),
    _value("text", '"🦶é漢\U0010ffff"', "🦶é漢\U0010ffff"),
    _value("text", '"e\u0301 \u00e9"', "e\u0301 \u00e9", "composed and not"),
    _value("text", '"\ufeff\ufffe\uffff\u2028\u0085"', "\ufeff\ufffe\uffff\u2028\u0085", "marks"),
    _value("text", '"\u202eabc\u200d"', "\u202eabc\u200d", "right to left"),
    _value("text", '"\x7f"', "\x7f", "DEL"),
    _value("text", '"}{"', "}{"),
    _value("text", '"],[,:"', "],[,:"),
    _value("text", r'"\"}"', '"}'),
    _value("text", r'"\\"', "\\"),
    _value("text", r'"{\"a\":1}\n{\"a\":1}"', '{"a":1}\n{"a":1}'),
    _value("text", '"12"', "12"),
    _value("text", '"null"', "null"),
    _bad("text", "7", NUMBER),
    _bad("text", "1e400", NUMBER),
    _bad("text", "true", TRUTH),
    _bad("text", '["S"]', OBJECT),
    _bad("text", '{"S":"S"}', OBJECT),
    _bad("text", "null", "key missing"),
    _bad("text", r'"\ud800"', "not UTF-8"),
    _bad("text", r'"\udfff x"', "not UTF-8"),
    _bad("text", r'"\uddb6\ud83e"', "not UTF-8"),
    _bad("text", r'"\ud83e\ud83e\uddb6"', "not UTF-8"),
    _bad("text", '"\0"', "not JSON", "NUL"),
    _bad("text", '"\t"', "not JSON", "a raw tab"),
    _bad("text", '"\x1f"', "not JSON", "a control character"),
    _bad("text", r'"\x41"', "not JSON"),
    _bad("text", r'"\u12"', "not JSON"),
    _bad("text", r'"\u+123"', "not JSON"),
    _bad("text", r'"\U0001F9B6"', "not JSON"),
    _bad("text", "'S'", "not JSON"),
    _bad("text", "S", "not JSON"),
    Case("text in Latin-1", lambda s: s.of(text='"é"').decode().encode("latin-1"), (), ["not UTF-8"]),
    Case("text 0xff", lambda s: s.of(text='"~"').replace(b"~", b"\xff"), (), ["not UTF-8"]),
    Case("text overlong", lambda s: s.of(text='"~"').replace(b"~", b"\xc0\xaf"), (), ["not UTF-8"]),
    Case("text overlong NUL", lambda s: s.of(text='"~"').replace(b"~", b"\xe0\x80\x80"), (), ["not UTF-8"]),
    Case("text beyond Unicode", lambda s: s.of(text='"~"').replace(b"~", b"\xf4\x90\x80\x80"), (), ["not UTF-8"]),
    Case("text encoded surrogate", lambda s: s.of(text='"~"').replace(b"~", b"\xed\xa0\x80"), (), ["not UTF-8"]),
    Case("text half a character", lambda s: s.of(text='"~"').replace(b"~", b"\xf0\x9f\xa6"), (), ["not UTF-8"]),
    Case("text lone continuation", lambda s: s.of(text='"~"').replace(b"~", b"\x80"), (), ["not UTF-8"]),
]  # fmt: skip

KEYS = [
    _more("number", '"more":1'),
    _more("1e400", '"more":1e400'),
    _more("long number", f'"more":{"7" * 5000}'),
    _more("null", '"more":null'),
    _more("true", '"more":true'),
    _more("text", r'"more":"\"}{\n🦶"'),
    _more("half a surrogate pair", r'"more":"\ud800"'),
    _more("object", '"more":{"a":[1,{"b":"}"}]}'),
    _more("list", '"more":[[],[{}],"]"]'),
    _more("list of objects over lines", '"more":[\n{"a":1},\n{"b":2}\n]'),
    _more("object over lines", '"more":\n{\n"a":\n1\n}\n'),
    _more("an object on the next line, and more", '"more":\n{"a":1},"b":2'),
    _more("an object on the next line, at the end", '"more":\n{"a":1}'),
    _more("an object on the next line, more below", '"more":\n{"a":1}\n,\n"b":2\n'),
    _more("60 deep", f'"more":{"[" * 60}{"]" * 60}'),
    _more("63 deep", f'"more":{"[" * 63}{"]" * 63}'),
    _more("brackets in a text", f'"more":"{"[{" * 1000}"'),
    _more("many lists side by side", f'"more":[{",".join(["[]"] * 1000)}]'),
    _more("60 objects deep", '"more":' + '{"a":' * 60 + "1" + "}" * 60),
    _more("empty key", '"":1'),
    _more("odd keys", r'"\n":1', '"é":2', '"{":3', '"a key with spaces":4'),
    _more("a hundred keys", *(f'"more{n}":{n}' for n in range(100))),
    _more("a key of 5,000 letters", f'"{"k" * 5000}":1'),
    Case("unknown: first", lambda s: b'{"more":[1],' + s.of()[1:], [{}]),
    Case("unknown: the contract's key inside", lambda s: s.plus(f'"more":{{"{s.key("text")}":1}}'), [{}]),
    Case("unknown: key with a space", lambda s: s.plus(f'" {s.key("text")}":1'), [{}]),
    Case("no key", lambda s: b"{}", (), ["key missing"]),
    Case("no key, spaces", lambda s: b"{ \t}", (), ["key missing"]),
    Case("no key, newline", lambda s: b"{\n}", (), ["key missing"]),
    Case("text missing", lambda s: s.lacking("text"), (), ["key missing"]),
    Case("whole missing", lambda s: s.lacking("whole"), (), ["key missing"]),
    Case("double missing", lambda s: s.lacking("double"), (), ["key missing"], needs="double"),
    Case("only unknown keys", lambda s: b'{"more":1}', (), ["key missing"]),
    Case("missing, and another bad", lambda s: s.of(text="7", whole="null"), (), [NUMBER]),
    Case("swapped quotes", lambda s: ("{" + f'"{s.key("whole")}":"1","{s.key("text")}":7' + "}").encode(), (), [QUOTED]),
    Case("key twice", lambda s: s.plus(f'"{s.key("text")}":"T"'), (), ["key twice"]),
    Case("key twice with one value", lambda s: s.plus(s.inner()), (), ["key twice"]),
    Case("key twice by case", lambda s: s.plus(f'"{s.key("text").upper()}":"T"'), (), ["key twice"]),
    Case("key twice by escape", lambda s: s.plus(f'"{_escaped(s.key("whole"))}":1'), (), ["key twice"]),
    Case("key twice, one null", lambda s: s.plus(f'"{s.key("text")}":null'), (), ["key twice"]),
    Case("key twice, first bad", lambda s: s.of(text="7")[:-1] + f',"{s.key("text")}":"T"}}'.encode(), (), ["key twice"]),
    Case("unknown key twice", lambda s: s.plus('"more":1', '"more":1'), (), ["key twice"]),
    Case("unknown key twice by case", lambda s: s.plus('"more":1', '"MORE":2'), (), ["key twice"]),
    Case("unknown key twice beyond ASCII", lambda s: s.plus('"ÄÖ":1', '"äö":2'), (), ["key twice"]),
]  # fmt: skip

NOT_JSON = [
    _garbage("garbage", b"nonsense", "not JSON"),
    _garbage("garbage on two lines", b"some\nnonsense", "not JSON", "not JSON"),
    _garbage("log line", b"2022-06-18T12:00:00Z INFO done", "not JSON"),
    _garbage("NUL bytes", b"\0" * 100, "not JSON"),
    _garbage("HTML", b"<html>\n<body>\n</html>", *["not JSON"] * 3),
    _garbage("CSV", b"user,timestamp\na,1", "not JSON", "not JSON"),
    _garbage("number", b"5", "not an object"),
    _garbage("negative number", b"-5.0e-3", "not an object"),
    _garbage("text", b'"text"', "not an object"),
    _garbage("null", b"null", "not an object"),
    _garbage("true", b"true", "not an object"),
    _garbage("list of numbers", b"[1, 2]", "not JSON"),
    _garbage("list of one number", b"[1\n]", "not an object"),
    _garbage("text without its end", b'"text', "not JSON"),
    _garbage("bytes that are not UTF-8", b"\xff\xfe\x00", "not UTF-8"),
    _garbage("half a byte order mark", b"\xef\xbb", "not UTF-8"),
    _garbage("closing brace", b"}", "not JSON"),
    _garbage("colon", b":", "not JSON"),
    Case("text behind", lambda s: s.of() + b"x", [{}], ["not JSON"]),
    Case("text before", lambda s: b"x" + s.of(), [{}], ["not JSON"]),
    Case("brace behind", lambda s: s.of() + b"}", [{}], ["not JSON"]),
    Case("quote behind", lambda s: s.of() + b'"', [{}], ["not JSON"]),
    Case("quote before", lambda s: b'"' + s.of(), [{}], ["not JSON"]),
    Case("semicolon between", lambda s: s.of() + b";" + s.of(), [{}, {}], ["not JSON"]),
    Case("number before", lambda s: b"12 " + s.of(), [{}], ["not an object"]),
    Case("CR and text between", lambda s: s.of() + b"\rx\r" + s.of(), [{}, {}], ["not JSON"]),
    _bad("whole", "NaN", "not JSON"),
    _bad("whole", "Infinity", "not JSON"),
    _bad("whole", "-Infinity", "not JSON"),
    _bad("whole", "nan", "not JSON"),
    _bad("whole", "None", "not JSON"),
    _bad("whole", "True", "not JSON"),
    _bad("whole", "undefined", "not JSON"),
    _bad("whole", "01", "not JSON"),
    _bad("whole", "-01", "not JSON"),
    _bad("whole", "+1", "not JSON"),
    _bad("whole", "1.", "not JSON"),
    _bad("whole", ".5", "not JSON"),
    _bad("whole", "1e", "not JSON"),
    _bad("whole", "-", "not JSON"),
    _bad("whole", "0x10", "not JSON"),
    _bad("whole", "1_000", "not JSON"),
    _bad("whole", "1,5", "not JSON"),
    _bad("whole", "1 5", "not JSON"),
    _bad("whole", "\uff11", "not JSON", "a full-width digit"),
    _bad("whole", "", "not JSON", "nothing"),
    _bad("double", "NaN", "not JSON"),
    _bad("double", "-01.5", "not JSON"),
    Case("unknown: NaN", lambda s: s.plus('"more":NaN'), (), ["not JSON"]),
    Case("unknown: a list that isn't JSON", lambda s: s.plus('"more":[1,]'), (), ["not JSON"]),
    Case("comma before the end", lambda s: s.of()[:-1] + b",}", (), ["not JSON"]),
    Case("comma at the beginning", lambda s: b"{," + s.of()[1:], (), ["not JSON"]),
    Case("two commas", lambda s: ("{" + s.inner(None, ",,") + "}").encode(), (), ["not JSON"]),
    Case("no commas", lambda s: ("{" + s.inner(None, " ") + "}").encode(), (), ["not JSON"]),
    Case("semicolons", lambda s: ("{" + s.inner(None, ";") + "}").encode(), (), ["not JSON"]),
    Case("equals signs", lambda s: ("{" + s.inner(None, ",", "=") + "}").encode(), (), ["not JSON"]),
    Case("single quotes", lambda s: s.of().replace(b'"', b"'"), (), ["not JSON"]),
    Case("no quotes", lambda s: s.of().replace(b'"', b""), (), ["not JSON"]),
    Case("a comment", lambda s: s.of().replace(b"{", b"{/* */"), (), ["not JSON"]),
    Case("a set", lambda s: b'{"a","b"}', (), ["not JSON"]),
    Case("a key without a value", lambda s: s.plus('"more"'), (), ["not JSON"]),
    Case("a number as a key", lambda s: s.plus("1:1"), (), ["not JSON"]),
    Case("a form feed", lambda s: s.of().replace(b":", b":\f"), (), ["not JSON"]),
    Case("a no-break space", lambda s: ("{" + s.inner(None, ",\u00a0") + "}").encode(), (), ["not JSON"]),
    Case("a byte order mark inside", lambda s: s.of().replace(b"{", b"{" + BOM), (), ["not JSON"]),
    Case("spoilt over lines", lambda s: _pretty(s, "\n").replace(b" : 1", b" : 1x"), (), ["not JSON"]),
    Case("key not UTF-8", lambda s: s.plus('"~":1').replace(b"~", b"\xe9"), (), ["not UTF-8"]),
    Case("not UTF-8 between values", lambda s: s.of().replace(b"{", b"{\xa0"), (), ["not UTF-8"]),
]  # fmt: skip

CUT_OFF = [
    Case("cut behind the brace", lambda s: b"{", (), ["cut off"]),
    Case("cut in a key", lambda s: s.cut(s.key("text")[:3]), (), ["cut off"]),
    Case("cut behind a key", lambda s: s.cut(f'"{s.key("text")}"'), (), ["cut off"]),
    Case("cut behind a colon", lambda s: s.cut(f'"{s.key("text")}":'), (), ["cut off"]),
    Case("cut in a text", lambda s: s.cut(f'"{s.key("text")}":"'), (), ["cut off"]),
    Case("cut in a number", lambda s: s.cut(f'"{s.key("whole")}":1' if s.name != "customer" else f'"{s.key("whole")}":2'), (), ["cut off"]),
    Case("cut behind a comma", lambda s: s.cut(","), (), ["cut off"]),
    Case("cut before the brace", lambda s: s.of()[:-1], (), ["cut off"]),
    Case("cut in an escape", lambda s: s.cut(f'"{s.key("text")}":"') + b"\\", (), ["cut off"]),
    Case("cut in a \\u escape", lambda s: s.cut(f'"{s.key("text")}":"') + b"\\u00", (), ["cut off"]),
    Case("cut in a character", lambda s: s.cut(f'"{s.key("text")}":"') + b"\xf0\x9f", (), ["cut off"]),
    Case("cut in a literal", lambda s: b'{"more":tru', (), ["cut off"]),
    Case("cut in a list", lambda s: s.plus('"more":[1,2')[:-1], (), ["cut off"]),
    Case("cut in an object", lambda s: s.plus('"more":{"a":1')[:-1], (), ["cut off"]),
    Case("cut, and a CR", lambda s: s.cut(",") + b"\r", (), ["cut off"]),
    Case("two cut off", lambda s: s.cut(",") + b"\n" + s.cut(","), (), ["cut off"] * 2),
    Case("two cut off on a line", lambda s: s.cut(",") * 2, (), ["cut off"] * 2),
    Case("cut, and a good one behind", lambda s: s.cut(",") + s.of(), [{}], ["cut off"]),
    Case("cut in a key, and a good one behind", lambda s: s.cut(s.key("text")[:3]) + s.of(), [{}], ["cut off"]),
    Case("cut behind a colon, and a good one behind", lambda s: s.cut(":") + s.of(), [{}], ["cut off"]),
    Case("cut behind a colon, good ones on lines", lambda s: s.cut(":") + (b"\n" + s.of()) * 2, [{}] * 2, ["cut off"]),
    Case("cut behind a comma, good ones on lines", lambda s: s.cut(",") + (b"\n" + s.of()) * 2, [{}] * 2, ["cut off"]),
    Case("cut behind a key, an array behind", lambda s: b'{"' + s.key("text").encode() + b'"\n[' + s.of() + b"]", [{}], ["cut off"]),
    Case("cut in a list, good ones on lines", lambda s: b'{"more":[1,' + (b"\n" + s.of()) * 2, [{}] * 2, ["cut off"]),
    Case("cut over lines", lambda s: _pretty(s, "\n")[:-2], (), ["cut off"]),
    Case("good, then cut on its line", lambda s: s.of() + s.cut(","), [{}], ["cut off"]),
    Case("a text over lines", lambda s: s.of(text='"a\nb"').split(b"\n")[0], (), ["cut off"]),
    Case("a list closed by a brace", lambda s: b'{"more":[1}', (), ["not JSON"]),
    Case("behind a colon, good ones on lines", lambda s: b'{"more":' + (b"\n" + s.of()) * 3, [{}] * 3, ["cut off"]),
    Case("behind a colon and blanks", lambda s: b'{"more" : \r\n' + s.of() + b"\r\n" + s.of(), [{}] * 2, ["cut off"]),
    Case("behind a colon, a blank line", lambda s: b'{"more":\n\n' + s.of(), [{}], ["cut off"]),
    Case("behind a colon twice", lambda s: (b'{"more":\n' + s.of() + b"\n") * 2, [{}] * 2, ["cut off"] * 2),
    Case("behind a colon, a cut one, a good one", lambda s: b'{"more":\n{"a":1,\n' + s.of(), [{}], ["cut off"] * 2),
    Case("behind a colon, two on the next line", lambda s: b'{"more":\n' + s.of() + s.of(), [{}] * 2, ["cut off"]),
    Case("behind the colon of a nested one", lambda s: b'{"more":{"a":\n' + s.of() + b"\n" + s.of(), [{}] * 2, ["cut off"]),
    Case("braces", lambda s: b"{" * 50 + b"\n" + s.of(), [{}], ["cut off"]),
    Case("braces and brackets", lambda s: b"{[" * 50 + b"\n" + s.of(), [{}], ["cut off"]),
    Case("braces before a good one", lambda s: b"{" * 50 + s.of(), [{}], ["cut off"]),
    Case("a list closed by a brace over lines", lambda s: b'{"more":\n[1}', (), ["cut off"]),
    Case("only opens", lambda s: b'{"a":' * 10, (), ["cut off"]),
    Case("only opens, on lines", lambda s: b'{"a":\n' * 10, (), ["cut off"] * 10),
    Case("opens without end", lambda s: b'{"a":' * 65, (), [OBJECT]),
]  # fmt: skip

HUGE = "1e99999999999999999999"
TINY = "1e-99999999999999999999"
RARE = [
    _more("a number of a huge exponent", f'"more":{HUGE}'),
    _more("a list of a number of a huge exponent", f'"more":[{HUGE}]'),
    _value("whole", f"0{HUGE[1:]}", 0),
    _bad("whole", TINY, FRACTION),
    _value("double", f"-{TINY}", -0.0),
    _value("double", f"0{HUGE[1:]}", 0.0),
    _bad("text", HUGE, NUMBER),
    Case("key twice, one of a huge exponent", lambda s: s.plus(f'"{s.key("text")}":{HUGE}'), (), ["key twice"]),
    _garbage("number of a huge exponent", HUGE.encode(), "not an object"),
    _garbage("a form feed behind a number", b"5\f", "not JSON"),
    _garbage("a vertical tab", b"\v", "not JSON"),
    Case("cut before a bracket, garbage, one over lines", lambda s: b'{"a"\n]\nx' + _pretty(s, "\n"), [{}], ["cut off", "not JSON"]),
    Case("cut in a number, a brace too many behind", lambda s: b'{"a":1\n' + s.of() + b"}", [{}], ["cut off", "not JSON"]),
]  # fmt: skip

CASES = [*SPELLINGS, *WHOLE_NUMBERS, *DOUBLES, *TEXTS, *KEYS, *NOT_JSON, *CUT_OFF, *RARE]

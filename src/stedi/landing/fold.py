"""Folds text, so that spellings which look the same are the same: for comparing, never for showing.

Two texts fold to the same where they are equal after Unicode's NFKC and case folding, without
characters that nobody sees and without white space. A person's identifier that was typed twice is
found so: in other case, with a space behind it, with an accent in two code points.
"""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa

_NOT_SEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of control and format characters, and of spaces and line breaks."""
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What Unicode calls ignorable by default and has in other categories, and the blank of Braille."""
_LATER: dict[int, str | None] = {
    **dict(enumerate("абвгдежзиклмопрстуфхцчшыэюꚉәіјөүӏабвгдежзиклопсуфхцчшъыґіѕџҫꙑұ", 0x1E030)),
    **dict.fromkeys([*range(0x13439, 0x13440), *range(0x10EFD, 0x10F00), 0x11F41, 0x11F42]),
    **dict.fromkeys([0x1E08F, *range(0x1E4EC, 0x1E4F0)]),
}
"""What Unicode got after 14.0, which Python 3.11 has: small letters, signs and marks nobody sees.

Pythons know different versions, and fold the same all the same.
"""
_FOLDED_ASCII = bytes(range(0x21, 0x41)) + bytes(range(0x5B, 0x7F))
_FOLDED = re.compile(r"[!-@\[-~]*+").fullmatch
"""What of ASCII is folded already: the same as `_FOLDED_ASCII` has."""
_MOST_ROUNDS = 8


def fold(text: str) -> str:
    """The text that all its spellings fold to; what is folded stays as it is."""
    if _FOLDED(text):
        return text
    for _ in range(_MOST_ROUNDS):
        folded = _folded_once(text)
        if folded == text:
            break
        text = folded  # what was removed may have kept letters and accents apart
    return text


def _folded_once(text: str) -> str:
    if text.isascii():
        return "".join(text.lower().translate(_ASCII_NOT_SEEN).split())
    text = text.translate(_LATER)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = _BLANKS.sub("", text)
    return "".join(c for c in text if unicodedata.category(c) not in _NOT_SEEN)


_ASCII_NOT_SEEN = dict.fromkeys([*range(0x20), 0x7F])


def as_spelled(subjects: str | None) -> list[str]:
    """Whom a quarantined record is about, a line each, without lines that only fold another."""
    lines = (subjects or "").split("\n")
    folds = {fold(line) for line in lines if fold(line) != line}
    return [line for line in lines if line and line not in folds]


def folded(texts: pa.Array) -> pa.Array:
    """The same of each text of an array of strings; blanks stay blank.

    Where all are folded already, which a look at their bytes tells, it is the array itself.
    """
    if _are_folded(texts):
        return texts
    coded = texts.dictionary_encode()
    values = pa.array([fold(text) for text in coded.dictionary.to_pylist()], pa.string())
    return values.take(coded.indices)


def _are_folded(texts: pa.Array) -> bool:
    """Whether texts have nothing but ASCII that is seen, and no capital letter."""
    _, ends, data = texts.buffers()
    if data is None or not len(texts):
        return True
    offsets = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, ends], offset=texts.offset)
    begin, end = offsets[0].as_py(), offsets[len(texts)].as_py()
    return not bytes(memoryview(data)[begin:end]).translate(None, _FOLDED_ASCII)
